/* SASL: credentials read and written again, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/hash.h"
#include "proxy/sasl.h"

static void base64_of(struct span message, struct strbuf *out)
{
	strbuf_init(out, SASL_LINE_MAX * 2);
	base64_encode(message, out);
}

static int respond(struct sasl_server *server, struct span message,
		   struct credential *credential, struct error *err_r)
{
	struct strbuf base64;
	int status;

	base64_of(message, &base64);
	status = sasl_server_response(server, strbuf_span(&base64), credential,
				      err_r);
	strbuf_finish(&base64);
	return status;
}

static const struct {
	enum sasl_mechanism mechanism;
	struct span message;
	int status;
	const char *user;
	const char *authzid;
	const char *secret;
} messages[] = {
	{ SASL_PLAIN, SPAN("\0ann@acme.com\0pw"), 1, "ann@acme.com", "", "pw" },
	{ SASL_PLAIN, SPAN("ann\0ann\0pw"), 1, "ann", "", "pw" },
	{ SASL_PLAIN, SPAN("desk\0ann\0p\x01w"), 1, "ann", "desk", "p\x01w" },
	{ SASL_PLAIN, SPAN("\0zo\xc3\xab\0\xe9t\xe9"), 1, "zo\xc3\xab", "",
	  "\xe9t\xe9" },
	{ SASL_PLAIN, SPAN(""), -1, NULL, NULL, NULL },
	{ SASL_PLAIN, SPAN("ann"), -1, NULL, NULL, NULL },
	{ SASL_PLAIN, SPAN("\0ann"), -1, NULL, NULL, NULL },
	{ SASL_PLAIN, SPAN("\0ann\0"), -1, NULL, NULL, NULL },
	{ SASL_PLAIN, SPAN("\0\0pw"), -1, NULL, NULL, NULL },
	{ SASL_PLAIN, SPAN("\0ann\0pw\0"), -1, NULL, NULL, NULL },
	{ SASL_PLAIN, SPAN("\0ann\r\nx\0pw"), -1, NULL, NULL, NULL },
	{ SASL_PLAIN, SPAN("\0zo\xeb\0pw"), -1, NULL, NULL, NULL },
	{ SASL_PLAIN, SPAN("a\tb\0ann\0pw"), -1, NULL, NULL, NULL },
	{ SASL_XOAUTH2,
	  SPAN("user=ann@acme.com\x01"
	       "auth=Bearer ya29.x-_~+/=\x01\x01"),
	  1, "ann@acme.com", "", "ya29.x-_~+/=" },
	{ SASL_XOAUTH2,
	  SPAN("user=ann\x01"
	       "auth=bearer tok\x01\x01"),
	  1, "ann", "", "tok" },
	{ SASL_XOAUTH2, SPAN(""), -1, NULL, NULL, NULL },
	{ SASL_XOAUTH2,
	  SPAN("user=ann\x01"
	       "auth=Bearer tok\x01"),
	  -1, NULL, NULL, NULL },
	{ SASL_XOAUTH2,
	  SPAN("user=ann\x01"
	       "auth=Bearer tok"),
	  -1, NULL, NULL, NULL },
	{ SASL_XOAUTH2,
	  SPAN("user=ann\x01"
	       "auth=Bearer t\nk\x01\x01"),
	  -1, NULL, NULL, NULL },
	{ SASL_XOAUTH2,
	  SPAN("user=ann\x01"
	       "auth=Bearer \x01\x01"),
	  -1, NULL, NULL, NULL },
	{ SASL_XOAUTH2,
	  SPAN("user=ann\x01user=bob\x01"
	       "auth=Bearer t\x01\x01"),
	  -1, NULL, NULL, NULL },
	{ SASL_XOAUTH2,
	  SPAN("user=ann\x01"
	       "auth=Bearer t\x01"
	       "auth=Bearer u\x01\x01"),
	  -1, NULL, NULL, NULL },
	{ SASL_XOAUTH2, SPAN("auth=Bearer t\x01\x01"), -1, NULL, NULL, NULL },
	{ SASL_XOAUTH2, SPAN("user=ann\x01\x01"), -1, NULL, NULL, NULL },
	{ SASL_OAUTHBEARER,
	  SPAN("n,a=ann@acme.com,\x01host=h\x01port=993\x01"
	       "auth=Bearer tok\x01\x01"),
	  1, "ann@acme.com", "", "tok" },
	{ SASL_OAUTHBEARER,
	  SPAN("y,a=o=2Cne=3D,\x01"
	       "auth=Bearer tok\x01\x01"),
	  1, "o,ne=", "", "tok" },
	{ SASL_OAUTHBEARER,
	  SPAN("p=tls-unique,a=ann,\x01"
	       "auth=Bearer tok\x01\x01"),
	  -1, NULL, NULL, NULL },
	{ SASL_OAUTHBEARER,
	  SPAN("n,,\x01"
	       "auth=Bearer tok\x01\x01"),
	  -1, NULL, NULL, NULL },
	{ SASL_OAUTHBEARER,
	  SPAN("n,a=a=2xb,\x01"
	       "auth=Bearer tok\x01\x01"),
	  -1, NULL, NULL, NULL },
	{ SASL_OAUTHBEARER,
	  SPAN("n,a=ann\x01"
	       "auth=Bearer tok\x01\x01"),
	  -1, NULL, NULL, NULL },
	{ SASL_OAUTHBEARER, SPAN("n,a=ann,\x01\x01"), -1, NULL, NULL, NULL },
};

static void messages_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(messages); i++) {
		struct sasl_server server;
		struct credential c;
		struct error err = { "" };

		credential_init(&c);
		sasl_server_init(&server, messages[i].mechanism);
		assert_string_equal(sasl_server_challenge(&server), "");
		assert_int_equal(
			respond(&server, messages[i].message, &c, &err),
			messages[i].status);
		if (messages[i].status < 0) {
			assert_true(err.text[0] != '\0');
			assert_int_equal(c.user.len + c.secret.len, 0);
			continue;
		}
		assert_int_equal(c.mechanism, messages[i].mechanism);
		assert_string_equal(strbuf_cstr(&c.user), messages[i].user);
		assert_string_equal(strbuf_cstr(&c.authzid),
				    messages[i].authzid);
		assert_string_equal(strbuf_cstr(&c.secret), messages[i].secret);
		assert_int_equal(
			respond(&server, messages[i].message, &c, &err), -1);
		credential_wipe(&c);
	}
}

static void what_is_read_is_written_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(messages); i++) {
		struct sasl_server server;
		struct sasl_client client;
		struct credential c, again;
		struct strbuf out = STRBUF_INIT(SASL_LINE_MAX * 2);

		if (messages[i].status < 0) {
			continue;
		}
		credential_init(&c);
		credential_init(&again);
		sasl_server_init(&server, messages[i].mechanism);
		respond(&server, messages[i].message, &c, NULL);
		assert_int_equal(
			sasl_client_init(&client, &c, ~0u, "imap.x", 993, NULL),
			0);
		assert_int_equal(client.mechanism, messages[i].mechanism);
		assert_int_equal(sasl_client_response(&client, SPAN(""), &out),
				 1);
		sasl_server_init(&server, client.mechanism);
		assert_int_equal(sasl_server_response(&server,
						      strbuf_span(&out), &again,
						      NULL),
				 1);
		assert_true(span_eq(strbuf_span(&c.user),
				    strbuf_span(&again.user)));
		assert_true(span_eq(strbuf_span(&c.authzid),
				    strbuf_span(&again.authzid)));
		assert_true(span_eq(strbuf_span(&c.secret),
				    strbuf_span(&again.secret)));
		credential_wipe(&c);
		credential_wipe(&again);
		strbuf_wipe(&out);
	}
}

static void login_takes_two_steps(void **state)
{
	struct sasl_server server;
	struct sasl_client client;
	struct credential c;
	struct strbuf out = STRBUF_INIT(100);

	(void)state;
	credential_init(&c);
	sasl_server_init(&server, SASL_LOGIN);
	assert_string_equal(sasl_server_challenge(&server), "VXNlcm5hbWU6");
	assert_int_equal(respond(&server, SPAN("ann"), &c, NULL), 0);
	assert_string_equal(sasl_server_challenge(&server), "UGFzc3dvcmQ6");
	assert_int_equal(respond(&server, SPAN("pw"), &c, NULL), 1);
	assert_string_equal(strbuf_cstr(&c.user), "ann");
	assert_string_equal(strbuf_cstr(&c.secret), "pw");

	assert_int_equal(
		sasl_client_init(&client, &c, 1u << SASL_LOGIN, "h", 1, NULL),
		0);
	assert_int_equal(sasl_client_response(&client, SPAN("VXNlcg=="), &out),
			 1);
	assert_string_equal(strbuf_cstr(&out), "YW5u");
	strbuf_clear(&out);
	assert_int_equal(sasl_client_response(&client, SPAN("UGFz"), &out), 1);
	assert_string_equal(strbuf_cstr(&out), "cHc=");
	assert_int_equal(sasl_client_response(&client, SPAN("UGFz"), &out), -1);
	strbuf_wipe(&out);

	sasl_server_init(&server, SASL_LOGIN);
	assert_int_equal(sasl_server_response(&server, SPAN("="), &c, NULL),
			 -1);
	assert_int_equal(c.secret.len, 0);
}

static void bad_base64_and_long_lines_are_refused(void **state)
{
	static const char *const rows[] = { "AGFubgBwd",    "AGFubgB wdw==",
					    "AGFubgBw\r\n", "*",
					    "AGFubgBw====", "=AGF" };
	struct sasl_server server;
	struct credential c;
	char *line = malloc(SASL_LINE_MAX + 4);

	(void)state;
	credential_init(&c);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		sasl_server_init(&server, SASL_PLAIN);
		assert_int_equal(sasl_server_response(
					 &server, span_str(rows[i]), &c, NULL),
				 -1);
	}
	memset(line, 'A', SASL_LINE_MAX + 4);
	sasl_server_init(&server, SASL_PLAIN);
	assert_int_equal(sasl_server_response(&server,
					      span_of(line, SASL_LINE_MAX + 4),
					      &c, NULL),
			 -1);
	free(line);
}

static void the_longest_token_goes_through(void **state)
{
	struct strbuf message = STRBUF_INIT(SASL_LINE_MAX);
	struct strbuf out = STRBUF_INIT(SASL_LINE_MAX + 1);
	struct sasl_server server;
	struct sasl_client client;
	struct credential c;

	(void)state;
	credential_init(&c);
	for (size_t len = SASL_SECRET_MAX; len <= SASL_SECRET_MAX + 1; len++) {
		strbuf_clear(&message);
		strbuf_add_str(&message, "user=ann\x01"
					 "auth=Bearer ");
		memset(strbuf_reserve(&message, len), 't', len);
		message.len += len;
		strbuf_add_str(&message, "\x01\x01");
		sasl_server_init(&server, SASL_XOAUTH2);
		assert_int_equal(
			respond(&server, strbuf_span(&message), &c, NULL),
			len == SASL_SECRET_MAX ? 1 : -1);
		if (len == SASL_SECRET_MAX) {
			sasl_client_init(&client, &c, ~0u, "h", 1, NULL);
			assert_int_equal(
				sasl_client_response(&client, SPAN(""), &out),
				1);
			assert_true(out.len <= SASL_LINE_MAX);
		}
	}
	credential_wipe(&c);
	strbuf_wipe(&message);
	strbuf_wipe(&out);
}

static void the_choice_keeps_kinds_apart(void **state)
{
	static const struct {
		enum sasl_mechanism in;
		const char *authzid;
		unsigned int offered;
		int status;
		enum sasl_mechanism out;
	} rows[] = {
		{ SASL_LOGIN, "", 1u << SASL_PLAIN | 1u << SASL_LOGIN, 0,
		  SASL_PLAIN },
		{ SASL_PLAIN, "", 1u << SASL_LOGIN, 0, SASL_LOGIN },
		{ SASL_PLAIN, "desk", 1u << SASL_LOGIN, -1, SASL_LOGIN },
		{ SASL_PLAIN, "", 1u << SASL_XOAUTH2, -1, SASL_PLAIN },
		{ SASL_XOAUTH2, "", 1u << SASL_PLAIN, -1, SASL_PLAIN },
		{ SASL_XOAUTH2, "", 1u << SASL_OAUTHBEARER, 0,
		  SASL_OAUTHBEARER },
		{ SASL_OAUTHBEARER, "",
		  1u << SASL_OAUTHBEARER | 1u << SASL_XOAUTH2, 0,
		  SASL_OAUTHBEARER },
		{ SASL_OAUTHBEARER, "", 0, -1, SASL_PLAIN },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct sasl_client client;
		struct credential c;
		struct error err = { "" };

		credential_init(&c);
		c.mechanism = rows[i].in;
		strbuf_add_str(&c.authzid, rows[i].authzid);
		assert_int_equal(sasl_client_init(&client, &c, rows[i].offered,
						  "h", 1, &err),
				 rows[i].status);
		if (rows[i].status == 0) {
			assert_int_equal(client.mechanism, rows[i].out);
		} else {
			assert_true(err.text[0] != '\0');
		}
		credential_wipe(&c);
	}
}

static void a_refused_token_is_answered_once(void **state)
{
	static const struct {
		enum sasl_mechanism mechanism;
		const char *answer;
	} rows[] = { { SASL_XOAUTH2, "" }, { SASL_OAUTHBEARER, "AQ==" } };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(1000);
		struct sasl_client client;
		struct credential c;

		credential_init(&c);
		c.mechanism = rows[i].mechanism;
		strbuf_add_str(&c.user, "ann");
		strbuf_add_str(&c.secret, "tok");
		sasl_client_init(&client, &c, ~0u, "h", 1, NULL);
		assert_int_equal(sasl_client_response(&client, SPAN(""), &out),
				 1);
		strbuf_clear(&out);
		assert_int_equal(
			sasl_client_response(&client, SPAN("e30="), &out), 0);
		assert_string_equal(strbuf_cstr(&out), rows[i].answer);
		assert_int_equal(
			sasl_client_response(&client, SPAN("e30="), &out), -1);
		strbuf_wipe(&out);
		credential_wipe(&c);
	}
}

static void names_and_login_arguments(void **state)
{
	enum sasl_mechanism mechanism;
	struct credential c;

	(void)state;
	for (int i = 0; i < SASL_MECHANISM_COUNT; i++) {
		assert_int_equal(
			sasl_mechanism_parse(span_str(sasl_mechanism_name(i)),
					     &mechanism),
			0);
		assert_int_equal(mechanism, i);
	}
	assert_int_equal(sasl_mechanism_parse(SPAN("xoauth2"), &mechanism), 0);
	assert_int_equal(mechanism, SASL_XOAUTH2);
	assert_int_equal(sasl_mechanism_parse(SPAN("EXTERNAL"), &mechanism),
			 -1);
	assert_int_equal(sasl_mechanism_parse(SPAN(""), &mechanism), -1);

	credential_init(&c);
	assert_int_equal(
		credential_set_login(&c, SPAN("ann"), SPAN("p w"), NULL), 0);
	assert_string_equal(strbuf_cstr(&c.secret), "p w");
	assert_int_equal(
		credential_set_login(&c, SPAN("ann"), SPAN("p\0w"), NULL), -1);
	assert_int_equal(c.user.len, 0);
	assert_int_equal(
		credential_set_login(&c, SPAN("a\0n"), SPAN("pw"), NULL), -1);
	assert_int_equal(credential_set_login(&c, SPAN(""), SPAN("pw"), NULL),
			 -1);
	credential_wipe(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_read_or_refused),
		cmocka_unit_test(what_is_read_is_written_again),
		cmocka_unit_test(login_takes_two_steps),
		cmocka_unit_test(bad_base64_and_long_lines_are_refused),
		cmocka_unit_test(the_longest_token_goes_through),
		cmocka_unit_test(the_choice_keeps_kinds_apart),
		cmocka_unit_test(a_refused_token_is_answered_once),
		cmocka_unit_test(names_and_login_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
