/* master: one process that forks the workers and outlives them. Counters are
   in memory it shares with them, so figures need no questions and survive a
   worker's death. */
#include "posternd/master.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <jansson.h>
#include <systemd/sd-daemon.h>

#include "lib/xalloc.h"
#include "posternd/channel.h"
#include "posternd/control.h"
#include "posternd/privileges.h"
#include "posternd/shared.h"
#include "posternd/sockets.h"
#include "posternd/worker.h"

/* A worker that lived shorter than this is restarted with a pause, doubled
   each time up to the maximum: a crash at start must not eat the machine. */
#define HEALTHY_LIFE_S 10
#define PAUSE_MAX_S    30
/* Workers keep to drain_timeout_s themselves; after this much more they are
   killed. */
#define KILL_AFTER_S 5

struct worker_slot {
	struct master *master;
	size_t index;
	pid_t pid;
	int channel;
	time_t started;
	unsigned int deaths;
	unsigned int pause_s;
	struct event *restart;
};

struct master {
	struct settings *settings;
	struct event_base *base;
	struct sockets sockets;
	struct control *control;
	struct shared shared;
	struct worker_slot *slots;
	size_t count;
	size_t running;
	time_t started;
	bool draining;
	struct event *signals[4];
	struct event *kill_timer;
	struct event *tick;
};

static void start_worker(struct worker_slot *slot);

/* -- workers -- */

static void close_inherited(struct master *m)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->slots[i].channel >= 0) {
			close(m->slots[i].channel);
		}
	}
	control_destroy(&m->control, false);
	for (size_t i = 0; i < N_ELEMENTS(m->signals); i++) {
		event_free(m->signals[i]);
	}
}

static void in_worker(struct master *m, size_t index, int channel)
{
	int status;

	/* The epoll set is shared with the parent until re-made. */
	event_reinit(m->base);
	close_inherited(m);
	metrics_use(&m->shared.metrics[index]);
	status = worker_run(&(struct worker_start){
		.index = index,
		.settings = m->settings,
		.sockets = sockets_of_worker(&m->sockets, index),
		.channel = channel,
		.shared = &m->shared,
	});
	_exit(status);
}

static void schedule_restart(struct worker_slot *slot)
{
	struct timeval pause = { .tv_sec = slot->pause_s };

	if (slot->restart == NULL) {
		abort();
	}
	evtimer_add(slot->restart, &pause);
}

static void on_restart(evutil_socket_t fd, short what, void *context)
{
	struct worker_slot *slot = context;

	(void)fd;
	(void)what;
	if (!slot->master->draining) {
		start_worker(slot);
	}
}

static void start_worker(struct worker_slot *slot)
{
	struct master *m = slot->master;
	int pair[2];

	if (channel_open(pair) < 0) {
		log_error("worker=%zu cannot start: %s", slot->index,
			  strerror(errno));
		slot->pause_s = PAUSE_MAX_S;
		schedule_restart(slot);
		return;
	}
	slot->channel = -1;
	slot->pid = fork();
	if (slot->pid == 0) {
		close(pair[0]);
		in_worker(m, slot->index, pair[1]);
	}
	close(pair[1]);
	if (slot->pid < 0) {
		log_error("worker=%zu cannot fork: %s", slot->index,
			  strerror(errno));
		close(pair[0]);
		slot->pause_s = PAUSE_MAX_S;
		schedule_restart(slot);
		return;
	}
	slot->channel = pair[0];
	slot->started = time(NULL);
	m->running++;
	metric_add(METRIC_WORKERS_STARTED, 1);
}

static void say_how_it_died(const struct worker_slot *slot, int status)
{
	if (WIFSIGNALED(status)) {
		log_error("worker=%zu pid=%d killed by signal %d, replaced in "
			  "%u s",
			  slot->index, (int)slot->pid, WTERMSIG(status),
			  slot->pause_s);
	} else {
		log_error("worker=%zu pid=%d ended with status %d, replaced "
			  "in %u s",
			  slot->index, (int)slot->pid, WEXITSTATUS(status),
			  slot->pause_s);
	}
}

static void worker_died(struct worker_slot *slot, int status)
{
	struct master *m = slot->master;

	m->running--;
	close(slot->channel);
	slot->channel = -1;
	shared_worker_died(&m->shared, slot->index);
	if (m->draining) {
		slot->pid = 0;
		if (m->running == 0) {
			event_base_loopbreak(m->base);
		}
		return;
	}
	slot->deaths++;
	metric_add(METRIC_WORKERS_DIED, 1);
	if (time(NULL) - slot->started >= HEALTHY_LIFE_S) {
		slot->pause_s = 0;
	} else {
		slot->pause_s = slot->pause_s == 0 ? 1 : slot->pause_s * 2;
		if (slot->pause_s > PAUSE_MAX_S) {
			slot->pause_s = PAUSE_MAX_S;
		}
	}
	say_how_it_died(slot, status);
	slot->pid = 0;
	schedule_restart(slot);
}

