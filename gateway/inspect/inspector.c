/* inspector: the pool of inspectors in posternd's event loop. Knows which job
   waits where and for how long; what a message is, the children know. */
#include "inspect/inspector.h"

#include <event2/event.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "inspect/inspector_child.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/xalloc.h"

/* In one child's hands at once: enough to fill a write, few enough that one
   bad message among them costs little to find. */
#define BATCH_JOBS  64
#define BATCH_BYTES (512u * 1024)

/* Questions wait so long for company, or until there are so many bytes of
   them: waking a child costs more than asking it. */
#define GATHER_MS    2
#define GATHER_BYTES (64u * 1024)

/* Room in the backlog for nearly any message. */
#define ROOM_BYTES (64u * 1024)

/* How often deadlines are looked at while anything is owed. */
#define TICK_MS 50

/* A child that does not come up, or dies before its first answer. */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS	 10000

/* From its start to its hello: a busy machine, a cold disk. */
#define START_MS 20000

struct slot {
	struct inspector_pool *pool;
	struct inspector_child child;
	struct event *readable;
	struct event *writable;
	/* Not started before this time. */
	uint64_t start_at_ms;
	unsigned int backoff_ms;
};

struct inspector_pool {
	struct event_base *base;
	struct inspector_options options;
	char *program;
	struct slot *slots;
	size_t slot_count;
	struct inspector_jobs queue;
	/* In the queue and in children's hands. */
	size_t pending;
	size_t pending_bytes;
	uint64_t last_id;
	/* Runs when enough is gathered, or after GATHER_MS. */
	struct event *dispatch;
	struct event *tick;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void wake_dispatch(struct inspector_pool *pool)
{
	event_active(pool->dispatch, EV_TIMEOUT, 0);
}

/* Something was added to the queue. */
static void wake_dispatch_soon(struct inspector_pool *pool)
{
	const struct timeval delay = { .tv_usec = GATHER_MS * 1000 };

	if (pool->queue.bytes >= GATHER_BYTES) {
		wake_dispatch(pool);
	} else if (!evtimer_pending(pool->dispatch, NULL)) {
		evtimer_add(pool->dispatch, &delay);
	}
}

static void arm_tick(struct inspector_pool *pool)
{
	const struct timeval delay = { .tv_usec = TICK_MS * 1000 };

	if (!evtimer_pending(pool->tick, NULL)) {
		evtimer_add(pool->tick, &delay);
	}
}

/* The end of a job. */

/* The header of the message, with the empty line if it has one. */
static struct span header_of(const struct inspector_job *job)
{
	struct span message =
		span_of(job->frame + job->frame_len - job->message_len,
			job->message_len);
	ptrdiff_t crlf = span_search(message, SPAN("\r\n\r\n"));
	ptrdiff_t lf = span_search(message, SPAN("\n\n"));

	if (crlf >= 0 && (lf < 0 || crlf < lf)) {
		return span_first(message, (size_t)crlf + 4);
	}
	return lf < 0 ? message : span_first(message, (size_t)lf + 2);
}

static void deliver(struct inspector_pool *pool, struct inspector_job *job,
		    const struct inspect_answer *told)
{
	struct inspector_answer answer = {
		.reason = told->reason,
		.message_id = span_str(told->message_id),
		.date = told->date,
		.direction = told->direction,
		.note = told->note.text,
		.contacts = &told->contacts,
	};

	if (answer.reason == SKIP_NONE && answer.message_id.len == 0) {
		hash_sha256(header_of(job), answer.header_sha256);
	}
	pool->pending--;
	pool->pending_bytes -= job->frame_len;
	job->callback(job->context, &answer);
	inspector_job_destroy(job);
}

static void deliver_undecided(struct inspector_pool *pool,
			      struct inspector_job *job, const char *why)
{
	struct inspect_answer told = { .reason = SKIP_UNDECIDED };

