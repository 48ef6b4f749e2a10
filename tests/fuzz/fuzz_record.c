/* The writer's decoder against anything Redis could hand it. The first byte
   chooses: a payload inside a good envelope, or a packed entry. */
#include <stdlib.h>

#include "queue/record.h"
#include "queue/record_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const struct record_reading *reading)
{
	size_t total = strlen(reading->organization) +
		       strlen(reading->mailbox) + strlen(reading->folder);

	for (size_t i = 0; i < reading->people_count; i++) {
		const struct record_person *person = &reading->people[i];

		total += strlen(person->email) + strlen(person->role);
		for (size_t k = 0; k < person->phone_count; k++) {
			total += strlen(person->phones[k].e164);
		}
		for (size_t k = 0; k < person->url_count; k++) {
			total += strlen(person->urls[k]);
		}
	}
	if (total == 0) {
		abort();
	}
}

static void read_payload(struct span payload)
{
	struct record_fields fields = {
		.version = SPAN(RECORD_VERSION),
		.organization_id = SPAN("2ed6657d-e927-568b-95e1-2665a8aea6a2"),
		.event = SPAN("00112233445566778899aabbccddeeff"
			      "00112233445566778899aabbccddeeff"),
		.payload = payload,
	};
	struct record_reading reading;
	struct error err;

	if (record_read(&fields, &reading, &err) == 0) {
		touch(&reading);
		record_reading_finish(&reading);
	}
}

static void unpack(struct span body)
{
	struct record_entry entry;
	struct strbuf again = STRBUF_INIT(RECORD_PAYLOAD_MAX + 1024);

	if (record_entry_unpack(body, &entry) < 0) {
		return;
	}
	record_entry_pack(&entry, &again);
	/* One entry has one packed form. */
	if (!span_eq(strbuf_span(&again), body)) {
		abort();
	}
	strbuf_finish(&again);
	read_payload(strbuf_span(&entry.payload));
	record_entry_finish(&entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	if (data[0] == 'p') {
		unpack(span_of(data + 1, size - 1));
	} else {
		read_payload(span_of(data + 1, size - 1));
	}
	return 0;
}
