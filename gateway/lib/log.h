/* log: lines for the person on call. To standard error, or to journald with
   its priority when standard error is the journal. One line an event:
   `session=ID key=value ...`. Never a body, a subject, a credential.
   Error: someone must act. Warning: we coped. Info: start and end. */
#ifndef POSTERN_LIB_LOG_H
#define POSTERN_LIB_LOG_H

#include "lib/span.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Called with every line of any level, without its end (postern trace). While
   one is set, lines below the level are made for it alone. Set NULL to
   stop. */
typedef void log_listener(void *context, enum log_level level,
			  const char *line);

/* Name the program (prefix of each line) and the least important level that
   is written. name must stay valid. */
void log_init(const char *name, enum log_level level);
void log_set_level(enum log_level level);
/* Would a line of this level be written anywhere? */
bool log_wants(enum log_level level);
void log_set_listener(log_listener *listener, void *context);

/* Write one line. Control bytes in the result are escaped, so that no
   argument can forge a line; lines are cut at LOG_LINE_MAX bytes. */
#define LOG_LINE_MAX 2048
void log_write(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                         \
	do {                                                                   \
		if (log_wants(LOG_LEVEL_DEBUG)) {                              \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);               \
		}                                                              \
	} while (0)

/* A peer's text, quoted, escaped (control and 8-bit bytes, quote, backslash)
   and cut, for use as one %s. buf holds the result. */
#define LOG_QUOTE_SIZE 160
struct log_quote {
	char text[LOG_QUOTE_SIZE];
};
const char *log_quote(struct span peer_text, struct log_quote *buf);

#endif
