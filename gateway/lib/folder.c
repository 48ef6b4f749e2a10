/* folder: names of roles. */
#include "lib/folder.h"

#include <assert.h>

static const char *const names[] = {
	[FOLDER_UNKNOWN] = "unknown", [FOLDER_INBOX] = "inbox",
	[FOLDER_SENT] = "sent",	      [FOLDER_DRAFTS] = "drafts",
	[FOLDER_JUNK] = "junk",	      [FOLDER_TRASH] = "trash",
	[FOLDER_ARCHIVE] = "archive", [FOLDER_OTHER] = "other",
};
static_assert(N_ELEMENTS(names) == FOLDER_ROLE_COUNT, "a name per role");

const char *folder_role_name(enum folder_role role)
{
	assert(role < FOLDER_ROLE_COUNT);
	return names[role];
}

int folder_role_parse(struct span name, enum folder_role *role_r)
{
	for (size_t i = 0; i < FOLDER_ROLE_COUNT; i++) {
		if (span_ieq(name, span_str(names[i]))) {
			*role_r = (enum folder_role)i;
			return 0;
		}
	}
	return -1;
}
