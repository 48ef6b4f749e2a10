/* vcard: the people of a text/vcard part (RFC 6350; RFC 2426; vCard 2.1), in
   the form in which signatures are read, so that both are kept alike. */
#ifndef POSTERN_FILTERS_VCARD_H
#define POSTERN_FILTERS_VCARD_H

#include "filters/signature.h"
#include "lib/strbuf.h"

/* More cards in one part are an address book, not an introduction. */
#define VCARDS_MAX 50

typedef void vcard_found(void *context, const struct signature *card);

/* Call found for each card of a person with a name or an address. The card
   lives until found returns. */
void vcard_read(struct span text, vcard_found *found, void *context);

#endif
