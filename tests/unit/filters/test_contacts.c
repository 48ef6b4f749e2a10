/* Who a message shows: headers, signatures, quotes, cards, invitations and
   the envelope; and who it does not show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "filters/contacts.h"
#include "filters/text_segments.h"
#include "lib/strbuf.h"

static struct domain_set own;

static int add_own_domain(void **state)
{
	(void)state;
	return domain_set_add(&own, SPAN("acme.com"));
}

static int drop_own_domain(void **state)
{
	(void)state;
	domain_set_finish(&own);
	return 0;
}

static void extract_rcpts(struct span bytes, struct span rcpts,
			  struct contact_list *list)
{
	struct message_origin origin = {
		.mailbox = SPAN("me@acme.com"),
		.folder = FOLDER_INBOX,
		.own_domains = &own,
		.region = SPAN("DE"),
		.has_envelope = rcpts.len > 0,
		.envelope_rcpts = rcpts,
	};
	struct error err;
	struct message *msg = message_create(bytes, &err);

	assert_non_null(msg);
	*list = (struct contact_list){ 0 };
	contacts_extract(msg, &origin, list);
	message_destroy(&msg);
}

static void extract(const char *text, struct contact_list *list)
{
	extract_rcpts(span_str(text), SPAN(""), list);
}

static const struct contact *find(const struct contact_list *list,
				  const char *email)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i].email, email) == 0) {
			return &list->items[i];
		}
	}
	return NULL;
}

#define HEAD                                                                   \
	"From: Anna Weber <anna@lieferant.de>\r\n"                             \
	"To: me@acme.com\r\nMIME-Version: 1.0\r\n"

static void signature_belongs_to_the_author(void **state)
{
	struct contact_list list;
	const struct contact *c;

	(void)state;
	extract(HEAD "\r\nHallo,\r\n\r\ndie Ware ist da.\r\n\r\n"
		     "Viele Gr=\r\n\r\n-- \r\nAnna Maria Weber\r\n"
		     "Leiterin Einkauf\r\nLieferant GmbH\r\n"
		     "Hauptstr. 1, 80331 Muenchen\r\n"
		     "Tel. 089 20300-123\r\nFax: -\r\nMobil: 0171 3920031\r\n"
		     "www.lieferant.de\r\nAmtsgericht Muenchen HRB 123456\r\n",
		&list);
	assert_int_equal(list.count, 1);
	c = &list.items[0];
	assert_string_equal(c->email, "anna@lieferant.de");
	assert_string_equal(c->name, "Anna Maria Weber");
	assert_string_equal(c->title, "Leiterin Einkauf");
	assert_string_equal(c->company, "Lieferant GmbH");
	assert_string_equal(c->postal_address, "Hauptstr. 1, 80331 Muenchen");
	assert_int_equal(c->phone_count, 2);
	assert_string_equal(c->phones[0].e164, "+498920300123");
	assert_int_equal(c->phones[0].kind, PHONE_WORK);
	assert_int_equal(c->phones[1].kind, PHONE_MOBILE);
	assert_int_equal(c->url_count, 1);
	assert_string_equal(c->urls[0], "https://www.lieferant.de");
	assert_int_equal(c->sources,
			 CONTACT_SOURCE_HEADER | CONTACT_SOURCE_SIGNATURE);
	contact_list_finish(&list);
}

static void quoted_signature_is_not_the_authors(void **state)
{
	struct contact_list list;
	const struct contact *c;

	(void)state;
	extract(HEAD "\r\nSiehe unten.\r\n\r\nAnna\r\n\r\n"
		     "-----Original Message-----\r\n"
		     "From: Agnes Thorn <agnes@paper.co.uk>\r\n"
		     "Sent: 15 April 2025 14:10\r\n"
		     "To: Anna Weber <anna@lieferant.de>\r\n"
		     "Subject: x\r\n\r\nHello.\r\n\r\nKind regards,\r\n"
		     "Agnes Thorn\r\nSales Manager\r\nPaper Ltd\r\n"
		     "Tel 0113 496 0777\r\n",
		&list);
	assert_int_equal(list.count, 2);
	c = find(&list, "anna@lieferant.de");
	assert_non_null(c);
	assert_null(c->title);
	assert_int_equal(c->phone_count, 0);
	c = find(&list, "agnes@paper.co.uk");
	assert_non_null(c);
	assert_string_equal(c->title, "Sales Manager");
	assert_string_equal(c->phones[0].e164, "+441134960777");
	assert_int_equal(c->role, CONTACT_ROLE_MENTIONED);
	contact_list_finish(&list);
}

static void attribution_alone_makes_no_contact(void **state)
{
	struct contact_list list;

	(void)state;
	extract(HEAD "\r\nJa.\r\n\r\nAm 1.2.2025 um 10:00 schrieb Bob Ray "
		     "<bob@ray.example>:\r\n> Kommt ihr morgen?\r\n",
		&list);
	assert_int_equal(list.count, 1);
	contact_list_finish(&list);
}

static void our_own_people_are_no_contacts(void **state)
{
	struct contact_list list;

	(void)state;
	extract("From: Me <me@acme.com>\r\n"
		"To: Bob Ray <bob@ray.example>, x@mail.acme.com\r\n\r\n"
		"Hello\r\n-- \r\nMe Myself\r\nManager\r\nAcme Ltd\r\n"
		"Tel +49 89 20300123\r\n",
		&list);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].email, "bob@ray.example");
	assert_null(list.items[0].title);
	assert_int_equal(list.items[0].phone_count, 0);
	contact_list_finish(&list);
}

/* Whatever else an own address is dressed up as. */
static void our_own_people_hide_in_vain(void **state)
{
#define CARD(lines)                                                            \
	HEAD "Content-Type: text/vcard\r\n\r\nBEGIN:VCARD\r\nFN:Otto Own\r\n"  \
	     "TEL:+49 89 20300123\r\n" lines "END:VCARD\r\n"
#define INVITATION(line)                                                       \
	HEAD "Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n"          \
	     "BEGIN:VEVENT\r\n" line "END:VEVENT\r\nEND:VCALENDAR\r\n"
	static const char *const texts[] = {
		HEAD
		"Cc: \"x@y\"@acme.com, \"a b\"@Mail.ACME.com\r\n\r\nHi\r\n",
		CARD("EMAIL:\"x@y\"@acme.com\r\n"),
		CARD("EMAIL:a@b@acme.com\r\n"),
		CARD("EMAIL:otto@acme.com, z@else.example\r\n"),
		CARD("EMAIL:otto@home.example\r\nEMAIL:otto@acme.com\r\n"),
		CARD("EMAIL: Otto@Acme.com.\r\nEMAIL:otto@home.example\r\n"),
		INVITATION("ORGANIZER;CN=Otto:mailto:\"x@y\"@acme.com\r\n"),
		INVITATION("ATTENDEE;CN=Otto:mailto:x@y@acme.com\r\n"),
		HEAD "\r\nHi,\r\n\r\n-----Original Message-----\r\n"
		     "From: Otto Own\r\nSent: Monday\r\nTo: Anna\r\n"
		     "Subject: x\r\n\r\nHello\r\n\r\nBest regards\r\n"
		     "Otto Own\r\nCTO, Acme Ltd\r\nTel +49 89 20300123\r\n"
		     "otto@home.example | otto@acme.com\r\n",
	};
	struct contact_list list;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		extract(texts[i], &list);
		if (list.count != 1) {
			fail_msg("text %zu: %zu contacts, the second %s", i,
				 list.count, list.items[1].email);
		}
		assert_string_equal(list.items[0].email, "anna@lieferant.de");
		assert_int_equal(list.items[0].phone_count, 0);
		contact_list_finish(&list);
	}
}

