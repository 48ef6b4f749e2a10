/* batch: sort, merge, write. */
#include "writer/batch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/xalloc.h"

/* 500 records of the largest size in arrays; PostgreSQL's own limit of one
   value is 1 GB. */
#define COLUMN_MAX (512u * 1024 * 1024)

struct sighting {
	const struct record_person *person;
	const struct record_reading *reading;
	unsigned int sources;
	double confidence;
	const char *role;
	enum record_evidence evidence;
};

struct field {
	const char *email;
	const struct record_reading *reading;
	const char *kind;
	unsigned int source;
	/* Owned when is_made (a phone in the form of RFC 3966). */
	char *value;
	bool is_made;
	const char *label;
	double confidence;
	int64_t first;
	int64_t last;
};

struct list {
	struct sighting *sightings;
	size_t sighting_count;
	struct field *fields;
	size_t field_count;
	size_t field_size;
};

/* --- array literals ---------------------------------------------------- */

void array_begin(struct strbuf *array)
{
	strbuf_add_char(array, '{');
}

static void add_comma(struct strbuf *array)
{
	if (array->len > 1) {
		strbuf_add_char(array, ',');
	}
}

void array_add_text(struct strbuf *array, const char *text)
{
	add_comma(array);
	strbuf_add_char(array, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\') {
			strbuf_add_char(array, '\\');
		}
		strbuf_add_char(array, *text);
	}
	strbuf_add_char(array, '"');
}

void array_add_hex(struct strbuf *array, const char *hex)
{
	add_comma(array);
	/* bytea's "\x...", whose backslash the array wants escaped. */
	strbuf_add_str(array, "\"\\\\x");
	strbuf_add_str(array, hex);
	strbuf_add_char(array, '"');
}

void array_addf(struct strbuf *array, const char *format, ...)
{
	char number[64];
	va_list args;

	add_comma(array);
	va_start(args, format);
	vsnprintf(number, sizeof(number), format, args);
	va_end(args);
	strbuf_add_str(array, number);
}

void array_end(struct strbuf *array)
{
	strbuf_add_char(array, '}');
}

/* --- collecting -------------------------------------------------------- */

static struct field *add_field(struct list *list,
			       const struct record_reading *reading,
			       const struct record_person *person,
			       const char *kind, unsigned int source,
			       const char *value)
{
	struct field *field;

	if (list->field_count == list->field_size) {
		list->field_size =
			list->field_size == 0 ? 256 : list->field_size * 2;
		list->fields = xreallocarray(list->fields, list->field_size,
					     sizeof(*list->fields));
	}
	field = &list->fields[list->field_count++];
	*field = (struct field){
		.email = person->email,
		.reading = reading,
		.kind = kind,
		.source = source,
		.value = (char *)(uintptr_t)value,
		.label = "",
		.confidence = person->confidence,
		.first = reading->seen_at,
		.last = reading->seen_at,
	};
	return field;
}

static void add_phones(struct list *list, const struct record_reading *reading,
		       const struct record_person *person, unsigned int source)
{
	for (size_t i = 0; i < person->phone_count; i++) {
		const struct record_phone *phone = &person->phones[i];
		struct field *field = add_field(list, reading, person, "phone",
						source, phone->e164);

		field->label = phone->label;
		if (phone->ext != NULL) {
			field->value =
				xasprintf("%s;ext=%s", phone->e164, phone->ext);
			field->is_made = true;
		}
	}
}

static void add_fields(struct list *list, const struct record_reading *reading,
		       const struct record_person *person)
{
	unsigned int source = record_best_source(person->sources);
	const struct {
		const char *kind;
		const char *value;
		unsigned int source;
	} rows[] = {
		{ "name", person->name, person->name_source },
		{ "title", person->title, source },
		{ "company", person->company, source },
		{ "postal_address", person->postal_address, source },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (rows[i].value != NULL) {
			add_field(list, reading, person, rows[i].kind,
				  rows[i].source, rows[i].value);
		}
	}
	add_phones(list, reading, person, source);
	for (size_t i = 0; i < person->url_count; i++) {
		add_field(list, reading, person, "url", source,
			  person->urls[i]);
	}
}

static void collect(struct list *list,
		    const struct record_reading *const *readings, size_t count)
{
	size_t people = 0;

	for (size_t i = 0; i < count; i++) {
		people += readings[i]->people_count;
	}
	list->sightings = xcalloc(people + 1, sizeof(*list->sightings));
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < readings[i]->people_count; k++) {
			const struct record_person *person =
				&readings[i]->people[k];

			if (!person->is_person) {
				continue;
			}
			list->sightings[list->sighting_count++] =
				(struct sighting){
					.person = person,
					.reading = readings[i],
					.sources = person->sources,
					.confidence = person->confidence,
					.role = person->role,
					.evidence = readings[i]->evidence,
				};
			add_fields(list, readings[i], person);
		}
	}
}

/* --- sorting and merging ----------------------------------------------- */

static int compare_sightings(const void *a, const void *b)
{
	const struct sighting *one = a;
	const struct sighting *other = b;
	int order = strcmp(one->person->email, other->person->email);

	return order != 0
		       ? order
		       : strcmp(one->reading->message, other->reading->message);
}

static int compare_fields(const void *a, const void *b)
{
	const struct field *one = a;
	const struct field *other = b;
	int order = strcmp(one->email, other->email);

	if (order == 0) {
		order = strcmp(one->kind, other->kind);
	}
	if (order == 0) {
		order = (int)one->source - (int)other->source;
	}
	return order != 0 ? order : strcmp(one->value, other->value);
}

/* "author" is more than "recipient" is more than "mentioned". */
static const char *stronger_role(const char *a, const char *b)
{
	if (a[0] == 'a' || b[0] == 'a') {
		return a[0] == 'a' ? a : b;
	}
	return a[0] == 'r' ? a : b;
}

