/* Messages: their outline, their limits, and what damage does to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/strbuf.h"
#include "lib/xalloc.h"
#include "message/charset.h"
#include "message/message.h"
#include "message/mime_scan.h"

#define HEAD "From: a@a.example\r\nTo: b@b.example\r\n"

static struct message *parse(struct span bytes)
{
	struct error err = { .text = "" };
	struct message *msg = message_create(bytes, &err);

	if (msg == NULL) {
		print_error("%s\n", err.text);
	}
	assert_non_null(msg);
	return msg;
}

/* "section kind flags: text" for each part, separated by "|". */
static void print_parts(const struct message *msg, struct strbuf *out)
{
	size_t count;
	const struct message_part *parts = message_parts(msg, &count);

	for (size_t i = 0; i < count; i++) {
		const struct message_part *p = &parts[i];

		strbuf_addf(out, "%s%.*s %.*s", i == 0 ? "" : "|",
			    SPAN_ARGS(p->section), SPAN_ARGS(p->media_type));
		strbuf_add_str(out, p->format_flowed ? " flowed" : "");
		strbuf_add_str(out, p->delsp ? " delsp" : "");
		strbuf_add_str(out, p->is_attachment ? " attached" : "");
		strbuf_add_str(out, p->is_nested ? " nested" : "");
		strbuf_add_str(out, ":");
		strbuf_add(out, p->text);
	}
}

static const struct {
	const char *message;
	const char *parts;
} outlines[] = {
	{ HEAD "\r\nHello\r\n", "1 text/plain:Hello\n" },
	{ HEAD "\nHello\n", "1 text/plain:Hello\n" },
	{ HEAD "Content-Type: TEXT/HTML\r\n\r\n<p>\r\n", "1 text/html:<p>\n" },
	{ HEAD "Content-Type: text/plain; format=flowed; DelSp=yes\r\n\r\nx",
	  "1 text/plain flowed delsp:x" },
	{ HEAD "Content-Type: text/plain; charset=iso-8859-1\r\n"
	       "Content-Transfer-Encoding: quoted-printable\r\n\r\nZo=EB=\r\n",
	  "1 text/plain:Zo\xc3\xab" },
	{ HEAD "Content-Type: text/plain; charset*=''iso-8859-2\r\n\r\n\xb1",
	  "1 text/plain:\xc4\x85" },
	{ HEAD "Content-Type: text/html\r\n\r\n"
	       "<meta charset=\"koi8-r\">\xf0",
	  "1 text/html:<meta charset=\"koi8-r\">\xd0\x9f" },
	{ HEAD "Content-Type: multipart/alternative; boundary=\"b\"\r\n\r\n"
	       "preamble\r\n--b\r\n\r\none\r\n--b\r\n"
	       "Content-Type: text/html\r\n\r\ntwo\r\n--b--\r\nepilogue\r\n",
	  "1 text/plain:one|2 text/html:two" },
	/* Not closed. */
	{ HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	       "--b\r\n\r\none\r\n--b\r\n\r\ntwo",
	  "1 text/plain:one|2 text/plain:two" },
	/* Numbers as in IMAP, and a message inside. */
	{ HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	       "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
	       "--c\r\n\r\na\r\n--c\r\n\r\nb\r\n--c--\r\n"
	       "--b\r\nContent-Type: message/rfc822\r\n\r\n"
	       "From: x@x.example\r\n\r\ninner\r\n--b--\r\n",
	  "1.1 text/plain:a|1.2 text/plain:b|2.1 text/plain nested:inner" },
	{ HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	       "--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/plain\r\n"
	       "Content-Disposition: attachment; filename=log.txt\r\n\r\n"
	       "long log\r\n--b\r\nContent-Type: application/octet-stream\r\n"
	       "Content-Disposition: attachment; filename*=utf-8''k%C3%A4.vcf"
	       "\r\n\r\nBEGIN:VCARD\r\n--b\r\nContent-Type: image/png\r\n\r\n"
	       "\x89PNG\r\n--b\r\nContent-Type: text/calendar\r\n\r\n"
	       "BEGIN:VCALENDAR\r\n--b--\r\n",
	  "1 text/plain:text|2 text/plain attached:|"
	  "3 application/octet-stream attached:BEGIN:VCARD|4 image/png:|"
	  "5 text/calendar:BEGIN:VCALENDAR" },
	{ HEAD
	  "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	  " boundary=b\r\n\r\n--b\r\n\r\nsorry\r\n--b\r\n"
	  "Content-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n"
	  "--b--\r\n",
	  "1 text/plain:sorry|2 message/delivery-status:Status: 5.1.1" },
	/* What cannot be understood is text. */
	{ HEAD "Content-Type: nonsense\r\n\r\nx", "1 nonsense/unknown:x" },
	{ HEAD "Content-Transfer-Encoding: base64\r\n\r\n!!!!",
	  "1 text/plain:" },
};

