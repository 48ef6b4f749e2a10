/* writer: the loop. Kill it anywhere: before COMMIT nothing happened, after
   it the entry comes again and its event id says it was filed. */
#include "writer/writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include <systemd/sd-daemon.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "writer/store.h"

/* Wait before the next try: doubles, times 0.5 to 1. */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

/* A transaction that lost a race is tried again so often before its records
   are left for a later delivery. */
#define FILE_TRIES_MAX 5

/* Records of one transaction. */
#define TRANSACTION_MAX 500

/* A server that is away: when since, and how long to wait. */
struct absence {
	const char *what;
	int64_t since_ms;
	unsigned int wait_ms;
};

struct writer {
	const struct writer_settings *settings;
	const volatile sig_atomic_t *stop;
	struct writer_counts *counts;
	struct consumer *consumer;
	struct store *store;
	struct absence store_absence;
	struct absence consumer_absence;
	bool said_ready;
};

/* An entry of a batch that could be read. */
struct item {
	struct consumer_entry *entry;
	struct record_reading reading;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Interrupted by the signal that stops us. */
static void sleep_ms(unsigned int ms)
{
	struct timespec wait = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&wait, NULL);
}

/* --- connections that come and go -------------------------------------- */

/* It did not answer: say so once, wait, longer each time. Return -1 when
   there is no point in waiting any more. */
static int note_absent(struct writer *w, struct absence *absence,
		       const struct error *err)
{
	uint16_t random;

	if (absence->since_ms == 0) {
		absence->since_ms = now_ms();
		absence->wait_ms = RETRY_MIN_MS;
		log_warning("%s away: %s; waiting for it", absence->what,
			    err->text);
		sd_notifyf(0, "STATUS=waiting for %s", absence->what);
	}
	if (w->settings->once &&
	    now_ms() - absence->since_ms >
		    (int64_t)w->settings->once_patience_s * 1000) {
		return -1;
	}
	hash_random(&random, sizeof(random));
	sleep_ms(absence->wait_ms / 2 +
		 (unsigned int)((uint64_t)absence->wait_ms * random / 2 /
				UINT16_MAX));
	absence->wait_ms *= 2;
	if (absence->wait_ms > RETRY_MAX_MS) {
		absence->wait_ms = RETRY_MAX_MS;
	}
	return 0;
}

static void note_present(struct absence *absence)
{
	if (absence->since_ms != 0) {
		log_info("%s back after %" PRId64 " ms", absence->what,
			 now_ms() - absence->since_ms);
		sd_notify(0, "STATUS=filing");
	}
	absence->since_ms = 0;
}

/* Return 0 with a store, -1 when stopping or out of patience. */
static int have_store(struct writer *w, struct error *err)
{
	while (w->store == NULL) {
		if (*w->stop) {
			return -1;
		}
		w->store = store_open(w->settings->database, err);
		if (w->store == NULL) {
			if (note_absent(w, &w->store_absence, err) < 0) {
				return -1;
			}
		}
	}
	return 0;
}

