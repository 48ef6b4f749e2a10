/* strbuf: owned, growing bytes with a cap. Appending past the cap sets
   overflow and keeps what fitted; callers check once at the end. */
#ifndef POSTERN_LIB_STRBUF_H
#define POSTERN_LIB_STRBUF_H

#include "lib/span.h"

struct strbuf {
	/* NULL while empty; not NUL-terminated, see strbuf_cstr. */
	char *ptr;
	size_t len;
	/* Bytes allocated. */
	size_t size;
	/* len never exceeds it. */
	size_t cap;
	/* Something did not fit since the last strbuf_clear. */
	bool overflow;
};

#define STRBUF_INIT(max) ((struct strbuf){ .cap = (max) })

static inline void strbuf_init(struct strbuf *buf, size_t cap)
{
	*buf = STRBUF_INIT(cap);
}

/* Free the bytes; the buffer is empty and usable again. */
void strbuf_finish(struct strbuf *buf);

/* As strbuf_finish, overwriting the bytes first (credentials, content). */
void strbuf_wipe(struct strbuf *buf);

/* Forget the content, keep the allocation. */
static inline void strbuf_clear(struct strbuf *buf)
{
	buf->len = 0;
	buf->overflow = false;
}

void strbuf_add(struct strbuf *buf, struct span bytes);
void strbuf_add_str(struct strbuf *buf, const char *str);
void strbuf_add_char(struct strbuf *buf, char c);
void strbuf_addf(struct strbuf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Make room for extra bytes at ptr + len and return them for writing; the
   caller adds what it wrote to len. NULL (and overflow) past the cap. */
char *strbuf_reserve(struct strbuf *buf, size_t extra);

/* Remove the first count bytes (count <= len). */
void strbuf_shift(struct strbuf *buf, size_t count);

static inline struct span strbuf_span(const struct strbuf *buf)
{
	return span_of(buf->ptr, buf->len);
}

/* The content followed by a NUL that is not part of len. Valid until the
   next change. Never NULL. */
const char *strbuf_cstr(struct strbuf *buf);

#endif
