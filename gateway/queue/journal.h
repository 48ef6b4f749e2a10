/* journal: records on disk while Redis is away. Segment files in one
   directory, each written by one process alone, read back whole and removed
   when everything in it has reached Redis. Blocking: only the spool's thread
   calls it. Knows nothing of records: an entry is bytes.

   A segment is a line "postern-journal 1\n" and frames; a frame's body is an
   8-byte check (the first of the SHA-256 of the entry) and the entry. A
   segment ends at its first frame that is not whole. What comes after was
   torn by a crash: it was never reported as safe. */
#ifndef POSTERN_QUEUE_JOURNAL_H
#define POSTERN_QUEUE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/span.h"
#include "lib/strbuf.h"

/* Bytes of one segment: read into memory at once when it is replayed. */
#define JOURNAL_SEGMENT_MAX (8u * 1024 * 1024)
/* An entry must fit with room to spare (RECORD_PAYLOAD_MAX and its ids). */
#define JOURNAL_ENTRY_MAX (5u * 1024 * 1024)

#define JOURNAL_NAME_SIZE 64

struct journal {
	int dir_fd;
	uint64_t max_bytes;
	/* The segment being written, locked; -1 for none. */
	int write_fd;
	char write_name[JOURNAL_NAME_SIZE];
	uint64_t write_size;
	/* Bytes it may grow to. */
	uint64_t write_limit;
	/* Appended and not yet synced. */
	bool dirty;
	/* The segment being replayed, locked; -1 for none. */
	int read_fd;
	char read_name[JOURNAL_NAME_SIZE];
	/* Makes names of one process differ within a clock tick. */
	unsigned int sequence;
};

/* Open the directory, making it (0700) when it is missing. Segments of all
   processes together stay below max_bytes, but for one segment a process.
   Return 0 or -1. */
int journal_open(struct journal *journal, const char *dir, uint64_t max_bytes,
		 struct error *err_r);
void journal_close(struct journal *journal);

/* Write an entry at the end. Not safe before journal_sync. Return 0, or -1
   when the journal or the disk is full or broken: the entry is not in it,
   what was before still is. */
int journal_append(struct journal *journal, struct span entry,
		   struct error *err_r);

/* Have everything appended on disk. Return 0 or -1. */
int journal_sync(struct journal *journal, struct error *err_r);

/* Take the oldest segment that nobody else holds, be it our own, of a process
   that is gone, or one left from before, and append its frames to out (which
   needs a cap of JOURNAL_SEGMENT_MAX). Return 1, 0 when there is none, -1
   when it cannot be read: it is then renamed to .damaged and never tried
   again. *torn_r counts the bytes after the last whole
   frame. One segment is taken at a time: end it with journal_done or
   journal_give_back. */
int journal_take(struct journal *journal, struct strbuf *out, uint64_t *torn_r,
		 struct error *err_r);

/* Cut the next entry off the frames journal_take gave. */
bool journal_next_entry(struct span *frames, struct span *entry_r);

/* Everything in the taken segment reached Redis: remove it. */
void journal_done(struct journal *journal);

/* Not everything did: leave it for the next journal_take of anyone. */
void journal_give_back(struct journal *journal);

/* Bytes of all segments in the directory. */
uint64_t journal_bytes(const struct journal *journal);

#endif
