/* publisher: one hiredis connection and what is in flight on it.

   Two rules of hiredis 0.14: nothing is freed or disconnected inside one of
   its callbacks (it would go on using the context), so a callback that wants
   the connection gone marks it broken and a timer of zero ends it; and every
   pending command is called back with a NULL reply when the context goes, so
   that nothing in flight is forgotten. */
#include "queue/publisher.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/journal.h"
#include "queue/redis_address.h"
#include "queue/spool.h"

/* Wait before the next try to connect: doubles, times 0.5 to 1. */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

/* Replayed records in flight: enough to be faster than mail comes in, few
   enough to leave the pipeline to new ones. */
#define REPLAY_WINDOW 256

/* What a packed record has beside its payload, at most. */
#define PACKED_OVERHEAD 256

/* The longest command: one payload, and names around it. */
#define COMMAND_MAX (RECORD_PAYLOAD_MAX + 4096)

/* How often to look for segments that another worker left behind. */
#define ADOPT_INTERVAL_MS 15000

enum publisher_state {
	/* Waiting for the retry timer. */
	PUBLISHER_AWAY,
	/* Waiting for the connection. */
	PUBLISHER_CONNECTING,
	/* Commands go to Redis. */
	PUBLISHER_READY,
	/* A callback gave it up; waiting for the loop to end it. */
	PUBLISHER_BROKEN,
};

struct flight {
	TAILQ_ENTRY(flight) link;
	struct publisher *publisher;
	int64_t sent_ms;
	/* For the journal; empty when it comes from there. */
	struct strbuf packed;
	size_t size;
	bool is_replay;
};

