/* Command lines, the table of commands, and the arguments of MAIL and RCPT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "smtp/smtp_capability.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_envelope.h"

static const struct {
	struct span in;
	enum smtp_line outcome;
	size_t line_len;
} lines[] = {
	{ SPAN("NOOP\r\n"), SMTP_LINE_READY, 4 },
	{ SPAN("NOOP\r\nRSET\r\n"), SMTP_LINE_READY, 4 },
	{ SPAN("\r\n"), SMTP_LINE_READY, 0 },
	{ SPAN("NOOP\r"), SMTP_LINE_MORE, 0 },
	{ SPAN("NOOP"), SMTP_LINE_MORE, 0 },
	{ SPAN(""), SMTP_LINE_MORE, 0 },
	{ SPAN("NOOP\n"), SMTP_LINE_BARE, 0 },
	{ SPAN("\n"), SMTP_LINE_BARE, 0 },
	{ SPAN("NOOP\rRSET\r\n"), SMTP_LINE_BARE, 0 },
	{ SPAN("NOOP\r\r\n"), SMTP_LINE_BARE, 0 },
	{ SPAN("MAIL FROM:<a>\nRCPT TO:<b>\r\n"), SMTP_LINE_BARE, 0 },
};

static void lines_whole_and_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
		for (int slowly = 0; slowly <= 1; slowly++) {
			struct span in = lines[i].in;
			size_t given = slowly ? 0 : in.len;
			enum smtp_line outcome;
			struct span line = { 0 };
			size_t used = 0;

			do {
				outcome = smtp_command_line(
					span_first(in, given), &line, &used);
			} while (outcome == SMTP_LINE_MORE && given++ < in.len);
			assert_int_equal(outcome, lines[i].outcome);
			if (outcome == SMTP_LINE_READY) {
				assert_int_equal(line.len, lines[i].line_len);
				assert_int_equal(used, line.len + 2);
			}
		}
	}
}

/* A line of len bytes with its CRLF, beginning with start. */
static enum smtp_line long_line(const char *start, size_t len)
{
	struct strbuf buf = STRBUF_INIT(len);
	enum smtp_line outcome;
	struct span line;
	size_t used;

	strbuf_add_str(&buf, start);
	while (buf.len < len - 2) {
		strbuf_add_char(&buf, 'x');
	}
	assert_int_equal(
		smtp_command_line(span_first(strbuf_span(&buf), len - 3), &line,
				  &used),
		len - 3 <= SMTP_COMMAND_MAX || start[0] == 'A' ||
				start[0] == 'a'
			? SMTP_LINE_MORE
			: SMTP_LINE_TOO_LONG);
	strbuf_add_str(&buf, "\r\n");
	outcome = smtp_command_line(strbuf_span(&buf), &line, &used);
	strbuf_finish(&buf);
	return outcome;
}

static void lines_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(long_line("NOOP ", SMTP_COMMAND_MAX), SMTP_LINE_READY);
	assert_int_equal(long_line("NOOP ", SMTP_COMMAND_MAX + 1),
			 SMTP_LINE_TOO_LONG);
	assert_int_equal(long_line("AUTH XOAUTH2 ", SMTP_AUTH_COMMAND_MAX),
			 SMTP_LINE_READY);
	assert_int_equal(long_line("auth XOAUTH2 ", SMTP_AUTH_COMMAND_MAX + 1),
			 SMTP_LINE_TOO_LONG);
}

#define HELLO (SMTP_NEEDS_HELLO | SMTP_NEEDS_EHLO)
#define LOGIN (HELLO | SMTP_NEEDS_LOGIN)
#define MAIL  (LOGIN | SMTP_NEEDS_MAIL)

