/* imap_track: what the client asked and the server has not answered, and
   which folder is selected by the server's order of answering (RFC 9051 3.3,
   5.5; RFC 7162 3.2.11). Sees words, not bytes of content. Pure. */
#ifndef POSTERN_IMAP_TRACK_H
#define POSTERN_IMAP_TRACK_H

#include "imap/imap_append.h"
#include "imap/imap_folder.h"
#include "imap/imap_head.h"

/* Commands under way at once; above, the client is read no further. */
#define IMAP_COMMANDS_MAX 1024
/* Kept text of a command that names folders. */
#define IMAP_COMMAND_TEXT_MAX 8192

enum imap_command_type {
	IMAP_CMD_OTHER,
	IMAP_CMD_APPEND,
	IMAP_CMD_CLOSE,
	IMAP_CMD_DELETE,
	IMAP_CMD_ENABLE,
	IMAP_CMD_IDLE,
	IMAP_CMD_LOGOUT,
	IMAP_CMD_RENAME,
	/* SELECT and EXAMINE. */
	IMAP_CMD_SELECT,
	IMAP_CMD_UNSELECT,
	/* We answer it ourselves: COMPRESS, UNAUTHENTICATE, a second login. */
	IMAP_CMD_REFUSED,
};

/* Does the text of this command matter (folder names, messages)? */
bool imap_command_keeps_text(enum imap_command_type type);

struct imap_command {
	struct imap_command *next;
	enum imap_command_type type;
	/* First folder the command names, canonical; empty until it was read,
	   and when it names none. Owned. */
	struct strbuf mailbox;
	/* Of an APPEND whose content may be wanted; owned, may be NULL. */
	struct imap_append *append;
	size_t tag_len;
	char tag[];
};

enum imap_selection {
	/* Nothing selected, or a SELECT is under way: what comes belongs to no
	   folder we know. */
	IMAP_SELECTED_NONE,
	IMAP_SELECTED,
};

struct imap_track {
	struct imap_folders folders;
	/* Borrowed from the route; may be NULL. */
	const struct organization *organization;
	const char *preset;

	struct imap_command *first;
	struct imap_command *last;
	size_t count;

	enum imap_selection selection;
	struct strbuf mailbox;
	enum folder_role role;
	bool in_scope;
	uint32_t uidvalidity;
	/* Said by the server while a SELECT is under way. */
	uint32_t pending_uidvalidity;
	/* UTF8=ACCEPT or IMAP4rev2 is enabled. */
	bool utf8;
};

void imap_track_init(struct imap_track *track,
		     const struct organization *organization,
		     const char *preset);
void imap_track_finish(struct imap_track *track);

enum imap_command_type imap_command_type(const struct imap_command_head *head);

/* A command begins to go to the server. Return it; valid until its tagged
   answer. */
struct imap_command *imap_track_command(struct imap_track *track,
					const struct imap_command_head *head);

/* The whole text of a command that keeps it, from its first byte to its line
   end with literals (without the content of an APPEND). */
void imap_track_text(struct imap_track *track, struct imap_command *command,
		     struct span text);

/* Cut the folder name that is next in rest and make it canonical in out.
   Return 1, 0 when it is not whole, -1. */
int imap_track_mailbox(const struct imap_track *track, struct span *rest,
		       struct strbuf *out);

/* A tagged answer came. Apply what it means to the selection (*changed_r) and
   return the command, which is now the caller's: end it with
   imap_command_destroy. NULL when the tag is not known. */
struct imap_command *imap_track_answer(struct imap_track *track,
				       const struct imap_response_head *head,
				       bool *changed_r);
void imap_command_destroy(struct imap_command **command);

/* A code that concerns the selection came in an untagged OK: line is the
   whole response. Return whether the selection changed. */
bool imap_track_code(struct imap_track *track,
		     const struct imap_response_head *head, struct span line);
/* Is this such a code, so that its line must be read whole? */
bool imap_track_wants_code(const struct imap_response_head *head);

/* The server said which extensions are enabled ("* ENABLED ..."). */
void imap_track_enabled(struct imap_track *track, struct span line);

/* Does a FETCH response that comes now belong to the selected folder, and is
   that in scope? */
bool imap_track_in_scope(const struct imap_track *track);

/* Is nothing under way but perhaps an IDLE? */
bool imap_track_is_quiet(const struct imap_track *track);

#endif