/* A mark that turns the text around, one of no width, a control of C1. */
static void addresses_with_unseen_characters_are_none(void **state)
{
	struct contact_list list;

	(void)state;
	extract(HEAD "Cc: evil\xe2\x80\xaemoc.knab@x.example,\r\n"
		     " ann\xe2\x80\x8b"
		     "a@x.example, \xc2\x9b"
		     "31m@x.example, ok@x.example\r\n\r\nHi\r\n",
		&list);
	assert_int_equal(list.count, 2);
	assert_non_null(find(&list, "ok@x.example"));
	contact_list_finish(&list);
}

static void assistant_does_not_become_the_chief(void **state)
{
	struct contact_list list;
	const struct contact *c;

	(void)state;
	extract("From: Rupert Chief <rupert@law.co.uk>\r\nTo: me@acme.com\r\n"
		"\r\nDear Sirs,\r\n\r\nhe will come.\r\n\r\n"
		"Yours faithfully,\r\n\r\nHarriet Moss\r\n"
		"Personal Assistant\r\nharriet@law.co.uk\r\n"
		"Direct dial 020 7946 0652\r\n",
		&list);
	assert_int_equal(list.count, 2);
	assert_null(find(&list, "rupert@law.co.uk")->title);
	c = find(&list, "harriet@law.co.uk");
	assert_string_equal(c->name, "Harriet Moss");
	assert_string_equal(c->phones[0].e164, "+442079460652");
	contact_list_finish(&list);
}

