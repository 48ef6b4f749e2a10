/* person_name: names from display names and signature lines. Works on words;
   what a word means comes from the tables. */
#include "filters/person_name.h"

#include <stdlib.h>

#include "filters/text_chars.h"
#include "filters/words.h"

#define NAME_WORDS_MAX 12

struct name_words {
	struct span words[NAME_WORDS_MAX];
	size_t count;
};

/* Cut at spaces. */
static void split_words(struct span text, struct name_words *out)
{
	struct span word;

	out->count = 0;
	while (out->count < NAME_WORDS_MAX &&
	       span_next_word(&text, " \t", &word)) {
		out->words[out->count++] = word;
	}
}

static bool word_in(struct span word, unsigned int classes)
{
	struct folded f;

	chars_fold(word, &f);
	if (words_is(folded_span(&f), classes, NULL)) {
		return true;
	}
	/* "Dr" of "Dr.": the table may have it with or without the dot. */
	if (f.len > 0 && f.text[f.len - 1] == '.') {
		f.len--;
		return words_is(folded_span(&f), classes, NULL);
	}
	return false;
}

enum word_case { CASE_NONE, CASE_LOWER, CASE_CAPITAL, CASE_UPPER };

static enum word_case case_of(struct span word, size_t *letters_r)
{
	size_t upper = 0;
	size_t lower = 0;
	size_t letters = 0;
	bool first_upper = false;

	while (word.len > 0) {
		uint32_t c = chars_next(&word);

		if (!chars_is_letter(c)) {
			continue;
		}
		letters++;
		if (chars_is_upper(c)) {
			first_upper = first_upper || letters == 1;
			upper++;
		} else if (chars_upper(c) != c) {
			lower++;
		}
	}
	*letters_r = letters;
	if (upper + lower == 0) {
		return CASE_NONE;
	}
	if (lower == 0) {
		return CASE_UPPER;
	}
	return first_upper ? CASE_CAPITAL : CASE_LOWER;
}

static bool is_shouted(struct span word)
{
	size_t letters;

	return case_of(word, &letters) == CASE_UPPER && letters >= 3 &&
	       span_find(word, '.') < 0 && !span_eq(word, SPAN("III"));
}

/* A name being put together, words separated by SP. */
struct builder {
	char *out;
	size_t len;
};

static void add_bytes(struct builder *b, const char *bytes, size_t len)
{
	if (b->len + len <= PERSON_NAME_MAX) {
		memcpy(b->out + b->len, bytes, len);
		b->len += len;
	}
	b->out[b->len] = '\0';
}

/* Add word; in capital letters it becomes "Jean-Marc". */
static void add_word(struct builder *b, struct span word, bool calm)
{
	bool start = true;

	if (b->len > 0) {
		add_bytes(b, " ", 1);
	}
	if (!calm) {
		add_bytes(b, word.ptr, word.len);
		return;
	}
	while (word.len > 0) {
		uint32_t c = chars_next(&word);
		char put[4];

		c = start ? chars_upper(c) : chars_lower(c);
		add_bytes(b, put, chars_put(c, put));
		start = c == '-' || c == '\'' || c == 0x2019 || c == '.';
	}
}

static struct span strip_quotes(struct span s)
{
	static const struct span marks[] = {
		{ "\"", 1 },
		{ "'", 1 },
		{ "`", 1 },
		{ "\xe2\x80\x9c", 3 },
		{ "\xe2\x80\x9d", 3 },
		{ "\xe2\x80\x9e", 3 },
		{ "\xe2\x80\x98", 3 },
		{ "\xe2\x80\x99", 3 },
		{ "*", 1 },
		{ ",", 1 },
		{ ";", 1 },
		{ "|", 1 },
	};
	bool again = true;

	while (again) {
		again = false;
		s = span_trim(s);
		for (size_t i = 0; i < N_ELEMENTS(marks); i++) {
			if (s.len > 0 && span_starts(s, marks[i])) {
				s = span_from(s, marks[i].len);
				again = true;
			}
			if (s.len >= marks[i].len && s.len > 0 &&
			    span_eq(span_from(s, s.len - marks[i].len),
				    marks[i])) {
				s.len -= marks[i].len;
				again = true;
			}
		}
	}
	return s;
}

/* Copy raw without invisible characters and without what stands in brackets,
   unless nothing else is there. */
