/* The filters: every sample message is skipped for the reason a careful reader
   gives, and each sign is read as its maker writes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <assert.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "filters/filter.h"
#include "lib/strbuf.h"
#include "lib/xalloc.h"

static struct domain_set acme;

/* What one message says, read in the inbox of sales@acme.com. */
static enum skip_reason ask(const char *header, const char *flags,
			    struct filter_note *note_r)
{
	char *text = xasprintf("%s\r\nHello.\r\n", header);
	struct message_origin origin = {
		.mailbox = SPAN("sales@acme.com"),
		.folder = FOLDER_INBOX,
		.flags = span_str(flags),
		.own_domains = &acme,
	};
	struct error err = { .text = "" };
	struct message *msg = message_create(span_str(text), &err);
	enum skip_reason reason;

	assert_string_equal(err.text, "");
	assert_non_null(msg);
	reason = filters_skip_reason(msg, &origin, note_r);
	message_destroy(&msg);
	free(text);
	return reason;
}

#define PERSON "From: Anna Weber <anna@weber.example>\r\nTo: sales@acme.com\r\n"

static const struct {
	const char *header;
	const char *flags;
	enum skip_reason reason;
} rows[] = {
	{ PERSON, "", SKIP_NONE },
	{ PERSON, "\\Seen", SKIP_NONE },
	{ PERSON, "\\Seen \\DRAFT", SKIP_DRAFT },
	{ PERSON "X-Unsent: 1\r\n", "", SKIP_DRAFT },
	{ PERSON "X-Unsent: 0\r\n", "", SKIP_NONE },
	/* The user's word, then the verdicts. */
	{ PERSON, "$Junk", SKIP_SPAM },
	{ PERSON "X-Spam-Flag: YES\r\n", "", SKIP_SPAM },
	{ PERSON "X-Spam-Flag: YES\r\n", "$NotJunk", SKIP_NONE },
	{ PERSON "X-Spam-Flag: NO\r\nX-Spam-Flag: YES\r\n", "", SKIP_SPAM },
	{ PERSON "X-Spam-Status: No, score=1.0\r\n", "", SKIP_NONE },
	{ PERSON "X-Spam-Status:\r\n Yes, score=9\r\n", "", SKIP_SPAM },
	{ PERSON "X-Spamd-Result: default: True [9 / 8]\r\n", "", SKIP_SPAM },
	{ PERSON "X-Rspamd-Action: no action\r\n", "", SKIP_NONE },
	{ PERSON "X-Rspamd-Action: add header\r\n", "", SKIP_SPAM },
	{ PERSON "X-MS-Exchange-Organization-SCL: 4\r\n", "", SKIP_NONE },
	{ PERSON "X-MS-Exchange-Organization-SCL: 5\r\n", "", SKIP_SPAM },
	{ PERSON "X-MS-Exchange-Organization-SCL: -1\r\n", "", SKIP_NONE },
	{ PERSON "X-Forefront-Antispam-Report: SCL:1;SFV:NSPM;CAT:PHSH;\r\n",
	  "", SKIP_SPAM },
	{ PERSON "X-Forefront-Antispam-Report: SCL:9;SFV:SKN;CAT:SPM;\r\n", "",
	  SKIP_NONE },
	{ PERSON "X-Microsoft-Antispam-Mailbox-Delivery: ucf:0;dest:J;\r\n", "",
	  SKIP_SPAM },
	{ PERSON "X-Microsoft-Antispam-Mailbox-Delivery: ucf:0;dest:I;\r\n", "",
	  SKIP_NONE },
	/* Inside the organization, and nearly. */
	{ "From: a@acme.com\r\nTo: b@mail.ACME.com\r\n", "",
	  SKIP_INTERNAL_ONLY },
	{ "From: a@acme.com\r\nTo: b@notacme.com\r\n", "", SKIP_NONE },
	{ "From: a@acme.com\r\nTo: b@acme.com\r\nReply-To: c@x.example\r\n", "",
	  SKIP_NONE },
	{ "From: a@acme.com\r\nTo: b@acme.com\r\nBcc: c@x.example\r\n", "",
	  SKIP_NONE },
	/* Machines. */
	{ PERSON "Auto-Submitted: auto-generated\r\n", "",
	  SKIP_AUTO_SUBMITTED },
	{ PERSON "Auto-Submitted: no; owner=x\r\n", "", SKIP_NONE },
	{ PERSON "Return-Path: <>\r\n", "", SKIP_BOUNCE },
	{ PERSON "Precedence: bulk\r\n", "", SKIP_BULK },
	{ PERSON "Precedence: auto_reply\r\n", "", SKIP_AUTO_SUBMITTED },
	{ PERSON "List-Unsubscribe: <mailto:u@l.example>\r\n", "", SKIP_BULK },
	{ PERSON "List-Id: <l.l.example>\r\nList-Post: NO\r\n", "", SKIP_BULK },
	{ PERSON "List-Id: <l.l.example>\r\nPrecedence: bulk\r\n"
		 "List-Post: <mailto:l@l.example>\r\n",
	  "", SKIP_NONE },
	{ "From: A <no-reply@x.example>\r\nTo: sales@acme.com\r\n", "",
	  SKIP_NO_REPLY },
	{ "From: A <accounts_noreply+1@x.example>\r\n", "", SKIP_NO_REPLY },
	{ "From: A <NOTIFICATIONS@x.example>\r\n", "", SKIP_NO_REPLY },
	{ "From: A <7@noreply.x.example>\r\n", "", SKIP_NO_REPLY },
	{ "From: R <robot.fischer@x.example>\r\n", "", SKIP_NONE },
	/* Nobody, or more than one answer. */
	{ "To: sales@acme.com, x@x.example\r\n", "", SKIP_UNREADABLE },
	{ "From: Anna\r\nTo: x@x.example\r\n", "", SKIP_UNREADABLE },
	{ PERSON "From: Other <o@o.example>\r\n", "", SKIP_UNREADABLE },
	{ PERSON "Cc: a@@b@\r\n", "", SKIP_UNREADABLE },
	{ PERSON "X-A: 1\rFrom: b@b.example\r\n", "", SKIP_UNREADABLE },
};

