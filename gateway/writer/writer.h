/* writer: from the streams into PostgreSQL until told to stop. Puts consumer
   and store together: what was committed is acknowledged, what could not be
   filed comes again, what can never be filed is buried with an alarm. */
#ifndef POSTERN_WRITER_WRITER_H
#define POSTERN_WRITER_WRITER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "writer/consumer.h"

/* Deliveries after which an entry is filed alone, so that it cannot take
   others down with it; when that fails it is a dead letter. */
#define WRITER_DELIVERIES_MAX 5
/* Deliveries after which it is not even tried: it may be what kills us. */
#define WRITER_DELIVERIES_HOPELESS 20

struct writer_settings {
	/* libpq connection string. */
	const char *database;
	struct consumer_settings consumer;
	/* End when the streams are drained. */
	bool once;
	/* With once: give up when Redis or PostgreSQL is away for so long. */
	unsigned int once_patience_s;
};

struct writer_counts {
	uint64_t records;
	uint64_t old_records;
	uint64_t sightings;
	uint64_t dead_letters;
	/* Handed out and not finished when the writer ended. */
	uint64_t left;
};

/* Run until *stop is set (by a signal handler), or with once until drained.
   Return 0, or -1 with the reason when it cannot go on at all: a wrong
   address, or with once a server that stays away. */
int writer_run(const struct writer_settings *settings,
	       const volatile sig_atomic_t *stop,
	       struct writer_counts *counts_r, struct error *err_r);

#endif