static size_t copy_visible(struct span raw, char *out, size_t size)
{
	unsigned int depth = 0;
	size_t len = 0;

	while (raw.len > 0) {
		struct span before = raw;
		uint32_t c = chars_next(&raw);
		size_t n = before.len - raw.len;

		if (c == '(' || c == '[' || c == '<' || c == '{' ||
		    c == 0xff08 || c == 0x3010) {
			depth++;
			continue;
		}
		if (c == ')' || c == ']' || c == '>' || c == '}' ||
		    c == 0xff09 || c == 0x3011) {
			depth -= depth > 0;
			continue;
		}
		if (depth > 0 || c == 0xfffd || len + n >= size) {
			continue;
		}
		if (chars_is_space(c)) {
			out[len++] = ' ';
		} else if (!chars_is_invisible(c)) {
			memcpy(out + len, before.ptr, n);
			len += n;
		}
	}
	return len;
}

/* Cut behind words that end a person's name. */
static struct span cut_tail(struct span s)
{
	static const struct span marks[] = { { " via ", 5 },
					     { " on behalf of ", 14 },
					     { " im Auftrag von ", 16 },
					     { " | ", 3 },
					     { " - ", 3 },
					     { " / ", 3 },
					     { " \xe2\x80\x93 ", 5 },
					     { " \xe2\x80\x94 ", 5 },
					     { " @ ", 3 },
					     { " \xe2\x80\xa2 ", 5 },
					     { " \xc2\xb7 ", 4 } };

	for (size_t i = 0; i < N_ELEMENTS(marks); i++) {
		ptrdiff_t at = span_isearch(s, marks[i]);

		if (at > 0) {
			s.len = (size_t)at;
		}
	}
	return s;
}

/* "Jr.", "III": belongs to the name though a comma stands before it. */
static bool is_suffix(struct span word)
{
	static const char *const suffixes[] = { "jr",	  "jr.",    "sr",
						"sr.",	  "ii",	    "iii",
						"iv",	  "jun.",   "sen.",
						"junior", "senior", "ml.",
						"st.",	  "filho",  "neto" };

	for (size_t i = 0; i < N_ELEMENTS(suffixes); i++) {
		if (span_ieq(word, span_str(suffixes[i]))) {
			return true;
		}
	}
	return false;
}

static bool all_words_in(struct span part, unsigned int classes)
{
	struct name_words w;

	split_words(part, &w);
	for (size_t i = 0; i < w.count; i++) {
		if (!word_in(w.words[i], classes)) {
			return false;
		}
	}
	return w.count > 0;
}

struct comma_parts {
	struct span last;
	struct span first;
	struct span suffix;
};

/* "Last, First", "First Last, PhD", "Last, First, Jr.", "Name, Company". */
static void read_commas(struct span s, struct comma_parts *out)
{
	struct span part;
	size_t n = 0;

	*out = (struct comma_parts){ 0 };
	while (span_next_word(&s, ",", &part)) {
		struct folded f;

		part = span_trim(part);
		chars_fold(part, &f);
		if (part.len == 0 ||
		    (n > 0 &&
		     all_words_in(part, WORD_DEGREE | WORD_SALUTATION))) {
			continue;
		}
		if (n > 0 && is_suffix(part)) {
			out->suffix = part;
			continue;
		}
		if (n == 1 && words_find(&f,
					 WORD_LEGAL_FORM | WORD_DEPARTMENT |
						 WORD_ORGANIZATION | WORD_TITLE,
					 NULL, NULL, NULL)) {
			return;
		}
		if (n == 0) {
			out->last = part;
		} else if (n == 1) {
			out->first = part;
		}
		n++;
	}
}

/* Take salutations and degrees off the front, but "Dr." and "Prof." stay. */
static void drop_titles(struct name_words *w)
{
	size_t from = 0;
	size_t keep = 0;

	/* "i. A. Anna Weber": signed for somebody, in two words. */
	if (w->count > 3 && span_ieq(w->words[0], SPAN("i.")) &&
	    (span_ieq(w->words[1], SPAN("A.")) ||
	     span_ieq(w->words[1], SPAN("V.")))) {
		from = 2;
	}
	while (from + 1 < w->count &&
	       (word_in(w->words[from], WORD_SALUTATION | WORD_DEGREE))) {
		from++;
	}
	for (size_t i = from; i < w->count; i++) {
		w->words[keep++] = w->words[i];
	}
	w->count = keep;
	while (w->count > 2) {
		struct span last = w->words[w->count - 1];
		size_t letters;

		if (!word_in(last, WORD_DEGREE) ||
		    (case_of(last, &letters) != CASE_UPPER &&
		     span_find(last, '.') < 0 && letters != 3)) {
			break;
		}
		w->count--;
	}
}