static void each_sign_has_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct filter_note note = { .text = "" };
		enum skip_reason reason =
			ask(rows[i].header, rows[i].flags, &note);

		if (reason != rows[i].reason) {
			print_error("row %zu: %s (%s)\n%s\n", i,
				    skip_reason_name(reason), note.text,
				    rows[i].header);
		}
		assert_int_equal(reason, rows[i].reason);
		assert_true(note.text[0] != '\0');
	}
}

static void only_named_folders_are_in_scope(void **state)
{
	struct message *msg =
		message_create(SPAN(PERSON "\r\nHello.\r\n"), NULL);
	static const struct {
		enum folder_role folder;
		bool named;
		enum skip_reason reason;
	} folders[] = {
		{ FOLDER_INBOX, false, SKIP_NONE },
		{ FOLDER_SENT, false, SKIP_NONE },
		{ FOLDER_ARCHIVE, false, SKIP_OUT_OF_SCOPE },
		{ FOLDER_ARCHIVE, true, SKIP_NONE },
		{ FOLDER_TRASH, false, SKIP_OUT_OF_SCOPE },
		{ FOLDER_OTHER, true, SKIP_NONE },
		{ FOLDER_UNKNOWN, true, SKIP_OUT_OF_SCOPE },
		{ FOLDER_JUNK, true, SKIP_SPAM },
		{ FOLDER_DRAFTS, true, SKIP_DRAFT },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(folders); i++) {
		struct message_origin origin = {
			.folder = folders[i].folder,
			.folder_in_scope = folders[i].named,
			.own_domains = &acme,
		};

		assert_int_equal(filters_skip_reason(msg, &origin, NULL),
				 folders[i].reason);
	}
	message_destroy(&msg);
}

