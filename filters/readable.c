/* readable: the last question. Who wrote it, and is there one answer? */
#include "filters/filters.h"

enum skip_reason readable_ask(const struct message *msg,
			      const struct message_origin *origin,
			      struct filter_note *note_r)
{
	size_t authors;

	(void)origin;
	message_addresses(msg, MESSAGE_FROM, &authors);
	if (message_ambiguity(msg) != NULL) {
		filter_note_set(note_r, "%s", message_ambiguity(msg));
	} else if (authors == 0) {
		filter_note_set(note_r, "no address in From");
	} else if (message_addresses_unreadable(msg)) {
		filter_note_set(note_r, "an address header cannot be read");
	} else if (!message_header_is_complete(msg)) {
		filter_note_set(note_r, "the header has no end");
	} else {
		filter_note_set(note_r, "author and participants are certain");
		return SKIP_NONE;
	}
	return SKIP_UNREADABLE;
}
