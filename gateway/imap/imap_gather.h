/* imap_gather: joins what FETCH responses show of one message (whole, header,
   parts, slices, envelope) and hands over one RFC 5322 message. Bounded in
   entries and bytes: what does not fit is cut or dropped, never waited for.
   Knows nothing of the wire. */
#ifndef POSTERN_IMAP_GATHER_H
#define POSTERN_IMAP_GATHER_H

#include "imap/imap_section.h"
#include "imap/imap_sieve.h"
#include "proxy/session.h"

/* Messages of one session that are being put together. */
#define IMAP_GATHER_ENTRIES 16
/* Sections of one message. */
#define IMAP_GATHER_PIECES 24
/* Separate runs of bytes of one section (slices out of order). */
#define IMAP_GATHER_RUNS 16
/* Kept text of ENVELOPE and of BODYSTRUCTURE. */
#define IMAP_GATHER_TEXT_MAX  32768
#define IMAP_GATHER_FLAGS_MAX 512

/* Bytes of all taps of one worker; shared, so that a thousand sessions cannot
   hold a thousand times the cap. */
struct imap_tap_budget {
	size_t used;
	size_t max;
};

struct imap_run {
	size_t from;
	size_t to;
};

struct imap_gather_piece {
	struct imap_section section;
	/* Owned copy of section.name. */
	struct strbuf name;
	struct strbuf bytes;
	struct imap_run runs[IMAP_GATHER_RUNS];
	size_t run_count;
	/* The last byte is known: a whole literal, or a slice that was shorter
	   than the one before it. */
	bool has_end;
	/* Cut at the cap; what the sieve left out is not missing. */
	bool truncated;
	size_t slice_size;
	/* Where the literal under way goes. */
	size_t write_at;
	/* The literal under way is a message or its body from the beginning:
	   attachments are left out. */
	bool is_sieved;
	struct imap_sieve sieve;
};

struct imap_gather_entry {
	uint32_t seq;
	uint32_t uid;
	struct strbuf flags;
	struct strbuf envelope;
	struct strbuf structure;
	struct imap_gather_piece *pieces[IMAP_GATHER_PIECES];
	size_t piece_count;
	uint64_t size;
	bool gave_headers;
	uint64_t last_use;
};

struct imap_gather {
	/* Asked and told; context is passed to both. */
	bool (*wants)(void *context, const struct tap_source *source);
	void (*deliver)(void *context, const struct tap_source *source,
			struct span message);
	void *context;
	/* Folder, scope and UIDVALIDITY of what is gathered; borrowed spans
	   stay valid until the next imap_gather_flush. */
	struct tap_source base;
	size_t max_bytes;
	struct imap_tap_budget *budget;

	struct imap_gather_entry *entries[IMAP_GATHER_ENTRIES];
	size_t entry_count;
	size_t used;
	uint64_t clock;
};

void imap_gather_init(struct imap_gather *gather, size_t max_bytes,
		      struct imap_tap_budget *budget);

/* Deliver the best of everything, then forget it. Before the folder changes,
   and when the client goes idle: afterwards the gather owns no memory. */
void imap_gather_flush(struct imap_gather *gather);
/* Forget everything. */
void imap_gather_finish(struct imap_gather *gather);

/* The entry of a message, made when it is wanted; NULL when not. uid may be 0
   (then it is found by seq), seq may be 0. flags: as seen so far. */
struct imap_gather_entry *imap_gather_open(struct imap_gather *gather,
					   uint32_t seq, uint32_t uid,
					   struct span flags);

/* Begin content of size bytes. Return NULL when it is not kept (no text, no
   room). The piece is valid until the entry is. */
struct imap_gather_piece *imap_gather_begin(struct imap_gather *gather,
					    struct imap_gather_entry *entry,
					    const struct imap_section *section,
					    uint64_t size);
void imap_gather_add(struct imap_gather_piece *piece, struct span bytes);

/* Text of ENVELOPE or BODYSTRUCTURE, between its parentheses. */
void imap_gather_envelope(struct imap_gather *gather,
			  struct imap_gather_entry *entry, struct span text);
void imap_gather_structure(struct imap_gather *gather,
			   struct imap_gather_entry *entry, struct span text);
/* What the response said: 0 or empty where it did not. */
void imap_gather_facts(struct imap_gather_entry *entry, uint32_t uid,
		       struct span flags, uint64_t size);

/* The response about this entry is complete: deliver if nothing better can
   come. The entry may be gone afterwards. */
void imap_gather_response_done(struct imap_gather *gather,
			       struct imap_gather_entry *entry);
/* A command was answered: deliver what is complete, and headers. */
void imap_gather_command_done(struct imap_gather *gather);

/* Message seq is gone; higher numbers move down. */
void imap_gather_expunge(struct imap_gather *gather, uint32_t seq);
/* Sequence numbers mean nothing any more (VANISHED). */
void imap_gather_forget_numbers(struct imap_gather *gather);

/* -- for imap_compose -- */
/* Contiguous bytes from the beginning. */
struct span imap_gather_prefix(const struct imap_gather_piece *piece);
bool imap_gather_is_whole(const struct imap_gather_piece *piece);
const struct imap_gather_piece *
imap_gather_find(const struct imap_gather_entry *entry,
		 enum imap_section_kind kind);

#endif
