/* message: one parsed RFC 5322 message. The only file that knows libetpan,
   which gets the outline of the parts to find, after mime_scan, and of the
   message's own header only the Content- fields. Header fields, addresses,
   encodings and charsets are read by our own neighbours. */
#include "message/message.h"

#include <libetpan/libetpan.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/xalloc.h"
#include "message/address.h"
#include "message/arena.h"
#include "message/charset.h"
#include "message/encoded_word.h"
#include "message/message_date.h"
#include "message/mime_scan.h"
#include "message/transfer.h"

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
	struct message_part *parts;
	size_t part_count;
	size_t part_size;
	size_t text_bytes;
	struct span media_type;
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

/* Parts. */

static const char *discrete_name(const struct mailmime_discrete_type *type)
{
	switch (type->dt_type) {
	case MAILMIME_DISCRETE_TYPE_TEXT:
		return "text";
	case MAILMIME_DISCRETE_TYPE_IMAGE:
		return "image";
	case MAILMIME_DISCRETE_TYPE_AUDIO:
		return "audio";
	case MAILMIME_DISCRETE_TYPE_VIDEO:
		return "video";
	case MAILMIME_DISCRETE_TYPE_APPLICATION:
		return "application";
	default:
		return type->dt_extension != NULL ? type->dt_extension : "x";
	}
}

static const char *composite_name(const struct mailmime_composite_type *type)
{
	switch (type->ct_type) {
	case MAILMIME_COMPOSITE_TYPE_MESSAGE:
		return "message";
	case MAILMIME_COMPOSITE_TYPE_MULTIPART:
		return "multipart";
	default:
		return type->ct_token != NULL ? type->ct_token : "x";
	}
}

static struct span media_type_of(struct message *msg,
				 const struct mailmime_content *content)
{
	const char *type;
	char *text;
	struct span result;

	if (content == NULL || content->ct_type == NULL) {
		return SPAN("text/plain");
	}
	if (content->ct_type->tp_type == MAILMIME_TYPE_DISCRETE_TYPE) {
		type = discrete_name(
			content->ct_type->tp_data.tp_discrete_type);
	} else {
		type = composite_name(
			content->ct_type->tp_data.tp_composite_type);
	}
	text = xasprintf("%s/%s", type,
			 content->ct_subtype == NULL ? ""
						     : content->ct_subtype);
	for (char *c = text; *c != '\0'; c++) {
		*c = ascii_lower(*c);
	}
	result = decode_value(msg, span_str(text));
	free(text);
	return result;
}

/* The value of a Content-Type parameter; also in the form of RFC 2231
   (charset*=utf-8''value), which stands for the same. */
static struct span parameter(const struct mailmime_content *content,
			     const char *name)
{
	struct span wanted = span_str(name);

	if (content == NULL || content->ct_parameters == NULL) {
		return SPAN("");
	}
	for (clistiter *i = clist_begin(content->ct_parameters); i != NULL;
	     i = clist_next(i)) {
		const struct mailmime_parameter *p = clist_content(i);
		struct span found = span_str(p->pa_name);
		struct span value = span_str(p->pa_value);
		const char *quote;

		if (span_ieq(found, wanted)) {
			return span_trim(value);
		}
		if (span_istarts(found, wanted) &&
		    found.ptr[wanted.len] == '*') {
			quote = strrchr(p->pa_value, '\'');
			return quote == NULL ? value : span_str(quote + 1);
		}
	}
	return SPAN("");
}

static struct mailmime_disposition *disposition_of(const struct mailmime *mime)
{
	if (mime->mm_mime_fields == NULL ||
	    mime->mm_mime_fields->fld_list == NULL) {
		return NULL;
	}
	for (clistiter *i = clist_begin(mime->mm_mime_fields->fld_list);
	     i != NULL; i = clist_next(i)) {
		struct mailmime_field *field = clist_content(i);

		if (field->fld_type == MAILMIME_FIELD_DISPOSITION) {
			return field->fld_data.fld_disposition;
		}
	}
	return NULL;
}

/* The file name a part goes by; encoded forms keep their extension. */
static struct span file_name(const struct mailmime *mime)
{
	struct mailmime_disposition *disposition = disposition_of(mime);