static void on_child(evutil_socket_t fd, short what, void *context)
{
	struct master *m = context;
	int status;
	pid_t pid;

	(void)fd;
	(void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < m->count; i++) {
			if (m->slots[i].pid == pid) {
				worker_died(&m->slots[i], status);
				break;
			}
		}
	}
}

static void order_all(struct master *m, enum channel_order order,
		      struct span text, int fd)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->slots[i].channel >= 0) {
			channel_send(m->slots[i].channel, order, text, fd);
		}
	}
}

/* -- signals -- */

static void on_kill_timer(evutil_socket_t fd, short what, void *context)
{
	struct master *m = context;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < m->count; i++) {
		if (m->slots[i].pid > 0) {
			log_warning("worker=%zu did not end in time, killed",
				    i);
			kill(m->slots[i].pid, SIGKILL);
		}
	}
}

static void on_stop(evutil_socket_t signal_number, short what, void *context)
{
	struct master *m = context;
	struct timeval patience = { .tv_sec = m->settings->drain_timeout_s +
					      KILL_AFTER_S };

	(void)what;
	if (m->draining) {
		log_warning("stopping at once: second signal");
		on_kill_timer(-1, 0, m);
		return;
	}
	log_info("stopping: signal %d, sessions have %u s to finish",
		 (int)signal_number, m->settings->drain_timeout_s);
	sd_notify(0, "STOPPING=1");
	m->draining = true;
	order_all(m, CHANNEL_DRAIN, SPAN(""), -1);
	evtimer_add(m->kill_timer, &patience);
	if (m->running == 0) {
		event_base_loopbreak(m->base);
	}
}

static void report_setting(void *context, bool is_error, const char *file,
			   unsigned int line, const char *text)
{
	(void)context;
	log_write(is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s:%u: %s",
		  file, line, text);
}

static void on_reload(evutil_socket_t fd, short what, void *context)
{
	struct master *m = context;
	struct settings *fresh;

	(void)fd;
	(void)what;
	sd_notify(0, "RELOADING=1");
	fresh = settings_load(m->settings->path, report_setting, NULL);
	if (fresh == NULL) {
		metric_add(METRIC_RELOADS_FAILED, 1);
		log_error("reload refused: keeping the configuration in use");
	} else {
		metric_add(METRIC_RELOADS, 1);
		settings_unref(&m->settings);
		m->settings = fresh;
		log_set_level(fresh->log_level);
		order_all(m, CHANNEL_RELOAD, SPAN(""), -1);
		log_info("reloaded %s", fresh->path);
	}
	sd_notify(0, "READY=1");
}

/* Ticket keys age, and systemd may want to hear from us. */
static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct master *m = context;

	(void)fd;
	(void)what;
	shared_tick(&m->shared);
	sd_notify(0, "WATCHDOG=1");
}

static void watch_signals(struct master *m)
{
	static const struct {
		int number;
		event_callback_fn callback;
	} rows[] = {
		{ SIGTERM, on_stop },
		{ SIGINT, on_stop },
		{ SIGHUP, on_reload },
		{ SIGCHLD, on_child },
	};
	static const struct timeval every = { .tv_sec = 10 };

	static_assert(N_ELEMENTS(rows) == N_ELEMENTS(m->signals), "signals");
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		m->signals[i] = evsignal_new(m->base, rows[i].number,
					     rows[i].callback, m);
		event_add(m->signals[i], NULL);
	}
	m->kill_timer = evtimer_new(m->base, on_kill_timer, m);
	m->tick = event_new(m->base, -1, EV_PERSIST, on_tick, m);
	event_add(m->tick, &every);
}

/* -- control socket -- */

static json_t *workers_as_json(const struct master *m)
{
	json_t *workers = json_array();
	time_t now = time(NULL);

	for (size_t i = 0; i < m->count; i++) {
		const struct worker_slot *slot = &m->slots[i];
		const uint64_t *values = m->shared.metrics[i].values;

		json_array_append_new(
			workers,
			json_pack("{s:i, s:b, s:I, s:i, s:I}", "pid",
				  (int)slot->pid, "running", slot->pid > 0,
				  "up_s",
				  (json_int_t)(slot->pid > 0
						       ? now - slot->started
						       : 0),
				  "deaths", (int)slot->deaths, "sessions",
				  (json_int_t)values[METRIC_OPEN_SESSIONS]));
	}
	return workers;
}

