/* signature_block: look at the last lines of a segment, say of each what it
   is, and find where the signature begins: below "-- ", below a closing, at
   the writer's name, or where prose ends and labels begin. */
#include "filters/signature_block.h"

#include "filters/person_name.h"
#include "filters/text_links.h"
#include "filters/words.h"

/* Lines looked at, from the segment's end. A long disclaimer fits. */
#define WINDOW_LINES 140
/* A line longer than this is a paragraph without line breaks. */
#define LONG_LINE 160
/* Lines of prose below a signature: a disclaimer has no more. */
#define ENOUGH_PROSE 14

enum line_kind {
	LINE_BLANK,
	/* "-- ". */
	LINE_DELIMITER,
	/* "_____". */
	LINE_RULE,
	LINE_CLOSING,
	LINE_MOBILE,
	LINE_FOOTER,
	LINE_PROSE,
	/* Armor of PGP: nothing below counts. */
	LINE_ARMOR,
	LINE_OTHER,
};

struct window {
	const struct text_line *lines;
	size_t count;
	enum line_kind kinds[WINDOW_LINES];
	struct span name;
	struct span email;
};

static bool is_rule(struct span text)
{
	size_t marks = 0;

	while (text.len > 0) {
		uint32_t c = chars_next(&text);

		if (chars_is_letter(c) || chars_digit(c) >= 0) {
			return false;
		}
		marks += !chars_is_space(c);
	}
	return marks >= 3;
}

static bool starts_with_capital(struct span s)
{
	struct span rest = span_trim(s);
	uint32_t c = rest.len == 0 ? 0 : chars_next(&rest);

	return chars_is_upper(c) || (chars_is_letter(c) && chars_upper(c) == c);
}

static size_t count_words(struct span s)
{
	struct span word;
	size_t n = 0;

	while (span_next_word(&s, " \t", &word)) {
		n++;
	}
	return n;
}

/* A closing alone on its line, or with a name or place behind it. *name_r is
   what follows a comma. */
static bool read_closing(struct span text, const struct folded *f,
			 struct span *name_r)
{
	size_t len = words_at(folded_span(f), WORD_CLOSING, NULL);
	struct span tail;
	size_t closing_words;
	size_t words = count_words(text);

	*name_r = SPAN("");
	if (len == 0) {
		return f->has_ideographs && f->len < 90 &&
		       words_find(f, WORD_CLOSING, NULL, NULL, NULL);
	}
	closing_words = count_words(span_of(f->text, len));
	/* The same number of words off the text as written. */
	tail = text;
	for (size_t i = 0; i < closing_words; i++) {
		struct span word;

		span_next_word(&tail, " \t", &word);
	}
	tail = span_trim(tail);
	if (words <= closing_words) {
		return true;
	}
	if (f->text[len] == ',' || f->text[len] == '!' || f->text[len] == '.' ||
	    f->text[len] == '-' || f->text[len] == '/' || f->text[len] == '|') {
		if (words - closing_words <= 4) {
			*name_r = person_name_likely(tail) ||
						  words == closing_words + 1
					  ? tail
					  : SPAN("");
			return starts_with_capital(tail) ||
			       words_at(folded_span(f), WORD_CLOSING, NULL) > 8;
		}
		return false;
	}
	/* "Viele Grüße aus Kiel", "Cheers Bob", "Kind regards / Mit ...". */
	if (closing_words == 1) {
		if (words == 2 && starts_with_capital(tail) &&
		    strchr(".!?:", text.ptr[text.len - 1]) == NULL) {
			*name_r = tail;
			return true;
		}
		return false;
	}
	return words - closing_words <= 4 &&
	       words_count_in(f, WORD_PROSE, NULL) <= 1;
}

static bool is_prose(struct span text, const struct folded *f)
{
	size_t words;
	size_t prose = words_count_in(f, WORD_PROSE, &words);
	char last = text.ptr[text.len - 1];

	if (span_istarts(text, SPAN("ps:")) ||
	    span_istarts(text, SPAN("p.s")) ||
	    span_istarts(text, SPAN("ps "))) {
		return true;
	}
	if (text.len > LONG_LINE && span_find(text, '|') < 0 &&
	    span_find(text, '\t') < 0) {
		return true;
	}
	if (words >= 7 && prose >= 2 && prose * 6 >= words) {
		return true;
	}
	return words >= 4 && prose >= 1 &&
	       (last == '.' || last == '!' || last == '?') &&
	       text_link_email(text).len == 0 && prose * 8 >= words;
}

static bool is_footer(const struct folded *f)
{
	size_t words;
	const struct word *word;

	if (!words_find(f, WORD_FOOTER, &word, NULL, NULL)) {
		return false;
	}
	words_count_in(f, WORD_FOOTER, &words);
	return words >= 4 || strchr(word->text, ':') != NULL ||
	       strchr(word->text, ' ') != NULL;
}

static enum line_kind classify(const struct text_line *line)
{
	struct span text = span_trim(line->text);
	struct folded f;
	struct span name;

