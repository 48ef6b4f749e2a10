/* record_reader: a stream entry read strictly. Redis is between us and the
   gateway, so nothing in an entry is believed: every text is bounded, valid
   UTF-8 without NUL, every enumeration known, every number in its range. */
#ifndef POSTERN_QUEUE_RECORD_READER_H
#define POSTERN_QUEUE_RECORD_READER_H

#include <stdbool.h>

#include "queue/record.h"

/* Where evidence came from; in a record as an array of names. Bits, in the
   order of how much they are worth (see record_source_names). */
#define RECORD_SOURCE_HEADER	1u
#define RECORD_SOURCE_SIGNATURE 2u
#define RECORD_SOURCE_VCARD	4u
#define RECORD_SOURCE_CALENDAR	8u
#define RECORD_SOURCE_ENVELOPE	16u
#define RECORD_SOURCE_COUNT	5

/* Name of bit 1 << index. */
extern const char *const record_source_names[RECORD_SOURCE_COUNT];

/* The source that is worth most, of at least one. */
unsigned int record_best_source(unsigned int sources);

/* Texts are borrowed from the reading, NULL where the record does not say. */
struct record_phone {
	const char *e164;
	const char *ext;
	/* "work", "mobile", "fax", "home", "pager" or "other". */
	const char *label;
};

struct record_person {
	/* Never NULL. */
	const char *email;
	/* It is a person; lists and machines are not filed. */
	bool is_person;
	const char *role;
	/* RECORD_SOURCE_* bits, and the one that gave the name. */
	unsigned int sources;
	unsigned int name_source;
	double confidence;
	const char *name;
	const char *title;
	const char *company;
	const char *postal_address;
	struct record_phone phones[RECORD_PHONES_MAX];
	size_t phone_count;
	const char *urls[RECORD_URLS_MAX];
	size_t url_count;
};

/* One record as the writer files it. Owns what its texts point into. */
struct record_reading {
	char organization_id[UUID_TEXT_SIZE];
	char event[HASH_HEX_SIZE];
	/* HMAC of mailbox and Message-ID, hexadecimal. */
	char message[HASH_HEX_SIZE];
	const char *organization;
	const char *mailbox;
	enum record_evidence evidence;
	enum record_direction direction;
	const char *folder;
	int64_t seen_at;
	struct record_person *people;
	size_t people_count;
	/* The json_t all texts above borrow from. */
	void *root;
};

/* The fields of an entry as Redis gives them; ptr NULL where missing. */
struct record_fields {
	struct span version;
	struct span organization_id;
	struct span event;
	struct span key_id;
	struct span payload;
};

/* Put the value where the field named name belongs; an unknown name is left
   alone (a later gateway may say more). */
void record_fields_set(struct record_fields *fields, struct span name,
		       struct span value);

/* Read. Return 0, or -1 with the reason (no text of the record in it). */
int record_read(const struct record_fields *fields,
		struct record_reading *reading_r, struct error *err_r);
void record_reading_finish(struct record_reading *reading);

#endif
