/* imap_session: the login at the gateway and at providers, as recorded from
   Dovecot, Gmail and Microsoft 365; every row played whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "script.h"

#define GREETING                                                               \
	"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN "           \
	"AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER] Postern ready.\r\n"

#define DOVECOT                                                                \
	"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE "   \
	"LITERAL+ AUTH=PLAIN AUTH=LOGIN] Dovecot (Debian) ready.\r\n"

static void commands_before_the_login_are_ours(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "a1 CAPABILITY\r\na2 noop\r\n" },
		{ TO_CLIENT,
		  "* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN "
		  "AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER\r\n"
		  "a1 OK Capability completed.\r\na2 OK Nothing done.\r\n" },
		{ CLIENT, "a3 ID (\"name\" \"x\")\r\na4 ID NIL\r\n" },
		{ TO_CLIENT, "* ID (\"name\" \"Postern\")\r\n"
			     "a3 OK ID completed.\r\n"
			     "* ID (\"name\" \"Postern\")\r\n"
			     "a4 OK ID completed.\r\n" },
		{ CLIENT, "a5 SELECT INBOX\r\n" },
		{ TO_CLIENT, "a5 BAD Log in first.\r\n" },
		{ CLIENT, "\r\nx\r\n" },
		{ TO_CLIENT, "* BAD Invalid command.\r\n"
			     "* BAD Invalid command.\r\n" },
		{ CLIENT, "a6 STARTTLS\r\n" },
		{ TO_CLIENT, "a6 BAD TLS is active already.\r\n" },
		{ CLIENT, "a7 LOGOUT\r\n" },
		{ TO_CLIENT, "* BYE Logging out.\r\na7 OK Logout "
			     "completed.\r\n" },
		{ TO_SERVER, "" },
		{ CLOSED, "logout" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void clear_text(struct session *s)
{
	s->has_tls[SIDE_CLIENT] = false;
}

static void starttls_comes_before_credentials(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT,
		  "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID STARTTLS "
		  "LOGINDISABLED] Postern ready.\r\n" },
		{ CLIENT, "a LOGIN u p\r\n" },
		{ TO_CLIENT, "a NO [PRIVACYREQUIRED] Use STARTTLS before "
			     "logging in.\r\n" },
		{ CLIENT, "b STARTTLS\r\n" },
		{ TO_CLIENT, "b OK Begin TLS negotiation now.\r\n" },
		{ CLIENT, "c CAPABILITY\r\n" },
		{ TO_CLIENT,
		  "* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN "
		  "AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER\r\n"
		  "c OK Capability completed.\r\n" },
		{ OPEN, "" },
	};

	(void)state;
	SCRIPT(clear_text, rows);
}

static void data_behind_starttls_ends_the_session(void **state)
{
	struct session s;

	(void)state;
	fake_init(&s, 0);
	clear_text(&s);
	fake_start(&s);
	fake_feed(&s, SIDE_CLIENT, SPAN("a STARTTLS\r\nb LOGIN u p\r\n"));
	assert_true(s.closing);
	assert_string_equal(s.why, "data before TLS handshake");
	fake_finish(&s);
}

static void dovecot_login_with_pipelined_commands(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "1 LOGIN \"jo@acme.example\" {6}\r\n" },
		{ TO_CLIENT, "+ OK\r\n" },
		{ CLIENT, "s\"cret\r\n2 SELECT INBOX\r\n3 NOOP\r\n" },
		{ TO_SERVER, "" },
		{ CONNECT, "" },
		{ SERVER, DOVECOT },
		{ TO_SERVER, "P1 AUTHENTICATE PLAIN "
			     "AGpvQGFjbWUuZXhhbXBsZQBzImNyZXQ=\r\n" },
		{ SERVER, "* OK Hello\r\nP1 OK [CAPABILITY IMAP4rev1 SASL-IR "
			  "COMPRESS=DEFLATE ID IDLE SPECIAL-USE LIST-EXTENDED "
			  "CATENATE URLAUTH URLAUTH=BINARY MOVE REPLACE "
			  "IMAP4rev2 UNAUTHENTICATE] Logged in\r\n" },
		{ TO_SERVER, "P2 LIST (SPECIAL-USE) \"\" \"*\"\r\n" },
		{ TO_CLIENT, "" },
		{ SERVER, "* LIST (\\HasNoChildren \\Sent) \"/\" Outbound\r\n"
			  "P2 OK List completed\r\n" },
		{ TO_CLIENT, "1 OK [CAPABILITY IMAP4rev1 IMAP4rev2 SASL-IR ID "
			     "IDLE SPECIAL-USE LIST-EXTENDED MOVE] "
			     "Logged in.\r\n" },
		{ TO_SERVER, "2 SELECT INBOX\r\n3 NOOP\r\n" },
		{ OPEN, "" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void failed_login_refuses_what_was_pipelined(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "1 LOGIN u p\r\n2 SELECT INBOX\r\n" },
		{ CONNECT, "" },
		{ SERVER, DOVECOT },
		{ TO_SERVER, "P1 AUTHENTICATE PLAIN AHUAcA==\r\n" },
		{ SERVER, "P1 NO [AUTHENTICATIONFAILED] u unknown at "
			  "host17\r\n" },
		{ TO_CLIENT, "1 NO [AUTHENTICATIONFAILED] The mail provider "
			     "refused this login.\r\n"
			     "2 BAD Log in first.\r\n" },
		{ TO_SERVER, "" },
		{ OPEN, "" },
		{ CLIENT, "3 LOGIN u p\r\n" },
		{ CONNECT_FAILS, "" },
		{ TO_CLIENT, "3 NO [UNAVAILABLE] The mail provider cannot be "
			     "used at the moment; try again later.\r\n" },
		{ CLIENT, "4 LOGIN u p\r\n" },
		{ CONNECT, "" },
		{ SERVER, "* BYE go away\r\n" },
		{ TO_CLIENT, "4 NO [UNAVAILABLE] The mail provider cannot be "
			     "used at the moment; try again later.\r\n"
			     "* BYE Too many failed logins.\r\n" },
		{ CLOSED, "too many failed logins" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void m365(struct session *s)
{
	s->provider.preset = "microsoft365";
}

static void m365_login_with_xoauth2(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "a ID (\"name\" \"Mail\" \"version\" NIL)\r\n"
			  "A CAPABILITY\r\n" },
		{ CLIENT, "b AUTHENTICATE XOAUTH2\r\n" },
		{ TO_CLIENT,
		  "* ID (\"name\" \"Postern\")\r\na OK ID completed.\r\n"
		  "* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN "
		  "AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER\r\n"
		  "A OK Capability completed.\r\n+ \r\n" },
		{ CLIENT, "dXNlcj1qb0BhY21lLmV4YW1wbGUBYXV0aD1CZWFyZXIgdG9rAQE="
			  "\r\n" },
		{ CONNECT, "" },
		/* No list in the greeting. */
		{ SERVER, "* OK The Microsoft Exchange IMAP4 service is "
			  "ready. [QQBCAA==]\r\n" },
		{ TO_SERVER, "P1 CAPABILITY\r\n" },
		{ SERVER, "* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN "
			  "AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN "
			  "IDLE NAMESPACE LITERAL+\r\n"
			  "P1 OK CAPABILITY completed.\r\n" },
		{ TO_SERVER, "P2 AUTHENTICATE XOAUTH2 dXNlcj1qb0BhY21lLmV4YW1"
			     "wbGUBYXV0aD1CZWFyZXIgdG9rAQE=\r\n" },
		{ SERVER, "P2 OK AUTHENTICATE completed.\r\n" },
		{ TO_SERVER, "P3 CAPABILITY\r\n" },
		{ SERVER, "* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN "
			  "AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT "
			  "CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION "
			  "BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE "
			  "LITERAL+\r\nP3 OK CAPABILITY completed.\r\n" },
		{ TO_SERVER, "P4 ID (\"name\" \"Mail\" \"version\" NIL)\r\n" },
		{ TO_CLIENT, "" },
		{ SERVER, "* ID (\"name\" \"Microsoft\")\r\nP4 OK ID "
			  "completed\r\n" },
		{ TO_CLIENT,
		  "* CAPABILITY IMAP4 IMAP4rev1 SASL-IR UIDPLUS MOVE ID "
		  "UNSELECT CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION "
		  "BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+\r\n"
		  "b OK [CAPABILITY IMAP4 IMAP4rev1 SASL-IR UIDPLUS MOVE ID "
		  "UNSELECT CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION "
		  "BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+] "
		  "Logged in.\r\n" },
	};

	(void)state;
	SCRIPT(m365, rows);
}

