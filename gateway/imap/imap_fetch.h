/* imap_fetch: find the messages inside FETCH responses (RFC 9051 7.5.2,
   RFC 9586) and gather them. Takes the pieces the lexer cut; keeps a bounded
   copy of the response's text. Knows nothing of filters, contacts or the
   queue. */
#ifndef POSTERN_IMAP_FETCH_H
#define POSTERN_IMAP_FETCH_H

#include "imap/imap_gather.h"
#include "imap/imap_lexer.h"

/* Text of one response that is kept (the wire may carry more). */
#define IMAP_FETCH_LINE_MAX (64 * 1024)
/* Strings of an ENVELOPE or BODYSTRUCTURE that came as literals. */
#define IMAP_FETCH_LITERALS_MAX 256
/* Messages flagged as drafts or junk that are remembered: flags and content
   often come in different answers. */
#define IMAP_FETCH_MARKS 256
/* Sequence numbers whose UID is remembered. */
#define IMAP_FETCH_NUMBERS 64

struct imap_number {
	uint32_t seq;
	uint32_t uid;
};

/* A message whose flags say that it teaches nothing. */
struct imap_mark {
	/* Either may be 0. */
	uint32_t seq;
	uint32_t uid;
	bool is_draft;
};

struct imap_fetch {
	struct imap_gather *gather;
	/* The response under way. */
	struct strbuf line;
	size_t parsed;
	bool in_items;
	bool is_done;
	/* Too long or malformed: nothing more is read of it. */
	bool broken;
	unsigned int literals;
	uint32_t seq;
	uint32_t uid;
	uint64_t size;
	struct strbuf flags;
	bool has_flags;
	bool is_asked;
	struct imap_gather_entry *entry;
	/* Takes the literal under way; NULL: it is only counted, or kept in
	   line when in_line. */
	struct imap_gather_piece *piece;
	bool in_line;

	/* What is known of numbers; the newest overwrites the oldest. */
	struct imap_number *numbers;
	size_t number_count;
	size_t number_next;
	struct imap_mark *marks;
	size_t mark_count;
	size_t mark_next;
};

void imap_fetch_init(struct imap_fetch *fetch, struct imap_gather *gather);
void imap_fetch_finish(struct imap_fetch *fetch);

/* A response "* number FETCH" (is_uid: UIDFETCH) begins. */
void imap_fetch_begin(struct imap_fetch *fetch, uint32_t number, bool is_uid);
/* Its bytes, as the lexer cut them, from "*" on; the last piece is
   IMAP_PIECE_END. literal is the lexer's. */
void imap_fetch_piece(struct imap_fetch *fetch, enum imap_piece piece,
		      struct span bytes, const struct imap_literal *literal);

/* "* n EXPUNGE". */
void imap_fetch_expunge(struct imap_fetch *fetch, uint32_t seq);
/* The folder changed, or "* VANISHED": numbers mean nothing any more. */
void imap_fetch_forget_numbers(struct imap_fetch *fetch);
/* Give back memory while nothing happens. Not inside a response. */
void imap_fetch_rest(struct imap_fetch *fetch);

#endif
