/* words: the words and phrases of many languages that tell what a line of
   mail is: labels, closings, titles, legal forms, streets, countries. The
   tables are in words_*.c; this finds them in folded text. */
#ifndef POSTERN_FILTERS_WORDS_H
#define POSTERN_FILTERS_WORDS_H

#include "filters/text_chars.h"

/* Bits, so that one search can ask for several. */
enum word_class {
	/* "Tel", "Mobil", "Fax": value is an enum phone_kind, or
	   WORD_PHONE_PLAIN. */
	WORD_PHONE = 1u << 0,
	/* "ext", "Durchwahl", "dob.": an extension follows. */
	WORD_EXTENSION = 1u << 1,
	/* "E-Mail", "Web", "Address": value is an enum word_label. */
	WORD_LABEL = 1u << 2,
	/* "IBAN", "VAT", "HRB", "Meeting ID": numbers beside it are none of
	   ours. */
	WORD_NUMBER = 1u << 3,
	/* "Best regards": a closing, alone on its line. */
	WORD_CLOSING = 1u << 4,
	/* "Manager", "Leiterin": part of a job title. */
	WORD_TITLE = 1u << 5,
	/* "GmbH", "Ltd": value is the index in word_countries or 0. */
	WORD_LEGAL_FORM = 1u << 6,
	/* "Group", "University", "Klinikum": names of organizations. */
	WORD_ORGANIZATION = 1u << 7,
	/* "Department", "Abteilung". */
	WORD_DEPARTMENT = 1u << 8,
	/* "street", "rue", "ul.": value is the country it speaks for, or 0. */
	WORD_STREET = 1u << 9,
	/* "Suite", "Postfach": part of an address. */
	WORD_PLACE = 1u << 10,
	/* Country names and cities: value is the country. */
	WORD_COUNTRY = 1u << 11,
	WORD_CITY = 1u << 12,
	/* "Mr", "Frau": before a name and no part of it. */
	WORD_SALUTATION = 1u << 13,
	/* "Dr.", "PhD", "MBA". */
	WORD_DEGREE = 1u << 14,
	/* "van", "de la": lower-case parts of names. */
	WORD_PARTICLE = 1u << 15,
	/* "Sent from my", "Von meinem": line of a mobile client. */
	WORD_MOBILE = 1u << 16,
	/* "confidential", "registered office": a footer, not a person. */
	WORD_FOOTER = 1u << 17,
	/* "wrote", "schrieb": end of an attribution line. */
	WORD_WROTE = 1u << 18,
	/* "From:", "Von:", "Sent:": value is an enum word_header. */
	WORD_HEADER = 1u << 19,
	/* "Original Message", "Forwarded message". */
	WORD_FORWARD = 1u << 20,
	/* "the", "und", "wir": prose, not a card. */
	WORD_PROSE = 1u << 21,
	/* "info", "office", "sales": a mailbox that is no person. */
	WORD_ROLE_MAILBOX = 1u << 22,
	/* "at", "bei", "chez": between a title and a company. */
	WORD_AT = 1u << 23,
};

#define WORD_PHONE_PLAIN 100

enum word_label {
	WORD_LABEL_EMAIL,
	WORD_LABEL_WEB,
	WORD_LABEL_ADDRESS,
	WORD_LABEL_NAME,
	WORD_LABEL_TITLE,
	WORD_LABEL_COMPANY,
	WORD_LABEL_DEPARTMENT,
	/* Skype, LinkedIn: neither phone nor web address of ours. */
	WORD_LABEL_SOCIAL,
};

enum word_header {
	WORD_HEADER_FROM,
	WORD_HEADER_OTHER,
};

struct word {
	/* Folded: lower case, no accents. */
	const char *text;
	enum word_class class;
	unsigned int value;
};

struct word_table {
	const struct word *words;
	size_t count;
};

/* words_lines.c: what lines of a mail are. words_jobs.c: people, titles,
   organizations. words_places.c: streets, countries, cities. */
extern const struct word_table words_lines;
extern const struct word_table words_jobs;
extern const struct word_table words_places;
/* Endings ("leiterin" of "Einkaufsleiterin"); ideographs, looked for anywhere
   in text without spaces. */
extern const struct word_table words_endings;
extern const struct word_table words_ideographs;

#define WORD_TABLE(array)                                                      \
	{                                                                      \
		array, N_ELEMENTS(array)                                       \
	}

/* ISO 3166 code as a number, for the value of a word. */
#define ISO(a, b) ((unsigned int)(a) << 8 | (unsigned int)(b))

/* Find the longest phrase of one of the classes that begins exactly at text
   and ends at a word's end. Return its length in bytes and *word_r, or 0. */
size_t words_at(struct span text, unsigned int classes,
		const struct word **word_r);

/* Find the first phrase of one of the classes anywhere in a folded line,
   endings and ideographs too. Return false when there is none; otherwise
   *at_r and *len_r tell where. The outputs may be NULL. */
bool words_find(const struct folded *line, unsigned int classes,
		const struct word **word_r, size_t *at_r, size_t *len_r);

/* How many words of the line are in a phrase of one of the classes, and how
   many words there are. */
size_t words_count_in(const struct folded *line, unsigned int classes,
		      size_t *total_r);

/* The whole folded text is one phrase of one of the classes, apart from
   punctuation at its end. */
bool words_is(struct span text, unsigned int classes,
	      const struct word **word_r);

#endif