	memcpy(told.note.text, why, strlen(why) + 1);
	deliver(pool, job, &told);
}

/* The life of a child. */

static void slot_stop(struct slot *slot)
{
	if (slot->readable != NULL) {
		event_free(slot->readable);
		event_free(slot->writable);
		slot->readable = NULL;
		slot->writable = NULL;
	}
	inspector_child_stop(&slot->child);
}

static void slot_delay(struct slot *slot)
{
	slot->backoff_ms =
		slot->backoff_ms == 0 ? BACKOFF_FIRST_MS : slot->backoff_ms * 2;
	if (slot->backoff_ms > BACKOFF_MAX_MS) {
		slot->backoff_ms = BACKOFF_MAX_MS;
	}
	slot->start_at_ms = now_ms() + slot->backoff_ms;
	arm_tick(slot->pool);
}

/* The child cannot be used any more. If it had one job, that was it; if it had
   several, each is tried again by itself. */
static void slot_fail(struct slot *slot, const char *why)
{
	struct inspector_pool *pool = slot->pool;
	struct inspector_jobs jobs = slot->child.jobs;

	log_warning("inspector pid=%d killed why=\"%s\" messages=%zu "
		    "answered=%zu",
		    (int)slot->child.pid, why, jobs.count,
		    slot->child.answered);
	metric_add(METRIC_INSPECTORS_KILLED, 1);
	if (slot->child.answered == 0) {
		slot_delay(slot);
	}
	slot->child.jobs = (struct inspector_jobs){ 0 };
	slot_stop(slot);
	if (jobs.count == 1) {
		deliver_undecided(pool, inspector_jobs_pop(&jobs), why);
	}
	for (struct inspector_job *job = jobs.head; job != NULL;
	     job = job->next) {
		job->alone = true;
	}
	inspector_jobs_prepend(&pool->queue, &jobs);
	wake_dispatch(pool);
}

static void on_readable(evutil_socket_t fd, short what, void *context);
static void on_writable(evutil_socket_t fd, short what, void *context);

static void slot_start(struct slot *slot)
{
	struct inspector_pool *pool = slot->pool;
	struct error err;

	if (inspector_child_start(&slot->child, pool->program, &err) < 0) {
		log_error("inspector cannot be started: %s; mail flows "
			  "uninspected",
			  err.text);
		slot_delay(slot);
		return;
	}
	metric_add(METRIC_INSPECTORS_STARTED, 1);
	slot->child.since_ms = now_ms();
	slot->readable = event_new(pool->base, slot->child.fd,
				   EV_READ | EV_PERSIST, on_readable, slot);
	slot->writable = event_new(pool->base, slot->child.fd, EV_WRITE,
				   on_writable, slot);
	event_add(slot->readable, NULL);
	arm_tick(pool);
}

static void slot_write(struct slot *slot)
{
	int status = inspector_child_write(&slot->child);

	if (status == 0) {
		event_add(slot->writable, NULL);
	} else if (status < 0) {
		slot_fail(slot, "died");
	}
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	slot_write(context);
}

/* Deliver every answer that is there. False when the child has failed. */
static bool take_answers(struct slot *slot)
{
	struct inspector_pool *pool = slot->pool;
	struct inspect_answer answer;
	struct inspector_job *job;
	struct error err;
	int more;

	while ((more = inspector_child_answer(&slot->child, &answer, &job,
					      &err)) == 1) {
		slot->child.since_ms = now_ms();
		slot->backoff_ms = 0;
		deliver(pool, job, &answer);
		inspect_answer_finish(&answer);
	}
	if (more < 0) {
		slot_fail(slot, "sent a malformed answer");
		return false;
	}
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct slot *slot = context;
	struct inspector_pool *pool = slot->pool;
	int status = inspector_child_read(&slot->child);

	(void)fd;
	(void)what;
	if (!take_answers(slot)) {
		return;
	}
	if (status < 0) {
		slot_fail(slot, slot->child.ready ? "died" : "did not start");
		return;
	}
	/* Room for more, or time for a fresh one. */
	if (slot->child.answered >= pool->options.max_messages &&
	    slot->child.jobs.count == 0) {
		slot_stop(slot);
		wake_dispatch(pool);
	} else if (pool->queue.head != NULL) {
		wake_dispatch_soon(pool);
	}
}

/* From the queue to the children. */

static bool slot_takes(const struct slot *slot, const struct inspector_job *job)
{
	const struct inspector_child *child = &slot->child;

	if (child->pid == 0 || !child->ready ||
	    child->answered + child->jobs.count >=
		    slot->pool->options.max_messages) {
		return false;
	}
	if (child->jobs.count == 0) {
		return true;
	}
	return !job->alone && !child->jobs.head->alone &&
	       child->jobs.count < BATCH_JOBS &&
	       child->jobs.bytes + job->frame_len <= BATCH_BYTES;
}

static struct slot *choose_slot(struct inspector_pool *pool,
				const struct inspector_job *job)
{
	struct slot *best = NULL;

	for (size_t i = 0; i < pool->slot_count; i++) {
		struct slot *slot = &pool->slots[i];

		if (slot_takes(slot, job) &&
		    (best == NULL ||
		     slot->child.jobs.count < best->child.jobs.count)) {
			best = slot;
		}
	}
	return best;
}

static void on_dispatch(evutil_socket_t fd, short what, void *context)
{
	struct inspector_pool *pool = context;
	uint64_t now = now_ms();

	(void)fd;
	(void)what;
	for (size_t i = 0; i < pool->slot_count; i++) {
		struct slot *slot = &pool->slots[i];

		if (slot->child.pid == 0 && now >= slot->start_at_ms) {
			slot_start(slot);
		}
	}
	while (pool->queue.head != NULL) {
		struct slot *slot = choose_slot(pool, pool->queue.head);

		if (slot == NULL) {
			break;
		}
		if (slot->child.jobs.count == 0) {
			slot->child.since_ms = now;
		}
		inspector_child_give(&slot->child,
				     inspector_jobs_pop(&pool->queue));
	}
	for (size_t i = 0; i < pool->slot_count; i++) {
		if (pool->slots[i].child.unsent != NULL) {
			slot_write(&pool->slots[i]);
		}
	}
}

/* Time. */

static void check_deadline(struct slot *slot, uint64_t now)
{
	const struct inspector_child *child = &slot->child;
	uint64_t waited = now - child->since_ms;

	if (child->pid == 0) {
		return;
	}
	if (!child->ready && waited >= START_MS) {
		slot_fail(slot, "did not start");
	} else if (child->ready && child->jobs.count > 0 &&
		   waited >= slot->pool->options.deadline_ms) {
		slot_fail(slot, "took too long");
	}
}

static bool something_is_owed(const struct inspector_pool *pool)
{
	if (pool->pending > 0) {
		return true;
	}
	for (size_t i = 0; i < pool->slot_count; i++) {
		if (!pool->slots[i].child.ready) {
			return true;
		}
	}
	return false;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct inspector_pool *pool = context;
	uint64_t now = now_ms();

	(void)fd;
	(void)what;
	for (size_t i = 0; i < pool->slot_count; i++) {
		check_deadline(&pool->slots[i], now);
	}
	while (pool->queue.head != NULL &&
	       now - pool->queue.head->queued_ms >= INSPECTOR_WAIT_MS) {
		deliver_undecided(pool, inspector_jobs_pop(&pool->queue),
				  "no inspector was free");
	}
	wake_dispatch(pool);
	if (something_is_owed(pool)) {
		arm_tick(pool);
	}
}

/* The interface. */

struct inspector_pool *
inspector_pool_create(struct event_base *base,
		      const struct inspector_options *options,
		      struct error *err_r)
{
	struct inspector_pool *pool;