static void merge_sightings(struct list *list)
{
	size_t kept = 0;

	qsort(list->sightings, list->sighting_count, sizeof(*list->sightings),
	      compare_sightings);
	for (size_t i = 1; i < list->sighting_count; i++) {
		struct sighting *into = &list->sightings[kept];
		const struct sighting *from = &list->sightings[i];

		if (compare_sightings(into, from) != 0) {
			list->sightings[++kept] = *from;
			continue;
		}
		into->sources |= from->sources;
		into->role = stronger_role(into->role, from->role);
		if (from->confidence > into->confidence) {
			into->confidence = from->confidence;
		}
		if (from->evidence == RECORD_BODY) {
			into->evidence = RECORD_BODY;
		}
	}
	if (list->sighting_count > 0) {
		list->sighting_count = kept + 1;
	}
}

static void merge_field(struct field *into, struct field *from)
{
	if (from->first < into->first) {
		into->first = from->first;
	}
	if (from->last >= into->last) {
		into->last = from->last;
		into->reading = from->reading;
		into->label = from->label;
	}
	if (from->confidence > into->confidence) {
		into->confidence = from->confidence;
	}
	if (from->is_made) {
		free(from->value);
	}
}

static void merge_fields(struct list *list)
{
	size_t kept = 0;

	if (list->field_count == 0) {
		return;
	}
	qsort(list->fields, list->field_count, sizeof(*list->fields),
	      compare_fields);
	for (size_t i = 1; i < list->field_count; i++) {
		struct field *from = &list->fields[i];

		if (compare_fields(&list->fields[kept], from) == 0) {
			merge_field(&list->fields[kept], from);
		} else {
			list->fields[++kept] = *from;
		}
	}
	list->field_count = kept + 1;
}

/* --- writing ----------------------------------------------------------- */

static const char *source_name(unsigned int bit)
{
	size_t index = 0;

	while (bit > 1) {
		bit >>= 1;
		index++;
	}
	return record_source_names[index];
}

static void write_sighting(struct batch *batch, const struct sighting *s)
{
	struct strbuf *c = batch->columns;
	const struct record_reading *r = s->reading;

	array_addf(&c[BATCH_S_CONTACT], "%zu", batch->contact_count);
	array_add_hex(&c[BATCH_S_MESSAGE], r->message);
	array_add_text(&c[BATCH_S_MAILBOX], r->mailbox);
	array_add_text(&c[BATCH_S_DIRECTION],
		       record_direction_name(r->direction));
	array_add_text(&c[BATCH_S_ROLE], s->role);
	array_add_text(&c[BATCH_S_FOLDER], r->folder);
	array_add_text(&c[BATCH_S_EVIDENCE], record_evidence_name(s->evidence));
	array_addf(&c[BATCH_S_SOURCES], "%u", s->sources);
	array_addf(&c[BATCH_S_CONFIDENCE], "%.4f", s->confidence);
	array_addf(&c[BATCH_S_SEEN], "%" PRId64, r->seen_at);
}

static void write_field(struct batch *batch, const struct field *f)
{
	struct strbuf *c = batch->columns;

	array_addf(&c[BATCH_F_CONTACT], "%zu", batch->contact_count);
	array_add_hex(&c[BATCH_F_MESSAGE], f->reading->message);
	array_add_text(&c[BATCH_F_KIND], f->kind);
	array_add_text(&c[BATCH_F_SOURCE], source_name(f->source));
	array_add_text(&c[BATCH_F_VALUE], f->value);
	array_add_text(&c[BATCH_F_LABEL], f->label);
	array_addf(&c[BATCH_F_CONFIDENCE], "%.4f", f->confidence);
	array_addf(&c[BATCH_F_FIRST], "%" PRId64, f->first);
	array_addf(&c[BATCH_F_LAST], "%" PRId64, f->last);
}

/* Both lists are sorted by address, so that one walk numbers the contacts of
   both. */
static void write_list(struct batch *batch, const struct list *list)
{
	size_t field = 0;
	size_t i = 0;

	while (i < list->sighting_count) {
		const char *email = list->sightings[i].person->email;

		batch->contact_count++;
		array_add_text(&batch->columns[BATCH_EMAILS], email);
		while (i < list->sighting_count &&
		       strcmp(list->sightings[i].person->email, email) == 0) {
			write_sighting(batch, &list->sightings[i++]);
		}
		while (field < list->field_count &&
		       strcmp(list->fields[field].email, email) == 0) {
			write_field(batch, &list->fields[field++]);
		}
	}
	batch->sighting_count = list->sighting_count;
	batch->field_count = list->field_count;
}

void batch_init(struct batch *batch,
		const struct record_reading *const *readings, size_t count)
{
	struct list list = { 0 };

	*batch = (struct batch){ 0 };
	for (size_t i = 0; i < BATCH_COLUMN_COUNT; i++) {
		strbuf_init(&batch->columns[i], COLUMN_MAX);
		array_begin(&batch->columns[i]);
	}
	collect(&list, readings, count);
	merge_sightings(&list);
	merge_fields(&list);
	write_list(batch, &list);
	for (size_t i = 0; i < BATCH_COLUMN_COUNT; i++) {
		array_end(&batch->columns[i]);
	}
	for (size_t i = 0; i < list.field_count; i++) {
		if (list.fields[i].is_made) {
			free(list.fields[i].value);
		}
	}
	free(list.sightings);
	free(list.fields);
}

void batch_finish(struct batch *batch)
{
	for (size_t i = 0; i < BATCH_COLUMN_COUNT; i++) {
		strbuf_finish(&batch->columns[i]);
	}
}
