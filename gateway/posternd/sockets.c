/* sockets: opening or inheriting what workers accept on. */
#include "posternd/sockets.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "lib/xalloc.h"
#include "proxy/worker.h"

static uint16_t port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		return 0;
	}
	if (address.ss_family == AF_INET6) {
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	}
	return address.ss_family == AF_INET
		       ? ntohs(((struct sockaddr_in *)&address)->sin_port)
		       : 0;
}

static int fd_with_port(int count, uint16_t port)
{
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count;
	     fd++) {
		if (port_of(fd) == port) {
			return fd;
		}
	}
	return -1;
}

/* Every listener of the configuration must have its socket: a port that
   silently does not listen is found by users first. */
static int inherit(struct sockets *sockets, const struct settings *settings,
		   int count, struct error *err_r)
{
	sockets->inherited = true;
	for (size_t l = 0; l < settings->listener_count; l++) {
		const struct listener_settings *listener =
			&settings->listeners[l];
		int fd = fd_with_port(count, listener->port);

		if (fd < 0) {
			return error_set(err_r,
					 "systemd gave no socket for listener "
					 "\"%s\", port %u: add ListenStream=%u "
					 "to posternd.socket",
					 listener->name, listener->port,
					 listener->port);
		}
		for (size_t w = 0; w < sockets->worker_count; w++) {
			sockets->fds[w * sockets->listener_count + l] = fd;
		}
	}
	return 0;
}

static int open_all(struct sockets *sockets, const struct settings *settings,
		    struct error *err_r)
{
	for (size_t w = 0; w < sockets->worker_count; w++) {
		for (size_t l = 0; l < settings->listener_count; l++) {
			int fd = listener_open(&settings->listeners[l], err_r);

			if (fd < 0) {
				return -1;
			}
			sockets->fds[w * sockets->listener_count + l] = fd;
		}
	}
	return 0;
}

int sockets_open(struct sockets *sockets_r, const struct settings *settings,
		 size_t worker_count, struct error *err_r)
{
	size_t total = settings->listener_count * worker_count;
	int count, status;

	*sockets_r = (struct sockets){
		.listener_count = settings->listener_count,
		.worker_count = worker_count,
		.fds = xcalloc(total, sizeof(int)),
	};
	for (size_t i = 0; i < total; i++) {
		sockets_r->fds[i] = -1;
	}
	count = sd_listen_fds(1);
	status = count > 0 ? inherit(sockets_r, settings, count, err_r)
			   : open_all(sockets_r, settings, err_r);
	if (status < 0) {
		sockets_finish(sockets_r);
	}
	return status;
}

const int *sockets_of_worker(const struct sockets *sockets, size_t worker)
{
	return sockets->fds + worker * sockets->listener_count;
}

void sockets_finish(struct sockets *sockets)
{
	size_t total = sockets->listener_count * sockets->worker_count;

	if (sockets->fds == NULL) {
		return;
	}
	for (size_t i = 0; i < total && !sockets->inherited; i++) {
		if (sockets->fds[i] >= 0) {
			close(sockets->fds[i]);
		}
	}
	free(sockets->fds);
	sockets->fds = NULL;
}
