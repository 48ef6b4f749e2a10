/* imap_capability: capability lists, ours and the provider's (RFC 9051
   7.2.2). What the provider offers and we cannot follow byte by byte, or
   would lead the client away from us, is taken out. Pure. */
#ifndef POSTERN_IMAP_CAPABILITY_H
#define POSTERN_IMAP_CAPABILITY_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Longest line that holds a capability list; real ones are below 1 KiB. */
#define IMAP_CAPABILITY_LINE_MAX 16384

/* What we must know of a provider's list, as bits. */
enum imap_capability {
	IMAP_CAP_REV1 = 1 << 0,
	IMAP_CAP_REV2 = 1 << 1,
	IMAP_CAP_STARTTLS = 1 << 2,
	IMAP_CAP_LOGINDISABLED = 1 << 3,
	IMAP_CAP_SASL_IR = 1 << 4,
	IMAP_CAP_ID = 1 << 5,
	IMAP_CAP_SPECIAL_USE = 1 << 6,
	IMAP_CAP_LIST_EXTENDED = 1 << 7,
	/* LITERAL+ or LITERAL-. */
	IMAP_CAP_LITERAL_PLUS = 1 << 8,
};

struct imap_capabilities {
	unsigned int bits;
	/* Mechanisms of AUTH= that sasl knows: 1 << mechanism. */
	unsigned int sasl;
};

/* Read a list of names separated by spaces. */
struct imap_capabilities imap_capability_parse(struct span list);

/* Append our own list, for a client that has not logged in. */
void imap_capability_own(bool has_tls, bool may_authenticate,
			 struct strbuf *out);

/* Append the provider's list as the client may see it after its login:
   IMAP4* first, then the rest in the provider's order, without what is masked
   and without what belongs before a login. */
void imap_capability_rewrite(struct span list, struct strbuf *out);

/* Append a response line with its line end as the client may see it:
   "* CAPABILITY ...", or any status response with [CAPABILITY ...] rewritten
   or [REFERRAL ...] taken out. Other lines are appended unchanged. */
void imap_capability_rewrite_line(struct span line, struct strbuf *out);

/* Find the capability list in such a line. Return false when it has none. */
bool imap_capability_in_line(struct span line, struct span *list_r);

#endif
