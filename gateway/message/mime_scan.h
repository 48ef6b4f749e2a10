/* mime_scan: one linear pass over a message before anything else parses it:
   how deep, how many parts, how large the headers, how many comments and
   addresses; and where two readers would disagree. A parser behind it may
   recurse and allocate in proportion without a peer choosing the measure.
   Pure. */
#ifndef POSTERN_MESSAGE_MIME_SCAN_H
#define POSTERN_MESSAGE_MIME_SCAN_H

#include "lib/error.h"
#include "lib/span.h"

/* multipart in multipart, message in message: libetpan recurses. */
#define MIME_SCAN_MAX_DEPTH 64
#define MIME_SCAN_MAX_PARTS 1000
/* Of the message and of all its parts together. */
#define MIME_SCAN_MAX_HEADER_BYTES (256u * 1024)
#define MIME_SCAN_MAX_FIELDS	   10000
/* Parentheses in parentheses: RFC 5322 parsers recurse. */
#define MIME_SCAN_MAX_COMMENT_DEPTH 32
/* Of one Content-* field. */
#define MIME_SCAN_MAX_PARAMETERS 100
/* Commas and semicolons in address headers, all together. */
#define MIME_SCAN_MAX_ADDRESSES 2000
/* Whatever is longer was not seen whole by the tap either. */
#define MIME_SCAN_MAX_BYTES (64u * 1024 * 1024)

struct mime_scan {
	/* Bytes of the header section with the empty line; where the body
	   begins. */
	size_t header_bytes;
	/* The empty line was there: no field is missing. */
	bool header_complete;
	size_t depth;
	size_t parts;
	/* NULL, or what two readers would read differently, as a static
	   text: duplicate Content-Type, two From fields, ... */
	const char *ambiguity;
};

/* Look at the whole of message. Return 0 and fill *scan_r, or -1 with the
   limit that was passed, or the reason why it is no message. */
int mime_scan(struct span message, struct mime_scan *scan_r,
	      struct error *err_r);

/* Cut the next field off *rest, the head of a header section: its name and its
   raw value with the folded lines, without the last line end. Lines that are
   no field (an mbox "From " line) are passed over. False at the empty line or
   the end. White space before the colon is no part of the name. */
bool mime_scan_field(struct span *rest, struct span *name_r,
		     struct span *value_r);

#endif
