/* Display names as a business card has them, phones as libphonenumber has
   them, folded text and words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filters/person_name.h"
#include "filters/phone.h"
#include "filters/postal_address.h"
#include "filters/words.h"

static void names_are_cleaned(void **state)
{
	static const struct {
		const char *raw;
		const char *email;
		const char *want;
	} rows[] = {
		{ "Doe, John", "jd@x.example", "John Doe" },
		{ "Smith, Jane, Jr.", "js@x.example", "Jane Smith Jr." },
		{ "Petersen, Anke (Einkauf)", "a@x.example", "Anke Petersen" },
		{ "Hansen, Lars [Windpark Jade]", "l@x.example",
		  "Lars Hansen" },
		{ "'Leonie Baumgart' via Projekte", "p@x.example",
		  "Leonie Baumgart" },
		{ "Person (Google Docs)", "c@x.example", "Person" },
		{ "\"kurt@x.example\"", "kurt@x.example", "" },
		{ "kurt.brandl", "kurt.brandl@x.example", "" },
		{ "Herr Dipl.-Ing. Klaus Berger", "k@x.example",
		  "Klaus Berger" },
		{ "i. A. Anke Petersen", "a@x.example", "Anke Petersen" },
		{ "Mr. Colin Ashby, MBA", "c@x.example", "Colin Ashby" },
		{ "Joe Foo, PhD", "j@x.example", "Joe Foo" },
		{ "DUPONT Jean-Marc", "j@x.example", "Jean-Marc Dupont" },
		{ "HELGA WINTERSTEIN", "h@x.example", "Helga Winterstein" },
		{ "Mary Jane Watson", "m@x.example", "Mary Jane Watson" },
		{ "de Boer, Pim (TSO-NL/Groningen)", "p@x.example",
		  "Pim de Boer" },
		{ "\xe2\x80\x8f\xd7\xa0\xd7\x95\xd7\xa2\xd7\x94", "n@x.example",
		  "\xd7\xa0\xd7\x95\xd7\xa2\xd7\x94" },
		{ "", "n@x.example", "" },
		{ "(only a comment)", "n@x.example", "" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char name[PERSON_NAME_MAX + 1];
		size_t len = person_name_clean(span_str(rows[i].raw),
					       span_str(rows[i].email), name);

		assert_string_equal(name, rows[i].want);
		assert_int_equal(len, strlen(rows[i].want));
	}
}

static void names_are_compared(void **state)
{
	(void)state;
	assert_true(person_name_same(SPAN("A. Weber"), SPAN("Anna Weber")));
	assert_true(person_name_same(SPAN("J\xc3\xb6rg M\xc3\xbcller"),
				     SPAN("Joerg Mueller")));
	assert_false(person_name_same(SPAN("Harriet Moss"),
				      SPAN("Rupert Cadwallader")));
	/* A particle is no name. */
	assert_false(
		person_name_same(SPAN("Jan van Dam"), SPAN("Piet van Loon")));
	assert_true(person_name_is_fuller(SPAN("Anna Maria Weber"),
					  SPAN("A. Weber")));
	assert_true(person_name_in_address(SPAN("Anna Weber"),
					   SPAN("aweber@x.example")));
	assert_true(person_name_is_role_mailbox(SPAN("info@x.example")));
	assert_false(person_name_is_role_mailbox(SPAN("ines@x.example")));
	assert_true(person_name_likely(SPAN("Yasemin Karaca")));
	assert_false(person_name_likely(SPAN("Head of Procurement")));
	assert_false(person_name_likely(SPAN("Lieferant GmbH")));
	assert_false(person_name_likely(SPAN("see you tomorrow")));
}

