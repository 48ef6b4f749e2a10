/* arena: memory of one message, freed at once. Knows nothing of what it
   holds. */
#include "message/arena.h"

#include <stdlib.h>

#include "lib/xalloc.h"

/* Fits the headers of ordinary mail in one block. */
#define ARENA_BLOCK_SIZE 8192u
#define ARENA_ALIGN	 16u

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t size;
	/* Two words and a pointer: keep what follows aligned. */
	size_t pad;
	char bytes[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;
	void *result;

	size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	if (block == NULL || block->size - block->used < size) {
		size_t room = size > ARENA_BLOCK_SIZE ? size : ARENA_BLOCK_SIZE;

		block = xmalloc(sizeof(*block) + room);
		block->used = 0;
		block->size = room;
		if (room > ARENA_BLOCK_SIZE && arena->blocks != NULL) {
			/* Keep filling the block that has room. */
			block->next = arena->blocks->next;
			arena->blocks->next = block;
		} else {
			block->next = arena->blocks;
			arena->blocks = block;
		}
	}
	result = block->bytes + block->used;
	block->used += size;
	return result;
}

struct span arena_copy(struct arena *arena, struct span s)
{
	char *copy;

	if (s.len == 0) {
		return SPAN("");
	}
	copy = arena_alloc(arena, s.len);
	memcpy(copy, s.ptr, s.len);
	return span_of(copy, s.len);
}

void arena_finish(struct arena *arena)
{
	while (arena->blocks != NULL) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		explicit_bzero(block->bytes, block->used);
		free(block);
	}
}
