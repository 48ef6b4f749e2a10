/* text_chars: what single characters are, by ranges of Unicode that matter
   in mail. The C locale knows none of this and is not asked. */
#include "filters/text_chars.h"

#include <assert.h>

struct range {
	uint32_t first;
	uint32_t last;
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (c >= ranges[i].first && c <= ranges[i].last) {
			return true;
		}
	}
	return false;
}

uint32_t chars_next(struct span *rest)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)rest->ptr;
	size_t need;
	uint32_t c = p[0];

	if (c < 0x80) {
		*rest = span_from(*rest, 1);
		return c;
	}
	need = c >= 0xf0 && c < 0xf5   ? 4
	       : c >= 0xe0 && c < 0xf0 ? 3
	       : c >= 0xc2 && c < 0xe0 ? 2
				       : 0;
	if (need == 0 || need > rest->len) {
		*rest = span_from(*rest, 1);
		return 0xfffd;
	}
	c &= 0x7fu >> need;
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			*rest = span_from(*rest, 1);
			return 0xfffd;
		}
		c = c << 6 | (p[i] & 0x3fu);
	}
	*rest = span_from(*rest, need);
	return c < least[need] ? 0xfffd : c;
}

size_t chars_put(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | (c >> 18 & 7));
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

size_t chars_count(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
	}
	return n;
}

int chars_digit(uint32_t c)
{
	/* The zero of each script's ten digits. */
	static const uint32_t zeros[] = {
		0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6,
		0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0e50, 0x0ed0,
		0x0f20, 0x1040, 0x17e0, 0x1810, 0xff10,
	};

	if (c < 0x80) {
		return c >= '0' && c <= '9' ? (int)(c - '0') : -1;
	}
	for (size_t i = 0; i < N_ELEMENTS(zeros); i++) {
		if (c >= zeros[i] && c < zeros[i] + 10) {
			return (int)(c - zeros[i]);
		}
	}
	return -1;
}

bool chars_is_ideograph(uint32_t c)
{
	static const struct range ranges[] = {
		{ 0x0e00, 0x0e4f }, { 0x2e80, 0x2fdf },	  { 0x3005, 0x3007 },
		{ 0x3021, 0x30ff }, { 0x321c, 0x321c },	  { 0x3231, 0x3232 },
		{ 0x3400, 0x9fff }, { 0xac00, 0xd7af },	  { 0xf900, 0xfaff },
		{ 0xff66, 0xff9f }, { 0x20000, 0x3134f },
	};

	return c >= 0x0e00 && in_ranges(c, ranges, N_ELEMENTS(ranges));
}

bool chars_is_letter(uint32_t c)
{
	static const struct range ranges[] = {
		{ 0xaa, 0xaa },	  { 0xb5, 0xb5 },     { 0xba, 0xba },
		{ 0xc0, 0xd6 },	  { 0xd8, 0xf6 },     { 0xf8, 0x2c1 },
		{ 0x300, 0x374 }, { 0x376, 0x37d },   { 0x386, 0x386 },
		{ 0x388, 0x481 }, { 0x48a, 0x587 },   { 0x591, 0x5f2 },
		{ 0x610, 0x61a }, { 0x620, 0x65f },   { 0x66e, 0x6d3 },
		{ 0x6d5, 0x6dc }, { 0x6ee, 0x6ef },   { 0x6fa, 0x7bf },
		{ 0x900, 0x963 }, { 0x971, 0x9e3 },   { 0x9f0, 0xa65 },
		{ 0xa70, 0xae3 }, { 0xaf0, 0xb65 },   { 0xb70, 0xbe5 },
		{ 0xc00, 0xc65 }, { 0xc80, 0xce5 },   { 0xd00, 0xd65 },
		{ 0xd80, 0xdff }, { 0x10a0, 0x10ff }, { 0x1e00, 0x1fff },
	};

	if (c < 0x80) {
		return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
	}
	return in_ranges(c, ranges, N_ELEMENTS(ranges)) ||
	       chars_is_ideograph(c);
}

