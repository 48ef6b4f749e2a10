/* text_segments: whose words the lines of a text are: the author's, or of
   somebody quoted or forwarded. Judged from quote marks, attribution lines
   ("On Monday Ann wrote:") and header blocks ("From: ... Sent: ..."). */
#ifndef POSTERN_FILTERS_TEXT_SEGMENTS_H
#define POSTERN_FILTERS_TEXT_SEGMENTS_H

#include "filters/text_lines.h"

/* A reply to a reply to a reply: more are not looked at. */
#define TEXT_SEGMENTS_MAX 200

struct text_segment {
	/* Lines first to end - 1 of the text. */
	size_t first;
	size_t end;
	bool is_author;
	/* As the attribution or header block shows them, may be empty; borrow
	   from the lines. */
	struct span owner_email;
	struct span owner_name;
};

struct text_segments {
	struct text_segment *items;
	size_t count;
};

/* Cut lines into segments; attributions and header blocks are in none. Free
   with text_segments_finish. */
void text_segments_init(struct text_segments *segments,
			const struct text_lines *lines);
void text_segments_finish(struct text_segments *segments);

#endif
