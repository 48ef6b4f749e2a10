/* signature: from a block to its signers: which lines are whose, what stands in
   columns. Lines are read by signature_cells.c. */
#include "filters/signature.h"

#include "filters/person_name.h"
#include "filters/signature_reader.h"

bool signature_says_something(const struct signature *s)
{
	return s->title.text.len > 0 || s->company.text.len > 0 ||
	       s->phone_count > 0 || s->url_count > 0 || s->address_count > 0;
}

/* What was right below the name is the title, if nothing else is. */
static void settle(struct signature_reader *r)
{
	struct signature *s = r->now;

	if (s->title.text.len == 0 && r->after_name.text.len > 0 &&
	    (s->company.text.len > 0 || s->phone_count > 0)) {
		s->title = r->after_name;
	}
	if ((s->address_parts & (ADDRESS_STREET | ADDRESS_CITY)) == 0) {
		s->address_count = 0;
	}
	r->after_name = (struct signature_text){ 0 };
}

static void begin_signer(struct signature_reader *r, bool is_marked)
{
	r->now = &r->out->items[r->out->count++];
	*r->now = (struct signature){ .is_marked = is_marked };
	r->cells = 0;
	r->in_address = false;
	r->address_done = false;
	r->expects_title = false;
	r->pending = NULL;
}

/* A new name in a new paragraph, below a card that has its phone or address:
   someone else signs too. */
static bool is_next_signer(const struct signature_reader *r,
			   const struct signature_line *line)
{
	struct span text = line->text;

	if (!line->starts_paragraph || r->now->name.text.len == 0 ||
	    (r->now->phone_count == 0 && r->now->email_count == 0) ||
	    r->out->count == SIGNATURES_MAX) {
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (strchr("|,\t", text.ptr[i]) != NULL) {
			text.len = i;
		}
	}
	text = signature_tidy(text);
	return person_name_likely(text) &&
	       !person_name_same(text, r->now->name.text) &&
	       !signature_matches_domain(text, r->email);
}

/* Two columns: where the gap is in a line, or 0 when it has none. Boxes drawn
   with '|' are stripped. */
static size_t column_gap(struct span text, size_t *width_r)
{
	for (size_t i = 1; i + 1 < text.len; i++) {
		size_t n = 0;

		while (i + n < text.len &&
		       (text.ptr[i + n] == ' ' || text.ptr[i + n] == '\t')) {
			n++;
		}
		if (n >= 3 || (n > 0 && memchr(text.ptr + i, '\t', n))) {
			*width_r = n;
			return i;
		}
		i += n;
	}
	return 0;
}

static struct span unboxed(struct span text)
{
	text = span_trim(text);
	if (text.len > 2 && text.ptr[0] == '|' &&
	    text.ptr[text.len - 1] == '|') {
		text = span_of(text.ptr + 1, text.len - 2);
	}
	return span_trim(text);
}

/* A label without value: "Tel" in front of a column of numbers. */
static bool is_label_cell(struct span cell)
{
	const struct word *word;
	struct span value;

	return signature_read_label(cell, &word, &value) &&
	       signature_tidy(value).len == 0;
}

/* How many lines from i on stand in two columns that are read one after the
   other: two signers, or a person and an address. 0 when the cells belong
   together line by line ("Tel   +49..."). */
static size_t count_columns(const struct signature_block *block, size_t i)
{
	size_t first = i;

	for (; i < block->count; i++) {
		struct span text = unboxed(block->lines[i].text);
		size_t width;
		size_t gap = column_gap(text, &width);

		if (gap == 0 || is_label_cell(span_first(text, gap))) {
			break;
		}
	}
	return i - first >= 2 ? i - first : 0;
}

static void read_piece(struct signature_reader *r,
		       const struct signature_line *line)
{
	if (is_next_signer(r, line)) {
		settle(r);
		begin_signer(r, r->now->is_marked);
	}
	r->line = line->number;
	signature_read_line(r, line->text);
}

static void read_columns(struct signature_reader *r,
			 const struct signature_block *block, size_t first,
			 size_t count)
{
	for (unsigned int column = 0; column < 2; column++) {
		for (size_t i = first; i < first + count; i++) {
			struct signature_line piece = block->lines[i];
			struct span text = unboxed(piece.text);
			size_t width;
			size_t gap = column_gap(text, &width);

			piece.text = column == 0 ? span_first(text, gap)
						 : span_from(text, gap + width);
			piece.starts_paragraph =
				i == first &&
				(column == 1 || piece.starts_paragraph);
			read_piece(r, &piece);
		}
	}
}

void signature_read(const struct signature_block *block, struct span name,
		    struct span email, struct signatures *out)
{
	struct signature_reader r = { .out = out,
				      .name = name,
				      .email = email };

	out->count = 0;
	begin_signer(&r, block->is_marked);
	for (size_t i = 0; i < block->count; i++) {
		size_t columns = count_columns(block, i);

		if (columns > 0) {
			read_columns(&r, block, i, columns);
			i += columns - 1;
		} else {
			read_piece(&r, &block->lines[i]);
		}
	}
	settle(&r);
	if (out->items[0].name.text.len == 0 && block->closing_name.len > 0 &&
	    name.len == 0) {
		out->items[0].name.text = block->closing_name;
	}
}
