/* session: the life of one client connection and its server connection.
   Begins in session_accept.c, ends in session_close with a reason; freed only
   from the worker's own loop. Knows no protocol. */
#include "proxy/session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/metrics.h"
#include "lib/xalloc.h"
#include "proxy/session_impl.h"

struct endpoint *session_endpoint(struct session *s, enum side side)
{
	return side == SIDE_CLIENT ? &s->client : &s->server;
}

/* -- questions -- */

void *session_state(const struct session *s)
{
	return s->state;
}

const char *session_id(const struct session *s)
{
	return s->id;
}

const struct settings *session_settings(const struct session *s)
{
	return s->settings;
}

const struct session_hooks *session_hooks(const struct session *s)
{
	return s->worker->hooks;
}

const struct listener_settings *session_listener(const struct session *s)
{
	return s->listener;
}

const char *session_client_address(const struct session *s)
{
	return s->address_text;
}

bool session_has_tls(const struct session *s, enum side side)
{
	return (side == SIDE_CLIENT ? s->client.state : s->server.state) ==
	       ENDPOINT_TLS;
}

/* Whom the plain text would pass by is the peer of the socket, not whom its
   PROXY header names. */
bool session_may_authenticate(const struct session *s)
{
	return session_has_tls(s, SIDE_CLIENT) ||
	       (s->listener->tls == TLS_NONE && s->peer_trusted);
}

const char *session_mailbox(const struct session *s)
{
	return s->mailbox == NULL ? "" : s->mailbox;
}

char *session_lower_copy(struct span text)
{
	char *copy = span_dup(text);

	for (char *c = copy; *c != '\0'; c++) {
		*c = ascii_lower(*c);
	}
	return copy;
}

void session_set_mailbox(struct session *s, struct span login)
{
	free(s->mailbox);
	s->mailbox = session_lower_copy(login);
}

const struct session_route *session_route(const struct session *s)
{
	return &s->route;
}

bool session_is_authenticated(const struct session *s)
{
	return s->authenticated;
}

void session_set_context(struct session *s, void *context)
{
	s->context = context;
}

void *session_context(const struct session *s)
{
	return s->context;
}

