/* shared: anonymous shared mappings; nothing of it has a name to be found
   by. */
#include "posternd/shared.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "lib/hash.h"
#include "lib/xalloc.h"

/* Addresses and accounts that are counted at a time, over all workers. */
#define LIMITS_ENTRIES 65536

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		abort();
	}
	return memory;
}

/* A sequence lock: readers that meet an odd number or a change try later. */
static void change_keys(struct shared_tickets *tickets)
{
	__atomic_add_fetch(&tickets->sequence, 1, __ATOMIC_SEQ_CST);
	memcpy(tickets->previous, tickets->current, sizeof(tickets->current));
	hash_random(tickets->current, sizeof(tickets->current));
	__atomic_add_fetch(&tickets->sequence, 1, __ATOMIC_SEQ_CST);
}

void shared_create(struct shared *shared_r, size_t worker_count)
{
	*shared_r = (struct shared){
		.worker_count = worker_count,
		.metrics = map((worker_count + 1) * sizeof(struct metrics)),
		.publishers =
			map(worker_count * sizeof(struct publisher_stats)),
		.lost = xcalloc(worker_count, sizeof(uint64_t)),
		.limits = limits_create(LIMITS_ENTRIES,
					(unsigned int)worker_count),
		.tickets = map(sizeof(struct shared_tickets)),
		.rotated = time(NULL),
	};
	/* Twice, so that there never is a guessable key of zeroes. */
	change_keys(shared_r->tickets);
	change_keys(shared_r->tickets);
}

void shared_finish(struct shared *shared)
{
	munmap(shared->metrics,
	       (shared->worker_count + 1) * sizeof(struct metrics));
	munmap(shared->publishers,
	       shared->worker_count * sizeof(struct publisher_stats));
	free(shared->lost);
	explicit_bzero(shared->tickets, sizeof(*shared->tickets));
	munmap(shared->tickets, sizeof(*shared->tickets));
	limits_destroy(&shared->limits);
}

void shared_tick(struct shared *shared)
{
	int64_t now = time(NULL);

	if (now - shared->rotated >= SHARED_TICKET_LIFE_S) {
		change_keys(shared->tickets);
		shared->rotated = now;
	}
}

void shared_take_tickets(const struct shared *shared, uint32_t *sequence,
			 struct proxy_worker *worker)
{
	const struct shared_tickets *tickets = shared->tickets;
	uint32_t before = __atomic_load_n(&tickets->sequence, __ATOMIC_SEQ_CST);
	struct shared_tickets copy;

	if (before == *sequence || before % 2 != 0) {
		return;
	}
	memcpy(&copy, tickets, sizeof(copy));
	if (__atomic_load_n(&tickets->sequence, __ATOMIC_SEQ_CST) == before) {
		proxy_worker_set_ticket_keys(worker, copy.current,
					     copy.previous);
		*sequence = before;
	}
	explicit_bzero(&copy, sizeof(copy));
}

static void add_publisher(const struct publisher_stats *stats,
			  struct metrics *sum)
{
	sum->values[METRIC_RECORDS_PUBLISHED] += stats->published;
	sum->values[METRIC_RECORDS_ACKNOWLEDGED] += stats->acknowledged;
	sum->values[METRIC_RECORDS_JOURNALED] += stats->journaled;
	sum->values[METRIC_RECORDS_REPLAYED] += stats->replayed;
	sum->values[METRIC_RECORDS_DROPPED] += stats->dropped + stats->refused;
	/* Each publisher tells the size of the one directory all share. */
	if (stats->journal_bytes > sum->values[METRIC_JOURNAL_BYTES]) {
		sum->values[METRIC_JOURNAL_BYTES] = stats->journal_bytes;
	}
	sum->values[METRIC_REDIS_CONNECTED] += stats->connected ? 1 : 0;
}

/* Records given to the publisher of which nothing is known to have come. */
static uint64_t records_in_hand(const struct publisher_stats *stats)
{
	uint64_t known = stats->acknowledged - stats->replayed +
			 stats->journaled + stats->dropped + stats->refused;

	return stats->published > known ? stats->published - known : 0;
}

static uint64_t messages_in_hand(const struct metrics *metrics, uint64_t lost)
{
	uint64_t known = metrics->values[METRIC_INSPECTED] +
			 metrics->values[METRIC_INSPECTOR_OVERFLOW] + lost;
	uint64_t tapped = metrics->values[METRIC_TAPPED];

	return tapped > known ? tapped - known : 0;
}

void shared_worker_died(struct shared *shared, size_t worker)
{
	struct metrics *metrics = &shared->metrics[worker];
	struct publisher_stats *publisher = &shared->publishers[worker];
	uint64_t messages = messages_in_hand(metrics, shared->lost[worker]);

	shared->lost[worker] += messages;
	metric_add(METRIC_LOST_WORKER_DIED,
		   messages + records_in_hand(publisher));
	add_publisher(publisher, &shared->metrics[shared->worker_count]);
	memset(publisher, 0, sizeof(*publisher));
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		if (metric_is_gauge((enum metric)i)) {
			metrics->values[i] = 0;
			shared->metrics[shared->worker_count].values[i] = 0;
		}
	}
	limits_forget_worker(shared->limits, (unsigned int)worker);
}

void shared_sum_metrics(const struct shared *shared, struct metrics *sum_r)
{
	*sum_r = (struct metrics){ { 0 } };
	for (size_t w = 0; w <= shared->worker_count; w++) {
		for (size_t i = 0; i < METRIC_COUNT; i++) {
			sum_r->values[i] +=
				__atomic_load_n(&shared->metrics[w].values[i],
						__ATOMIC_RELAXED);
		}
	}
	for (size_t w = 0; w < shared->worker_count; w++) {
		add_publisher(&shared->publishers[w], sum_r);
	}
}
