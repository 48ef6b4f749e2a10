/* text_lines: cut text into lines. One pass; the arena is never larger than
   the text, because no character grows by being made plain. */
#include "filters/text_lines.h"

#include <stdlib.h>

#include "filters/text_chars.h"
#include "lib/xalloc.h"

struct splitter {
	struct text_lines *lines;
	char *next;
	bool flowed;
	bool delsp;
};

static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c >= 0x7f || (c < ' ' && c != '\t')) {
			return false;
		}
	}
	return true;
}

/* Copy a line to the arena with odd spaces as SP, non-breaking hyphens as '-'
   and invisible characters left out. */
static struct span copy_plain(struct splitter *s, struct span line)
{
	char *start = s->next;

	while (line.len > 0) {
		struct span before = line;
		uint32_t c = chars_next(&line);

		if (c == '\t') {
			*s->next++ = '\t';
		} else if (chars_is_space(c)) {
			*s->next++ = ' ';
		} else if (c == 0x2010 || c == 0x2011) {
			*s->next++ = '-';
		} else if (c == 0xfffd) {
			*s->next++ = '?';
		} else if (!chars_is_invisible(c)) {
			size_t len = before.len - line.len;

			memcpy(s->next, before.ptr, len);
			s->next += len;
		}
	}
	return span_of(start, (size_t)(s->next - start));
}

static struct span trim_right(struct span s)
{
	while (s.len > 0 && ascii_is_space(s.ptr[s.len - 1])) {
		s.len--;
	}
	return s;
}

/* Take quote marks off. "> > text" and ">> text" count alike. */
static unsigned int cut_quotes(struct span *line)
{
	unsigned int depth = 0;
	struct span rest = *line;

	for (;;) {
		struct span at = rest;

		/* A space inside the marks, but not the text's own indent. */
		while (depth > 0 && at.len > 1 && at.ptr[0] == ' ') {
			at = span_from(at, 1);
		}
		if (at.len == 0 || at.ptr[0] != '>') {
			break;
		}
		rest = span_from(at, 1);
		if (depth < TEXT_DEPTH_MAX) {
			depth++;
		}
	}
	if (depth > 0 && rest.len > 0 && rest.ptr[0] == ' ') {
		rest = span_from(rest, 1);
	}
	*line = rest;
	return depth;
}

bool text_line_is_delimiter(struct span line)
{
	if (span_starts(line, SPAN("- "))) {
		line = span_from(line, 2);
	}
	return span_eq(line, SPAN("-- ")) || span_eq(line, SPAN("--"));
}

/* Join line to the last one if that one was left open (RFC 3676 4.2). The
   last one is at the end of the arena or is moved there. */
static bool join_flowed(struct splitter *s, struct span line,
			unsigned int depth)
{
	struct text_line *last;
	char *start = s->next;

	if (!s->flowed || s->lines->count == 0) {
		return false;
	}
	last = &s->lines->items[s->lines->count - 1];
	if (!last->was_flowed || last->depth != depth ||
	    text_line_is_delimiter(line)) {
		return false;
	}
	if (last->text.ptr + last->text.len != s->next) {
		memcpy(start, last->text.ptr, last->text.len);
		s->next += last->text.len;
	} else {
		start = s->next - last->text.len;
	}
	if (!s->delsp && last->text.len > 0) {
		*s->next++ = ' ';
	}
	copy_plain(s, line);
	last->text = span_of(start, (size_t)(s->next - start));
	return true;
}

static void add_line(struct splitter *s, struct span line, unsigned int number)
{
	unsigned int depth;
	bool open;

	if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
		line.len--;
	}
	depth = cut_quotes(&line);
	if (s->flowed && depth == 0 && line.len > 0 && line.ptr[0] == ' ') {
		/* Space-stuffing (4.4). */
		line = span_from(line, 1);
	}
	open = s->flowed && line.len > 0 && line.ptr[line.len - 1] == ' ' &&
	       !text_line_is_delimiter(line);
	if (!text_line_is_delimiter(line)) {
		line = trim_right(line);
	}
	if (join_flowed(s, line, depth)) {
		s->lines->items[s->lines->count - 1].was_flowed = open;
		return;
	}
	if (!is_plain(line)) {
		line = trim_right(copy_plain(s, line));
	}
	s->lines->items[s->lines->count++] = (struct text_line){
		.text = line,
		.depth = depth,
		.number = number,
		.was_flowed = open,
	};
}

void text_lines_init(struct text_lines *lines, struct span text, bool flowed,
		     bool delsp)
{
	struct splitter s = { .lines = lines,
			      .flowed = flowed,
			      .delsp = delsp };
	struct span rest = text;
	struct span line;
	size_t count = 0;
	unsigned int number = 0;

	while (count < TEXT_LINES_MAX && span_next_line(&rest, &line)) {
		count++;
	}
	lines->items = xcalloc(count + 1, sizeof(*lines->items));
	lines->count = 0;
	/* A joined line is copied at most once more than it is long: the
	   first piece moves to the arena, later ones are appended. */
	lines->arena = xmalloc(2 * text.len + count + 1);
	s.next = lines->arena;
	rest = text;
	while (number < count && span_next_line(&rest, &line)) {
		add_line(&s, line, ++number);
	}
}

void text_lines_finish(struct text_lines *lines)
{
	free(lines->items);
	free(lines->arena);
	*lines = (struct text_lines){ 0 };
}
