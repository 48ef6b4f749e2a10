/* script: recorded conversations as rows. */
#ifndef POSTERN_TESTS_IMAP_SCRIPT_H
#define POSTERN_TESTS_IMAP_SCRIPT_H

#include "fake_proxy.h"

enum act {
	/* The client, the provider sends. */
	CLIENT,
	SERVER,
	/* What the client, the provider got since the last time, exactly. */
	TO_CLIENT,
	TO_SERVER,
	CONNECT,
	CONNECT_FAILS,
	CLIENT_EOF,
	SERVER_EOF,
	DRAIN,
	TIMEOUT,
	/* The session has ended for this reason. */
	CLOSED,
	/* The session lives. */
	OPEN,
	/* A message was tapped, in order: "folder uid flags kind|message". */
	TAP,
	/* No tap that was not named came so far. */
	NO_TAP,
};

struct line {
	enum act act;
	const char *text;
};

/* Play rows on a session that was made and started. */
void script_play(struct session *s, const struct line *rows, size_t count);

/* Make a session, let prepare change it, play rows: bytes whole, one by one,
   and in steps of three and seven, which must all end alike. */
void script_run(void (*prepare)(struct session *s), const struct line *rows,
		size_t count);

#define SCRIPT(prepare, rows) script_run(prepare, rows, N_ELEMENTS(rows))

#endif