static void gmail_token_is_refused_with_json(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "b AUTHENTICATE XOAUTH2 dXNlcj1qb0BhY21lLmV4YW1wbGU"
			  "BYXV0aD1CZWFyZXIgdG9rAQE=\r\n" },
		{ CONNECT, "" },
		{ SERVER, "* OK Gimap ready for requests from 192.0.2.1 "
			  "x1\r\n" },
		{ TO_SERVER, "P1 CAPABILITY\r\n" },
		{ SERVER, "* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE "
			  "QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR "
			  "AUTH=XOAUTH2 AUTH=PLAIN AUTH=OAUTHBEARER\r\n"
			  "P1 OK Thats all she wrote! x1\r\n" },
		{ TO_SERVER, "P2 AUTHENTICATE XOAUTH2 dXNlcj1qb0BhY21lLmV4YW1"
			     "wbGUBYXV0aD1CZWFyZXIgdG9rAQE=\r\n" },
		{ SERVER, "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n" },
		{ TO_SERVER, "\r\n" },
		{ SERVER, "P2 NO [AUTHENTICATIONFAILED] Invalid credentials "
			  "(Failure)\r\n" },
		{ TO_CLIENT, "b NO [AUTHENTICATIONFAILED] The mail provider "
			     "refused this login.\r\n" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void refusals_tell_a_wrong_password_from_trouble(void **state)
{
	static const struct {
		const char *answer;
		const char *code;
		unsigned int failures;
	} rows[] = {
		{ "P1 NO [AUTHENTICATIONFAILED] x", "AUTHENTICATIONFAILED", 1 },
		{ "P1 NO LOGIN failed.", "AUTHENTICATIONFAILED", 1 },
		{ "P1 NO [EXPIRED] x", "EXPIRED", 1 },
		{ "P1 NO [unavailable] x", "UNAVAILABLE", 0 },
		{ "P1 NO [LIMIT] x", "LIMIT", 0 },
		{ "P1 NO [CONTACTADMIN] x", "CONTACTADMIN", 0 },
		{ "P1 NO [PRIVACYREQUIRED] x", "PRIVACYREQUIRED", 0 },
		{ "P1 NO [ALERT] Too many simultaneous connections. (Failure)",
		  "LIMIT", 0 },
		{ "P1 NO [SYS/TEMP] Temporary authentication failure",
		  "UNAVAILABLE", 0 },
		{ "P1 NO Server Unavailable. 15", "UNAVAILABLE", 0 },
		{ "P1 BAD User is authenticated but not connected.",
		  "CONTACTADMIN", 0 },
		{ "P1 BAD Request is throttled. Suggested Backoff Time: 3000 "
		  "milliseconds",
		  "UNAVAILABLE", 0 },
		{ "P1 BAD what", "UNAVAILABLE", 0 },
		{ "* BYE Connection closed. 14", "UNAVAILABLE", 0 },
		{ "P9 OK never asked", "UNAVAILABLE", 0 },
		{ "+ no!", "UNAVAILABLE", 0 },
		{ "P1 NO [REFERRAL imap://other.example/] go there",
		  "AUTHENTICATIONFAILED", 1 },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf expected = STRBUF_INIT(100);
		struct session s;
		struct span sent;

		fake_init(&s, 0);
		fake_start(&s);
		fake_feed(&s, SIDE_CLIENT, SPAN("t LOGIN u p\r\n"));
		fake_connected(&s);
		fake_feed(&s, SIDE_SERVER, SPAN(DOVECOT));
		fake_sent(&s, SIDE_CLIENT);
		fake_feed(&s, SIDE_SERVER, span_str(rows[i].answer));
		fake_feed(&s, SIDE_SERVER, SPAN("\r\n"));
		strbuf_addf(&expected, "t NO [%s] ", rows[i].code);
		sent = span_str(fake_sent(&s, SIDE_CLIENT));
		assert_true(span_starts(sent, strbuf_span(&expected)));
		assert_int_equal(span_search(sent, SPAN("\r\n")), sent.len - 2);
		assert_true(span_search(sent, SPAN("imap:")) < 0);
		assert_int_equal(s.failures, rows[i].failures);
		assert_false(s.connected);
		assert_false(s.closing);
		strbuf_finish(&expected);
		fake_finish(&s);
	}
}

static void provider_starttls(struct session *s)
{
	s->provider.imap.tls = TLS_STARTTLS;
	s->has_tls[SIDE_SERVER] = false;
}

static void provider_starttls_forgets_the_list_before(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "t LOGIN u p\r\n" },
		{ CONNECT, "" },
		{ SERVER, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] "
			  "hi\r\n" },
		{ TO_SERVER, "P1 STARTTLS\r\n" },
		{ SERVER, "P1 OK go\r\n" },
		{ TO_SERVER, "P2 CAPABILITY\r\n" },
		{ SERVER, "* CAPABILITY IMAP4rev1\r\nP2 OK\r\n" },
		{ TO_SERVER, "P3 LOGIN \"u\" \"p\"\r\n" },
		{ SERVER, "* CAPABILITY IMAP4rev1 IDLE\r\nP3 OK\r\n" },
		{ TO_CLIENT, "t OK [CAPABILITY IMAP4rev1 IDLE] Logged "
			     "in.\r\n" },
	};
	static const struct line refused[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "t LOGIN u p\r\n" },
		{ CONNECT, "" },
		{ SERVER, "* OK hi\r\n" },
		{ TO_SERVER, "P1 STARTTLS\r\n" },
		{ SERVER, "P1 NO not today\r\n" },
		{ TO_SERVER, "" },
		{ TO_CLIENT, "t NO [UNAVAILABLE] The mail provider cannot be "
			     "used at the moment; try again later.\r\n" },
	};

	(void)state;
	SCRIPT(provider_starttls, rows);
	SCRIPT(provider_starttls, refused);
}

