/* submission: an envelope and a header in memory. */
#include "posternd/submission.h"

#include <stdlib.h>

#include "lib/xalloc.h"

struct submission {
	struct strbuf header;
	struct strbuf from;
	struct strbuf rcpts;
};

struct span message_header_block(struct span bytes)
{
	static const char end[] = "\r\n\r\n";
	ptrdiff_t at = span_search(bytes, SPAN(end));

	return at < 0 ? bytes : span_first(bytes, (size_t)at + sizeof(end) - 1);
}

struct submission *submission_create(const struct transaction_view *view,
				     size_t max_bytes)
{
	struct submission *submission = xcalloc(1, sizeof(*submission));

	strbuf_init(&submission->header, max_bytes);
	strbuf_init(&submission->from, max_bytes);
	strbuf_init(&submission->rcpts, max_bytes);
	strbuf_add(&submission->header, message_header_block(view->content));
	strbuf_add(&submission->from, view->envelope_from);
	strbuf_add(&submission->rcpts, view->envelope_rcpts);
	return submission;
}

void submission_destroy(struct submission **submission)
{
	if (*submission != NULL) {
		strbuf_wipe(&(*submission)->header);
		strbuf_wipe(&(*submission)->from);
		strbuf_wipe(&(*submission)->rcpts);
		free(*submission);
		*submission = NULL;
	}
}

struct tap_source submission_source(const struct submission *submission)
{
	return (struct tap_source){
		.folder = FOLDER_SENT,
		.outgoing = true,
		.folder_name = SPAN(""),
		.flags = SPAN(""),
		.envelope_from = strbuf_span(&submission->from),
		.envelope_rcpts = strbuf_span(&submission->rcpts),
		.headers_only = true,
		.truncated = submission->header.overflow,
	};
}

struct span submission_header(const struct submission *submission)
{
	return strbuf_span(&submission->header);
}