static void the_envelope_counts_as_participants(void **state)
{
	struct message *msg = message_create(
		SPAN("From: a@acme.com\r\nTo: b@acme.com\r\n\r\nHi\r\n"), NULL);
	struct message_origin origin = {
		.folder = FOLDER_SENT,
		.has_envelope = true,
		.envelope_from = SPAN("a@acme.com"),
		.envelope_rcpts = SPAN("b@acme.com"),
		.own_domains = &acme,
	};

	(void)state;
	assert_int_equal(filters_skip_reason(msg, &origin, NULL),
			 SKIP_INTERNAL_ONLY);
	origin.envelope_rcpts = SPAN("b@acme.com\nhidden@x.example");
	assert_int_equal(filters_skip_reason(msg, &origin, NULL), SKIP_NONE);
	/* Not known whose we are: nothing can be called internal. */
	origin.envelope_rcpts = SPAN("b@acme.com");
	origin.own_domains = NULL;
	assert_int_equal(filters_skip_reason(msg, &origin, NULL), SKIP_NONE);
	message_destroy(&msg);
}

/* The samples. */

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

static const char *sample_reason(const char *eml, const json_t *context)
{
	struct strbuf bytes = STRBUF_INIT(1u << 20);
	struct strbuf flags = STRBUF_INIT(4096);
	struct domain_set domains = { 0 };
	struct message_origin origin = { .own_domains = &domains };
	struct message *msg;
	enum skip_reason reason = SKIP_UNREADABLE;
	json_t *item;
	size_t i;

	read_file(eml, &bytes);
	json_array_foreach(json_object_get(context, "domains"), i, item)
	{
		domain_set_add(&domains, span_str(json_string_value(item)));
	}
	json_array_foreach(json_object_get(context, "flags"), i, item)
	{
		strbuf_add_str(&flags, json_string_value(item));
		strbuf_add_char(&flags, ' ');
	}
	origin.flags = strbuf_span(&flags);
	assert_int_equal(
		folder_role_parse(span_str(json_string_value(
					  json_object_get(context, "folder"))),
				  &origin.folder),
		0);
	msg = message_create(strbuf_span(&bytes), NULL);
	if (msg != NULL) {
		reason = filters_skip_reason(msg, &origin, NULL);
	}
	message_destroy(&msg);
	domain_set_finish(&domains);
	strbuf_finish(&bytes);
	strbuf_finish(&flags);
	return skip_reason_name(reason);
}

static void samples_are_skipped_as_expected(void **state)
{
	const char *top = getenv("top_srcdir");
	char *pattern =
		xasprintf("%s/tests/data/mail/*.json", top == NULL ? "." : top);
	size_t wrong = 0;
	glob_t found;

	(void)state;
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		json_t *json = json_load_file(found.gl_pathv[i], 0, NULL);
		const char *wanted;
		const char *got;
		char *eml;

		assert_non_null(json);
		wanted = json_string_value(json_object_get(json, "skip"));
		eml = xasprintf("%.*s.eml", (int)strlen(found.gl_pathv[i]) - 5,
				found.gl_pathv[i]);
		got = sample_reason(eml, json_object_get(json, "context"));
		if (strcmp(got, wanted == NULL ? "none" : wanted) != 0) {
			print_error("%s: %s, expected %s\n", eml, got,
				    wanted == NULL ? "none" : wanted);
			wrong++;
		}
		free(eml);
		json_decref(json);
	}
	assert_true(found.gl_pathc >= 100);
	print_message("%zu samples, %zu wrong\n", (size_t)found.gl_pathc,
		      wrong);
	assert_int_equal(wrong, 0);
	globfree(&found);
	free(pattern);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sign_has_its_reason),
		cmocka_unit_test(only_named_folders_are_in_scope),
		cmocka_unit_test(the_envelope_counts_as_participants),
		cmocka_unit_test(samples_are_skipped_as_expected),
	};
	int failed;

	assert(domain_set_add(&acme, SPAN("acme.com")) == 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	domain_set_finish(&acme);
	return failed;
}
