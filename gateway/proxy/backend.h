/* backend: from a host name to a connected socket: resolve, try the addresses
   in turn, each with its time. Knows no TLS and no session. */
#ifndef POSTERN_PROXY_BACKEND_H
#define POSTERN_PROXY_BACKEND_H

#include <stdint.h>

#include "proxy/resolver.h"

struct backend;

/* All addresses together get so many times what one gets. */
#define BACKEND_TOTAL_FACTOR 3

/* Called once, never from inside backend_connect: fd is connected and the
   caller's, or -1 with the reason. The backend is gone then. */
typedef void backend_done(void *context, int fd, const char *why);

/* Each address gets timeout_s. host is copied. */
struct backend *backend_connect(struct event_base *base,
				struct resolver *resolver, const char *host,
				uint16_t port, unsigned int timeout_s,
				backend_done *done, void *context);
/* Give up; done is not called. NULL is fine. */
void backend_cancel(struct backend **backend);

#endif
