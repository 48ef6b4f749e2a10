/* record_reader: the strict decoder of stream entries. */
#include "queue/record_reader.h"

#include <stdlib.h>

#include <jansson.h>

#include "lib/xalloc.h"

const char *const record_source_names[RECORD_SOURCE_COUNT] = {
	"header", "signature", "vcard", "calendar", "envelope",
};

/* Seconds of the year 10000: what to_timestamp and people can read. */
#define SEEN_MAX INT64_C(253402300800)

static const char *const role_names[] = { "author", "recipient", "mentioned",
					  NULL };
static const char *const kind_names[] = { "person", "list", "noreply", NULL };
static const char *const label_names[] = { "work",  "mobile", "fax", "home",
					   "pager", "other",  NULL };
static const char *const evidence_names[] = { "header", "body", NULL };
static const char *const direction_names[] = { "in", "out", NULL };

void record_fields_set(struct record_fields *fields, struct span name,
		       struct span value)
{
	const struct {
		struct span name;
		struct span *field;
	} rows[] = {
		{ SPAN("v"), &fields->version },
		{ SPAN("org"), &fields->organization_id },
		{ SPAN("event"), &fields->event },
		{ SPAN("key"), &fields->key_id },
		{ SPAN("payload"), &fields->payload },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (span_eq(rows[i].name, name)) {
			*rows[i].field = value;
		}
	}
}

static int index_in(const char *const *names, const char *text)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(names[i], text) == 0) {
			return i;
		}
	}
	return -1;
}

/* The text under key: 1 and *text_r, 0 when missing or null, -1 when it is
   something else, empty or too long. jansson refused NUL and bad UTF-8. */
static int get_text(const json_t *object, const char *key, size_t max,
		    const char **text_r)
{
	const json_t *value = json_object_get(object, key);

	*text_r = NULL;
	if (value == NULL || json_is_null(value)) {
		return 0;
	}
	if (!json_is_string(value) || json_string_length(value) == 0 ||
	    json_string_length(value) > max) {
		return -1;
	}
	*text_r = json_string_value(value);
	return 1;
}

/* One of names under key; when it is missing, names[missing] unless missing
   is negative. Return its index or -1. */
static int get_name(const json_t *object, const char *key,
		    const char *const *names, int missing)
{
	const char *text;
	int status = get_text(object, key, 32, &text);

	if (status < 0) {
		return -1;
	}
	return status == 0 ? missing : index_in(names, text);
}

static bool is_hex_digest(struct span text)
{
	if (text.len != HASH_HEX_SIZE - 1) {
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (!ascii_is_digit(c) && (c < 'a' || c > 'f')) {
			return false;
		}
	}
	return true;
}

static int source_bit(const char *name)
{
	for (int i = 0; i < RECORD_SOURCE_COUNT; i++) {
		if (strcmp(record_source_names[i], name) == 0) {
			return 1 << i;
		}
	}
	return -1;
}

static int read_sources(const json_t *object, unsigned int *sources_r)
{
	const json_t *array = json_object_get(object, "source");
	size_t count = json_array_size(array);

	*sources_r = 0;
	if (count == 0 || count > RECORD_SOURCE_COUNT) {
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(array, i));
		int bit = name == NULL ? -1 : source_bit(name);

		if (bit < 0) {
			return -1;
		}
		*sources_r |= (unsigned int)bit;
	}
	return 0;
}

/* E.164: '+' and at most 15 digits; extensions are digits. */
static bool is_number(const char *text, size_t max_digits)
{
	size_t len = strlen(text);

	return len > 0 && len <= max_digits &&
	       strspn(text, "0123456789") == len;
}

static int read_phone(const json_t *object, struct record_phone *phone_r)
{
	int label = get_name(object, "kind", label_names, 5);

	if (label < 0 || get_text(object, "e164", 16, &phone_r->e164) != 1 ||
	    phone_r->e164[0] != '+' || !is_number(phone_r->e164 + 1, 15)) {
		return -1;
	}
	if (get_text(object, "ext", 16, &phone_r->ext) < 0 ||
	    (phone_r->ext != NULL && !is_number(phone_r->ext, 16))) {
		return -1;
	}
	phone_r->label = label_names[label];
	return 0;
}

