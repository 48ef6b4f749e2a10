/* control: the unix socket of posternd that `postern` talks to. A request is
   one line ("status", "metrics", "trace MAILBOX"); the answer ends with the
   connection. Who may open the socket is decided by its mode (0660). */
#ifndef POSTERN_POSTERND_CONTROL_H
#define POSTERN_POSTERND_CONTROL_H

#include <event2/event.h>

#include "lib/error.h"
#include "lib/strbuf.h"

#define CONTROL_REQUEST_MAX 400

/* Answer one request: append the answer to out and return 0, or return 1 when
   fd was taken over (trace), or -1 when there is no such request. */
typedef int control_answer(void *context, struct span request, int fd,
			   struct strbuf *out);

struct control;

/* Listen on path (removed first when nobody answers there). NULL on error:
   another posternd may be running. */
struct control *control_create(struct event_base *base, const char *path,
			       control_answer *answer, void *context,
			       struct error *err_r);
/* Close; remove the socket file when unlink_path. */
void control_destroy(struct control **control, bool unlink_path);

#endif