uint32_t chars_lower(uint32_t c)
{
	if (c >= 'A' && c <= 'Z') {
		return c + 32;
	}
	if (c < 0xc0) {
		return c;
	}
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) ||
	    (c >= 0x391 && c <= 0x3ab && c != 0x3a2) ||
	    (c >= 0x410 && c <= 0x42f)) {
		return c + 32;
	}
	if (c >= 0x400 && c <= 0x40f) {
		return c + 80;
	}
	if (c == 0x178) {
		return 0xff;
	}
	if (c == 0x130) {
		return 'i';
	}
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) {
		return c % 2 == 1 ? c + 1 : c;
	}
	if ((c >= 0x100 && c <= 0x177) || (c >= 0x218 && c <= 0x21b) ||
	    (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) ||
	    (c >= 0x1e00 && c <= 0x1eff)) {
		return c % 2 == 0 ? c + 1 : c;
	}
	switch (c) {
	case 0x386:
		return 0x3ac;
	case 0x388:
	case 0x389:
	case 0x38a:
		return c + 37;
	case 0x38c:
		return 0x3cc;
	case 0x38e:
	case 0x38f:
		return c + 63;
	default:
		return c;
	}
}

bool chars_is_upper(uint32_t c)
{
	return chars_lower(c) != c;
}

uint32_t chars_upper(uint32_t c)
{
	/* The ranges are inverted by trying: capitals lie 32 or 80 below, or
	   just before. */
	static const uint32_t steps[] = { 32, 1, 80, 37, 38, 63, 64 };

	if (c == 0xff) {
		return 0x178;
	}
	for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
		if (c > steps[i] && chars_lower(c - steps[i]) == c) {
			return c - steps[i];
		}
	}
	return c;
}

bool chars_is_space(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

bool chars_is_invisible(uint32_t c)
{
	static const struct range ranges[] = {
		{ 0x00, 0x08 },	    { 0x0e, 0x1f },	  { 0x7f, 0x84 },
		{ 0x86, 0x9f },	    { 0xad, 0xad },	  { 0x34f, 0x34f },
		{ 0x61c, 0x61c },   { 0x180b, 0x180e },	  { 0x200b, 0x200f },
		{ 0x202a, 0x202e }, { 0x2060, 0x206f },	  { 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff }, { 0xe0000, 0xe01ef },
	};

	return !(c >= 0x20 && c < 0x7f) &&
	       in_ranges(c, ranges, N_ELEMENTS(ranges));
}

/* U+00C0 to U+017F without their marks, two bytes each, SP for none. */
static const char latin_base[] =
	"a a a a a a aec e e e e i i i i d n o o o o o   o u u u u y thss"
	"a a a a a a aec e e e e i i i i d n o o o o o   o u u u u y thy "
	"a a a a a a c c c c c c c c d d d d e e e e e e e e e e g g g g "
	"g g g g h h h h i i i i i i i i i i ijijj j k k k l l l l l l l "
	"l l l n n n n n n n n n o o o o o o oeoer r r r r r s s s s s s "
	"s s t t t t t t u u u u u u u u u u u u w w y y y z z z z z z s ";
static_assert(sizeof(latin_base) == (0x180 - 0xc0) * 2 + 1, "Latin letters");

/* Signs that stand for a word, as labels do. */
static const struct {
	uint32_t sign;
	const char *word;
} sign_words[] = {
	{ 0x2010, "-" },	   { 0x2011, "-" },
	{ 0x2012, "-" },	   { 0x2013, "-" },
	{ 0x2014, "-" },	   { 0x2015, "-" },
	{ 0x2018, "'" },	   { 0x2019, "'" },
	{ 0x201c, "\"" },	   { 0x201d, "\"" },
	{ 0x201e, "\"" },	   { 0x2022, "|" },
	{ 0x2116, " no " },	   { 0x2212, "-" },
	{ 0x260e, " tel: " },	   { 0x260f, " tel: " },
	{ 0x2706, " tel: " },	   { 0x2709, " email: " },
	{ 0x1f4de, " tel: " },	   { 0x1f57f, " tel: " },
	{ 0x1f57b, " fax: " },	   { 0x1f4e0, " fax: " },
	{ 0x1f4f1, " mobile: " },  { 0x1f4f2, " mobile: " },
	{ 0x1f4e7, " email: " },   { 0x1f4e8, " email: " },
	{ 0x1f4e9, " email: " },   { 0x1f310, " web: " },
	{ 0x1f30d, " web: " },	   { 0x1f30e, " web: " },
	{ 0x1f30f, " web: " },	   { 0x1f517, " web: " },
	{ 0x1f4cd, " address: " }, { 0x1f4cc, " address: " },
	{ 0x1f3e2, " address: " }, { 0x1f4ee, " address: " },
	{ 0x2121, " tel: " },	   { 0x213b, " fax: " },
	{ 0xff1a, ":" },	   { 0xff08, "(" },
	{ 0xff09, ")" },	   { 0xff0b, "+" },
	{ 0xff0d, "-" },	   { 0xff0f, "/" },
	{ 0xff0e, "." },	   { 0xff0c, "," },
	{ 0x3001, "," },	   { 0xff20, "@" },
	{ 0x3231, " 株式会社 " },  { 0x3232, " 有限会社 " },
};

static void fold_add(struct folded *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len && out->len < FOLDED_MAX; i++) {
		if (text[i] == ' ' &&
		    (out->len == 0 || out->text[out->len - 1] == ' ')) {
			continue;
		}
		out->text[out->len++] = text[i];
	}
}

