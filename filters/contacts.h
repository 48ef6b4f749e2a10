/* contacts: who a message shows, from its address headers, signatures,
   vCards, invitations and envelope. Does not ask whether it may: filters
   do. */
#ifndef POSTERN_FILTERS_CONTACTS_H
#define POSTERN_FILTERS_CONTACTS_H

#include "filters/contact.h"
#include "message/message.h"

/* Add every person (and list and no-reply address, by kind) that msg shows
   and that does not belong to origin->own_domains and is not the mailbox
   itself. */
void contacts_extract(const struct message *msg,
		      const struct message_origin *origin,
		      struct contact_list *list);

#endif
