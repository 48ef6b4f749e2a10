/* Any bytes as data: whole and split where the first byte says, with the same
   outcome; what is content survives stuffing and scanning again. */
#include <stdlib.h>

#include "smtp/smtp_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int scan(struct smtp_data *scanner, struct span in, size_t *used_r,
		struct strbuf *content)
{
	int status = 0;

	while (in.len > 0 && status == 0) {
		struct span run;
		size_t used;

		status = smtp_data_next(scanner, in, &used, &run);
		if (used == 0 || used > in.len) {
			abort();
		}
		strbuf_add(content, run);
		*used_r += used;
		in = span_from(in, used);
	}
	return status;
}

static void stuff_and_scan(struct span content)
{
	struct strbuf out = STRBUF_INIT(content.len * 2 + 5);
	struct strbuf again = STRBUF_INIT(content.len);
	struct smtp_data scanner;
	size_t used = 0;

	smtp_data_init(&scanner);
	if (smtp_data_stuff(&scanner, content, &out) < 0 ||
	    smtp_data_finish(&scanner, &out) < 0) {
		abort();
	}
	smtp_data_init(&scanner);
	if (scan(&scanner, strbuf_span(&out), &used, &again) != 1 ||
	    used != out.len || !span_eq(strbuf_span(&again), content)) {
		abort();
	}
	strbuf_finish(&out);
	strbuf_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct strbuf whole = STRBUF_INIT(size + 1);
	struct strbuf split = STRBUF_INIT(size + 1);
	struct smtp_data a, b;
	size_t whole_used = 0, split_used = 0, cut;
	int whole_status, split_status;

	if (size < 1) {
		return 0;
	}
	in = span_from(in, 1);
	cut = in.len == 0 ? 0 : data[0] % in.len;
	smtp_data_init(&a);
	whole_status = scan(&a, in, &whole_used, &whole);
	smtp_data_init(&b);
	split_status = scan(&b, span_first(in, cut), &split_used, &split);
	if (split_status == 0) {
		split_status =
			scan(&b, span_from(in, cut), &split_used, &split);
	}
	if (whole_status != split_status || a.has_nul != b.has_nul) {
		abort();
	}
	if (whole_status >= 0 &&
	    (whole_used != split_used ||
	     !span_eq(strbuf_span(&whole), strbuf_span(&split)))) {
		abort();
	}
	if (whole_status == 1) {
		stuff_and_scan(strbuf_span(&whole));
	}
	strbuf_finish(&whole);
	strbuf_finish(&split);
	return 0;
}
