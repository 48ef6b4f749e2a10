/* folder: the roles a mail folder can have (RFC 6154 and INBOX); scope is
   decided by role. */
#ifndef POSTERN_LIB_FOLDER_H
#define POSTERN_LIB_FOLDER_H

#include "lib/span.h"

enum folder_role {
	/* Not known: teaches nothing. */
	FOLDER_UNKNOWN,
	FOLDER_INBOX,
	FOLDER_SENT,
	FOLDER_DRAFTS,
	FOLDER_JUNK,
	FOLDER_TRASH,
	FOLDER_ARCHIVE,
	FOLDER_OTHER,
	FOLDER_ROLE_COUNT
};

/* "unknown", "inbox", ... */
const char *folder_role_name(enum folder_role role);

/* Return 0, or -1 when name is no role. */
int folder_role_parse(struct span name, enum folder_role *role_r);

#endif