	if (text_line_is_delimiter(line->text)) {
		return LINE_DELIMITER;
	}
	if (text.len == 0) {
		return LINE_BLANK;
	}
	if (is_rule(text)) {
		return LINE_RULE;
	}
	if (span_starts(text, SPAN("-----BEGIN PGP SIGNATURE")) ||
	    span_starts(text, SPAN("-----BEGIN PGP PUBLIC"))) {
		return LINE_ARMOR;
	}
	if (span_starts(text, SPAN("-----BEGIN PGP")) ||
	    span_istarts(text, SPAN("Hash: "))) {
		return LINE_PROSE;
	}
	chars_fold(text, &f);
	if (f.len == 0) {
		return LINE_BLANK;
	}
	if (words_at(folded_span(&f), WORD_MOBILE, NULL) > 0 ||
	    (f.has_ideographs &&
	     words_find(&f, WORD_MOBILE, NULL, NULL, NULL))) {
		return LINE_MOBILE;
	}
	if (text.len < 100 && read_closing(text, &f, &name)) {
		return LINE_CLOSING;
	}
	if (is_footer(&f)) {
		return LINE_FOOTER;
	}
	return is_prose(text, &f) ? LINE_PROSE : LINE_OTHER;
}

/* From the end up. Above so much prose nothing is searched but "-- ", so the
   rest of a long letter need not be read for words. */
static void classify_window(struct window *w)
{
	size_t prose = 0;

	for (size_t i = w->count; i > 0; i--) {
		const struct text_line *line = &w->lines[i - 1];

		if (prose < ENOUGH_PROSE) {
			w->kinds[i - 1] = classify(line);
			prose += w->kinds[i - 1] == LINE_PROSE;
			continue;
		}
		w->kinds[i - 1] = text_line_is_delimiter(line->text)
					  ? LINE_DELIMITER
				  : span_trim(line->text).len == 0 ? LINE_BLANK
								   : LINE_PROSE;
	}
}

/* Where list footers and armor begin: the end of what a person wrote. */
static size_t cut_trailer(const struct window *w)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->kinds[i] == LINE_ARMOR) {
			return i;
		}
		if (w->kinds[i] != LINE_RULE && w->kinds[i] != LINE_DELIMITER) {
			continue;
		}
		for (size_t j = i + 1; j < w->count && j < i + 3; j++) {
			if (w->kinds[j] == LINE_FOOTER) {
				return i;
			}
			if (w->kinds[j] != LINE_BLANK) {
				break;
			}
		}
	}
	return w->count;
}

static size_t count_kind(const struct window *w, size_t from, size_t to,
			 enum line_kind kind)
{
	size_t n = 0;

	for (size_t i = from; i < to; i++) {
		n += w->kinds[i] == kind;
	}
	return n;
}

/* The first cell of the line is the writer's name. */
static bool is_name_line(const struct window *w, size_t i)
{
	struct span text = span_trim(w->lines[i].text);
	struct folded f;

	if (w->kinds[i] != LINE_OTHER || w->name.len == 0) {
		return false;
	}
	for (size_t j = 0; j < text.len; j++) {
		if (strchr("|\t,/;(", text.ptr[j]) != NULL) {
			text.len = j;
		}
	}
	text = span_trim(text);
	while (text.len > 0 && text.ptr[0] == '*') {
		text = span_from(text, 1);
	}
	chars_fold(text, &f);
	if (words_find(&f, WORD_TITLE, NULL, NULL, NULL) &&
	    person_name_shared(text, w->name) < count_words(text)) {
		return false;
	}
	return text.len > 0 && text.len < 60 && count_words(text) <= 5 &&
	       person_name_same(text, w->name) && starts_with_capital(text);
}

/* A label with digits, the writer's address: a card and no prose. */
static bool is_evidence(const struct window *w, size_t i)
{
	struct folded f;
	struct span email;

	if (w->kinds[i] != LINE_OTHER) {
		return false;
	}
	email = text_link_email(w->lines[i].text);
	if (email.len > 0 && span_ieq(email, w->email)) {
		return true;
	}
	chars_fold(w->lines[i].text, &f);
	size_t digits = 0;

	for (size_t j = 0; j < f.len; j++) {
		digits += ascii_is_digit(f.text[j]);
	}
	return (digits >= 6 &&
		(words_at(folded_span(&f), WORD_PHONE, NULL) > 0 ||
		 span_find(folded_span(&f), '+') >= 0)) ||
	       words_find(&f, WORD_LEGAL_FORM, NULL, NULL, NULL);
}

static ptrdiff_t find_delimiter(const struct window *w, size_t end)
{
	size_t said = 0;
	ptrdiff_t found = -1;

	for (size_t i = end; i > 0 && said < 40; i--) {
		said += w->kinds[i - 1] != LINE_BLANK;
		if (w->kinds[i - 1] == LINE_DELIMITER) {
			found = (ptrdiff_t)i - 1;
		}
	}
	return found;
}

