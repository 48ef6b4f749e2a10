/* Records: what the gateway says is what the writer reads, ids are made of
   what a record is about, and nothing malformed is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "queue/record.h"
#include "queue/record_reader.h"

#include "record_sample.h"

#define KEY SPAN("0123456789abcdef0123456789abcdef")

static struct record_fields fields_of(const struct record_entry *entry)
{
	return (struct record_fields){
		.version = SPAN(RECORD_VERSION),
		.organization_id = span_str(entry->organization_id),
		.event = span_str(entry->event),
		.key_id = span_str(entry->key_id),
		.payload = strbuf_span(&entry->payload),
	};
}

static void what_was_said_is_read(void **state)
{
	struct record_contact jane = sample_jane();
	struct record record = sample_record(&jane, SPAN("<1@example.org>"));
	struct record_entry entry;
	struct record_fields fields;
	struct record_reading reading;
	const struct record_person *person;
	struct error err;

	(void)state;
	assert_int_equal(record_encode(&record, KEY, &entry, &err), 0);
	fields = fields_of(&entry);
	assert_int_equal(record_read(&fields, &reading, &err), 0);
	assert_string_equal(reading.organization_id, record.organization_id);
	assert_string_equal(reading.organization, "acme");
	assert_string_equal(reading.mailbox, "a@acme.test");
	assert_string_equal(reading.folder, "inbox");
	assert_int_equal(reading.evidence, RECORD_BODY);
	assert_int_equal(reading.direction, RECORD_INCOMING);
	assert_int_equal(reading.seen_at, 1700000000);
	assert_int_equal(reading.people_count, 1);
	person = &reading.people[0];
	assert_true(person->is_person);
	assert_string_equal(person->email, "jane@example.org");
	assert_string_equal(person->name, "Jane Doe");
	assert_string_equal(person->title, "CTO");
	assert_null(person->postal_address);
	assert_string_equal(person->role, "author");
	assert_int_equal(person->sources,
			 RECORD_SOURCE_HEADER | RECORD_SOURCE_SIGNATURE);
	assert_int_equal(person->name_source, RECORD_SOURCE_HEADER);
	assert_int_equal(person->phone_count, 1);
	assert_string_equal(person->phones[0].e164, "+4989123456");
	assert_string_equal(person->phones[0].ext, "12");
	assert_string_equal(person->phones[0].label, "work");
	assert_int_equal(person->url_count, 1);
	record_reading_finish(&reading);
	record_entry_finish(&entry);
}

static void event_of(struct span mailbox, struct span message_id,
		     enum record_evidence evidence, char event_r[HASH_HEX_SIZE])
{
	struct record_contact jane = sample_jane();
	struct record record = sample_record(&jane, message_id);
	struct record_entry entry;

	record.mailbox = mailbox;
	record.evidence = evidence;
	assert_int_equal(record_encode(&record, KEY, &entry, NULL), 0);
	memcpy(event_r, entry.event, HASH_HEX_SIZE);
	record_entry_finish(&entry);
}

static void ids_are_made_of_what_the_record_is_about(void **state)
{
	char one[HASH_HEX_SIZE];
	char other[HASH_HEX_SIZE];

	(void)state;
	event_of(SPAN("a@x.test"), SPAN("<1@y>"), RECORD_BODY, one);
	event_of(SPAN("a@x.test"), SPAN(" 1@y\r\n"), RECORD_BODY, other);
	assert_string_equal(one, other);
	event_of(SPAN("a@x.test"), SPAN("<1@y>"), RECORD_HEADER, other);
	assert_string_not_equal(one, other);
	event_of(SPAN("b@x.test"), SPAN("<1@y>"), RECORD_BODY, other);
	assert_string_not_equal(one, other);
	event_of(SPAN("a@x.test"), SPAN("<2@y>"), RECORD_BODY, other);
	assert_string_not_equal(one, other);
}

static void header_and_body_are_one_message(void **state)
{
	struct record_contact jane = sample_jane();
	struct record record = sample_record(&jane, SPAN("<1@y>"));
	struct record_entry entry[2];
	struct record_reading reading[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct record_fields fields;

		record.evidence = (enum record_evidence)i;
		assert_int_equal(record_encode(&record, KEY, &entry[i], NULL),
				 0);
		fields = fields_of(&entry[i]);
		assert_int_equal(record_read(&fields, &reading[i], NULL), 0);
	}
	assert_string_equal(reading[0].message, reading[1].message);
	assert_string_not_equal(reading[0].event, reading[1].event);
	for (int i = 0; i < 2; i++) {
		record_reading_finish(&reading[i]);
		record_entry_finish(&entry[i]);
	}
}

static void texts_are_what_they_were(void **state)
{
	struct record_contact jane = sample_jane();
	struct record record = sample_record(&jane, SPAN("<1@y>"));
	struct record_entry entry;
	struct record_reading reading;
	struct record_fields fields;

	(void)state;
	record.organization = SPAN("\"a\\c\tm\303\251\"\x1f\x7f");
	record.mailbox = SPAN("\\\"\"@a.test");
	assert_int_equal(record_encode(&record, KEY, &entry, NULL), 0);
	fields = fields_of(&entry);
	assert_int_equal(record_read(&fields, &reading, NULL), 0);
	assert_string_equal(reading.organization,
			    "\"a\\c\tm\303\251\"\x1f\x7f");
	assert_string_equal(reading.mailbox, "\\\"\"@a.test");
	record_reading_finish(&reading);
	record_entry_finish(&entry);
}

static void what_cannot_be_filed_is_not_encoded(void **state)
{
	struct record_contact jane = sample_jane();
	struct record_contact broken = { .json = SPAN("[1,2]") };
	struct record good = sample_record(&jane, SPAN("<1@y>"));
	struct record bad;
	struct record_entry entry;
	struct error err;

	(void)state;
	bad = good;
	bad.mailbox = SPAN("");
	assert_int_equal(record_encode(&bad, KEY, &entry, &err), -1);
	bad = good;
	bad.mailbox = SPAN("a\377b");
	assert_int_equal(record_encode(&bad, KEY, &entry, &err), -1);
	bad = good;
	bad.mailbox = SPAN("a\0b");
	assert_int_equal(record_encode(&bad, KEY, &entry, &err), -1);
	bad = good;
	bad.message_id = SPAN(" ");
	assert_int_equal(record_encode(&bad, KEY, &entry, &err), -1);
	bad = good;
	bad.organization_id[3] = 'x';
	assert_int_equal(record_encode(&bad, KEY, &entry, &err), -1);
	bad = good;
	bad.organization = SPAN("\xff");
	assert_int_equal(record_encode(&bad, KEY, &entry, &err), -1);
	bad = good;
	bad.contacts = &broken;
	assert_int_equal(record_encode(&bad, KEY, &entry, &err), -1);
	bad = good;
	bad.contact_count = RECORD_CONTACTS_MAX + 1;
	assert_int_equal(record_encode(&bad, KEY, &entry, &err), -1);
}

static void the_date_is_believed_within_a_day(void **state)
{
	(void)state;
	assert_int_equal(record_seen_at(1000, 2000000), 1000);
	assert_int_equal(record_seen_at(2000000 + 3600, 2000000), 2003600);
	assert_int_equal(record_seen_at(2000000 + 90000, 2000000), 2000000);
	assert_int_equal(record_seen_at(0, 2000000), 2000000);
	assert_int_equal(record_seen_at(-5, 2000000), 2000000);
}

static void an_entry_survives_packing(void **state)
{
	struct record_contact jane = sample_jane();
	struct record record = sample_record(&jane, SPAN("<1@y>"));
	struct record_entry entry;
	struct record_entry back;
	struct strbuf packed = STRBUF_INIT(65536);

	(void)state;
	assert_int_equal(record_encode(&record, KEY, &entry, NULL), 0);
	record_entry_pack(&entry, &packed);
	assert_int_equal(record_entry_unpack(strbuf_span(&packed), &back), 0);
	assert_string_equal(back.event, entry.event);
	assert_string_equal(back.organization_id, entry.organization_id);
	assert_true(span_eq(strbuf_span(&back.payload),
			    strbuf_span(&entry.payload)));
	record_entry_finish(&back);
	for (size_t len = 0; len < packed.len; len++) {
		assert_int_equal(
			record_entry_unpack(span_of(packed.ptr, len), &back),
			-1);
	}
	strbuf_finish(&packed);
	record_entry_finish(&entry);
}

static void partitions_are_all_used(void **state)
{
	unsigned int seen[4] = { 0 };

	(void)state;
	for (int i = 0; i < 400; i++) {
		char name[16];
		char id[UUID_TEXT_SIZE];
		unsigned int n;

		snprintf(name, sizeof(name), "org%d", i);
		uuid_of_organization(span_str(name), id);
		n = record_partition(id, 4);
		assert_true(n < 4);
		seen[n]++;
	}
	for (int i = 0; i < 4; i++) {
		assert_true(seen[i] > 50);
	}
}

#define ID "2ed6657d-e927-568b-95e1-2665a8aea6a2"
#define DIGEST                                                                 \
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEAD                                                                   \
	"{\"org\":\"acme\",\"mailbox\":\"a@b\",\"message\":\"" DIGEST          \
	"\",\"evidence\":\"body\",\"direction\":\"in\",\"folder\":\"inbox\","  \
	"\"seen\":1700000000,\"contacts\":"
#define PERSON(rest)                                                           \
	"[{\"email\":\"j@x.test\",\"kind\":\"person\",\"source\":[\"header\"]" \
	",\"confidence\":1" rest "}]"

static const struct {
	const char *payload;
	int status;
} payloads[] = {
	{ HEAD "[]}", 0 },
	{ HEAD PERSON("") "}", 0 },
	{ HEAD PERSON(",\"name\":\"\xc3\x84nne\"") "}", 0 },
	{ HEAD PERSON(",\"later\":[1]") "}", 0 },
	{ HEAD PERSON("") ",\"later\":1}", 0 },
	{ "", -1 },
	{ "[]", -1 },
	{ "{}", -1 },
	{ HEAD "{}}", -1 },
	{ HEAD "[1]}", -1 },
	{ HEAD "[{}]}", -1 },
	{ HEAD "[]} ", 0 },
	{ HEAD "[]}x", -1 },
	{ HEAD "[],\"org\":\"twice\"}", -1 },
	{ HEAD PERSON(",\"name\":\"\"") "}", -1 },
	{ HEAD PERSON(",\"name\":7") "}", -1 },
	{ HEAD PERSON(",\"name\":\"a\\u0000b\"") "}", -1 },
	{ HEAD PERSON(",\"name\":\"\xff\"") "}", -1 },
	{ HEAD PERSON(",\"role\":\"boss\"") "}", -1 },
	{ HEAD PERSON(",\"name_source\":\"guess\"") "}", -1 },
	{ HEAD PERSON(",\"phones\":{}") "}", -1 },
	{ HEAD PERSON(",\"phones\":[{\"e164\":\"+49123\"}]") "}", 0 },
	{ HEAD PERSON(",\"phones\":[{\"e164\":\"49123\"}]") "}", -1 },
	{ HEAD PERSON(",\"phones\":[{\"e164\":\"+49x\"}]") "}", -1 },
	{ HEAD PERSON(",\"phones\":[{\"e164\":\"+1234567890123456\"}]") "}",
	  -1 },
	{ HEAD PERSON(",\"phones\":[{\"e164\":\"+49\",\"ext\":\"a\"}]") "}",
	  -1 },
	{ HEAD PERSON(",\"phones\":[{\"e164\":\"+49\",\"kind\":\"red\"}]") "}",
	  -1 },
	{ HEAD PERSON(",\"urls\":[1]") "}", -1 },
	{ HEAD PERSON(",\"urls\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\","
		      "\"8\",\"9\"]") "}",
	  -1 },
	{ HEAD "[{\"email\":\"no address\",\"kind\":\"person\",\"source\":"
	       "[\"header\"]}]}",
	  -1 },
	{ HEAD "[{\"email\":\"j@x\",\"kind\":\"person\",\"source\":[]}]}", -1 },
	{ HEAD "[{\"email\":\"j@x\",\"kind\":\"person\",\"source\":[3]}]}",
	  -1 },
	{ HEAD "[{\"email\":\"j@x\",\"kind\":\"robot\",\"source\":"
	       "[\"header\"]}]}",
	  -1 },
	{ HEAD "[{\"email\":\"j@x\",\"kind\":\"person\",\"source\":"
	       "[\"header\"],\"confidence\":1.5}]}",
	  -1 },
	{ HEAD "[{\"email\":\"j@x\",\"kind\":\"person\",\"source\":"
	       "[\"header\"],\"confidence\":\"1\"}]}",
	  -1 },
};

static void only_what_is_exact_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(payloads); i++) {
		struct record_fields fields = {
			.version = SPAN(RECORD_VERSION),
			.organization_id = SPAN(ID),
			.event = SPAN(DIGEST),
			.payload = span_str(payloads[i].payload),
		};
		struct record_reading reading;
		struct error err = { "" };
		int status = record_read(&fields, &reading, &err);

		if (status != payloads[i].status) {
			fail_msg("%s: %d %s", payloads[i].payload, status,
				 err.text);
		}
		if (status == 0) {
			record_reading_finish(&reading);
		} else {
			assert_true(err.text[0] != '\0');
			assert_null(reading.root);
		}
	}
}

static void each_head_field_is_checked(void **state)
{
	static const struct {
		const char *good;
		const char *bad;
	} rows[] = {
		{ "\"acme\"", "\"\"" },
		{ "\"acme\"", "null" },
		{ "\"a@b\"", "7" },
		{ DIGEST, "0011" },
		{ "\"body\"", "\"soul\"" },
		{ "\"in\"", "\"up\"" },
		{ "\"inbox\"", "\"drawer\"" },
		{ "1700000000", "0" },
		{ "1700000000", "-1" },
		{ "1700000000", "1.5" },
		{ "1700000000", "253402300800" },
		{ "1700000000", "99999999999999999999999" },
	};
	const char *whole = HEAD "[]}";

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const char *at = strstr(whole, rows[i].good);
		char text[1024];
		struct record_fields fields = {
			.version = SPAN(RECORD_VERSION),
			.organization_id = SPAN(ID),
			.event = SPAN(DIGEST),
		};
		struct record_reading reading;

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole),
			 whole, rows[i].bad, at + strlen(rows[i].good));
		fields.payload = span_str(text);
		if (record_read(&fields, &reading, NULL) != -1) {
			fail_msg("read: %s", text);
		}
	}
}

static void a_foreign_envelope_is_refused(void **state)
{
	const struct record_fields good = {
		.version = SPAN(RECORD_VERSION),
		.organization_id = SPAN(ID),
		.event = SPAN(DIGEST),
		.payload = SPAN(HEAD "[]}"),
	};
	struct record_fields bad;
	struct record_reading reading;

	(void)state;
	bad = good;
	bad.version = SPAN("2");
	assert_int_equal(record_read(&bad, &reading, NULL), -1);
	bad = good;
	bad.organization_id = SPAN("acme");
	assert_int_equal(record_read(&bad, &reading, NULL), -1);
	bad = good;
	bad.event = SPAN("0011");
	assert_int_equal(record_read(&bad, &reading, NULL), -1);
	bad = good;
	bad.key_id = SPAN("k1");
	assert_int_equal(record_read(&bad, &reading, NULL), -1);
	bad = good;
	bad.payload = span_of(NULL, 0);
	assert_int_equal(record_read(&bad, &reading, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_said_is_read),
		cmocka_unit_test(ids_are_made_of_what_the_record_is_about),
		cmocka_unit_test(header_and_body_are_one_message),
		cmocka_unit_test(texts_are_what_they_were),
		cmocka_unit_test(what_cannot_be_filed_is_not_encoded),
		cmocka_unit_test(the_date_is_believed_within_a_day),
		cmocka_unit_test(an_entry_survives_packing),
		cmocka_unit_test(partitions_are_all_used),
		cmocka_unit_test(only_what_is_exact_is_read),
		cmocka_unit_test(each_head_field_is_checked),
		cmocka_unit_test(a_foreign_envelope_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
