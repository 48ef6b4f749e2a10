/* imap_compose: chooses the richest of what is there. */
#include "imap/imap_compose.h"

#include <stdio.h>
#include <stdlib.h>

#include "imap/imap_envelope.h"

/* Added to what the pieces have: header lines and boundaries of our own. */
#define COMPOSE_OVERHEAD (64 * 1024)

/* Cut one field with its folded lines off *rest. Return false at the empty
   line that ends a header, and at the end. */
static bool next_field(struct span *rest, struct span *field_r)
{
	struct span in = *rest;
	size_t len = 0;

	if (in.len == 0 || in.ptr[0] == '\r' || in.ptr[0] == '\n') {
		return false;
	}
	do {
		ptrdiff_t end = span_find(span_from(in, len), '\n');

		len = end < 0 ? in.len : len + (size_t)end + 1;
	} while (len < in.len && (in.ptr[len] == ' ' || in.ptr[len] == '\t'));
	*field_r = span_first(in, len);
	*rest = span_from(in, len);
	return true;
}

static struct span field_name(struct span field)
{
	ptrdiff_t colon = span_find(field, ':');

	return span_trim(span_first(field, colon < 0 ? 0 : (size_t)colon));
}

static void add_field(struct strbuf *out, struct span field)
{
	strbuf_add(out, field);
	if (field.len > 0 && field.ptr[field.len - 1] != '\n') {
		strbuf_add_str(out, "\r\n");
	}
}

static bool is_mime_field(struct span name)
{
	return span_istarts(name, SPAN("Content-")) ||
	       span_ieq(name, SPAN("MIME-Version"));
}

static bool has_field(struct span header, struct span name)
{
	struct span field;

	while (next_field(&header, &field)) {
		if (span_ieq(field_name(field), name)) {
			return true;
		}
	}
	return false;
}

/* Which fields of a header block are wanted. */
struct field_choice {
	bool without_mime;
	bool without_encoding;
	bool without_envelope;
};

static void add_fields(struct strbuf *out, struct span header,
		       struct field_choice choice)
{
	struct span field;

	while (next_field(&header, &field)) {
		struct span name = field_name(field);

		if ((choice.without_mime && is_mime_field(name)) ||
		    (choice.without_encoding &&
		     span_ieq(name, SPAN("Content-Transfer-Encoding"))) ||
		    (choice.without_envelope &&
		     imap_envelope_has_field(name))) {
			continue;
		}
		add_field(out, field);
	}
}

/* Append the fields of all BODY[HEADER.FIELDS ...] there are. */
static void add_selected_fields(const struct imap_gather_entry *entry,
				struct field_choice choice, struct strbuf *out)
{
	for (size_t i = 0; i < entry->piece_count; i++) {
		const struct imap_gather_piece *piece = entry->pieces[i];

		if (piece->section.kind == IMAP_SECTION_FIELDS) {
			add_fields(out, imap_gather_prefix(piece), choice);
		}
	}
}

/* Append the header block without its empty line. Return whether it came
   whole from the message; says who wrote it or nothing is appended. */
static bool add_header(const struct imap_gather_entry *entry, bool without_mime,
		       struct strbuf *out)
{
	const struct imap_gather_piece *header =
		imap_gather_find(entry, IMAP_SECTION_HEADER);
	struct field_choice choice = { .without_mime = without_mime };
	size_t before = out->len;

	if (header != NULL && imap_gather_prefix(header).len > 0) {
		add_fields(out, imap_gather_prefix(header), choice);
		return !header->truncated;
	}
	choice.without_envelope =
		entry->envelope.len > 0 &&
		imap_envelope_header(strbuf_span(&entry->envelope), out) == 0;
	add_selected_fields(entry, choice, out);
	if (!has_field(span_from(strbuf_span(out), before), SPAN("From"))) {
		out->len = before;
	}
	return false;
}

/* -- parts -- */

