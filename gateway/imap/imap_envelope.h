/* imap_envelope: a header block from an ENVELOPE (RFC 9051 7.5.2). Pure. */
#ifndef POSTERN_IMAP_ENVELOPE_H
#define POSTERN_IMAP_ENVELOPE_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Append Date, Subject, From, Sender, Reply-To, To, Cc, Bcc, In-Reply-To and
   Message-ID lines. envelope is the text between its parentheses. Return 0,
   or -1 (out as before) when it is not one. */
int imap_envelope_header(struct span envelope, struct strbuf *out);

/* Is this field one of those that an ENVELOPE gives? */
bool imap_envelope_has_field(struct span name);

#endif
