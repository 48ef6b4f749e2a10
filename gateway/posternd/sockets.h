/* sockets: the listening sockets of all workers. Either systemd made them
   (sd_listen_fds(3), told apart by their ports), or the master
   opens one per worker and listener with SO_REUSEPORT. The master keeps them
   open, so that a worker's death refuses nobody. */
#ifndef POSTERN_POSTERND_SOCKETS_H
#define POSTERN_POSTERND_SOCKETS_H

#include "config/settings.h"

struct sockets {
	size_t listener_count;
	size_t worker_count;
	/* fds[worker * listener_count + listener]. */
	int *fds;
	/* Shared by all workers: do not close per worker. */
	bool inherited;
};

int sockets_open(struct sockets *sockets_r, const struct settings *settings,
		 size_t worker_count, struct error *err_r);
/* The sockets of one worker, one per listener in settings order. */
const int *sockets_of_worker(const struct sockets *sockets, size_t worker);
void sockets_finish(struct sockets *sockets);

#endif
