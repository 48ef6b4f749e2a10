/* filter: answers "may this message teach us contacts?" Never "deliver?".
   A filter is a pure function of the message and where it came from. */
#ifndef POSTERN_FILTERS_FILTER_H
#define POSTERN_FILTERS_FILTER_H

#include "message/message.h"

/* Why a message teaches nothing; the text is the label in metrics. */
enum skip_reason {
	/* Not skipped. */
	SKIP_NONE,
	SKIP_OUT_OF_SCOPE,
	SKIP_DRAFT,
	SKIP_SPAM,
	SKIP_INTERNAL_ONLY,
	SKIP_AUTO_SUBMITTED,
	SKIP_BOUNCE,
	SKIP_BULK,
	SKIP_NO_REPLY,
	/* Participants or structure cannot be read for certain. */
	SKIP_UNREADABLE,
	/* The inspector was killed or died on it. */
	SKIP_UNDECIDED,
	SKIP_REASON_COUNT
};

/* "none", "out_of_scope", "draft", ... as in metrics and --why. */
const char *skip_reason_name(enum skip_reason reason);

/* What a filter looked at, for --why: one line, no content of the message
   but header names and domains. */
#define FILTER_NOTE_SIZE 160
struct filter_note {
	char text[FILTER_NOTE_SIZE];
};

struct filter {
	const char *name;
	/* Return SKIP_NONE to continue. Always fills note_r. */
	enum skip_reason (*ask)(const struct message *msg,
				const struct message_origin *origin,
				struct filter_note *note_r);
};

/* The ordered table; the first that skips decides. */
extern const struct filter filters[];
extern const size_t filters_count;

/* Run the table. note_r may be NULL. */
enum skip_reason filters_skip_reason(const struct message *msg,
				     const struct message_origin *origin,
				     struct filter_note *note_r);

/* Does the address alone say that nobody reads what is sent there
   ("no-reply", "notifications", ... in many languages)? */
bool address_is_no_reply(const struct address *address);

#endif
