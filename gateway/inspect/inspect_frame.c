/* inspect_frame: the frames between posternd and its inspectors. Knows no
   socket and no process. */
#include "inspect/inspect_frame.h"

#include <stdlib.h>

#include "lib/frame.h"
#include "lib/xalloc.h"
#include "message/address.h"

#define HELLO "postern-inspect"

/* Confidence goes over the wire in thousandths. */
#define CONFIDENCE_UNIT 1000

#define REQUEST_FOLDER_IN_SCOPE 1u
#define REQUEST_HAS_ENVELOPE	2u
#define REQUEST_TRUNCATED	4u
#define REQUEST_FLAGS_ALL	7u

/* ITU-T E.164 with its plus sign; extensions are short. */
#define E164_MAX      16
#define EXTENSION_MAX 32

#define MAX_SHORT_TEXT 1024
/* Recipients of the envelope: as many as a transaction can have. */
#define MAX_LONG_TEXT	(512u * 1024)
#define MAX_DOMAIN_TEXT (INSPECT_MAX_DOMAINS * (DOMAIN_MAX + 1))

/* Requests. */

static void put_domains(const struct domain_set *domains, struct strbuf *out)
{
	size_t count = domains == NULL ? 0 : domains->count;
	uint32_t len = 0;

	if (count > INSPECT_MAX_DOMAINS) {
		count = INSPECT_MAX_DOMAINS;
	}
	for (size_t i = 0; i < count; i++) {
		len += (uint32_t)strlen(domains->names[i]) + 1;
	}
	frame_put_u32(out, len);
	for (size_t i = 0; i < count; i++) {
		strbuf_add_str(out, domains->names[i]);
		strbuf_add_char(out, '\n');
	}
}

/* The lines that fit. Half an address would be another's, and one of ours a
   stranger's. */
static struct span whole_lines(struct span text, size_t max)
{
	if (text.len <= max) {
		return text;
	}
	while (max > 0 && text.ptr[max - 1] != '\n') {
		max--;
	}
	return span_first(text, max);
}

int inspect_request_encode(const struct inspect_request *request,
			   struct strbuf *out)
{
	const struct message_origin *origin = &request->origin;
	bool truncated =
		origin->truncated || request->message.len > INSPECT_MAX_MESSAGE;
	size_t start = frame_begin(out);

	frame_put_u8(out, INSPECT_VERSION);
	frame_put_u64(out, request->id);
	frame_put_u8(out, (uint8_t)origin->folder);
	frame_put_u8(out, (uint8_t)origin->direction);
	frame_put_u8(
		out,
		(uint8_t)((origin->folder_in_scope ? REQUEST_FOLDER_IN_SCOPE
						   : 0) |
			  (origin->has_envelope ? REQUEST_HAS_ENVELOPE : 0) |
			  (truncated ? REQUEST_TRUNCATED : 0)));
	frame_put_bytes(out, span_first(origin->mailbox, MAX_SHORT_TEXT));
	frame_put_bytes(out, span_first(origin->flags, MAX_SHORT_TEXT));
	frame_put_bytes(out, span_first(origin->envelope_from, MAX_SHORT_TEXT));
	frame_put_bytes(out,
			whole_lines(origin->envelope_rcpts, MAX_LONG_TEXT));
	frame_put_bytes(out, span_first(origin->region, 2));
	put_domains(origin->own_domains, out);
	frame_put_bytes(out, span_first(request->message, INSPECT_MAX_MESSAGE));
	return frame_end(out, start);
}

int inspect_request_decode(struct span body, struct inspect_request *request_r,
			   struct error *err_r)
{
	struct frame_reader reader = frame_reader(body);
	struct message_origin *origin = &request_r->origin;
	uint8_t version = frame_get_u8(&reader);
	uint8_t folder;
	uint8_t direction;
	uint8_t bits;

