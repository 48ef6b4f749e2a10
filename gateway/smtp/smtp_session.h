/* smtp_session: submission (RFC 6409) between a mail program and its
   provider. The gateway answers for itself up to AUTH, logs in at the
   provider with the same credential, passes MAIL and RCPT on live, keeps the
   content until it is judged, and passes the provider's final reply back.
   Knows no policy and no contacts: those are behind the session's hooks. */
#ifndef POSTERN_SMTP_SESSION_H
#define POSTERN_SMTP_SESSION_H

#include "proxy/session.h"

extern const struct protocol smtp_protocol;

#endif