static void parts_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(outlines); i++) {
		struct strbuf text = STRBUF_INIT(4096);
		struct message *msg = parse(span_str(outlines[i].message));

		print_parts(msg, &text);
		if (strcmp(strbuf_cstr(&text), outlines[i].parts) != 0) {
			print_error("row %zu\n", i);
		}
		assert_string_equal(strbuf_cstr(&text), outlines[i].parts);
		strbuf_finish(&text);
		message_destroy(&msg);
		assert_null(msg);
	}
}

static void headers_are_found(void **state)
{
	struct message *msg = parse(SPAN(
		"from: =?utf-8?Q?Zo=C3=AB?= <z@z.example>\r\n"
		"X-A: one\r\nx-a:  two\r\n folded \r\n"
		"Message-Id: <1@z.example>\r\n"
		"Date: Thu, 1 Jan 1970 00:01:00 +0000\r\n"
		"this line is no field\r\n"
		"Cc: b@b.example\r\nCC: c@c.example\r\n\r\nFrom: body\r\n"));
	const struct address *list;
	struct span name;
	struct span value;
	size_t count;

	(void)state;
	assert_true(message_header(msg, "X-A", 0, &value));
	assert_true(span_eq(value, SPAN("one")));
	assert_true(message_header(msg, "x-A", 1, &value));
	assert_true(span_eq(value, SPAN("two folded")));
	assert_false(message_header(msg, "X-A", 2, &value));
	assert_false(message_header(msg, "Subject", 0, &value));
	assert_true(message_header_at(msg, 0, &name, &value));
	assert_true(span_eq(name, SPAN("from")));
	assert_false(message_header_at(msg, 7, &name, &value));
	assert_true(span_eq(message_id(msg), SPAN("1@z.example")));
	assert_int_equal(message_date(msg), 60);
	list = message_addresses(msg, MESSAGE_FROM, &count);
	assert_int_equal(count, 1);
	assert_true(span_eq(list[0].name, SPAN("Zo\xc3\xab")));
	message_addresses(msg, MESSAGE_CC, &count);
	assert_int_equal(count, 2);
	assert_false(message_addresses_unreadable(msg));
	assert_null(message_ambiguity(msg));
	assert_true(message_header_is_complete(msg));
	message_destroy(&msg);
}

static void a_nested_message_has_its_author(void **state)
{
	struct message *msg = parse(
		SPAN(HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
			  "--b\r\n\r\nouter\r\n"
			  "--b\r\nContent-Type: message/rfc822\r\n\r\n"
			  "Subject: x\r\nFrom: Ioana <i@i.example>\r\n\r\n"
			  "From: nobody@x.example\r\n"
			  "--b\r\nContent-Type: message/rfc822\r\n\r\n"
			  "From: a@i.example, b@i.example\r\n\r\ntwo\r\n"
			  "--b--\r\n"));
	const struct message_part *parts;
	size_t count;

	(void)state;
	parts = message_parts(msg, &count);
	assert_int_equal(count, 3);
	assert_int_equal(parts[0].nested_author.email.len, 0);
	assert_true(span_eq(parts[1].nested_author.email, SPAN("i@i.example")));
	assert_true(span_eq(parts[1].nested_author.name, SPAN("Ioana")));
	assert_int_equal(parts[2].nested_author.email.len, 0);
	message_destroy(&msg);
}

static void two_answers_are_called_so(void **state)
{
	static const struct {
		struct span message;
		bool ambiguous;
	} rows[] = {
		{ SPAN(HEAD "\r\nx"), false },
		{ SPAN(HEAD "From: a@a.example\r\n\r\nx"), false },
		{ SPAN(HEAD "From: c@c.example\r\n\r\nx"), true },
		{ SPAN("From : a@a.example\r\n\r\nx"), true },
		{ SPAN("X: y\rFrom: a@a.example\r\n\r\nx"), true },
		{ SPAN(HEAD "Content-Type: text/plain\r\n"
			    "Content-Type: text/html\r\n\r\nx"),
		  true },
		{ SPAN(HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
			    "--b\r\nContent-Type: text/plain\r\n"
			    "Content-Type: text/html\r\n\r\nx\r\n--b--\r\n"),
		  true },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct message *msg = parse(rows[i].message);

		assert_int_equal(message_ambiguity(msg) != NULL,
				 rows[i].ambiguous);
		message_destroy(&msg);
	}
}

/* Bad input, each under a limit and in no time. */