static const struct {
	const char *line;
	enum smtp_verb verb;
	unsigned int have;
	/* Code of the refusal; NULL: may be. */
	const char *code;
} commands[] = {
	{ "EHLO host", SMTP_EHLO, 0, NULL },
	{ "ehlo host", SMTP_EHLO, MAIL, NULL },
	{ "EHLO", SMTP_EHLO, 0, "501" },
	{ "EHLO  ", SMTP_EHLO, 0, "501" },
	{ "HELO host", SMTP_HELO, 0, NULL },
	{ "STARTTLS", SMTP_STARTTLS, HELLO, NULL },
	{ "STARTTLS", SMTP_STARTTLS, 0, "503" },
	{ "STARTTLS now", SMTP_STARTTLS, HELLO, "501" },
	{ "STARTTLS", SMTP_STARTTLS, LOGIN, "503" },
	{ "AUTH PLAIN", SMTP_AUTH, HELLO, NULL },
	{ "AUTH PLAIN", SMTP_AUTH, SMTP_NEEDS_HELLO, "503" },
	{ "AUTH PLAIN", SMTP_AUTH, LOGIN, "503" },
	{ "AUTH", SMTP_AUTH, HELLO, "501" },
	{ "MAIL FROM:<a>", SMTP_MAIL, LOGIN, NULL },
	{ "MAIL FROM:<a>", SMTP_MAIL, 0, "503" },
	{ "MAIL FROM:<a>", SMTP_MAIL, HELLO, "530" },
	{ "MAIL FROM:<a>", SMTP_MAIL, MAIL, "503" },
	{ "RCPT TO:<a>", SMTP_RCPT, MAIL, NULL },
	{ "RCPT TO:<a>", SMTP_RCPT, LOGIN, "503" },
	{ "RCPT TO:<a>", SMTP_RCPT, HELLO, "530" },
	{ "DATA", SMTP_DATA, MAIL, NULL },
	{ "DATA", SMTP_DATA, LOGIN, "503" },
	{ "DATA x", SMTP_DATA, MAIL, "501" },
	{ "RSET", SMTP_RSET, 0, NULL },
	{ "NOOP whatever", SMTP_NOOP, 0, NULL },
	{ "VRFY a", SMTP_VRFY, LOGIN, NULL },
	{ "VRFY a", SMTP_VRFY, HELLO, "530" },
	{ "QUIT", SMTP_QUIT, 0, NULL },
	{ "HELP", SMTP_HELP, 0, NULL },
	{ "BDAT 10 LAST", SMTP_UNSUPPORTED, MAIL, "502" },
	{ "BURL imap://x LAST", SMTP_UNSUPPORTED, MAIL, "502" },
	{ "XCLIENT ADDR=::1", SMTP_UNSUPPORTED, 0, "502" },
	{ "GET / HTTP/1.1", SMTP_FOREIGN, 0, NULL },
	{ "", SMTP_UNKNOWN, MAIL, "500" },
	{ "MAILFROM:<a>", SMTP_UNKNOWN, MAIL, "500" },
	{ " QUIT", SMTP_UNKNOWN, MAIL, "500" },
};

static void commands_need_their_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		struct smtp_command command;
		const char *refusal;

		smtp_command_parse(span_str(commands[i].line), &command);
		assert_int_equal(command.row->verb, commands[i].verb);
		refusal = smtp_command_refusal(&command, commands[i].have);
		if (commands[i].code == NULL) {
			assert_null(refusal);
		} else {
			assert_non_null(refusal);
			assert_memory_equal(refusal, commands[i].code, 3);
		}
	}
}

/* -- MAIL and RCPT -- */