struct publisher {
	struct event_base *base;
	struct publisher_stats *stats;
	struct redis_address address;
	unsigned int partitions;
	unsigned int connect_timeout_ms;
	unsigned int command_timeout_ms;
	struct strbuf event_key;
	/* Whose stream was asked for last. */
	char last_organization[UUID_TEXT_SIZE];
	char last_stream[REDIS_KEY_SIZE];
	/* The command being written; kept for its memory. */
	struct strbuf command;
	enum publisher_state state;
	redisAsyncContext *redis;
	/* Connects, gives a connection up, or looks at the oldest flight,
	   depending on the state. */
	struct event *timer;
	struct event *adopt_timer;
	unsigned int retry_ms;
	/* Why the connection was given up, for the one line that says so. */
	struct error why;
	bool said_away;
	/* It connects but answers with errors: not back before one record is
	   taken. */
	bool refuses;
	TAILQ_HEAD(, flight) flights;
	size_t flight_count;
	size_t flight_bytes;
	struct spool *spool;
	/* A segment was asked for, or is being replayed. */
	bool asked;
	bool replaying;
	/* Borrowed from the spool while replaying. */
	struct span replay_rest;
	size_t replay_flights;
	bool ending;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void set_timer(struct event *timer, unsigned int ms)
{
	struct timeval wait = { ms / 1000, (int)(ms % 1000) * 1000 };

	event_add(timer, &wait);
}

/* Workers that lost Redis together must not come back together. */
static unsigned int with_jitter(unsigned int ms)
{
	uint16_t random;

	hash_random(&random, sizeof(random));
	return ms / 2 + (unsigned int)((uint64_t)ms * random / 2 / UINT16_MAX);
}

static void refresh_stats(void *context)
{
	struct publisher *p = context;
	struct spool_counts counts;

	spool_count(p->spool, &counts);
	p->stats->journaled = counts.stored;
	p->stats->dropped = counts.dropped;
	p->stats->journal_bytes = counts.journal_bytes;
	p->stats->in_flight = p->flight_count;
	p->stats->connected = p->state == PUBLISHER_READY;
}

/* --- the connection ---------------------------------------------------- */

static void go_away(struct publisher *p)
{
	unsigned int wait = with_jitter(p->retry_ms);

	p->redis = NULL;
	p->state = PUBLISHER_AWAY;
	if (p->replaying) {
		p->replaying = false;
		p->replay_rest = span_of(NULL, 0);
		spool_give_back(p->spool);
	}
	if (p->ending) {
		return;
	}
	if (!p->said_away) {
		log_warning("redis: away: %s; records go to the journal",
			    p->why.text);
		p->said_away = true;
	}
	p->retry_ms *= 2;
	if (p->retry_ms > RETRY_MAX_MS) {
		p->retry_ms = RETRY_MAX_MS;
	}
	set_timer(p->timer, wait);
	refresh_stats(p);
}

/* End the connection now. Only from the loop, never from a callback. */
static void drop_connection(struct publisher *p)
{
	redisAsyncContext *redis = p->redis;

	p->redis = NULL;
	p->state = PUBLISHER_BROKEN;
	if (redis != NULL) {
		redisAsyncFree(redis);
	}
	go_away(p);
}

/* Give the connection up from inside a callback. */
static void mark_broken(struct publisher *p)
{
	if (p->state == PUBLISHER_READY) {
		p->state = PUBLISHER_BROKEN;
		set_timer(p->timer, 0);
	}
}

static void welcome_back(struct publisher *p)
{
	p->refuses = false;
	p->retry_ms = RETRY_MIN_MS;
	if (p->said_away) {
		log_info("redis: back; the journal holds %" PRIu64 " bytes",
			 p->stats->journal_bytes);
		p->said_away = false;
	}
}

/* One segment at a time, and not a second question before the answer. */
static void ask_for_segment(struct publisher *p)
{
	if (p->state == PUBLISHER_READY && !p->asked && !p->replaying) {
		p->asked = true;
		spool_want(p->spool);
	}
}

static void on_connect(const redisAsyncContext *redis, int status)
{
	struct publisher *p = redis->data;

	if (status != REDIS_OK) {
		/* hiredis frees the context after this call, and does not
		   call on_disconnect for it. */
		error_set(&p->why, "%s", redis->errstr);
		go_away(p);
		return;
	}
	event_del(p->timer);
	p->state = PUBLISHER_READY;
	p->stats->connections++;
	refresh_stats(p);
	if (!p->refuses) {
		welcome_back(p);
	}
	ask_for_segment(p);
}

static void on_disconnect(const redisAsyncContext *redis, int status)
{
	struct publisher *p = redis->data;

	/* When we drop it ourselves, drop_connection goes on. */
	if (p->redis == NULL) {
		return;
	}
	error_set(&p->why, "%s", status == REDIS_OK ? "closed" : redis->errstr);
	event_del(p->timer);
	go_away(p);
}

static void connect_to_redis(struct publisher *p)
{
	p->state = PUBLISHER_CONNECTING;
	p->redis = p->address.is_unix ? redisAsyncConnectUnix(p->address.host)
				      : redisAsyncConnect(p->address.host,
							  p->address.port);
	if (p->redis == NULL || p->redis->err != 0) {
		error_set(&p->why, "%s",
			  p->redis == NULL ? "out of memory"
					   : p->redis->errstr);
		/* Never attached: there is no callback to fear. */
		drop_connection(p);
		return;
	}
	p->redis->data = p;
	if (redisLibeventAttach(p->redis, p->base) != REDIS_OK) {
		error_set(&p->why, "no events");
		drop_connection(p);
		return;
	}
	redisAsyncSetConnectCallback(p->redis, on_connect);
	redisAsyncSetDisconnectCallback(p->redis, on_disconnect);
	set_timer(p->timer, p->connect_timeout_ms);
}

/* --- flights ----------------------------------------------------------- */

static void to_journal(struct publisher *p, struct span packed)
{
	spool_put(p->spool, packed);
}

static void end_flight(struct flight *flight)
{
	struct publisher *p = flight->publisher;

	TAILQ_REMOVE(&p->flights, flight, link);
	p->flight_count--;
	p->flight_bytes -= flight->size;
	if (flight->is_replay) {
		p->replay_flights--;
	}
	strbuf_finish(&flight->packed);
	free(flight);
	p->stats->in_flight = p->flight_count;
}

static void pump_replay(struct publisher *p);

static void on_reply(redisAsyncContext *redis, void *reply_data, void *context)
{
	const redisReply *reply = reply_data;
	struct flight *flight = context;
	struct publisher *p = flight->publisher;
	bool is_replay = flight->is_replay;

	(void)redis;
	if (reply != NULL && reply->type != REDIS_REPLY_ERROR) {
		p->stats->acknowledged++;
		p->stats->replayed += is_replay;
		if (p->refuses) {
			welcome_back(p);
		}
		end_flight(flight);
		if (is_replay) {
			pump_replay(p);
		}
		return;
	}
	if (reply != NULL) {
		/* Full, read-only, loading: it will not do better for the
		   next record. Come back later. */
		error_set(&p->why, "refuses: %s", reply->str);
		p->refuses = true;
		mark_broken(p);
	}
	if (!is_replay) {
		/* Redis may have it already: the same event twice is one. */
		to_journal(p, strbuf_span(&flight->packed));
	}
	end_flight(flight);
}

/* A word as Redis reads it: "$3\r\nkey\r\n". */
static void add_word(struct strbuf *out, struct span word)
{
	char digits[20];
	size_t at = sizeof(digits);
	size_t len = word.len;

	do {
		digits[--at] = (char)('0' + len % 10);
		len /= 10;
	} while (len > 0);
	strbuf_add_char(out, '$');
	strbuf_add(out, span_of(digits + at, sizeof(digits) - at));
	strbuf_add_str(out, "\r\n");
	strbuf_add(out, word);
	strbuf_add_str(out, "\r\n");
}

/* Written here and not by hiredis, whose formatting costs more than the rest
   of a record's way. */
static int command_xadd(struct publisher *p, const char *key,
			const struct record_entry *entry, struct flight *flight)
{
	struct strbuf *out = &p->command;

	strbuf_clear(out);
	strbuf_add_str(out, "*13\r\n$4\r\nXADD\r\n");
	add_word(out, span_str(key));
	strbuf_add_str(out, "$1\r\n*\r\n$1\r\nv\r\n");
	add_word(out, SPAN(RECORD_VERSION));
	strbuf_add_str(out, "$3\r\norg\r\n");
	add_word(out, span_str(entry->organization_id));
	strbuf_add_str(out, "$5\r\nevent\r\n");
	add_word(out, span_str(entry->event));
	strbuf_add_str(out, "$3\r\nkey\r\n");
	add_word(out, span_str(entry->key_id));
	strbuf_add_str(out, "$7\r\npayload\r\n");
	add_word(out, strbuf_span(&entry->payload));
	return redisAsyncFormattedCommand(p->redis, on_reply, flight, out->ptr,
					  out->len) == REDIS_OK
		       ? 0
		       : -1;
}

/* The key of the organization's stream; the next record is mostly of the same
   organization. */
static const char *stream_of(struct publisher *p, const char *organization_id)
{
	if (strcmp(p->last_organization, organization_id) != 0) {
		redis_contacts_key(
			record_partition(organization_id, p->partitions),
			p->last_stream);
		memcpy(p->last_organization, organization_id, UUID_TEXT_SIZE);
	}
	return p->last_stream;
}

/* Queue one XADD. The flight is taken over on 0; on -1 (the connection is
   going) it is still the caller's. */
static int send_entry(struct publisher *p, const struct record_entry *entry,
		      struct flight *flight)
{
	if (command_xadd(p, stream_of(p, entry->organization_id), entry,
			 flight) < 0) {
		return -1;
	}
	flight->publisher = p;
	flight->sent_ms = now_ms();
	flight->size = entry->payload.len + flight->packed.len;
	if (TAILQ_EMPTY(&p->flights)) {
		set_timer(p->timer, p->command_timeout_ms);
	}
	TAILQ_INSERT_TAIL(&p->flights, flight, link);
	p->flight_count++;
	p->flight_bytes += flight->size;
	p->stats->in_flight = p->flight_count;
	return 0;
}

static bool has_room(const struct publisher *p)
{
	return p->state == PUBLISHER_READY &&
	       p->flight_count < PUBLISHER_FLIGHT_COUNT &&
	       p->flight_bytes < PUBLISHER_FLIGHT_BYTES;
}

/* --- replay ------------------------------------------------------------ */

static void replay_entry(struct publisher *p, struct span packed)
{
	struct record_entry entry;
	struct flight *flight;

	if (record_entry_unpack(packed, &entry) < 0) {
		p->stats->refused++;
		log_error("journal: a record of another version was left out");
		return;
	}
	flight = xcalloc(1, sizeof(*flight));
	flight->is_replay = true;
	if (send_entry(p, &entry, flight) < 0) {
		/* The connection is going: the whole segment is tried again. */
		free(flight);
		mark_broken(p);
	} else {
		p->replay_flights++;
	}
	record_entry_finish(&entry);
}

static void pump_replay(struct publisher *p)
{
	struct span entry;

	if (!p->replaying || p->state != PUBLISHER_READY) {
		return;
	}
	while (p->state == PUBLISHER_READY &&
	       p->replay_flights < REPLAY_WINDOW && p->replay_rest.len > 0) {
		if (!journal_next_entry(&p->replay_rest, &entry)) {
			break;
		}
		replay_entry(p, entry);
	}
	if (p->state != PUBLISHER_READY || p->replay_flights > 0) {
		return;
	}
	p->replaying = false;
	spool_done(p->spool);
	ask_for_segment(p);
}

static void on_segment(void *context, struct span frames)
{
	struct publisher *p = context;

	p->asked = false;
	if (frames.len == 0) {
		return;
	}
	if (p->state != PUBLISHER_READY) {
		spool_give_back(p->spool);
		return;
	}
	p->replaying = true;
	p->replay_rest = frames;
	pump_replay(p);
}

/* Something is in the journal though Redis is there: put aside while the
   pipeline was full, or left by a worker that died. */
static void on_adopt(evutil_socket_t fd, short what, void *context)
{
	struct publisher *p = context;

	(void)fd;
	(void)what;
	set_timer(p->adopt_timer, with_jitter(ADOPT_INTERVAL_MS));
	ask_for_segment(p);
}

/* --- timers ------------------------------------------------------------ */

static void check_oldest(struct publisher *p)
{
	const struct flight *oldest = TAILQ_FIRST(&p->flights);
	int64_t age;

	if (oldest == NULL) {
		return;
	}
	age = now_ms() - oldest->sent_ms;
	if (age < (int64_t)p->command_timeout_ms) {
		set_timer(p->timer, p->command_timeout_ms - (unsigned int)age);
		return;
	}
	error_set(&p->why, "no answer in %u ms", p->command_timeout_ms);
	drop_connection(p);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct publisher *p = context;

	(void)fd;
	(void)what;
	switch (p->state) {
	case PUBLISHER_AWAY:
		connect_to_redis(p);
		break;
	case PUBLISHER_CONNECTING:
		error_set(&p->why, "no connection in %u ms",
			  p->connect_timeout_ms);
		drop_connection(p);
		break;
	case PUBLISHER_READY:
		check_oldest(p);
		break;
	case PUBLISHER_BROKEN:
		drop_connection(p);
		break;
	}
}

/* --- from outside ------------------------------------------------------ */

static void free_publisher(struct publisher *p)
{
	if (p->timer != NULL) {
		event_free(p->timer);
	}
	if (p->adopt_timer != NULL) {
		event_free(p->adopt_timer);
	}
	strbuf_wipe(&p->event_key);
	strbuf_finish(&p->command);
	free(p);
}

struct publisher *publisher_create(struct event_base *base,
				   const struct publisher_settings *settings,
				   struct publisher_stats *stats,
				   struct error *err_r)
{
	struct publisher *p = xcalloc(1, sizeof(*p));

