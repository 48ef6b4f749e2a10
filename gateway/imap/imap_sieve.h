/* imap_sieve: what of a message's bytes the tap keeps. Attachments are
   counted on the wire, not copied: the body of a part whose Content-Type says
   that nobody can read it is left out, all else stays as it is. In doubt a
   byte stays: nothing but copying depends on it. Pure. */
#ifndef POSTERN_IMAP_IMAP_SIEVE_H
#define POSTERN_IMAP_IMAP_SIEVE_H

#include "lib/span.h"

/* What is looked at of a line: "Content-Type:" and the longest media type
   that matters, with room for spaces. */
#define IMAP_SIEVE_LINE_MAX 80

enum imap_sieve_state {
	/* In the header of the message or of a part. */
	IMAP_SIEVE_HEADER,
	/* In text, until a line begins with "--". */
	IMAP_SIEVE_TEXT,
	/* In what is left out, until a line begins with "--". */
	IMAP_SIEVE_ATTACHMENT,
	/* In that line. */
	IMAP_SIEVE_BOUNDARY,
};

struct imap_sieve {
	enum imap_sieve_state state;
	/* The beginning of the line under way. */
	char line[IMAP_SIEVE_LINE_MAX];
	size_t line_len;
	/* The header under way: its Content-Type was there, or is and goes on
	   in the next line; it says attachment. */
	bool has_type;
	bool awaits_type;
	bool is_attachment;
	/* In text or an attachment: how much of LF "-" "-" was just seen. */
	unsigned int seen;
};

/* Begin with a header (a whole message), or with the body under it. */
void imap_sieve_init(struct imap_sieve *sieve, bool at_header);

/* Take the head of in, which must not be empty. Return how many bytes were
   taken, at least one, and in *kept_r what of them stays; borrowed from in, or
   constant; may be empty. */
size_t imap_sieve_next(struct imap_sieve *sieve, struct span in,
		       struct span *kept_r);

#endif