static int compare_parts(const void *a, const void *b)
{
	const struct imap_gather_piece *const *left = a;
	const struct imap_gather_piece *const *right = b;

	return strverscmp((*left)->section.path, (*right)->section.path);
}

static const struct imap_gather_piece *
mime_header_of(const struct imap_gather_entry *entry, const char *path)
{
	for (size_t i = 0; i < entry->piece_count; i++) {
		if (entry->pieces[i]->section.kind == IMAP_SECTION_MIME &&
		    strcmp(entry->pieces[i]->section.path, path) == 0) {
			return entry->pieces[i];
		}
	}
	return NULL;
}

/* Append the MIME header of a part. Return false when nothing says what its
   bytes are: base64 taken for text would teach nonsense. */
static bool add_part_header(const struct imap_gather_entry *entry,
			    const struct imap_gather_piece *part,
			    struct strbuf *out)
{
	const struct imap_gather_piece *mime =
		mime_header_of(entry, part->section.path);
	struct imap_part_info info;

	if (entry->structure.len > 0 &&
	    imap_structure_part(strbuf_span(&entry->structure),
				part->section.path, &info)) {
		imap_part_header(&info, part->section.decoded, out);
		return true;
	}
	if (mime != NULL && imap_gather_is_whole(mime)) {
		add_fields(out, imap_gather_prefix(mime),
			   (struct field_choice){
				   .without_encoding = part->section.decoded,
			   });
		return true;
	}
	return false;
}

/* A boundary that no part has a line of. */
static void choose_boundary(const struct imap_gather_piece *const *parts,
			    size_t count, char *boundary_r, size_t size)
{
	for (unsigned int n = 0; n < 1000; n++) {
		bool found = false;

		snprintf(boundary_r, size, "=_postern_%u", n);
		for (size_t i = 0; i < count && !found; i++) {
			found = span_search(imap_gather_prefix(parts[i]),
					    span_str(boundary_r)) >= 0;
		}
		if (!found) {
			return;
		}
	}
}

/* Append the parts that are known as a multipart body, with its header lines
   before. Return how many there were. */
static size_t add_parts(const struct imap_gather_entry *entry,
			struct strbuf *out)
{
	const struct imap_gather_piece *parts[IMAP_GATHER_PIECES];
	size_t count = 0;
	size_t added = 0;
	char boundary[32];

	for (size_t i = 0; i < entry->piece_count; i++) {
		const struct imap_gather_piece *piece = entry->pieces[i];

		if (piece->section.kind == IMAP_SECTION_PART &&
		    imap_gather_prefix(piece).len > 0) {
			parts[count++] = piece;
		}
	}
	if (count == 0) {
		return 0;
	}
	qsort(parts, count, sizeof(parts[0]), compare_parts);
	choose_boundary(parts, count, boundary, sizeof(boundary));
	strbuf_addf(out,
		    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
		    "boundary=\"%s\"\r\n\r\n",
		    boundary);
	for (size_t i = 0; i < count; i++) {
		struct strbuf head = STRBUF_INIT(16384);

		if (add_part_header(entry, parts[i], &head)) {
			strbuf_addf(out, "--%s\r\n", boundary);
			strbuf_add(out, strbuf_span(&head));
			strbuf_add_str(out, "\r\n");
			strbuf_add(out, imap_gather_prefix(parts[i]));
			strbuf_add_str(out, "\r\n");
			added++;
		}
		strbuf_finish(&head);
	}
	strbuf_addf(out, "--%s--\r\n", boundary);
	return added;
}

static bool says_multipart(struct span header)
{
	struct span field;

	while (next_field(&header, &field)) {
		if (span_ieq(field_name(field), SPAN("Content-Type"))) {
			return span_isearch(field, SPAN("multipart/")) >= 0;
		}
	}
	return false;
}

/* Part 1 of a message that is no multipart is its body: its header says how
   to read it. */
