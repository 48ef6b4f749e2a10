/* domain: mail domains as people own them: canonical form (IDNA2008, lower
   case A-labels) and the registrable domain (public suffix list + 1). The
   only file that knows libpsl and libidn2. */
#ifndef POSTERN_LIB_DOMAIN_H
#define POSTERN_LIB_DOMAIN_H

#include "lib/span.h"

/* RFC 1035 2.3.4. */
#define DOMAIN_MAX 253

/* Domains of one organization: all of them go to the inspector with each
   message. */
#define DOMAIN_SET_MAX 1000

/* Write the canonical form of a domain (UTF-8 or ASCII, with or without a
   final dot) and a NUL. Return 0, or -1 when it is no host name of at least
   one label, or too long. An address literal ("[192.0.2.1]") is returned
   lower-cased as it is. */
int domain_canonical(struct span domain, char out_r[DOMAIN_MAX + 1]);

/* Write the registrable domain of a canonical domain: "mail.acme.co.uk" gives
   "acme.co.uk". A domain that is itself a public suffix, or has one label,
   gives itself. */
void domain_registrable(const char *canonical, char out_r[DOMAIN_MAX + 1]);

/* A set of registrable domains: those of one organization. */
struct domain_set {
	char **names;
	size_t count;
};

/* Add the registrable domain of domain. Return 0, or -1 when it is none. */
int domain_set_add(struct domain_set *set, struct span domain);
void domain_set_finish(struct domain_set *set);

/* Does domain (any form) belong to a registrable domain in the set? False
   for what is no domain. */
bool domain_set_has(const struct domain_set *set, struct span domain);

#endif
