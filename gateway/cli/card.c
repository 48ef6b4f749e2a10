/* card: CSV, JSON, vCard and plain text. Pure: writes to a stream. */
#include "cli/card.h"

#include <stdlib.h>
#include <string.h>

#include "lib/span.h"
#include "lib/strbuf.h"

/* RFC 6350 3.2: without the line end. */
#define VCARD_LINE_MAX 75

#define VCARD_TEXT_MAX 65536

const char *card_phone(const struct card *card, size_t i, const char **kind_r)
{
	const json_t *phone = json_array_get(card->phones, i);
	const char *kind = json_string_value(json_object_get(phone, "kind"));

	*kind_r = kind == NULL || kind[0] == '\0' ? "other" : kind;
	return json_string_value(json_object_get(phone, "number"));
}

/* --- CSV --------------------------------------------------------------- */

static const char *const csv_columns[] = {
	"email", "name",	   "title",	 "company",   "phones",
	"urls",	 "postal_address", "first_seen", "last_seen", "messages",
};

void card_write_csv_head(FILE *out)
{
	for (size_t i = 0; i < N_ELEMENTS(csv_columns); i++) {
		fprintf(out, "%s%s", i == 0 ? "" : ",", csv_columns[i]);
	}
	fputs("\r\n", out);
}

/* What makes a spreadsheet take a text for a formula; the full-width forms
   do in some. */
static bool looks_like_formula(const char *text)
{
	static const char *const starts[] = {
		"=",
		"+",
		"-",
		"@",
		"\t",
		"\r",
		"\n",
		"\xef\xbc\x9d",
		"\xef\xbc\x8b",
		"\xef\xbc\x8d",
		"\xef\xbc\xa0",
	};

	for (size_t i = 0; i < N_ELEMENTS(starts); i++) {
		if (strncmp(text, starts[i], strlen(starts[i])) == 0) {
			return true;
		}
	}
	return false;
}

/* Phones begin with '+' and are digits; all other text is a stranger's. */
static void write_csv_text(FILE *out, const char *text, bool is_text)
{
	fputc('"', out);
	if (is_text && text != NULL && looks_like_formula(text)) {
		fputc('\'', out);
	}
	for (; text != NULL && *text != '\0'; text++) {
		if (*text == '"') {
			fputc('"', out);
		}
		fputc(*text, out);
	}
	fputc('"', out);
}

static void join_phones(const struct card *card, struct strbuf *out)
{
	const char *kind;
	const char *number;

	for (size_t i = 0; (number = card_phone(card, i, &kind)) != NULL; i++) {
		strbuf_addf(out, "%s%s (%s)", i == 0 ? "" : "; ", number, kind);
	}
}

static void join_urls(const struct card *card, struct strbuf *out)
{
	for (size_t i = 0; i < json_array_size(card->urls); i++) {
		strbuf_addf(out, "%s%s", i == 0 ? "" : " ",
			    json_string_value(json_array_get(card->urls, i)));
	}
}

void card_write_csv(FILE *out, const struct card *card)
{
	struct strbuf phones = STRBUF_INIT(VCARD_TEXT_MAX);
	struct strbuf urls = STRBUF_INIT(VCARD_TEXT_MAX);
	const char *columns[N_ELEMENTS(csv_columns)];

	join_phones(card, &phones);
	join_urls(card, &urls);
	columns[0] = card->email;
	columns[1] = card->name;
	columns[2] = card->title;
	columns[3] = card->company;
	columns[4] = strbuf_cstr(&phones);
	columns[5] = strbuf_cstr(&urls);
	columns[6] = card->postal_address;
	columns[7] = card->first_seen;
	columns[8] = card->last_seen;
	columns[9] = card->sightings;
	for (size_t i = 0; i < N_ELEMENTS(columns); i++) {
		if (i > 0) {
			fputc(',', out);
		}
		write_csv_text(out, columns[i], i != 4);
	}
	fputs("\r\n", out);
	strbuf_finish(&phones);
	strbuf_finish(&urls);
}

