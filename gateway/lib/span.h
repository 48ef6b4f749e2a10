/* span: borrowed bytes. Wire data is never a C string: it may hold NUL, and
   it ends where its length says. A span is valid as long as the buffer it
   points into; whoever keeps one says until when. */
#ifndef POSTERN_LIB_SPAN_H
#define POSTERN_LIB_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *ptr;
	size_t len;
};

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* The span of a string literal, without its NUL. */
#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })

/* For printf("%.*s"): only with text already known to be printable. */
#define SPAN_ARGS(s) (int)(s).len, (s).ptr

static inline struct span span_of(const void *ptr, size_t len)
{
	return (struct span){ ptr, len };
}

/* The span of a NUL-terminated string; NULL gives an empty span. */
static inline struct span span_str(const char *str)
{
	return (struct span){ str, str == NULL ? 0 : strlen(str) };
}

/* Bytes from position from on; empty when from is past the end. */
static inline struct span span_from(struct span s, size_t from)
{
	if (from > s.len) {
		from = s.len;
	}
	return span_of(s.len == 0 ? s.ptr : s.ptr + from, s.len - from);
}

/* The first len bytes, or all there are. */
static inline struct span span_first(struct span s, size_t len)
{
	return span_of(s.ptr, len < s.len ? len : s.len);
}

bool span_eq(struct span a, struct span b);

/* Equal without regard to ASCII case (protocol keywords, RFC 9051 1.2). */
bool span_ieq(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_istarts(struct span s, struct span prefix);
bool span_iends(struct span s, struct span suffix);

/* Position of the first byte c, or -1. */
ptrdiff_t span_find(struct span s, char c);

/* Position of the first occurrence of needle, or -1; the second without
   regard to ASCII case. An empty needle is found at 0. */
ptrdiff_t span_search(struct span s, struct span needle);
ptrdiff_t span_isearch(struct span s, struct span needle);

/* Without leading and trailing SP, TAB, CR, LF. */
struct span span_trim(struct span s);

/* Cut the next line off *rest, without its LF or CRLF. Return false when
   nothing is left. A last line without LF is a line. */
bool span_next_line(struct span *rest, struct span *line_r);

/* Cut the next word off *rest; words are separated by any of the bytes in
   separators. Return false when nothing is left. Empty words are skipped. */
bool span_next_word(struct span *rest, const char *separators,
		    struct span *word_r);

/* Read all of s as a decimal number of at most max. Return 0, or -1 when it
   is empty, has another byte, or is larger than max. */
int span_to_u64(struct span s, uint64_t max, uint64_t *value_r);

/* Well-formed UTF-8 as RFC 3629 has it: shortest forms, no surrogates. NUL is
   a character like any other. */
bool span_is_utf8(struct span s);

/* An owned NUL-terminated copy (bytes after a NUL are cut by readers who
   treat it as a string: check first with span_find). Free with free(). */
char *span_dup(struct span s);

/* ASCII only: the locale has no say in a protocol. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

#endif
