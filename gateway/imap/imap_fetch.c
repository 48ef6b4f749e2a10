/* imap_fetch: reads items as soon as they are whole. Content literals go
   straight to the gather and leave the kept line; all else is parsed from
   it. */
#include "imap/imap_fetch.h"

#include <stdlib.h>

#include "lib/xalloc.h"

void imap_fetch_init(struct imap_fetch *fetch, struct imap_gather *gather)
{
	*fetch = (struct imap_fetch){ .gather = gather };
	strbuf_init(&fetch->line, IMAP_FETCH_LINE_MAX);
	strbuf_init(&fetch->flags, IMAP_GATHER_FLAGS_MAX);
}

void imap_fetch_rest(struct imap_fetch *fetch)
{
	strbuf_wipe(&fetch->line);
	strbuf_finish(&fetch->flags);
}

void imap_fetch_finish(struct imap_fetch *fetch)
{
	imap_fetch_rest(fetch);
	imap_fetch_forget_numbers(fetch);
}

/* -- sequence numbers -- */

void imap_fetch_forget_numbers(struct imap_fetch *fetch)
{
	free(fetch->numbers);
	fetch->numbers = NULL;
	fetch->number_count = 0;
	fetch->number_next = 0;
	/* Marks by UID would outlive VANISHED, but not a change of folder. */
	free(fetch->marks);
	fetch->marks = NULL;
	fetch->mark_count = 0;
	fetch->mark_next = 0;
}

static void learn_number(struct imap_fetch *fetch, uint32_t seq, uint32_t uid)
{
	struct imap_number *slot = NULL;

	if (seq == 0 || uid == 0) {
		return;
	}
	if (fetch->numbers == NULL) {
		fetch->numbers =
			xcalloc(IMAP_FETCH_NUMBERS, sizeof(*fetch->numbers));
	}
	for (size_t i = 0; i < fetch->number_count; i++) {
		if (fetch->numbers[i].seq == seq) {
			slot = &fetch->numbers[i];
		}
	}
	if (slot == NULL) {
		slot = &fetch->numbers[fetch->number_next];
		fetch->number_next =
			(fetch->number_next + 1) % IMAP_FETCH_NUMBERS;
		if (fetch->number_count < IMAP_FETCH_NUMBERS) {
			fetch->number_count++;
		}
	}
	*slot = (struct imap_number){ seq, uid };
}

static uint32_t uid_of(const struct imap_fetch *fetch, uint32_t seq)
{
	for (size_t i = 0; i < fetch->number_count; i++) {
		if (fetch->numbers[i].seq == seq) {
			return fetch->numbers[i].uid;
		}
	}
	return 0;
}

/* -- flags -- */

static struct imap_mark *find_mark(struct imap_fetch *fetch, uint32_t seq,
				   uint32_t uid)
{
	for (size_t i = 0; i < fetch->mark_count; i++) {
		struct imap_mark *mark = &fetch->marks[i];

		if ((uid != 0 && mark->uid == uid) ||
		    (seq != 0 && mark->seq == seq)) {
			return mark;
		}
	}
	return NULL;
}

/* Do these flags say draft, or junk ("$Junk", "Junk", not "NonJunk")? */
static bool says_unfit(struct span flags, bool *is_draft_r)
{
	struct span flag;

	while (span_next_word(&flags, " ", &flag)) {
		*is_draft_r = span_ieq(flag, SPAN("\\Draft"));
		if (*is_draft_r || span_ieq(flag, SPAN("$Junk")) ||
		    span_ieq(flag, SPAN("Junk"))) {
			return true;
		}
	}
	return false;
}

/* Keep the flags, or of more than fit first the one that keeps the message
   from teaching: a hundred keywords before $Junk must not hide it. */
static void take_flags(struct imap_fetch *fetch, struct span flags)
{
	bool is_draft;

	strbuf_clear(&fetch->flags);
	if (flags.len > IMAP_GATHER_FLAGS_MAX && says_unfit(flags, &is_draft)) {
		strbuf_add_str(&fetch->flags, is_draft ? "\\Draft " : "$Junk ");
	}
	strbuf_add(&fetch->flags, flags);
	fetch->has_flags = true;
}

/* Remember, or forget, what the flags of this response say. */
static void learn_flags(struct imap_fetch *fetch, uint32_t seq, uint32_t uid)
{
	struct imap_mark *mark = find_mark(fetch, seq, uid);
	bool is_draft;

	if (!says_unfit(strbuf_span(&fetch->flags), &is_draft)) {
		if (mark != NULL) {
			*mark = (struct imap_mark){ 0 };
		}
		return;
	}
	if (mark == NULL) {
		if (fetch->marks == NULL) {
			fetch->marks = xcalloc(IMAP_FETCH_MARKS,
					       sizeof(*fetch->marks));
		}
		mark = &fetch->marks[fetch->mark_next];
		fetch->mark_next = (fetch->mark_next + 1) % IMAP_FETCH_MARKS;
		if (fetch->mark_count < IMAP_FETCH_MARKS) {
			fetch->mark_count++;
		}
	}
	*mark = (struct imap_mark){ seq, uid, is_draft };
}

