/* imap_lexer: where lines end and literals begin, in either direction of an
   IMAP connection (RFC 9051 4.3, RFC 7888, RFC 3516). Resumable at any byte;
   keeps nothing of what it reads. Knows no command and no response. */
#ifndef POSTERN_IMAP_LEXER_H
#define POSTERN_IMAP_LEXER_H

#include <sys/types.h>

#include "lib/span.h"

/* RFC 9051 4.3: a number64. A larger one is malformed. */
#define IMAP_LITERAL_MAX ((uint64_t)INT64_MAX)

enum imap_piece {
	/* Bytes of a line, more of which follows. */
	IMAP_PIECE_TEXT,
	/* Bytes up to and with the end of a line: the command or response is
	   complete. */
	IMAP_PIECE_END,
	/* Bytes up to and with the line end of a literal's header; literal
	   describes it. */
	IMAP_PIECE_LITERAL_HEADER,
	/* Bytes of a literal; literal.left of it still follow. */
	IMAP_PIECE_LITERAL,
};

struct imap_literal {
	uint64_t size;
	uint64_t left;
	/* {n}: the sender waits for "+" (clients only). */
	bool synchronising;
	/* ~{n}: may hold NUL (RFC 3516). */
	bool binary;
};

struct imap_lexer {
	unsigned char state;
	/* The byte before the next one; 0 at the beginning of a line. */
	char before;
	/* This line is free text: a brace in it means nothing. */
	bool plain;
	struct imap_literal literal;
};

void imap_lexer_init(struct imap_lexer *lexer);

/* The line that begins now is free text ("* OK ...", "+ ..."): no literal can
   end it. Lasts for that line. */
void imap_lexer_set_plain(struct imap_lexer *lexer);

/* Is the next byte the first of a command or response? */
bool imap_lexer_at_start(const struct imap_lexer *lexer);

/* The announced literal will not come (the server refused it). */
void imap_lexer_cancel_literal(struct imap_lexer *lexer);

/* Take one piece from the head of in, which must not be empty. Return its
   length (at least 1), or -1 when a literal's size is no number64. An empty
   literal is announced with size 0 and no piece of it follows. */
ssize_t imap_lexer_next(struct imap_lexer *lexer, struct span in,
			enum imap_piece *piece_r);

#endif
