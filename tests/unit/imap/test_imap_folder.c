/* imap_folder: roles by special use and by name, names in both encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "imap/imap_folder.h"
#include "imap/imap_utf7.h"

static void utf7_goes_both_ways(void **state)
{
	static const struct {
		const char *utf7;
		const char *utf8;
	} rows[] = {
		{ "INBOX", "INBOX" },
		{ "", "" },
		{ "a&-b", "a&b" },
		{ "&AMk-l&AOk-ments envoy&AOk-s", "Éléments envoyés" },
		{ "Entw&APw-rfe", "Entwürfe" },
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
		  "~peter/mail/台北/日本語" },
		{ "&2D3eAA-", "😀" },
		{ "Wys&AUI-ane", "Wysłane" },
		{ "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-", "Отправленные" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(1000);

		assert_int_equal(imap_utf7_decode(span_str(rows[i].utf7), &out),
				 0);
		assert_string_equal(strbuf_cstr(&out), rows[i].utf8);
		strbuf_clear(&out);
		assert_int_equal(imap_utf7_encode(span_str(rows[i].utf8), &out),
				 0);
		assert_string_equal(strbuf_cstr(&out), rows[i].utf7);
		strbuf_finish(&out);
	}
}

static void utf7_has_one_spelling(void **state)
{
	/* Printable ASCII in base64, two shifts in a row, a lone surrogate,
	   padding that is not zero, 8-bit, control bytes, no end. */
	static const char *const rows[] = {
		"&AEE-",    "&AOk-&AOk-", "&2D0-", "&3gA-", "&AOl-",
		"\xc3\xa9", "a\tb",	  "&AOk",  "&A-",   "&=-",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(1000);

		assert_int_equal(imap_utf7_decode(span_str(rows[i]), &out), -1);
		assert_int_equal(out.len, 0);
		strbuf_finish(&out);
	}
}

static void bad_utf8_is_not_encoded(void **state)
{
	static const char *const rows[] = { "\xff", "\xc3", "\xed\xa0\x80",
					    "\xc0\x80", "\xf5\x80\x80\x80" };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(1000);

		assert_int_equal(imap_utf7_encode(span_str(rows[i]), &out), -1);
		assert_int_equal(out.len, 0);
		strbuf_finish(&out);
	}
}

static void names_tell_the_role(void **state)
{
	static const struct {
		const char *name;
		const char *preset;
		enum folder_role role;
	} rows[] = {
		{ "INBOX", "generic", FOLDER_INBOX },
		{ "Sent", "generic", FOLDER_SENT },
		{ "sent items", "microsoft365", FOLDER_SENT },
		{ "INBOX.Sent", "generic", FOLDER_SENT },
		{ "INBOX/Sent Messages", "generic", FOLDER_SENT },
		{ "INBOX.Projects", "generic", FOLDER_OTHER },
		{ "Projects/Sent", "generic", FOLDER_OTHER },
		{ "Gesendet", "generic", FOLDER_SENT },
		{ "Gesendete Elemente", "microsoft365", FOLDER_SENT },
		{ "Éléments envoyés", "microsoft365", FOLDER_SENT },
		{ "Enviados", "gmail", FOLDER_SENT },
		{ "Elementos enviados", NULL, FOLDER_SENT },
		{ "Posta inviata", "generic", FOLDER_SENT },
		{ "Itens Enviados", "generic", FOLDER_SENT },
		{ "Verzonden items", "generic", FOLDER_SENT },
		{ "Elementy wysłane", "generic", FOLDER_SENT },
		{ "Skickat", "generic", FOLDER_SENT },
		{ "Sendt post", "generic", FOLDER_SENT },
		{ "Lähetetyt", "generic", FOLDER_SENT },
		{ "Отправленные", "generic", FOLDER_SENT },
		{ "送信済みアイテム", "generic", FOLDER_SENT },
		{ "已发送邮件", "generic", FOLDER_SENT },
		{ "보낸 편지함", "generic", FOLDER_SENT },
		{ "[Gmail]/Sent Mail", "gmail", FOLDER_SENT },
		{ "[Google Mail]/Gesendet", "gmail", FOLDER_SENT },
		{ "[Gmail]/Wszystkie", "gmail", FOLDER_ARCHIVE },
		{ "Wszystkie", "dovecot", FOLDER_OTHER },
		{ "Entwürfe", "generic", FOLDER_DRAFTS },
		{ "Junk-E-Mail", "generic", FOLDER_JUNK },
		{ "Papierkorb", "generic", FOLDER_TRASH },
		{ "Archive", "generic", FOLDER_ARCHIVE },
		{ "Customers", "generic", FOLDER_OTHER },
		{ "", "generic", FOLDER_OTHER },
	};
	struct imap_folders folders;

	(void)state;
	imap_folders_init(&folders);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(imap_folders_role(&folders,
						   span_str(rows[i].name),
						   rows[i].preset),
				 rows[i].role);
	}
}

