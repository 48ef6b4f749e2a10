/* text_chars: characters as a reader of mail sees them: letters, capitals and
   digits of any script, and a folded form in which words of many languages
   can be looked up. Knows no words. */
#ifndef POSTERN_FILTERS_TEXT_CHARS_H
#define POSTERN_FILTERS_TEXT_CHARS_H

#include "lib/span.h"

/* Take one character off *rest (not empty). What is no UTF-8 gives U+FFFD and
   takes one byte. */
uint32_t chars_next(struct span *rest);

/* Write c as UTF-8; return its length, at most 4. */
size_t chars_put(uint32_t c, char *out);

/* The number of characters. */
size_t chars_count(struct span s);

/* The value of a decimal digit of any common script, or -1. */
int chars_digit(uint32_t c);

bool chars_is_letter(uint32_t c);
/* False for scripts without capitals. */
bool chars_is_upper(uint32_t c);
/* Chinese, Japanese, Korean, Thai: scripts that need no spaces. */
bool chars_is_ideograph(uint32_t c);
bool chars_is_space(uint32_t c);
/* Takes no room: direction marks, zero width, soft hyphen, tags. */
bool chars_is_invisible(uint32_t c);
uint32_t chars_lower(uint32_t c);
uint32_t chars_upper(uint32_t c);

/* A line in the form in which words are looked up: lower case, accents gone,
   white space collapsed to one SP, hyphens and apostrophes ASCII, digits
   ASCII, invisible characters gone, telephone and letter symbols as words. */
#define FOLDED_MAX 600
struct folded {
	size_t len;
	/* Holds ideographs: words are found without spaces. */
	bool has_ideographs;
	char text[FOLDED_MAX + 1];
};

/* Fold s; what does not fit is left out. text ends with a NUL. */
void chars_fold(struct span s, struct folded *out);

static inline struct span folded_span(const struct folded *f)
{
	return span_of(f->text, f->len);
}

/* May stand inside a folded word: a letter, a digit, a byte of another
   script. */
static inline bool folded_is_word(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) ||
	       (unsigned char)c >= 0x80;
}

#endif
