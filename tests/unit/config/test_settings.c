/* postern.conf: good files load whole, bad ones are refused whole with line
   and hint, every default is valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/settings_table.h"
#include "config/settings_value.h"
#include "lib/strbuf.h"

struct reports {
	unsigned int errors;
	unsigned int line;
	char text[2048];
};

static void on_report(void *context, bool is_error, const char *file,
		      unsigned int line, const char *text)
{
	struct reports *reports = context;

	assert_non_null(file);
	if (is_error) {
		reports->errors++;
		if (reports->line == 0) {
			reports->line = line;
		}
	}
	strncat(reports->text, text,
		sizeof(reports->text) - strlen(reports->text) - 2);
	strcat(reports->text, "\n");
}

static struct settings *load(const char *text, struct reports *reports)
{
	char path[] = "/tmp/postern-settings-XXXXXX";
	int fd = mkstemp(path);
	struct settings *settings;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	*reports = (struct reports){ 0 };
	settings = settings_load(path, on_report, reports);
	unlink(path);
	return settings;
}

#define PROVIDER_TEXT	 "provider \"main\" { imap_host = \"mail.example\" }\n"
#define CERTIFICATE_TEXT "certificate \"default\" { chain = a key = b }\n"
#define LISTENER_TEXT	 "listener \"imaps\" { protocol = imap }\n"
#define GOOD_TEXT	 PROVIDER_TEXT CERTIFICATE_TEXT LISTENER_TEXT

static void a_good_file_loads_with_defaults(void **state)
{
	struct reports reports;
	struct settings *s = load(
		GOOD_TEXT
		"message { max_message_bytes = 2M }\n"
		"provider \"m365\" { preset = microsoft365 }\n"
		"organization \"acme\" { domains = {\"acme.com\", "
		"\"acme.co.uk\"} region = DE folders = {\"Suppliers\"} }\n",
		&reports);

	(void)state;
	assert_string_equal(reports.text, "");
	assert_non_null(s);
	assert_int_equal(s->listeners[0].port, 993);
	assert_string_equal(s->listeners[0].name, "imaps");
	assert_int_equal(s->message.max_message_bytes, 2 << 20);
	assert_int_equal(s->limits.idle_timeout_s, 1860);
	assert_string_equal(settings_provider(s, "m365")->smtp.host,
			    "smtp.office365.com");
	assert_int_equal(settings_provider(s, "m365")->smtp.port, 587);
	assert_int_equal(settings_provider(s, "m365")->smtp.tls, TLS_STARTTLS);
	assert_int_equal(settings_provider(s, "main")->imap.port, 993);
	assert_null(settings_provider(s, "other"));
	assert_string_equal(
		settings_organization(s, SPAN("mail.acme.co.uk"))->name,
		"acme");
	assert_null(settings_organization(s, SPAN("acme.org")));
	assert_int_equal(strlen(s->organizations[0].id), 36);
	assert_string_equal(s->organizations[0].folders[0], "Suppliers");
	settings_unref(&s);
	assert_null(s);
}

static void a_bad_file_is_refused_with_line_and_hint(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *says;
	} rows[] = {
		{ "", 0, "no listener" },
		{ LISTENER_TEXT CERTIFICATE_TEXT, 0, "no provider" },
		{ GOOD_TEXT "\nlimits { max_connectons = 5 }\n", 5,
		  "did you mean \"max_connections\"" },
		{ GOOD_TEXT "limits { max_connections = many }\n", 4,
		  "write a number from 1 to" },
		{ GOOD_TEXT "listener \"b\" { tls = maybe }\n", 4,
		  "implicit, starttls, none" },
		{ GOOD_TEXT "trusted_networks = {\"10.0.0.0/33\"}\n", 4,
		  "no network" },
		{ GOOD_TEXT "organization \"a\" { }\n", 4, "has no domains" },
		{ GOOD_TEXT "organization \"a\" { domains = {\"x.org\"} }\n"
			    "organization \"b\" { domains = {\"m.x.org\"} }\n",
		  5, "belongs to organization \"a\"" },
		{ GOOD_TEXT "organization \"\" { domains = {\"x.org\"} }\n", 4,
		  "name has 1 to" },
		{ GOOD_TEXT
		  "organization \"a\x01\" { domains = {\"x.org\"} }\n",
		  4, "name has 1 to" },
		{ GOOD_TEXT "organization \"a\" { domains = {\"x.org\"} id = "
			    "\"ABCDEFAB-1111-4111-8111-111111111111\" }\n"
			    "organization \"b\" { domains = {\"y.org\"} id = "
			    "\"abcdefab-1111-4111-8111-111111111111\" }\n",
		  5, "has the id of \"a\"" },
		{ GOOD_TEXT "default_provider = \"zz\"\n", 0,
		  "\"zz\" is not defined" },
		{ GOOD_TEXT "listener \"c\" { port = 993 }\n", 4,
		  "has the address and port of \"imaps\"" },
		{ GOOD_TEXT "listener \"d\" { tls = none }\n", 4,
		  "plain text on" },
		{ PROVIDER_TEXT LISTENER_TEXT, 2, "needs a certificate" },
		{ CERTIFICATE_TEXT LISTENER_TEXT
		  "provider \"p\" { imap_host = \"m.example\" imap_tls = none "
		  "}\n",
		  3, "plain text to m.example" },
		{ GOOD_TEXT "limits {\n max_connections = 1\n", 7,
		  "a } is missing" },
		{ GOOD_TEXT "run_dir = \"/run\n", 7, "premature end" },
		{ GOOD_TEXT "listener \"e\" { proxy_protocol = perhaps }\n", 4,
		  "write true or false" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct reports reports;
		struct settings *s = load(rows[i].text, &reports);

		if (s != NULL || strstr(reports.text, rows[i].says) == NULL ||
		    reports.line != rows[i].line) {
			fail_msg("row %zu: line %u, \"%s\"", i, reports.line,
				 reports.text);
		}
		assert_true(reports.errors > 0);
	}
}

static void all_errors_of_a_file_are_shown_at_once(void **state)
{
	struct reports reports;

	(void)state;
	assert_null(
		load(GOOD_TEXT "workers = x\nlog_level = loud\n", &reports));
	assert_int_equal(reports.errors, 2);
}

static void a_missing_file_is_one_clear_line(void **state)
{
	struct reports reports = { 0 };

	(void)state;
	assert_null(
		settings_load("/nowhere/postern.conf", on_report, &reports));
	assert_int_equal(reports.errors, 1);
	assert_non_null(strstr(reports.text, "postern init"));
}

static void every_default_is_valid(void **state)
{
	(void)state;
	for (size_t i = 0; i < settings_table_count; i++) {
		const struct setting *row = &settings_table[i];
		struct error err = { "" };

		if (setting_is_list(row)) {
			continue;
		}
		if (setting_store(row, NULL, row->value, &err) < 0) {
			fail_msg("%s: %s", row->name, err.text);
		}
		assert_true(strlen(row->about) > 0);
	}
}

static bool in_network(const char *network, const char *address)
{
	struct network n;
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	assert_int_equal(network_parse(network, &n, NULL), 0);
	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		return networks_have(&n, 1, (struct sockaddr *)&in);
	}
	assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
	return networks_have(&n, 1, (struct sockaddr *)&in6);
}

static void networks_hold_their_addresses(void **state)
{
	struct network n;

	(void)state;
	assert_true(in_network("10.0.0.0/8", "10.255.0.1"));
	assert_false(in_network("10.0.0.0/8", "11.0.0.1"));
	assert_true(in_network("192.0.2.7", "192.0.2.7"));
	assert_false(in_network("192.0.2.7", "192.0.2.6"));
	assert_true(in_network("10.1.2.0/23", "10.1.3.9"));
	assert_true(in_network("0.0.0.0/0", "203.0.113.9"));
	assert_false(in_network("0.0.0.0/0", "2001:db8::1"));
	assert_true(in_network("::/0", "203.0.113.9"));
	assert_true(in_network("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(in_network("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(in_network("10.0.0.0/8", "::ffff:10.1.1.1"));
	assert_int_equal(network_parse("10.0.0.0/33", &n, NULL), -1);
	assert_int_equal(network_parse("example", &n, NULL), -1);
	assert_int_equal(network_parse("::1/129", &n, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_loads_with_defaults),
		cmocka_unit_test(a_bad_file_is_refused_with_line_and_hint),
		cmocka_unit_test(all_errors_of_a_file_are_shown_at_once),
		cmocka_unit_test(a_missing_file_is_one_clear_line),
		cmocka_unit_test(every_default_is_valid),
		cmocka_unit_test(networks_hold_their_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