static const struct {
	struct span argument;
	/* Code and status of the refusal, NULL: accepted. */
	const char *refusal;
	const char *path;
} mails[] = {
	{ SPAN("FROM:<ann@acme.com>"), NULL, "ann@acme.com" },
	{ SPAN("from: <ann@acme.com>"), NULL, "ann@acme.com" },
	{ SPAN("FROM:<>"), NULL, "" },
	{ SPAN("FROM:<ann>"), NULL, "ann" },
	{ SPAN("FROM:<ann+tag=x/y@[192.0.2.1]>"), NULL,
	  "ann+tag=x/y@[192.0.2.1]" },
	{ SPAN("FROM:<ann@[IPv6:2001:db8::1]>"), NULL,
	  "ann@[IPv6:2001:db8::1]" },
	{ SPAN("FROM:<\"a b\\\" > @c\"@acme.com>"), NULL,
	  "\"a b\\\" > @c\"@acme.com" },
	{ SPAN("FROM:<a..b.@docomo.example>"), NULL, "a..b.@docomo.example" },
	{ SPAN("FROM:<a> SIZE=0 BODY=8bitmime RET=HDRS ENVID=a+2Bb AUTH=<>"),
	  NULL, "a" },
	{ SPAN("FROM:<a>  size=18446744073709551615  body=7BIT "), NULL, "a" },
	{ SPAN("FROM:<a> AUTH=e+3Dmc2@example.com REQUIRETLS"), NULL, "a" },
	{ SPAN("FROM:<zo\xc3\xab@acme.com> SMTPUTF8"), NULL,
	  "zo\xc3\xab@acme.com" },
	{ SPAN("FROM:<zo\xc3\xab@acme.com>"), "553 5.6.7", NULL },
	{ SPAN("FROM:<zo\xeb@acme.com> SMTPUTF8"), "501 5.1.7", NULL },
	{ SPAN("FROM:ann@acme.com"), "501 5.1.7", NULL },
	{ SPAN("FROM:<ann@acme.com"), "501 5.1.7", NULL },
	{ SPAN("FROM:<ann@>"), "501 5.1.7", NULL },
	{ SPAN("FROM:<@acme.com>"), "501 5.1.7", NULL },
	{ SPAN("FROM:<a b@acme.com>"), "501 5.1.7", NULL },
	{ SPAN("FROM:<a@b@acme.com>"), "501 5.1.7", NULL },
	{ SPAN("FROM:<a\0b@acme.com>"), "501 5.1.7", NULL },
	{ SPAN("FROM:<\"a\rb\"@acme.com>"), "501 5.1.7", NULL },
	{ SPAN("FROM:<\"a@acme.com>"), "501 5.1.7", NULL },
	{ SPAN("FROM:<\"a\\"), "501 5.1.7", NULL },
	{ SPAN("FROM:<a@[192.0.2.1>"), "501 5.1.7", NULL },
	{ SPAN("FROM:<@relay.example:ann@acme.com>"), "501 5.1.7", NULL },
	{ SPAN("FROM:<ann@acme.com>>"), "501 5.5.4", NULL },
	{ SPAN("FROM:<ann@acme.com>SIZE=1"), "501 5.5.4", NULL },
	{ SPAN("TO:<ann@acme.com>"), "501 5.5.4", NULL },
	{ SPAN("FROM"), "501 5.5.4", NULL },
	{ SPAN("FROM:"), "501 5.1.7", NULL },
	{ SPAN("FROM:<a> SIZE"), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> SIZE="), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> SIZE=1=2"), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> SIZE=18446744073709551616"), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> SIZE=1 SIZE=1"), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> BODY=BINARYMIME"), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> SMTPUTF8=yes"), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> RET=SOME"), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> ENVID=a+2"), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> ENVID=a+2b"), "501 5.5.4", NULL },
	{ SPAN("FROM:<a> NOTIFY=NEVER"), "555 5.5.4", NULL },
	{ SPAN("FROM:<a> HOLDFOR=10"), "555 5.5.4", NULL },
	{ SPAN("FROM:<a> BY=10;R"), "555 5.5.4", NULL },
	{ SPAN("FROM:<a> =x"), "555 5.5.4", NULL },
}, rcpts[] = {
	{ SPAN("TO:<bob@partner.example>"), NULL, "bob@partner.example" },
	{ SPAN("TO:<Postmaster>"), NULL, "Postmaster" },
	{ SPAN("TO:<b> NOTIFY=SUCCESS,failure,DELAY ORCPT=rfc822;b+2B@x"),
	  NULL, "b" },
	{ SPAN("TO:<b> NOTIFY=NEVER"), NULL, "b" },
	{ SPAN("TO:<b> ORCPT=utf-8;zo\\x{EB}@x"), NULL, "b" },
	{ SPAN("TO:<>"), "501 5.1.3", NULL },
	{ SPAN("TO:<zo\xc3\xab@x>"), "553 5.6.7", NULL },
	{ SPAN("TO:<b> NOTIFY=NEVER,DELAY"), "501 5.5.4", NULL },
	{ SPAN("TO:<b> NOTIFY=SUCCESS,"), "501 5.5.4", NULL },
	{ SPAN("TO:<b> NOTIFY="), "501 5.5.4", NULL },
	{ SPAN("TO:<b> ORCPT=b@x"), "501 5.5.4", NULL },
	{ SPAN("TO:<b> ORCPT=;b@x"), "501 5.5.4", NULL },
	{ SPAN("TO:<b> ORCPT=rfc822;"), "501 5.5.4", NULL },
	{ SPAN("TO:<b> SIZE=1"), "555 5.5.4", NULL },
	{ SPAN("FROM:<b>"), "501 5.5.4", NULL },
};

