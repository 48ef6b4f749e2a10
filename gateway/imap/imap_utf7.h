/* imap_utf7: mailbox names between modified UTF-7 (RFC 3501 5.1.3) and
   UTF-8. Pure. */
#ifndef POSTERN_IMAP_UTF7_H
#define POSTERN_IMAP_UTF7_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Append name as UTF-8. Return 0, or -1 (out as before) when name is not
   modified UTF-7 in its one right form: two spellings of one folder must not
   have two scopes. */
int imap_utf7_decode(struct span name, struct strbuf *out);

/* Append UTF-8 as modified UTF-7. Return 0, or -1 (out as before) when text
   is not UTF-8. */
int imap_utf7_encode(struct span text, struct strbuf *out);

#endif
