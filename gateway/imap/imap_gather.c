/* imap_gather: a few entries, oldest out first; each a few pieces. */
#include "imap/imap_gather.h"

#include <stdlib.h>

#include "imap/imap_compose.h"
#include "lib/xalloc.h"

/* Bytes of a message without its attachments. */
#define SIEVED_USUAL 16384

void imap_gather_init(struct imap_gather *gather, size_t max_bytes,
		      struct imap_tap_budget *budget)
{
	*gather = (struct imap_gather){
		.max_bytes = max_bytes,
		.budget = budget,
	};
}

/* -- bytes -- */

/* Take room from the session's cap and from the worker's; false when either
   has none left. */
static bool take_room(struct imap_gather *gather, size_t bytes)
{
	struct imap_tap_budget *budget = gather->budget;

	if (bytes > gather->max_bytes - gather->used) {
		return false;
	}
	if (budget != NULL) {
		if (budget->used > budget->max ||
		    bytes > budget->max - budget->used) {
			return false;
		}
		budget->used += bytes;
	}
	gather->used += bytes;
	return true;
}

static void give_room(struct imap_gather *gather, size_t bytes)
{
	gather->used -= bytes;
	if (gather->budget != NULL) {
		gather->budget->used -= bytes;
	}
}

static void piece_free(struct imap_gather *gather,
		       struct imap_gather_piece *piece)
{
	give_room(gather, piece->bytes.cap);
	strbuf_wipe(&piece->bytes);
	strbuf_finish(&piece->name);
	free(piece);
}

static void entry_free(struct imap_gather *gather,
		       struct imap_gather_entry *entry)
{
	for (size_t i = 0; i < entry->piece_count; i++) {
		piece_free(gather, entry->pieces[i]);
	}
	give_room(gather, entry->envelope.cap + entry->structure.cap);
	strbuf_wipe(&entry->envelope);
	strbuf_wipe(&entry->structure);
	strbuf_finish(&entry->flags);
	free(entry);
}

static void remove_entry(struct imap_gather *gather,
			 struct imap_gather_entry *entry)
{
	for (size_t i = 0; i < gather->entry_count; i++) {
		if (gather->entries[i] == entry) {
			gather->entries[i] =
				gather->entries[--gather->entry_count];
			entry_free(gather, entry);
			return;
		}
	}
}

/* -- delivery -- */

static void source_of(const struct imap_gather *gather,
		      const struct imap_gather_entry *entry,
		      struct tap_source *source_r)
{
	*source_r = gather->base;
	source_r->uid = entry->uid;
	source_r->flags = strbuf_span(&entry->flags);
}

/* Hand over the best there is, if it is more than was given before. */
static void deliver(struct imap_gather *gather, struct imap_gather_entry *entry)
{
	struct imap_composed composed;
	struct tap_source source;

	if (!imap_compose(entry, gather->max_bytes, &composed)) {
		return;
	}
	source_of(gather, entry, &source);
	source.headers_only = composed.headers_only;
	source.truncated = composed.truncated;
	if (composed.headers_only &&
	    (entry->gave_headers || !gather->wants(gather->context, &source))) {
		imap_composed_finish(&composed);
		return;
	}
	entry->gave_headers = true;
	gather->deliver(gather->context, &source, composed.message);
	imap_composed_finish(&composed);
}

static void deliver_and_remove(struct imap_gather *gather,
			       struct imap_gather_entry *entry)
{
	deliver(gather, entry);
	remove_entry(gather, entry);
}

void imap_gather_flush(struct imap_gather *gather)
{
	while (gather->entry_count > 0) {
		deliver_and_remove(gather, gather->entries[0]);
	}
}

void imap_gather_finish(struct imap_gather *gather)
{
	while (gather->entry_count > 0) {
		remove_entry(gather, gather->entries[0]);
	}
}

static bool is_complete(const struct imap_gather_entry *entry)
{
	const struct imap_gather_piece *full =
		imap_gather_find(entry, IMAP_SECTION_FULL);
	const struct imap_gather_piece *text;
	struct span prefix;

	if (full != NULL) {
		prefix = imap_gather_prefix(full);
		return imap_gather_is_whole(full) || full->truncated ||
		       (entry->size > 0 && prefix.len >= entry->size);
	}
	text = imap_gather_find(entry, IMAP_SECTION_TEXT);
	return text != NULL && imap_gather_is_whole(text) &&
	       imap_gather_find(entry, IMAP_SECTION_HEADER) != NULL;
}

