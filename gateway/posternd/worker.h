/* worker: one process, one event loop, its share of all sessions. */
#ifndef POSTERN_POSTERND_WORKER_H
#define POSTERN_POSTERND_WORKER_H

#include "config/settings.h"
#include "posternd/shared.h"

struct worker_start {
	size_t index;
	/* Borrowed; the worker takes references of its own. */
	struct settings *settings;
	/* One listening socket per listener, in settings order. */
	const int *sockets;
	/* The worker's end of the channel from the master. */
	int channel;
	const struct shared *shared;
};

/* Can a worker run with these settings (certificates, keys, inspector)? Asked
   once at start, so that a fault is one clear line and not a row of dying
   workers. Return 0 or -1. */
int worker_check(struct settings *settings, struct limits *limits,
		 struct error *err_r);

/* Run until drained. Return the exit status of the process. */
int worker_run(const struct worker_start *start);

#endif
