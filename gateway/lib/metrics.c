/* metrics: the table of what is counted. Rows of one name stand together,
   as the text format wants. */
#include "lib/metrics.h"

#include <assert.h>
#include <inttypes.h>

struct row {
	const char *name;
	const char *labels;
	bool gauge;
	const char *help;
};

#define SKIPPED(reason)                                                        \
	{                                                                      \
		"postern_messages_skipped_total", "reason=\"" reason "\"",     \
			false, "Messages that taught no contacts, by reason"   \
	}

static const struct row rows[] = {
	[METRIC_IMAP_SESSIONS] = { "postern_sessions_total",
				   "protocol=\"imap\"", false,
				   "Client connections accepted" },
	[METRIC_SMTP_SESSIONS] = { "postern_sessions_total",
				   "protocol=\"smtp\"", false, "" },
	[METRIC_OPEN_SESSIONS] = { "postern_open_sessions", "", true,
				   "Client connections now" },
	[METRIC_LOGINS] = { "postern_logins_total", "result=\"accepted\"",
			    false, "Logins, by the provider's answer" },
	[METRIC_LOGIN_FAILURES] = { "postern_logins_total",
				    "result=\"refused\"", false, "" },
	[METRIC_PROVIDER_FAILURES] = { "postern_provider_failures_total", "",
				       false,
				       "Provider connections that failed" },
	[METRIC_REFUSED_BY_LIMIT] = { "postern_refused_by_limit_total", "",
				      false,
				      "Connections and logins over a limit" },
	[METRIC_TLS_FAILURES] = { "postern_tls_failures_total", "", false,
				  "TLS handshakes with clients that failed" },
	[METRIC_TLS_CLIENT_FULL] = { "postern_tls_handshakes_total",
				     "leg=\"client\",resumed=\"no\"", false,
				     "TLS handshakes done, with mail programs "
				     "and with providers" },
	[METRIC_TLS_CLIENT_RESUMED] = { "postern_tls_handshakes_total",
					"leg=\"client\",resumed=\"yes\"", false,
					"" },
	[METRIC_TLS_SERVER_FULL] = { "postern_tls_handshakes_total",
				     "leg=\"server\",resumed=\"no\"", false,
				     "" },
	[METRIC_TLS_SERVER_RESUMED] = { "postern_tls_handshakes_total",
					"leg=\"server\",resumed=\"yes\"", false,
					"" },
	[METRIC_BACKPRESSURE] = { "postern_backpressure_total", "", false,
				  "Times a side was not read for the other" },
	[METRIC_ACCEPT_PAUSED] = { "postern_accept_paused_total", "", false,
				   "Times accept waited for descriptors" },
	[METRIC_BYTES_FROM_CLIENTS] = { "postern_bytes_total",
					"from=\"client\"", false,
					"Plaintext bytes received" },
	[METRIC_BYTES_FROM_SERVERS] = { "postern_bytes_total",
					"from=\"server\"", false, "" },
	[METRIC_TRANSACTIONS] = { "postern_transactions_total",
				  "state=\"collected\"", false,
				  "SMTP transactions, by how far they came" },
	[METRIC_TRANSACTIONS_ACCEPTED] = { "postern_transactions_total",
					   "state=\"accepted\"", false, "" },
	[METRIC_TRANSACTIONS_IN_DOUBT] = { "postern_transactions_total",
					   "state=\"in_doubt\"", false, "" },
	[METRIC_MESSAGE_BYTES_HELD] = { "postern_message_bytes_held", "", true,
					"Bytes of messages being sent" },
	[METRIC_TAPPED] = { "postern_taps_total", "result=\"copied\"", false,
			    "Messages seen in scope" },
	[METRIC_TAP_KNOWN] = { "postern_taps_total", "result=\"known\"", false,
			       "" },
	[METRIC_TAP_TRUNCATED] = { "postern_taps_total", "result=\"truncated\"",
				   false, "" },
	[METRIC_TAP_NO_BUDGET] = { "postern_taps_total", "result=\"no_budget\"",
				   false, "" },
	[METRIC_INSPECTED] = { "postern_messages_inspected_total", "", false,
			       "Messages the inspector answered for" },
	[METRIC_CONTACTS] = { "postern_contacts_found_total", "", false,
			      "Contacts found in messages" },
	[METRIC_SKIPPED_OUT_OF_SCOPE] = SKIPPED("out_of_scope"),
	[METRIC_SKIPPED_DRAFT] = SKIPPED("draft"),
	[METRIC_SKIPPED_SPAM] = SKIPPED("spam"),
	[METRIC_SKIPPED_INTERNAL_ONLY] = SKIPPED("internal_only"),
	[METRIC_SKIPPED_AUTO_SUBMITTED] = SKIPPED("auto_submitted"),
	[METRIC_SKIPPED_BOUNCE] = SKIPPED("bounce"),
	[METRIC_SKIPPED_BULK] = SKIPPED("bulk"),
	[METRIC_SKIPPED_NO_REPLY] = SKIPPED("no_reply"),
	[METRIC_SKIPPED_UNREADABLE] = SKIPPED("unreadable"),
	[METRIC_SKIPPED_UNDECIDED] = SKIPPED("undecided"),
	[METRIC_INSPECTORS_STARTED] = { "postern_inspectors_started_total", "",
					false, "Inspectors started" },
	[METRIC_INSPECTORS_KILLED] = { "postern_inspectors_killed_total", "",
				       false,
				       "Inspectors that died or were killed" },
	[METRIC_INSPECTOR_OVERFLOW] = { "postern_inspector_overflow_total", "",
					false,
					"Messages not inspected: queue full" },
	[METRIC_LOST_WORKER_DIED] = { "postern_messages_lost_total",
				      "reason=\"worker_died\"", false,
				      "Messages a dying worker had in hand" },
	[METRIC_RECORDS_PUBLISHED] = { "postern_records_total",
				       "result=\"published\"", false,
				       "Records of the queue" },
	[METRIC_RECORDS_ACKNOWLEDGED] = { "postern_records_total",
					  "result=\"acknowledged\"", false,
					  "" },
	[METRIC_RECORDS_JOURNALED] = { "postern_records_total",
				       "result=\"journaled\"", false, "" },
	[METRIC_RECORDS_REPLAYED] = { "postern_records_total",
				      "result=\"replayed\"", false, "" },
	[METRIC_RECORDS_DROPPED] = { "postern_records_total",
				     "result=\"dropped\"", false, "" },
	[METRIC_JOURNAL_BYTES] = { "postern_journal_bytes", "", true,
				   "Bytes of records waiting on disk" },
	[METRIC_REDIS_CONNECTED] = { "postern_redis_connected", "", true,
				     "Workers connected to Redis" },
	[METRIC_WORKERS_STARTED] = { "postern_workers_started_total", "", false,
				     "Worker processes started" },
	[METRIC_WORKERS_DIED] = { "postern_workers_died_total", "", false,
				  "Worker processes that died" },
	[METRIC_RELOADS] = { "postern_reloads_total", "result=\"applied\"",
			     false, "Reloads of the configuration" },
	[METRIC_RELOADS_FAILED] = { "postern_reloads_total",
				    "result=\"refused\"", false, "" },
};
static_assert(N_ELEMENTS(rows) == METRIC_COUNT, "a row for each metric");

