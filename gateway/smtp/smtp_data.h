/* smtp_data: the content between 354 and its end (RFC 5321 4.1.1.4, 4.5.2):
   a scanner that removes dot-stuffing and a writer that puts it back, with
   one grammar of lines between them. Knows nothing of where content goes. */
#ifndef POSTERN_SMTP_DATA_H
#define POSTERN_SMTP_DATA_H

#include "lib/span.h"
#include "lib/strbuf.h"

enum smtp_data_state {
	/* After CRLF, or at the very beginning. */
	SMTP_DATA_LINE_START,
	/* A dot began the line: it is dropped whatever follows. */
	SMTP_DATA_DOT,
	/* A dot and CR: only LF may follow, and ends the data. */
	SMTP_DATA_DOT_CR,
	SMTP_DATA_IN_LINE,
	/* CR: only LF may follow. */
	SMTP_DATA_CR,
	/* CRLF.CRLF was seen. */
	SMTP_DATA_DONE,
	/* A bare CR or LF was seen. */
	SMTP_DATA_BROKEN,
};

struct smtp_data {
	enum smtp_data_state state;
	/* A NUL was content. It frames nothing, but parsers disagree about
	   what follows it: the message is to be refused at its end. */
	bool has_nul;
	/* A line of the content begins with a dot: it needs stuffing. */
	bool has_dot_lines;
};

void smtp_data_init(struct smtp_data *data);

/* Take the next run of content from in. *run_r borrows from in and may be
   empty; *used_r is how many bytes are done with. Return 1 when the data
   ended (bytes after *used_r are commands), 0 when to be called with what
   follows (all of in may be used or not), -1 at a bare CR or LF: nothing more
   may be read from this peer. Never waits for more than it is given: each
   call uses at least one byte of a non-empty in. */
int smtp_data_next(struct smtp_data *data, struct span in, size_t *used_r,
		   struct span *run_r);

/* The writer. Begin with smtp_data_init. Append content with a dot before
   each line that begins with one; at most twice content.len bytes. Return 0,
   or -1 when the content has a bare CR or LF. */
int smtp_data_stuff(struct smtp_data *data, struct span content,
		    struct strbuf *out);
/* Append what ends the data: CRLF when the last line has none, and the final
   dot. Return 0, or -1 when the content ended with a bare CR. */
int smtp_data_finish(struct smtp_data *data, struct strbuf *out);

#endif
