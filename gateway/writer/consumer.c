/* consumer: XREADGROUP and XAUTOCLAIM, from connecting to a batch.

   Three stages, in this order after every connect: history (our own pending
   entries, from id 0), claim (entries of consumers that are gone), new. An
   entry that XAUTOCLAIM or history finds without content was deleted while
   pending: somebody trimmed the stream, and it is lost. That is an alarm. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "writer/consumer_internal.h"

#define CONNECT_TIMEOUT_S 3
/* More than wait_ms, which Redis spends waiting with us. */
#define COMMAND_TIMEOUT_S 10
#define WAIT_MAX_MS	  2000

/* Entries asked for after a connect. A record is 1 KiB or so, but anyone may
   send mail whose cards make one of 800 KiB; so many of those as of the usual
   ones would end the writer for want of memory, each time it starts anew. */
#define READ_FIRST 16
/* Payload of one batch, several times that when parsed. */
#define READ_BYTES_MAX (16u * 1024 * 1024)

#define NUMBER_SIZE 24

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- commands ---------------------------------------------------------- */

void consumer_disconnect(struct consumer *consumer)
{
	if (consumer->redis != NULL) {
		redisFree(consumer->redis);
	}
	consumer->redis = NULL;
}

/* Run the command and free its words. The reply, whatever it says, or NULL. */
static redisReply *run(struct consumer *consumer, struct words *words)
{
	redisReply *reply = redisCommandArgv(consumer->redis, (int)words->count,
					     words->texts, words->sizes);

	words_finish(words);
	return reply;
}

/* --- connecting -------------------------------------------------------- */

static redisContext *open_connection(const struct redis_address *address)
{
	struct timeval timeout = { CONNECT_TIMEOUT_S, 0 };

	return address->is_unix
		       ? redisConnectUnixWithTimeout(address->host, timeout)
		       : redisConnectWithTimeout(address->host, address->port,
						 timeout);
}

/* Have the group on the stream, from its beginning. */
static int ensure_group(struct consumer *consumer, const char *key,
			struct error *err_r)
{
	redisReply *reply =
		redisCommand(consumer->redis, "XGROUP CREATE %s %s 0 MKSTREAM",
			     key, CONSUMER_GROUP);

	if (reply == NULL || (reply->type == REDIS_REPLY_ERROR &&
			      strncmp(reply->str, "BUSYGROUP", 9) != 0)) {
		return consumer_fail(consumer, reply, err_r);
	}
	freeReplyObject(reply);
	return 0;
}

static void begin_history(struct consumer *consumer)
{
	consumer->stage = CONSUMER_HISTORY;
	consumer->at = 0;
	consumer->next_claim_ms = 0;
	for (unsigned int i = 0; i < consumer->settings.partitions; i++) {
		strcpy(consumer->partitions[i].history_id, "0");
	}
}

int consumer_connect(struct consumer *consumer, struct error *err_r)
{
	struct timeval timeout = { COMMAND_TIMEOUT_S, 0 };

	consumer->redis = open_connection(&consumer->address);
	if (consumer->redis == NULL || consumer->redis->err != 0) {
		error_set(err_r, "redis: %s",
			  consumer->redis == NULL ? "out of memory"
						  : consumer->redis->errstr);
		consumer_disconnect(consumer);
		return -1;
	}
	redisSetTimeout(consumer->redis, timeout);
	for (unsigned int i = 0; i < consumer->settings.partitions; i++) {
		if (ensure_group(consumer, consumer->partitions[i].key, err_r) <
		    0) {
			return -1;
		}
	}
	begin_history(consumer);
	consumer->read_count = READ_FIRST;
	return 0;
}

bool consumer_is_connected(const struct consumer *consumer)
{
	return consumer->redis != NULL;
}

struct consumer *consumer_create(const struct consumer_settings *settings,
				 struct error *err_r)
{
	struct consumer *consumer = xcalloc(1, sizeof(*consumer));

