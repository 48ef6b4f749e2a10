/* store: what the writer says to PostgreSQL. One call files records of one
   organization in one transaction, or changes nothing; the same record again
   changes nothing either. */
#ifndef POSTERN_WRITER_STORE_H
#define POSTERN_WRITER_STORE_H

#include "queue/record_reader.h"
#include "writer/database.h"

/* The version of conf/schema this program was written for. */
#define STORE_SCHEMA_VERSION 3

struct store;

struct store_counts {
	/* Events that were new, and that were filed before. */
	size_t new_events;
	size_t old_events;
	/* Sightings that were new. */
	size_t new_sightings;
};

/* Connect and check that the schema is the one we know and that our role
   bypasses nothing. NULL with the reason, which says what to do. */
struct store *store_open(const char *conninfo, struct error *err_r);
void store_close(struct store **store);

/* File count readings of one organization. When the outcome is DATABASE_LOST
   the connection is of no more use; if it was lost in COMMIT nobody knows
   whether it took effect: filing the same again finds out, by event id. */
enum database_outcome store_file(struct store *store,
				 const struct record_reading *const *readings,
				 size_t count, struct store_counts *counts_r,
				 struct error *err_r);

#endif
