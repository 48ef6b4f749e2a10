/* What the two sides of the relay tell each other. */
#ifndef POSTERN_IMAP_RELAY_IMPL_H
#define POSTERN_IMAP_RELAY_IMPL_H

#include "imap/imap_session_impl.h"

/* -- imap_relay_client -- */
/* "+" came: a literal that waited may pass. */
void imap_relay_client_continue(struct imap_session *m);
/* A tagged answer came; command is NULL when its tag is not known. Taken off
   the track already, not yet destroyed. */
void imap_relay_client_answered(struct imap_session *m,
				const struct imap_command *command);
/* Responses were forwarded: a refusal that waited for the end of one, or for
   the answers before it, may go out. */
void imap_relay_client_quiet(struct imap_session *m);

/* -- imap_relay -- */
void imap_relay_close(struct imap_session *m, const char *why);
imap_append_wants imap_relay_wants_append;

#endif