/* Flags as this response has them, else as they were remembered; ptr NULL
   when nothing is known. */
static struct span known_flags(struct imap_fetch *fetch, uint32_t uid)
{
	const struct imap_mark *mark;

	if (fetch->has_flags) {
		return span_of(fetch->flags.len == 0 ? "" : fetch->flags.ptr,
			       fetch->flags.len);
	}
	mark = find_mark(fetch, fetch->seq, uid);
	if (mark == NULL) {
		return span_of(NULL, 0);
	}
	return mark->is_draft ? SPAN("\\Draft") : SPAN("$Junk");
}

void imap_fetch_expunge(struct imap_fetch *fetch, uint32_t seq)
{
	for (size_t i = 0; i < fetch->number_count; i++) {
		if (fetch->numbers[i].seq == seq) {
			fetch->numbers[i] = (struct imap_number){ 0, 0 };
		} else if (fetch->numbers[i].seq > seq) {
			fetch->numbers[i].seq--;
		}
	}
	for (size_t i = 0; i < fetch->mark_count; i++) {
		if (fetch->marks[i].seq == seq) {
			fetch->marks[i] = (struct imap_mark){ 0 };
		} else if (fetch->marks[i].seq > seq) {
			fetch->marks[i].seq--;
		}
	}
	imap_gather_expunge(fetch->gather, seq);
}

/* -- items -- */

static struct imap_gather_entry *open_entry(struct imap_fetch *fetch)
{
	uint32_t uid = fetch->uid;

	if (!fetch->is_asked) {
		if (uid == 0) {
			uid = uid_of(fetch, fetch->seq);
		}
		fetch->entry = imap_gather_open(fetch->gather, fetch->seq, uid,
						known_flags(fetch, uid));
		fetch->is_asked = true;
	}
	return fetch->entry;
}

static void take_number(struct imap_fetch *fetch, struct imap_value *value,
			uint64_t *number_r, uint64_t max)
{
	uint64_t number;

	(void)fetch;
	if (imap_value_number(value, max, &number) == 0) {
		*number_r = number;
	}
}

/* Content that came as a quoted string, or as an empty literal. */
static void take_content(struct imap_fetch *fetch,
			 const struct imap_section *section,
			 const struct imap_value *value)
{
	struct strbuf text = STRBUF_INIT(IMAP_FETCH_LINE_MAX);
	struct imap_gather_piece *piece;

	if (!imap_value_is_text(value) || open_entry(fetch) == NULL) {
		return;
	}
	imap_value_decode(value, &text);
	piece = imap_gather_begin(fetch->gather, fetch->entry, section,
				  text.len);
	if (piece != NULL) {
		imap_gather_add(piece, strbuf_span(&text));
	}
	strbuf_wipe(&text);
}

static void take_item(struct imap_fetch *fetch, struct span name,
		      struct imap_value *value)
{
	struct imap_section section;
	uint64_t uid = 0;

	if (span_ieq(name, SPAN("UID"))) {
		take_number(fetch, value, &uid, UINT32_MAX);
		fetch->uid = (uint32_t)uid;
	} else if (span_ieq(name, SPAN("FLAGS"))) {
		take_flags(fetch, value->text);
	} else if (span_ieq(name, SPAN("RFC822.SIZE"))) {
		take_number(fetch, value, &fetch->size, UINT64_MAX / 2);
	} else if (span_ieq(name, SPAN("ENVELOPE"))) {
		if (value->type == IMAP_LIST && open_entry(fetch) != NULL) {
			imap_gather_envelope(fetch->gather, fetch->entry,
					     value->text);
		}
	} else if (span_ieq(name, SPAN("BODYSTRUCTURE")) ||
		   span_ieq(name, SPAN("BODY"))) {
		if (value->type == IMAP_LIST && open_entry(fetch) != NULL) {
			imap_gather_structure(fetch->gather, fetch->entry,
					      value->text);
		}
	} else if (imap_section_parse(name, &section)) {
		take_content(fetch, &section, value);
	}
}

/* Position after the "(" that begins the items. */
static void find_items(struct imap_fetch *fetch)
{
	ptrdiff_t open = span_find(strbuf_span(&fetch->line), '(');

	if (open >= 0) {
		fetch->in_items = true;
		fetch->parsed = (size_t)open + 1;
	}
}

/* Read the items that are whole. What is left from fetch->parsed on is one
   that is not. */