static void injection_behind_the_providers_starttls(void **state)
{
	struct session s;

	(void)state;
	fake_init(&s, 0);
	provider_starttls(&s);
	fake_start(&s);
	fake_feed(&s, SIDE_CLIENT, SPAN("t LOGIN u p\r\n"));
	fake_connected(&s);
	fake_sent(&s, SIDE_CLIENT);
	fake_feed(&s, SIDE_SERVER, SPAN("* OK hi\r\n"));
	fake_feed(&s, SIDE_SERVER,
		  SPAN("P1 OK go\r\n* CAPABILITY IMAP4rev1\r\nP2 OK\r\n"));
	assert_true(span_starts(span_str(fake_sent(&s, SIDE_CLIENT)),
				SPAN("t NO [UNAVAILABLE]")));
	assert_string_equal(fake_sent(&s, SIDE_SERVER), "P1 STARTTLS\r\n");
	fake_finish(&s);
}

static void providers_that_cannot_be_used(void **state)
{
	static const char *const greetings[] = {
		"* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n",
		"* BYE no\r\n",
		"* OK [CAPABILITY POP3] hi\r\n",
		"220 smtp.example ESMTP\r\n",
		"* 1 EXISTS\r\n",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(greetings); i++) {
		struct session s;

		fake_init(&s, 0);
		fake_start(&s);
		fake_feed(&s, SIDE_CLIENT, SPAN("t LOGIN u p\r\n"));
		fake_connected(&s);
		fake_sent(&s, SIDE_CLIENT);
		fake_feed(&s, SIDE_SERVER, span_str(greetings[i]));
		assert_true(span_starts(span_str(fake_sent(&s, SIDE_CLIENT)),
					SPAN("t NO [UNAVAILABLE]")));
		assert_string_equal(fake_sent(&s, SIDE_SERVER), "");
		assert_int_equal(s.failures, 0);
		fake_finish(&s);
	}
}

