/* filters: the ordered table, and the few questions its rows share. A new
   filter is a file of its own and a row here. */
#include "filters/filters.h"

#include <stdarg.h>
#include <stdio.h>

const struct filter filters[] = {
	{ "scope", scope_ask },
	{ "draft", draft_ask },
	{ "spam", spam_ask },
	{ "internal_only", internal_only_ask },
	{ "machine", machine_ask },
	/* Last, because a bounce without a readable sender is better called
	   a bounce; what the others let pass must be certain. */
	{ "readable", readable_ask },
};
const size_t filters_count = N_ELEMENTS(filters);

static const char *const reason_names[] = {
	[SKIP_NONE] = "none",
	[SKIP_OUT_OF_SCOPE] = "out_of_scope",
	[SKIP_DRAFT] = "draft",
	[SKIP_SPAM] = "spam",
	[SKIP_INTERNAL_ONLY] = "internal_only",
	[SKIP_AUTO_SUBMITTED] = "auto_submitted",
	[SKIP_BOUNCE] = "bounce",
	[SKIP_BULK] = "bulk",
	[SKIP_NO_REPLY] = "no_reply",
	[SKIP_UNREADABLE] = "unreadable",
	[SKIP_UNDECIDED] = "undecided",
};
_Static_assert(N_ELEMENTS(reason_names) == SKIP_REASON_COUNT,
	       "every reason has a name");

const char *skip_reason_name(enum skip_reason reason)
{
	return reason_names[reason];
}

enum skip_reason filters_skip_reason(const struct message *msg,
				     const struct message_origin *origin,
				     struct filter_note *note_r)
{
	struct filter_note note;

	for (size_t i = 0; i < filters_count; i++) {
		enum skip_reason reason = filters[i].ask(msg, origin, &note);

		if (reason != SKIP_NONE) {
			if (note_r != NULL) {
				*note_r = note;
			}
			return reason;
		}
	}
	if (note_r != NULL) {
		filter_note_set(note_r, "nothing speaks against it");
	}
	return SKIP_NONE;
}

void filter_note_set(struct filter_note *note_r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(note_r->text, sizeof(note_r->text), format, args);
	va_end(args);
}

const struct header_sign *header_sign_find(const struct message *msg,
					   const struct header_sign *signs,
					   size_t count)
{
	struct span name;
	struct span value;

	for (size_t n = 0; message_header_at(msg, n, &name, &value); n++) {
		for (size_t i = 0; i < count; i++) {
			if (span_ieq(name, span_str(signs[i].header)) &&
			    signs[i].says(value)) {
				return &signs[i];
			}
		}
	}
	return NULL;
}

bool origin_has_flag(const struct message_origin *origin, const char *flag)
{
	struct span rest = origin->flags;
	struct span word;

	while (span_next_word(&rest, " ", &word)) {
		if (span_ieq(word, span_str(flag))) {
			return true;
		}
	}
	return false;
}
