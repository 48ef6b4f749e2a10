/* consumer_internal: what consumer.c and consumer_finish.c share: the
   connection, commands made of words, and how a broken one ends. */
#ifndef POSTERN_WRITER_CONSUMER_INTERNAL_H
#define POSTERN_WRITER_CONSUMER_INTERNAL_H

#include <hiredis/hiredis.h>

#include "queue/redis_address.h"
#include "writer/consumer.h"

enum consumer_stage {
	CONSUMER_HISTORY,
	CONSUMER_CLAIM,
	CONSUMER_NEW,
};

struct partition {
	char key[REDIS_KEY_SIZE];
	char dead_key[REDIS_KEY_SIZE];
	/* Where history goes on; after the last entry of it, done. */
	char history_id[48];
	/* Where the claim scan goes on. */
	char claim_id[48];
};

struct consumer {
	struct consumer_settings settings;
	char *name;
	struct redis_address address;
	struct partition *partitions;
	redisContext *redis;
	enum consumer_stage stage;
	/* The partition that history or claim is at. */
	unsigned int at;
	int64_t next_claim_ms;
	/* How many entries of a stream the next read asks for. */
	unsigned int read_count;
};

/* A command is a list of words; both arrays grow together. */
struct words {
	const char **texts;
	size_t *sizes;
	size_t count;
	size_t size;
};

void words_add_span(struct words *words, struct span word);
void words_add(struct words *words, const char *word);
void words_finish(struct words *words);

/* A command that got no answer, or one we cannot go on with: say why, free
   reply and close, so that no later answer is taken for this one's. -1. */
int consumer_fail(struct consumer *consumer, redisReply *reply,
		  struct error *err_r);

/* An array of at least so many elements? */
bool reply_is_array(const redisReply *reply, size_t least);

#endif
