/* fuzz_signature: any text through lines, segments, blocks and fields. The
   first byte says how it is sent; libphonenumber is asked as in earnest. */
#include <stdint.h>
#include <stdlib.h>

#include "filters/contact_fill.h"
#include "filters/signature.h"
#include "filters/text_segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(const struct signature *s)
{
	struct fill_source from = { .source = CONTACT_SOURCE_SIGNATURE,
				    .part = SPAN("part 1"),
				    .region = SPAN("DE"),
				    .confidence = 1 };
	struct contact_list list = { 0 };
	struct contact *contact =
		contact_list_get(&list, SPAN("anna.weber@lieferant.example"));

	contact_fill(contact, s, &from);
	free(contact_to_json(contact));
	contact_list_finish(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text_lines lines;
	struct text_segments segments;
	unsigned int how = size > 0 ? data[0] : 0;

	text_lines_init(&lines, span_of(data, size), how & 1, how & 2);
	text_segments_init(&segments, &lines);
	for (size_t i = 0; i < segments.count; i++) {
		struct span name = how & 4 ? SPAN("Anna Weber") : SPAN("");
		struct span email = SPAN("anna.weber@lieferant.example");
		struct signature_block block;
		struct signatures signatures;

		if (!signature_block_find(&lines, &segments.items[i], name,
					  email, &block)) {
			continue;
		}
		signature_read(&block, name, email, &signatures);
		for (size_t s = 0; s < signatures.count; s++) {
			fill(&signatures.items[s]);
		}
	}
	text_segments_finish(&segments);
	text_lines_finish(&lines);
	return 0;
}