/* --- JSON -------------------------------------------------------------- */

/* As `postern extract --json` has them: number and extension apart. */
static json_t *json_phones(const struct card *card)
{
	static const char ext_mark[] = ";ext=";
	json_t *phones = json_array();
	const char *number;
	const char *kind;

	for (size_t i = 0; (number = card_phone(card, i, &kind)) != NULL; i++) {
		const char *mark = strstr(number, ext_mark);
		size_t len =
			mark == NULL ? strlen(number) : (size_t)(mark - number);

		json_array_append_new(
			phones,
			json_pack("{s:s%, s:s?, s:s}", "e164", number, len,
				  "ext",
				  mark == NULL ? NULL
					       : mark + sizeof(ext_mark) - 1,
				  "kind", kind));
	}
	return phones;
}

void card_write_json(FILE *out, const struct card *card)
{
	json_t *object = json_pack(
		"{s:s?, s:s?, s:s?, s:s?, s:s?, s:o, s:O, s:s?, s:s?, s:I}",
		"email", card->email, "name", card->name, "title", card->title,
		"company", card->company, "postal_address",
		card->postal_address, "phones", json_phones(card), "urls",
		card->urls, "first_seen", card->first_seen, "last_seen",
		card->last_seen, "messages",
		(json_int_t)strtoll(card->sightings, NULL, 10));

	if (object != NULL) {
		json_dumpf(object, out, JSON_COMPACT);
		fputc('\n', out);
	}
	json_decref(object);
}

/* --- vCard ------------------------------------------------------------- */

/* Write one content line, folded between characters (RFC 6350 3.2). */
static void write_folded(FILE *out, struct strbuf *line)
{
	struct span rest = strbuf_span(line);
	size_t room = VCARD_LINE_MAX;

	while (rest.len > room) {
		size_t cut = room;

		/* Not inside a UTF-8 sequence. */
		while (cut > 1 &&
		       ((unsigned char)rest.ptr[cut] & 0xc0) == 0x80) {
			cut--;
		}
		fprintf(out, "%.*s\r\n ", (int)cut, rest.ptr);
		rest = span_from(rest, cut);
		room = VCARD_LINE_MAX - 1;
	}
	fprintf(out, "%.*s\r\n", SPAN_ARGS(rest));
	strbuf_clear(line);
}

/* RFC 6350 3.4. */
static void add_escaped(struct strbuf *line, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			strbuf_add_str(line, "\\n");
			continue;
		}
		if (strchr("\\,;", *text) != NULL) {
			strbuf_add_char(line, '\\');
		}
		if ((unsigned char)*text >= 0x20) {
			strbuf_add_char(line, *text);
		}
	}
}

/* A URI is not escaped, but a line it is. */
static void add_printable(struct strbuf *line, const char *uri)
{
	for (; uri != NULL && *uri != '\0'; uri++) {
		if ((unsigned char)*uri > ' ') {
			strbuf_add_char(line, *uri);
		}
	}
}

static void write_property(FILE *out, struct strbuf *line, const char *name,
			   const char *text)
{
	if (text == NULL) {
		return;
	}
	strbuf_addf(line, "%s:", name);
	add_escaped(line, text);
	write_folded(out, line);
}

