/* trace: copies of the log lines of one mailbox, live, to whoever asked with
   `postern trace`. The lines are the log's own, so nothing is shown there
   that a log may not hold. */
#ifndef POSTERN_POSTERND_TRACE_H
#define POSTERN_POSTERND_TRACE_H

/* Write lines that say mailbox=MAILBOX (all of them when it is empty) to fd
   until it breaks. Takes fd. */
void trace_add(const char *mailbox, int fd);

/* Close all. */
void trace_finish(void);

#endif
