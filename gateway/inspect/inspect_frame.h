/* inspect_frame: what posternd asks an inspector and what it is told. The
   request is posternd's and is checked as such; the answer comes from a
   process that has parsed a stranger's message: nothing in it is believed
   that was not checked. Pure. */
#ifndef POSTERN_INSPECT_INSPECT_FRAME_H
#define POSTERN_INSPECT_INSPECT_FRAME_H

#include "filters/contact.h"
#include "filters/filter.h"
#include "inspect/inspector.h"
#include "lib/error.h"
#include "lib/strbuf.h"
#include "message/message.h"

/* Changes with every change of a frame; both sides come from one build. */
#define INSPECT_VERSION 1

/* More of a message is not looked at: text comes first, then attachments. */
#define INSPECT_MAX_MESSAGE INSPECTOR_MESSAGE_MAX
#define INSPECT_MAX_REQUEST (INSPECT_MAX_MESSAGE + 768 * 1024)
/* CONTACTS_MAX contacts with every field full fit. */
#define INSPECT_MAX_ANSWER (8u * 1024 * 1024)

/* RFC 5322 2.1.1: a line, and a Message-ID stands on one. */
#define INSPECT_MAX_MESSAGE_ID 998
#define INSPECT_MAX_DOMAINS    DOMAIN_SET_MAX

struct inspect_request {
	uint64_t id;
	/* own_domains is NULL in a decoded request: see own_domains below. */
	struct message_origin origin;
	struct span message;
	/* Only in a decoded request: the organization's domains, each
	   followed by LF. */
	struct span own_domains;
};

struct inspect_answer {
	uint64_t id;
	/* SKIP_NONE: contacts holds what the message teaches. */
	enum skip_reason reason;
	struct filter_note note;
	/* Without brackets, printable, may be empty; for the event's hash. */
	char message_id[INSPECT_MAX_MESSAGE_ID + 1];
	/* As message_date. */
	int64_t date;
	/* As the origin said; outgoing also when the mailbox wrote it. */
	enum message_direction direction;
	/* Owned. */
	struct contact_list contacts;
};

/* Append a frame. A longer message is cut at INSPECT_MAX_MESSAGE and called
   truncated; the other fields are cut at limits no real one reaches. Return 0,
   or -1 (out as before) when out is full. */
int inspect_request_encode(const struct inspect_request *request,
			   struct strbuf *out);

/* Read the body of a frame; everything borrows from it. Return 0 or -1. */
int inspect_request_decode(struct span body, struct inspect_request *request_r,
			   struct error *err_r);

/* Append a frame. Return 0, or -1 (out as before) when out is full. */
int inspect_answer_encode(const struct inspect_answer *answer,
			  struct strbuf *out);

/* Read the body of a frame. Return 0 and fill *answer_r, which the caller
   finishes; or -1 with the reason and nothing to finish. Every length, number,
   address, text and enumeration has been checked when it is 0. */
int inspect_answer_decode(struct span body, struct inspect_answer *answer_r,
			  struct error *err_r);
void inspect_answer_finish(struct inspect_answer *answer);

/* The first frame an inspector sends, once its sandbox is closed. */
int inspect_hello_encode(struct strbuf *out);
bool inspect_hello_is_right(struct span body);

#endif
