/* Text as it is sent: charsets and their lies, transfer encodings and their
   damage, encoded words, dates, HTML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "message/charset.h"
#include "message/encoded_word.h"
#include "message/html_text.h"
#include "message/message_date.h"
#include "message/transfer.h"
#include "message/utf8.h"

#define U_FFFD "\xef\xbf\xbd"

static void charsets_are_converted(void **state)
{
	static const struct {
		const char *label;
		struct span bytes;
		const char *text;
	} rows[] = {
		{ "us-ascii", SPAN("plain"), "plain" },
		{ "UTF-8", SPAN("Zo\xc3\xab"), "Zo\xc3\xab" },
		{ "iso-8859-1", SPAN("Zo\xeb"), "Zo\xc3\xab" },
		/* What is written under that name has the euro sign. */
		{ "ISO-8859-1", SPAN("\x80 5"), "\xe2\x82\xac 5" },
		{ "iso-8859-15", SPAN("\xa4"), "\xe2\x82\xac" },
		{ "windows-1251", SPAN("\xcf\xf0\xe8"),
		  "\xd0\x9f\xd1\x80\xd0\xb8" },
		{ "koi8-r", SPAN("\xf0\xd2\xc9"), "\xd0\x9f\xd1\x80\xd0\xb8" },
		{ "shift_jis", SPAN("\x87\x8a"), "\xe3\x88\xb1" },
		{ "iso-2022-jp", SPAN("\033$BEDCf\033(B x"),
		  "\xe7\x94\xb0\xe4\xb8\xad x" },
		/* A vendor's character in JIS row 13. */
		{ "ISO-2022-JP", SPAN("\033$B-j\033(B"), "\xe3\x88\xb1" },
		{ "", SPAN("\033$BEDCf\033(B"), "\xe7\x94\xb0\xe4\xb8\xad" },
		{ "euc-jp", SPAN("\xc5\xc4\xc3\xe6"),
		  "\xe7\x94\xb0\xe4\xb8\xad" },
		{ "gb2312", SPAN("\xc4\xe3\xba\xc3"),
		  "\xe4\xbd\xa0\xe5\xa5\xbd" },
		{ "big5", SPAN("\xa7\x41"), "\xe4\xbd\xa0" },
		{ "euc-kr", SPAN("\xb0\xa1"), "\xea\xb0\x80" },
		{ "utf-7", SPAN("+AOs-"), "\xc3\xab" },
		/* Lies. */
		{ "utf-8", SPAN("J\xfcrgen"), "J\xc3\xbcrgen" },
		{ "us-ascii", SPAN("Zo\xc3\xab"), "Zo\xc3\xab" },
		{ "iso-8859-1", SPAN("Zo\xc3\xab"), "Zo\xc3\xab" },
		{ "", SPAN("J\xfcrgen"), "J\xc3\xbcrgen" },
		{ "x-unknown", SPAN("J\xc3\xbcrgen"), "J\xc3\xbcrgen" },
		{ "x-unknown", SPAN("J\xfcrgen"), "J\xc3\xbcrgen" },
		/* Damage. */
		{ "utf-8", SPAN("Zo\xc3\xab \xc3\xab \xc3"),
		  "Zo\xc3\xab \xc3\xab " U_FFFD },
		{ "utf-8", SPAN("a\0b"), "a" U_FFFD "b" },
		{ "gb2312", SPAN("\xc4\xe3\xba"), "\xe4\xbd\xa0" U_FFFD },
		{ "euc-kr", SPAN("\xff\xffx"), U_FFFD U_FFFD "x" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(1024);

		charset_to_utf8(span_str(rows[i].label), rows[i].bytes, &out);
		if (strcmp(strbuf_cstr(&out), rows[i].text) != 0) {
			print_error("row %zu\n", i);
		}
		assert_string_equal(strbuf_cstr(&out), rows[i].text);
		strbuf_finish(&out);
	}
}

/* Whatever the bytes and the label, what comes out is UTF-8 without NUL. */
static void any_bytes_become_utf8(void **state)
{
	static const char *const labels[] = {
		"utf-8", "iso-8859-1",	"koi8-r",      "shift_jis",   "euc-jp",
		"big5",	 "gb18030",	"iso-2022-kr", "utf-7",	      "utf-16",
		"",	 "iso-2022-jp", "euc-kr",      "windows-874",
	};
	unsigned int seed = 1;

	(void)state;
	for (size_t round = 0; round < 2000; round++) {
		struct strbuf out = STRBUF_INIT(4096);
		char bytes[64];

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1103515245u + 12345u;
			bytes[i] = (char)(seed >> 16);
		}
		charset_to_utf8(span_str(labels[round % N_ELEMENTS(labels)]),
				span_of(bytes, sizeof(bytes)), &out);
		assert_true(span_is_utf8(strbuf_span(&out)));
		assert_int_equal(span_find(strbuf_span(&out), '\0'), -1);
		strbuf_finish(&out);
	}
}