	*request_r = (struct inspect_request){ .own_domains = SPAN("") };
	if (version != INSPECT_VERSION) {
		return error_set(err_r, "a request of version %u", version);
	}
	request_r->id = frame_get_u64(&reader);
	folder = frame_get_u8(&reader);
	direction = frame_get_u8(&reader);
	bits = frame_get_u8(&reader);
	origin->mailbox = frame_get_bytes(&reader, MAX_SHORT_TEXT);
	origin->flags = frame_get_bytes(&reader, MAX_SHORT_TEXT);
	origin->envelope_from = frame_get_bytes(&reader, MAX_SHORT_TEXT);
	origin->envelope_rcpts = frame_get_bytes(&reader, MAX_LONG_TEXT);
	origin->region = frame_get_bytes(&reader, 2);
	request_r->own_domains = frame_get_bytes(&reader, MAX_DOMAIN_TEXT);
	request_r->message = frame_get_bytes(&reader, INSPECT_MAX_MESSAGE);
	if (!frame_reader_done(&reader) || folder >= FOLDER_ROLE_COUNT ||
	    direction > MESSAGE_OUTGOING || (bits & ~REQUEST_FLAGS_ALL) != 0) {
		return error_set(err_r, "a malformed request");
	}
	origin->folder = (enum folder_role)folder;
	origin->direction = (enum message_direction)direction;
	origin->folder_in_scope = (bits & REQUEST_FOLDER_IN_SCOPE) != 0;
	origin->has_envelope = (bits & REQUEST_HAS_ENVELOPE) != 0;
	origin->truncated = (bits & REQUEST_TRUNCATED) != 0;
	return 0;
}

/* What both sides hold a contact to: the writer leaves out what the reader
   would refuse the whole answer for. */

/* Text that may go into a database and onto a screen: UTF-8 in which nothing
   is a control character. */
static bool is_clean_text(struct span text)
{
	size_t plain = 0;

	/* Mostly that is all there is. */
	while (plain < text.len && text.ptr[plain] >= ' ' &&
	       text.ptr[plain] < 0x7f) {
		plain++;
	}
	text = span_from(text, plain);
	if (!span_is_utf8(text)) {
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < ' ' || c == 0x7f) {
			return false;
		}
		/* U+0080 to U+009f. */
		if (c == 0xc2 && (unsigned char)text.ptr[i + 1] < 0xa0) {
			return false;
		}
	}
	return true;
}

static bool is_digits(const char *text, size_t most)
{
	size_t len = strlen(text);

	return len >= 1 && len <= most && strspn(text, "0123456789") == len;
}

/* ITU-T E.164: a plus sign and at most 15 digits. */
static bool is_e164(const char *text)
{
	return text != NULL && text[0] == '+' && text[1] != '0' &&
	       is_digits(text + 1, 15);
}

static bool is_web_address(struct span url)
{
	return span_starts(url, SPAN("https://")) ||
	       span_starts(url, SPAN("http://"));
}

/* The canonical form of itself. */
static bool is_canonical_email(struct span email)
{
	char canonical[ADDRESS_EMAIL_MAX + 1];

	return address_canonical(email, canonical) == 0 &&
	       span_eq(email, span_str(canonical)) && is_clean_text(email);
}

static bool is_sound_phone(const struct phone *phone)
{
	return is_e164(phone->e164) &&
	       (phone->ext == NULL || is_digits(phone->ext, EXTENSION_MAX));
}

/* Answers, written. */

static void put_text(struct strbuf *out, const char *text, size_t max)
{
	struct span s = span_str(text);

	frame_put_bytes(out, s.len <= max && is_clean_text(s) ? s : SPAN(""));
}

static void put_phones(const struct contact *contact, struct strbuf *out)
{
	uint8_t count = 0;

	for (size_t i = 0; i < contact->phone_count; i++) {
		count += is_sound_phone(&contact->phones[i]);
	}
	frame_put_u8(out, count);
	for (size_t i = 0; i < contact->phone_count; i++) {
		const struct phone *phone = &contact->phones[i];

		if (is_sound_phone(phone)) {
			put_text(out, phone->e164, E164_MAX);
			put_text(out, phone->ext, EXTENSION_MAX);
			put_text(out, phone->raw, CONTACT_FIELD_MAX);
			frame_put_u8(out, (uint8_t)phone->kind);
		}
	}
}

static bool is_sound_url(const char *url)
{
	struct span s = span_str(url);

	return s.len <= CONTACT_FIELD_MAX && is_clean_text(s) &&
	       is_web_address(s);
}