/* "DUPONT Jean-Marc": the capitals are the surname and come last. */
static size_t shouted_front(const struct name_words *w)
{
	size_t n = 0;

	while (n < w->count && is_shouted(w->words[n])) {
		n++;
	}
	return n < w->count ? n : 0;
}

static void add_words(struct builder *b, const struct name_words *w)
{
	size_t front = shouted_front(w);
	bool all_lower = w->count >= 2;
	size_t letters;

	for (size_t i = 0; i < w->count; i++) {
		all_lower = all_lower &&
			    case_of(w->words[i], &letters) == CASE_LOWER;
	}
	for (size_t i = 0; i < w->count; i++) {
		struct span word = w->words[(i + front) % w->count];

		add_word(b, word, is_shouted(word) || all_lower);
	}
}

size_t person_name_clean(struct span raw, struct span email,
			 char name_r[PERSON_NAME_MAX + 1])
{
	char visible[PERSON_NAME_MAX * 2];
	struct builder b = { .out = name_r };
	struct comma_parts parts;
	struct name_words first;
	struct name_words last;
	struct name_words suffix;
	struct span s;
	ptrdiff_t at = span_find(email, '@');

	name_r[0] = '\0';
	s = span_of(visible, copy_visible(raw, visible, sizeof(visible)));
	s = strip_quotes(cut_tail(strip_quotes(s)));
	/* An address is no name, nor is the local part with its dots. */
	if (s.len == 0 || span_find(s, '@') >= 0 ||
	    (at > 0 && span_ieq(s, span_first(email, (size_t)at)) &&
	     (span_find(s, '.') >= 0 || ascii_is_digit(s.ptr[s.len - 1]) ||
	      ascii_lower(s.ptr[0]) == s.ptr[0]))) {
		return 0;
	}
	read_commas(s, &parts);
	split_words(parts.first, &first);
	split_words(parts.last, &last);
	split_words(parts.suffix, &suffix);
	drop_titles(&first);
	drop_titles(&last);
	if (first.count > 0) {
		/* A comma says which is the surname: capitals need not. */
		for (size_t i = 0; i < first.count; i++) {
			add_word(&b, first.words[i],
				 is_shouted(first.words[i]));
		}
		for (size_t i = 0; i < last.count; i++) {
			add_word(&b, last.words[i], is_shouted(last.words[i]));
		}
	} else {
		add_words(&b, &last);
	}
	for (size_t i = 0; i < suffix.count; i++) {
		add_word(&b, suffix.words[i], false);
	}
	return b.len;
}

/* Words of letters only, "ue" as "u", for comparing names. */
struct name_key {
	char text[FOLDED_MAX + 1];
	struct span words[NAME_WORDS_MAX];
	size_t count;
	bool ideographs;
};

static void key_init(struct name_key *key, struct span name)
{
	struct folded f;
	size_t len = 0;
	size_t start = 0;

	chars_fold(name, &f);
	key->count = 0;
	key->ideographs = f.has_ideographs;
	for (size_t i = 0; i <= f.len; i++) {
		char c = i < f.len ? f.text[i] : ' ';
		bool letter = ascii_is_alpha(c) || (unsigned char)c >= 0x80;

		if (letter && c == 'e' && len > start &&
		    strchr("aou", key->text[len - 1]) != NULL) {
			continue;
		}
		if (letter) {
			key->text[len++] = c;
		} else if (len > start && !f.has_ideographs) {
			if (key->count < NAME_WORDS_MAX) {
				key->words[key->count++] =
					span_of(key->text + start, len - start);
			}
			start = len;
		}
	}
	if (f.has_ideographs && len > 0) {
		key->words[key->count++] = span_of(key->text, len);
	}
}

static bool key_word_counts(struct span word)
{
	return word.len >= 2 &&
	       !words_is(word, WORD_PARTICLE | WORD_DEGREE | WORD_SALUTATION,
			 NULL);
}

