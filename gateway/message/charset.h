/* charset: text in the charsets of mail, as UTF-8. Labels lie, so they are a
   hint: what cannot be in the named charset is read as what it is more likely
   to be. The only file that knows iconv. */
#ifndef POSTERN_MESSAGE_CHARSET_H
#define POSTERN_MESSAGE_CHARSET_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Append bytes, labelled with a charset name (any case, may be empty or
   unknown), to out as UTF-8 without NUL. Bytes that are no text become
   U+FFFD; out's cap holds. */
void charset_to_utf8(struct span label, struct span bytes, struct strbuf *out);

/* Is the name one we can convert from? */
bool charset_is_known(struct span label);

/* Open every converter now. iconv loads a shared object at the first use of
   a charset; after the sandbox is closed it could not. */
void charset_warm_up(void);

/* Close what was opened (leak checkers). */
void charset_finish(void);

#endif