	if (disposition != NULL && disposition->dsp_parms != NULL) {
		for (clistiter *i = clist_begin(disposition->dsp_parms);
		     i != NULL; i = clist_next(i)) {
			struct mailmime_disposition_parm *p = clist_content(i);

			if (p->pa_type == MAILMIME_DISPOSITION_PARM_FILENAME) {
				return span_str(p->pa_data.pa_filename);
			}
			if (p->pa_type == MAILMIME_DISPOSITION_PARM_PARAMETER &&
			    span_istarts(
				    span_str(p->pa_data.pa_parameter->pa_name),
				    SPAN("filename*"))) {
				return span_str(
					p->pa_data.pa_parameter->pa_value);
			}
		}
	}
	return parameter(mime->mm_content_type, "name");
}

static bool is_attached(const struct mailmime *mime)
{
	struct mailmime_disposition *disposition = disposition_of(mime);

	return disposition != NULL && disposition->dsp_type != NULL &&
	       disposition->dsp_type->dsp_type ==
		       MAILMIME_DISPOSITION_TYPE_ATTACHMENT;
}

static enum message_part_kind kind_of(struct span media_type, struct span file)
{
	static const struct {
		const char *type;
		enum message_part_kind kind;
	} kinds[] = {
		{ "text/plain", MESSAGE_PART_PLAIN },
		{ "text/html", MESSAGE_PART_HTML },
		{ "text/vcard", MESSAGE_PART_VCARD },
		{ "text/x-vcard", MESSAGE_PART_VCARD },
		{ "text/directory", MESSAGE_PART_VCARD },
		{ "application/vcard", MESSAGE_PART_VCARD },
		{ "text/calendar", MESSAGE_PART_CALENDAR },
		{ "application/ics", MESSAGE_PART_CALENDAR },
		{ "message/delivery-status", MESSAGE_PART_REPORT },
		{ "message/global-delivery-status", MESSAGE_PART_REPORT },
		{ "message/disposition-notification", MESSAGE_PART_REPORT },
		{ "message/feedback-report", MESSAGE_PART_REPORT },
	};

	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		if (span_eq(media_type, span_str(kinds[i].type))) {
			return kinds[i].kind;
		}
	}
	/* A Content-Type without a subtype is as good as none. */
	if (span_iends(media_type, SPAN("/unknown"))) {
		return MESSAGE_PART_PLAIN;
	}
	/* Cards and invitations are also sent as unnamed bytes. */
	if (span_eq(media_type, SPAN("application/octet-stream"))) {
		if (span_iends(file, SPAN(".vcf"))) {
			return MESSAGE_PART_VCARD;
		}
		if (span_iends(file, SPAN(".ics"))) {
			return MESSAGE_PART_CALENDAR;
		}
	}
	return MESSAGE_PART_OTHER;
}

/* CRLF to LF, in place; a CR alone ends a line, too. */
static void normalise_line_ends(struct strbuf *text)
{
	size_t to = 0;

	if (text->len == 0 || memchr(text->ptr, '\r', text->len) == NULL) {
		return;
	}
	for (size_t i = 0; i < text->len; i++) {
		char c = text->ptr[i];

		if (c == '\r') {
			if (i + 1 < text->len && text->ptr[i + 1] == '\n') {
				continue;
			}
			c = '\n';
		}
		text->ptr[to++] = c;
	}
	text->len = to;
}

/* An HTML part without a charset in its header may name it itself. */
static struct span html_charset(struct span html)
{
	struct span head = span_first(html, 2048);
	ptrdiff_t at = span_isearch(head, SPAN("charset="));
	size_t len = 0;

	if (at < 0) {
		return SPAN("");
	}
	head = span_from(head, (size_t)at + 8);
	while (head.len > 0 && (head.ptr[0] == '"' || head.ptr[0] == '\'')) {
		head = span_from(head, 1);
	}
	while (len < head.len && (ascii_is_alpha(head.ptr[len]) ||
				  ascii_is_digit(head.ptr[len]) ||
				  memchr("-_:.", head.ptr[len], 4) != NULL)) {
		len++;
	}
	return span_first(head, len);
}

