/* imap_head: the first words of a line, which decide how the rest is
   treated: responses (RFC 9051 section 7) and commands (section 6). Pure. */
#ifndef POSTERN_IMAP_HEAD_H
#define POSTERN_IMAP_HEAD_H

#include "lib/span.h"

/* A head that needs more bytes than this is no head. Mail programs use tags
   of some 4 to 20 bytes. */
#define IMAP_HEAD_MAX 512

enum imap_response_type {
	/* "+ ..." */
	IMAP_CONTINUATION,
	/* "* OK ...", NO, BAD, BYE, PREAUTH. */
	IMAP_UNTAGGED_STATUS,
	/* "tag OK ...", NO, BAD. */
	IMAP_TAGGED_STATUS,
	/* "* 12 FETCH ...": name and number are set. */
	IMAP_NUMBERED,
	/* "* LIST ...": name is set. */
	IMAP_DATA,
	/* Anything else: carried, means nothing to us. */
	IMAP_STRANGE,
};

enum imap_status {
	IMAP_OK,
	IMAP_NO,
	IMAP_BAD,
	IMAP_BYE,
	IMAP_PREAUTH,
};

struct imap_response_head {
	enum imap_response_type type;
	enum imap_status status;
	uint32_t number;
	/* All borrow. tag: of a tagged status. name: of data. code: first word
	   of the response code; ptr NULL when there is none. */
	struct span tag;
	struct span name;
	struct span code;
};

/* Read the head of the response that begins in. Return 1, or 0 when more
   bytes are needed (never when in has IMAP_HEAD_MAX or more). */
int imap_response_head(struct span in, struct imap_response_head *head_r);

struct imap_command_head {
	/* Borrow. name is in the sender's case; for "UID FETCH" it is "UID"
	   and subname "FETCH". */
	struct span tag;
	struct span name;
	struct span subname;
	/* Bytes of the head, with the one separator after it when it is not
	   the line end. */
	size_t len;
};

/* Read the head of the command that begins in. Return 1, 0 when more bytes
   are needed, -1 when it has none: an empty line, no name after the tag, a
   control byte in either, or one too long. */
int imap_command_head(struct span in, struct imap_command_head *head_r);

#endif
