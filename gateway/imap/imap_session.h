/* imap_session: the IMAP protocol of a session: answers the client until it
   logs in, logs in at the provider, then carries both ways and taps. */
#ifndef POSTERN_IMAP_SESSION_H
#define POSTERN_IMAP_SESSION_H

#include "proxy/session.h"

extern const struct protocol imap_protocol;

#endif