void imap_gather_response_done(struct imap_gather *gather,
			       struct imap_gather_entry *entry)
{
	if (is_complete(entry)) {
		deliver_and_remove(gather, entry);
	}
}

static bool has_body(const struct imap_gather_entry *entry)
{
	return imap_gather_find(entry, IMAP_SECTION_FULL) != NULL ||
	       imap_gather_find(entry, IMAP_SECTION_TEXT) != NULL ||
	       imap_gather_find(entry, IMAP_SECTION_PART) != NULL;
}

void imap_gather_command_done(struct imap_gather *gather)
{
	for (size_t i = 0; i < gather->entry_count; i++) {
		struct imap_gather_entry *entry = gather->entries[i];

		/* Slices and parts: more may follow with the next command.
		   Headers stay as context for parts that come later. */
		if (!has_body(entry) && !entry->gave_headers) {
			deliver(gather, entry);
			entry->gave_headers = true;
		}
	}
}

/* -- entries -- */

static struct imap_gather_entry *find_entry(struct imap_gather *gather,
					    uint32_t seq, uint32_t uid)
{
	for (size_t i = 0; i < gather->entry_count; i++) {
		struct imap_gather_entry *entry = gather->entries[i];

		if (uid != 0 && entry->uid != 0
			    ? entry->uid == uid
			    : seq != 0 && entry->seq == seq) {
			return entry;
		}
	}
	return NULL;
}

static void evict(struct imap_gather *gather,
		  const struct imap_gather_entry *keep)
{
	struct imap_gather_entry *oldest = NULL;

	for (size_t i = 0; i < gather->entry_count; i++) {
		struct imap_gather_entry *entry = gather->entries[i];

		if (entry != keep &&
		    (oldest == NULL || entry->last_use < oldest->last_use)) {
			oldest = entry;
		}
	}
	if (oldest != NULL) {
		deliver_and_remove(gather, oldest);
	}
}

struct imap_gather_entry *imap_gather_open(struct imap_gather *gather,
					   uint32_t seq, uint32_t uid,
					   struct span flags)
{
	struct imap_gather_entry *entry = find_entry(gather, seq, uid);
	struct tap_source source = gather->base;

	if (entry != NULL) {
		entry->last_use = ++gather->clock;
		return entry;
	}
	source.uid = uid;
	source.flags = flags;
	if (!gather->wants(gather->context, &source)) {
		return NULL;
	}
	if (gather->entry_count == IMAP_GATHER_ENTRIES) {
		evict(gather, NULL);
	}
	entry = xcalloc(1, sizeof(*entry));
	entry->seq = seq;
	entry->uid = uid;
	entry->last_use = ++gather->clock;
	strbuf_init(&entry->flags, IMAP_GATHER_FLAGS_MAX);
	gather->entries[gather->entry_count++] = entry;
	return entry;
}

/* Room for bytes, from older messages if need be: they are delivered as they
   are. Return what there is, at most what was asked. */
static size_t make_room(struct imap_gather *gather,
			const struct imap_gather_entry *entry, size_t bytes)
{
	while (!take_room(gather, bytes)) {
		if (gather->entry_count > 1) {
			evict(gather, entry);
			continue;
		}
		if (bytes > gather->max_bytes - gather->used) {
			bytes = gather->max_bytes - gather->used;
		} else {
			/* The worker's budget is spent. */
			return 0;
		}
		if (bytes == 0) {
			return 0;
		}
	}
	return bytes;
}

static void keep_text(struct imap_gather *gather,
		      struct imap_gather_entry *entry, struct strbuf *kept,
		      struct span text)
{
	size_t room;

	if (kept->len > 0 || text.len == 0 || text.len > IMAP_GATHER_TEXT_MAX) {
		return;
	}
	room = make_room(gather, entry, text.len);
	if (room < text.len) {
		give_room(gather, room);
		return;
	}
	strbuf_init(kept, text.len);
	strbuf_add(kept, text);
}

