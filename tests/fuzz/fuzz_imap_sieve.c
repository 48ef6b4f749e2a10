/* Any bytes through the sieve: whole and split where the first byte says, with
   the same outcome, and never more than came in. */
#include <stdlib.h>

#include "imap/imap_sieve.h"
#include "lib/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pass(struct imap_sieve *sieve, struct span in, struct strbuf *out)
{
	while (in.len > 0) {
		struct span kept;
		size_t used = imap_sieve_next(sieve, in, &kept);

		if (used == 0 || used > in.len || kept.len > in.len + 1) {
			abort();
		}
		strbuf_add(out, kept);
		in = span_from(in, used);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct strbuf whole = STRBUF_INIT(size + 1);
	struct strbuf split = STRBUF_INIT(size + 1);
	struct imap_sieve sieve;
	size_t step;

	if (size < 1) {
		return 0;
	}
	step = 1 + (data[0] >> 1);
	in = span_from(in, 1);
	imap_sieve_init(&sieve, data[0] & 1);
	pass(&sieve, in, &whole);
	imap_sieve_init(&sieve, data[0] & 1);
	for (size_t at = 0; at < in.len; at += step) {
		pass(&sieve, span_first(span_from(in, at), step), &split);
	}
	if (whole.len > in.len || split.len != whole.len ||
	    !span_eq(strbuf_span(&whole), strbuf_span(&split))) {
		abort();
	}
	strbuf_finish(&whole);
	strbuf_finish(&split);
	return 0;
}