/* The array under key when there is one; NULL for none. -1 when it is
   something else or longer than max. */
static int get_array(const json_t *object, const char *key, size_t max,
		     const json_t **array_r)
{
	*array_r = json_object_get(object, key);
	if (*array_r == NULL || json_is_null(*array_r)) {
		*array_r = NULL;
		return 0;
	}
	return json_is_array(*array_r) && json_array_size(*array_r) <= max ? 0
									   : -1;
}

static int read_phones(const json_t *object, struct record_person *person)
{
	const json_t *array;

	if (get_array(object, "phones", RECORD_PHONES_MAX, &array) < 0) {
		return -1;
	}
	person->phone_count = json_array_size(array);
	for (size_t i = 0; i < person->phone_count; i++) {
		if (read_phone(json_array_get(array, i), &person->phones[i]) <
		    0) {
			return -1;
		}
	}
	return 0;
}

static int read_urls(const json_t *object, struct record_person *person)
{
	const json_t *array;

	if (get_array(object, "urls", RECORD_URLS_MAX, &array) < 0) {
		return -1;
	}
	person->url_count = json_array_size(array);
	for (size_t i = 0; i < person->url_count; i++) {
		const json_t *url = json_array_get(array, i);

		if (json_string_length(url) == 0 ||
		    json_string_length(url) > RECORD_TEXT_MAX) {
			return -1;
		}
		person->urls[i] = json_string_value(url);
	}
	return 0;
}

static int read_confidence(const json_t *object, double *confidence_r)
{
	const json_t *value = json_object_get(object, "confidence");

	*confidence_r = value == NULL ? 0 : json_number_value(value);
	if (value != NULL && !json_is_number(value)) {
		return -1;
	}
	return *confidence_r >= 0 && *confidence_r <= 1 ? 0 : -1;
}

unsigned int record_best_source(unsigned int sources)
{
	static const unsigned int order[] = {
		RECORD_SOURCE_SIGNATURE, RECORD_SOURCE_VCARD,
		RECORD_SOURCE_CALENDAR,	 RECORD_SOURCE_HEADER,
		RECORD_SOURCE_ENVELOPE,
	};

	for (size_t i = 0; i < N_ELEMENTS(order); i++) {
		if ((sources & order[i]) != 0) {
			return order[i];
		}
	}
	return RECORD_SOURCE_HEADER;
}

static int read_name_source(const json_t *object, struct record_person *person)
{
	const char *name;
	int status = get_text(object, "name_source", 32, &name);
	int bit;

	person->name_source = record_best_source(person->sources);
	if (status <= 0) {
		return status;
	}
	bit = source_bit(name);
	if (bit < 0) {
		return -1;
	}
	person->name_source = (unsigned int)bit;
	return 0;
}

static int read_texts(const json_t *object, struct record_person *person)
{
	const struct {
		const char *key;
		const char **text_r;
	} rows[] = {
		{ "name", &person->name },
		{ "title", &person->title },
		{ "company", &person->company },
		{ "postal_address", &person->postal_address },
	};

	if (get_text(object, "email", RECORD_ADDRESS_MAX, &person->email) !=
		    1 ||
	    strchr(person->email, '@') == NULL) {
		return -1;
	}
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (get_text(object, rows[i].key, RECORD_TEXT_MAX,
			     rows[i].text_r) < 0) {
			return -1;
		}
	}
	return 0;
}

static int read_person(const json_t *object, struct record_person *person)
{
	int kind = get_name(object, "kind", kind_names, -1);
	int role = get_name(object, "role", role_names, 2);

	if (!json_is_object(object) || kind < 0 || role < 0) {
		return -1;
	}
	person->is_person = kind == 0;
	person->role = role_names[role];
	if (read_texts(object, person) < 0 ||
	    read_sources(object, &person->sources) < 0 ||
	    read_name_source(object, person) < 0 ||
	    read_confidence(object, &person->confidence) < 0 ||
	    read_phones(object, person) < 0 || read_urls(object, person) < 0) {
		return -1;
	}
	return 0;
}

