/* encoded_word: header text as people read it: unfolded, RFC 2047 words
   decoded, raw 8-bit text (RFC 6532, or a lie) as UTF-8. Pure. */
#ifndef POSTERN_MESSAGE_ENCODED_WORD_H
#define POSTERN_MESSAGE_ENCODED_WORD_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Length of the encoded-word at the head of s, or 0. Spaces inside are let
   pass: mail programs write them. */
size_t encoded_word_length(struct span s);

/* Append the decoded text of a header value. Neighbouring words of one charset
   are joined before they are converted, because characters get split. Control
   bytes become spaces: no header value has a line end. */
void encoded_word_decode(struct span raw, struct strbuf *out);

#endif
