/* fake_inspector: speaks an inspector's frames and misbehaves when the message
   it is asked about says so. */
#include <stdlib.h>
#include <unistd.h>

#include "inspect/inspect_frame.h"
#include "lib/frame.h"

static void write_all(const struct strbuf *out)
{
	size_t done = 0;

	while (done < out->len) {
		ssize_t n = write(3, out->ptr + done, out->len - done);

		if (n <= 0) {
			_exit(1);
		}
		done += (size_t)n;
	}
}

static void misbehave(struct span message, struct strbuf *out,
		      struct inspect_answer *answer)
{
	if (span_starts(message, SPAN("die"))) {
		_exit(1);
	}
	if (span_starts(message, SPAN("crash"))) {
		abort();
	}
	if (span_starts(message, SPAN("spin"))) {
		for (volatile unsigned int i = 0;; i++) {
		}
	}
	if (span_starts(message, SPAN("mute"))) {
		pause();
	}
	if (span_starts(message, SPAN("wrong id"))) {
		answer->id++;
	}
	if (span_starts(message, SPAN("garbage"))) {
		strbuf_add(out, SPAN("\0\0\0\5garbage and more"));
	}
	if (span_starts(message, SPAN("endless"))) {
		strbuf_add(out, SPAN("\x7f\xff\xff\xff"));
	}
	if (span_starts(message, SPAN("twice"))) {
		inspect_answer_encode(answer, out);
	}
	if (span_starts(message, SPAN("half"))) {
		strbuf_add(out, SPAN("\0\0\1\0half an answer"));
		write_all(out);
		_exit(0);
	}
}

static void answer_one(struct span body, struct strbuf *out)
{
	struct inspect_request request;
	struct inspect_answer answer = { .reason = SKIP_BULK };
	struct error err;
	struct span id;

	if (inspect_request_decode(body, &request, &err) < 0) {
		_exit(2);
	}
	answer.id = request.id;
	if (span_starts(request.message, SPAN("none"))) {
		answer.reason = SKIP_NONE;
	} else {
		/* The message itself, to see that each got its own. */
		id = span_first(request.message, 60);
		memcpy(answer.message_id, id.ptr, id.len);
	}
	misbehave(request.message, out, &answer);
	inspect_answer_encode(&answer, out);
}

int main(void)
{
	struct strbuf in = STRBUF_INIT(4u * 1024 * 1024);
	struct strbuf out = STRBUF_INIT(4u * 1024 * 1024);

	inspect_hello_encode(&out);
	for (;;) {
		struct span rest;
		struct span body;
		ssize_t n;

		write_all(&out);
		strbuf_clear(&out);
		n = read(3, strbuf_reserve(&in, 1u << 20), 1u << 20);
		if (n <= 0) {
			return 0;
		}
		in.len += (size_t)n;
		rest = strbuf_span(&in);
		while (frame_next(&rest, INSPECT_MAX_REQUEST, &body) == 1) {
			answer_one(body, &out);
		}
		strbuf_shift(&in, in.len - rest.len);
	}
}