static void check_outcome(int status, const char *refusal, const char *want,
			  const struct smtp_envelope *envelope,
			  const char *path)
{
	if (want == NULL) {
		assert_int_equal(status, 0);
		assert_true(span_eq(envelope->path, span_str(path)));
	} else {
		assert_int_equal(status, -1);
		assert_memory_equal(refusal, want, strlen(want));
	}
}

static void envelopes(void **state)
{
	struct smtp_envelope envelope;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(mails); i++) {
		const char *refusal = NULL;
		int status =
			smtp_mail_parse(mails[i].argument, &envelope, &refusal);

		check_outcome(status, refusal, mails[i].refusal, &envelope,
			      mails[i].path);
	}
	for (size_t i = 0; i < N_ELEMENTS(rcpts); i++) {
		const char *refusal = NULL;
		int status = smtp_rcpt_parse(rcpts[i].argument, false,
					     &envelope, &refusal);

		check_outcome(status, refusal, rcpts[i].refusal, &envelope,
			      rcpts[i].path);
	}
}

static void parts_are_bounded(void **state)
{
	static const struct {
		const char *start;
		const char *end;
		size_t max;
	} parts[] = {
		{ "FROM:<", "@acme.com>", SMTP_LOCAL_PART_MAX },
		{ "FROM:<ann@", ">", SMTP_DOMAIN_MAX },
		{ "FROM:<> ENVID=", "", SMTP_ENVID_MAX },
		{ "FROM:<> AUTH=", "", SMTP_XTEXT_MAX },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
		for (size_t over = 0; over <= 1; over++) {
			struct strbuf buf = STRBUF_INIT(1024);
			struct smtp_envelope envelope;
			const char *refusal;

			strbuf_add_str(&buf, parts[i].start);
			for (size_t n = 0; n < parts[i].max + over; n++) {
				strbuf_add_char(&buf, 'x');
			}
			strbuf_add_str(&buf, parts[i].end);
			assert_int_equal(smtp_mail_parse(strbuf_span(&buf),
							 &envelope, &refusal),
					 over == 0 ? 0 : -1);
			strbuf_finish(&buf);
		}
	}
}

static void envelopes_are_written_in_one_form(void **state)
{
	struct strbuf out = STRBUF_INIT(SMTP_COMMAND_MAX);
	struct smtp_envelope envelope;
	const char *refusal;

	(void)state;
	assert_int_equal(smtp_mail_parse(SPAN("from:  <a@b>  RET=FULL  size=5 "
					      "BODY=8BITMIME"),
					 &envelope, &refusal),
			 0);
	assert_int_equal(envelope.size, 5);
	assert_true(envelope.is_8bit);
	smtp_envelope_write(&envelope, "MAIL FROM", 1u << SMTP_PARAM_SIZE,
			    &out);
	assert_string_equal(strbuf_cstr(&out),
			    "MAIL FROM:<a@b> BODY=8BITMIME RET=FULL");
	strbuf_finish(&out);
}

