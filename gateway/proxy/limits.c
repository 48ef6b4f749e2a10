/* limits: a shared table of keys, found by a keyed hash in buckets of a few
   entries. Locked for the short while of each call; the lock survives the
   death of who held it. */
#include "proxy/limits.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/hash.h"

/* Entries a key may be in: enough that one bucket rarely fills. */
#define BUCKET_SIZE 8
#define KEY_SIZE    16

struct entry {
	/* Hash of kind and key; 0: free. */
	uint64_t id;
	/* Of the table's clock, for forgetting the least used. */
	uint64_t used;
	/* Failed logins since. */
	uint64_t window_start_s;
	uint32_t failures;
	/* Connections, by the worker that has them. */
	uint32_t connections[];
};

struct limits {
	pthread_mutex_t lock;
	size_t buckets;
	uint64_t clock;
	/* Chosen at start: nobody outside can aim at a bucket. */
	unsigned char key[KEY_SIZE];
	unsigned int workers;
	/* Of one entry: a page must serve many accounts, or each idle session
	   would cost one. */
	size_t entry_size;
	/* Entries, entry_size apart. */
	_Alignas(uint64_t) unsigned char entries[];
};

static size_t entry_size(unsigned int workers)
{
	size_t size = sizeof(struct entry) + workers * sizeof(uint32_t);

	return (size + 7) / 8 * 8;
}

static size_t table_size(size_t buckets, unsigned int workers)
{
	return sizeof(struct limits) +
	       buckets * BUCKET_SIZE * entry_size(workers);
}

static struct entry *entry_at(struct limits *limits, size_t i)
{
	return (struct entry *)(void *)(limits->entries +
					i * limits->entry_size);
}

struct limits *limits_create(size_t entries, unsigned int workers)
{
	pthread_mutexattr_t attributes;
	struct limits *limits;
	size_t buckets = 1;

	while (buckets * BUCKET_SIZE < entries) {
		buckets *= 2;
	}
	/* Pages are only there once they are written to. */
	limits =
		mmap(NULL, table_size(buckets, workers), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (limits == MAP_FAILED) {
		fprintf(stderr, "postern: no memory for the table of limits\n");
		abort();
	}
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&limits->lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	limits->buckets = buckets;
	limits->workers = workers;
	limits->entry_size = entry_size(workers);
	hash_random(limits->key, sizeof(limits->key));
	return limits;
}

void limits_destroy(struct limits **limits)
{
	if (*limits != NULL) {
		munmap(*limits,
		       table_size((*limits)->buckets, (*limits)->workers));
		*limits = NULL;
	}
}

static void lock(struct limits *limits)
{
	/* Whoever died with the lock left numbers, not pointers: at worst one
	   count is off until its worker is forgotten. */
	if (pthread_mutex_lock(&limits->lock) == EOWNERDEAD) {
		pthread_mutex_consistent(&limits->lock);
	}
}

static void unlock(struct limits *limits)
{
	pthread_mutex_unlock(&limits->lock);
}

static uint64_t id_of(const struct limits *limits, enum limits_kind kind,
		      struct span key)
{
	unsigned char digest[HASH_SHA256_SIZE];
	unsigned char keyed[KEY_SIZE + 1];
	uint64_t id;

	memcpy(keyed, limits->key, KEY_SIZE);
	keyed[KEY_SIZE] = (unsigned char)kind;
	hash_hmac_sha256(span_of(keyed, sizeof(keyed)), key, digest);
	memcpy(&id, digest, sizeof(id));
	return id == 0 ? 1 : id;
}

static uint64_t connections(const struct limits *limits,
			    const struct entry *entry)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < limits->workers; i++) {
		sum += entry->connections[i];
	}
	return sum;
}

/* Position of the first entry of the bucket of id. */
static size_t bucket_of(const struct limits *limits, uint64_t id)
{
	return id % limits->buckets * BUCKET_SIZE;
}

