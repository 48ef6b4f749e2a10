/* consumer_finish: commands made of words, and telling Redis with them that
   entries are done: XACK and XDEL, or a dead letter. */
#include <stdlib.h>

#include "lib/xalloc.h"
#include "writer/consumer_internal.h"

/* --- commands ---------------------------------------------------------- */

void words_add_span(struct words *words, struct span word)
{
	if (words->count == words->size) {
		words->size = words->size == 0 ? 32 : words->size * 2;
		words->texts = xreallocarray(words->texts, words->size,
					     sizeof(*words->texts));
		words->sizes = xreallocarray(words->sizes, words->size,
					     sizeof(*words->sizes));
	}
	words->texts[words->count] = word.ptr == NULL ? "" : word.ptr;
	words->sizes[words->count++] = word.len;
}

void words_add(struct words *words, const char *word)
{
	words_add_span(words, span_str(word));
}

void words_finish(struct words *words)
{
	free(words->texts);
	free(words->sizes);
	*words = (struct words){ 0 };
}

int consumer_fail(struct consumer *consumer, redisReply *reply,
		  struct error *err_r)
{
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
		error_set(err_r, "redis: %s", reply->str);
	} else if (reply != NULL) {
		error_set(err_r, "redis: an answer of another form");
	} else {
		error_set(err_r, "redis: %s",
			  consumer->redis->err != 0 ? consumer->redis->errstr
						    : "no answer");
	}
	freeReplyObject(reply);
	consumer_disconnect(consumer);
	return -1;
}

bool reply_is_array(const redisReply *reply, size_t least)
{
	return reply != NULL && reply->type == REDIS_REPLY_ARRAY &&
	       reply->elements >= least;
}

/* --- finishing --------------------------------------------------------- */

/* XACK and XDEL in one step: deleted and pending would read as lost, done
   and still there would stay for ever. */
static int append_finish(struct consumer *consumer,
			 const struct partition *partition,
			 const char *const *ids, size_t count)
{
	struct words ack = { 0 };
	struct words del = { 0 };
	int status;

	words_add(&ack, "XACK");
	words_add(&ack, partition->key);
	words_add(&ack, CONSUMER_GROUP);
	words_add(&del, "XDEL");
	words_add(&del, partition->key);
	for (size_t i = 0; i < count; i++) {
		words_add(&ack, ids[i]);
		words_add(&del, ids[i]);
	}
	status = redisAppendCommandArgv(consumer->redis, (int)ack.count,
					ack.texts, ack.sizes) == REDIS_OK &&
				 redisAppendCommandArgv(
					 consumer->redis, (int)del.count,
					 del.texts, del.sizes) == REDIS_OK
			 ? 0
			 : -1;
	words_finish(&ack);
	words_finish(&del);
	return status;
}

/* EXEC answers with every command's own answer. */
static bool all_done(const redisReply *answers, size_t commands)
{
	if (!reply_is_array(answers, commands)) {
		return false;
	}
	for (size_t i = 0; i < answers->elements; i++) {
		if (answers->element[i]->type == REDIS_REPLY_ERROR) {
			return false;
		}
	}
	return true;
}

/* Read the answers of MULTI, some commands and EXEC. */
static int await_exec(struct consumer *consumer, size_t commands,
		      struct error *err_r)
{
	for (size_t i = 0; i < commands + 2; i++) {
		void *reply = NULL;
		const redisReply *answer;

		if (redisGetReply(consumer->redis, &reply) != REDIS_OK) {
			return consumer_fail(consumer, NULL, err_r);
		}
		answer = reply;
		if (answer->type == REDIS_REPLY_ERROR ||
		    (i == commands + 1 && !all_done(answer, commands))) {
			return consumer_fail(consumer, reply, err_r);
		}
		freeReplyObject(reply);
	}
	return 0;
}

static int finish_partition(struct consumer *consumer, unsigned int partition,
			    const char *const *ids, size_t count,
			    struct error *err_r)
{
	if (redisAppendCommand(consumer->redis, "MULTI") != REDIS_OK ||
	    append_finish(consumer, &consumer->partitions[partition], ids,
			  count) < 0 ||
	    redisAppendCommand(consumer->redis, "EXEC") != REDIS_OK) {
		return consumer_fail(consumer, NULL, err_r);
	}
	return await_exec(consumer, 2, err_r);
}

int consumer_finish(struct consumer *consumer,
		    const struct consumer_batch *batch, struct error *err_r)
{
	const char **ids = xcalloc(batch->count + 1, sizeof(*ids));
	int status = 0;

	for (unsigned int p = 0;
	     p < consumer->settings.partitions && status == 0; p++) {
		size_t count = 0;

		for (size_t i = 0; i < batch->count; i++) {
			if (batch->entries[i].is_done &&
			    batch->entries[i].partition == p) {
				ids[count++] = batch->entries[i].id;
			}
		}
		if (count > 0) {
			status = finish_partition(consumer, p, ids, count,
						  err_r);
		}
	}
	free(ids);
	return status;
}

int consumer_bury(struct consumer *consumer, const struct consumer_entry *entry,
		  const char *reason, struct error *err_r)
{
	const struct partition *partition =
		&consumer->partitions[entry->partition];
	const char *id = entry->id;
	struct words words = { 0 };
	int status;

	words_add(&words, "XADD");
	words_add(&words, partition->dead_key);
	words_add(&words, "*");
	words_add(&words, "v");
	words_add_span(&words, entry->fields.version);
	words_add(&words, "org");
	words_add_span(&words, entry->fields.organization_id);
	words_add(&words, "event");
	words_add_span(&words, entry->fields.event);
	words_add(&words, "key");
	words_add_span(&words, entry->fields.key_id);
	words_add(&words, "payload");
	words_add_span(&words, entry->fields.payload);
	words_add(&words, "entry");
	words_add(&words, entry->id);
	words_add(&words, "reason");
	words_add(&words, reason);
	status =
		redisAppendCommand(consumer->redis, "MULTI") == REDIS_OK &&
				redisAppendCommandArgv(
					consumer->redis, (int)words.count,
					words.texts, words.sizes) == REDIS_OK &&
				append_finish(consumer, partition, &id, 1) ==
					0 &&
				redisAppendCommand(consumer->redis, "EXEC") ==
					REDIS_OK
			? 0
			: -1;
	words_finish(&words);
	if (status < 0) {
		return consumer_fail(consumer, NULL, err_r);
	}
	return await_exec(consumer, 3, err_r);
}

int consumer_count_pending(struct consumer *consumer, uint64_t *count_r,
			   struct error *err_r)
{
	*count_r = 0;
	for (unsigned int i = 0; i < consumer->settings.partitions; i++) {
		redisReply *reply = redisCommand(
			consumer->redis, "XPENDING %s %s",
			consumer->partitions[i].key, CONSUMER_GROUP);

		if (!reply_is_array(reply, 1) ||
		    reply->element[0]->type != REDIS_REPLY_INTEGER) {
			return consumer_fail(consumer, reply, err_r);
		}
		*count_r += (uint64_t)reply->element[0]->integer;
		freeReplyObject(reply);
	}
	return 0;
}