static struct metrics own;
static struct metrics *current = &own;

void metrics_use(struct metrics *metrics)
{
	current = metrics == NULL ? &own : metrics;
}

/* Relaxed: a reader may be one step behind, but never sees half a number. */
void metric_add(enum metric metric, uint64_t count)
{
	__atomic_store_n(&current->values[metric],
			 current->values[metric] + count, __ATOMIC_RELAXED);
}

void metric_subtract(enum metric metric, uint64_t count)
{
	metric_add(metric, -count);
}

void metric_set(enum metric metric, uint64_t value)
{
	__atomic_store_n(&current->values[metric], value, __ATOMIC_RELAXED);
}

uint64_t metric_get(enum metric metric)
{
	return __atomic_load_n(&current->values[metric], __ATOMIC_RELAXED);
}

bool metric_is_gauge(enum metric metric)
{
	return rows[metric].gauge;
}

const char *metric_name(enum metric metric)
{
	return rows[metric].name;
}

const char *metric_labels(enum metric metric)
{
	return rows[metric].labels;
}

void metrics_print(const struct metrics *metrics, struct strbuf *out)
{
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct row *row = &rows[i];
		bool braces = row->labels[0] != '\0';

		if (row->help[0] != '\0' &&
		    (i == 0 || strcmp(rows[i - 1].name, row->name) != 0)) {
			strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n",
				    row->name, row->help, row->name,
				    row->gauge ? "gauge" : "counter");
		}
		strbuf_addf(
			out, "%s%s%s%s %" PRIu64 "\n", row->name,
			braces ? "{" : "", row->labels, braces ? "}" : "",
			__atomic_load_n(&metrics->values[i], __ATOMIC_RELAXED));
	}
}
