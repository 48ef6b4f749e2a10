/* message: one parsed RFC 5322 message. Reads the header; the outline of the
   body is part_list's. Knows nothing of what a message is good for. */
#include "message/message.h"

#include <stdlib.h>

#include "lib/xalloc.h"
#include "message/address.h"
#include "message/arena.h"
#include "message/charset.h"
#include "message/encoded_word.h"
#include "message/message_date.h"
#include "message/mime_scan.h"
#include "message/part_list.h"

struct field {
	struct span name;
	struct span value;
};

struct message {
	struct arena arena;
	struct mime_scan scan;
	struct field *fields;
	size_t field_count;
	size_t field_size;
	struct address_list addresses[MESSAGE_ADDRESS_HEADER_COUNT];
	struct part_list parts;
	struct span id;
	int64_t date;
};

static const char *const address_header_names[] = {
	[MESSAGE_FROM] = "From", [MESSAGE_SENDER] = "Sender",
	[MESSAGE_TO] = "To",	 [MESSAGE_REPLY_TO] = "Reply-To",
	[MESSAGE_CC] = "Cc",	 [MESSAGE_BCC] = "Bcc",
};
_Static_assert(N_ELEMENTS(address_header_names) == MESSAGE_ADDRESS_HEADER_COUNT,
	       "every address header has a name");

/* Header fields. */

static struct span decode_value(struct message *msg, struct span raw)
{
	struct strbuf out = STRBUF_INIT(raw.len * 4 + 64);
	struct span value;

	encoded_word_decode(raw, &out);
	value = arena_copy(&msg->arena, span_trim(strbuf_span(&out)));
	strbuf_finish(&out);
	return value;
}

static void add_field(struct message *msg, struct span name, struct span raw)
{
	struct field *field;

	if (msg->field_count == msg->field_size) {
		msg->field_size =
			msg->field_size == 0 ? 64 : msg->field_size * 2;
		msg->fields = xreallocarray(msg->fields, msg->field_size,
					    sizeof(*msg->fields));
	}
	field = &msg->fields[msg->field_count++];
	field->name = arena_copy(&msg->arena, name);
	field->value = decode_value(msg, raw);
}

static void add_addresses(struct message *msg, struct span name,
			  struct span raw)
{
	for (size_t i = 0; i < MESSAGE_ADDRESS_HEADER_COUNT; i++) {
		if (span_ieq(name, span_str(address_header_names[i]))) {
			address_parse(raw, &msg->arena, &msg->addresses[i]);
			return;
		}
	}
}

static struct span without_brackets(struct span value)
{
	ptrdiff_t open = span_find(value, '<');
	ptrdiff_t close;

	if (open < 0) {
		return value;
	}
	value = span_from(value, (size_t)open + 1);
	close = span_find(value, '>');
	return close < 0 ? value : span_first(value, (size_t)close);
}

/* Read the fields; append those that describe the body to mime. */
static void read_header(struct message *msg, struct span header,
			struct strbuf *mime)
{
	struct span name;
	struct span raw;

	while (mime_scan_field(&header, &name, &raw)) {
		add_field(msg, name, raw);
		add_addresses(msg, name, raw);
		if (span_istarts(name, SPAN("Content-"))) {
			strbuf_add(mime, name);
			strbuf_add(mime, SPAN(":"));
			strbuf_add(mime, raw);
			strbuf_add(mime, SPAN("\r\n"));
		}
	}
	strbuf_add(mime, SPAN("\r\n"));
	if (message_header(msg, "Message-ID", 0, &msg->id)) {
		msg->id = span_trim(without_brackets(msg->id));
	}
	if (message_header(msg, "Date", 0, &raw)) {
		msg->date = message_date_parse(raw);
	}
}

void message_warm_up(void)
{
	charset_warm_up();
}

struct message *message_create(struct span bytes, struct error *err_r)
{
	struct message *msg = xcalloc(1, sizeof(*msg));
	struct strbuf mime = STRBUF_INIT(bytes.len * 2 + 64);
	int result = mime_scan(bytes, &msg->scan, err_r);

	part_list_init(&msg->parts, &msg->arena);
	msg->id = SPAN("");
	if (result == 0) {
		strbuf_reserve(&mime, bytes.len + 64);
		read_header(msg, span_first(bytes, msg->scan.header_bytes),
			    &mime);
		strbuf_add(&mime, span_from(bytes, msg->scan.header_bytes));
		result = part_list_read(&msg->parts, strbuf_span(&mime), err_r);
	}
	if (msg->parts.too_many) {
		msg->scan.ambiguity = "more parts than the scan saw";
	}
	strbuf_wipe(&mime);
	if (result < 0) {
		message_destroy(&msg);
	}
	return msg;
}

void message_destroy(struct message **msg_p)
{
	struct message *msg = *msg_p;

	*msg_p = NULL;
	if (msg == NULL) {
		return;
	}
	for (size_t i = 0; i < MESSAGE_ADDRESS_HEADER_COUNT; i++) {
		address_list_finish(&msg->addresses[i]);
	}
	free(msg->fields);
	part_list_finish(&msg->parts);
	arena_finish(&msg->arena);
	free(msg);
}

/* Questions. */

bool message_header(const struct message *msg, const char *name, size_t index,
		    struct span *value_r)
{
	struct span wanted = span_str(name);

	for (size_t i = 0; i < msg->field_count; i++) {
		if (span_ieq(msg->fields[i].name, wanted) && index-- == 0) {
			*value_r = msg->fields[i].value;
			return true;
		}
	}
	return false;
}

bool message_header_at(const struct message *msg, size_t nth,
		       struct span *name_r, struct span *value_r)
{
	if (nth >= msg->field_count) {
		return false;
	}
	*name_r = msg->fields[nth].name;
	*value_r = msg->fields[nth].value;
	return true;
}

const struct address *message_addresses(const struct message *msg,
					enum message_address_header header,
					size_t *count_r)
{
	*count_r = msg->addresses[header].count;
	return msg->addresses[header].items;
}

bool message_addresses_unreadable(const struct message *msg)
{
	for (size_t i = 0; i < MESSAGE_ADDRESS_HEADER_COUNT; i++) {
		if (msg->addresses[i].unreadable) {
			return true;
		}
	}
	return msg->addresses[MESSAGE_FROM].count == 0;
}

const char *message_ambiguity(const struct message *msg)
{
	return msg->scan.ambiguity;
}

bool message_header_is_complete(const struct message *msg)
{
	return msg->scan.header_complete;
}

const struct message_part *message_parts(const struct message *msg,
					 size_t *count_r)
{
	*count_r = msg->parts.count;
	return msg->parts.items;
}

struct span message_media_type(const struct message *msg)
{
	return msg->parts.media_type;
}

struct span message_id(const struct message *msg)
{
	return msg->id;
}

int64_t message_date(const struct message *msg)
{
	return msg->date;
}