static void fold_char(struct folded *out, uint32_t c)
{
	char buf[4];

	if (c >= 0xc0 && c < 0x180) {
		const char *base = latin_base + (c - 0xc0) * 2;

		fold_add(out, base, base[1] == ' ' ? 1 : 2);
		return;
	}
	for (size_t i = 0; c >= 0x2010 && i < N_ELEMENTS(sign_words); i++) {
		if (sign_words[i].sign == c) {
			fold_add(out, sign_words[i].word,
				 strlen(sign_words[i].word));
			return;
		}
	}
	if (chars_digit(c) >= 0) {
		buf[0] = (char)('0' + chars_digit(c));
		fold_add(out, buf, 1);
		return;
	}
	if (c >= 0xff21 && c <= 0xff5a) {
		buf[0] = ascii_lower((char)(c - 0xff21 + 'A'));
		fold_add(out, buf, 1);
		return;
	}
	/* Romanian comma letters; Vietnamese and Greek keep their marks. */
	c = c == 0x218 || c == 0x219 ? 's' : c == 0x21a || c == 0x21b ? 't' : c;
	if (chars_is_ideograph(c)) {
		out->has_ideographs = true;
	}
	/* Signs that are neither letters nor punctuation separate. */
	if (c >= 0x2190 && !chars_is_letter(c) && c != 0x3012) {
		fold_add(out, " ", 1);
		return;
	}
	fold_add(out, buf, chars_put(chars_lower(c), buf));
}

void chars_fold(struct span s, struct folded *out)
{
	out->len = 0;
	out->has_ideographs = false;
	while (s.len > 0 && out->len + 16 < FOLDED_MAX) {
		unsigned char first = (unsigned char)s.ptr[0];

		if (first > ' ' && first < 0x7f) {
			out->text[out->len++] = ascii_lower((char)first);
			s = span_from(s, 1);
			continue;
		}
		uint32_t c = chars_next(&s);

		if (chars_is_space(c)) {
			fold_add(out, " ", 1);
		} else if (!chars_is_invisible(c)) {
			fold_char(out, c);
		}
	}
	while (out->len > 0 && out->text[out->len - 1] == ' ') {
		out->len--;
	}
	out->text[out->len] = '\0';
}