static void parse_items(struct imap_fetch *fetch)
{
	struct span rest;

	if (!fetch->in_items) {
		find_items(fetch);
	}
	if (!fetch->in_items || fetch->is_done) {
		return;
	}
	rest = span_from(strbuf_span(&fetch->line), fetch->parsed);
	for (;;) {
		struct span item = span_trim(rest);
		struct imap_value name;
		struct imap_value value;
		int got;

		if (item.len > 0 && item.ptr[0] == ')') {
			fetch->is_done = true;
			return;
		}
		item = rest;
		got = imap_value_next(&item, &name);
		if (got > 0 && name.type != IMAP_ATOM) {
			got = -1;
		}
		if (got > 0) {
			got = imap_value_next(&item, &value);
		}
		if (got <= 0) {
			fetch->broken = got < 0;
			return;
		}
		take_item(fetch, name.text, &value);
		rest = item;
		fetch->parsed = (size_t)(rest.ptr - fetch->line.ptr);
	}
}

/* -- literals -- */

/* After a literal's header: is it the value of an item (then its name is all
   that is unparsed)? Decide where its bytes go. */
static void begin_literal(struct imap_fetch *fetch,
			  const struct imap_literal *literal)
{
	struct imap_section section;
	struct imap_value name;
	struct span rest;

	fetch->piece = NULL;
	fetch->in_line = true;
	parse_items(fetch);
	if (fetch->broken || !fetch->in_items || literal->size == 0) {
		return;
	}
	rest = span_from(strbuf_span(&fetch->line), fetch->parsed);
	if (imap_value_next(&rest, &name) <= 0 || name.type != IMAP_ATOM) {
		/* "BODY[HEADER.FIELDS ({4}": part of a name. */
		return;
	}
	rest = span_trim(rest);
	if (rest.len == 0 || (rest.ptr[0] != '{' && rest.ptr[0] != '~') ||
	    span_find(rest, '\n') >= 0) {
		return;
	}
	fetch->in_line = false;
	if (imap_section_parse(name.text, &section) &&
	    section.kind != IMAP_SECTION_OTHER && open_entry(fetch) != NULL) {
		fetch->piece = imap_gather_begin(fetch->gather, fetch->entry,
						 &section, literal->size);
	}
	/* The item is dealt with: it leaves the kept line. */
	fetch->line.len = fetch->parsed;
}

static void end_response(struct imap_fetch *fetch)
{
	uint32_t uid;

	if (!fetch->broken) {
		parse_items(fetch);
	}
	learn_number(fetch, fetch->seq, fetch->uid);
	uid = fetch->uid != 0 ? fetch->uid : uid_of(fetch, fetch->seq);
	if (fetch->has_flags) {
		learn_flags(fetch, fetch->seq, uid);
	}
	if (fetch->entry != NULL) {
		imap_gather_facts(fetch->entry, uid, known_flags(fetch, uid),
				  fetch->size);
		imap_gather_response_done(fetch->gather, fetch->entry);
	}
	fetch->entry = NULL;
	fetch->piece = NULL;
}

void imap_fetch_begin(struct imap_fetch *fetch, uint32_t number, bool is_uid)
{
	strbuf_clear(&fetch->line);
	strbuf_clear(&fetch->flags);
	fetch->parsed = 0;
	fetch->in_items = false;
	fetch->is_done = false;
	fetch->broken = false;
	fetch->literals = 0;
	fetch->seq = is_uid ? 0 : number;
	fetch->uid = is_uid ? number : 0;
	fetch->size = 0;
	fetch->has_flags = false;
	fetch->is_asked = false;
	fetch->entry = NULL;
	fetch->piece = NULL;
	fetch->in_line = false;
}

static void keep(struct imap_fetch *fetch, struct span bytes)
{
	if (fetch->broken) {
		return;
	}
	strbuf_add(&fetch->line, bytes);
	fetch->broken = fetch->line.overflow;
}

void imap_fetch_piece(struct imap_fetch *fetch, enum imap_piece piece,
		      struct span bytes, const struct imap_literal *literal)
{
	switch (piece) {
	case IMAP_PIECE_TEXT:
		keep(fetch, bytes);
		break;
	case IMAP_PIECE_LITERAL_HEADER:
		keep(fetch, bytes);
		if (++fetch->literals > IMAP_FETCH_LITERALS_MAX) {
			fetch->broken = true;
		}
		if (!fetch->broken) {
			begin_literal(fetch, literal);
		} else {
			fetch->piece = NULL;
		}
		break;
	case IMAP_PIECE_LITERAL:
		if (fetch->piece != NULL) {
			imap_gather_add(fetch->piece, bytes);
		} else if (fetch->in_line) {
			keep(fetch, bytes);
		}
		break;
	case IMAP_PIECE_END:
		keep(fetch, bytes);
		end_response(fetch);
		break;
	}
}
