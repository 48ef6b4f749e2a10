/* charset: text in the charsets of mail, as UTF-8. Knows nothing of headers
   or parts. */
#include "message/charset.h"

#include <errno.h>
#include <iconv.h>

#include "message/utf8.h"

#define ICONV_NONE ((iconv_t)-1)

enum charset_way {
	WAY_UTF8,
	/* Our own table: the commonest by far, and wrongly labelled. */
	WAY_WINDOWS_1252,
	WAY_ICONV,
	/* Through cp932, so that the vendors' characters survive. */
	WAY_ISO_2022_JP,
};

struct charset {
	enum charset_way way;
	/* NULL unless iconv converts it. */
	const char *iconv_name;
	/* Lower case names, separated by SP. Web practice (WHATWG Encoding):
	   a label means the superset that its users' programs write. */
	const char *labels;
	/* An ASCII superset in which well-formed multibyte UTF-8 is far more
	   likely to be UTF-8 with the wrong label. */
	bool is_single_byte;
};

static const struct charset charsets[] = {
	{ WAY_UTF8, NULL,
	  "utf-8 utf8 us-ascii ascii unicode-1-1-utf-8 ansi_x3.4-1968 646 "
	  "cp65001 utf-8-mac",
	  false },
	{ WAY_WINDOWS_1252, NULL,
	  "windows-1252 cp1252 iso-8859-1 iso8859-1 iso_8859-1 latin1 latin-1 "
	  "l1 ansi 8859-1 iso88591 x-ansi cp819 ibm819",
	  true },
	{ WAY_ICONV, "ISO-8859-15",
	  "iso-8859-15 iso8859-15 latin-9 latin9 iso_8859-15", true },
	{ WAY_ICONV, "ISO-8859-2", "iso-8859-2 iso8859-2 latin2 iso_8859-2",
	  true },
	{ WAY_ICONV, "CP1250", "windows-1250 cp1250 x-cp1250", true },
	{ WAY_ICONV, "CP1251", "windows-1251 cp1251 x-cp1251", true },
	{ WAY_ICONV, "KOI8-R", "koi8-r koi8 koi", true },
	{ WAY_ICONV, "KOI8-U", "koi8-u koi8-ru", true },
	{ WAY_ICONV, "ISO-8859-3", "iso-8859-3 iso8859-3 latin3", true },
	{ WAY_ICONV, "ISO-8859-4", "iso-8859-4 iso8859-4 latin4", true },
	{ WAY_ICONV, "ISO-8859-5", "iso-8859-5 iso8859-5 cyrillic", true },
	{ WAY_ICONV, "ISO-8859-6", "iso-8859-6 iso8859-6 arabic", true },
	{ WAY_ICONV, "ISO-8859-7", "iso-8859-7 iso8859-7 greek", true },
	{ WAY_ICONV, "ISO-8859-8",
	  "iso-8859-8 iso8859-8 iso-8859-8-i iso-8859-8-e hebrew", true },
	{ WAY_ICONV, "CP1254",
	  "windows-1254 cp1254 iso-8859-9 iso8859-9 latin5", true },
	{ WAY_ICONV, "ISO-8859-10", "iso-8859-10 latin6", true },
	{ WAY_ICONV, "CP874",
	  "tis-620 tis620 iso-8859-11 windows-874 cp874 dos-874", true },
	{ WAY_ICONV, "ISO-8859-13", "iso-8859-13 latin7", true },
	{ WAY_ICONV, "ISO-8859-14", "iso-8859-14 latin8", true },
	{ WAY_ICONV, "ISO-8859-16", "iso-8859-16 latin10", true },
	{ WAY_ICONV, "CP1253", "windows-1253 cp1253", true },
	{ WAY_ICONV, "CP1255", "windows-1255 cp1255", true },
	{ WAY_ICONV, "CP1256", "windows-1256 cp1256", true },
	{ WAY_ICONV, "CP1257", "windows-1257 cp1257", true },
	{ WAY_ICONV, "CP1258", "windows-1258 cp1258", true },
	{ WAY_ICONV, "IBM437", "ibm437 cp437", true },
	{ WAY_ICONV, "IBM850", "ibm850 cp850", true },
	{ WAY_ICONV, "IBM852", "ibm852 cp852", true },
	{ WAY_ICONV, "IBM866", "ibm866 cp866", true },
	{ WAY_ICONV, "MACINTOSH", "macintosh mac x-mac-roman", true },
	{ WAY_ICONV, "CP932",
	  "shift_jis shift-jis sjis x-sjis ms_kanji windows-31j cp932 ms932",
	  false },
	{ WAY_ICONV, "EUC-JP-MS", "euc-jp x-euc-jp eucjp", false },
	{ WAY_ISO_2022_JP, NULL,
	  "iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 cp50220 "
	  "cp50221 iso-2022-jp-ms csiso2022jp",
	  false },
	{ WAY_ICONV, "GB18030",
	  "gb2312 gb_2312-80 gbk gb18030 cp936 x-gbk euc-cn chinese "
	  "windows-936",
	  false },
	{ WAY_ICONV, "BIG5-HKSCS",
	  "big5 big5-hkscs cn-big5 x-x-big5 cp950 big-5", false },
	{ WAY_ICONV, "UHC",
	  "euc-kr ks_c_5601-1987 ks_c_5601 ksc5601 korean uhc cp949 "
	  "windows-949",
	  false },
	{ WAY_ICONV, "ISO-2022-KR", "iso-2022-kr", false },
	{ WAY_ICONV, "ISO-2022-CN", "iso-2022-cn", false },
	{ WAY_ICONV, "UTF-7", "utf-7 unicode-1-1-utf-7", false },
	{ WAY_ICONV, "UTF-16", "utf-16 unicode", false },
	{ WAY_ICONV, "UTF-16LE", "utf-16le", false },
	{ WAY_ICONV, "UTF-16BE", "utf-16be", false },
	{ WAY_ICONV, "UTF-32", "utf-32", false },
};

