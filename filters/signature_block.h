/* signature_block: which lines of a segment are its writer's signature. Does
   not ask what they mean. */
#ifndef POSTERN_FILTERS_SIGNATURE_BLOCK_H
#define POSTERN_FILTERS_SIGNATURE_BLOCK_H

#include "filters/text_segments.h"

/* A card has no more lines. */
#define SIGNATURE_LINES_MAX 48

struct signature_line {
	struct span text;
	/* As in struct text_line. */
	unsigned int number;
	/* A blank line or rule stood before it. */
	bool starts_paragraph;
};

struct signature_block {
	struct signature_line lines[SIGNATURE_LINES_MAX];
	size_t count;
	/* "Ann" of "Best regards, Ann"; may be empty. */
	struct span closing_name;
	/* Below a closing or "-- ": surely a signature. */
	bool is_marked;
};

/* Find the signature of the segment; name and email (may be empty) are its
   writer's. Return false when there is none. */
bool signature_block_find(const struct text_lines *lines,
			  const struct text_segment *segment, struct span name,
			  struct span email, struct signature_block *block_r);

#endif