	assert(settings->wait_ms <= WAIT_MAX_MS);
	consumer->settings = *settings;
	consumer->name = xstrdup(settings->name);
	if (redis_address_parse(settings->redis, &consumer->address, err_r) <
	    0) {
		consumer_destroy(&consumer);
		return NULL;
	}
	consumer->partitions =
		xcalloc(settings->partitions, sizeof(*consumer->partitions));
	for (unsigned int i = 0; i < settings->partitions; i++) {
		redis_contacts_key(i, consumer->partitions[i].key);
		redis_dead_key(i, consumer->partitions[i].dead_key);
	}
	return consumer;
}

void consumer_destroy(struct consumer **consumer)
{
	if (*consumer == NULL) {
		return;
	}
	consumer_disconnect(*consumer);
	free((*consumer)->partitions);
	free((*consumer)->name);
	free(*consumer);
	*consumer = NULL;
}

/* --- replies to entries ------------------------------------------------ */

static bool is_text(const redisReply *reply)
{
	return reply != NULL && reply->type == REDIS_REPLY_STRING;
}

static void add_entry(struct consumer_batch *batch, unsigned int partition,
		      const redisReply *reply)
{
	struct consumer_entry *entry;
	const redisReply *fields;

	if (!reply_is_array(reply, 2) || !is_text(reply->element[0])) {
		return;
	}
	entry = &batch->entries[batch->count++];
	*entry = (struct consumer_entry){
		.partition = partition,
		.deliveries = 1,
	};
	snprintf(entry->id, sizeof(entry->id), "%s", reply->element[0]->str);
	fields = reply->element[1];
	if (!reply_is_array(fields, 1)) {
		log_error("alarm=lost-entry partition=%u entry=%s was deleted "
			  "before it was filed: is the stream trimmed?",
			  partition, entry->id);
		entry->is_done = true;
		return;
	}
	for (size_t i = 0; i + 1 < fields->elements; i += 2) {
		const redisReply *name = fields->element[i];
		const redisReply *value = fields->element[i + 1];

		if (is_text(name) && is_text(value)) {
			record_fields_set(&entry->fields,
					  span_of(name->str, name->len),
					  span_of(value->str, value->len));
		}
	}
}

/* Add an array of entries of one partition. */
static void add_entries(struct consumer_batch *batch, unsigned int partition,
			const redisReply *list)
{
	if (!reply_is_array(list, 1)) {
		return;
	}
	batch->entries =
		xreallocarray(batch->entries, batch->count + list->elements,
			      sizeof(*batch->entries));
	for (size_t i = 0; i < list->elements; i++) {
		add_entry(batch, partition, list->element[i]);
	}
}

void consumer_batch_finish(struct consumer_batch *batch)
{
	freeReplyObject(batch->reply);
	free(batch->entries);
	*batch = (struct consumer_batch){ 0 };
}

/* Ask how often the entries of a batch, all of one partition, were handed
   out. Both lists are in the order of ids. */
static int ask_deliveries(struct consumer *consumer,
			  struct consumer_batch *batch, struct error *err_r)
{
	const struct partition *partition;
	redisReply *reply;
	size_t at = 0;

	if (batch->count == 0) {
		return 0;
	}
	partition = &consumer->partitions[batch->entries[0].partition];
	reply = redisCommand(consumer->redis, "XPENDING %s %s %s %s %u %s",
			     partition->key, CONSUMER_GROUP,
			     batch->entries[0].id,
			     batch->entries[batch->count - 1].id,
			     (unsigned int)batch->count, consumer->name);
	if (!reply_is_array(reply, 0)) {
		return consumer_fail(consumer, reply, err_r);
	}
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *row = reply->element[i];

		if (!reply_is_array(row, 4) || !is_text(row->element[0])) {
			continue;
		}
		while (at < batch->count && strcmp(batch->entries[at].id,
						   row->element[0]->str) != 0) {
			at++;
		}
		if (at == batch->count) {
			break;
		}
		batch->entries[at].deliveries =
			(unsigned int)row->element[3]->integer;
	}
	freeReplyObject(reply);
	return 0;
}

