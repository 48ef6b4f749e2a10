/* batch: the readings of one organization, put in the order and form in which
   file_sightings takes them: contacts sorted by address and each once, one
   sighting a message and contact, one value a contact, kind and source.
   Pure: knows nothing of PostgreSQL but how an array is written. */
#ifndef POSTERN_WRITER_BATCH_H
#define POSTERN_WRITER_BATCH_H

#include <stddef.h>

#include "lib/strbuf.h"
#include "queue/record_reader.h"

/* Parameters of file_sightings, in its order. */
enum batch_column {
	BATCH_EMAILS,
	BATCH_S_CONTACT,
	BATCH_S_MESSAGE,
	BATCH_S_MAILBOX,
	BATCH_S_DIRECTION,
	BATCH_S_ROLE,
	BATCH_S_FOLDER,
	BATCH_S_EVIDENCE,
	BATCH_S_SOURCES,
	BATCH_S_CONFIDENCE,
	BATCH_S_SEEN,
	BATCH_F_CONTACT,
	BATCH_F_MESSAGE,
	BATCH_F_KIND,
	BATCH_F_SOURCE,
	BATCH_F_VALUE,
	BATCH_F_LABEL,
	BATCH_F_CONFIDENCE,
	BATCH_F_FIRST,
	BATCH_F_LAST,
	BATCH_COLUMN_COUNT
};

struct batch {
	/* PostgreSQL array literals, "{...}". */
	struct strbuf columns[BATCH_COLUMN_COUNT];
	size_t contact_count;
	size_t sighting_count;
	size_t field_count;
};

/* Build from count readings of one organization. Lists and machines are left
   out. */
void batch_init(struct batch *batch,
		const struct record_reading *const *readings, size_t count);
void batch_finish(struct batch *batch);

/* Writing of array literals: text is quoted and escaped, so that no value can
   end its element. bytea is given in hexadecimal. */
void array_begin(struct strbuf *array);
void array_add_text(struct strbuf *array, const char *text);
void array_add_hex(struct strbuf *array, const char *hex);
void array_addf(struct strbuf *array, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void array_end(struct strbuf *array);

#endif
