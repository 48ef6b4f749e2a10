/* submission: what a transaction being sent will teach, kept until the
   provider has accepted it: its envelope and its header. What a sent message
   teaches is whom it goes to, and that needs no body. */
#ifndef POSTERN_POSTERND_SUBMISSION_H
#define POSTERN_POSTERND_SUBMISSION_H

#include "lib/strbuf.h"
#include "proxy/session.h"

struct submission;

/* Copy the envelope and, from the content, the header; max_bytes bounds
   each. */
struct submission *submission_create(const struct transaction_view *view,
				     size_t max_bytes);
/* Wipes what it kept. */
void submission_destroy(struct submission **submission);

/* As a tap would show it; borrows from the submission. */
struct tap_source submission_source(const struct submission *submission);
struct span submission_header(const struct submission *submission);

/* The header of a message with the empty line that ends it; all of bytes when
   that line is not among them. */
struct span message_header_block(struct span bytes);

#endif