	p->base = base;
	p->stats = stats;
	p->partitions = settings->partitions;
	p->connect_timeout_ms = settings->connect_timeout_ms;
	p->command_timeout_ms = settings->command_timeout_ms;
	p->retry_ms = RETRY_MIN_MS;
	TAILQ_INIT(&p->flights);
	strbuf_init(&p->event_key, settings->event_key.len);
	strbuf_add(&p->event_key, settings->event_key);
	strbuf_init(&p->command, COMMAND_MAX);
	if (redis_address_parse(settings->redis, &p->address, err_r) < 0) {
		free_publisher(p);
		return NULL;
	}
	p->timer = evtimer_new(base, on_timer, p);
	p->adopt_timer = evtimer_new(base, on_adopt, p);
	p->spool = spool_create(base, settings->journal_dir,
				settings->journal_max_bytes, on_segment,
				refresh_stats, p, err_r);
	if (p->spool == NULL) {
		free_publisher(p);
		return NULL;
	}
	set_timer(p->adopt_timer, with_jitter(ADOPT_INTERVAL_MS));
	connect_to_redis(p);
	refresh_stats(p);
	return p;
}

void publisher_destroy(struct publisher **publisher)
{
	struct publisher *p = *publisher;

	if (p == NULL) {
		return;
	}
	p->ending = true;
	if (p->redis != NULL) {
		drop_connection(p);
	}
	assert(TAILQ_EMPTY(&p->flights));
	spool_destroy(&p->spool);
	free_publisher(p);
	*publisher = NULL;
}

void publisher_publish(struct publisher *p, const struct record *record)
{
	struct record_entry entry;
	struct flight *flight;
	struct error err;

	p->stats->published++;
	if (record_encode(record, strbuf_span(&p->event_key), &entry, &err) <
	    0) {
		p->stats->refused++;
		log_warning("queue: a record is left out: %s", err.text);
		return;
	}
	flight = xcalloc(1, sizeof(*flight));
	strbuf_init(&flight->packed, JOURNAL_ENTRY_MAX);
	strbuf_reserve(&flight->packed, entry.payload.len + PACKED_OVERHEAD);
	record_entry_pack(&entry, &flight->packed);
	if (!has_room(p) || send_entry(p, &entry, flight) < 0) {
		to_journal(p, strbuf_span(&flight->packed));
		strbuf_finish(&flight->packed);
		free(flight);
	}
	record_entry_finish(&entry);
}

bool publisher_is_idle(const struct publisher *p)
{
	return p->flight_count == 0 && !p->replaying && !p->asked;
}
