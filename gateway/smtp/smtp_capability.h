/* smtp_capability: what EHLO says, to the client and from the provider.
   Until AUTH we do not know the provider, so the client is told what the
   preset promises; after AUTH the list may only shrink. Pure. */
#ifndef POSTERN_SMTP_CAPABILITY_H
#define POSTERN_SMTP_CAPABILITY_H

#include "config/settings.h"
#include "lib/span.h"
#include "lib/strbuf.h"

/* CHUNKING, BINARYMIME, BURL and XCLIENT are not here: we never offer them,
   and do not care whether the provider does. */
enum smtp_capability {
	SMTP_CAP_PIPELINING = 1 << 0,
	SMTP_CAP_SIZE = 1 << 1,
	SMTP_CAP_8BITMIME = 1 << 2,
	SMTP_CAP_SMTPUTF8 = 1 << 3,
	SMTP_CAP_DSN = 1 << 4,
	SMTP_CAP_ENHANCEDSTATUSCODES = 1 << 5,
	SMTP_CAP_REQUIRETLS = 1 << 6,
	SMTP_CAP_STARTTLS = 1 << 7,
	SMTP_CAP_AUTH = 1 << 8,
};

struct smtp_capabilities {
	/* Of enum smtp_capability. */
	unsigned int bits;
	/* Of SIZE; 0: no limit known. */
	uint64_t size;
	/* Of AUTH: 1 << enum sasl_mechanism. */
	unsigned int mechanisms;
};

/* What may be promised before we know who logs in: what every provider that
   could be meant is known to have by its preset. Where the provider met then
   lacks SMTPUTF8 or DSN after all, MAIL and RCPT that use it are refused
   (550 5.6.7, 555 5.5.4): never passed without. STARTTLS and AUTH are not
   set: they depend on the session. */
struct smtp_capabilities
smtp_capability_profile(const struct settings *settings,
			const struct listener_settings *listener);

/* Take one line of a provider's EHLO reply (its text, not the first one,
   which is a greeting). Unknown keywords are ignored. */
void smtp_capability_parse(struct span text,
			   struct smtp_capabilities *capabilities);

/* What of offered the provider has; the smaller SIZE. */
struct smtp_capabilities
smtp_capability_shrink(const struct smtp_capabilities *offered,
		       const struct smtp_capabilities *provider);

/* Append the whole reply to EHLO. */
void smtp_capability_write(const struct smtp_capabilities *capabilities,
			   const char *host, struct strbuf *out);

#endif
