/* imap_compose: one RFC 5322 message from what was gathered of it: whole
   where it came whole, else a header block (from ENVELOPE if need be) with
   the parts that were read under it. Pure. */
#ifndef POSTERN_IMAP_COMPOSE_H
#define POSTERN_IMAP_COMPOSE_H

#include "imap/imap_gather.h"

struct imap_composed {
	/* Borrows from the entry or from made. */
	struct span message;
	struct strbuf made;
	bool headers_only;
	bool truncated;
};

/* Return false when there is not enough: no header that says who wrote it.
   max bounds what is made. End with imap_composed_finish after true. */
bool imap_compose(const struct imap_gather_entry *entry, size_t max,
		  struct imap_composed *composed_r);
void imap_composed_finish(struct imap_composed *composed);

#endif