/* --- the stages -------------------------------------------------------- */

/* XREADGROUP on one stream from an id, or on all for new ones. */
static redisReply *read_group(struct consumer *consumer,
			      const struct partition *one, const char *wait_ms)
{
	struct words words = { 0 };
	char count[NUMBER_SIZE];
	unsigned int first =
		one == NULL ? 0 : (unsigned int)(one - consumer->partitions);
	unsigned int end =
		one == NULL ? consumer->settings.partitions : first + 1;

	snprintf(count, sizeof(count), "%u", consumer->read_count);
	words_add(&words, "XREADGROUP");
	words_add(&words, "GROUP");
	words_add(&words, CONSUMER_GROUP);
	words_add(&words, consumer->name);
	words_add(&words, "COUNT");
	words_add(&words, count);
	if (wait_ms != NULL) {
		words_add(&words, "BLOCK");
		words_add(&words, wait_ms);
	}
	words_add(&words, "STREAMS");
	for (unsigned int i = first; i < end; i++) {
		words_add(&words, consumer->partitions[i].key);
	}
	for (unsigned int i = first; i < end; i++) {
		words_add(&words, one == NULL ? ">" : one->history_id);
	}
	return run(consumer, &words);
}

/* Which partition a stream's name belongs to, or partitions when unknown. */
static unsigned int find_partition(const struct consumer *consumer,
				   const redisReply *key)
{
	unsigned int i = 0;

	while (i < consumer->settings.partitions && is_text(key) &&
	       strcmp(consumer->partitions[i].key, key->str) != 0) {
		i++;
	}
	return is_text(key) ? i : consumer->settings.partitions;
}

/* [[stream, [entry, ...]], ...], or nil for nothing. */
static int add_streams(struct consumer *consumer, redisReply *reply,
		       struct consumer_batch *batch, struct error *err_r)
{
	if (reply != NULL && reply->type == REDIS_REPLY_NIL) {
		freeReplyObject(reply);
		return 0;
	}
	if (!reply_is_array(reply, 0)) {
		return consumer_fail(consumer, reply, err_r);
	}
	batch->reply = reply;
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *stream = reply->element[i];
		unsigned int partition;

		if (!reply_is_array(stream, 2)) {
			continue;
		}
		partition = find_partition(consumer, stream->element[0]);
		if (partition < consumer->settings.partitions) {
			add_entries(batch, partition, stream->element[1]);
		}
	}
	return 0;
}

static int read_history(struct consumer *consumer, struct consumer_batch *batch,
			struct error *err_r)
{
	while (consumer->at < consumer->settings.partitions) {
		struct partition *partition =
			&consumer->partitions[consumer->at];

		if (add_streams(consumer, read_group(consumer, partition, NULL),
				batch, err_r) < 0) {
			return -1;
		}
		if (batch->count > 0) {
			/* Entries that stay pending must not come again and
			   again: go on after the last. */
			strcpy(partition->history_id,
			       batch->entries[batch->count - 1].id);
			return ask_deliveries(consumer, batch, err_r);
		}
		consumer_batch_finish(batch);
		consumer->at++;
	}
	consumer->stage = CONSUMER_NEW;
	return 0;
}

/* The third part of XAUTOCLAIM's answer: ids that were pending and are gone
   from the stream. Redis forgets them with this answer. */
static void report_lost(unsigned int partition, const redisReply *ids)
{
	for (size_t i = 0; reply_is_array(ids, 1) && i < ids->elements; i++) {
		log_error("alarm=lost-entry partition=%u entry=%s was deleted "
			  "before it was filed: is the stream trimmed?",
			  partition,
			  is_text(ids->element[i]) ? ids->element[i]->str
						   : "?");
	}
}

