/* imap_append: follows "tag APPEND folder [flags] [date] literal ..." and
   keeps only what stands before the next content. */
#include "imap/imap_append.h"

#include <stdlib.h>

#include "imap/imap_track.h"
#include "lib/xalloc.h"

struct append_message {
	struct strbuf bytes;
	struct strbuf flags;
	bool truncated;
};

struct imap_append {
	size_t max_bytes;
	struct imap_tap_budget *budget;
	/* Text of the command that is not dealt with. */
	struct strbuf line;
	/* Where the part after the folder's name begins. */
	size_t after_mailbox;
	struct strbuf mailbox;
	bool is_asked;
	/* Not wanted, malformed or too long: the rest only passes. */
	bool is_ignored;
	struct append_message messages[IMAP_APPEND_MESSAGES_MAX];
	size_t count;
	/* Takes the literal under way; NULL when it is counted only. */
	struct append_message *open;
	bool in_line;
};

struct imap_append *imap_append_create(size_t max_bytes,
				       struct imap_tap_budget *budget)
{
	struct imap_append *append = xcalloc(1, sizeof(*append));

	append->max_bytes = max_bytes;
	append->budget = budget;
	strbuf_init(&append->line, IMAP_COMMAND_TEXT_MAX);
	strbuf_init(&append->mailbox, IMAP_FOLDER_NAME_MAX);
	return append;
}

void imap_append_destroy(struct imap_append **append)
{
	struct imap_append *a = *append;

	if (a == NULL) {
		return;
	}
	for (size_t i = 0; i < a->count; i++) {
		if (a->budget != NULL) {
			a->budget->used -= a->messages[i].bytes.cap;
		}
		strbuf_wipe(&a->messages[i].bytes);
		strbuf_finish(&a->messages[i].flags);
	}
	strbuf_finish(&a->line);
	strbuf_finish(&a->mailbox);
	free(a);
	*append = NULL;
}

/* Cut "tag APPEND folder" off the kept text. Return 1, 0 more, -1. */
static int read_mailbox(struct imap_append *append,
			const struct imap_track *track)
{
	struct span rest = strbuf_span(&append->line);
	struct imap_value word;
	int got;

	if (append->after_mailbox > 0) {
		return 1;
	}
	if (imap_value_next(&rest, &word) <= 0 ||
	    imap_value_next(&rest, &word) <= 0) {
		return -1;
	}
	got = imap_track_mailbox(track, &rest, &append->mailbox);
	if (got > 0) {
		append->after_mailbox = (size_t)(rest.ptr - append->line.ptr);
	}
	return got;
}

/* Is what stands between the folder (or the last content) and the literal
   just flags, a date, or "UTF8 ("? Then the literal is a message. */
static bool is_content(struct span rest, struct span *flags_r)
{
	struct imap_value value;

	*flags_r = span_of(NULL, 0);
	rest = span_trim(rest);
	/* The end of the UTF8 literal before. */
	if (rest.len > 0 && rest.ptr[0] == ')') {
		rest = span_trim(span_from(rest, 1));
	}
	while (rest.len > 0 && rest.ptr[0] != '{' && rest.ptr[0] != '~') {
		if (span_istarts(rest, SPAN("UTF8 ("))) {
			return true;
		}
		if (imap_value_next(&rest, &value) <= 0 ||
		    (value.type != IMAP_LIST && value.type != IMAP_QUOTED)) {
			return false;
		}
		if (value.type == IMAP_LIST) {
			*flags_r = value.text;
		}
		rest = span_trim(rest);
	}
	return rest.len > 0;
}

/* Take bytes from the worker's budget: as many as there are, at most. */
static size_t take_budget(struct imap_append *append, uint64_t size)
{
	struct imap_tap_budget *budget = append->budget;
	size_t bytes =
		size > append->max_bytes ? append->max_bytes : (size_t)size;

	if (budget != NULL) {
		size_t left = budget->used < budget->max
				      ? budget->max - budget->used
				      : 0;

		if (bytes > left) {
			bytes = left;
		}
		budget->used += bytes;
	}
	return bytes;
}

static void open_message(struct imap_append *append, uint64_t size,
			 struct span flags)
{
	struct append_message *message;

	if (append->count == IMAP_APPEND_MESSAGES_MAX) {
		return;
	}
	message = &append->messages[append->count++];
	strbuf_init(&message->bytes, take_budget(append, size));
	strbuf_init(&message->flags, IMAP_GATHER_FLAGS_MAX);
	strbuf_add(&message->flags, flags);
	message->truncated = message->bytes.cap < size;
	append->open = message;
}

static void begin_literal(struct imap_append *append,
			  const struct imap_track *track,
			  const struct imap_literal *literal,
			  imap_append_wants *wants, void *context)
{
	struct span flags;
	struct span rest;
	enum folder_role role;
	int got = read_mailbox(append, track);

	append->in_line = true;
	if (got <= 0) {
		append->is_ignored = got < 0;
		return;
	}
	rest = span_from(strbuf_span(&append->line), append->after_mailbox);
	if (!is_content(rest, &flags)) {
		return;
	}
	append->in_line = false;
	if (!append->is_asked) {
		role = imap_folders_role(&track->folders,
					 strbuf_span(&append->mailbox),
					 track->preset);
		append->is_asked = true;
		if (!wants(context, role, strbuf_span(&append->mailbox))) {
			append->is_ignored = true;
			return;
		}
	}
	open_message(append, literal->size, flags);
	append->line.len = append->after_mailbox;
}

static void keep(struct imap_append *append, struct span bytes)
{
	strbuf_add(&append->line, bytes);
	append->is_ignored |= append->line.overflow;
}

void imap_append_piece(struct imap_append *append,
		       const struct imap_track *track, enum imap_piece piece,
		       struct span bytes, const struct imap_literal *literal,
		       imap_append_wants *wants, void *context)
{
	if (append->is_ignored) {
		return;
	}
	switch (piece) {
	case IMAP_PIECE_LITERAL_HEADER:
		append->open = NULL;
		keep(append, bytes);
		if (!append->is_ignored) {
			begin_literal(append, track, literal, wants, context);
		}
		break;
	case IMAP_PIECE_LITERAL:
		if (append->open != NULL) {
			strbuf_add(&append->open->bytes, bytes);
		} else if (append->in_line) {
			keep(append, bytes);
		}
		break;
	default:
		keep(append, bytes);
		break;
	}
}

size_t imap_append_count(const struct imap_append *append)
{
	return append->is_asked ? append->count : 0;
}

struct span imap_append_message(const struct imap_append *append, size_t i,
				bool *truncated_r)
{
	const struct append_message *message = &append->messages[i];

	*truncated_r = message->truncated;
	return strbuf_span(&message->bytes);
}

struct span imap_append_flags(const struct imap_append *append, size_t i)
{
	return strbuf_span(&append->messages[i].flags);
}

struct span imap_append_mailbox(const struct imap_append *append)
{
	return strbuf_span(&append->mailbox);
}