static void every_named_charset_opens(void **state)
{
	static const char *const labels[] = {
		"iso-8859-2",	"windows-1250", "iso-8859-7", "windows-1256",
		"iso-8859-8-i", "windows-874",	"tis-620",    "koi8-u",
		"iso-8859-9",	"windows-1258", "ibm850",     "macintosh",
		"iso-2022-kr",	"iso-2022-cn",	"utf-16le",   "utf-32",
		"cp949",	"gbk",		"cp50221",
	};

	(void)state;
	charset_warm_up();
	for (size_t i = 0; i < N_ELEMENTS(labels); i++) {
		struct strbuf out = STRBUF_INIT(64);

		assert_true(charset_is_known(span_str(labels[i])));
		charset_to_utf8(span_str(labels[i]), SPAN("\xc1\xc1"), &out);
		assert_true(out.len > 0);
		strbuf_finish(&out);
	}
	assert_false(charset_is_known(SPAN("x-unknown")));
}

static void encodings_survive_damage(void **state)
{
	static const struct {
		char encoding;
		const char *text;
		const char *decoded;
	} rows[] = {
		{ 'b', "aGVsbG8=", "hello" },
		{ 'b', "aGVs\r\nbG8=\r\n", "hello" },
		{ 'b', "aGVs!!bG8", "hello" },
		{ 'b', "aGVsbG8", "hello" },
		{ 'b', "aGVsbG8=aGVsbG8=", "hellohello" },
		{ 'b', "a", "" },
		{ 'b', "====", "" },
		{ 'q', "Zo=C3=AB", "Zo\xc3\xab" },
		{ 'q', "Zo=c3=ab", "Zo\xc3\xab" },
		{ 'q', "a=\r\nb", "ab" },
		{ 'q', "a=  \r\nb", "ab" },
		{ 'q', "a  \r\nb", "a\nb" },
		{ 'q', "a=\nb", "ab" },
		{ 'q', "1=2=3", "1=2=3" },
		{ 'q', "a=G1", "a=G1" },
		{ 'q', "a=4", "a=4" },
		{ 'q', "a=", "a" },
		{ 'w', "a_b=20c", "a b c" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(1024);

		switch (rows[i].encoding) {
		case 'b':
			transfer_base64(span_str(rows[i].text), &out);
			break;
		case 'q':
			transfer_quoted_printable(span_str(rows[i].text), &out);
			break;
		default:
			transfer_q_word(span_str(rows[i].text), &out);
			break;
		}
		assert_string_equal(strbuf_cstr(&out), rows[i].decoded);
		strbuf_finish(&out);
	}
}

static void header_words_are_decoded(void **state)
{
	static const struct {
		const char *raw;
		const char *text;
	} rows[] = {
		{ "plain text", "plain text" },
		{ "folded\r\n text", "folded text" },
		{ "=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab" },
		{ "=?utf-8?Q?a?=\r\n =?utf-8?Q?b?=", "ab" },
		{ "=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c" },
		{ "x=?utf-8?Q?a?=y", "xay" },
		/* One character over two words, in both encodings. */
		{ "=?utf-8?Q?=C3?= =?utf-8?Q?=AB?=", "\xc3\xab" },
		{ "=?utf-8?B?w6s=?= =?utf-8?B?w6s=?=", "\xc3\xab\xc3\xab" },
		{ "=?utf-8?B?ww==?= =?utf-8?Q?=AB?=", "\xc3\xab" },
		{ "=?iso-8859-1?Q?=EB?= =?utf-8?Q?=C3=AB?=",
		  "\xc3\xab\xc3\xab" },
		{ "=?utf-8?Q?with space?=", "with space" },
		{ "=?UTF-8?q?lower?=", "lower" },
		{ "=?utf-8*en?Q?language?=", "language" },
		{ "=?x-no?Q?J=FCrgen?=", "J\xc3\xbcrgen" },
		{ "=?utf-8?X?a?=", "=?utf-8?X?a?=" },
		{ "=?utf-8?Q?unended", "=?utf-8?Q?unended" },
		{ "=?", "=?" },
		{ "=?utf-8?Q?"
		  "?=",
		  "" },
		/* A decoded line end is no line end. */
		{ "=?utf-8?Q?a=0D=0ABcc:_x?=", "aBcc: x" },
		{ "=?utf-8?B?AA==?=", U_FFFD },
		{ "raw \xc3\xab", "raw \xc3\xab" },
		{ "raw \xeb", "raw \xc3\xab" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(1024);

		encoded_word_decode(span_str(rows[i].raw), &out);
		if (strcmp(strbuf_cstr(&out), rows[i].text) != 0) {
			print_error("row %zu\n", i);
		}
		assert_string_equal(strbuf_cstr(&out), rows[i].text);
		strbuf_finish(&out);
	}
}

static void dates_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t date;
	} rows[] = {
		{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706 },
		{ "21 Nov 97 09:55:06 GMT", 880106106 },
		{ "Thu, 1 Jan 1970 00:00:01 +0000", 1 },
		{ "Thu, 29 Feb 2024 12:00 +0100 (CET)", 1709204400 },
		{ "Mon, 01 Jun 2026 10:00:00 EST", 1780326000 },
		{ "Fri, 31 Dec 1999 23:59:60 Z", 946684800 },
		{ "1 Sept 2020 00:00:00 +0000", 1598918400 },
		{ "", 0 },
		{ "yesterday", 0 },
		{ "32 Jan 2020 00:00:00 +0000", 0 },
		{ "1 Foo 2020 00:00:00 +0000", 0 },
		{ "1 Jan 2020", 0 },
		{ "1 Jan 2020 25:00:00 +0000", 0 },
		{ "1 Jan 1960 00:00:00 +0000", 0 },
		{ "1 Jan 99999 00:00:00 +0000", 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(message_date_parse(span_str(rows[i].text)),
				 rows[i].date);
	}
}

static void html_becomes_lines(void **state)
{
	static const struct {
		const char *html;
		const char *text;
	} rows[] = {
		{ "<p>One</p><p>Two</p>", "One\nTwo\n" },
		{ "a<br>b<br><br>c", "a\nb\n\nc\n" },
		{ "a\n  b\t c", "a b c\n" },
		{ "<b>A</b><i>b</i> <u>c</u>", "Ab c\n" },
		{ "x&amp;y&nbsp;z &eacute;", "x&y z \xc3\xa9\n" },
		{ "<style>p{}</style><script>x()</script><title>t</title>a",
		  "a\n" },
		{ "<div style=\"display:none\">preview</div>a", "a\n" },
		{ "<span style=\"FONT-SIZE: 0px\">h</span>a", "a\n" },
		{ "<p hidden>h</p>a", "a\n" },
		/* Cells beside each other, and cells of several lines. */
		{ "<table><tr><td>Tel</td><td><p>+49</p></td></tr></table>",
		  "Tel\t+49\n" },
		{ "<table><tr><td></td><td>A<br>B</td><td>C</td></tr></table>",
		  "A\nB\nC\n" },
		{ "<table><tr><td>1</td></tr><tr><td>2</td></tr></table>",
		  "1\n2\n" },
		/* Quotes. */
		{ "a<blockquote>b<blockquote>c</blockquote></blockquote>d",
		  "a\n> b\n> > c\nd\n" },
		{ "<div class=gmail_quote>On x wrote:<br><blockquote "
		  "class=gmail_quote>q</blockquote></div>",
		  "On x wrote:\n> q\n" },
		{ "<div class=gmail_quote>---- Forwarded<br>q</div>",
		  "> ---- Forwarded\n> q\n" },
		{ "a<div id=divRplyFwdMsg>From: X</div><div>q</div>",
		  "a\n> From: X\n> q\n" },
		{ "a<div style='border:none;border-top:solid #E1E1E1 1.0pt;"
		  "padding:3.0pt 0cm 0cm 0cm'><p>From: X</p></div><p>q</p>",
		  "a\n> From: X\n> q\n" },
		{ "a<div id=yahoo_quoted_1 class=yahoo_quoted>q</div>b",
		  "a\n> q\nb\n" },
		/* Signatures. */
		{ "a<div class=\"gmail_signature\">Anna</div>",
		  "a\n-- \nAnna\n" },
		{ "a<pre class=\"moz-signature\">-- \nAnna\nX</pre>",
		  "a\n-- \nAnna\nX\n" },
		{ "a<div id=x_Signature>Anna</div>", "a\n-- \nAnna\n" },
		{ "<pre>a\n  b</pre>", "a\n  b\n" },
		{ "+49<wbr>89&shy;12&#8203;3", "+4989123\n" },
		/* Not closed, not opened, not HTML. */
		{ "<p>a<p>b", "a\nb\n" },
		{ "</div></td>a", "a\n" },
		{ "<<<>>a", "<<<>>a\n" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(4096);

		assert_int_equal(html_text(span_str(rows[i].html), &out), 0);
		if (strcmp(strbuf_cstr(&out), rows[i].text) != 0) {
			print_error("row %zu: %s\n", i, rows[i].html);
		}
		assert_string_equal(strbuf_cstr(&out), rows[i].text);
		strbuf_finish(&out);
	}
}

static void html_is_bounded(void **state)
{
	static const char *const units[] = { "<div>", "<b>", "<table><tr><td>",
					     "<blockquote>", "<font a=b>" };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(units); i++) {
		struct strbuf html = STRBUF_INIT(1u << 20);
		struct strbuf out = STRBUF_INIT(1u << 16);

		strbuf_add_str(&html, "<p>Good text</p>");
		while (html.len < 500000) {
			strbuf_add_str(&html, units[i]);
		}
		strbuf_add_str(&html, "lost");
		assert_int_equal(html_text(strbuf_span(&html), &out), -1);
		assert_true(
			span_starts(strbuf_span(&out), SPAN("Good text\n")));
		strbuf_finish(&html);
		strbuf_finish(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(charsets_are_converted),
		cmocka_unit_test(any_bytes_become_utf8),
		cmocka_unit_test(every_named_charset_opens),
		cmocka_unit_test(encodings_survive_damage),
		cmocka_unit_test(header_words_are_decoded),
		cmocka_unit_test(dates_are_read),
		cmocka_unit_test(html_becomes_lines),
		cmocka_unit_test(html_is_bounded),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	charset_finish();
	return failed;
}
