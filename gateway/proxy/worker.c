/* worker: what the sessions of one process share, and the loop's own part:
   work left for after an event, reload, drain. */
#include "proxy/worker.h"

#include <stdlib.h>
#include <time.h>

#include "lib/hash.h"
#include "lib/xalloc.h"
#include "proxy/session_impl.h"

_Static_assert(PROXY_TICKET_KEY_SIZE == TLS_TICKET_KEY_SIZE, "one key");

uint64_t worker_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* -- work -- */

void worker_wake(struct proxy_worker *worker)
{
	event_active(worker->work_event, EV_TIMEOUT, 0);
}

void worker_add_work(struct session *s, unsigned int flags)
{
	if (s->work == 0) {
		STAILQ_INSERT_TAIL(&s->worker->work, s, work_link);
	}
	s->work |= flags;
	worker_wake(s->worker);
}

/* Sessions that get new work while we are here wait for the next turn, and
   one is freed only when nothing of it is on the stack. */
static void on_work(int fd, short what, void *context)
{
	struct proxy_worker *worker = context;
	STAILQ_HEAD(, session) now = STAILQ_HEAD_INITIALIZER(now);
	struct session *s;

	(void)fd;
	(void)what;
	STAILQ_CONCAT(&now, &worker->work);
	while ((s = STAILQ_FIRST(&now)) != NULL) {
		unsigned int flags = s->work;

		STAILQ_REMOVE_HEAD(&now, work_link);
		s->work = 0;
		if ((flags & WORK_REAP) != 0) {
			session_reap(s);
		} else {
			session_do_work(s, flags);
		}
	}
	io_flush(&worker->io);
	if (worker->draining) {
		worker_check_drained(worker);
	}
}

/* -- TLS from settings -- */

static void trusts_destroy(struct trust *trusts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(trusts[i].ca_file);
		tls_client_destroy(&trusts[i].client);
	}
	free(trusts);
}

