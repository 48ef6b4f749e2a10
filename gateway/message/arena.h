/* arena: memory of one message, freed at once. */
#ifndef POSTERN_MESSAGE_ARENA_H
#define POSTERN_MESSAGE_ARENA_H

#include "lib/span.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;
};

/* size bytes, aligned for anything, not cleared. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of s that lives as long as the arena. */
struct span arena_copy(struct arena *arena, struct span s);

/* Overwrite (it was mail) and free everything. */
void arena_finish(struct arena *arena);

#endif