static void numbers_are_found(void **state)
{
	static const struct {
		const char *line;
		const char *region;
		/* NULL: none may be found. */
		const char *e164;
		const char *ext;
	} rows[] = {
		{ "+49 (0)7243 555-0180", "", "+4972435550180", "" },
		{ "0049 7243 555-0180", "", "+4972435550180", "" },
		{ "(508) 555-0143 x 4138", "US", "+15085550143", "4138" },
		{ "913.555.0147", "US", "+19135550147", "" },
		{ "+39 (0)2 8055 0142", "", "+390280550142", "" },
		{ "8-921-345-67-89", "RU", "+79213456789", "" },
		{ "61 833 45 60 wew. 5", "PL", "+48618334560", "5" },
		{ "+7 812 320-45-67 \xd0\xb4\xd0\xbe\xd0\xb1. 12", "",
		  "+78123204567", "12" },
		{ "03-3436-2112 (\xe5\x86\x85\xe7\xb7\x9a 5)", "JP",
		  "+81334362112", "5" },
		{ "0574-8680 1234 \xe8\xbd\xac 219", "CN", "+8657486801234",
		  "219" },
		/* Arabic-Indic digits. */
		{ "+\xd9\xa9\xd9\xa6\xd9\xa2 \xd9\xa6 "
		  "\xd9\xa5\xd9\xa5\xd9\xa5 \xd9\xa0\xd9\xa1\xd9\xa8\xd9\xa2",
		  "", "+96265550182", "" },
		/* Two numbers, of which the first is taken here. */
		{ "+91 98220 12345 / 98220 54321", "", "+919822012345", "" },
		{ "089 / 203 00 - 123", "DE", "+498920300123", "" },
		/* No country, no guess. */
		{ "07243 555-0180", "", NULL, NULL },
		{ "12.03.2025", "DE", NULL, NULL },
		{ "2025-03-12", "DE", NULL, NULL },
		{ "part A4711081522", "DE", NULL, NULL },
		{ "4938 2210 7746 0193 5582 0041 9937 1265 8804", "DE", NULL,
		  NULL },
		{ "+44 20 3855 5885,,12345#", "", NULL, NULL },
		{ "12:30", "DE", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct phone_candidate c = { .ext = "" };
		struct phone_number number = { .e164 = "" };
		size_t from = 0;
		bool found =
			phone_scan(span_str(rows[i].line), &from, &c) &&
			phone_parse(c.digits, rows[i].region, &number) == 0;

		if (rows[i].e164 == NULL) {
			assert_false(found);
			continue;
		}
		if (!found) {
			fail_msg("not found: %s", rows[i].line);
		}
		assert_string_equal(number.e164, rows[i].e164);
		assert_string_equal(c.ext, rows[i].ext);
	}
}

static void addresses_name_their_country(void **state)
{
	static const struct {
		const char *text;
		unsigned int parts;
		unsigned int country;
	} rows[] = {
		{ "Leeds LS10 1RT", ADDRESS_CITY, ISO('G', 'B') },
		{ "Worcester, MA 01604", ADDRESS_CITY, ISO('U', 'S') },
		{ "3401 MA IJsselstein", ADDRESS_CITY, ISO('N', 'L') },
		{ "61-512 Pozna\xc5\x84", ADDRESS_CITY, ISO('P', 'L') },
		{ "B-4020 Li\xc3\xa8ge", ADDRESS_CITY, ISO('B', 'E') },
		{ "1070 Wien", ADDRESS_CITY, ISO('A', 'T') },
		{ "80331 M\xc3\xbcnchen", ADDRESS_CITY, ISO('D', 'E') },
		{ "18 rue des Tanneurs", ADDRESS_STREET, ISO('F', 'R') },
		{ "United Kingdom", ADDRESS_COUNTRY, ISO('G', 'B') },
		{ "Head of Procurement", 0, 0 },
		{ "(508) 555-0143", 0, 0 },
		{ "0431 560 7788", 0, 0 },
	};
	struct address_evidence a;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		postal_address_read(span_str(rows[i].text), &a);
		assert_int_equal(a.parts & (ADDRESS_CITY | ADDRESS_STREET |
					    ADDRESS_COUNTRY),
				 rows[i].parts);
		if (rows[i].country != 0) {
			assert_int_equal(a.country | a.street_country,
					 rows[i].country);
		}
	}
	/* Five digits alone: several, and not Austria. */
	postal_address_read(SPAN("76275 Ettlingen"), &a);
	assert_int_equal(a.country, 0);
	assert_non_null(strstr(a.may_be, "DE"));
	assert_null(strstr(a.may_be, "AT"));
}

static void words_are_found_in_any_writing(void **state)
{
	struct folded f;
	const struct word *word;

	(void)state;
	chars_fold(SPAN("  Mit freundlichen  GR\xc3\x9c\xc3\x9f"
			"EN,"),
		   &f);
	assert_string_equal(f.text, "mit freundlichen grussen,");
	assert_true(words_is(folded_span(&f), WORD_CLOSING, NULL));
	chars_fold(SPAN("Einkaufsleiterin"), &f);
	assert_true(words_find(&f, WORD_TITLE, NULL, NULL, NULL));
	chars_fold(SPAN("\xe2\x98\x8e 030 1"), &f);
	assert_true(words_at(folded_span(&f), WORD_PHONE, &word) > 0);
	/* A longer phrase wins, and a phrase ends at a word's end. */
	assert_int_equal(words_at(SPAN("mobile phone: 1"), WORD_PHONE, NULL),
			 12);
	assert_int_equal(words_at(SPAN("telescope"), WORD_PHONE, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_cleaned),
		cmocka_unit_test(names_are_compared),
		cmocka_unit_test(numbers_are_found),
		cmocka_unit_test(addresses_name_their_country),
		cmocka_unit_test(words_are_found_in_any_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