static void a_card_folded_inside_a_character_is_whole(void **state)
{
	static const char card[] =
		"From: a@b.example\r\nContent-Type: text/vcard; "
		"charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
		"BEGIN:VCARD\r\nFN:J\xc3\r\n \xbcrgen\r\nTITLE:a\r\n b\r\n"
		"NOTE:\xe2\x82\n\t\xac\r\nEND:VCARD\r\n";
	struct error err = { "" };
	struct message *msg =
		message_create(span_of(card, sizeof(card) - 1), &err);
	const struct message_part *parts;
	size_t count;

	(void)state;
	assert_non_null(msg);
	parts = message_parts(msg, &count);
	assert_int_equal(count, 1);
	assert_int_equal(parts[0].kind, MESSAGE_PART_VCARD);
	assert_true(span_eq(parts[0].text,
			    SPAN("BEGIN:VCARD\nFN:J\xc3\xbcrgen\nTITLE:a\n b\n"
				 "NOTE:\xe2\x82\xac\nEND:VCARD\n")));
	message_destroy(&msg);
}

static void repeat(struct strbuf *out, const char *unit, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		strbuf_add_str(out, unit);
	}
}

static void build_nested(struct strbuf *out)
{
	strbuf_add_str(out, HEAD);
	for (size_t i = 0; i < 20000; i++) {
		strbuf_addf(out,
			    "Content-Type: multipart/mixed; boundary=b%zu\r\n"
			    "\r\n--b%zu\r\n",
			    i, i);
	}
}

static void build_nested_messages(struct strbuf *out)
{
	strbuf_add_str(out, HEAD);
	repeat(out, "Content-Type: message/rfc822\r\n\r\n", 20000);
}

static void build_nested_digests(struct strbuf *out)
{
	strbuf_add_str(out, HEAD);
	for (size_t i = 0; i < 20000; i++) {
		strbuf_addf(out,
			    "Content-Type: multipart/digest; boundary=b%zu\r\n"
			    "\r\n--b%zu\r\n\r\n",
			    i, i);
	}
}

static void build_parts(struct strbuf *out)
{
	strbuf_add_str(out, HEAD
		       "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	repeat(out, "--b\r\n\r\nx\r\n", 20000);
}

static void build_comments(struct strbuf *out)
{
	strbuf_add_str(out, "From: ");
	repeat(out, "(", 200000);
	strbuf_add_str(out, " a@a.example\r\n\r\nx");
}

static void build_content_comments(struct strbuf *out)
{
	strbuf_add_str(out, HEAD "Content-Type: text/plain; a=b ");
	repeat(out, "(", 200000);
	strbuf_add_str(out, "\r\n\r\nx");
}

static void build_long_header(struct strbuf *out)
{
	strbuf_add_str(out, HEAD "X-Long: ");
	repeat(out, "0123456789abcdef", 10 * 1024 * 1024 / 16);
	strbuf_add_str(out, "\r\n\r\nx");
}

static void build_many_headers(struct strbuf *out)
{
	strbuf_add_str(out, HEAD);
	repeat(out, "A:b\r\n", 20000);
	strbuf_add_str(out, "\r\nx");
}

static void build_addresses(struct strbuf *out)
{
	strbuf_add_str(out, "From: a@a.example\r\nTo: ");
	repeat(out, "a@b.example,", 20000);
	strbuf_add_str(out, "\r\n\r\nx");
}

static void build_parameters(struct strbuf *out)
{
	strbuf_add_str(out, HEAD "Content-Type: text/plain");
	repeat(out, ";a=b", 10000);
	strbuf_add_str(out, "\r\n\r\nx");
}

static void build_nul_header(struct strbuf *out)
{
	strbuf_add(out, SPAN("From: a@a.example\0\r\n\r\nx"));
}

static void build_empty(struct strbuf *out)
{
	strbuf_add_str(out, "");
}

static void build_no_header(struct strbuf *out)
{
	strbuf_add_str(out, "\r\nFrom: a@a.example\r\n");
}

static void build_garbage(struct strbuf *out)
{
	repeat(out, "\xff\xfe\x80\r\n", 1000);
}

static void limits_refuse_in_time(void **state)
{
	static const struct {
		const char *name;
		void (*build)(struct strbuf *out);
	} rows[] = {
		{ "20,000 nested multiparts", build_nested },
		{ "20,000 nested messages", build_nested_messages },
		{ "20,000 nested digests", build_nested_digests },
		{ "20,000 parts", build_parts },
		{ "200,000 parentheses in From", build_comments },
		{ "200,000 parentheses in a type", build_content_comments },
		{ "10 MiB of header", build_long_header },
		{ "20,000 headers", build_many_headers },
		{ "20,000 addresses", build_addresses },
		{ "10,000 parameters", build_parameters },
		{ "NUL in a header", build_nul_header },
		{ "nothing", build_empty },
		{ "no header", build_no_header },
		{ "garbage", build_garbage },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf text = STRBUF_INIT(16u << 20);
		struct error err = { .text = "" };
		clock_t begin;

		rows[i].build(&text);
		begin = clock();
		if (message_create(strbuf_span(&text), &err) != NULL) {
			print_error("%s was parsed\n", rows[i].name);
			fail();
		}
		assert_true(err.text[0] != '\0');
		assert_true((clock() - begin) < CLOCKS_PER_SEC);
		strbuf_finish(&text);
	}
}

/* At the limits and not over them: parsed, and in time. */
static void what_the_limits_allow_is_parsed_in_time(void **state)
{
	struct strbuf text = STRBUF_INIT(16u << 20);
	struct message *msg;
	clock_t begin = clock();
	size_t count;

	(void)state;
	strbuf_add_str(&text, HEAD);
	for (size_t i = 0; i < MIME_SCAN_MAX_DEPTH - 1; i++) {
		strbuf_addf(&text,
			    "Content-Type: multipart/mixed; boundary=b%zu\r\n"
			    "\r\n--b%zu\r\n",
			    i, i);
	}
	repeat(&text, "\r\n--b", 100000);
	msg = parse(strbuf_span(&text));
	message_destroy(&msg);
	strbuf_clear(&text);
	strbuf_add_str(&text, HEAD "Content-Type: multipart/mixed; "
				   "boundary=b\r\n\r\n");
	repeat(&text, "--b\r\n\r\nx\r\n", MIME_SCAN_MAX_PARTS - 1);
	msg = parse(strbuf_span(&text));
	message_parts(msg, &count);
	assert_int_equal(count, MIME_SCAN_MAX_PARTS - 1);
	message_destroy(&msg);
	strbuf_clear(&text);
	/* Words that never end, as many as a header may hold. */
	strbuf_add_str(&text, HEAD "Subject: ");
	repeat(&text, "=?a?q?", 40000);
	strbuf_add_str(&text, "\r\n\r\nx");
	msg = parse(strbuf_span(&text));
	message_destroy(&msg);
	strbuf_finish(&text);
	assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
}

static void read_file(const char *path, struct strbuf *out)
{
	FILE *file = fopen(path, "rb");
	char chunk[4096];
	size_t n;

	assert_non_null(file);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		strbuf_add(out, span_of(chunk, n));
	}
	fclose(file);
}

