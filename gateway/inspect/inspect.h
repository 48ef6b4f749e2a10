/* inspect: one message from bytes to what it teaches: parse, filters,
   contacts. The inspector program and `postern extract` both call it. */
#ifndef POSTERN_INSPECT_INSPECT_H
#define POSTERN_INSPECT_INSPECT_H

#include "inspect/inspect_frame.h"

/* Fill *answer_r (id is left 0); finish it with inspect_answer_finish. A
   message that cannot be parsed is SKIP_UNREADABLE with the reason. */
void inspect_message(const struct message_origin *origin, struct span bytes,
		     struct inspect_answer *answer_r);

/* Inspect messages of our own writing, so that every library has loaded what
   it loads at first use; later it could not open a file. Return 0, or -1 when
   one of them did not teach what it should: something is missing here. */
int inspect_warm_up(struct error *err_r);

#endif
