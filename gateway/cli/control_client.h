/* control_client: asks the running posternd (posternd/control.h has the other
   end): one request line, then its answer until it closes. */
#ifndef POSTERN_CLI_CONTROL_CLIENT_H
#define POSTERN_CLI_CONTROL_CLIENT_H

#include "config/settings.h"
#include "lib/error.h"

/* Connect and send the request. Return the socket to read the answer from,
   or -1 with what is wrong and what to do. */
int control_ask(const struct settings *settings, const char *request,
		struct error *err_r);

#endif
