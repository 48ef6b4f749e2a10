/* scope: only the inbox, sent mail and folders the organization named. Drafts
   and junk are left to the filters that can say so. */
#include "filters/filters.h"

enum skip_reason scope_ask(const struct message *msg,
			   const struct message_origin *origin,
			   struct filter_note *note_r)
{
	(void)msg;
	filter_note_set(
		note_r, "folder role %s%s", folder_role_name(origin->folder),
		origin->folder_in_scope ? ", named by the organization" : "");
	switch (origin->folder) {
	case FOLDER_INBOX:
	case FOLDER_SENT:
	case FOLDER_DRAFTS:
	case FOLDER_JUNK:
		return SKIP_NONE;
	case FOLDER_TRASH:
	case FOLDER_ARCHIVE:
	case FOLDER_OTHER:
		return origin->folder_in_scope ? SKIP_NONE : SKIP_OUT_OF_SCOPE;
	default:
		/* Unknown means skip, whatever is configured. */
		return SKIP_OUT_OF_SCOPE;
	}
}