static void names_with_8bit_go_as_literals(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "t LOGIN u {5+}\r\np\xc3\xa9\"x\r\n" },
		{ CONNECT, "" },
		{ SERVER, "* OK [CAPABILITY IMAP4rev1] hi\r\n" },
		{ TO_SERVER, "P1 LOGIN \"u\" {5}\r\n" },
		{ SERVER, "+ go\r\n" },
		{ TO_SERVER, "p\xc3\xa9\"x\r\n" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void a_provider_that_takes_no_passwords(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "t LOGIN u p\r\n" },
		{ CONNECT, "" },
		{ SERVER, "* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 "
			  "LOGINDISABLED] hi\r\n" },
		{ TO_SERVER, "" },
		{ TO_CLIENT, "t NO [CANNOT] The mail provider does not take "
			     "this kind of login.\r\n" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void silent_and_vanishing_providers(void **state)
{
	static const struct line silent[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "t LOGIN u p\r\n" },
		{ CONNECT, "" },
		{ TIMEOUT, "" },
		{ TO_CLIENT, "t NO [UNAVAILABLE] The mail provider cannot be "
			     "used at the moment; try again later.\r\n" },
		{ TIMEOUT, "" },
		{ TO_CLIENT, "* BYE Too slow.\r\n" },
		{ CLOSED, "client did not log in in time" },
	};
	static const struct line vanishing[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "t LOGIN u p\r\n" },
		{ CONNECT, "" },
		{ SERVER, "* OK hi" },
		{ SERVER_EOF, "" },
		{ TO_CLIENT, "t NO [UNAVAILABLE] The mail provider cannot be "
			     "used at the moment; try again later.\r\n" },
		{ OPEN, "" },
		{ CLIENT_EOF, "" },
		{ CLOSED, "client closed before its login" },
	};

	(void)state;
	SCRIPT(NULL, silent);
	SCRIPT(NULL, vanishing);
}