static struct span body_of(const struct mailmime *mime, int *encoding_r)
{
	const struct mailmime_data *data = mime->mm_data.mm_single;

	*encoding_r = MAILMIME_MECHANISM_8BIT;
	if (data == NULL || data->dt_type != MAILMIME_DATA_TEXT ||
	    data->dt_data.dt_text.dt_data == NULL) {
		return SPAN("");
	}
	*encoding_r = data->dt_encoding;
	return span_of(data->dt_data.dt_text.dt_data,
		       data->dt_data.dt_text.dt_length);
}

static struct span decode_text(struct message *msg, const struct mailmime *mime,
			       enum message_part_kind kind)
{
	int encoding;
	struct span body = body_of(mime, &encoding);
	struct strbuf bytes = STRBUF_INIT(body.len + 8);
	struct strbuf text = STRBUF_INIT(MESSAGE_MAX_TEXT - msg->text_bytes);
	struct span charset = parameter(mime->mm_content_type, "charset");
	struct span result;

	if (encoding == MAILMIME_MECHANISM_BASE64) {
		transfer_base64(body, &bytes);
		body = strbuf_span(&bytes);
	} else if (encoding == MAILMIME_MECHANISM_QUOTED_PRINTABLE) {
		transfer_quoted_printable(body, &bytes);
		body = strbuf_span(&bytes);
	}
	if (charset.len == 0 && kind == MESSAGE_PART_HTML) {
		charset = html_charset(body);
	}
	charset_to_utf8(charset, body, &text);
	normalise_line_ends(&text);
	result = arena_copy(&msg->arena, strbuf_span(&text));
	msg->text_bytes += result.len;
	strbuf_wipe(&bytes);
	strbuf_wipe(&text);
	return result;
}

static struct message_part *new_part(struct message *msg)
{
	if (msg->part_count == msg->part_size) {
		msg->part_size = msg->part_size == 0 ? 8 : msg->part_size * 2;
		msg->parts = xreallocarray(msg->parts, msg->part_size,
					   sizeof(*msg->parts));
	}
	memset(&msg->parts[msg->part_count], 0, sizeof(*msg->parts));
	return &msg->parts[msg->part_count++];
}

/* Where in the tree: the IMAP section number being built. */
struct place {
	char section[MIME_SCAN_MAX_DEPTH * 6];
	size_t depth;
	bool is_nested;
	struct address author;
};

static void add_part(struct message *msg, const struct mailmime *mime,
		     const struct place *place)
{
	struct message_part *part = new_part(msg);
	struct span file = file_name(mime);
	bool is_text;

	part->media_type = media_type_of(msg, mime->mm_content_type);
	part->kind = kind_of(part->media_type, file);
	part->section = arena_copy(&msg->arena, span_str(place->section));
	part->is_nested = place->is_nested;
	part->nested_author = place->author;
	is_text = part->kind == MESSAGE_PART_PLAIN ||
		  part->kind == MESSAGE_PART_HTML;
	/* A later text with a file name is a document shown inline. */
	part->is_attachment = is_attached(mime) ||
			      (is_text && file.len > 0 && msg->part_count > 1);
	part->format_flowed = span_ieq(
		parameter(mime->mm_content_type, "format"), SPAN("flowed"));
	part->delsp = span_ieq(parameter(mime->mm_content_type, "delsp"),
			       SPAN("yes"));
	part->text = SPAN("");
	if (part->kind != MESSAGE_PART_OTHER &&
	    !(is_text && part->is_attachment)) {
		part->text = decode_text(msg, mime, part->kind);
	}
}

/* The place of the index-th child. */
static struct place below(const struct place *place, unsigned int index)
{
	struct place child = *place;
	size_t len = strlen(child.section);

	child.depth++;
	snprintf(child.section + len, sizeof(child.section) - len, "%s%u",
		 len == 0 ? "" : ".", index);
	return child;
}

static void walk(struct message *msg, const struct mailmime *mime,
		 const struct place *place);

