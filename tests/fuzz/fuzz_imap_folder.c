/* Any bytes as a folder's name and as a LIST response. A name has one
   spelling in modified UTF-7: what decodes, encodes to itself. */
#include <stdlib.h>

#include "imap/imap_folder.h"
#include "imap/imap_utf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(struct span in)
{
	struct strbuf one = STRBUF_INIT(1 << 20);
	struct strbuf two = STRBUF_INIT(1 << 20);

	if (imap_utf7_decode(in, &one) == 0 &&
	    (imap_utf7_encode(strbuf_span(&one), &two) < 0 ||
	     !span_eq(strbuf_span(&two), in))) {
		abort();
	}
	strbuf_clear(&one);
	strbuf_clear(&two);
	if (imap_utf7_encode(in, &one) == 0 &&
	    (imap_utf7_decode(strbuf_span(&one), &two) < 0 ||
	     !span_eq(strbuf_span(&two), in))) {
		abort();
	}
	strbuf_finish(&one);
	strbuf_finish(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct imap_folders folders;
	struct span rest = in;
	struct span line;

	if (size == 0 || size > 20000) {
		return 0;
	}
	check_names(in);
	imap_folders_init(&folders);
	imap_folders_learn(&folders, in, false);
	while (span_next_line(&rest, &line)) {
		imap_folders_learn(&folders, line, true);
		if (imap_folders_role(&folders, line, "gmail") >=
		    FOLDER_ROLE_COUNT) {
			abort();
		}
	}
	if (folders.count > IMAP_FOLDERS_MAX) {
		abort();
	}
	imap_folders_finish(&folders);
	return 0;
}
