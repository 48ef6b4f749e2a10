/* Any bytes as replies of a provider, whole and one byte at a time. */
#include <stdlib.h>

#include "smtp/smtp_capability.h"
#include "smtp/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take_slowly(struct span in, struct smtp_reply *reply)
{
	int status = 0;

	smtp_reply_init(reply);
	for (size_t len = 0; len <= in.len && status == 0; len++) {
		status = smtp_reply_next(reply, span_first(in, len), NULL);
	}
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	int status = 1;

	while (status == 1) {
		struct smtp_capabilities capabilities = { 0 };
		struct smtp_reply reply, slow;
		struct span rest, text;

		smtp_reply_init(&reply);
		status = smtp_reply_next(&reply, in, NULL);
		if (take_slowly(span_first(in, 4096), &slow) != status &&
		    in.len <= 4096) {
			abort();
		}
		if (status != 1) {
			break;
		}
		if (reply.whole.len < 5 || reply.code < 200 ||
		    reply.code > 599) {
			abort();
		}
		rest = reply.whole;
		while (smtp_reply_line(&rest, &text)) {
			smtp_capability_parse(text, &capabilities);
		}
		in = span_from(in, reply.whole.len);
	}
	return 0;
}
