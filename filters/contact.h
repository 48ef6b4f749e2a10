/* contact: a person as one message shows them, and the list of them. Owned
   strings, UTF-8, NULL where the message does not say. */
#ifndef POSTERN_FILTERS_CONTACT_H
#define POSTERN_FILTERS_CONTACT_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* Limits of what one message can teach; more is dropped, not an error. */
#define CONTACTS_MAX	   256
#define CONTACT_FIELD_MAX  512
#define CONTACT_PHONES_MAX 16
#define CONTACT_URLS_MAX   8

enum contact_kind {
	CONTACT_PERSON,
	CONTACT_LIST,
	CONTACT_NOREPLY,
	CONTACT_KIND_COUNT
};

/* Bits: where evidence came from. */
#define CONTACT_SOURCE_HEADER	 1u
#define CONTACT_SOURCE_SIGNATURE 2u
#define CONTACT_SOURCE_VCARD	 4u
#define CONTACT_SOURCE_CALENDAR	 8u
/* Only in the SMTP envelope (Bcc). */
#define CONTACT_SOURCE_ENVELOPE 16u
#define CONTACT_SOURCE_ALL	31u

/* The part the person plays in this message. */
enum contact_role {
	CONTACT_ROLE_AUTHOR,
	CONTACT_ROLE_RECIPIENT,
	/* In quoted or forwarded text, a vCard or an invitation. */
	CONTACT_ROLE_MENTIONED,
	CONTACT_ROLE_COUNT
};

enum phone_kind {
	PHONE_WORK,
	PHONE_MOBILE,
	PHONE_FAX,
	PHONE_HOME,
	PHONE_PAGER,
	PHONE_OTHER,
	PHONE_KIND_COUNT
};

struct phone {
	/* "+4989123456" (ITU-T E.164). */
	char *e164;
	/* Digits, or NULL. */
	char *ext;
	/* As written. */
	char *raw;
	enum phone_kind kind;
};

/* Fields whose origin --why shows. */
enum contact_field {
	CONTACT_FIELD_NAME,
	CONTACT_FIELD_TITLE,
	CONTACT_FIELD_COMPANY,
	CONTACT_FIELD_POSTAL_ADDRESS,
	CONTACT_FIELD_COUNT
};

struct contact {
	/* Canonical address: local part folded, domain in A-labels. Never
	   NULL: it is the key. */
	char *email;
	char *name;
	char *title;
	char *company;
	char *postal_address;
	struct phone phones[CONTACT_PHONES_MAX];
	size_t phone_count;
	char *urls[CONTACT_URLS_MAX];
	size_t url_count;
	enum contact_kind kind;
	enum contact_role role;
	/* CONTACT_SOURCE_* bits; the second says which of them gave the name
	   (a signature's name outranks a header's). */
	unsigned int sources;
	unsigned int name_source;
	/* 0 to 1: how sure we are that the fields belong to this person. */
	double confidence;
	/* "line 12 of part 1", or "From header"; static or owned by the
	   contact; "" where unset. For --why only, never stored. */
	char field_origin[CONTACT_FIELD_COUNT][64];
};

struct contact_list {
	struct contact *items;
	size_t count;
};

const char *contact_kind_name(enum contact_kind kind);
const char *contact_role_name(enum contact_role role);
const char *phone_kind_name(enum phone_kind kind);

/* The contact with this canonical address, added when it is new. NULL when
   the list is full or email is no address. */
struct contact *contact_list_get(struct contact_list *list, struct span email);
void contact_list_finish(struct contact_list *list);

/* Set a text field to a cleaned copy of value (white space collapsed,
   control bytes dropped, cut at CONTACT_FIELD_MAX on a character). An empty
   value leaves NULL. */
void contact_set(char **field, struct span value);

/* Add a phone unless the same number and extension is there. */
void contact_add_phone(struct contact *contact, struct span e164,
		       struct span ext, struct span raw, enum phone_kind kind);
void contact_add_url(struct contact *contact, struct span url);

/* One JSON object (the form in the manual page of postern-extract), without
   line end. Free with free(). */
char *contact_to_json(const struct contact *contact);
/* The same at the end of out. */
void contact_add_json(const struct contact *contact, struct strbuf *out);

#endif