static void put_urls(const struct contact *contact, struct strbuf *out)
{
	uint8_t count = 0;

	for (size_t i = 0; i < contact->url_count; i++) {
		count += is_sound_url(contact->urls[i]);
	}
	frame_put_u8(out, count);
	for (size_t i = 0; i < contact->url_count; i++) {
		if (is_sound_url(contact->urls[i])) {
			put_text(out, contact->urls[i], CONTACT_FIELD_MAX);
		}
	}
}

static uint32_t thousandths(double confidence)
{
	if (!(confidence > 0)) {
		return 0;
	}
	return confidence >= 1 ? CONFIDENCE_UNIT
			       : (uint32_t)(confidence * CONFIDENCE_UNIT + 0.5);
}

static void put_contact(const struct contact *contact, struct strbuf *out)
{
	frame_put_bytes(out, span_str(contact->email));
	put_text(out, contact->name, CONTACT_FIELD_MAX);
	put_text(out, contact->title, CONTACT_FIELD_MAX);
	put_text(out, contact->company, CONTACT_FIELD_MAX);
	put_text(out, contact->postal_address, CONTACT_FIELD_MAX);
	frame_put_u8(out, (uint8_t)contact->kind);
	frame_put_u8(out, (uint8_t)contact->role);
	frame_put_u8(out, (uint8_t)contact->sources);
	frame_put_u8(out, (uint8_t)contact->name_source);
	frame_put_u32(out, thousandths(contact->confidence));
	put_phones(contact, out);
	put_urls(contact, out);
}

int inspect_answer_encode(const struct inspect_answer *answer,
			  struct strbuf *out)
{
	const struct contact_list *contacts = &answer->contacts;
	size_t start = frame_begin(out);
	uint32_t count = 0;

	for (size_t i = 0; i < contacts->count; i++) {
		count += is_canonical_email(span_str(contacts->items[i].email));
	}
	frame_put_u8(out, INSPECT_VERSION);
	frame_put_u64(out, answer->id);
	frame_put_u8(out, (uint8_t)answer->reason);
	put_text(out, answer->note.text, FILTER_NOTE_SIZE - 1);
	put_text(out, answer->message_id, INSPECT_MAX_MESSAGE_ID);
	frame_put_u64(out, (uint64_t)answer->date);
	frame_put_u8(out, (uint8_t)answer->direction);
	frame_put_u32(out, count);
	for (size_t i = 0; i < contacts->count; i++) {
		if (is_canonical_email(span_str(contacts->items[i].email))) {
			put_contact(&contacts->items[i], out);
		}
	}
	return frame_end(out, start);
}

/* Answers, read. */

/* Read a text field; an empty one leaves NULL. */
static void get_text(struct frame_reader *reader, size_t max, char **text_r)
{
	struct span text = frame_get_bytes(reader, max);

	if (reader->failed || !is_clean_text(text)) {
		reader->failed = true;
		return;
	}
	if (text.len > 0) {
		*text_r = span_dup(text);
	}
}

static uint8_t get_enum(struct frame_reader *reader, unsigned int count)
{
	uint8_t value = frame_get_u8(reader);

	if (value >= count) {
		reader->failed = true;
		return 0;
	}
	return value;
}

static void get_phone(struct frame_reader *reader, struct phone *phone)
{
	get_text(reader, E164_MAX, &phone->e164);
	get_text(reader, EXTENSION_MAX, &phone->ext);
	get_text(reader, CONTACT_FIELD_MAX, &phone->raw);
	phone->kind = (enum phone_kind)get_enum(reader, PHONE_KIND_COUNT);
	if (!is_sound_phone(phone)) {
		reader->failed = true;
	}
}

static void get_url(struct frame_reader *reader, char **url)
{
	get_text(reader, CONTACT_FIELD_MAX, url);
	if (!is_web_address(span_str(*url))) {
		reader->failed = true;
	}
}

/* The address is the contact's key: it must be the canonical form of
   itself, and this answer's first with it. */
static struct contact *get_key(struct frame_reader *reader,
			       struct contact_list *contacts)
{
	struct span email = frame_get_bytes(reader, ADDRESS_EMAIL_MAX);
	size_t before = contacts->count;
	struct contact *contact;

	if (reader->failed || !is_canonical_email(email)) {
		reader->failed = true;
		return NULL;
	}
	contact = contact_list_get(contacts, email);
	if (contact == NULL || contacts->count == before) {
		reader->failed = true;
		return NULL;
	}
	return contact;
}