static void walk_children(struct message *msg, const clist *children,
			  const struct place *place)
{
	unsigned int index = 0;

	if (children == NULL) {
		return;
	}
	for (clistiter *i = clist_begin(children); i != NULL;
	     i = clist_next(i)) {
		struct place child = below(place, ++index);

		walk(msg, clist_content(i), &child);
	}
}

/* The body of a message: a multipart's children carry on its number, anything
   else is its part 1 (RFC 9051 6.4.5.1). */
static void walk_message(struct message *msg, const struct mailmime *mime,
			 const struct place *place)
{
	const struct mailmime *body = mime->mm_data.mm_message.mm_msg_mime;
	struct place child;

	if (body == NULL) {
		return;
	}
	if (body->mm_type == MAILMIME_MULTIPLE) {
		walk(msg, body, place);
		return;
	}
	child = below(place, 1);
	walk(msg, body, &child);
}

/* The author of a nested message, from its raw header. */
static struct address author_of(struct message *msg,
				const struct mailmime *mime)
{
	struct address author = { .email = SPAN("") };
	struct address_list list = { 0 };
	struct span rest = SPAN("");
	struct span name;
	struct span value;

	if (mime->mm_body != NULL &&
	    mime->mm_body->dt_type == MAILMIME_DATA_TEXT &&
	    mime->mm_body->dt_data.dt_text.dt_data != NULL) {
		rest = span_of(mime->mm_body->dt_data.dt_text.dt_data,
			       mime->mm_body->dt_data.dt_text.dt_length);
	}
	while (mime_scan_field(&rest, &name, &value)) {
		if (span_ieq(name, SPAN("From"))) {
			address_parse(value, &msg->arena, &list);
		}
	}
	if (list.count == 1 && !list.unreadable) {
		author = list.items[0];
	}
	address_list_finish(&list);
	return author;
}

static void walk(struct message *msg, const struct mailmime *mime,
		 const struct place *place)
{
	struct place nested;

	if (place->depth > MIME_SCAN_MAX_DEPTH ||
	    msg->part_count >= MIME_SCAN_MAX_PARTS) {
		msg->scan.ambiguity = "more parts than the scan saw";
		return;
	}
	switch (mime->mm_type) {
	case MAILMIME_MULTIPLE:
		walk_children(msg, mime->mm_data.mm_multipart.mm_mp_list,
			      place);
		break;
	case MAILMIME_MESSAGE:
		nested = *place;
		nested.is_nested = true;
		nested.author = author_of(msg, mime);
		walk_message(msg, mime, &nested);
		break;
	default:
		add_part(msg, mime, place);
		break;
	}
}

/* Find the parts of mime: our Content- fields, an empty line, the body. */
static int read_parts(struct message *msg, struct span mime,
		      struct error *err_r)
{
	struct place place = { .section = "", .author = { .email = SPAN("") } };
	struct mailmime *root = NULL;
	size_t index = 0;

	if (mailmime_parse(mime.ptr, mime.len, &index, &root) !=
		    MAILIMF_NO_ERROR ||
	    root == NULL) {
		return error_set(err_r, "the parts cannot be read");
	}
	if (root->mm_type == MAILMIME_MESSAGE &&
	    root->mm_data.mm_message.mm_msg_mime != NULL) {
		msg->media_type = media_type_of(
			msg,
			root->mm_data.mm_message.mm_msg_mime->mm_content_type);
		walk_message(msg, root, &place);
	}
	mailmime_free(root);
	return 0;
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

	msg->media_type = SPAN("text/plain");
	msg->id = SPAN("");
	if (result == 0) {
		strbuf_reserve(&mime, bytes.len + 64);
		read_header(msg, span_first(bytes, msg->scan.header_bytes),
			    &mime);
		strbuf_add(&mime, span_from(bytes, msg->scan.header_bytes));
		result = read_parts(msg, strbuf_span(&mime), err_r);
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
	free(msg->parts);
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
	*count_r = msg->part_count;
	return msg->parts;
}

struct span message_media_type(const struct message *msg)
{
	return msg->media_type;
}

struct span message_id(const struct message *msg)
{
	return msg->id;
}

int64_t message_date(const struct message *msg)
{
	return msg->date;
}
