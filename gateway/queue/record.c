/* record: encoding of what one message teaches. */
#include "queue/record.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/frame.h"

/* Clocks of senders are wrong by hours, not by days. */
#define SEEN_AHEAD_MAX_S 86400

/* Bytes of a mailbox and a Message-ID. */
#define ID_TEXT_USUAL 200

/* Bytes of a payload with a contact or two. */
#define PAYLOAD_USUAL 1500

const char *record_direction_name(enum record_direction direction)
{
	return direction == RECORD_OUTGOING ? "out" : "in";
}

const char *record_evidence_name(enum record_evidence evidence)
{
	return evidence == RECORD_BODY ? "body" : "header";
}

int64_t record_seen_at(int64_t date, int64_t now)
{
	return date <= 0 || date > now + SEEN_AHEAD_MAX_S ? now : date;
}

/* HMAC of the parts, a NUL between each two. No part but the last may hold a
   NUL (the mailbox is checked), and the evidence level is one of two words,
   so no two records have the same text. */
static void make_id(struct span key, const struct span *parts, size_t count,
		    char hex_r[HASH_HEX_SIZE])
{
	unsigned char digest[HASH_SHA256_SIZE];
	struct strbuf text = STRBUF_INIT(SIZE_MAX / 2);

	strbuf_reserve(&text, ID_TEXT_USUAL);
	for (size_t i = 0; i < count; i++) {
		if (i > 0) {
			strbuf_add_char(&text, '\0');
		}
		strbuf_add(&text, parts[i]);
	}
	hash_hmac_sha256(key, strbuf_span(&text), digest);
	hash_hex(span_of(digest, sizeof(digest)), hex_r);
	strbuf_finish(&text);
}

/* The same message says its id with and without the angle brackets,
   depending on who parsed it (RFC 5322 3.6.4; RFC 9051 ENVELOPE). */
static struct span bare_message_id(struct span id)
{
	id = span_trim(id);
	if (id.len > 2 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>') {
		id = span_of(id.ptr + 1, id.len - 2);
	}
	return id;
}

/* -- the payload: written straight, for it is made once for each message -- */

/* A text as RFC 8259 7 wants it. */
static void add_text(struct strbuf *out, struct span text)
{
	size_t plain = 0;

	strbuf_add_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c >= ' ' && c != '"' && c != '\\') {
			continue;
		}
		strbuf_add(out, span_of(text.ptr + plain, i - plain));
		if (c < ' ') {
			strbuf_addf(out, "\\u%04x", (unsigned int)c);
		} else {
			strbuf_addf(out, "\\%c", (char)c);
		}
		plain = i + 1;
	}
	strbuf_add(out, span_from(text, plain));
	strbuf_add_char(out, '"');
}

static void add_member(struct strbuf *out, const char *name, struct span text)
{
	strbuf_add_char(out, '"');
	strbuf_add_str(out, name);
	strbuf_add_str(out, "\":");
	add_text(out, text);
	strbuf_add_char(out, ',');
}

/* The contact's own object with its part in this message added. */
static int add_contact(struct strbuf *out, const struct record_contact *contact)
{
	struct span object = contact->json;

	if (object.len < 3 || object.ptr[0] != '{' ||
	    object.ptr[object.len - 1] != '}') {
		return -1;
	}
	strbuf_add_char(out, '{');
	if (contact->name_source.len > 0) {
		add_member(out, "name_source", contact->name_source);
	}
	strbuf_add(out, span_from(object, 1));
	return 0;
}

static int add_contacts(struct strbuf *out, const struct record *record,
			struct error *err_r)
{
	strbuf_add_str(out, "\"contacts\":[");
	for (size_t i = 0; i < record->contact_count; i++) {
		if (i > 0) {
			strbuf_add_char(out, ',');
		}
		if (add_contact(out, &record->contacts[i]) < 0) {
			return error_set(err_r,
					 "record: a contact is no JSON object");
		}
	}
	strbuf_add_char(out, ']');
	return 0;
}

static int encode_payload(const struct record *record, const char *message,
			  struct strbuf *out, struct error *err_r)
{
	const char *evidence = record_evidence_name(record->evidence);
	const char *direction = record_direction_name(record->direction);

	if (!span_is_utf8(record->organization) ||
	    !span_is_utf8(record->mailbox)) {
		return error_set(err_r, "record: a text is not UTF-8");
	}
	strbuf_add_char(out, '{');
	add_member(out, "org", record->organization);
	add_member(out, "mailbox", record->mailbox);
	add_member(out, "message", span_str(message));
	add_member(out, "evidence", span_str(evidence));
	add_member(out, "direction", span_str(direction));
	add_member(out, "folder", span_str(folder_role_name(record->folder)));
	strbuf_addf(out, "\"seen\":%" PRId64 ",", record->seen_at);
	if (add_contacts(out, record, err_r) < 0) {
		return -1;
	}
	strbuf_add_char(out, '}');
	if (out->overflow) {
		return error_set(err_r, "record: longer than %u bytes",
				 RECORD_PAYLOAD_MAX);
	}
	return 0;
}

