/* shared: memory that the master makes before it forks: the counters of each
   worker, the limits they keep together, and the session ticket keys, so that
   a session begun at one worker resumes at another. */
#ifndef POSTERN_POSTERND_SHARED_H
#define POSTERN_POSTERND_SHARED_H

#include "lib/metrics.h"
#include "proxy/limits.h"
#include "proxy/worker.h"
#include "queue/publisher.h"

/* How long a ticket key seals; it opens for as long again (RFC 5077 5.5). */
#define SHARED_TICKET_LIFE_S 3600

struct shared_tickets {
	/* Odd while the master changes the keys. */
	uint32_t sequence;
	unsigned char current[PROXY_TICKET_KEY_SIZE];
	unsigned char previous[PROXY_TICKET_KEY_SIZE];
};

struct shared {
	size_t worker_count;
	/* One for each worker, and the master's own last. */
	struct metrics *metrics;
	/* What each worker's publisher counts. */
	struct publisher_stats *publishers;
	/* Master only: messages of each worker counted as lost so far. */
	uint64_t *lost;
	struct limits *limits;
	struct shared_tickets *tickets;
	/* Master only: when the keys were last changed. */
	int64_t rotated;
};

void shared_create(struct shared *shared_r, size_t worker_count);
void shared_finish(struct shared *shared);

/* Change the ticket keys when they are old. Called by the master. */
void shared_tick(struct shared *shared);

/* Copy the keys into the worker when they changed since *sequence; call now
   and then. */
void shared_take_tickets(const struct shared *shared, uint32_t *sequence,
			 struct proxy_worker *worker);

/* Called by the master when a worker died: its gauges are zero, its part of
   the limits is free, its publisher's counts are kept, and the messages it
   had in hand are counted as lost. */
void shared_worker_died(struct shared *shared, size_t worker);

/* All workers and the master together. */
void shared_sum_metrics(const struct shared *shared, struct metrics *sum_r);

#endif
