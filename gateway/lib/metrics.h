/* metrics: counters and gauges of one process, kept where its parent can read
   them without asking (shared memory), printed as Prometheus text. A process
   that was given no memory counts into its own. */
#ifndef POSTERN_LIB_METRICS_H
#define POSTERN_LIB_METRICS_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* A row of the table in metrics.c for each, in this order. */
enum metric {
	METRIC_IMAP_SESSIONS,
	METRIC_SMTP_SESSIONS,
	METRIC_OPEN_SESSIONS,
	METRIC_LOGINS,
	METRIC_LOGIN_FAILURES,
	METRIC_PROVIDER_FAILURES,
	METRIC_REFUSED_BY_LIMIT,
	METRIC_TLS_FAILURES,
	METRIC_TLS_CLIENT_FULL,
	METRIC_TLS_CLIENT_RESUMED,
	METRIC_TLS_SERVER_FULL,
	METRIC_TLS_SERVER_RESUMED,
	METRIC_BACKPRESSURE,
	METRIC_ACCEPT_PAUSED,
	METRIC_BYTES_FROM_CLIENTS,
	METRIC_BYTES_FROM_SERVERS,
	METRIC_TRANSACTIONS,
	METRIC_TRANSACTIONS_ACCEPTED,
	METRIC_TRANSACTIONS_IN_DOUBT,
	METRIC_MESSAGE_BYTES_HELD,
	METRIC_TAPPED,
	METRIC_TAP_KNOWN,
	METRIC_TAP_TRUNCATED,
	METRIC_TAP_NO_BUDGET,
	METRIC_INSPECTED,
	METRIC_CONTACTS,
	/* One for each skip reason, in the order of filters/filter.h from its
	   second on; pipeline.c checks that at compile time. */
	METRIC_SKIPPED_OUT_OF_SCOPE,
	METRIC_SKIPPED_DRAFT,
	METRIC_SKIPPED_SPAM,
	METRIC_SKIPPED_INTERNAL_ONLY,
	METRIC_SKIPPED_AUTO_SUBMITTED,
	METRIC_SKIPPED_BOUNCE,
	METRIC_SKIPPED_BULK,
	METRIC_SKIPPED_NO_REPLY,
	METRIC_SKIPPED_UNREADABLE,
	METRIC_SKIPPED_UNDECIDED,
	METRIC_INSPECTORS_STARTED,
	METRIC_INSPECTORS_KILLED,
	METRIC_INSPECTOR_OVERFLOW,
	/* In the hands of a worker when it died. */
	METRIC_LOST_WORKER_DIED,
	METRIC_RECORDS_PUBLISHED,
	METRIC_RECORDS_ACKNOWLEDGED,
	METRIC_RECORDS_JOURNALED,
	METRIC_RECORDS_REPLAYED,
	METRIC_RECORDS_DROPPED,
	METRIC_JOURNAL_BYTES,
	METRIC_REDIS_CONNECTED,
	METRIC_WORKERS_STARTED,
	METRIC_WORKERS_DIED,
	METRIC_RELOADS,
	METRIC_RELOADS_FAILED,
	METRIC_COUNT
};

/* Values of one process. Only it writes; others may read at any time. */
struct metrics {
	uint64_t values[METRIC_COUNT];
};

/* Count into this memory from now on; NULL: into the process's own. */
void metrics_use(struct metrics *metrics);
void metric_add(enum metric metric, uint64_t count);
void metric_subtract(enum metric metric, uint64_t count);
void metric_set(enum metric metric, uint64_t value);
uint64_t metric_get(enum metric metric);

/* A gauge goes up and down, and ends with its process; a counter only
   grows, and what a dead worker counted stays counted. */
bool metric_is_gauge(enum metric metric);
/* "postern_sessions_total" and its labels ("protocol=\"imap\"" or ""). */
const char *metric_name(enum metric metric);
const char *metric_labels(enum metric metric);

/* Append all values in Prometheus text format 0.0.4. */
void metrics_print(const struct metrics *metrics, struct strbuf *out);

#endif