static void special_use_beats_names(void **state)
{
	struct imap_folders folders;

	(void)state;
	imap_folders_init(&folders);
	assert_true(
		imap_folders_learn(&folders,
				   SPAN("* LIST (\\HasNoChildren \\Sent) \"/\" "
					"\"Wys&AUI-ane rzeczy\"\r\n"),
				   false));
	assert_true(imap_folders_learn(
		&folders, SPAN("* LIST (\\Drafts) \"/\" {2}\r\nWo\r\n"),
		false));
	assert_false(imap_folders_learn(
		&folders, SPAN("* LIST (\\Noselect \\Junk) \"/\" Junk\r\n"),
		false));
	assert_false(imap_folders_learn(
		&folders, SPAN("* LIST (\\HasChildren) \".\" Sent\r\n"),
		false));
	assert_true(imap_folders_learn(
		&folders, SPAN("* LIST (\\Trash) NIL \"Müll\"\r\n"), true));

	assert_int_equal(folders.delimiter, '.');
	assert_int_equal(
		imap_folders_role(&folders, SPAN("Wysłane rzeczy"), NULL),
		FOLDER_SENT);
	assert_int_equal(imap_folders_role(&folders, SPAN("Sent"), NULL),
			 FOLDER_OTHER);
	assert_int_equal(imap_folders_role(&folders, SPAN("Wo"), NULL),
			 FOLDER_DRAFTS);
	assert_int_equal(imap_folders_role(&folders, SPAN("Junk"), NULL),
			 FOLDER_JUNK);
	assert_int_equal(imap_folders_role(&folders, SPAN("Müll"), NULL),
			 FOLDER_TRASH);
	imap_folders_finish(&folders);
}

static void lists_that_are_no_lists_teach_nothing(void **state)
{
	static const char *const rows[] = {
		"",
		"* LIST",
		"* LIST (\\Sent",
		"* LIST \\Sent NIL x\r\n",
		"* LIST (\\Sent) \"/\" (x)\r\n",
		"* LIST (\\Sent) \"/\" {9}\r\nx",
	};
	struct imap_folders folders;

	(void)state;
	imap_folders_init(&folders);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_false(
			imap_folders_learn(&folders, span_str(rows[i]), false));
	}
	assert_int_equal(folders.count, 0);
}

static void learned_folders_are_bounded(void **state)
{
	struct imap_folders folders;

	(void)state;
	imap_folders_init(&folders);
	for (int i = 0; i < 1000; i++) {
		struct strbuf line = STRBUF_INIT(100);

		strbuf_addf(&line, "* LIST (\\Sent) \"/\" box%d\r\n", i);
		imap_folders_learn(&folders, strbuf_span(&line), false);
		strbuf_finish(&line);
	}
	assert_int_equal(folders.count, IMAP_FOLDERS_MAX);
	imap_folders_finish(&folders);
}

static void scope_is_inbox_sent_and_what_was_named(void **state)
{
	char *named[] = { "Projekte/Kunden" };
	struct organization org = {
		.inspect = true,
		.folders = named,
		.folder_count = 1,
	};

	(void)state;
	assert_true(imap_folder_in_scope(&org, FOLDER_INBOX, SPAN("INBOX")));
	assert_true(imap_folder_in_scope(&org, FOLDER_SENT, SPAN("Sent")));
	assert_true(imap_folder_in_scope(&org, FOLDER_OTHER,
					 SPAN("Projekte/Kunden")));
	assert_false(imap_folder_in_scope(&org, FOLDER_OTHER, SPAN("Kunden")));
	assert_false(imap_folder_in_scope(&org, FOLDER_JUNK, SPAN("Junk")));
	assert_false(imap_folder_in_scope(NULL, FOLDER_INBOX, SPAN("INBOX")));
	org.inspect = false;
	assert_false(imap_folder_in_scope(&org, FOLDER_INBOX, SPAN("INBOX")));
}

static void names_from_the_wire_are_canonical(void **state)
{
	static const struct {
		const char *wire;
		bool utf8;
		const char *name;
	} rows[] = {
		{ "inbox", false, "INBOX" },
		{ "Inbox/x", false, "Inbox/x" },
		{ "Entw&APw-rfe", false, "Entwürfe" },
		{ "Entw&APw-rfe", true, "Entw&APw-rfe" },
		{ "Entwürfe", true, "Entwürfe" },
		{ "Entwürfe", false, "Entwürfe" },
		{ "a&b", false, "a&b" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(100);

		imap_folder_name(span_str(rows[i].wire), rows[i].utf8, &out);
		assert_string_equal(strbuf_cstr(&out), rows[i].name);
		strbuf_finish(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf7_goes_both_ways),
		cmocka_unit_test(utf7_has_one_spelling),
		cmocka_unit_test(bad_utf8_is_not_encoded),
		cmocka_unit_test(names_tell_the_role),
		cmocka_unit_test(special_use_beats_names),
		cmocka_unit_test(lists_that_are_no_lists_teach_nothing),
		cmocka_unit_test(learned_folders_are_bounded),
		cmocka_unit_test(scope_is_inbox_sent_and_what_was_named),
		cmocka_unit_test(names_from_the_wire_are_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