static void list_address_is_no_person(void **state)
{
	struct contact_list list;

	(void)state;
	extract("From: Hannah Cole via Growers <growers@lists.farm.example>\r\n"
		"Reply-To: Hannah Cole <hannah@moss.org.uk>\r\n"
		"To: growers@lists.farm.example\r\nCc: me@acme.com\r\n"
		"List-Id: Growers <growers.lists.farm.example>\r\n\r\nHello\r\n"
		"-- \r\nHannah Cole, Farm Manager\r\nMoss Farm CIC\r\n"
		"____________________\r\nGrowers mailing list\r\n"
		"List helpline +44 20 7946 0000\r\n",
		&list);
	assert_int_equal(find(&list, "growers@lists.farm.example")->kind,
			 CONTACT_LIST);
	assert_string_equal(find(&list, "hannah@moss.org.uk")->title,
			    "Farm Manager");
	assert_int_equal(find(&list, "hannah@moss.org.uk")->phone_count, 0);
	contact_list_finish(&list);
}

static void cards_and_invitations_are_read(void **state)
{
	struct contact_list list;
	const struct contact *c;

	(void)state;
	extract(HEAD
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
		"Content-Type: text/vcard; charset=utf-8\r\n\r\n"
		"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Tom Sch\xc3\xa4\r\n fer\r\n"
		"ORG:Antriebe GmbH;Einkauf\r\nTITLE:Leiter\\, Einkauf\r\n"
		"TEL;TYPE=CELL:+49 171 3920031\r\n"
		"EMAIL;TYPE=INTERNET:tom@antriebe.example\r\nEND:VCARD\r\n"
		"--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n"
		"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n"
		"ORGANIZER;CN=\"Stern, Eva\":mailto:eva@cal.example\r\n"
		"ATTENDEE;CUTYPE=ROOM;CN=Halle:mailto:halle@cal.example\r\n"
		"ATTENDEE;CN=Bob ^'B^' Ray:MAILTO:bob@cal.example\r\n"
		"END:VEVENT\r\nEND:VCALENDAR\r\n--b--\r\n",
		&list);
	c = find(&list, "tom@antriebe.example");
	assert_non_null(c);
	assert_string_equal(c->name, "Tom Sch\xc3\xa4"
				     "fer");
	assert_string_equal(c->title, "Leiter, Einkauf");
	assert_string_equal(c->company, "Antriebe GmbH");
	assert_int_equal(c->phones[0].kind, PHONE_MOBILE);
	assert_string_equal(find(&list, "eva@cal.example")->name, "Eva Stern");
	assert_string_equal(find(&list, "bob@cal.example")->name,
			    "Bob \"B\" Ray");
	assert_null(find(&list, "halle@cal.example"));
	contact_list_finish(&list);
}

static void envelope_recipients_are_marked(void **state)
{
	struct contact_list list;

	(void)state;
	extract_rcpts(SPAN("From: me@acme.com\r\nTo: bob@ray.example\r\n\r\nx"),
		      SPAN("bob@ray.example\nhidden@ray.example\nx@acme.com"),
		      &list);
	assert_int_equal(list.count, 2);
	assert_int_equal(find(&list, "bob@ray.example")->sources,
			 CONTACT_SOURCE_HEADER);
	assert_int_equal(find(&list, "hidden@ray.example")->sources,
			 CONTACT_SOURCE_ENVELOPE);
	contact_list_finish(&list);
}

static void json_is_escaped(void **state)
{
	struct contact_list list = { 0 };
	struct contact *c = contact_list_get(&list, SPAN("A@X.Example"));
	char *json;

	(void)state;
	contact_set(&c->name, SPAN("A \"B\" \\ \x01\x7f C"));
	contact_add_phone(c, SPAN("+4989"), SPAN("5"), SPAN("089"), PHONE_FAX);
	contact_add_phone(c, SPAN("+4989"), SPAN("5"), SPAN("0 89"),
			  PHONE_WORK);
	c->sources = CONTACT_SOURCE_VCARD;
	json = contact_to_json(c);
	assert_string_equal(
		json,
		"{\"email\":\"a@x.example\",\"name\":\"A \\\"B\\\" \\\\ C\","
		"\"title\":null,\"company\":null,\"phones\":[{\"e164\":"
		"\"+4989\",\"ext\":\"5\",\"raw\":\"089\",\"kind\":\"fax\"}],"
		"\"urls\":[],\"postal_address\":null,\"kind\":\"person\","
		"\"role\":\"author\",\"source\":[\"vcard\"],"
		"\"confidence\":0.00}");
	free(json);
	assert_null(contact_list_get(&list, SPAN("no address")));
	contact_list_finish(&list);
}

