/* Any bytes as a PROXY header: read whole and byte by byte alike. */
#include <stdlib.h>
#include <string.h>

#include "proxy/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header whole, pieces;
	struct span in = span_of(data, size);
	size_t used_whole, used_pieces = 0;
	int status_pieces = 0;
	int status = proxy_header_next(in, &whole, &used_whole, NULL);

	for (size_t len = 1; len <= size && status_pieces == 0; len++) {
		status_pieces = proxy_header_next(span_first(in, len), &pieces,
						  &used_pieces, NULL);
		if (status_pieces == 1 && used_pieces != len) {
			abort();
		}
	}
	if (size > 0 && status != status_pieces) {
		abort();
	}
	if (status == 1 && (used_whole != used_pieces ||
			    memcmp(&whole, &pieces, sizeof(whole)) != 0)) {
		abort();
	}
	return 0;
}
