/* utf8: walk and check UTF-8. Knows no other charset. */
#include "message/utf8.h"

size_t utf8_sequence(struct span s, uint32_t *code_r)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s.ptr;
	uint32_t code;
	size_t len;

	if (s.len == 0) {
		return 0;
	}
	if (p[0] < 0x80) {
		len = 1;
		code = p[0];
	} else if (p[0] >= 0xc2 && p[0] < 0xe0) {
		len = 2;
		code = p[0] & 0x1fu;
	} else if (p[0] >= 0xe0 && p[0] < 0xf0) {
		len = 3;
		code = p[0] & 0x0fu;
	} else if (p[0] >= 0xf0 && p[0] < 0xf5) {
		len = 4;
		code = p[0] & 0x07u;
	} else {
		return 0;
	}
	if (s.len < len) {
		return 0;
	}
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
		code = code << 6 | (p[i] & 0x3fu);
	}
	if (code < smallest[len] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff)) {
		return 0;
	}
	if (code_r != NULL) {
		*code_r = code;
	}
	return len;
}

size_t utf8_ascii_prefix(struct span s)
{
	const uint64_t high = 0x8080808080808080u;
	const uint64_t ones = 0x0101010101010101u;
	size_t i = 0;

	for (; i + sizeof(uint64_t) <= s.len; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, s.ptr + i, sizeof(word));
		/* Any byte with its top bit set, or zero. */
		if (((word | (word - ones)) & high) != 0) {
			break;
		}
	}
	while (i < s.len && s.ptr[i] > 0) {
		i++;
	}
	return i;
}

bool utf8_is_ascii(struct span s)
{
	return utf8_ascii_prefix(s) == s.len;
}

void utf8_put(struct strbuf *out, uint32_t code)
{
	char bytes[4];
	size_t len = 0;

	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
		code = UTF8_REPLACEMENT;
	}
	if (code < 0x80) {
		bytes[len++] = (char)code;
	} else if (code < 0x800) {
		bytes[len++] = (char)(0xc0 | code >> 6);
		bytes[len++] = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		bytes[len++] = (char)(0xe0 | code >> 12);
		bytes[len++] = (char)(0x80 | (code >> 6 & 0x3f));
		bytes[len++] = (char)(0x80 | (code & 0x3f));
	} else {
		bytes[len++] = (char)(0xf0 | code >> 18);
		bytes[len++] = (char)(0x80 | (code >> 12 & 0x3f));
		bytes[len++] = (char)(0x80 | (code >> 6 & 0x3f));
		bytes[len++] = (char)(0x80 | (code & 0x3f));
	}
	/* A character is whole or not there at all. */
	if (len > out->cap - out->len) {
		out->overflow = true;
		return;
	}
	strbuf_add(out, span_of(bytes, len));
}

void utf8_put_repaired(struct strbuf *out, struct span s)
{
	while (s.len > 0) {
		size_t ascii = utf8_ascii_prefix(s);
		size_t len;

		if (ascii > 0) {
			strbuf_add(out, span_first(s, ascii));
			s = span_from(s, ascii);
			continue;
		}
		len = utf8_sequence(s, NULL);
		if (len > 1) {
			if (len > out->cap - out->len) {
				out->overflow = true;
				return;
			}
			strbuf_add(out, span_first(s, len));
			s = span_from(s, len);
		} else {
			utf8_put(out, UTF8_REPLACEMENT);
			s = span_from(s, 1);
		}
	}
}
