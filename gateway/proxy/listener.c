/* listener: sockets that are listened on, and accepting. Knows nothing of
   what is accepted. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/xalloc.h"
#include "proxy/session_impl.h"

#define LISTEN_BACKLOG 4096
/* Connections accepted before others of the loop have a turn. */
#define ACCEPT_ROUNDS 32
/* Without file descriptors accept fails at once, again and again. */
#define ACCEPT_PAUSE_MS 200

struct listener {
	STAILQ_ENTRY(listener) link;
	struct proxy_worker *worker;
	const struct protocol *protocol;
	char *name;
	int fd;
	struct event *event;
	struct event *resume_event;
};

static int set_flag(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* "::" means all addresses of both families; any other IPv6 address means
   itself, whatever the system's default is. */
static int set_family(int fd, const struct addrinfo *ai)
{
	const struct sockaddr_in6 *in6 = (const void *)ai->ai_addr;

	if (ai->ai_family != AF_INET6) {
		return 0;
	}
	return set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY,
			!IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr));
}

static int open_address(const struct addrinfo *ai, struct error *err_r)
{
	int fd = socket(ai->ai_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return error_set(err_r, "%s", strerror(errno));
	}
	if (set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
	    set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0 ||
	    set_family(fd, ai) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0) {
		error_set(err_r, "%s", strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* A kernel without IPv6 has only one family for "::" to mean. */
static const char *address_to_open(const char *address)
{
	int fd;

	if (strcmp(address, "::") != 0) {
		return address;
	}
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 && errno == EAFNOSUPPORT) {
		return "0.0.0.0";
	}
	if (fd >= 0) {
		close(fd);
	}
	return address;
}

int listener_open(const struct listener_settings *settings, struct error *err_r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV |
					      AI_PASSIVE };
	struct addrinfo *found = NULL;
	struct error err = { "" };
	char port[8];
	int status;
	int fd;

	snprintf(port, sizeof(port), "%u", (unsigned int)settings->port);
	status = getaddrinfo(address_to_open(settings->address), port, &hints,
			     &found);
	if (status != 0) {
		return error_set(err_r, "listener %s: address %s: %s",
				 settings->name, settings->address,
				 gai_strerror(status));
	}
	fd = open_address(found, &err);
	freeaddrinfo(found);
	if (fd < 0) {
		return error_set(err_r, "listener %s: %s port %u: %s",
				 settings->name, settings->address,
				 (unsigned int)settings->port, err.text);
	}
	return fd;
}

static const struct listener_settings *
find_settings(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->listener_count; i++) {
		if (strcmp(settings->listeners[i].name, name) == 0) {
			return &settings->listeners[i];
		}
	}
	return NULL;
}

static void pause_accept(struct listener *listener)
{
	static const struct timeval wait = { .tv_usec =
						     ACCEPT_PAUSE_MS * 1000 };

	log_warning("listener=%s accept waits: %s", listener->name,
		    strerror(errno));
	metric_add(METRIC_ACCEPT_PAUSED, 1);
	event_del(listener->event);
	event_add(listener->resume_event, &wait);
}

static void on_resume(int fd, short what, void *context)
{
	struct listener *listener = context;

	(void)fd;
	(void)what;
	event_add(listener->event, NULL);
}

/* Return false when there is no more to accept now. */
static bool accept_one(struct listener *listener)
{
	struct proxy_worker *worker = listener->worker;
	struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);
	int fd = accept4(listener->fd, (struct sockaddr *)&peer, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		session_accept(worker, fd,
			       find_settings(worker->settings, listener->name),
			       listener->protocol, (struct sockaddr *)&peer);
		return true;
	}
	switch (errno) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		pause_accept(listener);
		return false;
	default:
		/* The client is gone already (accept(2)). */
		return true;
	}
}

static void on_acceptable(int fd, short what, void *context)
{
	struct listener *listener = context;

	(void)fd;
	(void)what;
	for (int i = 0; i < ACCEPT_ROUNDS; i++) {
		if (!accept_one(listener)) {
			break;
		}
	}
	io_flush(&listener->worker->io);
}

int listener_start(struct proxy_worker *worker, int fd, const char *name,
		   const struct protocol *protocol, struct error *err_r)
{
	struct listener *listener;

	if (find_settings(worker->settings, name) == NULL) {
		close(fd);
		return error_set(err_r, "no listener is called %s", name);
	}
	listener = xcalloc(1, sizeof(*listener));
	listener->worker = worker;
	listener->protocol = protocol;
	listener->name = xstrdup(name);
	listener->fd = fd;
	listener->event = event_new(worker->base, fd, EV_READ | EV_PERSIST,
				    on_acceptable, listener);
	listener->resume_event =
		event_new(worker->base, -1, 0, on_resume, listener);
	event_add(listener->event, NULL);
	STAILQ_INSERT_TAIL(&worker->listeners, listener, link);
	return 0;
}

static void listener_stop(struct listener *listener)
{
	STAILQ_REMOVE(&listener->worker->listeners, listener, listener, link);
	event_free(listener->event);
	event_free(listener->resume_event);
	close(listener->fd);
	free(listener->name);
	free(listener);
}

void listener_stop_all(struct proxy_worker *worker)
{
	struct listener *listener;

	while ((listener = STAILQ_FIRST(&worker->listeners)) != NULL) {
		listener_stop(listener);
	}
}

void listener_reload_all(struct proxy_worker *worker)
{
	struct listener *listener = STAILQ_FIRST(&worker->listeners);

	while (listener != NULL) {
		struct listener *next = STAILQ_NEXT(listener, link);

		if (find_settings(worker->settings, listener->name) == NULL) {
			listener_stop(listener);
		}
		listener = next;
	}
}