static struct entry *find(struct limits *limits, uint64_t id)
{
	size_t bucket = bucket_of(limits, id);

	for (size_t i = 0; i < BUCKET_SIZE; i++) {
		struct entry *entry = entry_at(limits, bucket + i);

		if (entry->id == id) {
			entry->used = ++limits->clock;
			return entry;
		}
	}
	return NULL;
}

/* Find it or make it, over the least used without connections; NULL when all
   of the bucket have some. */
static struct entry *find_or_add(struct limits *limits, uint64_t id)
{
	struct entry *entry = find(limits, id);
	size_t bucket = bucket_of(limits, id);

	if (entry != NULL) {
		return entry;
	}
	for (size_t i = 0; i < BUCKET_SIZE; i++) {
		struct entry *other = entry_at(limits, bucket + i);

		if ((entry == NULL || other->used < entry->used) &&
		    connections(limits, other) == 0) {
			entry = other;
		}
	}
	if (entry != NULL) {
		memset(entry, 0, limits->entry_size);
		entry->id = id;
		entry->used = ++limits->clock;
	}
	return entry;
}

void limits_forget_worker(struct limits *limits, unsigned int worker)
{
	lock(limits);
	for (size_t i = 0; i < limits->buckets * BUCKET_SIZE; i++) {
		struct entry *entry = entry_at(limits, i);

		if (entry->id != 0) {
			entry->connections[worker % limits->workers] = 0;
		}
	}
	unlock(limits);
}

bool limits_acquire(struct limits *limits, unsigned int worker,
		    enum limits_kind kind, struct span key, unsigned int max)
{
	uint64_t id = id_of(limits, kind, key);
	bool allowed = true;
	struct entry *entry;

	lock(limits);
	entry = find_or_add(limits, id);
	/* A full bucket counts nothing: mail goes on. */
	if (entry != NULL) {
		allowed = connections(limits, entry) < max;
		entry->connections[worker % limits->workers] += allowed;
	}
	unlock(limits);
	return allowed;
}

void limits_release(struct limits *limits, unsigned int worker,
		    enum limits_kind kind, struct span key)
{
	uint64_t id = id_of(limits, kind, key);
	struct entry *entry;

	lock(limits);
	entry = find(limits, id);
	if (entry != NULL && entry->connections[worker % limits->workers] > 0) {
		entry->connections[worker % limits->workers]--;
	}
	unlock(limits);
}

static bool window_is_over(const struct entry *entry, uint64_t now_s,
			   unsigned int window_s)
{
	return now_s - entry->window_start_s >= window_s;
}

unsigned int limits_fail(struct limits *limits, enum limits_kind kind,
			 struct span key, uint64_t now_s, unsigned int window_s)
{
	uint64_t id = id_of(limits, kind, key);
	unsigned int count = 1;
	struct entry *entry;

	lock(limits);
	entry = find_or_add(limits, id);
	if (entry != NULL) {
		if (entry->failures == 0 ||
		    window_is_over(entry, now_s, window_s)) {
			entry->failures = 0;
			entry->window_start_s = now_s;
		}
		count = ++entry->failures;
	}
	unlock(limits);
	return count;
}

unsigned int limits_failures(struct limits *limits, enum limits_kind kind,
			     struct span key, uint64_t now_s,
			     unsigned int window_s)
{
	uint64_t id = id_of(limits, kind, key);
	unsigned int count = 0;
	struct entry *entry;

	lock(limits);
	entry = find(limits, id);
	if (entry != NULL && !window_is_over(entry, now_s, window_s)) {
		count = entry->failures;
	}
	unlock(limits);
	return count;
}

void limits_forgive(struct limits *limits, enum limits_kind kind,
		    struct span key)
{
	uint64_t id = id_of(limits, kind, key);
	struct entry *entry;

	lock(limits);
	entry = find(limits, id);
	if (entry != NULL) {
		entry->failures = 0;
	}
	unlock(limits);
}
