/* message_memory: a set-associative cache of 64-bit hashes: four places for
   each key, the oldest of them gives way. */
#include "posternd/message_memory.h"

#include <stdlib.h>

#include "lib/hash.h"
#include "lib/xalloc.h"

#define WAYS 4

struct message_memory {
	/* WAYS places side by side, newest first. */
	uint64_t *places;
	size_t sets;
	uint64_t secret[2];
};

struct message_memory *message_memory_create(size_t slots)
{
	struct message_memory *memory = xcalloc(1, sizeof(*memory));

	memory->sets = 1;
	while (memory->sets * WAYS < slots) {
		memory->sets *= 2;
	}
	memory->places = xcalloc(memory->sets * WAYS, sizeof(uint64_t));
	hash_random(memory->secret, sizeof(memory->secret));
	return memory;
}

void message_memory_destroy(struct message_memory **memory)
{
	if (*memory != NULL) {
		free((*memory)->places);
		free(*memory);
		*memory = NULL;
	}
}

/* Multiply and fold (the mixing step of wyhash): 64 bits from 128. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mix_bytes(uint64_t hash, uint64_t secret, struct span bytes)
{
	hash = mix(hash ^ secret, bytes.len ^ UINT64_C(0x9e3779b97f4a7c15));
	for (size_t i = 0; i < bytes.len; i += 8) {
		uint64_t word = 0;
		size_t len = bytes.len - i < 8 ? bytes.len - i : 8;

		memcpy(&word, bytes.ptr + i, len);
		hash = mix(hash ^ word, secret | 1);
	}
	return hash;
}

uint64_t message_memory_key(const struct message_memory *memory,
			    struct span mailbox, struct span folder,
			    uint32_t uidvalidity, uint32_t uid)
{
	uint64_t hash = memory->secret[0];

	hash = mix_bytes(hash, memory->secret[1], mailbox);
	hash = mix_bytes(hash, memory->secret[1], folder);
	hash = mix(hash ^ ((uint64_t)uidvalidity << 32 | uid),
		   memory->secret[1] | 1);
	return hash == 0 ? 1 : hash;
}

static uint64_t *set_of(const struct message_memory *memory, uint64_t key)
{
	return memory->places + (key & (memory->sets - 1)) * WAYS;
}

bool message_memory_has(const struct message_memory *memory, uint64_t key)
{
	const uint64_t *set = set_of(memory, key);

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i] == key) {
			return true;
		}
	}
	return false;
}

void message_memory_add(struct message_memory *memory, uint64_t key)
{
	uint64_t *set = set_of(memory, key);

	if (message_memory_has(memory, key)) {
		return;
	}
	memmove(set + 1, set, (WAYS - 1) * sizeof(*set));
	set[0] = key;
}
