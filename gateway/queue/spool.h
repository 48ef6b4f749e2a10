/* spool: the journal behind a thread of its own, so that no disk can make a
   mail session wait. fdatasync takes a millisecond on a good day and seconds
   on a bad one; batching it in the event loop would stall every session of
   the worker for as long. The loop's side only copies bytes under a mutex
   that the thread holds for a swap of pointers.
   Used by one event loop; knows nothing of Redis. */
#ifndef POSTERN_QUEUE_SPOOL_H
#define POSTERN_QUEUE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/span.h"

struct event_base;
struct spool;

/* Bytes waiting in memory for the disk; more is dropped and counted. */
#define SPOOL_MEMORY_MAX (16u * 1024 * 1024)

struct spool_counts {
	/* Entries safely on disk, and entries lost because the journal, the
	   disk or the memory for it was full. */
	uint64_t stored;
	uint64_t dropped;
	/* Bytes of the directory after the last change. */
	uint64_t journal_bytes;
};

/* The answer to spool_want, in the loop: frames for journal_next_entry,
   borrowed until spool_done or spool_give_back; empty when the journal has
   nothing to replay (then neither is called). */
typedef void spool_segment(void *context, struct span frames);

/* Counts changed. */
typedef void spool_change(void *context);

/* Return the spool with its thread running, or NULL with the reason when the
   directory cannot be used. */
struct spool *spool_create(struct event_base *base, const char *dir,
			   uint64_t max_bytes, spool_segment *on_segment,
			   spool_change *on_change, void *context,
			   struct error *err_r);

/* Write and sync what is waiting, end the thread. Blocks as long as the disk
   does: only when the program ends. */
void spool_destroy(struct spool **spool);

/* Have the entry written to disk soon. Return false when there is no room
   even in memory: dropped and counted. */
bool spool_put(struct spool *spool, struct span entry);

/* Ask for the oldest segment; on_segment is called once. One at a time. */
void spool_want(struct spool *spool);
void spool_done(struct spool *spool);
void spool_give_back(struct spool *spool);

void spool_count(struct spool *spool, struct spool_counts *counts_r);

#endif