static bool same_file(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct tls_client *find_trust(const struct trust *trusts, size_t count,
				     const char *ca_file)
{
	for (size_t i = 0; i < count; i++) {
		if (same_file(trusts[i].ca_file, ca_file)) {
			return trusts[i].client;
		}
	}
	return NULL;
}

struct tls_client *worker_trust(struct proxy_worker *worker,
				const char *ca_file)
{
	return find_trust(worker->trusts, worker->trust_count, ca_file);
}

/* One context for each different CA file. */
static int trusts_create(const struct settings *settings,
			 struct trust **trusts_r, size_t *count_r,
			 struct error *err_r)
{
	struct trust *trusts =
		xcalloc(settings->provider_count + 1, sizeof(*trusts));
	size_t count = 0;

	for (size_t i = 0; i < settings->provider_count; i++) {
		const struct provider *provider = &settings->providers[i];

		if (find_trust(trusts, count, provider->ca_file) != NULL) {
			continue;
		}
		trusts[count].ca_file = xstrdup(provider->ca_file);
		trusts[count].client =
			tls_client_create(provider->ca_file, err_r);
		count++;
		if (trusts[count - 1].client == NULL) {
			error_prefix(err_r, "provider %s", provider->name);
			trusts_destroy(trusts, count);
			return -1;
		}
	}
	*trusts_r = trusts;
	*count_r = count;
	return 0;
}

static bool wants_tls(const struct settings *settings)
{
	for (size_t i = 0; i < settings->listener_count; i++) {
		if (settings->listeners[i].tls != TLS_NONE) {
			return true;
		}
	}
	return settings->certificate_count > 0;
}

int proxy_worker_reload(struct proxy_worker *worker, struct settings *settings,
			struct error *err_r)
{
	struct tls_server *server = NULL;
	struct error unsaid;
	struct trust *trusts;
	size_t count;

	if (err_r == NULL) {
		err_r = &unsaid;
	}
	if (wants_tls(settings)) {
		server = tls_server_create(settings->certificates,
					   settings->certificate_count,
					   &worker->tickets, err_r);
		if (server == NULL) {
			return -1;
		}
	}
	if (trusts_create(settings, &trusts, &count, err_r) < 0) {
		tls_server_destroy(&server);
		return -1;
	}
	tls_server_destroy(&worker->tls_server);
	trusts_destroy(worker->trusts, worker->trust_count);
	worker->tls_server = server;
	worker->trusts = trusts;
	worker->trust_count = count;
	settings_ref(settings);
	if (worker->settings != NULL) {
		settings_unref(&worker->settings);
	}
	worker->settings = settings;
	listener_reload_all(worker);
	return 0;
}

void proxy_worker_set_ticket_keys(
	struct proxy_worker *worker,
	const unsigned char current[PROXY_TICKET_KEY_SIZE],
	const unsigned char previous[PROXY_TICKET_KEY_SIZE])
{
	struct tls_tickets *tickets = &worker->tickets;

	memcpy(tickets->current, current, TLS_TICKET_KEY_SIZE);
	tickets->has_previous = previous != NULL;
	if (previous != NULL) {
		memcpy(tickets->previous, previous, TLS_TICKET_KEY_SIZE);
	}
}

/* -- life -- */

struct proxy_worker *
proxy_worker_create(struct event_base *base, struct settings *settings,
		    struct limits *limits, unsigned int index,
		    const struct session_hooks *hooks, struct error *err_r)
{
	struct proxy_worker *worker = xcalloc(1, sizeof(*worker));

	worker->base = base;
	worker->limits = limits;
	worker->index = index;
	worker->hooks = hooks;
	TAILQ_INIT(&worker->sessions);
	STAILQ_INIT(&worker->work);
	STAILQ_INIT(&worker->listeners);
	hash_random(worker->tickets.current, sizeof(worker->tickets.current));
	worker->work_event = event_new(base, -1, EV_PERSIST, on_work, worker);
	worker->resolver = resolver_create(base);
	if (worker->work_event == NULL || worker->resolver == NULL) {
		error_set(err_r, "no memory for the worker");
	} else if (proxy_worker_reload(worker, settings, err_r) == 0) {
		return worker;
	}
	proxy_worker_destroy(&worker);
	return NULL;
}

void proxy_worker_destroy(struct proxy_worker **worker)
{
	struct proxy_worker *w = *worker;
	struct session *s;

	if (w == NULL) {
		return;
	}
	listener_stop_all(w);
	while ((s = TAILQ_FIRST(&w->sessions)) != NULL) {
		session_reap(s);
	}
	resolver_destroy(&w->resolver);
	tls_server_destroy(&w->tls_server);
	trusts_destroy(w->trusts, w->trust_count);
	if (w->work_event != NULL) {
		event_free(w->work_event);
	}
	if (w->drain_event != NULL) {
		event_free(w->drain_event);
	}
	if (w->settings != NULL) {
		settings_unref(&w->settings);
	}
	explicit_bzero(&w->tickets, sizeof(w->tickets));
	explicit_bzero(&w->io, sizeof(w->io));
	free(w);
	*worker = NULL;
}

/* -- all sessions -- */

/* fn may close the session, which stays in the list until it is reaped. */
void proxy_each_session(struct proxy_worker *worker,
			void (*fn)(struct session *s, void *context),
			void *context)
{
	struct session *s;

	TAILQ_FOREACH(s, &worker->sessions, link)
	{
		if (!s->closing) {
			fn(s, context);
		}
	}
}

struct cut {
	struct span mailbox;
	const char *why;
	size_t count;
};

static void cut_one(struct session *s, void *context)
{
	struct cut *cut = context;

	if (s->mailbox != NULL &&
	    span_ieq(span_str(s->mailbox), cut->mailbox)) {
		session_close(s, cut->why);
		cut->count++;
	}
}

size_t proxy_cut_mailbox(struct proxy_worker *worker, struct span mailbox,
			 const char *why)
{
	struct cut cut = { .mailbox = mailbox, .why = why };

	proxy_each_session(worker, cut_one, &cut);
	return cut.count;
}

/* -- drain -- */

static void ask_to_end(struct session *s, void *context)
{
	(void)context;
	if (s->started) {
		s->protocol->on_drain(s);
	} else {
		session_close(s, "draining");
	}
}

static void close_one(struct session *s, void *context)
{
	session_close(s, context);
}

void worker_check_drained(struct proxy_worker *worker)
{
	void (*drained)(void *context) = worker->drained;

	if (worker->session_count == 0 && drained != NULL) {
		worker->drained = NULL;
		event_del(worker->drain_event);
		drained(worker->drained_context);
	}
}

static void on_drain(int fd, short what, void *context)
{
	static char why[] = "drained: out of time";
	struct proxy_worker *worker = context;

	(void)fd;
	(void)what;
	if (worker_now_ms() >= worker->drain_until) {
		proxy_each_session(worker, close_one, why);
	} else {
		proxy_each_session(worker, ask_to_end, NULL);
	}
	io_flush(&worker->io);
	worker_wake(worker);
}

void proxy_drain(struct proxy_worker *worker, unsigned int timeout_s,
		 void (*done)(void *context), void *context)
{
	static const struct timeval second = { .tv_sec = 1 };

	listener_stop_all(worker);
	worker->drained = done;
	worker->drained_context = context;
	worker->drain_until = worker_now_ms() + (uint64_t)timeout_s * 1000;
	if (!worker->draining) {
		worker->draining = true;
		worker->drain_event = event_new(worker->base, -1, EV_PERSIST,
						on_drain, worker);
	}
	event_add(worker->drain_event, &second);
	event_active(worker->drain_event, EV_TIMEOUT, 0);
}
