/* imap_track: a queue of commands and one selected folder. */
#include "imap/imap_track.h"

#include <stdlib.h>

#include "imap/imap_value.h"
#include "lib/xalloc.h"

static const struct {
	struct span name;
	enum imap_command_type type;
} commands[] = {
	{ SPAN("APPEND"), IMAP_CMD_APPEND },
	{ SPAN("AUTHENTICATE"), IMAP_CMD_REFUSED },
	{ SPAN("CLOSE"), IMAP_CMD_CLOSE },
	{ SPAN("COMPRESS"), IMAP_CMD_REFUSED },
	{ SPAN("DELETE"), IMAP_CMD_DELETE },
	{ SPAN("ENABLE"), IMAP_CMD_ENABLE },
	{ SPAN("EXAMINE"), IMAP_CMD_SELECT },
	{ SPAN("IDLE"), IMAP_CMD_IDLE },
	{ SPAN("LOGIN"), IMAP_CMD_REFUSED },
	{ SPAN("LOGOUT"), IMAP_CMD_LOGOUT },
	{ SPAN("RENAME"), IMAP_CMD_RENAME },
	{ SPAN("SELECT"), IMAP_CMD_SELECT },
	{ SPAN("STARTTLS"), IMAP_CMD_REFUSED },
	{ SPAN("UNAUTHENTICATE"), IMAP_CMD_REFUSED },
	{ SPAN("UNSELECT"), IMAP_CMD_UNSELECT },
};

bool imap_command_keeps_text(enum imap_command_type type)
{
	return type == IMAP_CMD_SELECT || type == IMAP_CMD_APPEND ||
	       type == IMAP_CMD_DELETE || type == IMAP_CMD_RENAME;
}

void imap_track_init(struct imap_track *track,
		     const struct organization *organization,
		     const char *preset)
{
	*track = (struct imap_track){
		.organization = organization,
		.preset = preset,
	};
	imap_folders_init(&track->folders);
	strbuf_init(&track->mailbox, IMAP_FOLDER_NAME_MAX);
}

void imap_command_destroy(struct imap_command **command)
{
	if (*command == NULL) {
		return;
	}
	imap_append_destroy(&(*command)->append);
	strbuf_finish(&(*command)->mailbox);
	free(*command);
	*command = NULL;
}

void imap_track_finish(struct imap_track *track)
{
	while (track->first != NULL) {
		struct imap_command *next = track->first->next;

		imap_command_destroy(&track->first);
		track->first = next;
	}
	track->last = NULL;
	track->count = 0;
	strbuf_finish(&track->mailbox);
	imap_folders_finish(&track->folders);
}

enum imap_command_type imap_command_type(const struct imap_command_head *head)
{
	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		if (span_ieq(head->name, commands[i].name)) {
			return commands[i].type;
		}
	}
	return IMAP_CMD_OTHER;
}

struct imap_command *imap_track_command(struct imap_track *track,
					const struct imap_command_head *head)
{
	struct imap_command *command;

	command = xmalloc(sizeof(*command) + head->tag.len);
	command->next = NULL;
	command->append = NULL;
	command->type = imap_command_type(head);
	command->tag_len = head->tag.len;
	memcpy(command->tag, head->tag.ptr, head->tag.len);
	strbuf_init(&command->mailbox, IMAP_FOLDER_NAME_MAX);
	if (track->last == NULL) {
		track->first = command;
	} else {
		track->last->next = command;
	}
	track->last = command;
	track->count++;
	return command;
}

int imap_track_mailbox(const struct imap_track *track, struct span *rest,
		       struct strbuf *out)
{
	struct strbuf wire = STRBUF_INIT(IMAP_FOLDER_NAME_MAX);
	struct imap_value value;
	int result = imap_value_next(rest, &value);

	if (result == 1 && value.type == IMAP_LIST) {
		result = -1;
	}
	if (result == 1) {
		imap_value_decode(&value, &wire);
		imap_folder_name(strbuf_span(&wire), track->utf8, out);
		if (wire.overflow || out->overflow) {
			result = -1;
		}
	}
	strbuf_finish(&wire);
	return result;
}

void imap_track_text(struct imap_track *track, struct imap_command *command,
		     struct span text)
{
	struct imap_value value;
	struct span rest = text;

	strbuf_clear(&command->mailbox);
	if (imap_value_next(&rest, &value) <= 0 ||
	    imap_value_next(&rest, &value) <= 0 ||
	    imap_track_mailbox(track, &rest, &command->mailbox) <= 0) {
		strbuf_clear(&command->mailbox);
	}
}

static void unlink_command(struct imap_track *track,
			   struct imap_command *before,
			   struct imap_command *command)
{
	if (before == NULL) {
		track->first = command->next;
	} else {
		before->next = command->next;
	}
	if (track->last == command) {
		track->last = before;
	}
	track->count--;
}