static void bad_logins_are_refused_at_once(void **state)
{
	static const struct line rows[] = {
		{ TO_CLIENT, GREETING },
		{ CLIENT, "a LOGIN\r\nb LOGIN u\r\nc LOGIN u p x\r\n"
			  "d LOGIN (u) p\r\ne LOGIN u \"p\"x\r\n" },
		{ TO_CLIENT, "a BAD LOGIN needs a name and a password.\r\n"
			     "b BAD LOGIN needs a name and a password.\r\n"
			     "c BAD LOGIN needs a name and a password.\r\n"
			     "d BAD LOGIN needs a name and a password.\r\n"
			     "e BAD LOGIN needs a name and a password.\r\n" },
		{ CLIENT, "f AUTHENTICATE GSSAPI\r\ng AUTHENTICATE PLAIN\r\n" },
		{ TO_CLIENT, "f NO [CANNOT] This mechanism is not "
			     "supported.\r\n+ \r\n" },
		{ CLIENT, "*\r\n" },
		{ TO_CLIENT, "g BAD Authentication cancelled.\r\n" },
		{ CLIENT, "h AUTHENTICATE PLAIN !!\r\n" },
		{ TO_CLIENT, "h BAD The authentication data is "
			     "malformed.\r\n" },
		{ CLIENT, "i LOGIN {99999}\r\n" },
		{ TO_CLIENT, "i BAD [TOOBIG] The literal is too large.\r\n" },
		{ CLIENT, "j LOGIN {99999999999+}\r\n" },
		{ TO_CLIENT, "* BYE Command too long.\r\n" },
		{ CLOSED, "command too long before the login" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void mistakes_are_counted(void **state)
{
	struct session s;

	(void)state;
	fake_init(&s, 0);
	fake_start(&s);
	for (int i = 0; i < 10 && !s.closing; i++) {
		fake_feed(&s, SIDE_CLIENT, SPAN("x FETCH\r\n"));
	}
	assert_true(s.closing);
	assert_string_equal(s.why, "too many invalid commands");
	fake_finish(&s);
}

static void endless_lines_end_the_session(void **state)
{
	static char block[4096];
	struct session s;
	size_t fed = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	fake_init(&s, 0);
	fake_start(&s);
	while (!s.closing && fed < 1 << 20) {
		fake_feed(&s, SIDE_CLIENT, span_of(block, sizeof(block)));
		fed += sizeof(block);
	}
	assert_true(s.closing);
	assert_true(fed <= 32768);
	fake_finish(&s);

	fake_init(&s, 0);
	fake_start(&s);
	fake_feed(&s, SIDE_CLIENT, SPAN("t LOGIN u p\r\n"));
	fake_connected(&s);
	for (fed = 0; s.connected && fed < 1 << 20; fed += sizeof(block)) {
		fake_feed(&s, SIDE_SERVER, span_of(block, sizeof(block)));
	}
	assert_true(fed <= 128 * 1024);
	assert_false(s.closing);
	fake_finish(&s);
}

static void limits_and_unknown_organizations(void **state)
{
	struct session s;

	(void)state;
	fake_init(&s, 0);
	s.refuse_route = true;
	fake_start(&s);
	fake_sent(&s, SIDE_CLIENT);
	fake_feed(&s, SIDE_CLIENT, SPAN("t LOGIN u p\r\n"));
	assert_string_equal(fake_sent(&s, SIDE_CLIENT),
			    "t NO [AUTHORIZATIONFAILED] This account is not "
			    "served here.\r\n");
	s.refuse_route = false;
	s.refuse_login = true;
	fake_feed(&s, SIDE_CLIENT, SPAN("t LOGIN u p\r\n"));
	assert_string_equal(fake_sent(&s, SIDE_CLIENT),
			    "t NO [UNAVAILABLE] Too many failed logins; try "
			    "again later.\r\n");
	fake_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_before_the_login_are_ours),
		cmocka_unit_test(starttls_comes_before_credentials),
		cmocka_unit_test(data_behind_starttls_ends_the_session),
		cmocka_unit_test(dovecot_login_with_pipelined_commands),
		cmocka_unit_test(failed_login_refuses_what_was_pipelined),
		cmocka_unit_test(m365_login_with_xoauth2),
		cmocka_unit_test(gmail_token_is_refused_with_json),
		cmocka_unit_test(refusals_tell_a_wrong_password_from_trouble),
		cmocka_unit_test(provider_starttls_forgets_the_list_before),
		cmocka_unit_test(injection_behind_the_providers_starttls),
		cmocka_unit_test(providers_that_cannot_be_used),
		cmocka_unit_test(names_with_8bit_go_as_literals),
		cmocka_unit_test(a_provider_that_takes_no_passwords),
		cmocka_unit_test(silent_and_vanishing_providers),
		cmocka_unit_test(bad_logins_are_refused_at_once),
		cmocka_unit_test(mistakes_are_counted),
		cmocka_unit_test(endless_lines_end_the_session),
		cmocka_unit_test(limits_and_unknown_organizations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
