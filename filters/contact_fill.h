/* contact_fill: put what a signature or card says into a contact: whose
   country its national numbers are of, which name is the fuller one. */
#ifndef POSTERN_FILTERS_CONTACT_FILL_H
#define POSTERN_FILTERS_CONTACT_FILL_H

#include "filters/contact.h"
#include "filters/signature.h"

struct fill_source {
	/* One CONTACT_SOURCE_* bit. */
	unsigned int source;
	/* "part 1.2", for --why. */
	struct span part;
	/* Organization's region, or empty. */
	struct span region;
	double confidence;
};

/* Fields the contact has already stay, but for a name that becomes fuller. */
void contact_fill(struct contact *contact, const struct signature *signature,
		  const struct fill_source *from);

/* Set or better the name: raw as shown beside the address. */
void contact_fill_name(struct contact *contact, struct span raw,
		       unsigned int source, const char *origin);

#endif
