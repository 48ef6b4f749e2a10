/* address: the mailboxes of an address header (RFC 5322 3.4 with its obsolete
   forms, RFC 6531, and what mail programs really write). Structure is read
   first and names decoded after, so that an encoded comma or angle bracket
   never becomes syntax. Pure. */
#ifndef POSTERN_MESSAGE_ADDRESS_H
#define POSTERN_MESSAGE_ADDRESS_H

#include "lib/domain.h"
#include "message/arena.h"
#include "message/message.h"

/* More addresses in one message are refused by mime_scan; this is the bound
   of one header field. */
#define ADDRESS_MAX 2000
/* RFC 5321 4.5.3.1.3 allows 256 with the brackets. */
#define ADDRESS_EMAIL_MAX 254

struct address_list {
	struct address *items;
	size_t count;
	size_t size;
	/* Something that holds an '@' could not be read as an address, or
	   there were more than ADDRESS_MAX: not all are known. */
	bool unreadable;
};

/* Add the addresses in value (raw, maybe folded) to *list; texts live in
   arena. */
void address_parse(struct span value, struct arena *arena,
		   struct address_list *list);

/* Free the array (not what lives in the arena). */
void address_list_finish(struct address_list *list);

/* Write the canonical form of one address (local@domain, maybe quoted local
   part): ASCII lower case, domain as A-labels, and a NUL. Return 0, or -1
   when it is no address. */
int address_canonical(struct span email, char out_r[ADDRESS_EMAIL_MAX + 1]);

#endif
