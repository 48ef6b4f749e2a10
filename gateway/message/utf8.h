/* utf8: walk and check UTF-8 (RFC 3629). Pure. */
#ifndef POSTERN_MESSAGE_UTF8_H
#define POSTERN_MESSAGE_UTF8_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* U+FFFD, what stands for bytes that are no text. */
#define UTF8_REPLACEMENT 0xfffdu

/* Length of the well-formed sequence at the head of s (1 to 4, no surrogates,
   nothing overlong), or 0. *code_r (may be NULL) is its code point. */
size_t utf8_sequence(struct span s, uint32_t *code_r);

/* How many bytes at the head are ASCII and not NUL. */
size_t utf8_ascii_prefix(struct span s);

bool utf8_is_ascii(struct span s);

/* Append one code point; what cannot be encoded is appended as U+FFFD. */
void utf8_put(struct strbuf *out, uint32_t code);

/* Append s with malformed bytes and NUL replaced by U+FFFD. */
void utf8_put_repaired(struct strbuf *out, struct span s);

#endif