	if (access(options->program, X_OK) < 0) {
		error_set(err_r, "%s: %s", options->program, strerror(errno));
		return NULL;
	}
	pool = xcalloc(1, sizeof(*pool));
	pool->base = base;
	inspector_pool_set_options(pool, options);
	pool->slot_count = options->processes;
	pool->slots = xcalloc(pool->slot_count, sizeof(*pool->slots));
	pool->dispatch = event_new(base, -1, 0, on_dispatch, pool);
	pool->tick = evtimer_new(base, on_tick, pool);
	for (size_t i = 0; i < pool->slot_count; i++) {
		pool->slots[i].pool = pool;
		pool->slots[i].child.fd = -1;
		slot_start(&pool->slots[i]);
	}
	return pool;
}

void inspector_pool_set_options(struct inspector_pool *pool,
				const struct inspector_options *options)
{
	char *program = xstrdup(options->program);

	free(pool->program);
	pool->program = program;
	pool->options = *options;
	pool->options.program = NULL;
}

static void jobs_finish(struct inspector_jobs *jobs)
{
	struct inspector_job *job;

	while ((job = inspector_jobs_pop(jobs)) != NULL) {
		inspector_job_destroy(job);
	}
}

void inspector_pool_destroy(struct inspector_pool **pool_p)
{
	struct inspector_pool *pool = *pool_p;

	*pool_p = NULL;
	if (pool == NULL) {
		return;
	}
	for (size_t i = 0; i < pool->slot_count; i++) {
		jobs_finish(&pool->slots[i].child.jobs);
		slot_stop(&pool->slots[i]);
	}
	jobs_finish(&pool->queue);
	event_free(pool->dispatch);
	event_free(pool->tick);
	free(pool->slots);
	free(pool->program);
	free(pool);
}

bool inspector_ask(struct inspector_pool *pool,
		   const struct message_origin *origin, struct span bytes,
		   inspector_callback *callback, void *context)
{
	struct strbuf frame = STRBUF_INIT(INSPECT_MAX_REQUEST);
	struct inspect_request request = { .id = pool->last_id + 1,
					   .origin = *origin,
					   .message = bytes };
	struct inspector_job *job;

	/* One allocation for nearly all mail. */
	strbuf_reserve(&frame, bytes.len + 512);
	if (bytes.len > INSPECTOR_MESSAGE_MAX ||
	    inspect_request_encode(&request, &frame) < 0 ||
	    frame.len > INSPECTOR_BACKLOG_MAX - pool->pending_bytes) {
		strbuf_wipe(&frame);
		metric_add(METRIC_INSPECTOR_OVERFLOW, 1);
		return false;
	}
	job = xcalloc(1, sizeof(*job));
	job->id = ++pool->last_id;
	job->callback = callback;
	job->context = context;
	/* The buffer is the job's now. */
	job->frame = frame.ptr;
	job->frame_len = frame.len;
	job->message_len = bytes.len;
	job->queued_ms = now_ms();
	pool->pending++;
	pool->pending_bytes += job->frame_len;
	inspector_jobs_push(&pool->queue, job);
	wake_dispatch_soon(pool);
	arm_tick(pool);
	return true;
}

bool inspector_pool_is_full(const struct inspector_pool *pool)
{
	return pool->pending_bytes >= INSPECTOR_BACKLOG_MAX - ROOM_BYTES;
}

bool inspector_pool_is_idle(const struct inspector_pool *pool)
{
	return pool->pending == 0;
}

size_t inspector_pool_ready(const struct inspector_pool *pool)
{
	size_t count = 0;

	for (size_t i = 0; i < pool->slot_count; i++) {
		count += pool->slots[i].child.ready;
	}
	return count;
}
