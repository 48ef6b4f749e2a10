/* record: one message's evidence on its way to PostgreSQL, as posternd says
   it, as Redis carries it and as the writer reads it. The same record twice
   changes nothing: its event id is made of what it is about. Knows nothing
   of Redis itself. */
#ifndef POSTERN_QUEUE_RECORD_H
#define POSTERN_QUEUE_RECORD_H

#include <stdint.h>

#include "lib/error.h"
#include "lib/folder.h"
#include "lib/hash.h"
#include "lib/span.h"
#include "lib/strbuf.h"
#include "lib/uuid.h"

/* Of the payload and of the stream entry; a reader refuses all others. */
#define RECORD_VERSION "1"

/* Contacts of one record; what a message may teach (filters/contact.h). */
#define RECORD_CONTACTS_MAX 256
/* Bytes of the payload: 256 contacts with every field full come to 3 MiB, a
   usual record to 1 KiB. */
#define RECORD_PAYLOAD_MAX (4u * 1024 * 1024)
/* Bytes of one text value (name, title, URL, ...). */
#define RECORD_TEXT_MAX 1024
/* RFC 5321 4.5.3.1: 64 + 1 + 255. */
#define RECORD_ADDRESS_MAX 320
#define RECORD_PHONES_MAX  16
#define RECORD_URLS_MAX	   8
#define RECORD_KEY_ID_MAX  64

enum record_direction { RECORD_INCOMING, RECORD_OUTGOING };

/* How much of the message was seen. Its headers and later its body are two
   events but one sighting: the second enriches. */
enum record_evidence { RECORD_HEADER, RECORD_BODY };

/* "in", "out" and "header", "body". */
const char *record_direction_name(enum record_direction direction);
const char *record_evidence_name(enum record_evidence evidence);

/* A contact as the gateway hands it in; all borrowed. */
struct record_contact {
	/* One JSON object as contact_to_json writes it, taken as it is: UTF-8,
	   at least one member, nothing around it. */
	struct span json;
	/* Which of the sources gave the name: "header", "signature", ...;
	   empty: the best of the contact's sources. */
	struct span name_source;
};

/* What the gateway says; all borrowed for the length of the call. */
struct record {
	char organization_id[UUID_TEXT_SIZE];
	/* As configured. */
	struct span organization;
	/* Canonical address of the mailbox. */
	struct span mailbox;
	/* As in the header, with or without angle brackets. When the message
	   has none: any text that names this message alone and is the same
	   each time it is seen (a digest of its header). */
	struct span message_id;
	enum record_evidence evidence;
	enum record_direction direction;
	enum folder_role folder;
	/* Seconds since 1970, see record_seen_at. */
	int64_t seen_at;
	const struct record_contact *contacts;
	size_t contact_count;
};

/* The fields of a stream entry. */
struct record_entry {
	char organization_id[UUID_TEXT_SIZE];
	char event[HASH_HEX_SIZE];
	/* Empty: the payload is not sealed. */
	char key_id[RECORD_KEY_ID_MAX + 1];
	struct strbuf payload;
};

/* The time a message is filed under: its Date, unless that is missing (<= 0)
   or more than a day ahead of now, where a forged one would make its fields
   the newest for years. */
int64_t record_seen_at(int64_t date, int64_t now);

/* Encode. event_key is the gateways' common key for event ids. Return 0 and
   the entry (the caller's to finish), or -1 with the reason: a text field
   too long, no mailbox or Message-ID, contacts that are not JSON objects. */
int record_encode(const struct record *record, struct span event_key,
		  struct record_entry *entry_r, struct error *err_r);
void record_entry_finish(struct record_entry *entry);

/* The stream of an organization: 0 <= n < partitions. */
unsigned int record_partition(const char *organization_id,
			      unsigned int partitions);

/* Append the entry as the body of a frame (journal), and read it back: -1
   when the bytes are no entry. On success the caller finishes *entry_r. */
void record_entry_pack(const struct record_entry *entry, struct strbuf *out);
int record_entry_unpack(struct span body, struct record_entry *entry_r);

#endif
