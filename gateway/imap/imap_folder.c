/* imap_folder: folders with a special use, learned from LIST responses. */
#include "imap/imap_folder.h"

#include <stdlib.h>

#include "imap/imap_utf7.h"
#include "imap/imap_value.h"
#include "lib/xalloc.h"

static const struct {
	const char *attribute;
	enum folder_role role;
} special_uses[] = {
	/* \All and \Important are views: what they show is elsewhere too. */
	{ "\\All", FOLDER_ARCHIVE },	 { "\\AllMail", FOLDER_ARCHIVE },
	{ "\\Archive", FOLDER_ARCHIVE }, { "\\Drafts", FOLDER_DRAFTS },
	{ "\\Flagged", FOLDER_OTHER },	 { "\\Important", FOLDER_OTHER },
	{ "\\Inbox", FOLDER_INBOX },	 { "\\Junk", FOLDER_JUNK },
	{ "\\Sent", FOLDER_SENT },	 { "\\Spam", FOLDER_JUNK },
	{ "\\Starred", FOLDER_OTHER },	 { "\\Trash", FOLDER_TRASH },
};

void imap_folders_init(struct imap_folders *folders)
{
	*folders = (struct imap_folders){ 0 };
}

void imap_folders_finish(struct imap_folders *folders)
{
	for (size_t i = 0; i < folders->count; i++) {
		free(folders->list[i].name);
	}
	free(folders->list);
	imap_folders_init(folders);
}

static bool has_8bit(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.ptr[i] >= 0x80) {
			return true;
		}
	}
	return false;
}

void imap_folder_name(struct span wire, bool utf8, struct strbuf *out)
{
	if (span_ieq(wire, SPAN("INBOX"))) {
		strbuf_add_str(out, "INBOX");
		return;
	}
	if (utf8 || has_8bit(wire) || imap_utf7_decode(wire, out) < 0) {
		strbuf_add(out, wire);
	}
}

static struct imap_folder *find(const struct imap_folders *folders,
				struct span name)
{
	for (size_t i = 0; i < folders->count; i++) {
		struct imap_folder *folder = &folders->list[i];

		if (span_eq(span_of(folder->name, folder->name_len), name)) {
			return folder;
		}
	}
	return NULL;
}

static void remember(struct imap_folders *folders, struct span name,
		     enum folder_role role)
{
	struct imap_folder *folder = find(folders, name);

	if (folder == NULL) {
		if (folders->count == IMAP_FOLDERS_MAX) {
			return;
		}
		folders->list = xreallocarray(folders->list, folders->count + 1,
					      sizeof(*folders->list));
		folder = &folders->list[folders->count++];
		folder->name = xmalloc(name.len + 1);
		memcpy(folder->name, name.ptr, name.len);
		folder->name_len = name.len;
	}
	folder->role = role;
	folders->roles |= 1u << role;
}

/* The role of a folder's attributes: FOLDER_UNKNOWN when none says one. */
static enum folder_role role_of_attributes(struct span attributes)
{
	enum folder_role role = FOLDER_UNKNOWN;
	struct imap_value value;

	while (imap_value_next(&attributes, &value) > 0) {
		if (imap_value_is(&value, "\\NonExistent") ||
		    imap_value_is(&value, "\\Noselect")) {
			return FOLDER_UNKNOWN;
		}
		for (size_t i = 0; i < N_ELEMENTS(special_uses); i++) {
			if (imap_value_is(&value, special_uses[i].attribute) &&
			    (role == FOLDER_UNKNOWN || role == FOLDER_OTHER)) {
				role = special_uses[i].role;
			}
		}
	}
	return role;
}

static void learn_delimiter(struct imap_folders *folders,
			    const struct imap_value *value)
{
	if (value->type == IMAP_QUOTED && value->text.len > 0) {
		folders->delimiter = value->text.ptr[value->text.len - 1];
	}
}

bool imap_folders_learn(struct imap_folders *folders, struct span response,
			bool utf8)
{
	struct strbuf wire = STRBUF_INIT(IMAP_FOLDER_NAME_MAX);
	struct strbuf name = STRBUF_INIT(IMAP_FOLDER_NAME_MAX);
	struct imap_value attributes;
	struct imap_value delimiter;
	struct imap_value mailbox;
	struct imap_value word;
	enum folder_role role;

	if (imap_value_next(&response, &word) <= 0 ||
	    imap_value_next(&response, &word) <= 0 ||
	    imap_value_next(&response, &attributes) <= 0 ||
	    imap_value_next(&response, &delimiter) <= 0 ||
	    imap_value_next(&response, &mailbox) <= 0 ||
	    attributes.type != IMAP_LIST || mailbox.type == IMAP_LIST) {
		return false;
	}
	learn_delimiter(folders, &delimiter);
	role = role_of_attributes(attributes.text);
	if (role != FOLDER_UNKNOWN) {
		imap_value_decode(&mailbox, &wire);
		imap_folder_name(strbuf_span(&wire), utf8, &name);
		if (!wire.overflow && !name.overflow && name.len > 0) {
			remember(folders, strbuf_span(&name), role);
		}
	}
	strbuf_finish(&wire);
	strbuf_finish(&name);
	return role != FOLDER_UNKNOWN;
}

enum folder_role imap_folders_role(const struct imap_folders *folders,
				   struct span name, const char *preset)
{
	const struct imap_folder *folder;
	enum folder_role role;

	if (span_eq(name, SPAN("INBOX"))) {
		return FOLDER_INBOX;
	}
	folder = find(folders, name);
	if (folder != NULL) {
		return folder->role;
	}
	role = imap_folder_role_by_name(name, folders->delimiter, preset);
	if (role != FOLDER_OTHER && (folders->roles & 1u << role)) {
		return FOLDER_OTHER;
	}
	return role;
}

bool imap_folder_in_scope(const struct organization *organization,
			  enum folder_role role, struct span name)
{
	if (organization == NULL || !organization->inspect) {
		return false;
	}
	if (role == FOLDER_INBOX || role == FOLDER_SENT) {
		return true;
	}
	for (size_t i = 0; i < organization->folder_count; i++) {
		if (span_eq(name, span_str(organization->folders[i]))) {
			return true;
		}
	}
	return false;
}
