/* text_segments: one pass over the lines with the current owner of each
   depth of quoting. */
#include "filters/text_segments.h"

#include <stdlib.h>

#include "filters/text_links.h"
#include "filters/words.h"
#include "lib/xalloc.h"

/* Lines of a header block that are looked at for its second label. */
#define HEADER_BLOCK_LINES 8

struct owner {
	bool is_author;
	struct span email;
	struct span name;
};

struct cutter {
	const struct text_lines *lines;
	struct text_segments *out;
	/* Who speaks at each depth. */
	struct owner owners[TEXT_DEPTH_MAX + 2];
};

static const struct text_line *line_at(const struct cutter *c, size_t i)
{
	return &c->lines->items[i];
}

static bool is_blank(const struct text_line *line)
{
	return span_trim(line->text).len == 0;
}

/* The first line after i that says something, or count. */
static size_t next_said(const struct cutter *c, size_t i)
{
	for (i++; i < c->lines->count && is_blank(line_at(c, i)); i++) {
	}
	return i;
}

/* The words before '<' or the address that look like a name: back to the
   first word with a digit, a comma or a clock. */
static struct span name_before(struct span line, struct span email)
{
	size_t end = (size_t)(email.ptr - line.ptr);
	size_t start;

	while (end > 0 && (strchr(" <\"'[(", line.ptr[end - 1]) != NULL)) {
		end--;
	}
	if (end >= 7 && span_iends(span_of(line.ptr, end), SPAN("mailto:"))) {
		end -= 7;
		while (end > 0 &&
		       strchr(" <\"'[(", line.ptr[end - 1]) != NULL) {
			end--;
		}
	}
	start = end;
	for (unsigned int words = 0; words < 4 && start > 0; words++) {
		size_t word = start;

		while (word > 0 && line.ptr[word - 1] == ' ') {
			word--;
		}
		while (word > 0 && line.ptr[word - 1] != ' ') {
			word--;
		}
		char c = line.ptr[word];
		char last = line.ptr[start - 1];

		if (ascii_is_digit(c) || (c >= 'a' && c <= 'z') ||
		    last == ',' || last == ':' || c == '(' ||
		    span_istarts(span_of(line.ptr + word, start - word),
				 SPAN("AM")) ||
		    span_istarts(span_of(line.ptr + word, start - word),
				 SPAN("PM"))) {
			break;
		}
		start = word;
		while (start > 0 && line.ptr[start - 1] == ' ') {
			start--;
		}
		if (word == 0) {
			break;
		}
	}
	return span_trim(span_of(line.ptr + start, end - start));
}

static size_t count_digits(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		n += ascii_is_digit(s.ptr[i]);
	}
	return n;
}

/* "On ... wrote:", "Am ... schrieb ...:". Return how many lines before i
   belong to it as well, or -1 when line i is none. */
static int read_attribution(const struct cutter *c, size_t i,
			    struct owner *owner_r)
{
	const struct text_line *line = line_at(c, i);
	struct span text = span_trim(line->text);
	struct folded f;
	size_t next;
	int before = 0;

	if (text.len < 4 || text.len > 400 ||
	    (text.ptr[text.len - 1] != ':' &&
	     !span_iends(text, SPAN("\xef\xbc\x9a")) &&
	     !span_iends(text, SPAN(":>")))) {
		return -1;
	}
	chars_fold(text, &f);
	if (!words_find(&f, WORD_WROTE, NULL, NULL, NULL)) {
		return -1;
	}
	*owner_r = (struct owner){ .email = text_link_email(text) };
	next = next_said(c, i);
	/* The program broke the line: the date and the name stand above. */
	while (owner_r->email.len == 0 && before < 2 && i > (size_t)before &&
	       !is_blank(line_at(c, i - 1 - (size_t)before)) &&
	       line_at(c, i - 1 - (size_t)before)->depth == line->depth &&
	       (count_digits(text) < 4 || before > 0)) {
		const struct text_line *above =
			line_at(c, i - 1 - (size_t)before);

		before++;
		owner_r->email = text_link_email(above->text);
		text = above->text;
		if (count_digits(text) >= 4) {
			break;
		}
	}
	if (owner_r->email.len > 0) {
		owner_r->name = name_before(text, owner_r->email);
		return before;
	}
	if (count_digits(text) >= 4 ||
	    (next < c->lines->count && line_at(c, next)->depth > line->depth)) {
		return before;
	}
	return -1;
}

/* "From: Ann <ann@x>" as label and value. */
static bool read_header_label(struct span line, enum word_header *kind_r,
			      struct span *value_r)
{
	struct span text = span_trim(line);
	struct span head;
	const struct word *word;
	struct folded f;
	ptrdiff_t colon;

	while (text.len > 0 && text.ptr[0] == '*') {
		text = span_from(text, 1);
	}
	colon = span_find(span_first(text, 40), ':');
	if (colon <= 0) {
		return false;
	}
	head = span_first(text, (size_t)colon);
	*value_r = span_from(text, (size_t)colon + 1);
	while (value_r->len > 0 &&
	       (value_r->ptr[0] == '*' || ascii_is_space(value_r->ptr[0]))) {
		*value_r = span_from(*value_r, 1);
	}
	chars_fold(head, &f);
	while (f.len > 0 &&
	       (f.text[f.len - 1] == '*' || f.text[f.len - 1] == ' ')) {
		f.len--;
	}
	if (!words_is(folded_span(&f), WORD_HEADER, &word)) {
		return false;
	}
	*kind_r = (enum word_header)word->value;
	return true;
}