/* The first closing of those at the end: "Thanks, / Best regards". */
static ptrdiff_t find_closing(const struct window *w, size_t end)
{
	size_t prose = 0;
	size_t said = 0;
	ptrdiff_t found = -1;

	for (size_t i = end; i > 0; i--) {
		prose += w->kinds[i - 1] == LINE_PROSE;
		said += w->kinds[i - 1] == LINE_OTHER;
		if (prose > 2 || said > SIGNATURE_LINES_MAX) {
			break;
		}
		if (w->kinds[i - 1] == LINE_CLOSING) {
			found = (ptrdiff_t)i - 1;
			if (prose > 0) {
				break;
			}
		}
	}
	return found;
}

static ptrdiff_t find_name(const struct window *w, size_t end)
{
	size_t prose = 0;
	ptrdiff_t found = -1;

	for (size_t i = end; i > 0; i--) {
		prose += w->kinds[i - 1] == LINE_PROSE;
		if (prose > 2) {
			break;
		}
		if (is_name_line(w, i - 1)) {
			found = (ptrdiff_t)i - 1;
		}
	}
	return found;
}

/* Below the last prose, when what is there is surely a card. */
static ptrdiff_t find_evidence(const struct window *w, size_t end)
{
	size_t evidence = 0;
	size_t other = 0;
	size_t i = end;

	while (i > 0 && w->kinds[i - 1] != LINE_PROSE) {
		i--;
		evidence += is_evidence(w, i);
		other += w->kinds[i] == LINE_OTHER;
	}
	return evidence >= 1 && other >= 2 && other <= 14 ? (ptrdiff_t)i : -1;
}

/* East Asian cards have company and title above the name: go up to the rule or
   empty line that the card begins at. */
static size_t above_name(const struct window *w, size_t name)
{
	size_t i = name;

	while (i > 0 && name - i < 5 && w->kinds[i - 1] == LINE_OTHER &&
	       span_trim(w->lines[i - 1].text).len < 80) {
		i--;
	}
	if (i > 0 && w->kinds[i - 1] != LINE_RULE) {
		struct folded f;

		chars_fold(w->lines[name].text, &f);
		if (!f.has_ideographs || w->kinds[i - 1] != LINE_BLANK) {
			return name;
		}
	}
	return i;
}

static bool find_start(const struct window *w, size_t end, size_t *start_r,
		       bool *marked_r)
{
	ptrdiff_t delimiter = find_delimiter(w, end);
	ptrdiff_t closing =
		find_closing(w, delimiter >= 0 ? (size_t)delimiter : end);
	ptrdiff_t name;

	*marked_r = true;
	if (delimiter >= 0) {
		*start_r = (size_t)delimiter + 1;
		if (closing >= 0 && delimiter - closing <= 12 &&
		    count_kind(w, (size_t)closing, (size_t)delimiter,
			       LINE_PROSE) == 0) {
			*start_r = (size_t)closing;
		}
		return true;
	}
	if (closing >= 0) {
		*start_r = (size_t)closing;
		return true;
	}
	*marked_r = false;
	name = find_name(w, end);
	if (name >= 0) {
		name = (ptrdiff_t)above_name(w, (size_t)name);
	} else {
		name = find_evidence(w, end);
	}
	*start_r = name < 0 ? 0 : (size_t)name;
	return name >= 0;
}

static void add_line(struct signature_block *block,
		     const struct text_line *line, bool *gap)
{
	if (block->count < SIGNATURE_LINES_MAX) {
		block->lines[block->count++] = (struct signature_line){
			.text = span_trim(line->text),
			.number = line->number,
			.starts_paragraph = *gap,
		};
	}
	*gap = false;
}

static void collect(const struct window *w, size_t start, size_t end,
		    struct signature_block *block)
{
	bool gap = true;

	for (size_t i = start; i < end; i++) {
		struct folded f;
		struct span name;

		switch (w->kinds[i]) {
		case LINE_OTHER:
			add_line(block, &w->lines[i], &gap);
			break;
		case LINE_CLOSING:
			chars_fold(span_trim(w->lines[i].text), &f);
			if (read_closing(span_trim(w->lines[i].text), &f,
					 &name) &&
			    name.len > 0 && block->count == 0) {
				block->closing_name = name;
			}
			gap = true;
			break;
		case LINE_FOOTER:
		case LINE_MOBILE:
			/* Below a card nothing more is said of its owner; a
			   footer above it is only stepped over. */
			if (block->count > 1) {
				return;
			}
			gap = true;
			break;
		case LINE_DELIMITER:
			gap = true;
			break;
		default:
			gap = true;
			break;
		}
	}
}

bool signature_block_find(const struct text_lines *lines,
			  const struct text_segment *segment, struct span name,
			  struct span email, struct signature_block *block_r)
{
	struct window w = { .name = name, .email = email };
	size_t first = segment->first;
	size_t start;
	size_t end;

	if (segment->end - first > WINDOW_LINES) {
		first = segment->end - WINDOW_LINES;
	}
	w.lines = &lines->items[first];
	w.count = segment->end - first;
	classify_window(&w);
	block_r->count = 0;
	block_r->closing_name = SPAN("");
	end = cut_trailer(&w);
	if (!find_start(&w, end, &start, &block_r->is_marked)) {
		return false;
	}
	collect(&w, start, end, block_r);
	return block_r->count > 0 || block_r->closing_name.len > 0;
}
