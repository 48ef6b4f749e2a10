/* Replies of a provider: whole, byte by byte, malformed and endless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/strbuf.h"
#include "smtp/smtp_reply.h"

static const struct {
	struct span in;
	int status;
	unsigned int code;
	size_t len;
	struct smtp_status enhanced;
} replies[] = {
	{ SPAN("250 2.1.5 Ok\r\n"), 1, 250, 14, { 2, 1, 5 } },
	{ SPAN("250\r\n"), 1, 250, 5, { 0 } },
	{ SPAN("250 \r\n"), 1, 250, 6, { 0 } },
	{ SPAN("220 mail ESMTP\r\n250 next\r\n"), 1, 220, 16, { 0 } },
	{ SPAN("250-a\r\n250-b\r\n250 c\r\n"), 1, 250, 21, { 0 } },
	{ SPAN("535-5.7.8 no\r\n535 5.7.139 why\r\n"),
	  1,
	  535,
	  31,
	  { 5, 7, 139 } },
	{ SPAN("554 5.7.1000 x\r\n"), 1, 554, 16, { 0 } },
	{ SPAN("550 3.1.1 x\r\n"), 1, 550, 13, { 0 } },
	{ SPAN("550 5.1 x\r\n"), 1, 550, 11, { 0 } },
	{ SPAN("550 \xc3\xa9\x1b[0m\r\n"), 1, 550, 12, { 0 } },
	{ SPAN("250-a\r\n"), 0, 0, 0, { 0 } },
	{ SPAN("250 Ok\r"), 0, 0, 0, { 0 } },
	{ SPAN(""), 0, 0, 0, { 0 } },
	{ SPAN("250 Ok\n"), -1, 0, 0, { 0 } },
	{ SPAN("250 O\rk\r\n"), -1, 0, 0, { 0 } },
	{ SPAN("250 O\0k\r\n"), -1, 0, 0, { 0 } },
	{ SPAN("\r\n"), -1, 0, 0, { 0 } },
	{ SPAN("Ok\r\n"), -1, 0, 0, { 0 } },
	{ SPAN("25\r\n"), -1, 0, 0, { 0 } },
	{ SPAN("2500 Ok\r\n"), -1, 0, 0, { 0 } },
	{ SPAN("150 Ok\r\n"), -1, 0, 0, { 0 } },
	{ SPAN("600 Ok\r\n"), -1, 0, 0, { 0 } },
	{ SPAN("250-a\r\n251 b\r\n"), -1, 0, 0, { 0 } },
	{ SPAN("250_a\r\n"), -1, 0, 0, { 0 } },
};

static void whole_and_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(replies); i++) {
		for (int slowly = 0; slowly <= 1; slowly++) {
			struct span in = replies[i].in;
			size_t given = slowly ? 0 : in.len;
			struct smtp_reply reply;
			int status;

			smtp_reply_init(&reply);
			do {
				status = smtp_reply_next(
					&reply, span_first(in, given), NULL);
			} while (status == 0 && given++ < in.len);
			assert_int_equal(status, replies[i].status);
			if (status != 1) {
				continue;
			}
			assert_int_equal(reply.code, replies[i].code);
			assert_int_equal(reply.whole.len, replies[i].len);
			assert_memory_equal(&reply.status, &replies[i].enhanced,
					    sizeof(reply.status));
		}
	}
}

static void endless_replies_end(void **state)
{
	struct strbuf many = STRBUF_INIT(SMTP_REPLY_MAX * 2);
	struct strbuf wide = STRBUF_INIT(SMTP_REPLY_MAX);
	struct smtp_reply reply;
	struct error err;

	(void)state;
	for (int i = 0; i <= SMTP_REPLY_LINES_MAX; i++) {
		strbuf_add_str(&many, "250-more\r\n");
	}
	smtp_reply_init(&reply);
	assert_int_equal(smtp_reply_next(&reply, strbuf_span(&many), &err), -1);

	strbuf_add_str(&wide, "250 ");
	while (wide.len <= SMTP_REPLY_LINE_MAX) {
		smtp_reply_init(&reply);
		assert_int_equal(
			smtp_reply_next(&reply, strbuf_span(&wide), &err), 0);
		strbuf_add_char(&wide, 'x');
	}
	smtp_reply_init(&reply);
	assert_int_equal(smtp_reply_next(&reply, strbuf_span(&wide), &err), -1);

	strbuf_clear(&many);
	while (many.len < SMTP_REPLY_MAX) {
		strbuf_addf(&many, "250-%1000s\r\n", "");
	}
	smtp_reply_init(&reply);
	assert_int_equal(smtp_reply_next(&reply, strbuf_span(&many), &err), -1);
	strbuf_finish(&many);
	strbuf_finish(&wide);
}

static void lines_without_their_codes(void **state)
{
	struct span rest = SPAN("250-host hello\r\n250-SIZE 10\r\n250\r\n");
	struct span text;

	(void)state;
	assert_true(smtp_reply_line(&rest, &text));
	assert_true(span_eq(text, SPAN("host hello")));
	assert_true(smtp_reply_line(&rest, &text));
	assert_true(span_eq(text, SPAN("SIZE 10")));
	assert_true(smtp_reply_line(&rest, &text));
	assert_int_equal(text.len, 0);
	assert_false(smtp_reply_line(&rest, &text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_and_byte_by_byte),
		cmocka_unit_test(endless_replies_end),
		cmocka_unit_test(lines_without_their_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