static bool only_part(const struct imap_gather_entry *entry,
		      const struct imap_gather_piece **part_r)
{
	const struct imap_gather_piece *part =
		imap_gather_find(entry, IMAP_SECTION_PART);
	const struct imap_gather_piece *header =
		imap_gather_find(entry, IMAP_SECTION_HEADER);

	if (part == NULL || strcmp(part->section.path, "1") != 0 ||
	    part->section.decoded) {
		return false;
	}
	*part_r = part;
	if (entry->structure.len > 0) {
		return imap_structure_is_single(strbuf_span(&entry->structure));
	}
	return header != NULL && imap_gather_is_whole(header) &&
	       !says_multipart(imap_gather_prefix(header));
}

/* A header block and the body under it. */
static bool compose_with_body(const struct imap_gather_entry *entry,
			      const struct imap_gather_piece *body,
			      struct imap_composed *composed)
{
	struct strbuf *out = &composed->made;
	bool whole_header = add_header(entry, false, out);
	struct span header = strbuf_span(out);

	if (header.len == 0) {
		return false;
	}
	if (!whole_header && !has_field(header, SPAN("Content-Type"))) {
		if (entry->structure.len == 0 ||
		    !imap_structure_header(strbuf_span(&entry->structure),
					   out)) {
			return false;
		}
	}
	strbuf_add_str(out, "\r\n");
	strbuf_add(out, imap_gather_prefix(body));
	composed->truncated = !imap_gather_is_whole(body);
	return true;
}

static bool compose_with_parts(const struct imap_gather_entry *entry,
			       struct imap_composed *composed)
{
	struct strbuf *out = &composed->made;

	add_header(entry, true, out);
	if (out->len == 0) {
		return false;
	}
	/* Parts that were not read are missing: no claim of being whole. */
	composed->truncated = true;
	return add_parts(entry, out) > 0;
}

static bool compose_headers(const struct imap_gather_entry *entry,
			    struct imap_composed *composed)
{
	struct strbuf *out = &composed->made;

	strbuf_clear(out);
	add_header(entry, false, out);
	if (out->len == 0) {
		return false;
	}
	strbuf_add_str(out, "\r\n");
	composed->headers_only = true;
	composed->truncated = false;
	return true;
}

static bool has_bytes(const struct imap_gather_piece *piece)
{
	return piece != NULL && imap_gather_prefix(piece).len > 0;
}

static bool compose_richest(const struct imap_gather_entry *entry,
			    struct imap_composed *composed)
{
	const struct imap_gather_piece *text =
		imap_gather_find(entry, IMAP_SECTION_TEXT);

	if (has_bytes(text) && compose_with_body(entry, text, composed)) {
		return true;
	}
	strbuf_clear(&composed->made);
	if (only_part(entry, &text) && has_bytes(text) &&
	    compose_with_body(entry, text, composed)) {
		return true;
	}
	strbuf_clear(&composed->made);
	if (compose_with_parts(entry, composed)) {
		return true;
	}
	return compose_headers(entry, composed);
}

bool imap_compose(const struct imap_gather_entry *entry, size_t max,
		  struct imap_composed *composed_r)
{
	const struct imap_gather_piece *full =
		imap_gather_find(entry, IMAP_SECTION_FULL);

	*composed_r = (struct imap_composed){ 0 };
	strbuf_init(&composed_r->made, max + COMPOSE_OVERHEAD);
	if (has_bytes(full)) {
		composed_r->message = imap_gather_prefix(full);
		composed_r->truncated = !imap_gather_is_whole(full) &&
					(entry->size == 0 ||
					 composed_r->message.len < entry->size);
		return true;
	}
	if (!compose_richest(entry, composed_r)) {
		imap_composed_finish(composed_r);
		return false;
	}
	composed_r->message = strbuf_span(&composed_r->made);
	composed_r->truncated |= composed_r->made.overflow;
	return true;
}

void imap_composed_finish(struct imap_composed *composed)
{
	strbuf_wipe(&composed->made);
}