size_t person_name_shared(struct span a, struct span b)
{
	struct name_key ka;
	struct name_key kb;
	size_t shared = 0;

	key_init(&ka, a);
	key_init(&kb, b);
	if (ka.ideographs && kb.ideographs && ka.count > 0 && kb.count > 0) {
		return span_search(ka.words[0], kb.words[0]) >= 0 ||
		       span_search(kb.words[0], ka.words[0]) >= 0;
	}
	for (size_t i = 0; i < ka.count; i++) {
		for (size_t j = 0; j < kb.count; j++) {
			if (key_word_counts(ka.words[i]) &&
			    span_eq(ka.words[i], kb.words[j])) {
				shared++;
				break;
			}
		}
	}
	return shared;
}

bool person_name_same(struct span a, struct span b)
{
	return person_name_shared(a, b) > 0;
}

static bool has_latin(struct span s)
{
	while (s.len > 0) {
		uint32_t c = chars_next(&s);

		if (chars_is_letter(c) && c < 0x250) {
			return true;
		}
	}
	return false;
}

bool person_name_other_script(struct span a, struct span b)
{
	return a.len > 0 && b.len > 0 && has_latin(a) != has_latin(b);
}

bool person_name_in_address(struct span name, struct span email)
{
	ptrdiff_t at = span_find(email, '@');
	struct name_key key;
	struct name_key local;
	char joined[FOLDED_MAX + 1];
	size_t len = 0;

	if (at <= 0) {
		return false;
	}
	key_init(&key, name);
	key_init(&local, span_first(email, (size_t)at));
	for (size_t i = 0; i < local.count; i++) {
		memcpy(joined + len, local.words[i].ptr, local.words[i].len);
		len += local.words[i].len;
	}
	for (size_t i = 0; i < key.count; i++) {
		if (key.words[i].len >= 3 && key_word_counts(key.words[i]) &&
		    span_search(span_of(joined, len), key.words[i]) >= 0) {
			return true;
		}
	}
	return false;
}

static bool is_name_word(struct span word, bool *has_capital)
{
	size_t letters;

	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.ptr[i];

		if (c < 0x80 && !ascii_is_alpha((char)c) && c != '-' &&
		    c != '.' && c != '\'') {
			return false;
		}
	}
	switch (case_of(word, &letters)) {
	case CASE_CAPITAL:
	case CASE_UPPER:
		*has_capital = true;
		return true;
	case CASE_NONE:
		return letters > 0;
	default:
		return word_in(word, WORD_PARTICLE);
	}
}

bool person_name_likely(struct span text)
{
	struct comma_parts parts;
	struct name_words w;
	struct folded f;
	bool has_capital = false;

	read_commas(text, &parts);
	if (parts.first.len > 0) {
		return false;
	}
	split_words(parts.last, &w);
	drop_titles(&w);
	chars_fold(text, &f);
	if (f.len == 0 || chars_count(text) > 60 ||
	    words_find(&f,
		       WORD_TITLE | WORD_LEGAL_FORM | WORD_ORGANIZATION |
			       WORD_DEPARTMENT | WORD_CLOSING | WORD_COUNTRY |
			       WORD_PLACE,
		       NULL, NULL, NULL)) {
		return false;
	}
	if (f.has_ideographs) {
		size_t n = chars_count(parts.last);

		return n >= 2 && n <= 7;
	}
	for (size_t i = 0; i < w.count; i++) {
		if (!is_name_word(w.words[i], &has_capital)) {
			return false;
		}
	}
	return w.count >= 2 && w.count <= 5 && w.words[0].len > 0;
}

bool person_name_is_fuller(struct span a, struct span b)
{
	struct name_key ka;
	struct name_key kb;
	size_t full_a = 0;
	size_t full_b = 0;

	key_init(&ka, a);
	key_init(&kb, b);
	for (size_t i = 0; i < ka.count; i++) {
		full_a += ka.words[i].len > 1 ? 2 : 1;
	}
	for (size_t i = 0; i < kb.count; i++) {
		full_b += kb.words[i].len > 1 ? 2 : 1;
	}
	return full_a > full_b;
}

bool person_name_is_role_mailbox(struct span email)
{
	ptrdiff_t at = span_find(email, '@');
	struct folded f;

	if (at <= 0) {
		return false;
	}
	chars_fold(span_first(email, (size_t)at), &f);
	while (f.len > 1 && ascii_is_digit(f.text[f.len - 1])) {
		f.len--;
	}
	f.text[f.len] = '\0';
	return words_at(folded_span(&f), WORD_ROLE_MAILBOX, NULL) > 0;
}
