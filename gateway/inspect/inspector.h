/* inspector: posternd's side of postern-inspect: a few sandboxed children,
   questions in batches, a deadline for each. What a child says is decoded as
   if an attacker had written it. */
#ifndef POSTERN_INSPECT_INSPECTOR_H
#define POSTERN_INSPECT_INSPECTOR_H

#include "filters/contact.h"
#include "filters/filter.h"
#include "lib/error.h"
#include "message/message.h"

struct event_base;
struct inspector_pool;

/* Bytes of questions that are open; more are refused. */
#define INSPECTOR_BACKLOG_MAX (16 * 1024 * 1024)
/* A question that no child could take for so long is undecided. */
#define INSPECTOR_WAIT_MS 10000
/* Bytes of one message that can be asked about. */
#define INSPECTOR_MESSAGE_MAX (1024 * 1024)

struct inspector_options {
	/* Path of postern-inspect; copied. */
	const char *program;
	unsigned int processes;
	unsigned int deadline_ms;
	/* A child is replaced after so many messages. */
	unsigned int max_messages;
};

struct inspector_answer {
	/* SKIP_NONE: contacts has what the message teaches. SKIP_UNDECIDED: a
	   child died, was killed or talked nonsense. */
	enum skip_reason reason;
	/* Message-ID without brackets, may be empty; borrowed. */
	struct span message_id;
	/* SHA-256 of the header block: names a message without Message-ID.
	   Zero when it has one. Our own, not the child's word. */
	unsigned char header_sha256[32];
	/* Seconds since 1970, 0 unknown. */
	int64_t date;
	/* As the origin said, or outgoing because the mailbox wrote it. */
	enum message_direction direction;
	/* What the deciding filter saw: printable, no content; borrowed. */
	const char *note;
	/* Borrowed; empty unless reason is SKIP_NONE. */
	const struct contact_list *contacts;
};

/* Called once for each question accepted, from the loop, never from inside
   inspector_ask. It may ask again, but not destroy the pool. */
typedef void inspector_callback(void *context,
				const struct inspector_answer *answer);

/* Children are started at once and again when they die (with a growing
   pause). A child gets several questions at a time; when it dies, each of them
   is asked once more by itself, so that only the one that kills is undecided.
   Return NULL with the reason when program cannot be run. */
struct inspector_pool *
inspector_pool_create(struct event_base *base,
		      const struct inspector_options *options,
		      struct error *err_r);
/* Kill the children; questions still open are not answered. */
void inspector_pool_destroy(struct inspector_pool **pool);
/* For children started from now on. */
void inspector_pool_set_options(struct inspector_pool *pool,
				const struct inspector_options *options);

/* Ask about a message. Both are copied. Return false when the backlog is
   full or the message too large: nothing will be called. */
bool inspector_ask(struct inspector_pool *pool,
		   const struct message_origin *origin, struct span bytes,
		   inspector_callback *callback, void *context);

/* The backlog is as good as full: a message asked about now would probably
   be refused, so it need not be copied. */
bool inspector_pool_is_full(const struct inspector_pool *pool);

/* No question is open. */
bool inspector_pool_is_idle(const struct inspector_pool *pool);

/* Children that are up, their sandbox closed. */
size_t inspector_pool_ready(const struct inspector_pool *pool);

#endif
