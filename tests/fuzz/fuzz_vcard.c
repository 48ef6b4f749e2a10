/* fuzz_vcard: any bytes as a text/vcard part. */
#include <stdint.h>
#include <stdlib.h>

#include "filters/vcard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte that a card points at must be ours to read. */
static void found(void *context, const struct signature *card)
{
	size_t *sum = context;

	for (size_t i = 0; i < card->name.text.len; i++) {
		*sum += (unsigned char)card->name.text.ptr[i];
	}
	for (size_t a = 0; a < card->address_count; a++) {
		for (size_t i = 0; i < card->address[a].text.len; i++) {
			*sum += (unsigned char)card->address[a].text.ptr[i];
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	volatile size_t kept;
	size_t sum = 0;

	vcard_read(span_of(data, size), found, &sum);
	kept = sum;
	(void)kept;
	return 0;
}