static void answer_status(const struct master *m, struct strbuf *out)
{
	struct metrics sum;
	json_t *counters = json_object();
	json_t *status;
	char *text;

	shared_sum_metrics(&m->shared, &sum);
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const char *labels = metric_labels((enum metric)i);
		char *key = xasprintf("%s%s%s%s", metric_name((enum metric)i),
				      labels[0] == '\0' ? "" : "{", labels,
				      labels[0] == '\0' ? "" : "}");

		json_object_set_new(counters, key,
				    json_integer((json_int_t)sum.values[i]));
		free(key);
	}
	status = json_pack("{s:s, s:i, s:I, s:b, s:s, s:o, s:o}", "version",
			   POSTERN_VERSION, "pid", (int)getpid(), "up_s",
			   (json_int_t)(time(NULL) - m->started), "draining",
			   m->draining, "config", m->settings->path, "workers",
			   workers_as_json(m), "metrics", counters);
	text = json_dumps(status, JSON_INDENT(1));
	strbuf_add_str(out, text);
	strbuf_add_char(out, '\n');
	free(text);
	json_decref(status);
}

static int on_control(void *context, struct span request, int fd,
		      struct strbuf *out)
{
	struct master *m = context;
	struct metrics sum;

	if (span_eq(request, SPAN("status"))) {
		answer_status(m, out);
		return 0;
	}
	if (span_eq(request, SPAN("metrics"))) {
		shared_sum_metrics(&m->shared, &sum);
		metrics_print(&sum, out);
		return 0;
	}
	if (span_starts(request, SPAN("trace"))) {
		order_all(m, CHANNEL_TRACE, span_trim(span_from(request, 5)),
			  fd);
		close(fd);
		return 1;
	}
	return -1;
}

/* -- start and end -- */

static int prepare_directories(const struct settings *s, struct error *err_r)
{
	const char *dirs[] = { s->run_dir, s->state_dir, s->queue.journal_dir };

	for (size_t i = 0; i < N_ELEMENTS(dirs); i++) {
		struct stat info;

		if ((mkdir(dirs[i], 0750) < 0 && errno != EEXIST) ||
		    stat(dirs[i], &info) < 0) {
			return error_set(err_r,
					 "%s: cannot make it: %s; create it, "
					 "or name another in the configuration",
					 dirs[i], strerror(errno));
		}
		if (!S_ISDIR(info.st_mode)) {
			return error_set(err_r,
					 "%s: is no directory; name another in "
					 "the configuration",
					 dirs[i]);
		}
	}
	return privileges_drop(s->user, dirs, N_ELEMENTS(dirs), err_r);
}

static size_t worker_count(const struct settings *settings)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (settings->workers > 0) {
		return settings->workers;
	}
	return cores > 0 ? (size_t)cores : 1;
}

static int open_control(struct master *m, struct error *err_r)
{
	char *path = xasprintf("%s/posternd.sock", m->settings->run_dir);

	m->control = control_create(m->base, path, on_control, m, err_r);
	free(path);
	return m->control == NULL ? -1 : 0;
}

static int master_start(struct master *m, struct error *err_r)
{
	m->count = worker_count(m->settings);
	shared_create(&m->shared, m->count);
	metrics_use(&m->shared.metrics[m->count]);
	if (sockets_open(&m->sockets, m->settings, m->count, err_r) < 0 ||
	    prepare_directories(m->settings, err_r) < 0) {
		return -1;
	}
	if (worker_check(m->settings, m->shared.limits, err_r) < 0 ||
	    open_control(m, err_r) < 0) {
		return -1;
	}
	watch_signals(m);
	m->slots = xcalloc(m->count, sizeof(*m->slots));
	for (size_t i = 0; i < m->count; i++) {
		m->slots[i].master = m;
		m->slots[i].index = i;
		m->slots[i].channel = -1;
		m->slots[i].restart =
			evtimer_new(m->base, on_restart, &m->slots[i]);
	}
	for (size_t i = 0; i < m->count; i++) {
		start_worker(&m->slots[i]);
	}
	return 0;
}

static void master_finish(struct master *m)
{
	control_destroy(&m->control, true);
	sockets_finish(&m->sockets);
	for (size_t i = 0; i < m->count && m->slots != NULL; i++) {
		event_free(m->slots[i].restart);
	}
	for (size_t i = 0; i < N_ELEMENTS(m->signals); i++) {
		if (m->signals[i] != NULL) {
			event_free(m->signals[i]);
		}
	}
	if (m->kill_timer != NULL) {
		event_free(m->kill_timer);
		event_free(m->tick);
	}
	free(m->slots);
	metrics_use(NULL);
	shared_finish(&m->shared);
	settings_unref(&m->settings);
	event_base_free(m->base);
}

int master_run(struct settings *settings)
{
	struct master m = { .settings = settings, .started = time(NULL) };
	struct error err = { "" };
	int status = 0;

	m.base = event_base_new();
	if (m.base == NULL || master_start(&m, &err) < 0) {
		log_error("cannot start: %s", err.text);
		status = 1;
	} else {
		log_info("started version=" POSTERN_VERSION
			 " workers=%zu listeners=%zu",
			 m.count, m.settings->listener_count);
		sd_notify(0, "READY=1");
		event_base_dispatch(m.base);
		log_info("stopped");
	}
	master_finish(&m);
	return status;
}