/* RFC 6350 6.4.1. */
static const char *vcard_phone_type(const char *kind)
{
	static const struct {
		const char *kind;
		const char *type;
	} rows[] = {
		{ "work", "work,voice" }, { "mobile", "cell" },
		{ "fax", "fax" },	  { "home", "home,voice" },
		{ "pager", "pager" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (strcmp(rows[i].kind, kind) == 0) {
			return rows[i].type;
		}
	}
	return "voice";
}

static void write_vcard_phones(FILE *out, struct strbuf *line,
			       const struct card *card)
{
	const char *kind;
	const char *number;

	for (size_t i = 0; (number = card_phone(card, i, &kind)) != NULL; i++) {
		strbuf_addf(line, "TEL;VALUE=uri;TYPE=\"%s\":tel:%s",
			    vcard_phone_type(kind), number);
		write_folded(out, line);
	}
}

/* Unstructured: all of it in the street component. */
static void write_vcard_address(FILE *out, struct strbuf *line,
				const char *address)
{
	if (address == NULL) {
		return;
	}
	strbuf_add_str(line, "ADR:;;");
	add_escaped(line, address);
	strbuf_add_str(line, ";;;;");
	write_folded(out, line);
}

void card_write_vcard(FILE *out, const struct card *card)
{
	struct strbuf line = STRBUF_INIT(VCARD_TEXT_MAX);

	fputs("BEGIN:VCARD\r\nVERSION:4.0\r\n", out);
	write_property(out, &line, "FN",
		       card->name == NULL ? card->email : card->name);
	write_property(out, &line, "EMAIL", card->email);
	write_property(out, &line, "TITLE", card->title);
	write_property(out, &line, "ORG", card->company);
	write_vcard_phones(out, &line, card);
	for (size_t i = 0; i < json_array_size(card->urls); i++) {
		strbuf_add_str(&line, "URL:");
		add_printable(&line,
			      json_string_value(json_array_get(card->urls, i)));
		write_folded(out, &line);
	}
	write_vcard_address(out, &line, card->postal_address);
	fputs("END:VCARD\r\n", out);
	strbuf_finish(&line);
}

/* --- terminal ---------------------------------------------------------- */

/* Bytes of the UTF-8 character at text; 0 when it is one a terminal must not
   get: C0 and C1 controls, DEL, and those that change the direction of text
   (U+202A..E, U+2066..9), which make a name read as another. */
static size_t clean_character(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	if (c[0] < 0x20 || c[0] == 0x7f) {
		return 0;
	}
	if (c[0] < 0x80) {
		return 1;
	}
	if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) {
		return 0;
	}
	if (c[0] == 0xe2 && ((c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) ||
			     (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9))) {
		return 0;
	}
	if (c[0] >= 0xf0) {
		return 4;
	}
	return c[0] >= 0xe0 ? 3 : 2;
}

size_t card_print_clean(FILE *out, const char *text, size_t max_characters)
{
	size_t written = 0;

	while (text != NULL && *text != '\0' && written < max_characters) {
		size_t len = clean_character(text);

		if (len == 0) {
			fputc('?', out);
			text++;
			/* The rest of a refused sequence. */
			while (((unsigned char)*text & 0xc0) == 0x80) {
				text++;
			}
		} else {
			len = strnlen(text, len);
			fwrite(text, 1, len, out);
			text += len;
		}
		written++;
	}
	return written;
}

static void write_text_line(FILE *out, const char *label, const char *text)
{
	if (text != NULL) {
		fprintf(out, "  %-10s ", label);
		card_print_clean(out, text, SIZE_MAX);
		fputc('\n', out);
	}
}

void card_write_text(FILE *out, const struct card *card)
{
	const char *kind;
	const char *number;

	card_print_clean(out, card->name == NULL ? card->email : card->name,
			 SIZE_MAX);
	fputc('\n', out);
	write_text_line(out, "address", card->email);
	write_text_line(out, "title", card->title);
	write_text_line(out, "company", card->company);
	for (size_t i = 0; (number = card_phone(card, i, &kind)) != NULL; i++) {
		write_text_line(out, kind, number);
	}
	for (size_t i = 0; i < json_array_size(card->urls); i++) {
		write_text_line(
			out, "url",
			json_string_value(json_array_get(card->urls, i)));
	}
	write_text_line(out, "postal", card->postal_address);
	fprintf(out, "  %-10s %s to %s, %s messages\n", "seen",
		card->first_seen, card->last_seen, card->sightings);
}