void imap_gather_envelope(struct imap_gather *gather,
			  struct imap_gather_entry *entry, struct span text)
{
	keep_text(gather, entry, &entry->envelope, text);
}

void imap_gather_structure(struct imap_gather *gather,
			   struct imap_gather_entry *entry, struct span text)
{
	keep_text(gather, entry, &entry->structure, text);
}

void imap_gather_facts(struct imap_gather_entry *entry, uint32_t uid,
		       struct span flags, uint64_t size)
{
	if (uid != 0) {
		entry->uid = uid;
	}
	if (flags.ptr != NULL) {
		strbuf_clear(&entry->flags);
		strbuf_add(&entry->flags, flags);
	}
	if (size != 0) {
		entry->size = size;
	}
}

void imap_gather_expunge(struct imap_gather *gather, uint32_t seq)
{
	size_t i = 0;

	while (i < gather->entry_count) {
		struct imap_gather_entry *entry = gather->entries[i];

		if (entry->seq == seq) {
			deliver_and_remove(gather, entry);
			continue;
		}
		if (entry->seq > seq) {
			entry->seq--;
		}
		i++;
	}
}

void imap_gather_forget_numbers(struct imap_gather *gather)
{
	size_t i = 0;

	while (i < gather->entry_count) {
		struct imap_gather_entry *entry = gather->entries[i];

		if (entry->uid == 0) {
			deliver_and_remove(gather, entry);
			continue;
		}
		entry->seq = 0;
		i++;
	}
}

/* -- pieces -- */

const struct imap_gather_piece *
imap_gather_find(const struct imap_gather_entry *entry,
		 enum imap_section_kind kind)
{
	for (size_t i = 0; i < entry->piece_count; i++) {
		if (entry->pieces[i]->section.kind == kind) {
			return entry->pieces[i];
		}
	}
	return NULL;
}

static struct imap_gather_piece *find_piece(struct imap_gather_entry *entry,
					    const struct imap_section *section)
{
	for (size_t i = 0; i < entry->piece_count; i++) {
		struct imap_gather_piece *piece = entry->pieces[i];

		if (piece->section.kind == section->kind &&
		    (section->kind == IMAP_SECTION_FULL ||
		     span_ieq(strbuf_span(&piece->name), section->name))) {
			return piece;
		}
	}
	return NULL;
}

/* Attachments are counted on the wire, not copied. */
static bool is_worth_keeping(const struct imap_gather_entry *entry,
			     const struct imap_section *section)
{
	struct imap_part_info info;

	if (section->kind == IMAP_SECTION_OTHER) {
		return false;
	}
	if (section->kind == IMAP_SECTION_PART && entry->structure.len > 0) {
		return imap_structure_part(strbuf_span(&entry->structure),
					   section->path, &info) &&
		       imap_part_is_text(&info);
	}
	return true;
}

/* Make the piece able to hold bytes up to end. Return how many it can. */
static size_t grow(struct imap_gather *gather, struct imap_gather_entry *entry,
		   struct imap_gather_piece *piece, uint64_t end)
{
	size_t needed =
		end > gather->max_bytes ? gather->max_bytes : (size_t)end;

	if (needed > piece->bytes.cap) {
		piece->bytes.cap +=
			make_room(gather, entry, needed - piece->bytes.cap);
	}
	if (piece->bytes.cap < end) {
		/* Whether the sieve leaves enough out shows later. */
		piece->truncated = !piece->is_sieved;
		end = piece->bytes.cap;
	}
	return (size_t)end;
}

static struct imap_gather_piece *new_piece(struct imap_gather_entry *entry,
					   const struct imap_section *section)
{
	struct imap_gather_piece *piece;

	if (entry->piece_count == IMAP_GATHER_PIECES) {
		return NULL;
	}
	piece = xcalloc(1, sizeof(*piece));
	piece->section = *section;
	strbuf_init(&piece->name, IMAP_SECTION_NAME_MAX);
	strbuf_add(&piece->name, section->name);
	strbuf_init(&piece->bytes, 0);
	entry->pieces[entry->piece_count++] = piece;
	return piece;
}

