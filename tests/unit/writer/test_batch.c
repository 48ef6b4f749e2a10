/* Batches: sorted, merged, and written so that no value can leave its
   element. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "writer/batch.h"

#define ONE "1111111111111111111111111111111111111111111111111111111111111111"
#define TWO "2222222222222222222222222222222222222222222222222222222222222222"

static struct record_person person(const char *email, const char *name,
				   unsigned int source)
{
	return (struct record_person){
		.email = email,
		.name = name,
		.is_person = true,
		.role = "recipient",
		.sources = source,
		.name_source = source,
		.confidence = 0.5,
	};
}

static struct record_reading reading(const char *message, int64_t seen_at,
				     struct record_person *people, size_t count)
{
	struct record_reading made = {
		.organization = "acme",
		.mailbox = "a@acme.test",
		.evidence = RECORD_HEADER,
		.folder = "inbox",
		.seen_at = seen_at,
		.people = people,
		.people_count = count,
	};

	strcpy(made.message, message);
	return made;
}

static void assert_column(struct batch *batch, enum batch_column column,
			  const char *wanted)
{
	assert_string_equal(strbuf_cstr(&batch->columns[column]), wanted);
}

static void contacts_are_sorted_and_numbered(void **state)
{
	struct record_person people[] = {
		person("zoe@x.test", "Zoe", RECORD_SOURCE_HEADER),
		person("adam@x.test", "Adam", RECORD_SOURCE_HEADER),
	};
	struct record_reading one = reading(ONE, 100, people, 2);
	struct record_reading two = reading(TWO, 200, people, 1);
	const struct record_reading *all[] = { &one, &two };
	struct batch batch;

	(void)state;
	batch_init(&batch, all, 2);
	assert_int_equal(batch.contact_count, 2);
	assert_int_equal(batch.sighting_count, 3);
	assert_int_equal(batch.field_count, 2);
	assert_column(&batch, BATCH_EMAILS, "{\"adam@x.test\",\"zoe@x.test\"}");
	assert_column(&batch, BATCH_S_CONTACT, "{1,2,2}");
	assert_column(&batch, BATCH_S_SEEN, "{100,100,200}");
	assert_column(&batch, BATCH_F_CONTACT, "{1,2}");
	assert_column(&batch, BATCH_F_VALUE, "{\"Adam\",\"Zoe\"}");
	/* Zoe's name was confirmed by both messages, last by the second. */
	assert_column(&batch, BATCH_F_FIRST, "{100,100}");
	assert_column(&batch, BATCH_F_LAST, "{100,200}");
	assert_column(&batch, BATCH_F_MESSAGE,
		      "{\"\\\\x" ONE "\",\"\\\\x" TWO "\"}");
	batch_finish(&batch);
}

static void header_and_body_become_one_sighting(void **state)
{
	struct record_person header =
		person("a@x.test", "A", RECORD_SOURCE_HEADER);
	struct record_person body =
		person("a@x.test", "Anna", RECORD_SOURCE_SIGNATURE);
	struct record_reading one = reading(ONE, 100, &header, 1);
	struct record_reading two = reading(ONE, 100, &body, 1);
	const struct record_reading *all[] = { &two, &one };
	struct batch batch;

	(void)state;
	two.evidence = RECORD_BODY;
	body.role = "author";
	body.confidence = 0.9;
	batch_init(&batch, all, 2);
	assert_int_equal(batch.sighting_count, 1);
	assert_column(&batch, BATCH_S_SOURCES, "{3}");
	assert_column(&batch, BATCH_S_EVIDENCE, "{\"body\"}");
	assert_column(&batch, BATCH_S_ROLE, "{\"author\"}");
	assert_column(&batch, BATCH_S_CONFIDENCE, "{0.9000}");
	assert_column(&batch, BATCH_F_SOURCE, "{\"header\",\"signature\"}");
	batch_finish(&batch);
}

static void lists_and_machines_are_left_out(void **state)
{
	struct record_person people[] = {
		person("list@x.test", "List", RECORD_SOURCE_HEADER),
		person("a@x.test", NULL, RECORD_SOURCE_HEADER),
	};
	struct record_reading one = reading(ONE, 100, people, 2);
	const struct record_reading *all[] = { &one };
	struct batch batch;

	(void)state;
	people[0].is_person = false;
	batch_init(&batch, all, 1);
	assert_column(&batch, BATCH_EMAILS, "{\"a@x.test\"}");
	assert_int_equal(batch.field_count, 0);
	batch_finish(&batch);
	batch_init(&batch, all, 0);
	assert_column(&batch, BATCH_EMAILS, "{}");
	batch_finish(&batch);
}

static void phones_are_written_with_their_extension(void **state)
{
	struct record_person someone = person(
		"a@x.test", NULL, RECORD_SOURCE_HEADER | RECORD_SOURCE_VCARD);
	struct record_reading one = reading(ONE, 100, &someone, 1);
	struct record_reading two = reading(TWO, 90, &someone, 1);
	const struct record_reading *all[] = { &one, &two };
	struct batch batch;

	(void)state;
	someone.phones[0] = (struct record_phone){ "+4989123", "12", "mobile" };
	someone.phones[1] = (struct record_phone){ "+4989123", NULL, "work" };
	someone.phone_count = 2;
	someone.urls[0] = "https://x.test";
	someone.url_count = 1;
	batch_init(&batch, all, 2);
	assert_column(&batch, BATCH_F_KIND, "{\"phone\",\"phone\",\"url\"}");
	assert_column(&batch, BATCH_F_VALUE,
		      "{\"+4989123\",\"+4989123;ext=12\",\"https://x.test\"}");
	assert_column(&batch, BATCH_F_LABEL, "{\"work\",\"mobile\",\"\"}");
	assert_column(&batch, BATCH_F_SOURCE,
		      "{\"vcard\",\"vcard\",\"vcard\"}");
	assert_column(&batch, BATCH_F_FIRST, "{90,90,90}");
	assert_column(&batch, BATCH_F_LAST, "{100,100,100}");
	batch_finish(&batch);
}

static void no_value_leaves_its_element(void **state)
{
	static const char *const values[] = {
		"plain", "a,b", "{}", "\"", "\\", "\\\"", "NULL", "a\nb", "'",
	};
	struct strbuf array = STRBUF_INIT(1024);

	(void)state;
	array_begin(&array);
	for (size_t i = 0; i < N_ELEMENTS(values); i++) {
		array_add_text(&array, values[i]);
	}
	array_add_hex(&array, "00ff");
	array_addf(&array, "%d", -1);
	array_end(&array);
	assert_string_equal(strbuf_cstr(&array),
			    "{\"plain\",\"a,b\",\"{}\",\"\\\"\",\"\\\\\","
			    "\"\\\\\\\"\",\"NULL\",\"a\nb\",\"'\","
			    "\"\\\\x00ff\",-1}");
	strbuf_finish(&array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contacts_are_sorted_and_numbered),
		cmocka_unit_test(header_and_body_become_one_sighting),
		cmocka_unit_test(lists_and_machines_are_left_out),
		cmocka_unit_test(phones_are_written_with_their_extension),
		cmocka_unit_test(no_value_leaves_its_element),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
