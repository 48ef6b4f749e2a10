/* span: comparing, searching and cutting borrowed bytes. Allocates only in
   span_dup. */
#include "lib/span.h"

#include "lib/xalloc.h"

bool span_eq(struct span a, struct span b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool span_ieq(struct span a, struct span b)
{
	return a.len == b.len && span_istarts(a, b);
}

bool span_starts(struct span s, struct span prefix)
{
	return s.len >= prefix.len &&
	       span_eq(span_first(s, prefix.len), prefix);
}

bool span_istarts(struct span s, struct span prefix)
{
	if (s.len < prefix.len) {
		return false;
	}
	for (size_t i = 0; i < prefix.len; i++) {
		if (ascii_lower(s.ptr[i]) != ascii_lower(prefix.ptr[i])) {
			return false;
		}
	}
	return true;
}

bool span_iends(struct span s, struct span suffix)
{
	return s.len >= suffix.len &&
	       span_ieq(span_from(s, s.len - suffix.len), suffix);
}

ptrdiff_t span_find(struct span s, char c)
{
	const char *at = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);

	return at == NULL ? -1 : at - s.ptr;
}

ptrdiff_t span_search(struct span s, struct span needle)
{
	const char *at;

	if (needle.len == 0) {
		return 0;
	}
	at = s.len == 0 ? NULL : memmem(s.ptr, s.len, needle.ptr, needle.len);
	return at == NULL ? -1 : at - s.ptr;
}

ptrdiff_t span_isearch(struct span s, struct span needle)
{
	for (size_t i = 0; i + needle.len <= s.len; i++) {
		if (span_istarts(span_from(s, i), needle)) {
			return (ptrdiff_t)i;
		}
	}
	return -1;
}

struct span span_trim(struct span s)
{
	while (s.len > 0 && ascii_is_space(s.ptr[0])) {
		s = span_from(s, 1);
	}
	while (s.len > 0 && ascii_is_space(s.ptr[s.len - 1])) {
		s.len--;
	}
	return s;
}

bool span_next_line(struct span *rest, struct span *line_r)
{
	ptrdiff_t lf;

	if (rest->len == 0) {
		return false;
	}
	lf = span_find(*rest, '\n');
	if (lf < 0) {
		*line_r = *rest;
		*rest = span_from(*rest, rest->len);
		return true;
	}
	*line_r = span_first(*rest, (size_t)lf);
	if (line_r->len > 0 && line_r->ptr[line_r->len - 1] == '\r') {
		line_r->len--;
	}
	*rest = span_from(*rest, (size_t)lf + 1);
	return true;
}

static bool is_separator(char c, const char *separators)
{
	return c != '\0' && strchr(separators, c) != NULL;
}

bool span_next_word(struct span *rest, const char *separators,
		    struct span *word_r)
{
	size_t len = 0;

	while (rest->len > 0 && is_separator(rest->ptr[0], separators)) {
		*rest = span_from(*rest, 1);
	}
	while (len < rest->len && !is_separator(rest->ptr[len], separators)) {
		len++;
	}
	*word_r = span_first(*rest, len);
	*rest = span_from(*rest, len);
	return len > 0;
}

int span_to_u64(struct span s, uint64_t max, uint64_t *value_r)
{
	uint64_t value = 0;

	if (s.len == 0) {
		return -1;
	}
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit;

		if (!ascii_is_digit(s.ptr[i])) {
			return -1;
		}
		digit = (uint64_t)(s.ptr[i] - '0');
		if (digit > max || value > (max - digit) / 10) {
			return -1;
		}
		value = value * 10 + digit;
	}
	*value_r = value;
	return 0;
}

/* Length of the UTF-8 character at the head of s, 0 when it is none. The
   second byte is where overlong forms, surrogates and code points past
   U+10FFFF show (RFC 3629 section 4). */
static size_t utf8_char_len(const unsigned char *c, size_t len)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t need;

	if (c[0] < 0x80) {
		return 1;
	}
	if (c[0] < 0xc2 || c[0] > 0xf4) {
		return 0;
	}
	need = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	if (need > len) {
		return 0;
	}
	if (c[0] == 0xe0) {
		low = 0xa0;
	} else if (c[0] == 0xed) {
		high = 0x9f;
	} else if (c[0] == 0xf0) {
		low = 0x90;
	} else if (c[0] == 0xf4) {
		high = 0x8f;
	}
	if (c[1] < low || c[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < need; i++) {
		if (c[i] < 0x80 || c[i] > 0xbf) {
			return 0;
		}
	}
	return need;
}

bool span_is_utf8(struct span s)
{
	size_t at = 0;

	while (at < s.len) {
		size_t len = utf8_char_len((const unsigned char *)s.ptr + at,
					   s.len - at);

		if (len == 0) {
			return false;
		}
		at += len;
	}
	return true;
}

char *span_dup(struct span s)
{
	char *copy = xmalloc(s.len + 1);

	if (s.len > 0) {
		memcpy(copy, s.ptr, s.len);
	}
	copy[s.len] = '\0';
	return copy;
}