void session_log(const struct session *s, enum log_level level,
		 const char *format, ...)
{
	char text[LOG_LINE_MAX];
	struct log_quote mailbox;
	va_list args;

	if (!log_wants(level)) {
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (s->mailbox == NULL) {
		log_write(level, "session=%s %s", s->id, text);
	} else {
		log_write(level, "session=%s mailbox=%s %s", s->id,
			  log_quote(span_str(s->mailbox), &mailbox), text);
	}
}

/* -- time -- */

static void arm(struct session *s, uint64_t now)
{
	uint64_t first = 0;
	struct timeval tv;
	uint64_t wait;

	for (int i = 0; i < DEADLINE_COUNT; i++) {
		uint64_t at = s->deadlines[i];

		if (at != 0 && (first == 0 || at < first)) {
			first = at;
		}
	}
	/* One that moved away costs nothing: the timer fires, and is set
	   again. Deadlines move with every command. */
	if (first == 0 || (s->timer_at != 0 && s->timer_at <= first)) {
		return;
	}
	s->timer_at = first;
	wait = first > now ? first - now : 0;
	tv.tv_sec = (time_t)(wait / 1000);
	tv.tv_usec = (suseconds_t)(wait % 1000 * 1000);
	event_add(&s->timer, &tv);
}

void session_set_deadline(struct session *s, enum deadline deadline,
			  uint64_t after_ms)
{
	uint64_t now = worker_now_ms();

	s->deadlines[deadline] = after_ms == 0 ? 0 : now + after_ms;
	if (after_ms != 0) {
		arm(s, now);
	}
}

void session_set_timeout(struct session *s, unsigned int seconds)
{
	if (!s->closing) {
		session_set_deadline(s, DEADLINE_PROTOCOL,
				     (uint64_t)seconds * 1000);
	}
}

static void end_closing(struct session *s)
{
	endpoint_finish(&s->client);
	endpoint_finish(&s->server);
	worker_add_work(s, WORK_REAP);
}

/* A deadline passed. */
static void run_out(struct session *s, enum deadline deadline)
{
	switch (deadline) {
	case DEADLINE_PROTOCOL:
		s->protocol->on_timeout(s);
		break;
	case DEADLINE_PREAUTH:
		/* The protocol may have a last line to say. */
		if (s->started) {
			s->protocol->on_timeout(s);
		}
		session_close(s, "no login in time");
		break;
	case DEADLINE_HANDSHAKE:
		session_handshake_failed(&s->server, "TLS handshake timed out");
		break;
	case DEADLINE_DELAY:
		s->client.delayed = false;
		endpoint_update(&s->client);
		worker_add_work(s, WORK_DELIVER_CLIENT);
		break;
	default:
		end_closing(s);
		break;
	}
}

static void on_timer(int fd, short what, void *context)
{
	struct session *s = context;
	uint64_t now = worker_now_ms();

	(void)fd;
	(void)what;
	s->timer_at = 0;
	for (int i = 0; i < DEADLINE_COUNT; i++) {
		if (s->deadlines[i] != 0 && s->deadlines[i] <= now &&
		    (!s->closing || i == DEADLINE_LINGER)) {
			s->deadlines[i] = 0;
			run_out(s, (enum deadline)i);
		}
	}
	arm(s, now);
	io_flush(&s->worker->io);
}

/* -- begin -- */

struct session *session_create(struct proxy_worker *worker,
			       const struct listener_settings *listener,
			       const struct protocol *protocol)
{
	struct session *s = xcalloc(1, sizeof(*s));

	s->worker = worker;
	s->settings = settings_ref(worker->settings);
	s->listener = listener;
	s->protocol = protocol;
	s->started_at = worker_now_ms();
	snprintf(s->id, sizeof(s->id), "%04x-%06" PRIx32,
		 (unsigned int)getpid() & 0xffff, ++worker->next_id);
	endpoint_init(&s->client, s, SIDE_CLIENT);
	endpoint_init(&s->server, s, SIDE_SERVER);
	event_assign(&s->timer, worker->base, -1, 0, on_timer, s);
	TAILQ_INSERT_TAIL(&worker->sessions, s, link);
	worker->session_count++;
	metric_add(METRIC_OPEN_SESSIONS, 1);
	metric_add(listener->protocol == PROTOCOL_IMAP ? METRIC_IMAP_SESSIONS
						       : METRIC_SMTP_SESSIONS,
		   1);
	session_set_deadline(s, DEADLINE_PREAUTH,
			     (uint64_t)s->settings->limits.preauth_timeout_s *
				     1000);
	return s;
}

/* The client can be talked to. */
static void start(struct session *s)
{
	bool tls = session_has_tls(s, SIDE_CLIENT);

	session_log(s, LOG_LEVEL_INFO, "opened client=%s listener=%s tls=%s",
		    s->address_text, s->listener->name,
		    tls ? tls_version(&s->client.tls) : "no");
	s->started = true;
	s->state = s->protocol->create(s);
	s->protocol->start(s);
}

void session_begin(struct session *s)
{
	if (s->listener->tls == TLS_IMPLICIT) {
		endpoint_start_tls(&s->client);
	} else {
		s->client.state = ENDPOINT_PLAIN;
		start(s);
	}
}

/* -- TLS -- */

void session_start_tls(struct session *s, enum side side)
{
	session_endpoint(s, side)->wants_tls = true;
	worker_add_work(s, WORK_START_TLS);
}

struct tls_peer *session_tls_peer(struct session *s)
{
	const struct provider *provider = s->route.provider;
	const char *name = provider->tls_name == NULL ? s->service->host
						      : provider->tls_name;
	struct tls_client *trust = worker_trust(s->worker, provider->ca_file);

	return trust == NULL ? NULL
			     : tls_client_peer(trust, name, s->service->port);
}

static void count_handshake(const struct endpoint *e)
{
	bool resumed = tls_was_resumed(&e->tls);

	if (e->side == SIDE_CLIENT) {
		metric_add(resumed ? METRIC_TLS_CLIENT_RESUMED
				   : METRIC_TLS_CLIENT_FULL,
			   1);
	} else {
		metric_add(resumed ? METRIC_TLS_SERVER_RESUMED
				   : METRIC_TLS_SERVER_FULL,
			   1);
	}
}

static void connected(struct session *s)
{
	s->connected = true;
	s->protocol->on_connected(s);
}

void session_handshake_done(struct endpoint *e)
{
	struct session *s = e->session;

	count_handshake(e);
	if (e->side == SIDE_SERVER) {
		session_set_deadline(s, DEADLINE_HANDSHAKE, 0);
	}
	if (e->side == SIDE_SERVER && !s->connected) {
		connected(s);
	} else if (e->side == SIDE_CLIENT && !s->started) {
		start(s);
	} else {
		s->protocol->on_tls(s, e->side);
	}
}

void session_handshake_failed(struct endpoint *e, const char *why)
{
	struct session *s = e->session;
	char text[ERROR_TEXT_SIZE];

	/* why may lie in what is closed below. */
	snprintf(text, sizeof(text), "%s", why);
	if (e->side == SIDE_CLIENT) {
		metric_add(METRIC_TLS_FAILURES, 1);
		session_close_because(s, "client", text);
		return;
	}
	io_flush(&s->worker->io);
	session_disconnect_server(s);
	metric_add(METRIC_PROVIDER_FAILURES, 1);
	s->protocol->on_connect_failed(s, text);
}

/* -- the provider -- */

/* Without a hook: the listener's provider, else the default one. */
static int default_route(struct session *s, struct session_route *route_r,
			 struct error *err_r)
{
	const char *name = s->listener->provider == NULL
				   ? s->settings->default_provider
				   : s->listener->provider;

	*route_r = (struct session_route){ 0 };
	if (name != NULL) {
		route_r->provider = settings_provider(s->settings, name);
	}
	if (route_r->provider == NULL) {
		return error_set(err_r, "no provider for this listener");
	}
	return 0;
}

static int choose_route(struct session *s, const struct credential *credential,
			struct error *err_r)
{
	const struct session_hooks *hooks = s->worker->hooks;
	int status;

	if (hooks != NULL && hooks->on_route != NULL) {
		status = hooks->on_route(s, credential, &s->route, err_r);
	} else {
		status = default_route(s, &s->route, err_r);
	}
	if (status < 0) {
		return -1;
	}
	s->service = s->listener->protocol == PROTOCOL_IMAP
			     ? &s->route.provider->imap
			     : &s->route.provider->smtp;
	if (s->service->host == NULL) {
		return error_set(err_r, "provider %s has no such service",
				 s->route.provider->name);
	}
	return 0;
}

static void on_backend(void *context, int fd, const char *why)
{
	struct session *s = context;

	s->backend = NULL;
	if (fd < 0) {
		metric_add(METRIC_PROVIDER_FAILURES, 1);
		s->protocol->on_connect_failed(s, why);
	} else {
		endpoint_open(&s->server, fd, ENDPOINT_PLAIN);
		if (s->service->tls == TLS_IMPLICIT) {
			endpoint_start_tls(&s->server);
		} else {
			connected(s);
		}
	}
	io_flush(&s->worker->io);
}

int session_connect(struct session *s, const struct credential *credential,
		    struct error *err_r)
{
	assert(s->backend == NULL && s->server.state == ENDPOINT_NONE);
	if (choose_route(s, credential, err_r) < 0) {
		return -1;
	}
	if (worker_trust(s->worker, s->route.provider->ca_file) == NULL) {
		return error_set(err_r, "provider %s: its CA file is not read",
				 s->route.provider->name);
	}
	s->backend = backend_connect(s->worker->base, s->worker->resolver,
				     s->service->host, s->service->port,
				     s->settings->limits.connect_timeout_s,
				     on_backend, s);
	return 0;
}

void session_disconnect_server(struct session *s)
{
	backend_cancel(&s->backend);
	relay_flush(&s->worker->io);
	if (s->server.state == ENDPOINT_TLS) {
		tls_shutdown(&s->server.tls);
	}
	if (s->worker->io.out_owner == &s->server) {
		io_flush(&s->worker->io);
	}
	endpoint_finish(&s->server);
	endpoint_update(&s->client);
	s->connected = false;
	session_set_deadline(s, DEADLINE_HANDSHAKE, 0);
}

/* -- end -- */

static uint64_t uptime_s(const struct session *s)
{
	return (worker_now_ms() - s->started_at) / 1000;
}

void session_linger(struct session *s)
{
	uint64_t spent = worker_now_ms() - s->closed_at;
	uint64_t left = LINGER_MAX_S * 1000 - spent;

	if (spent < LINGER_MAX_S * 1000) {
		session_set_deadline(s, DEADLINE_LINGER,
				     left < LINGER_S * 1000 ? left + 1
							    : LINGER_S * 1000);
	}
}

void session_endpoint_closed(struct session *s)
{
	if (s->client.state == ENDPOINT_NONE &&
	    s->server.state == ENDPOINT_NONE) {
		worker_add_work(s, WORK_REAP);
	}
}

void session_close(struct session *s, const char *why)
{
	const struct session_hooks *hooks = s->worker->hooks;
	bool client_done;
	bool server_done;

	if (s->closing) {
		return;
	}
	/* Ordered before the close. */
	relay_flush(&s->worker->io);
	session_log(s, LOG_LEVEL_INFO,
		    "closed why=\"%s\" in=%" PRIu64 " out=%" PRIu64
		    " seconds=%" PRIu64,
		    why, s->client.bytes_in, s->server.bytes_in, uptime_s(s));
	s->closing = true;
	s->closed_at = worker_now_ms();
	memset(s->deadlines, 0, sizeof(s->deadlines));
	backend_cancel(&s->backend);
	session_forget_limits(s);
	if (hooks != NULL && hooks->on_close != NULL) {
		hooks->on_close(s);
	}
	server_done = endpoint_close(&s->server);
	client_done = endpoint_close(&s->client);
	if (server_done && client_done) {
		worker_add_work(s, WORK_REAP);
	} else {
		session_linger(s);
	}
}

void session_close_because(struct session *s, const char *side, const char *why)
{
	char text[ERROR_TEXT_SIZE + 32];

	snprintf(text, sizeof(text), "%s: %s", side, why);
	session_close(s, text);
}

void session_reap(struct session *s)
{
	struct proxy_worker *worker = s->worker;

	if (!s->closing) {
		session_close(s, "worker ends");
	}
	if (s->state != NULL) {
		s->protocol->destroy(s->state);
	}
	endpoint_finish(&s->client);
	endpoint_finish(&s->server);
	event_del(&s->timer);
	TAILQ_REMOVE(&worker->sessions, s, link);
	worker->session_count--;
	metric_subtract(METRIC_OPEN_SESSIONS, 1);
	settings_unref(&s->settings);
	free(s->mailbox);
	free(s);
}

/* -- what the worker does after an event -- */

static void do_start_tls(struct endpoint *e)
{
	if (!e->wants_tls) {
		return;
	}
	if (e->held.len > 0) {
		relay_deliver(e, relay_load_held(e));
	} else {
		endpoint_start_tls(e);
	}
}

/* Sending failed. A provider may have sent a last line before: as long as it
   is read, reading tells the end. */
static void do_broken(struct endpoint *e)
{
	if (e->side == SIDE_CLIENT) {
		session_close_because(e->session, "client", e->why);
	} else if (!e->reading && e->state != ENDPOINT_NONE) {
		e->eof = true;
		e->truncated = true;
		relay_deliver_eof(e);
	}
}

static void do_writable(struct endpoint *e)
{
	void (*fn)(struct session * s) = e->when_writable;

	e->when_writable = NULL;
	if (fn != NULL) {
		fn(e->session);
	}
}

void session_do_work(struct session *s, unsigned int flags)
{
	static const struct {
		unsigned int flag;
		enum side side;
		void (*fn)(struct endpoint *e);
	} rows[] = {
		{ WORK_START_TLS, SIDE_CLIENT, do_start_tls },
		{ WORK_START_TLS, SIDE_SERVER, do_start_tls },
		{ WORK_DELIVER_SERVER, SIDE_SERVER, relay_deliver_held },
		{ WORK_DELIVER_CLIENT, SIDE_CLIENT, relay_deliver_held },
		{ WORK_WRITABLE_CLIENT, SIDE_CLIENT, do_writable },
		{ WORK_WRITABLE_SERVER, SIDE_SERVER, do_writable },
		{ WORK_BROKEN_CLIENT, SIDE_CLIENT, do_broken },
		{ WORK_BROKEN_SERVER, SIDE_SERVER, do_broken },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows) && !s->closing; i++) {
		if ((flags & rows[i].flag) != 0) {
			rows[i].fn(session_endpoint(s, rows[i].side));
		}
	}
}
