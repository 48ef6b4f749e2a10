/* imap_value: the values of IMAP lines that lie whole in memory: atoms,
   quoted strings, literals, lists (RFC 9051 section 9). Pure; bounded by what
   it is given. */
#ifndef POSTERN_IMAP_VALUE_H
#define POSTERN_IMAP_VALUE_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Lists inside lists: BODYSTRUCTURE of mail in mail. Deeper is refused. */
#define IMAP_DEPTH_MAX 64

enum imap_value_type {
	IMAP_ATOM,
	/* An atom that says NIL. */
	IMAP_NIL,
	IMAP_QUOTED,
	IMAP_LITERAL,
	IMAP_LIST,
};

struct imap_value {
	enum imap_value_type type;
	/* The bytes between the quotes (escapes as they are), of the literal,
	   between the parentheses, or the atom. Borrows. */
	struct span text;
};

/* Cut one value off *rest, with the spaces before it. An atom keeps what is
   between its brackets: BODY[HEADER.FIELDS (To)]<0>. Return 1, 0 when *rest
   has no whole value (it is left as it was; only spaces gone when nothing but
   spaces was left), -1 when malformed or too deep. An atom at the very end of
   *rest is taken as whole. */
int imap_value_next(struct span *rest, struct imap_value *value_r);

/* Is it a string or an atom? (NIL and lists are not.) */
bool imap_value_is_text(const struct imap_value *value);

/* Append the bytes a string or atom stands for: escapes undone. */
void imap_value_decode(const struct imap_value *value, struct strbuf *out);

/* Equal to a keyword, without case; atoms and strings. */
bool imap_value_is(const struct imap_value *value, const char *keyword);

/* Read a number of at most max. Return 0 or -1. */
int imap_value_number(const struct imap_value *value, uint64_t max,
		      uint64_t *number_r);

#endif
