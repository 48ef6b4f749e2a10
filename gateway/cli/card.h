/* card: a contact as it stands in the database, and the forms it can be
   written in. What it says came from strangers' mail: each form keeps it from
   being taken for something else. */
#ifndef POSTERN_CLI_CARD_H
#define POSTERN_CLI_CARD_H

#include <stdio.h>

#include <jansson.h>

/* Texts are borrowed and NULL where not known. */
struct card {
	const char *email;
	const char *name;
	const char *title;
	const char *company;
	const char *postal_address;
	/* ISO 8601 in UTC. */
	const char *first_seen;
	const char *last_seen;
	/* From how many messages. */
	const char *sightings;
	/* [{"number","kind"}] and ["url"]; newest first. */
	const json_t *phones;
	const json_t *urls;
};

/* One line of RFC 4180, ended with CRLF. A text that a spreadsheet would take
   for a formula gets a ' in front. */
void card_write_csv_head(FILE *out);
void card_write_csv(FILE *out, const struct card *card);

/* One JSON object and a line end. */
void card_write_json(FILE *out, const struct card *card);

/* One vCard 4.0 (RFC 6350). */
void card_write_vcard(FILE *out, const struct card *card);

/* For people, on a terminal: several lines. */
void card_write_text(FILE *out, const struct card *card);

/* Write text for a terminal: no control, escape or direction-changing
   character gets through. Return how many characters it took. */
size_t card_print_clean(FILE *out, const char *text, size_t max_characters);

/* The number of phone i, NULL past the last; and its kind. */
const char *card_phone(const struct card *card, size_t i, const char **kind_r);

#endif