static int claim_some(struct consumer *consumer, struct consumer_batch *batch,
		      struct error *err_r)
{
	struct partition *partition = &consumer->partitions[consumer->at];
	redisReply *reply = redisCommand(
		consumer->redis, "XAUTOCLAIM %s %s %s %u %s COUNT %u",
		partition->key, CONSUMER_GROUP, consumer->name,
		consumer->settings.claim_idle_ms, partition->claim_id,
		consumer->read_count);

	if (!reply_is_array(reply, 3) || !is_text(reply->element[0])) {
		return consumer_fail(consumer, reply, err_r);
	}
	batch->reply = reply;
	report_lost(consumer->at, reply->element[2]);
	add_entries(batch, consumer->at, reply->element[1]);
	/* It looks at so many entries and no more: only the cursor says when
	   all were looked at. */
	snprintf(partition->claim_id, sizeof(partition->claim_id), "%s",
		 reply->element[0]->str);
	return 0;
}

static int read_claims(struct consumer *consumer, struct consumer_batch *batch,
		       struct error *err_r)
{
	while (consumer->at < consumer->settings.partitions) {
		if (claim_some(consumer, batch, err_r) < 0) {
			return -1;
		}
		if (strcmp(consumer->partitions[consumer->at].claim_id,
			   "0-0") == 0) {
			consumer->at++;
		}
		if (batch->count > 0) {
			return ask_deliveries(consumer, batch, err_r);
		}
		consumer_batch_finish(batch);
	}
	consumer->stage = CONSUMER_NEW;
	return 0;
}

static void begin_claim(struct consumer *consumer)
{
	consumer->stage = CONSUMER_CLAIM;
	consumer->at = 0;
	consumer->next_claim_ms =
		now_ms() + consumer->settings.claim_interval_ms;
	for (unsigned int i = 0; i < consumer->settings.partitions; i++) {
		strcpy(consumer->partitions[i].claim_id, "0-0");
	}
}

static int read_stages(struct consumer *consumer, struct consumer_batch *batch,
		       struct error *err_r)
{
	char wait_ms[NUMBER_SIZE];

	if (consumer->stage == CONSUMER_HISTORY &&
	    (read_history(consumer, batch, err_r) < 0 || batch->count > 0)) {
		return batch->count > 0 ? 0 : -1;
	}
	if (consumer->stage == CONSUMER_NEW &&
	    now_ms() >= consumer->next_claim_ms) {
		begin_claim(consumer);
	}
	if (consumer->stage == CONSUMER_CLAIM &&
	    (read_claims(consumer, batch, err_r) < 0 || batch->count > 0)) {
		return batch->count > 0 ? 0 : -1;
	}
	snprintf(wait_ms, sizeof(wait_ms), "%u", consumer->settings.wait_ms);
	return add_streams(
		consumer,
		read_group(consumer, NULL,
			   consumer->settings.wait_ms == 0 ? NULL : wait_ms),
		batch, err_r);
}

/* Ask for more or for less the next time. */
static void adapt_count(struct consumer *consumer,
			const struct consumer_batch *batch)
{
	size_t bytes = 0;

	for (size_t i = 0; i < batch->count; i++) {
		bytes += batch->entries[i].fields.payload.len;
	}
	if (bytes > READ_BYTES_MAX && consumer->read_count > 1) {
		consumer->read_count /= 2;
	} else if (bytes < READ_BYTES_MAX / 4 &&
		   batch->count >= consumer->read_count) {
		consumer->read_count *= 2;
		if (consumer->read_count > CONSUMER_READ_MAX) {
			consumer->read_count = CONSUMER_READ_MAX;
		}
	}
}

int consumer_read(struct consumer *consumer, struct consumer_batch *batch_r,
		  struct error *err_r)
{
	*batch_r = (struct consumer_batch){ 0 };
	if (read_stages(consumer, batch_r, err_r) < 0 ||
	    consumer->redis == NULL) {
		consumer_batch_finish(batch_r);
		return -1;
	}
	if (batch_r->count == 0) {
		consumer_batch_finish(batch_r);
		return 0;
	}
	adapt_count(consumer, batch_r);
	return 1;
}
