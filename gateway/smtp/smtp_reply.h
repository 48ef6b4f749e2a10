/* smtp_reply: replies of the provider (RFC 5321 4.2) and their enhanced
   status codes (RFC 2034). Knows no command and no state. */
#ifndef POSTERN_SMTP_REPLY_H
#define POSTERN_SMTP_REPLY_H

#include "lib/error.h"
#include "lib/span.h"

/* RFC 5321 4.5.3.1.5 has 512; links in refusals are longer. */
#define SMTP_REPLY_LINE_MAX 2048
/* The longest EHLO answers have about 25 lines. */
#define SMTP_REPLY_LINES_MAX 128
/* Below RELAY_HELD_MAX: a reply is looked at whole. */
#define SMTP_REPLY_MAX (64 * 1024)

/* "5.7.8"; all zero when the reply has none. */
struct smtp_status {
	unsigned int class;
	unsigned int subject;
	unsigned int detail;
};

struct smtp_reply {
	unsigned int code;
	/* All lines with their ends; borrows from in. */
	struct span whole;
	/* Of the last line. */
	struct smtp_status status;
	/* Where the next line begins, and how many came before. */
	size_t at;
	unsigned int lines;
};

void smtp_reply_init(struct smtp_reply *reply);

/* Look for a whole reply at the head of in. Return 1 when it is there (it is
   reply->whole.len bytes long; init before the next one), 0 when more is
   needed: call again with the same bytes and what follows them, -1 when it
   is malformed or over a limit. Lines must end with CRLF, all of them begin
   with the same code between 200 and 599, and hold no NUL. */
int smtp_reply_next(struct smtp_reply *reply, struct span in,
		    struct error *err_r);

/* Cut the text of the next line (after code and separator) off *rest, which
   begins as reply->whole. Return false when nothing is left. */
bool smtp_reply_line(struct span *rest, struct span *text_r);

/* Read "2.1.5" at the head of text, ended by SP or the end. Return 0 or -1. */
int smtp_status_parse(struct span text, struct smtp_status *status_r);

static inline bool smtp_reply_is_positive(const struct smtp_reply *reply)
{
	return reply->code / 100 == 2;
}

#endif
