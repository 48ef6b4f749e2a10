/* Any bytes as an inspector's answer and as a request: what is taken can be
   said again in the same bytes' meaning. */
#include <stdlib.h>

#include "inspect/inspect_frame.h"
#include "lib/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool sound)
{
	if (!sound) {
		abort();
	}
}

static void check_same(const struct inspect_answer *a,
		       const struct inspect_answer *b)
{
	check(a->id == b->id && a->reason == b->reason && a->date == b->date);
	check(strcmp(a->message_id, b->message_id) == 0);
	check(a->contacts.count == b->contacts.count);
	for (size_t i = 0; i < a->contacts.count; i++) {
		char *x = contact_to_json(&a->contacts.items[i]);
		char *y = contact_to_json(&b->contacts.items[i]);

		check(strcmp(x, y) == 0);
		free(x);
		free(y);
	}
}

static void try_answer(struct span body)
{
	struct strbuf out = STRBUF_INIT(INSPECT_MAX_ANSWER + FRAME_HEADER_SIZE);
	struct inspect_answer answer;
	struct inspect_answer again;
	struct span rest;

	if (inspect_answer_decode(body, &answer, NULL) < 0) {
		return;
	}
	check(inspect_answer_encode(&answer, &out) == 0);
	rest = strbuf_span(&out);
	check(frame_next(&rest, INSPECT_MAX_ANSWER, &body) == 1);
	check(inspect_answer_decode(body, &again, NULL) == 0);
	check_same(&answer, &again);
	inspect_answer_finish(&answer);
	inspect_answer_finish(&again);
	strbuf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span body = span_of(data, size);
	struct inspect_request request;

	try_answer(body);
	if (inspect_request_decode(body, &request, NULL) == 0) {
		check(request.message.len <= INSPECT_MAX_MESSAGE);
		check(request.origin.folder < FOLDER_ROLE_COUNT);
	}
	return 0;
}
