/* part_list: the parts of a message. The only file that knows libetpan, which
   finds their outline after mime_scan has bounded it; encodings and charsets
   are undone by our own neighbours. */
#include "message/part_list.h"

#include <libetpan/libetpan.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/xalloc.h"
#include "message/address.h"
#include "message/charset.h"
#include "message/encoded_word.h"
#include "message/mime_scan.h"
#include "message/transfer.h"

static struct span clean_copy(struct arena *arena, struct span raw)
{
	struct strbuf out = STRBUF_INIT(raw.len * 4 + 64);
	struct span value;

	encoded_word_decode(raw, &out);
	value = arena_copy(arena, span_trim(strbuf_span(&out)));
	strbuf_finish(&out);
	return value;
}

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

static struct span media_type_of(struct part_list *list,
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
	result = clean_copy(list->arena, span_str(text));
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

static bool is_utf8_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Length of a line end and the white space that folds the next line to it, at
   the head of s; 0 when there is none (RFC 5545 3.1). */
static size_t fold_length(struct span s)
{
	size_t len = span_starts(s, SPAN("\r\n")) ? 2 : 1;

	if (len == 1 && !span_starts(s, SPAN("\n"))) {
		return 0;
	}
	return s.len > len && (s.ptr[len] == ' ' || s.ptr[len] == '\t')
		       ? len + 1
		       : 0;
}

/* Cards and invitations are folded by octets, so a fold may stand inside a
   character, which no charset decoder would forgive. Only such folds are
   undone here; the others are for the reader of content lines. */
static void join_folded_characters(struct span body, struct strbuf *out)
{
	size_t done = 0;

	for (size_t i = 0; i < body.len; i++) {
		size_t fold = fold_length(span_from(body, i));

		if (fold > 0 && i + fold < body.len &&
		    is_utf8_continuation(body.ptr[i + fold])) {
			strbuf_add(out, span_of(body.ptr + done, i - done));
			i += fold - 1;
			done = i + 1;
		}
	}
	strbuf_add(out, span_from(body, done));
}

static struct span decode_text(struct part_list *list,
			       const struct mailmime *mime,
			       enum message_part_kind kind)
{
	int encoding;
	struct span body = body_of(mime, &encoding);
	struct strbuf bytes = STRBUF_INIT(body.len + 8);
	struct strbuf joined = STRBUF_INIT(body.len + 8);
	struct strbuf text = STRBUF_INIT(MESSAGE_MAX_TEXT - list->text_bytes);
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
	if (kind == MESSAGE_PART_VCARD || kind == MESSAGE_PART_CALENDAR) {
		join_folded_characters(body, &joined);
		body = strbuf_span(&joined);
	}
	charset_to_utf8(charset, body, &text);
	normalise_line_ends(&text);
	result = arena_copy(list->arena, strbuf_span(&text));
	list->text_bytes += result.len;
	strbuf_wipe(&bytes);
	strbuf_wipe(&joined);
	strbuf_wipe(&text);
	return result;
}

static struct message_part *new_part(struct part_list *list)
{
	if (list->count == list->size) {
		list->size = list->size == 0 ? 8 : list->size * 2;
		list->items = xreallocarray(list->items, list->size,
					    sizeof(*list->items));
	}
	memset(&list->items[list->count], 0, sizeof(*list->items));
	return &list->items[list->count++];
}

/* Where in the tree: the IMAP section number being built. */
struct place {
	char section[MIME_SCAN_MAX_DEPTH * 6];
	size_t depth;
	bool is_nested;
	struct address author;
};

static void add_part(struct part_list *list, const struct mailmime *mime,
		     const struct place *place)
{
	struct message_part *part = new_part(list);
	struct span file = file_name(mime);
	bool is_text;

	part->media_type = media_type_of(list, mime->mm_content_type);
	part->kind = kind_of(part->media_type, file);
	part->section = arena_copy(list->arena, span_str(place->section));
	part->is_nested = place->is_nested;
	part->nested_author = place->author;
	is_text = part->kind == MESSAGE_PART_PLAIN ||
		  part->kind == MESSAGE_PART_HTML;
	/* A later text with a file name is a document shown inline. */
	part->is_attachment = is_attached(mime) ||
			      (is_text && file.len > 0 && list->count > 1);
	part->format_flowed = span_ieq(
		parameter(mime->mm_content_type, "format"), SPAN("flowed"));
	part->delsp = span_ieq(parameter(mime->mm_content_type, "delsp"),
			       SPAN("yes"));
	part->text = SPAN("");
	if (part->kind != MESSAGE_PART_OTHER &&
	    !(is_text && part->is_attachment)) {
		part->text = decode_text(list, mime, part->kind);
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

static void walk(struct part_list *list, const struct mailmime *mime,
		 const struct place *place);

static void walk_children(struct part_list *list, const clist *children,
			  const struct place *place)
{
	unsigned int index = 0;

	if (children == NULL) {
		return;
	}
	for (clistiter *i = clist_begin(children); i != NULL;
	     i = clist_next(i)) {
		struct place child = below(place, ++index);

		walk(list, clist_content(i), &child);
	}
}

/* The body of a message: a multipart's children carry on its number, anything
   else is its part 1 (RFC 9051 6.4.5.1). */
static void walk_message(struct part_list *list, const struct mailmime *mime,
			 const struct place *place)
{
	const struct mailmime *body = mime->mm_data.mm_message.mm_msg_mime;
	struct place child;

	if (body == NULL) {
		return;
	}
	if (body->mm_type == MAILMIME_MULTIPLE) {
		walk(list, body, place);
		return;
	}
	child = below(place, 1);
	walk(list, body, &child);
}

/* The author of a nested message, from its raw header. */
static struct address author_of(struct part_list *list,
				const struct mailmime *mime)
{
	struct address author = { .email = SPAN("") };
	struct address_list from = { 0 };
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
			address_parse(value, list->arena, &from);
		}
	}
	if (from.count == 1 && !from.unreadable) {
		author = from.items[0];
	}
	address_list_finish(&from);
	return author;
}

static void walk(struct part_list *list, const struct mailmime *mime,
		 const struct place *place)
{
	struct place nested;

	if (place->depth > MIME_SCAN_MAX_DEPTH ||
	    list->count >= MIME_SCAN_MAX_PARTS) {
		list->too_many = true;
		return;
	}
	switch (mime->mm_type) {
	case MAILMIME_MULTIPLE:
		walk_children(list, mime->mm_data.mm_multipart.mm_mp_list,
			      place);
		break;
	case MAILMIME_MESSAGE:
		nested = *place;
		nested.is_nested = true;
		nested.author = author_of(list, mime);
		walk_message(list, mime, &nested);
		break;
	default:
		add_part(list, mime, place);
		break;
	}
}

int part_list_read(struct part_list *list, struct span mime,
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
		list->media_type = media_type_of(
			list,
			root->mm_data.mm_message.mm_msg_mime->mm_content_type);
		walk_message(list, root, &place);
	}
	mailmime_free(root);
	return 0;
}

void part_list_init(struct part_list *list, struct arena *arena)
{
	*list = (struct part_list){ .arena = arena,
				    .media_type = SPAN("text/plain") };
}

void part_list_finish(struct part_list *list)
{
	free(list->items);
	list->items = NULL;
	list->count = 0;
}