/* -- capabilities -- */

static void provider_capabilities(void **state)
{
	struct smtp_capabilities c = { 0 };

	(void)state;
	smtp_capability_parse(SPAN("PIPELINING"), &c);
	smtp_capability_parse(SPAN("size 35882577"), &c);
	smtp_capability_parse(SPAN("AUTH LOGIN PLAIN XOAUTH2 GSSAPI"), &c);
	smtp_capability_parse(SPAN("AUTH=OAUTHBEARER"), &c);
	smtp_capability_parse(SPAN("CHUNKING"), &c);
	smtp_capability_parse(SPAN(""), &c);
	assert_int_equal(c.bits,
			 SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_AUTH);
	assert_int_equal(c.size, 35882577);
	assert_int_equal(c.mechanisms, (1u << SASL_MECHANISM_COUNT) - 1);
	smtp_capability_parse(SPAN("SIZE"), &c);
	assert_int_equal(c.size, 0);
	smtp_capability_parse(SPAN("AUTH"), &c);
}

static struct provider two_providers[] = {
	{ .name = (char *)"m",
	  .preset = (char *)"microsoft365",
	  .smtp = { .host = (char *)"h" } },
	{ .name = (char *)"g",
	  .preset = (char *)"gmail",
	  .smtp = { .host = (char *)"h" } },
	{ .name = (char *)"i", .preset = (char *)"generic" },
};

static void promises_only_what_all_have(void **state)
{
	struct settings settings = {
		.providers = two_providers,
		.provider_count = N_ELEMENTS(two_providers),
		.message = { .max_message_bytes = 1000 },
	};
	struct listener_settings any = { 0 };
	struct listener_settings one = { .provider = (char *)"m" };
	struct smtp_capabilities c;

	(void)state;
	c = smtp_capability_profile(&settings, &any);
	assert_true((c.bits & SMTP_CAP_SMTPUTF8) != 0);
	assert_true((c.bits & SMTP_CAP_DSN) == 0);
	c = smtp_capability_profile(&settings, &one);
	assert_true((c.bits & SMTP_CAP_DSN) != 0);
	assert_int_equal(c.size, 1000);
}

static void lists_only_shrink(void **state)
{
	struct smtp_capabilities ours = {
		.bits = SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_DSN |
			SMTP_CAP_AUTH,
		.size = 1000,
		.mechanisms = 1,
	};
	struct smtp_capabilities theirs = {
		.bits = SMTP_CAP_SMTPUTF8 | SMTP_CAP_SIZE | SMTP_CAP_DSN |
			SMTP_CAP_8BITMIME,
		.size = 500,
	};
	struct smtp_capabilities both = smtp_capability_shrink(&ours, &theirs);
	struct strbuf out = STRBUF_INIT(1024);

	(void)state;
	smtp_capability_write(&ours, "mx.example", &out);
	assert_string_equal(strbuf_cstr(&out),
			    "250-mx.example\r\n250-PIPELINING\r\n"
			    "250-SIZE 1000\r\n250-DSN\r\n250 AUTH PLAIN\r\n");
	strbuf_clear(&out);
	smtp_capability_write(&both, "mx.example", &out);
	assert_string_equal(strbuf_cstr(&out),
			    "250-mx.example\r\n250-PIPELINING\r\n"
			    "250-SIZE 500\r\n250 DSN\r\n");
	strbuf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_whole_and_byte_by_byte),
		cmocka_unit_test(lines_are_bounded),
		cmocka_unit_test(commands_need_their_state),
		cmocka_unit_test(envelopes),
		cmocka_unit_test(parts_are_bounded),
		cmocka_unit_test(envelopes_are_written_in_one_form),
		cmocka_unit_test(provider_capabilities),
		cmocka_unit_test(promises_only_what_all_have),
		cmocka_unit_test(lists_only_shrink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