static int check(const struct record *record, struct error *err_r)
{
	char id[UUID_TEXT_SIZE];

	if (uuid_parse(span_str(record->organization_id), id) < 0) {
		return error_set(err_r, "record: no organization id");
	}
	if (record->mailbox.len == 0 ||
	    bare_message_id(record->message_id).len == 0) {
		return error_set(err_r, "record: no mailbox or Message-ID");
	}
	if (record->mailbox.len > RECORD_ADDRESS_MAX ||
	    record->organization.len > RECORD_TEXT_MAX ||
	    span_find(record->mailbox, '\0') >= 0) {
		return error_set(err_r, "record: mailbox or organization too "
					"long");
	}
	if (record->contact_count > RECORD_CONTACTS_MAX) {
		return error_set(err_r, "record: %zu contacts",
				 record->contact_count);
	}
	return 0;
}

int record_encode(const struct record *record, struct span event_key,
		  struct record_entry *entry_r, struct error *err_r)
{
	struct span parts[] = {
		record->mailbox,
		bare_message_id(record->message_id),
		span_str(record_evidence_name(record->evidence)),
	};
	char message[HASH_HEX_SIZE];

	if (check(record, err_r) < 0) {
		return -1;
	}
	*entry_r = (struct record_entry){
		.payload = STRBUF_INIT(RECORD_PAYLOAD_MAX),
	};
	/* One allocation for nearly all. */
	strbuf_reserve(&entry_r->payload, PAYLOAD_USUAL);
	memcpy(entry_r->organization_id, record->organization_id,
	       UUID_TEXT_SIZE);
	make_id(event_key, parts, 3, entry_r->event);
	make_id(event_key, parts, 2, message);
	if (encode_payload(record, message, &entry_r->payload, err_r) < 0) {
		record_entry_finish(entry_r);
		return -1;
	}
	return 0;
}

void record_entry_finish(struct record_entry *entry)
{
	strbuf_wipe(&entry->payload);
}

unsigned int record_partition(const char *organization_id,
			      unsigned int partitions)
{
	unsigned char digest[HASH_SHA256_SIZE];
	uint32_t number = 0;

	/* A digest, because an id that was given by hand may differ from the
	   next one in its last digit alone. */
	hash_sha256(span_str(organization_id), digest);
	for (size_t i = 0; i < 4; i++) {
		number = number << 8 | digest[i];
	}
	return partitions == 0 ? 0 : number % partitions;
}

void record_entry_pack(const struct record_entry *entry, struct strbuf *out)
{
	frame_put_bytes(out, SPAN(RECORD_VERSION));
	frame_put_bytes(out, span_str(entry->organization_id));
	frame_put_bytes(out, span_str(entry->event));
	frame_put_bytes(out, span_str(entry->key_id));
	frame_put_bytes(out, strbuf_span(&entry->payload));
}

/* Copy a text that fills the field exactly, or at most. */
static bool take_text(struct span from, char *to, size_t size, bool at_most)
{
	if (from.len >= size || (!at_most && from.len != size - 1) ||
	    span_find(from, '\0') >= 0) {
		return false;
	}
	if (from.len > 0) {
		memcpy(to, from.ptr, from.len);
	}
	to[from.len] = '\0';
	return true;
}

int record_entry_unpack(struct span body, struct record_entry *entry_r)
{
	struct frame_reader reader = frame_reader(body);
	struct span version = frame_get_bytes(&reader, 8);
	struct span organization = frame_get_bytes(&reader, UUID_TEXT_SIZE);
	struct span event = frame_get_bytes(&reader, HASH_HEX_SIZE);
	struct span key_id = frame_get_bytes(&reader, RECORD_KEY_ID_MAX);
	struct span payload = frame_get_bytes(&reader, RECORD_PAYLOAD_MAX);

	*entry_r = (struct record_entry){
		.payload = STRBUF_INIT(RECORD_PAYLOAD_MAX),
	};
	if (!frame_reader_done(&reader) ||
	    !span_eq(version, SPAN(RECORD_VERSION)) ||
	    !take_text(organization, entry_r->organization_id, UUID_TEXT_SIZE,
		       false) ||
	    !take_text(event, entry_r->event, HASH_HEX_SIZE, false) ||
	    !take_text(key_id, entry_r->key_id, sizeof(entry_r->key_id),
		       true)) {
		return -1;
	}
	strbuf_add(&entry_r->payload, payload);
	return 0;
}
