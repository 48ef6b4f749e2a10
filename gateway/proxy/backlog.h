/* backlog: ciphertext that a socket did not take yet. Added at the end, sent
   from the head, freed when empty. */
#ifndef POSTERN_PROXY_BACKLOG_H
#define POSTERN_PROXY_BACKLOG_H

#include "lib/span.h"

struct backlog {
	char *ptr;
	/* Sent up to here. */
	size_t start;
	/* Filled up to here. */
	size_t end;
	size_t size;
};

static inline size_t backlog_len(const struct backlog *b)
{
	return b->end - b->start;
}

static inline struct span backlog_span(const struct backlog *b)
{
	return span_of(b->ptr == NULL ? NULL : b->ptr + b->start,
		       backlog_len(b));
}

void backlog_add(struct backlog *b, struct span bytes);
/* The first len bytes were sent. */
void backlog_sent(struct backlog *b, size_t len);
void backlog_finish(struct backlog *b);

#endif