/* Take out the oldest command with this tag; NULL when there is none. */
static struct imap_command *take_command(struct imap_track *track,
					 struct span tag)
{
	struct imap_command *before = NULL;

	for (struct imap_command *c = track->first; c != NULL; c = c->next) {
		if (span_eq(span_of(c->tag, c->tag_len), tag)) {
			unlink_command(track, before, c);
			return c;
		}
		before = c;
	}
	return NULL;
}

static bool deselect(struct imap_track *track)
{
	bool was = track->selection == IMAP_SELECTED;

	track->selection = IMAP_SELECTED_NONE;
	track->in_scope = false;
	return was;
}

static bool select_mailbox(struct imap_track *track,
			   const struct imap_command *command)
{
	struct span name = strbuf_span(&command->mailbox);

	deselect(track);
	track->selection = IMAP_SELECTED;
	track->uidvalidity = track->pending_uidvalidity;
	strbuf_clear(&track->mailbox);
	strbuf_add(&track->mailbox, name);
	if (name.len == 0) {
		track->role = FOLDER_UNKNOWN;
		return true;
	}
	track->role = imap_folders_role(&track->folders, name, track->preset);
	track->in_scope =
		imap_folder_in_scope(track->organization, track->role, name);
	return true;
}

static bool names_selected(const struct imap_track *track,
			   const struct imap_command *command)
{
	return track->selection == IMAP_SELECTED &&
	       (command->mailbox.len == 0 ||
		span_eq(strbuf_span(&command->mailbox),
			strbuf_span(&track->mailbox)));
}

static bool apply(struct imap_track *track, const struct imap_command *command,
		  enum imap_status status)
{
	switch (command->type) {
	case IMAP_CMD_SELECT:
		/* A failed one deselects; after BAD servers differ, and what
		   is not known teaches nothing. */
		return status == IMAP_OK ? select_mailbox(track, command)
					 : deselect(track);
	case IMAP_CMD_CLOSE:
	case IMAP_CMD_UNSELECT:
	case IMAP_CMD_LOGOUT:
		return status == IMAP_OK && deselect(track);
	case IMAP_CMD_DELETE:
	case IMAP_CMD_RENAME:
		/* What is left under the old name depends on the server. */
		return status == IMAP_OK && names_selected(track, command) &&
		       deselect(track);
	default:
		return false;
	}
}

struct imap_command *imap_track_answer(struct imap_track *track,
				       const struct imap_response_head *head,
				       bool *changed_r)
{
	struct imap_command *command = take_command(track, head->tag);

	*changed_r = false;
	if (command == NULL) {
		return NULL;
	}
	*changed_r = apply(track, command, head->status);
	if (command->type == IMAP_CMD_SELECT) {
		track->pending_uidvalidity = 0;
	}
	return command;
}

bool imap_track_wants_code(const struct imap_response_head *head)
{
	return head->status == IMAP_OK &&
	       (span_ieq(head->code, SPAN("UIDVALIDITY")) ||
		span_ieq(head->code, SPAN("CLOSED")));
}

static bool is_selecting(const struct imap_track *track)
{
	for (struct imap_command *c = track->first; c != NULL; c = c->next) {
		if (c->type == IMAP_CMD_SELECT) {
			return true;
		}
	}
	return false;
}

bool imap_track_code(struct imap_track *track,
		     const struct imap_response_head *head, struct span line)
{
	ptrdiff_t at;
	struct span word;
	struct span rest;
	uint64_t value;

	if (span_ieq(head->code, SPAN("CLOSED"))) {
		return deselect(track);
	}
	at = span_find(line, '[');
	rest = span_from(line, (size_t)at + 1);
	if (!span_next_word(&rest, " ]\r\n", &word) ||
	    !span_next_word(&rest, " ]\r\n", &word) ||
	    span_to_u64(word, UINT32_MAX, &value) < 0) {
		return false;
	}
	if (is_selecting(track)) {
		track->pending_uidvalidity = (uint32_t)value;
		return false;
	}
	if (track->selection != IMAP_SELECTED ||
	    track->uidvalidity == (uint32_t)value) {
		return false;
	}
	track->uidvalidity = (uint32_t)value;
	return true;
}

void imap_track_enabled(struct imap_track *track, struct span line)
{
	struct span word;

	while (span_next_word(&line, " \r\n", &word)) {
		if (span_ieq(word, SPAN("IMAP4rev2")) ||
		    span_istarts(word, SPAN("UTF8="))) {
			track->utf8 = true;
		}
	}
}

bool imap_track_in_scope(const struct imap_track *track)
{
	if (track->selection != IMAP_SELECTED || !track->in_scope) {
		return false;
	}
	/* Everything asked before the SELECT was answered: what comes now may
	   already be the new folder's. */
	return track->first == NULL || track->first->type != IMAP_CMD_SELECT;
}

bool imap_track_is_quiet(const struct imap_track *track)
{
	return track->first == NULL ||
	       (track->count == 1 && track->first->type == IMAP_CMD_IDLE);
}