#define CHARSET_UTF8  (&charsets[0])
#define CHARSET_1252  (&charsets[1])
#define CHARSET_COUNT N_ELEMENTS(charsets)

/* One converter each, kept: opening one costs more than most texts. A program
   is one thread. */
static iconv_t converters[CHARSET_COUNT];
static bool is_open[CHARSET_COUNT];

/* 0x80 to 0x9f of windows-1252; the holes are what WHATWG says. */
static const uint16_t windows_1252[32] = {
	0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
	0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

static const struct charset *search_labels(struct span label)
{
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		struct span rest = span_str(charsets[i].labels);
		struct span name;

		while (span_next_word(&rest, " ", &name)) {
			if (span_ieq(name, label)) {
				return &charsets[i];
			}
		}
	}
	return NULL;
}

/* The last label asked for: the words of one header mostly share theirs. */
static char last_label[32];
static size_t last_len;
static const struct charset *last_charset;

static const struct charset *find_charset(struct span label)
{
	label = span_trim(label);
	/* "iso-2022-jp*ja": a language may follow (RFC 2231 5). */
	if (span_find(label, '*') >= 0) {
		label = span_first(label, (size_t)span_find(label, '*'));
	}
	if (label.len == 0) {
		return NULL;
	}
	if (label.len > sizeof(last_label)) {
		return NULL;
	}
	if (!span_ieq(label, span_of(last_label, last_len))) {
		last_charset = search_labels(label);
		memcpy(last_label, label.ptr, label.len);
		last_len = label.len;
	}
	return last_charset;
}

bool charset_is_known(struct span label)
{
	return find_charset(label) != NULL;
}

static iconv_t converter(const struct charset *charset)
{
	size_t index = (size_t)(charset - charsets);

	if (!is_open[index]) {
		converters[index] = iconv_open("UTF-8", charset->iconv_name);
		is_open[index] = true;
	}
	return converters[index];
}

