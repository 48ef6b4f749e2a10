/* worker: wires one event loop: listeners into sessions, sessions into the
   pipeline, the channel's orders into both. */
#include "posternd/worker.h"

#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <event2/event.h>

#include "imap/imap_session.h"
#include "lib/log.h"
#include "posternd/channel.h"
#include "posternd/pipeline.h"
#include "posternd/trace.h"
#include "proxy/worker.h"
#include "smtp/smtp_session.h"

/* Seconds in which no byte moved before memory is given back. */
#define QUIET_TICKS 2

struct worker {
	const struct worker_start *start;
	struct settings *settings;
	struct event_base *base;
	struct proxy_worker *proxy;
	struct pipeline *pipeline;
	struct event *channel_event;
	struct event *tick;
	uint32_t ticket_sequence;
	/* Bytes that had moved at the last tick, and ticks without change. */
	uint64_t moved;
	unsigned int quiet_ticks;
	bool draining;
};

static void report_setting(void *context, bool is_error, const char *file,
			   unsigned int line, const char *text)
{
	(void)context;
	(void)is_error;
	/* The master has logged it with its level. */
	log_debug("%s:%u: %s", file, line, text);
}

static void reload(struct worker *w)
{
	struct settings *fresh =
		settings_load(w->settings->path, report_setting, NULL);
	struct error err = { "" };

	if (fresh == NULL) {
		return;
	}
	if (proxy_worker_reload(w->proxy, fresh, &err) < 0) {
		metric_add(METRIC_RELOADS_FAILED, 1);
		log_error("worker=%zu reload refused: %s; keeping the "
			  "configuration in use",
			  w->start->index, err.text);
		settings_unref(&fresh);
		return;
	}
	pipeline_reload(w->pipeline, fresh);
	log_set_level(fresh->log_level);
	settings_unref(&w->settings);
	w->settings = fresh;
}

/* Sessions are gone; what they taught may still be with the inspector or on
   its way to Redis. */
static void on_pipeline_drained(void *context)
{
	struct worker *w = context;

	event_base_loopbreak(w->base);
}

static void on_sessions_drained(void *context)
{
	struct worker *w = context;

	pipeline_drain(w->pipeline, on_pipeline_drained, w);
}

static void drain(struct worker *w)
{
	if (!w->draining) {
		w->draining = true;
		proxy_drain(w->proxy, w->settings->drain_timeout_s,
			    on_sessions_drained, w);
	}
}

static void obey(struct worker *w, const struct channel_packet *packet)
{
	switch (packet->order) {
	case CHANNEL_RELOAD:
		reload(w);
		break;
	case CHANNEL_DRAIN:
		drain(w);
		break;
	case CHANNEL_TRACE:
		if (packet->fd >= 0) {
			trace_add(packet->text, packet->fd);
			return;
		}
		break;
	}
	if (packet->fd >= 0) {
		close(packet->fd);
	}
}

static void on_channel(evutil_socket_t fd, short what, void *context)
{
	struct worker *w = context;
	struct channel_packet packet;
	int status;

	(void)what;
	while ((status = channel_receive(fd, &packet)) > 0) {
		obey(w, &packet);
	}
	if (status < 0) {
		/* The master is gone: nobody would replace or stop us. */
		event_del(w->channel_event);
		drain(w);
	}
}

/* Handshakes and logins leave holes between what sessions at rest keep. When
   nothing moves any more, the pages of those holes go back to the system:
   about a tenth of what an idle session costs. */
static void give_back_memory(struct worker *w)
{
	uint64_t moved = metric_get(METRIC_BYTES_FROM_CLIENTS) +
			 metric_get(METRIC_BYTES_FROM_SERVERS);

	w->quiet_ticks = moved == w->moved ? w->quiet_ticks + 1 : 0;
	w->moved = moved;
	if (w->quiet_ticks == QUIET_TICKS) {
		malloc_trim(0);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct worker *w = context;

	(void)fd;
	(void)what;
	shared_take_tickets(w->start->shared, &w->ticket_sequence, w->proxy);
	give_back_memory(w);
}

static const struct protocol *protocol_of(const struct listener_settings *l)
{
	return l->protocol == PROTOCOL_SMTP ? &smtp_protocol : &imap_protocol;
}

static int start_listeners(struct worker *w, struct error *err_r)
{
	for (size_t i = 0; i < w->settings->listener_count; i++) {
		const struct listener_settings *l = &w->settings->listeners[i];

		if (listener_start(w->proxy, w->start->sockets[i], l->name,
				   protocol_of(l), err_r) < 0) {
			return -1;
		}
	}
	return 0;
}

static int worker_start(struct worker *w, struct error *err_r)
{
	static const struct timeval every = { .tv_sec = 1 };

	w->base = event_base_new();
	if (w->base == NULL) {
		return error_set(err_r, "no event loop");
	}
	w->pipeline = pipeline_create(
		w->base, w->settings,
		&w->start->shared->publishers[w->start->index], err_r);
	if (w->pipeline == NULL) {
		return -1;
	}
	w->proxy = proxy_worker_create(
		w->base, w->settings, w->start->shared->limits,
		(unsigned int)w->start->index, pipeline_hooks(), err_r);
	if (w->proxy == NULL) {
		return -1;
	}
	shared_take_tickets(w->start->shared, &w->ticket_sequence, w->proxy);
	w->channel_event = event_new(w->base, w->start->channel,
				     EV_READ | EV_PERSIST, on_channel, w);
	event_add(w->channel_event, NULL);
	w->tick = event_new(w->base, -1, EV_PERSIST, on_tick, w);
	event_add(w->tick, &every);
	return start_listeners(w, err_r);
}

static void worker_finish(struct worker *w)
{
	proxy_worker_destroy(&w->proxy);
	pipeline_destroy(&w->pipeline);
	trace_finish();
	if (w->tick != NULL) {
		event_free(w->tick);
		event_free(w->channel_event);
	}
	settings_unref(&w->settings);
	if (w->base != NULL) {
		event_base_free(w->base);
	}
}

int worker_run(const struct worker_start *start)
{
	struct worker w = { .start = start,
			    .settings = settings_ref(start->settings) };
	struct error err = { "" };
	int status = 0;

	/* A terminal sends its signals to all; orders come by the channel. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	/* Live credentials are in this memory: no core file, no ptrace. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (worker_start(&w, &err) < 0) {
		log_error("worker=%zu cannot start: %s", start->index,
			  err.text);
		status = 1;
	} else {
		event_base_dispatch(w.base);
	}
	worker_finish(&w);
	return status;
}

/* Reads the certificates and what is to be trusted, as a worker will. */
static int check_proxy(struct settings *settings, struct limits *limits,
		       struct error *err_r)
{
	struct event_base *base = event_base_new();
	struct proxy_worker *proxy =
		base == NULL ? NULL
			     : proxy_worker_create(base, settings, limits, 0,
						   NULL, err_r);
	int status = proxy == NULL ? -1 : 0;

	proxy_worker_destroy(&proxy);
	if (base != NULL) {
		event_base_free(base);
	}
	return status;
}

int worker_check(struct settings *settings, struct limits *limits,
		 struct error *err_r)
{
	if (access(settings->inspector.program, X_OK) < 0) {
		return error_set(err_r,
				 "%s: cannot be run: set inspector { program "
				 "} to where postern-inspect is",
				 settings->inspector.program);
	}
	if (pipeline_check(settings, err_r) < 0) {
		return -1;
	}
	return check_proxy(settings, limits, err_r);
}
