/* imap_utf7: base64 of UTF-16BE between "&" and "-", printable ASCII as it
   is, "&-" for "&". */
#include "imap/imap_utf7.h"

static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static bool is_direct(unsigned char c)
{
	return c >= 0x20 && c <= 0x7e;
}

static void add_utf8(struct strbuf *out, uint32_t point)
{
	if (point < 0x80) {
		strbuf_add_char(out, (char)point);
	} else if (point < 0x800) {
		strbuf_add_char(out, (char)(0xc0 | point >> 6));
		strbuf_add_char(out, (char)(0x80 | (point & 0x3f)));
	} else if (point < 0x10000) {
		strbuf_add_char(out, (char)(0xe0 | point >> 12));
		strbuf_add_char(out, (char)(0x80 | (point >> 6 & 0x3f)));
		strbuf_add_char(out, (char)(0x80 | (point & 0x3f)));
	} else {
		strbuf_add_char(out, (char)(0xf0 | point >> 18));
		strbuf_add_char(out, (char)(0x80 | (point >> 12 & 0x3f)));
		strbuf_add_char(out, (char)(0x80 | (point >> 6 & 0x3f)));
		strbuf_add_char(out, (char)(0x80 | (point & 0x3f)));
	}
}

/* One UTF-16 unit; *high holds a surrogate that waits for its second half. */
static int add_unit(struct strbuf *out, uint32_t unit, uint32_t *high)
{
	bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

	if ((*high != 0) != is_low) {
		return -1;
	}
	if (is_low) {
		add_utf8(out,
			 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
		return 0;
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return 0;
	}
	/* What can be written directly must be. */
	if (is_direct((unsigned char)unit) && unit < 0x80) {
		return -1;
	}
	add_utf8(out, unit);
	return 0;
}

static int decode_shifted(struct span text, struct strbuf *out)
{
	uint32_t bits = 0;
	unsigned int count = 0;
	uint32_t high = 0;

	for (size_t i = 0; i < text.len; i++) {
		int value = digit_value(text.ptr[i]);

		if (value < 0) {
			return -1;
		}
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count >= 16) {
			count -= 16;
			if (add_unit(out, bits >> count & 0xffff, &high) < 0) {
				return -1;
			}
			bits &= (1u << count) - 1;
		}
	}
	/* Only padding is left: less than a digit, and zero. */
	return count < 6 && bits == 0 && high == 0 ? 0 : -1;
}

int imap_utf7_decode(struct span name, struct strbuf *out)
{
	size_t before = out->len;
	bool after_shift = false;

	for (size_t i = 0; i < name.len; i++) {
		struct span rest;
		ptrdiff_t end;

		if (!is_direct((unsigned char)name.ptr[i])) {
			goto malformed;
		}
		if (name.ptr[i] != '&') {
			strbuf_add_char(out, name.ptr[i]);
			after_shift = false;
			continue;
		}
		rest = span_from(name, i + 1);
		end = span_find(rest, '-');
		if (end < 0) {
			goto malformed;
		}
		if (end == 0) {
			strbuf_add_char(out, '&');
			after_shift = false;
		} else if (after_shift ||
			   decode_shifted(span_first(rest, (size_t)end), out) <
				   0) {
			goto malformed;
		} else {
			after_shift = true;
		}
		i += (size_t)end + 1;
	}
	return 0;
malformed:
	out->len = before;
	return -1;
}

/* Cut one code point off *rest. Return 0, or -1 when it is not UTF-8. */
static int next_point(struct span *rest, uint32_t *point_r)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)rest->ptr[0];
	size_t len;
	uint32_t point;

	if (first < 0x80) {
		len = 1;
		point = first;
	} else if (first >= 0xc2 && first <= 0xdf) {
		len = 2;
		point = first & 0x1f;
	} else if (first >= 0xe0 && first <= 0xef) {
		len = 3;
		point = first & 0x0f;
	} else if (first >= 0xf0 && first <= 0xf4) {
		len = 4;
		point = first & 0x07;
	} else {
		return -1;
	}
	if (rest->len < len) {
		return -1;
	}
	for (size_t i = 1; i < len; i++) {
		unsigned char c = (unsigned char)rest->ptr[i];

		if ((c & 0xc0) != 0x80) {
			return -1;
		}
		point = point << 6 | (c & 0x3f);
	}
	if (point < least[len] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff)) {
		return -1;
	}
	*rest = span_from(*rest, len);
	*point_r = point;
	return 0;
}

struct shifter {
	struct strbuf *out;
	bool open;
	uint32_t bits;
	unsigned int count;
};

static void shifter_unit(struct shifter *s, uint32_t unit)
{
	if (!s->open) {
		strbuf_add_char(s->out, '&');
		s->open = true;
	}
	s->bits = s->bits << 16 | unit;
	s->count += 16;
	while (s->count >= 6) {
		s->count -= 6;
		strbuf_add_char(s->out, digits[s->bits >> s->count & 0x3f]);
	}
	s->bits &= (1u << s->count) - 1;
}

static void shifter_close(struct shifter *s)
{
	if (!s->open) {
		return;
	}
	if (s->count > 0) {
		strbuf_add_char(s->out,
				digits[s->bits << (6 - s->count) & 0x3f]);
	}
	strbuf_add_char(s->out, '-');
	*s = (struct shifter){ .out = s->out };
}

int imap_utf7_encode(struct span text, struct strbuf *out)
{
	size_t before = out->len;
	struct shifter shifter = { .out = out };

	while (text.len > 0) {
		uint32_t point;

		if (next_point(&text, &point) < 0) {
			out->len = before;
			return -1;
		}
		if (point < 0x80 && is_direct((unsigned char)point)) {
			shifter_close(&shifter);
			strbuf_add_char(out, (char)point);
			if (point == '&') {
				strbuf_add_char(out, '-');
			}
		} else if (point < 0x10000) {
			shifter_unit(&shifter, point);
		} else {
			shifter_unit(&shifter,
				     0xd800 + ((point - 0x10000) >> 10));
			shifter_unit(&shifter,
				     0xdc00 + ((point - 0x10000) & 0x3ff));
		}
	}
	shifter_close(&shifter);
	return 0;
}
