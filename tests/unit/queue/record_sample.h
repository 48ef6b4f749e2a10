/* record_sample: the record the queue's tests send. */
#ifndef POSTERN_TESTS_RECORD_SAMPLE_H
#define POSTERN_TESTS_RECORD_SAMPLE_H

#include "queue/record.h"

#define SAMPLE_JANE                                                            \
	"{\"email\":\"jane@example.org\",\"name\":\"Jane Doe\","               \
	"\"title\":\"CTO\",\"company\":\"Example\",\"phones\":"                \
	"[{\"e164\":\"+4989123456\",\"ext\":\"12\",\"raw\":\"089/123456\","    \
	"\"kind\":\"work\"}],\"urls\":[\"https://example.org\"],"              \
	"\"postal_address\":null,\"kind\":\"person\",\"role\":\"author\","     \
	"\"source\":[\"header\",\"signature\"],\"confidence\":0.9}"

/* A record of mailbox a@acme.test for the message numbered number. */
static inline struct record sample_record(const struct record_contact *contact,
					  struct span message_id)
{
	struct record record = {
		.organization = SPAN("acme"),
		.mailbox = SPAN("a@acme.test"),
		.message_id = message_id,
		.evidence = RECORD_BODY,
		.direction = RECORD_INCOMING,
		.folder = FOLDER_INBOX,
		.seen_at = 1700000000,
		.contacts = contact,
		.contact_count = 1,
	};

	uuid_of_organization(record.organization, record.organization_id);
	return record;
}

static inline struct record_contact sample_jane(void)
{
	return (struct record_contact){
		.json = SPAN(SAMPLE_JANE),
		.name_source = SPAN("header"),
	};
}

#endif
