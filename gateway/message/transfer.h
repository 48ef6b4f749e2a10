/* transfer: undo content transfer encodings (RFC 2045 6), tolerant of damage:
   what mail programs show, we read. Pure. */
#ifndef POSTERN_MESSAGE_TRANSFER_H
#define POSTERN_MESSAGE_TRANSFER_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Append the decoded bytes. Bytes outside the alphabet are skipped, '=' ends
   a group wherever it stands, a last incomplete group gives what it has. */
void transfer_base64(struct span text, struct strbuf *out);

/* Append the decoded bytes of quoted-printable text. "=XY" that is no
   hexadecimal stays as it is; white space at line ends is dropped. */
void transfer_quoted_printable(struct span text, struct strbuf *out);

/* The Q encoding of header words (RFC 2047 4.2): '_' is a space. */
void transfer_q_word(struct span text, struct strbuf *out);

#endif
