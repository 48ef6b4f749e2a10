/* postal_address: whether a piece of text is part of a postal address, and
   which country it speaks for. */
#ifndef POSTERN_FILTERS_POSTAL_ADDRESS_H
#define POSTERN_FILTERS_POSTAL_ADDRESS_H

#include "filters/words.h"

/* Bits. */
#define ADDRESS_STREET 1u
/* A postal code with a place. */
#define ADDRESS_CITY	2u
#define ADDRESS_COUNTRY 4u
/* "Suite 5", "Building B": counts only beside another. */
#define ADDRESS_PLACE 8u
/* A city's name without its code: counts only beside another. */
#define ADDRESS_TOWN 16u

struct address_evidence {
	/* ADDRESS_* bits, 0: no part of an address. */
	unsigned int parts;
	/* Named or implied by the form of the postal code: ISO() values. */
	unsigned int country;
	/* The street's words are of one country's language, which others may
	   share: a hint, or 0. */
	unsigned int street_country;
	/* Where the form fits several: "DE FR IT"; else NULL. */
	const char *may_be;
};

void postal_address_read(struct span text, struct address_evidence *out);

#endif
