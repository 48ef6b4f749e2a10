/* signature_reader: shared by signature.c (block to signers), signature_cells.c
   (lines into cells, labels, phones)
   and signature_text.c (what a cell without label is). */
#ifndef POSTERN_FILTERS_SIGNATURE_READER_H
#define POSTERN_FILTERS_SIGNATURE_READER_H

#include "filters/signature.h"

struct signature_reader {
	struct signatures *out;
	struct signature *now;
	/* The writer's, as known from elsewhere. */
	struct span name;
	struct span email;
	/* The line being read. */
	unsigned int line;
	/* Label of an own line, for the next cell; NULL when none. */
	const struct word *pending;
	/* Cells of text read for the current signer. */
	size_t cells;
	/* The last cell was part of the address. */
	bool in_address;
	/* An address was ended by something else. */
	bool address_done;
	/* Words and a number that no table knows: "Oosteinde 55". A street, if
	   a postal code follows. */
	struct signature_text maybe_street;
	/* Text right after the name, in case no title is recognised. */
	struct signature_text after_name;
	bool expects_title;
};

/* Read one line into the signer at hand. */
void signature_read_line(struct signature_reader *r, struct span line);

/* "Tel.: +49 ...": the label in front of a cell and what follows it. Return
   false, with the outputs undefined, when there is none. */
bool signature_read_label(struct span cell, const struct word **word_r,
			  struct span *value_r);

/* Read a cell that has no label, link or phone. */
void signature_read_text(struct signature_reader *r, struct span cell);

/* Take cell as (part of) the address. Return false when it is none. */
bool signature_read_address(struct signature_reader *r, struct span cell,
			    bool is_labelled);

/* Something else came: what follows is no part of the address. */
void signature_end_address(struct signature_reader *r);

/* Without decoration at its ends: stars, bullets, brackets, symbols. */
struct span signature_tidy(struct span cell);

/* Does the company's name agree with the writer's mail domain? */
bool signature_matches_domain(struct span text, struct span email);

#endif