static void flowed_text_is_joined(void **state)
{
	struct text_lines lines;

	(void)state;
	text_lines_init(&lines, SPAN("a b \nc\n> q \n> r\n-- \nname \n line\n"),
			true, false);
	assert_int_equal(lines.count, 4);
	assert_true(span_eq(lines.items[0].text, SPAN("a b c")));
	assert_true(span_eq(lines.items[1].text, SPAN("q r")));
	assert_int_equal(lines.items[1].depth, 1);
	assert_true(text_line_is_delimiter(lines.items[2].text));
	assert_int_equal(lines.items[3].number, 6);
	text_lines_finish(&lines);
	text_lines_init(&lines, SPAN("ein \nwort\n"), true, true);
	assert_true(span_eq(lines.items[0].text, SPAN("einwort")));
	text_lines_finish(&lines);
}

/* What made other extractors hang: long lines, endless quotes and blanks. */
static void hostile_text_takes_linear_time(void **state)
{
	static const char *const pieces[] = {
		"\r\n",
		"> > > > a\r\n",
		"On 1.1.2025 x wrote:\r\n\r\n",
		"From: a\r\nTo: b\r\n",
		"Tel. +49 ",
		"Kind regards\r\n",
		"a@b.c ",
		"|\t",
		"((((((",
		"-- \r\n",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(pieces); i++) {
		struct strbuf text = STRBUF_INIT(1u << 20);
		struct contact_list list;
		clock_t start;

		strbuf_add_str(&text, HEAD "\r\n");
		while (text.len < 400000) {
			strbuf_add_str(&text, pieces[i]);
		}
		start = clock();
		extract_rcpts(strbuf_span(&text), SPAN(""), &list);
		if (clock() - start > 2 * CLOCKS_PER_SEC) {
			fail_msg("piece %zu took too long", i);
		}
		assert_true(list.count <= 2);
		contact_list_finish(&list);
		strbuf_finish(&text);
	}
}

/* A card of one line, with so many parameters or soft breaks. */
static void hostile_cards_take_linear_time(void **state)
{
	static const struct {
		const char *head;
		const char *piece;
		const char *between;
		const char *again;
	} rows[] = {
		{ "EMAIL", ";TYPE=work", "", "" },
		{ "TEL;TYPE=cell", ";WORK", "", "" },
		{ "NOTE;ENCODING=QUOTED-PRINTABLE", ";X=1", ":", "a=\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf text = STRBUF_INIT(1u << 20);
		struct contact_list list;
		clock_t start;

		strbuf_add_str(&text, HEAD "Content-Type: text/vcard\r\n\r\n"
					   "BEGIN:VCARD\r\nFN:Tom\r\n");
		strbuf_add_str(&text, rows[i].head);
		while (text.len < 400000) {
			strbuf_add_str(&text, rows[i].piece);
		}
		strbuf_add_str(&text, rows[i].between);
		while (rows[i].again[0] != '\0' && text.len < 800000) {
			strbuf_add_str(&text, rows[i].again);
		}
		strbuf_add_str(&text, ":tom@antriebe.example\r\nEND:VCARD\r\n");
		start = clock();
		extract_rcpts(strbuf_span(&text), SPAN(""), &list);
		if (clock() - start > CLOCKS_PER_SEC) {
			fail_msg("row %zu took too long", i);
		}
		contact_list_finish(&list);
		strbuf_finish(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signature_belongs_to_the_author),
		cmocka_unit_test(quoted_signature_is_not_the_authors),
		cmocka_unit_test(attribution_alone_makes_no_contact),
		cmocka_unit_test(our_own_people_are_no_contacts),
		cmocka_unit_test(our_own_people_hide_in_vain),
		cmocka_unit_test(addresses_with_unseen_characters_are_none),
		cmocka_unit_test(assistant_does_not_become_the_chief),
		cmocka_unit_test(list_address_is_no_person),
		cmocka_unit_test(cards_and_invitations_are_read),
		cmocka_unit_test(envelope_recipients_are_marked),
		cmocka_unit_test(json_is_escaped),
		cmocka_unit_test(flowed_text_is_joined),
		cmocka_unit_test(hostile_text_takes_linear_time),
		cmocka_unit_test(hostile_cards_take_linear_time),
	};

	return cmocka_run_group_tests(tests, add_own_domain, drop_own_domain);
}