static int have_consumer(struct writer *w, struct error *err)
{
	while (!consumer_is_connected(w->consumer)) {
		if (*w->stop) {
			return -1;
		}
		if (consumer_connect(w->consumer, err) < 0 &&
		    note_absent(w, &w->consumer_absence, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* --- filing ------------------------------------------------------------ */

/* File items of one organization, however often PostgreSQL goes away: with
   the batch in hand nothing else can be done anyway, and while we wait here
   we claim nothing of anyone's. Return what the last try came to. */
static enum database_outcome file_items(struct writer *w,
					struct item *const *items, size_t count,
					struct error *err)
{
	const struct record_reading **readings =
		xcalloc(count, sizeof(*readings));
	enum database_outcome outcome = DATABASE_LOST;
	struct store_counts counts;
	int tries = 0;

	for (size_t i = 0; i < count; i++) {
		readings[i] = &items[i]->reading;
	}
	while (have_store(w, err) == 0) {
		outcome = store_file(w->store, readings, count, &counts, err);
		if (outcome == DATABASE_LOST) {
			store_close(&w->store);
			if (note_absent(w, &w->store_absence, err) < 0) {
				break;
			}
			continue;
		}
		if (outcome != DATABASE_RETRY || ++tries == FILE_TRIES_MAX) {
			break;
		}
		sleep_ms(RETRY_MIN_MS);
	}
	free(readings);
	if (outcome == DATABASE_DONE) {
		/* Not when it connected: it may still refuse to file. */
		note_present(&w->store_absence);
		w->counts->records += counts.new_events;
		w->counts->old_records += counts.old_events;
		w->counts->sightings += counts.new_sightings;
		for (size_t i = 0; i < count; i++) {
			items[i]->entry->is_done = true;
		}
	}
	return outcome;
}

/* This entry cannot be filed now. Leave it for another delivery, or bury it
   when it had enough of them. */
static void refuse(struct writer *w, struct consumer_entry *entry,
		   const char *reason)
{
	struct error err;

	if (entry->deliveries < WRITER_DELIVERIES_MAX) {
		log_warning("partition=%u entry=%s delivery=%u not filed: %s",
			    entry->partition, entry->id, entry->deliveries,
			    reason);
		return;
	}
	if (!consumer_is_connected(w->consumer) ||
	    consumer_bury(w->consumer, entry, reason, &err) < 0) {
		/* It comes again. */
		return;
	}
	w->counts->dead_letters++;
	log_error("alarm=dead-letter partition=%u entry=%s deliveries=%u: %s",
		  entry->partition, entry->id, entry->deliveries, reason);
}

static void file_alone(struct writer *w, struct item *item)
{
	struct error err = { "" };

	if (item->entry->deliveries >= WRITER_DELIVERIES_HOPELESS) {
		refuse(w, item->entry, "delivered too often");
		return;
	}
	if (file_items(w, &item, 1, &err) == DATABASE_REFUSED) {
		refuse(w, item->entry, err.text);
	}
}

/* One transaction; when PostgreSQL refuses it, one for each record, so that
   only the record at fault stays. */
static void file_group(struct writer *w, struct item *const *items,
		       size_t count)
{
	struct error err = { "" };
	enum database_outcome outcome = file_items(w, items, count, &err);

	if (outcome == DATABASE_RETRY) {
		log_warning("%zu records wait for another delivery: %s", count,
			    err.text);
	}
	if (outcome != DATABASE_REFUSED) {
		return;
	}
	for (size_t i = 0; i < count && !*w->stop; i++) {
		file_alone(w, items[i]);
	}
}

static int compare_items(const void *a, const void *b)
{
	const struct item *const *one = a;
	const struct item *const *other = b;

	return strcmp((*one)->reading.organization_id,
		      (*other)->reading.organization_id);
}

/* File items, sorted by organization, in transactions of one each. */
static void file_all(struct writer *w, struct item **items, size_t count)
{
	size_t start = 0;

	qsort(items, count, sizeof(*items), compare_items);
	while (start < count && !*w->stop) {
		size_t end = start + 1;

		while (end < count && end - start < TRANSACTION_MAX &&
		       compare_items(&items[start], &items[end]) == 0) {
			end++;
		}
		file_group(w, items + start, end - start);
		start = end;
	}
}

/* Read every entry; give those that can be filed together. Those that were
   handed out too often go alone, at once. */
static void file_batch(struct writer *w, struct consumer_batch *batch)
{
	struct item *items = xcalloc(batch->count, sizeof(*items));
	struct item **together = xcalloc(batch->count, sizeof(struct item *));
	size_t count = 0;

	for (size_t i = 0; i < batch->count; i++) {
		struct item *item = &items[i];
		struct error err = { "" };

		item->entry = &batch->entries[i];
		if (item->entry->is_done) {
			continue;
		}
		if (record_read(&item->entry->fields, &item->reading, &err) <
		    0) {
			refuse(w, item->entry, err.text);
		} else if (item->entry->deliveries >= WRITER_DELIVERIES_MAX) {
			file_alone(w, item);
		} else {
			together[count++] = item;
		}
	}
	file_all(w, together, count);
	for (size_t i = 0; i < batch->count; i++) {
		record_reading_finish(&items[i].reading);
	}
	free(together);
	free(items);
}

/* --- the loop ---------------------------------------------------------- */

static void say_ready(struct writer *w)
{
	if (!w->said_ready) {
		w->said_ready = true;
		log_info("ready: redis=%s consumer=%s",
			 w->settings->consumer.redis,
			 w->settings->consumer.name);
		sd_notify(0, "STATUS=filing");
	}
}

/* One batch, from reading to acknowledging. Return 1 when there was one, 0
   when there was nothing, -1 when it is time to end. */
static int step(struct writer *w, struct error *err)
{
	struct consumer_batch batch;
	int status;

	/* First the store: what is read must have a place to go. */
	if (have_store(w, err) < 0) {
		return -1;
	}
	note_present(&w->store_absence);
	if (have_consumer(w, err) < 0) {
		return -1;
	}
	status = consumer_read(w->consumer, &batch, err);
	if (status < 0) {
		return note_absent(w, &w->consumer_absence, err) < 0 ? -1 : 1;
	}
	/* Not when it connected: it may still refuse to be read. */
	note_present(&w->consumer_absence);
	say_ready(w);
	if (status == 0) {
		return 0;
	}
	file_batch(w, &batch);
	if (consumer_is_connected(w->consumer)) {
		/* When this fails they come again, and change nothing. */
		consumer_finish(w->consumer, &batch, err);
	}
	consumer_batch_finish(&batch);
	return 1;
}

static int run(struct writer *w, struct error *err)
{
	while (!*w->stop) {
		int status = step(w, err);

		if (status < 0) {
			return *w->stop ? 0 : -1;
		}
		if (status == 0 && w->settings->once) {
			return 0;
		}
	}
	return 0;
}

int writer_run(const struct writer_settings *settings,
	       const volatile sig_atomic_t *stop,
	       struct writer_counts *counts_r, struct error *err_r)
{
	struct writer w = {
		.settings = settings,
		.stop = stop,
		.counts = counts_r,
		.store_absence = { .what = "postgresql" },
		.consumer_absence = { .what = "redis" },
	};
	struct error ignored;
	int status;

	*counts_r = (struct writer_counts){ 0 };
	w.consumer = consumer_create(&settings->consumer, err_r);
	if (w.consumer == NULL) {
		return -1;
	}
	status = run(&w, err_r);
	if (consumer_is_connected(w.consumer)) {
		consumer_count_pending(w.consumer, &counts_r->left, &ignored);
	}
	store_close(&w.store);
	consumer_destroy(&w.consumer);
	return status;
}