static void get_contact(struct frame_reader *reader,
			struct contact_list *contacts)
{
	struct contact *contact = get_key(reader, contacts);
	uint32_t confidence;
	size_t count;

	if (contact == NULL) {
		return;
	}
	get_text(reader, CONTACT_FIELD_MAX, &contact->name);
	get_text(reader, CONTACT_FIELD_MAX, &contact->title);
	get_text(reader, CONTACT_FIELD_MAX, &contact->company);
	get_text(reader, CONTACT_FIELD_MAX, &contact->postal_address);
	contact->kind = (enum contact_kind)get_enum(reader, CONTACT_KIND_COUNT);
	contact->role = (enum contact_role)get_enum(reader, CONTACT_ROLE_COUNT);
	contact->sources = get_enum(reader, CONTACT_SOURCE_ALL + 1);
	contact->name_source = get_enum(reader, CONTACT_SOURCE_ALL + 1);
	confidence = frame_get_u32(reader);
	if (confidence > CONFIDENCE_UNIT) {
		reader->failed = true;
	}
	contact->confidence = (double)confidence / CONFIDENCE_UNIT;
	count = get_enum(reader, CONTACT_PHONES_MAX + 1);
	for (size_t i = 0; i < count && !reader->failed; i++) {
		get_phone(reader, &contact->phones[contact->phone_count++]);
	}
	count = get_enum(reader, CONTACT_URLS_MAX + 1);
	for (size_t i = 0; i < count && !reader->failed; i++) {
		get_url(reader, &contact->urls[contact->url_count++]);
	}
}

/* Printable ASCII or UTF-8 into a buffer of size bytes with a NUL. */
static void get_buffer(struct frame_reader *reader, char *out, size_t size)
{
	struct span text = frame_get_bytes(reader, size - 1);

	if (reader->failed || !is_clean_text(text)) {
		reader->failed = true;
		return;
	}
	if (text.len > 0) {
		memcpy(out, text.ptr, text.len);
	}
	out[text.len] = '\0';
}

int inspect_answer_decode(struct span body, struct inspect_answer *answer_r,
			  struct error *err_r)
{
	struct frame_reader reader = frame_reader(body);
	uint8_t version = frame_get_u8(&reader);
	uint64_t date;
	uint32_t count;

	*answer_r = (struct inspect_answer){ .id = frame_get_u64(&reader) };
	answer_r->reason =
		(enum skip_reason)get_enum(&reader, SKIP_REASON_COUNT);
	get_buffer(&reader, answer_r->note.text, sizeof(answer_r->note.text));
	get_buffer(&reader, answer_r->message_id, sizeof(answer_r->message_id));
	date = frame_get_u64(&reader);
	answer_r->direction =
		(enum message_direction)get_enum(&reader, MESSAGE_OUTGOING + 1);
	count = frame_get_u32(&reader);
	if (version != INSPECT_VERSION || date > INT64_MAX ||
	    count > CONTACTS_MAX ||
	    (count > 0 && answer_r->reason != SKIP_NONE)) {
		reader.failed = true;
	}
	answer_r->date = (int64_t)date;
	for (uint32_t i = 0; i < count && !reader.failed; i++) {
		get_contact(&reader, &answer_r->contacts);
	}
	if (!frame_reader_done(&reader)) {
		inspect_answer_finish(answer_r);
		return error_set(err_r, "a malformed answer");
	}
	return 0;
}

void inspect_answer_finish(struct inspect_answer *answer)
{
	contact_list_finish(&answer->contacts);
}

int inspect_hello_encode(struct strbuf *out)
{
	size_t start = frame_begin(out);

	frame_put_u8(out, INSPECT_VERSION);
	frame_put_bytes(out, SPAN(HELLO));
	return frame_end(out, start);
}

bool inspect_hello_is_right(struct span body)
{
	struct frame_reader reader = frame_reader(body);
	uint8_t version = frame_get_u8(&reader);
	struct span name = frame_get_bytes(&reader, sizeof(HELLO));

	return frame_reader_done(&reader) && version == INSPECT_VERSION &&
	       span_eq(name, SPAN(HELLO));
}
