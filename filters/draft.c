/* draft: what nobody has sent yet. */
#include "filters/filters.h"

static bool is_one(struct span value)
{
	return span_eq(span_trim(value), SPAN("1"));
}

static const struct header_sign signs[] = {
	/* Outlook opens such a file for editing. */
	{ "X-Unsent", is_one },
};

enum skip_reason draft_ask(const struct message *msg,
			   const struct message_origin *origin,
			   struct filter_note *note_r)
{
	const struct header_sign *sign;

	if (origin->folder == FOLDER_DRAFTS) {
		filter_note_set(note_r, "folder role drafts");
		return SKIP_DRAFT;
	}
	if (origin_has_flag(origin, "\\Draft")) {
		filter_note_set(note_r, "flag \\Draft");
		return SKIP_DRAFT;
	}
	sign = header_sign_find(msg, signs, N_ELEMENTS(signs));
	if (sign != NULL) {
		filter_note_set(note_r, "header %s", sign->header);
		return SKIP_DRAFT;
	}
	filter_note_set(note_r, "no sign of a draft");
	return SKIP_NONE;
}
