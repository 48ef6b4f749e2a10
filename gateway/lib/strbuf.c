/* strbuf: growing bytes. Doubles its allocation; the cap is the caller's
   promise about how much a peer can make us keep. */
#include "lib/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/xalloc.h"

#define STRBUF_FIRST_SIZE 64

void strbuf_finish(struct strbuf *buf)
{
	free(buf->ptr);
	buf->ptr = NULL;
	buf->size = 0;
	strbuf_clear(buf);
}

void strbuf_wipe(struct strbuf *buf)
{
	if (buf->ptr != NULL) {
		explicit_bzero(buf->ptr, buf->size);
	}
	strbuf_finish(buf);
}

/* Have one byte more than needed, so that strbuf_cstr can end the text. The
   old block is wiped: a realloc would leave a copy of a secret behind. */
static void grow(struct strbuf *buf, size_t needed)
{
	size_t size = buf->size == 0 ? STRBUF_FIRST_SIZE : buf->size;
	char *bigger;

	if (needed + 1 <= buf->size) {
		return;
	}
	while (size < needed + 1) {
		size *= 2;
	}
	/* More than the cap and a NUL is never needed. */
	if (size - 1 > buf->cap) {
		size = buf->cap + 1;
	}
	bigger = xmalloc(size);
	if (buf->len > 0) {
		memcpy(bigger, buf->ptr, buf->len);
		explicit_bzero(buf->ptr, buf->len);
	}
	free(buf->ptr);
	buf->ptr = bigger;
	buf->size = size;
}

char *strbuf_reserve(struct strbuf *buf, size_t extra)
{
	if (extra > buf->cap - buf->len) {
		buf->overflow = true;
		return NULL;
	}
	grow(buf, buf->len + extra);
	return buf->ptr + buf->len;
}

void strbuf_add(struct strbuf *buf, struct span bytes)
{
	if (bytes.len > buf->cap - buf->len) {
		bytes.len = buf->cap - buf->len;
		buf->overflow = true;
	}
	if (bytes.len == 0) {
		return;
	}
	if (buf->len + bytes.len >= buf->size) {
		grow(buf, buf->len + bytes.len);
	}
	memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
	buf->len += bytes.len;
}

void strbuf_add_str(struct strbuf *buf, const char *str)
{
	strbuf_add(buf, span_str(str));
}

void strbuf_add_char(struct strbuf *buf, char c)
{
	/* Cheap where it is called for every character. */
	if (buf->len + 1 < buf->size && buf->len < buf->cap) {
		buf->ptr[buf->len++] = c;
		return;
	}
	strbuf_add(buf, span_of(&c, 1));
}

void strbuf_addf(struct strbuf *buf, const char *format, ...)
{
	/* Most of what is formatted is short: no allocation for that. */
	char small[256];
	char *text = small;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (len >= (int)sizeof(small)) {
		va_start(args, format);
		len = vasprintf(&text, format, args);
		va_end(args);
	}
	if (len < 0) {
		buf->overflow = true;
		return;
	}
	strbuf_add(buf, span_of(text, (size_t)len));
	if (text != small) {
		free(text);
	}
}

void strbuf_shift(struct strbuf *buf, size_t count)
{
	if (count >= buf->len) {
		buf->len = 0;
		return;
	}
	memmove(buf->ptr, buf->ptr + count, buf->len - count);
	buf->len -= count;
}

const char *strbuf_cstr(struct strbuf *buf)
{
	grow(buf, buf->len);
	buf->ptr[buf->len] = '\0';
	return buf->ptr;
}