/* Everything handed out is UTF-8 without NUL. */
static void check_texts(const struct message *msg)
{
	struct span name;
	struct span value;
	size_t count;
	const struct message_part *parts = message_parts(msg, &count);

	for (size_t i = 0; message_header_at(msg, i, &name, &value); i++) {
		assert_true(span_is_utf8(value));
		assert_int_equal(span_find(value, '\0'), -1);
		assert_int_equal(span_find(value, '\n'), -1);
	}
	for (size_t i = 0; i < count; i++) {
		assert_true(span_is_utf8(parts[i].text));
		assert_int_equal(span_find(parts[i].text, '\0'), -1);
		assert_int_equal(span_find(parts[i].text, '\r'), -1);
	}
}

/* Every sample cut short, and with its bytes changed. */
static void damaged_samples_are_safe(void **state)
{
	const char *top = getenv("top_srcdir");
	char *pattern =
		xasprintf("%s/tests/data/mail/*.eml", top == NULL ? "." : top);
	unsigned int seed = 7;
	size_t parsed = 0;
	glob_t found;

	(void)state;
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct strbuf text = STRBUF_INIT(1u << 20);

		read_file(found.gl_pathv[i], &text);
		for (size_t n = 0; n < text.len; n += 1 + text.len / 100) {
			struct message *msg;

			seed = seed * 1103515245u + 12345u;
			if (n % 2 == 1) {
				text.ptr[(seed >> 8) % text.len] =
					(char)(seed >> 24);
			}
			msg = message_create(span_of(text.ptr, n), NULL);
			if (msg != NULL) {
				check_texts(msg);
				parsed++;
			}
			message_destroy(&msg);
		}
		strbuf_finish(&text);
	}
	print_message("%zu damaged messages parsed\n", parsed);
	assert_true(parsed > 1000);
	globfree(&found);
	free(pattern);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_found),
		cmocka_unit_test(headers_are_found),
		cmocka_unit_test(a_nested_message_has_its_author),
		cmocka_unit_test(two_answers_are_called_so),
		cmocka_unit_test(a_card_folded_inside_a_character_is_whole),
		cmocka_unit_test(limits_refuse_in_time),
		cmocka_unit_test(what_the_limits_allow_is_parsed_in_time),
		cmocka_unit_test(damaged_samples_are_safe),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	charset_finish();
	return failed;
}
