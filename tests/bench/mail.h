/* mail: messages for the benchmark, made from a number. The load generator
   and the sink make the same message from the same number and size, so each
   can compare every byte that went through a proxy. Knows nothing of
   protocols. */
#ifndef POSTERN_BENCH_MAIL_H
#define POSTERN_BENCH_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/span.h"

/* Messages up to this size are one text part; larger ones carry an attachment
   in base64, as real large mail does. */
#define MAIL_TEXT_MAX 8192
#define MAIL_SIZE_MIN 2048
#define MAIL_SIZE_MAX (64u << 20)

/* First header of every message: "in " or "out", its number and its size, 10
   digits each. */
#define MAIL_MARK     "X-Bench: "
#define MAIL_MARK_LEN 34

/* Mail to the user from a person elsewhere, or the other way round. */
enum mail_direction {
	MAIL_IN,
	MAIL_OUT,
};

struct mail {
	uint64_t number;
	/* Exactly so many bytes, headers and final CRLF included. */
	size_t size;
	/* What differs between messages. */
	char head[MAIL_TEXT_MAX];
	size_t head_len;
	/* The rest, the same in all messages of this size; borrowed for the
	   life of the program. */
	struct span rest;
};

/* Make message number, of size bytes. No line begins with a single dot, so
   the bytes are the same in an IMAP literal and after dot-stuffing. The person
   elsewhere and the Message-ID follow from the number. */
void mail_make(struct mail *mail, enum mail_direction direction,
	       uint64_t number, size_t size);

/* Are the bytes at position in the message those of bytes? */
bool mail_has(const struct mail *mail, size_t position, struct span bytes);

/* Read the mark at the head of bytes. Return 0 or -1. */
int mail_read_mark(struct span bytes, enum mail_direction *direction_r,
		   uint64_t *number_r, size_t *size_r);

#endif
