/* spool: one thread that owns the journal. Everything both sides touch is
   in struct exchange, under its mutex. */
#include "queue/spool.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/frame.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "lib/xalloc.h"
#include "queue/journal.h"

/* Between two lines about faults; the counts say the rest. */
#define FAULT_INTERVAL_S 10

/* Segments looked at for one that holds a record. */
#define TAKE_TRIES_MAX 1024

enum spool_order {
	SPOOL_NOTHING,
	/* Take the oldest segment and answer. */
	SPOOL_TAKE,
	SPOOL_DONE,
	SPOOL_GIVE_BACK,
};

struct exchange {
	pthread_mutex_t mutex;
	/* Signalled when the thread has something to do. */
	pthread_cond_t work;
	/* Frames waiting for the disk. */
	struct strbuf waiting;
	enum spool_order order;
	/* A TAKE that came while DONE or GIVE_BACK still waited. */
	bool take_after;
	bool stopping;
	/* The thread's answer to TAKE. */
	bool answered;
	struct spool_counts counts;
	/* The last fault, until the loop has logged it. */
	struct error fault;
};

struct spool {
	struct exchange exchange;
	pthread_t thread;
	/* Wakes the loop. */
	int wake_fd;
	struct event *wake;
	/* When the loop may log a fault again. */
	time_t next_fault;
	spool_segment *on_segment;
	spool_change *on_change;
	void *context;
	/* The thread's alone. */
	struct journal journal;
	/* Frames of the taken segment; the thread's until answered, the
	   loop's until it orders DONE or GIVE_BACK. */
	struct strbuf segment;
};

static void wake_loop(struct spool *spool)
{
	uint64_t one = 1;

	if (write(spool->wake_fd, &one, sizeof(one)) < 0) {
		/* EAGAIN: the loop is awake already. */
	}
}

static void note_fault(struct exchange *exchange, const struct error *err)
{
	pthread_mutex_lock(&exchange->mutex);
	exchange->fault = *err;
	pthread_mutex_unlock(&exchange->mutex);
}

/* Everything the loop gave since the last time, with one sync for all. */
static void store(struct spool *spool, struct strbuf *batch)
{
	struct span rest = strbuf_span(batch);
	struct span entry;
	struct error err = { "" };
	uint64_t stored = 0;
	uint64_t dropped = 0;

	while (frame_next(&rest, JOURNAL_ENTRY_MAX, &entry) == 1) {
		if (journal_append(&spool->journal, entry, &err) < 0) {
			dropped++;
		} else {
			stored++;
		}
	}
	if (journal_sync(&spool->journal, &err) < 0) {
		dropped += stored;
		stored = 0;
	}
	if (dropped > 0) {
		error_prefix(&err, "journal: records are dropped");
		note_fault(&spool->exchange, &err);
	}
	strbuf_clear(batch);
	pthread_mutex_lock(&spool->exchange.mutex);
	spool->exchange.counts.stored += stored;
	spool->exchange.counts.dropped += dropped;
	pthread_mutex_unlock(&spool->exchange.mutex);
}

/* One try for the oldest segment: 1 with frames, 0 when none is left, -1 to
   try the next. */
static int take_one(struct spool *spool)
{
	struct error err = { "" };
	uint64_t torn = 0;
	int status =
		journal_take(&spool->journal, &spool->segment, &torn, &err);

	if (status < 0) {
		error_prefix(&err, "journal: set aside as .damaged");
		note_fault(&spool->exchange, &err);
		return -1;
	}
	if (torn > 0) {
		error_set(&err,
			  "journal: the last %" PRIu64
			  " bytes of a segment were torn by a crash",
			  torn);
		note_fault(&spool->exchange, &err);
	}
	if (status == 1 && spool->segment.len == 0) {
		/* Nothing whole in it. */
		journal_done(&spool->journal);
		return -1;
	}
	return status;
}

static void take(struct spool *spool)
{
	/* Bounded, for a directory where even renaming fails. */
	for (int tries = 0; tries < TAKE_TRIES_MAX; tries++) {
		int status = take_one(spool);

		if (status == 1) {
			return;
		}
		if (status == 0) {
			break;
		}
	}
	strbuf_clear(&spool->segment);
}

static void obey(struct spool *spool, enum spool_order order)
{
	switch (order) {
	case SPOOL_NOTHING:
		return;
	case SPOOL_TAKE:
		take(spool);
		break;
	case SPOOL_DONE:
		journal_done(&spool->journal);
		break;
	case SPOOL_GIVE_BACK:
		journal_give_back(&spool->journal);
		break;
	}
}

/* Wait for work; false when there is none left and the end was asked for. */
static bool await_work(struct exchange *exchange, struct strbuf *batch,
		       enum spool_order *order_r)
{
	bool more;

	pthread_mutex_lock(&exchange->mutex);
	while (exchange->waiting.len == 0 && exchange->order == SPOOL_NOTHING &&
	       !exchange->stopping) {
		pthread_cond_wait(&exchange->work, &exchange->mutex);
	}
	more = exchange->waiting.len > 0 || exchange->order != SPOOL_NOTHING;
	if (more) {
		struct strbuf swap = exchange->waiting;

		exchange->waiting = *batch;
		*batch = swap;
		*order_r = exchange->order;
		exchange->order =
			exchange->take_after ? SPOOL_TAKE : SPOOL_NOTHING;
		exchange->take_after = false;
	}
	pthread_mutex_unlock(&exchange->mutex);
	return more;
}

