/* imap_folder: which role a folder has and whether it is in scope, from what
   the server said (SPECIAL-USE, RFC 6154), else from its name. Pure. */
#ifndef POSTERN_IMAP_FOLDER_H
#define POSTERN_IMAP_FOLDER_H

#include "config/settings.h"
#include "lib/folder.h"
#include "lib/span.h"
#include "lib/strbuf.h"

/* Longest folder name kept, in UTF-8 or as on the wire. */
#define IMAP_FOLDER_NAME_MAX 2048
/* Folders with a special use that are remembered; servers have six. */
#define IMAP_FOLDERS_MAX 64

struct imap_folder {
	/* Canonical, see imap_folder_name. */
	char *name;
	size_t name_len;
	enum folder_role role;
};

/* What a session learned of its mailbox's folders. */
struct imap_folders {
	struct imap_folder *list;
	size_t count;
	/* Roles that some folder has by SPECIAL-USE, 1 << role: names say
	   nothing about those any more. */
	unsigned int roles;
	/* Of the personal namespace; 0 when not known. */
	char delimiter;
};

void imap_folders_init(struct imap_folders *folders);
void imap_folders_finish(struct imap_folders *folders);

/* Append the canonical form of a mailbox name from the wire (decoded from
   quotes): UTF-8, INBOX in capitals. utf8: names are UTF-8 (UTF8=ACCEPT or
   IMAP4rev2 enabled), else modified UTF-7. What is neither is kept as it
   is: such a name matches nothing but itself. */
void imap_folder_name(struct span wire, bool utf8, struct strbuf *out);

/* Take a whole LIST, LSUB or XLIST response ("* LIST (...) "/" name" CRLF,
   literals inside). Return whether it said a special use. */
bool imap_folders_learn(struct imap_folders *folders, struct span response,
			bool utf8);

/* The role of a folder by its canonical name. preset is the provider's, for
   names that mean something at one provider only; may be NULL. */
enum folder_role imap_folders_role(const struct imap_folders *folders,
				   struct span name, const char *preset);

/* Does mail in this folder teach contacts? organization may be NULL: no. */
bool imap_folder_in_scope(const struct organization *organization,
			  enum folder_role role, struct span name);

/* The role by name alone; FOLDER_OTHER when the table has none. */
enum folder_role imap_folder_role_by_name(struct span name, char delimiter,
					  const char *preset);

#endif
