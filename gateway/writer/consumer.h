/* consumer: the writer's side of the Redis streams: what is next, what is
   done, what nobody can file. The writer's only hiredis part; blocking,
   with a timeout on every command. Knows nothing of what a record says. */
#ifndef POSTERN_WRITER_CONSUMER_H
#define POSTERN_WRITER_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "queue/record_reader.h"

/* The consumer group on every stream. */
#define CONSUMER_GROUP "writer"

/* Entries read from a stream at once. */
#define CONSUMER_READ_MAX 500

struct consumer;

struct consumer_settings {
	/* See redis_address.h. */
	const char *redis;
	unsigned int partitions;
	/* Ours in the group: the same after a restart, so that what was read
	   and not filed is found again. */
	const char *name;
	/* Take over entries that another consumer read this long ago and did
	   not finish. More than the slowest batch takes. */
	unsigned int claim_idle_ms;
	unsigned int claim_interval_ms;
	/* How long to wait for new entries; at most 2000. */
	unsigned int wait_ms;
};

struct consumer_entry {
	unsigned int partition;
	/* "1700000000000-0". */
	char id[48];
	/* How often it was handed out, this time included. */
	unsigned int deliveries;
	/* Borrowed from the batch. */
	struct record_fields fields;
	/* Set by the caller: filed, acknowledge it. */
	bool is_done;
};

struct consumer_batch {
	struct consumer_entry *entries;
	size_t count;
	/* The redisReply everything borrows from. */
	void *reply;
};

/* Return NULL with the reason when the address is wrong. */
struct consumer *consumer_create(const struct consumer_settings *settings,
				 struct error *err_r);
void consumer_destroy(struct consumer **consumer);

/* Connect and have the group on every stream. Our own unfinished entries come
   first again. Return 0 or -1. */
int consumer_connect(struct consumer *consumer, struct error *err_r);
void consumer_disconnect(struct consumer *consumer);
bool consumer_is_connected(const struct consumer *consumer);

/* Read what is next: our own unfinished entries, then now and then those of
   others that died, then new ones. Return 1 with a batch, 0 when there was
   nothing in wait_ms, -1 when the connection is lost (it is closed then). */
int consumer_read(struct consumer *consumer, struct consumer_batch *batch_r,
		  struct error *err_r);
void consumer_batch_finish(struct consumer_batch *batch);

/* Acknowledge and delete, in one step, the entries that are done. Return 0, or
   -1 when the connection is lost: they will come again. */
int consumer_finish(struct consumer *consumer,
		    const struct consumer_batch *batch, struct error *err_r);

/* Move an entry that cannot be filed to the dead letters of its partition,
   with the reason. Return 0 or -1. */
int consumer_bury(struct consumer *consumer, const struct consumer_entry *entry,
		  const char *reason, struct error *err_r);

/* How many entries were handed out and are not finished, by anyone. Return 0
   or -1. */
int consumer_count_pending(struct consumer *consumer, uint64_t *count_r,
			   struct error *err_r);

#endif
