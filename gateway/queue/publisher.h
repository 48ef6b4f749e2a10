/* publisher: records from posternd to Redis, without ever making mail wait.
   Asynchronous in the worker's loop, pipelined; while Redis is away, records
   go to the journal and are replayed when it is back. The gateway's only
   hiredis file. */
#ifndef POSTERN_QUEUE_PUBLISHER_H
#define POSTERN_QUEUE_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "queue/record.h"

struct event_base;
struct publisher;

/* Records sent and not answered; beyond either, new ones go to disk instead
   of into memory. */
#define PUBLISHER_FLIGHT_COUNT 4096
#define PUBLISHER_FLIGHT_BYTES (8u * 1024 * 1024)

struct publisher_settings {
	/* As in postern.conf, see redis_address.h. */
	const char *redis;
	unsigned int partitions;
	/* Shared by all workers of the machine, and the bound of all. */
	const char *journal_dir;
	uint64_t journal_max_bytes;
	/* The gateways' common key for event ids; copied. */
	struct span event_key;
	/* A connection or a command that takes longer is given up. */
	unsigned int connect_timeout_ms;
	unsigned int command_timeout_ms;
};

/* Defaults of what postern.conf does not say. */
#define PUBLISHER_CONNECT_TIMEOUT_MS 3000
#define PUBLISHER_COMMAND_TIMEOUT_MS 5000

/* Counted by the publisher, read by whoever reports; the caller's memory. */
struct publisher_stats {
	/* Records given to publisher_publish. */
	uint64_t published;
	/* Answered by Redis, of them those that came from the journal. */
	uint64_t acknowledged;
	uint64_t replayed;
	/* Written to the journal; lost because nothing had room; refused
	   because they could not be encoded. */
	uint64_t journaled;
	uint64_t dropped;
	uint64_t refused;
	/* Connections that came up. */
	uint64_t connections;
	uint64_t in_flight;
	/* Of the directory, which all workers share. */
	uint64_t journal_bytes;
	bool connected;
};

/* Create and begin to connect; Redis need not be there. stats must outlive
   the publisher. The program must ignore SIGPIPE: hiredis writes to sockets
   that may be gone. Return NULL with the reason when the address is wrong or
   the journal cannot be used. */
struct publisher *publisher_create(struct event_base *base,
				   const struct publisher_settings *settings,
				   struct publisher_stats *stats,
				   struct error *err_r);

/* What Redis has not answered goes to the journal; blocks until that is on
   disk. Not from inside one of its own callbacks. */
void publisher_destroy(struct publisher **publisher);

/* Send the record on its way. Never blocks and never fails the caller: what
   is lost is counted. */
void publisher_publish(struct publisher *publisher,
		       const struct record *record);

/* Nothing in flight and nothing being replayed: a good moment to stop. */
bool publisher_is_idle(const struct publisher *publisher);

#endif
