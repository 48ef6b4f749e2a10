/* imap_append: the messages a client files itself (APPEND, RFC 9051 6.3.12,
   MULTIAPPEND RFC 3502, UTF8 RFC 6855): copies their beginning, bounded, and
   hands them over once the server took them. Knows nothing of what for. */
#ifndef POSTERN_IMAP_APPEND_H
#define POSTERN_IMAP_APPEND_H

#include "imap/imap_gather.h"
#include "imap/imap_lexer.h"

struct imap_track;

/* Messages of one MULTIAPPEND that are copied; more pass uncopied. */
#define IMAP_APPEND_MESSAGES_MAX 8

struct imap_append;

/* max_bytes bounds one message's copy; budget is the worker's, may be NULL. */
struct imap_append *imap_append_create(size_t max_bytes,
				       struct imap_tap_budget *budget);
void imap_append_destroy(struct imap_append **append);

/* Called once, when the folder is known and before the first content: is a
   copy wanted? */
typedef bool imap_append_wants(void *context, enum folder_role role,
			       struct span mailbox);

/* The command's bytes as the lexer cut them, from the tag on. Returns through
   wants at the first content. track tells encodings and roles. */
void imap_append_piece(struct imap_append *append,
		       const struct imap_track *track, enum imap_piece piece,
		       struct span bytes, const struct imap_literal *literal,
		       imap_append_wants *wants, void *context);

/* What was copied. */
size_t imap_append_count(const struct imap_append *append);
struct span imap_append_message(const struct imap_append *append, size_t i,
				bool *truncated_r);
/* Flags of message i, as the client wrote them between the parentheses. */
struct span imap_append_flags(const struct imap_append *append, size_t i);
/* Canonical name of the folder; empty until known. */
struct span imap_append_mailbox(const struct imap_append *append);

#endif
