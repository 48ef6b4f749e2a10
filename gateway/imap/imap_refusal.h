/* imap_refusal: what a provider's refusal of a login means, and what the
   client is told of it (RFC 5530). The provider's own text is never passed
   on; a provider in trouble is never a wrong password, because mail programs
   throw saved passwords away. Pure. */
#ifndef POSTERN_IMAP_REFUSAL_H
#define POSTERN_IMAP_REFUSAL_H

#include "imap/imap_head.h"

struct imap_refusal {
	/* Response code without brackets. */
	const char *code;
	/* What a person reads. */
	const char *text;
	/* The credential is at fault: counts against the limits. */
	bool is_credential;
};

/* line is the tagged NO or BAD that answered the login. */
const struct imap_refusal *
imap_refusal_of(const struct imap_response_head *head, struct span line);

/* For everything else that keeps the provider from answering. */
extern const struct imap_refusal imap_refusal_unavailable;

#endif