static void *spool_main(void *argument)
{
	struct spool *spool = argument;
	struct exchange *exchange = &spool->exchange;
	struct strbuf batch = STRBUF_INIT(SPOOL_MEMORY_MAX);
	enum spool_order order;

	while (await_work(exchange, &batch, &order)) {
		uint64_t bytes;

		if (batch.len > 0) {
			store(spool, &batch);
		}
		obey(spool, order);
		bytes = journal_bytes(&spool->journal);
		pthread_mutex_lock(&exchange->mutex);
		exchange->counts.journal_bytes = bytes;
		exchange->answered = exchange->answered || order == SPOOL_TAKE;
		pthread_mutex_unlock(&exchange->mutex);
		wake_loop(spool);
	}
	strbuf_finish(&batch);
	return NULL;
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
	struct spool *spool = context;
	struct exchange *exchange = &spool->exchange;
	struct error fault;
	uint64_t times;
	bool answered;

	(void)what;
	if (read(fd, &times, sizeof(times)) < 0) {
		/* Woken for something that was handled already. */
	}
	pthread_mutex_lock(&exchange->mutex);
	fault = exchange->fault;
	if (time(NULL) < spool->next_fault) {
		/* A full disk would say so for every batch. */
		fault.text[0] = '\0';
	}
	exchange->fault.text[0] = '\0';
	answered = exchange->answered;
	exchange->answered = false;
	pthread_mutex_unlock(&exchange->mutex);
	/* Here and not in the thread: the log's listener is the loop's. */
	if (fault.text[0] != '\0') {
		log_error("%s", fault.text);
		spool->next_fault = time(NULL) + FAULT_INTERVAL_S;
	}
	spool->on_change(spool->context);
	if (answered) {
		spool->on_segment(spool->context, strbuf_span(&spool->segment));
	}
}

/* Signals belong to the loop. */
static int start_thread(struct spool *spool)
{
	sigset_t all;
	sigset_t before;
	int status;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = pthread_create(&spool->thread, NULL, spool_main, spool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return status == 0 ? 0 : -1;
}

static void free_spool(struct spool *spool)
{
	if (spool->wake != NULL) {
		event_free(spool->wake);
	}
	if (spool->wake_fd >= 0) {
		close(spool->wake_fd);
	}
	journal_close(&spool->journal);
	strbuf_wipe(&spool->exchange.waiting);
	strbuf_wipe(&spool->segment);
	pthread_cond_destroy(&spool->exchange.work);
	pthread_mutex_destroy(&spool->exchange.mutex);
	free(spool);
}

struct spool *spool_create(struct event_base *base, const char *dir,
			   uint64_t max_bytes, spool_segment *on_segment,
			   spool_change *on_change, void *context,
			   struct error *err_r)
{
	struct spool *spool = xcalloc(1, sizeof(*spool));

	spool->on_segment = on_segment;
	spool->on_change = on_change;
	spool->context = context;
	pthread_mutex_init(&spool->exchange.mutex, NULL);
	pthread_cond_init(&spool->exchange.work, NULL);
	strbuf_init(&spool->exchange.waiting, SPOOL_MEMORY_MAX);
	strbuf_init(&spool->segment, JOURNAL_SEGMENT_MAX);
	spool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (journal_open(&spool->journal, dir, max_bytes, err_r) < 0) {
		error_prefix(err_r, "journal");
		free_spool(spool);
		return NULL;
	}
	spool->exchange.counts.journal_bytes = journal_bytes(&spool->journal);
	spool->wake = event_new(base, spool->wake_fd, EV_READ | EV_PERSIST,
				on_wake, spool);
	if (spool->wake == NULL || event_add(spool->wake, NULL) < 0 ||
	    start_thread(spool) < 0) {
		error_set(err_r, "journal: no thread or event");
		free_spool(spool);
		return NULL;
	}
	return spool;
}

void spool_destroy(struct spool **spool)
{
	struct exchange *exchange;

	if (*spool == NULL) {
		return;
	}
	exchange = &(*spool)->exchange;
	pthread_mutex_lock(&exchange->mutex);
	exchange->stopping = true;
	pthread_cond_signal(&exchange->work);
	pthread_mutex_unlock(&exchange->mutex);
	pthread_join((*spool)->thread, NULL);
	if (exchange->fault.text[0] != '\0') {
		log_error("%s", exchange->fault.text);
	}
	free_spool(*spool);
	*spool = NULL;
}

bool spool_put(struct spool *spool, struct span entry)
{
	struct exchange *exchange = &spool->exchange;
	size_t start;
	bool put;

	pthread_mutex_lock(&exchange->mutex);
	start = frame_begin(&exchange->waiting);
	strbuf_add(&exchange->waiting, entry);
	put = frame_end(&exchange->waiting, start) == 0;
	if (!put) {
		exchange->counts.dropped++;
	}
	pthread_cond_signal(&exchange->work);
	pthread_mutex_unlock(&exchange->mutex);
	return put;
}

static void give_order(struct spool *spool, enum spool_order order)
{
	struct exchange *exchange = &spool->exchange;

	pthread_mutex_lock(&exchange->mutex);
	if (exchange->order == SPOOL_NOTHING) {
		exchange->order = order;
	} else {
		exchange->take_after = order == SPOOL_TAKE;
	}
	pthread_cond_signal(&exchange->work);
	pthread_mutex_unlock(&exchange->mutex);
}

void spool_want(struct spool *spool)
{
	give_order(spool, SPOOL_TAKE);
}

void spool_done(struct spool *spool)
{
	give_order(spool, SPOOL_DONE);
}

void spool_give_back(struct spool *spool)
{
	give_order(spool, SPOOL_GIVE_BACK);
}

void spool_count(struct spool *spool, struct spool_counts *counts_r)
{
	pthread_mutex_lock(&spool->exchange.mutex);
	*counts_r = spool->exchange.counts;
	pthread_mutex_unlock(&spool->exchange.mutex);
}
