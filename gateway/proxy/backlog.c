/* backlog: ciphertext that a socket did not take yet. Knows nothing of why. */
#include "proxy/backlog.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/xalloc.h"

#define BACKLOG_FIRST_SIZE (32 * 1024)

/* Sent bytes at the head are only moved over when that makes the room; who
   adds keeps the length bounded, so this stays cheap. */
static void make_room(struct backlog *b, size_t extra)
{
	size_t len = backlog_len(b);
	size_t size = b->size == 0 ? BACKLOG_FIRST_SIZE : b->size;
	char *bigger;

	if (b->size - b->end >= extra) {
		return;
	}
	if (b->size - len >= extra && b->start >= len) {
		memcpy(b->ptr, b->ptr + b->start, len);
		b->start = 0;
		b->end = len;
		return;
	}
	while (size < len + extra) {
		size *= 2;
	}
	bigger = xmalloc(size);
	if (len > 0) {
		memcpy(bigger, b->ptr + b->start, len);
	}
	free(b->ptr);
	*b = (struct backlog){ .ptr = bigger, .end = len, .size = size };
}

void backlog_add(struct backlog *b, struct span bytes)
{
	if (bytes.len == 0) {
		return;
	}
	make_room(b, bytes.len);
	memcpy(b->ptr + b->end, bytes.ptr, bytes.len);
	b->end += bytes.len;
}

void backlog_sent(struct backlog *b, size_t len)
{
	assert(len <= backlog_len(b));
	b->start += len;
	if (b->start == b->end) {
		backlog_finish(b);
	}
}

void backlog_finish(struct backlog *b)
{
	free(b->ptr);
	*b = (struct backlog){ 0 };
}
