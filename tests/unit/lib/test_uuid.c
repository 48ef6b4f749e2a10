/* Organization ids: the known answers of the RFC, and one spelling each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/uuid.h"

static void version_five_gives_the_known_answer(void **state)
{
	/* RFC 9562 A.4: name space DNS, "www.example.com". */
	static const unsigned char dns[16] = {
		0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1,
		0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
	};
	char text[UUID_TEXT_SIZE];

	(void)state;
	uuid_v5(dns, SPAN("www.example.com"), text);
	assert_string_equal(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

static void a_name_has_one_id_and_two_names_have_two(void **state)
{
	char one[UUID_TEXT_SIZE];
	char again[UUID_TEXT_SIZE];
	char other[UUID_TEXT_SIZE];

	(void)state;
	uuid_of_organization(SPAN("acme"), one);
	uuid_of_organization(SPAN("acme"), again);
	uuid_of_organization(SPAN("acme "), other);
	assert_string_equal(one, again);
	assert_string_not_equal(one, other);
	/* Written down: organizations keep their ids over releases. */
	assert_string_equal(one, "3c2a3c35-e623-54bc-9987-9e5db3aa2cae");
}

static void only_the_plain_spelling_is_read(void **state)
{
	static const struct {
		const char *text;
		const char *wanted;
	} rows[] = {
		{ "2ed6657d-e927-568b-95e1-2665a8aea6a2",
		  "2ed6657d-e927-568b-95e1-2665a8aea6a2" },
		{ "2ED6657D-E927-568B-95E1-2665A8AEA6A2",
		  "2ed6657d-e927-568b-95e1-2665a8aea6a2" },
		{ "2ed6657de927568b95e12665a8aea6a2", NULL },
		{ "{2ed6657d-e927-568b-95e1-2665a8aea6a2}", NULL },
		{ "2ed6657d-e927-568b-95e1-2665a8aea6a", NULL },
		{ "2ed6657d-e927-568b-95e1-2665a8aea6ag", NULL },
		{ "2ed6657d-e927-568b-95e1_2665a8aea6a2", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char text[UUID_TEXT_SIZE];
		int status = uuid_parse(span_str(rows[i].text), text);

		assert_int_equal(status, rows[i].wanted == NULL ? -1 : 0);
		if (status == 0) {
			assert_string_equal(text, rows[i].wanted);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_five_gives_the_known_answer),
		cmocka_unit_test(a_name_has_one_id_and_two_names_have_two),
		cmocka_unit_test(only_the_plain_spelling_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