static void put_windows_1252(struct span bytes, struct strbuf *out)
{
	while (bytes.len > 0) {
		size_t ascii = utf8_ascii_prefix(bytes);
		unsigned char c;

		strbuf_add(out, span_first(bytes, ascii));
		bytes = span_from(bytes, ascii);
		if (bytes.len == 0) {
			return;
		}
		c = (unsigned char)bytes.ptr[0];
		if (c == 0) {
			utf8_put(out, UTF8_REPLACEMENT);
		} else if (c < 0xa0) {
			utf8_put(out, windows_1252[c - 0x80]);
		} else {
			utf8_put(out, c);
		}
		bytes = span_from(bytes, 1);
	}
}

/* iconv writes NUL for NUL; nobody downstream expects one. */
static void put_without_nul(struct span text, struct strbuf *out)
{
	if (memchr(text.ptr, '\0', text.len) == NULL) {
		strbuf_add(out, text);
	} else {
		utf8_put_repaired(out, text);
	}
}

static void put_iconv(iconv_t cd, struct span bytes, struct strbuf *out)
{
	/* iconv takes char ** but does not write through it. */
	char *in = (char *)(uintptr_t)bytes.ptr;
	size_t left = bytes.len;
	char chunk[1024];

	if (cd == ICONV_NONE) {
		utf8_put_repaired(out, bytes);
		return;
	}
	iconv(cd, NULL, NULL, NULL, NULL);
	while (left > 0 && !out->overflow) {
		char *to = chunk;
		size_t room = sizeof(chunk);
		size_t done = iconv(cd, &in, &left, &to, &room);
		int why = errno;

		put_without_nul(span_of(chunk, (size_t)(to - chunk)), out);
		if (done != (size_t)-1 || why == E2BIG) {
			continue;
		}
		/* Not text, or cut in the middle: show that, go on behind. */
		utf8_put(out, UTF8_REPLACEMENT);
		in++;
		left--;
	}
}

/* One JIS X 0208 character (ISO-2022-JP, between 0x21 and 0x7e) as Shift_JIS:
   cp932 has the NEC and IBM characters (U+3231 in company names) that the
   plain converter refuses. */
static void jis_to_sjis(unsigned char row, unsigned char cell, char out_r[2])
{
	unsigned char high =
		(unsigned char)((row + 1) / 2 + (row < 0x5f ? 0x70 : 0xb0));
	unsigned char low;

	if (row % 2 == 1) {
		low = (unsigned char)(cell + (cell < 0x60 ? 0x1f : 0x20));
	} else {
		low = (unsigned char)(cell + 0x7e);
	}
	out_r[0] = (char)high;
	out_r[1] = (char)low;
}

/* The escape sequences of ISO-2022-JP and how they are read on. */
static const struct {
	const char *escape;
	enum { JIS_ASCII, JIS_KATAKANA, JIS_DOUBLE } mode;
} jis_escapes[] = {
	{ "\033(B", JIS_ASCII },    { "\033(J", JIS_ASCII },
	{ "\033(I", JIS_KATAKANA }, { "\033$B", JIS_DOUBLE },
	{ "\033$@", JIS_DOUBLE },   { "\033&@", JIS_DOUBLE },
};

static size_t jis_escape(struct span at, int *mode)
{
	for (size_t i = 0; i < N_ELEMENTS(jis_escapes); i++) {
		struct span escape = span_str(jis_escapes[i].escape);

		if (span_starts(at, escape)) {
			*mode = (int)jis_escapes[i].mode;
			return escape.len;
		}
	}
	return 0;
}

