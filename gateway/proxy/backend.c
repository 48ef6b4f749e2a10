/* backend: tries the addresses of a host until one answers. */
#include "proxy/backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/xalloc.h"
#include "proxy/session_impl.h"

struct backend {
	struct event_base *base;
	struct resolver *resolver;
	struct resolver_query *query;
	struct event *timer;
	struct event *writable;
	char *host;
	uint16_t port;
	unsigned int timeout_s;
	/* Milliseconds of the worker's clock. */
	uint64_t give_up_at;
	struct addresses addresses;
	/* The next one to try. */
	size_t at;
	int fd;
	backend_done *done;
	void *context;
	struct error why;
};

static void backend_free(struct backend *b)
{
	resolver_cancel(&b->query);
	event_free(b->timer);
	if (b->writable != NULL) {
		event_free(b->writable);
	}
	if (b->fd >= 0) {
		close(b->fd);
	}
	free(b->host);
	free(b);
}

void backend_cancel(struct backend **backend)
{
	if (*backend != NULL) {
		backend_free(*backend);
		*backend = NULL;
	}
}

static void finish(struct backend *b, int fd)
{
	backend_done *done = b->done;
	void *context = b->context;
	struct error why = b->why;

	b->fd = fd < 0 ? b->fd : -1;
	backend_free(b);
	done(context, fd, fd < 0 ? why.text : NULL);
}

static void describe(const union address *address, char *out, size_t size)
{
	const void *bytes = address->any.sa_family == AF_INET
				    ? (const void *)&address->v4.sin_addr
				    : (const void *)&address->v6.sin6_addr;

	if (inet_ntop(address->any.sa_family, bytes, out, (socklen_t)size) ==
	    NULL) {
		snprintf(out, size, "?");
	}
}

static void drop_attempt(struct backend *b)
{
	event_del(b->timer);
	if (b->writable != NULL) {
		event_free(b->writable);
		b->writable = NULL;
	}
	if (b->fd >= 0) {
		close(b->fd);
		b->fd = -1;
	}
}

static void attempt_failed(struct backend *b, int error)
{
	char address[INET6_ADDRSTRLEN];

	describe(&b->addresses.list[b->at], address, sizeof(address));
	error_set(&b->why, "%s [%s]:%u: %s", b->host, address,
		  (unsigned int)b->port, strerror(error));
	drop_attempt(b);
	b->at++;
}

static void on_connected(int fd, short what, void *context)
{
	struct backend *b = context;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
		error = errno;
	}
	if (error != 0) {
		attempt_failed(b, error);
		/* The next one, outside of this event of the old socket. */
		event_active(b->timer, EV_TIMEOUT, 0);
		return;
	}
	resolver_prefer(b->resolver, b->host, b->port,
			&b->addresses.list[b->at]);
	finish(b, fd);
}

/* Return 0 when under way, else errno. */
static int begin_attempt(struct backend *b)
{
	const union address *address = &b->addresses.list[b->at];
	struct timeval wait = { .tv_sec = (time_t)b->timeout_s };
	socklen_t len = address->any.sa_family == AF_INET ? sizeof(address->v4)
							  : sizeof(address->v6);

	b->fd = socket(address->any.sa_family,
		       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (b->fd < 0) {
		return errno;
	}
	socket_set_options(b->fd);
	if (connect(b->fd, &address->any, len) < 0 && errno != EINPROGRESS) {
		return errno;
	}
	b->writable = event_new(b->base, b->fd, EV_WRITE, on_connected, b);
	event_add(b->writable, NULL);
	event_add(b->timer, &wait);
	return 0;
}

static void try_next(struct backend *b)
{
	while (b->at < b->addresses.count) {
		int error = 0;

		if (worker_now_ms() >= b->give_up_at) {
			error_set(&b->why, "%s: not connected in time",
				  b->host);
			break;
		}
		error = begin_attempt(b);
		if (error == 0) {
			return;
		}
		attempt_failed(b, error);
	}
	finish(b, -1);
}

static void on_addresses(void *context, const struct addresses *found,
			 const char *why)
{
	struct backend *b = context;

	b->query = NULL;
	event_del(b->timer);
	if (found->count == 0) {
		error_set(&b->why, "%s", why);
	}
	b->addresses = *found;
	/* Maybe inside resolver_find. */
	event_active(b->timer, EV_TIMEOUT, 0);
}

/* Begins, goes on to the next address, and ends what takes too long. */
static void on_timer(int fd, short what, void *context)
{
	struct backend *b = context;

	(void)fd;
	(void)what;
	if (b->query != NULL) {
		error_set(&b->why, "%s: no answer from name servers", b->host);
		finish(b, -1);
		return;
	}
	if (b->fd >= 0) {
		attempt_failed(b, ETIMEDOUT);
	}
	try_next(b);
}

struct backend *backend_connect(struct event_base *base,
				struct resolver *resolver, const char *host,
				uint16_t port, unsigned int timeout_s,
				backend_done *done, void *context)
{
	struct backend *b = xcalloc(1, sizeof(*b));
	struct timeval wait;

	b->base = base;
	b->resolver = resolver;
	b->host = xstrdup(host);
	b->port = port;
	b->timeout_s = timeout_s == 0 ? 1 : timeout_s;
	b->give_up_at = worker_now_ms() +
			(uint64_t)b->timeout_s * 1000 * BACKEND_TOTAL_FACTOR;
	b->fd = -1;
	b->done = done;
	b->context = context;
	b->timer = event_new(base, -1, 0, on_timer, b);
	wait = (struct timeval){ .tv_sec = (time_t)b->timeout_s };
	event_add(b->timer, &wait);
	b->query = resolver_find(resolver, host, port, on_addresses, b);
	return b;
}