static int read_people(const json_t *root, struct record_reading *reading,
		       struct error *err_r)
{
	const json_t *array = json_object_get(root, "contacts");
	size_t count = json_array_size(array);

	if (!json_is_array(array) || count > RECORD_CONTACTS_MAX) {
		return error_set(err_r, "contacts: no list, or too long");
	}
	reading->people = xcalloc(count + 1, sizeof(*reading->people));
	for (size_t i = 0; i < count; i++) {
		if (read_person(json_array_get(array, i), &reading->people[i]) <
		    0) {
			return error_set(err_r,
					 "contact %zu of %zu is not as "
					 "it should be",
					 i + 1, count);
		}
	}
	reading->people_count = count;
	return 0;
}

static int read_message(const json_t *root, struct record_reading *reading,
			struct error *err_r)
{
	const json_t *seen = json_object_get(root, "seen");
	const char *message;
	const char *folder;
	int evidence = get_name(root, "evidence", evidence_names, -1);
	int direction = get_name(root, "direction", direction_names, -1);
	enum folder_role role;

	if (get_text(root, "org", RECORD_TEXT_MAX, &reading->organization) !=
		    1 ||
	    get_text(root, "mailbox", RECORD_ADDRESS_MAX, &reading->mailbox) !=
		    1) {
		return error_set(err_r, "no organization or mailbox");
	}
	if (get_text(root, "message", HASH_HEX_SIZE, &message) != 1 ||
	    !is_hex_digest(span_str(message))) {
		return error_set(err_r, "no message reference");
	}
	if (get_text(root, "folder", 32, &folder) != 1 ||
	    folder_role_parse(span_str(folder), &role) < 0 || evidence < 0 ||
	    direction < 0) {
		return error_set(err_r, "folder, evidence or direction");
	}
	if (!json_is_integer(seen) || json_integer_value(seen) <= 0 ||
	    json_integer_value(seen) >= SEEN_MAX) {
		return error_set(err_r, "no time");
	}
	memcpy(reading->message, message, HASH_HEX_SIZE);
	reading->folder = folder_role_name(role);
	reading->evidence = (enum record_evidence)evidence;
	reading->direction = (enum record_direction)direction;
	reading->seen_at = json_integer_value(seen);
	return 0;
}

static int read_envelope(const struct record_fields *fields,
			 struct record_reading *reading, struct error *err_r)
{
	if (!span_eq(fields->version, SPAN(RECORD_VERSION))) {
		return error_set(err_r, "version is not " RECORD_VERSION);
	}
	if (uuid_parse(fields->organization_id, reading->organization_id) < 0) {
		return error_set(err_r, "no organization id");
	}
	if (!is_hex_digest(fields->event)) {
		return error_set(err_r, "no event id");
	}
	if (fields->key_id.len > 0) {
		return error_set(err_r, "sealed with a key we do not have");
	}
	if (fields->payload.len == 0 ||
	    fields->payload.len > RECORD_PAYLOAD_MAX) {
		return error_set(err_r, "payload of %zu bytes",
				 fields->payload.len);
	}
	memcpy(reading->event, fields->event.ptr, HASH_HEX_SIZE - 1);
	return 0;
}

int record_read(const struct record_fields *fields,
		struct record_reading *reading_r, struct error *err_r)
{
	json_t *root;

	*reading_r = (struct record_reading){ 0 };
	if (read_envelope(fields, reading_r, err_r) < 0) {
		return error_prefix(err_r, "record");
	}
	root = json_loadb(fields->payload.ptr, fields->payload.len,
			  JSON_REJECT_DUPLICATES, NULL);
	reading_r->root = root;
	if (!json_is_object(root)) {
		record_reading_finish(reading_r);
		return error_set(err_r, "record: payload is no JSON object");
	}
	if (read_message(root, reading_r, err_r) < 0 ||
	    read_people(root, reading_r, err_r) < 0) {
		record_reading_finish(reading_r);
		return error_prefix(err_r, "record");
	}
	return 0;
}

void record_reading_finish(struct record_reading *reading)
{
	json_decref(reading->root);
	free(reading->people);
	*reading = (struct record_reading){ 0 };
}
