/* message: one parsed RFC 5322 message, read-only once parsed. libetpan finds
   its parts (part_list.c); nothing reaches libetpan that mime_scan has not
   bounded. Everything handed out is UTF-8 without NUL and borrows from the
   message. */
#ifndef POSTERN_MESSAGE_MESSAGE_H
#define POSTERN_MESSAGE_MESSAGE_H

#include "lib/domain.h"
#include "lib/error.h"
#include "lib/folder.h"
#include "lib/span.h"

/* Decoded text of one message that is kept, all parts together. */
#define MESSAGE_MAX_TEXT (4u * 1024 * 1024)

/* Where a message was seen and for whom; not part of its bytes. */
enum message_direction {
	/* To the mailbox: read over IMAP in any folder but Sent. */
	MESSAGE_INCOMING,
	/* From the mailbox: submitted, or filed in Sent. */
	MESSAGE_OUTGOING,
};

struct message_origin {
	/* Borrowed by whoever gets the origin, for the length of the call. */
	struct span mailbox;
	enum folder_role folder;
	/* The organization named this folder as one to learn from. */
	bool folder_in_scope;
	enum message_direction direction;
	/* IMAP flags as seen, separated by SP ("\\Seen $Junk"); may be empty.
	 */
	struct span flags;
	/* RFC 5321 envelope where we have it: addresses separated by LF. */
	struct span envelope_from;
	bool has_envelope;
	struct span envelope_rcpts;
	/* The organization's own domains. Empty: not known (command line). */
	const struct domain_set *own_domains;
	/* ISO 3166 alpha-2 of the organization, or empty. */
	struct span region;
	/* Only a beginning of the message was seen. */
	bool truncated;
};

/* One mailbox of an address header (RFC 5322 3.4). */
struct address {
	/* Decoded display name as written, may be empty. */
	struct span name;
	/* local@domain: the domain canonical (A-labels, lower case), the local
	   part as written but for ASCII case folded to lower. */
	struct span email;
	/* The part of email after '@'. */
	struct span domain;
	/* Name of the group it stood in, or empty. */
	struct span group;
};

enum message_address_header {
	MESSAGE_FROM,
	MESSAGE_SENDER,
	MESSAGE_REPLY_TO,
	MESSAGE_TO,
	MESSAGE_CC,
	MESSAGE_BCC,
	MESSAGE_ADDRESS_HEADER_COUNT
};

enum message_part_kind {
	MESSAGE_PART_PLAIN,
	MESSAGE_PART_HTML,
	MESSAGE_PART_VCARD,
	MESSAGE_PART_CALENDAR,
	/* message/delivery-status, message/disposition-notification, ... */
	MESSAGE_PART_REPORT,
	/* Anything else: counted, text empty. */
	MESSAGE_PART_OTHER,
};

struct message_part {
	enum message_part_kind kind;
	/* "text/plain", lower case. */
	struct span media_type;
	/* "1.2" as in IMAP (RFC 9051 6.4.5.1). */
	struct span section;
	/* Decoded text in UTF-8; lines end with LF. Invalid bytes are U+FFFD.
	   Empty for attached plain text and HTML: those are documents. */
	struct span text;
	/* RFC 3676; the text is as sent, not yet reflowed. */
	bool format_flowed;
	bool delsp;
	bool is_attachment;
	/* Inside message/rfc822: another message forwarded as attachment. */
	bool is_nested;
	/* Who wrote that message: the only address of its From. Empty when it
	   is not nested, or nobody can say. */
	struct address nested_author;
};

struct message;

/* Open every charset converter now: later the sandbox is closed. */
void message_warm_up(void);

/* Parse at most what the limits of mime_scan.h allow. Return NULL with the
   reason when it is refused or unreadable. The bytes may be freed after. */
struct message *message_create(struct span bytes, struct error *err_r);
void message_destroy(struct message **msg);

/* The value of the index-th header of this name (ASCII case ignored),
   unfolded, RFC 2047 decoded. Return false when there is none. */
bool message_header(const struct message *msg, const char *name, size_t index,
		    struct span *value_r);
/* The nth header of all, for tables of prefixes. False past the last. */
bool message_header_at(const struct message *msg, size_t nth,
		       struct span *name_r, struct span *value_r);

/* The addresses of all headers of that kind, in order. */
const struct address *message_addresses(const struct message *msg,
					enum message_address_header header,
					size_t *count_r);
/* A From, Sender, To... was there but could not be read: participants are
   not known for certain. */
bool message_addresses_unreadable(const struct message *msg);

/* NULL, or what two mail programs would read differently (two From fields that
   disagree, a bare CR in a header, ...), as a static text without content. */
const char *message_ambiguity(const struct message *msg);

/* The empty line after the header was seen: no field is missing. */
bool message_header_is_complete(const struct message *msg);

const struct message_part *message_parts(const struct message *msg,
					 size_t *count_r);

/* Lower-case media type of the whole: "multipart/report". */
struct span message_media_type(const struct message *msg);

/* Message-ID without angle brackets, or empty. */
struct span message_id(const struct message *msg);
/* Seconds since 1970 of the Date header; 0 when missing or unreadable. */
int64_t message_date(const struct message *msg);

#endif
