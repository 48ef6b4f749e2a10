/* text_lines: the lines of a text part as a reader counts them: reflowed
   (RFC 3676), quote marks counted and taken off, odd spaces and invisible
   characters made plain. Does not ask what a line says. */
#ifndef POSTERN_FILTERS_TEXT_LINES_H
#define POSTERN_FILTERS_TEXT_LINES_H

#include "lib/span.h"

/* More lines than this are not looked at: no person writes them. */
#define TEXT_LINES_MAX 20000
#define TEXT_DEPTH_MAX 15

struct text_line {
	/* Without quote marks and trailing space; borrows from the text or
	   from the arena. */
	struct span text;
	/* How many quote marks stood before it, at most TEXT_DEPTH_MAX. */
	unsigned int depth;
	/* Counted from 1 in the text as sent. */
	unsigned int number;
	/* The next line went on here: the sender's program broke it. */
	bool was_flowed;
};

struct text_lines {
	struct text_line *items;
	size_t count;
	char *arena;
};

/* Split text (UTF-8, LF). flowed and delsp as the part says. The lines borrow
   from text. Free with text_lines_finish. */
void text_lines_init(struct text_lines *lines, struct span text, bool flowed,
		     bool delsp);
void text_lines_finish(struct text_lines *lines);

/* "-- " alone on its line, also as PGP and careless programs write it. */
bool text_line_is_delimiter(struct span line);

#endif