/* A From label with at least one more header label close below. Return the
   line behind the block, or i when there is none. */
static size_t read_header_block(const struct cutter *c, size_t i,
				struct owner *owner_r)
{
	unsigned int depth = line_at(c, i)->depth;
	enum word_header kind;
	struct span from = SPAN("");
	struct span value;
	size_t labels = 0;
	size_t end = i;
	size_t last_label = i;

	if (!read_header_label(line_at(c, i)->text, &kind, &value)) {
		return i;
	}
	for (; end < c->lines->count && end < i + 2 * HEADER_BLOCK_LINES;
	     end++) {
		const struct text_line *line = line_at(c, end);

		if (is_blank(line) || line->depth != depth) {
			break;
		}
		if (!read_header_label(line->text, &kind, &value)) {
			/* A long list of recipients goes on below. */
			if (span_find(line->text, '@') < 0 &&
			    line->text.ptr[0] != ' ' &&
			    line->text.ptr[0] != '\t') {
				break;
			}
			continue;
		}
		labels++;
		last_label = end;
		if (kind == WORD_HEADER_FROM && from.len == 0) {
			from = value.len > 0 || end + 1 >= c->lines->count
				       ? value
				       : line_at(c, end + 1)->text;
		}
	}
	if (labels < 2 || from.len == 0) {
		return i;
	}
	owner_r->is_author = false;
	owner_r->email = text_link_email(from);
	owner_r->name = owner_r->email.len > 0
				? name_before(from, owner_r->email)
				: from;
	return last_label + 1 > end ? last_label + 1 : end;
}

/* "-----Original Message-----": whoever speaks next is not yet known. */
static bool is_forward_line(struct span line)
{
	struct span text = span_trim(line);
	struct folded f;
	size_t at;

	if (text.len < 6 || text.len > 100 ||
	    (text.ptr[0] != '-' && text.ptr[0] != '_' && text.ptr[0] != '*' &&
	     text.ptr[text.len - 1] != ':')) {
		return false;
	}
	chars_fold(text, &f);
	return words_find(&f, WORD_FORWARD, NULL, &at, NULL);
}

static void begin_segment(struct cutter *c, size_t line, unsigned int depth)
{
	struct text_segments *out = c->out;
	const struct owner *owner = &c->owners[depth];
	struct text_segment *last =
		out->count == 0 ? NULL : &out->items[out->count - 1];

	if (last != NULL && last->end == line &&
	    last->is_author == owner->is_author &&
	    last->owner_email.ptr == owner->email.ptr &&
	    last->owner_name.ptr == owner->name.ptr) {
		last->end = line + 1;
		return;
	}
	if (out->count == TEXT_SEGMENTS_MAX) {
		return;
	}
	out->items[out->count++] = (struct text_segment){
		.first = line,
		.end = line + 1,
		.is_author = owner->is_author,
		.owner_email = owner->email,
		.owner_name = owner->name,
	};
}

/* The lines of an attribution that were already given to a segment. */
static void take_back(struct cutter *c, size_t from)
{
	struct text_segments *out = c->out;

	while (out->count > 0 && out->items[out->count - 1].end > from) {
		struct text_segment *last = &out->items[out->count - 1];

		if (last->first >= from) {
			out->count--;
		} else {
			last->end = from;
		}
	}
}

static void set_owner(struct cutter *c, unsigned int depth,
		      const struct owner *owner)
{
	c->owners[depth] = *owner;
	for (size_t d = depth + 1; d < N_ELEMENTS(c->owners); d++) {
		c->owners[d] = (struct owner){ 0 };
	}
}

void text_segments_init(struct text_segments *segments,
			const struct text_lines *lines)
{
	struct cutter c = { .lines = lines, .out = segments };

	segments->items = xcalloc(TEXT_SEGMENTS_MAX, sizeof(*segments->items));
	segments->count = 0;
	c.owners[0].is_author = true;
	for (size_t i = 0; i < lines->count; i++) {
		const struct text_line *line = line_at(&c, i);
		struct owner owner = { 0 };
		int before = read_attribution(&c, i, &owner);
		size_t behind;

		if (before >= 0) {
			size_t next = next_said(&c, i);
			bool deeper = next < lines->count &&
				      line_at(&c, next)->depth > line->depth;

			take_back(&c, i - (size_t)before);
			set_owner(&c, line->depth + (deeper ? 1 : 0), &owner);
			continue;
		}
		behind = read_header_block(&c, i, &owner);
		if (behind > i || is_forward_line(line->text)) {
			set_owner(&c, line->depth, &owner);
			i = behind > i ? behind - 1 : i;
			continue;
		}
		begin_segment(&c, i, line->depth);
	}
}

void text_segments_finish(struct text_segments *segments)
{
	free(segments->items);
	*segments = (struct text_segments){ 0 };
}