/* Note that bytes from..to are there; runs that touch are joined. */
static void add_run(struct imap_gather_piece *piece, struct imap_run run)
{
	size_t kept = 0;

	for (size_t i = 0; i < piece->run_count; i++) {
		struct imap_run other = piece->runs[i];

		if (other.to < run.from || other.from > run.to) {
			piece->runs[kept++] = other;
			continue;
		}
		run.from = other.from < run.from ? other.from : run.from;
		run.to = other.to > run.to ? other.to : run.to;
	}
	if (kept < IMAP_GATHER_RUNS) {
		piece->runs[kept++] = run;
	}
	piece->run_count = kept;
}

struct imap_gather_piece *imap_gather_begin(struct imap_gather *gather,
					    struct imap_gather_entry *entry,
					    const struct imap_section *section,
					    uint64_t size)
{
	struct imap_gather_piece *piece;
	size_t end;

	if (!is_worth_keeping(entry, section) ||
	    section->name.len > IMAP_SECTION_NAME_MAX) {
		return NULL;
	}
	piece = find_piece(entry, section);
	if (piece == NULL) {
		piece = new_piece(entry, section);
	}
	if (piece == NULL) {
		return NULL;
	}
	piece->is_sieved =
		!section->partial && (section->kind == IMAP_SECTION_FULL ||
				      section->kind == IMAP_SECTION_TEXT);
	imap_sieve_init(&piece->sieve, section->kind == IMAP_SECTION_FULL);
	if (!section->partial) {
		piece->run_count = 0;
		piece->has_end = true;
		piece->truncated = false;
		strbuf_clear(&piece->bytes);
	} else if (section->origin >= gather->max_bytes) {
		piece->truncated = true;
		return NULL;
	} else {
		piece->has_end |= size < piece->slice_size;
		piece->slice_size = (size_t)size;
	}
	end = grow(gather, entry, piece, section->origin + size);
	if (end <= section->origin) {
		return NULL;
	}
	/* Room at once: one allocation for most, and a gap before a slice is
	   zeros. */
	if (piece->is_sieved && end > SIEVED_USUAL) {
		end = SIEVED_USUAL;
	}
	strbuf_reserve(&piece->bytes,
		       end > piece->bytes.len ? end - piece->bytes.len : 0);
	if (piece->bytes.len < section->origin) {
		memset(piece->bytes.ptr + piece->bytes.len, 0,
		       (size_t)section->origin - piece->bytes.len);
		piece->bytes.len = (size_t)section->origin;
	}
	piece->write_at = (size_t)section->origin;
	return piece;
}

static void add(struct imap_gather_piece *piece, struct span bytes)
{
	size_t from = piece->write_at;

	if (bytes.len > piece->bytes.cap - from) {
		bytes.len = piece->bytes.cap - from;
		piece->truncated = true;
	}
	if (bytes.len == 0) {
		return;
	}
	if (from + bytes.len > piece->bytes.len) {
		strbuf_reserve(&piece->bytes,
			       from + bytes.len - piece->bytes.len);
		piece->bytes.len = from + bytes.len;
	}
	memcpy(piece->bytes.ptr + from, bytes.ptr, bytes.len);
	piece->write_at = from + bytes.len;
	add_run(piece, (struct imap_run){ from, piece->write_at });
}

void imap_gather_add(struct imap_gather_piece *piece, struct span bytes)
{
	while (piece->is_sieved && bytes.len > 0 && !piece->truncated) {
		struct span kept;
		size_t used = imap_sieve_next(&piece->sieve, bytes, &kept);

		add(piece, kept);
		bytes = span_from(bytes, used);
	}
	if (!piece->is_sieved) {
		add(piece, bytes);
	}
}

struct span imap_gather_prefix(const struct imap_gather_piece *piece)
{
	for (size_t i = 0; i < piece->run_count; i++) {
		if (piece->runs[i].from == 0) {
			return span_of(piece->bytes.ptr, piece->runs[i].to);
		}
	}
	return span_of(NULL, 0);
}

bool imap_gather_is_whole(const struct imap_gather_piece *piece)
{
	return piece->has_end && !piece->truncated && piece->run_count <= 1 &&
	       (piece->run_count == 0 || piece->runs[0].from == 0);
}