static void put_iso_2022_jp(struct span bytes, struct strbuf *out)
{
	const struct charset *cp932 = search_labels(SPAN("cp932"));
	struct strbuf sjis = STRBUF_INIT(bytes.len + 2);
	int mode = JIS_ASCII;

	while (bytes.len > 0) {
		unsigned char c = (unsigned char)bytes.ptr[0];
		size_t used = c == 033 ? jis_escape(bytes, &mode) : 0;
		char pair[2];

		if (used > 0) {
			bytes = span_from(bytes, used);
			continue;
		}
		/* A line always begins in ASCII (RFC 1468). */
		if (c == '\n') {
			mode = JIS_ASCII;
		}
		if (mode == JIS_DOUBLE && bytes.len >= 2 && c >= 0x21 &&
		    c <= 0x7e && bytes.ptr[1] >= 0x21 && bytes.ptr[1] <= 0x7e) {
			jis_to_sjis(c, (unsigned char)bytes.ptr[1], pair);
			strbuf_add(&sjis, span_of(pair, 2));
			bytes = span_from(bytes, 2);
			continue;
		}
		if (mode == JIS_KATAKANA && c >= 0x21 && c <= 0x5f) {
			c |= 0x80;
		}
		strbuf_add_char(&sjis, (char)c);
		bytes = span_from(bytes, 1);
	}
	put_iconv(converter(cp932), strbuf_span(&sjis), out);
	strbuf_wipe(&sjis);
}

/* Count what is well-formed multibyte UTF-8, and what is not. */
static void weigh_utf8(struct span s, size_t *good_r, size_t *bad_r)
{
	*good_r = 0;
	*bad_r = 0;
	while (s.len > 0) {
		size_t len;

		s = span_from(s, utf8_ascii_prefix(s));
		if (s.len == 0) {
			return;
		}
		len = utf8_sequence(s, NULL);
		if (len > 1) {
			++*good_r;
		} else if (s.ptr[0] != '\0') {
			++*bad_r;
		}
		s = span_from(s, len == 0 ? 1 : len);
	}
}

/* Overrule the label where the bytes say something else. */
static const struct charset *judge(const struct charset *named,
				   struct span bytes)
{
	size_t good;
	size_t bad;

	if (named != NULL && named->way != WAY_UTF8 && !named->is_single_byte) {
		return named;
	}
	weigh_utf8(bytes, &good, &bad);
	if (named != NULL && named->is_single_byte) {
		/* A text all of whose 8-bit bytes are UTF-8 is UTF-8. Two
		   such characters may be chance in Cyrillic or Greek. */
		size_t enough = named == CHARSET_1252 ? 1 : 3;

		return bad == 0 && good >= enough ? CHARSET_UTF8 : named;
	}
	/* Some damage in much UTF-8 is a cut or a bad byte; otherwise someone
	   wrote latin-1 under the wrong name, or none. */
	return bad > good ? CHARSET_1252 : CHARSET_UTF8;
}

void charset_to_utf8(struct span label, struct span bytes, struct strbuf *out)
{
	const struct charset *charset = find_charset(label);

	/* Nearly all mail; but ISO-2022-*, UTF-7 and UTF-16 hide in ASCII, and
	   the first of them also where no label says so. */
	if ((charset == NULL || charset->way == WAY_UTF8 ||
	     charset->is_single_byte) &&
	    utf8_is_ascii(bytes)) {
		if (span_search(bytes, SPAN("\033$")) < 0) {
			strbuf_add(out, bytes);
		} else {
			put_iso_2022_jp(bytes, out);
		}
		return;
	}
	charset = judge(charset, bytes);
	switch (charset->way) {
	case WAY_UTF8:
		utf8_put_repaired(out, bytes);
		break;
	case WAY_WINDOWS_1252:
		put_windows_1252(bytes, out);
		break;
	case WAY_ISO_2022_JP:
		put_iso_2022_jp(bytes, out);
		break;
	case WAY_ICONV:
		put_iconv(converter(charset), bytes, out);
		break;
	}
}

void charset_warm_up(void)
{
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		if (charsets[i].iconv_name != NULL) {
			converter(&charsets[i]);
		}
	}
}

void charset_finish(void)
{
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		if (is_open[i] && converters[i] != ICONV_NONE) {
			iconv_close(converters[i]);
		}
		is_open[i] = false;
	}
}
