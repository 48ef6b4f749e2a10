/* words: find phrases in folded text. The table is indexed once by the first
   word of each phrase; a look-up costs one hash and the few phrases that
   share it. */
#include "filters/words.h"

#include <stdlib.h>

#include "lib/xalloc.h"

/* A power of two, well above the number of phrases. */
#define BUCKETS 8192

static const struct word_table *const tables[] = { &words_lines, &words_jobs,
						   &words_places };

struct phrase {
	const struct word *word;
	struct span text;
	struct phrase *next;
};

/* Built once from the tables and then never changed. */
static struct phrase *buckets[BUCKETS];
static struct phrase *phrases;
/* Endings by their last byte. */
static struct phrase *endings[256];
/* The endings of compound words, by their last byte, in the table's order. */
static struct phrase *endings[256];

static size_t word_length(struct span s)
{
	size_t n = 0;

	while (n < s.len && folded_is_word(s.ptr[n])) {
		n++;
	}
	return n;
}

static uint32_t hash_word(struct span word)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < word.len; i++) {
		h = (h ^ (unsigned char)word.ptr[i]) * 16777619u;
	}
	return (h ^ h >> 15) & (BUCKETS - 1);
}

static void index_endings(void)
{
	struct phrase *p = xcalloc(words_endings.count, sizeof(*p));

	for (size_t i = words_endings.count; i > 0; i--, p++) {
		unsigned char last;

		p->word = &words_endings.words[i - 1];
		p->text = span_str(p->word->text);
		last = (unsigned char)p->text.ptr[p->text.len - 1];
		p->next = endings[last];
		endings[last] = p;
	}
}

static void index_words(void)
{
	struct phrase *p;
	size_t count = words_endings.count;

	for (size_t t = 0; t < N_ELEMENTS(tables); t++) {
		count += tables[t]->count;
	}
	phrases = xcalloc(count, sizeof(*phrases));
	p = phrases;
	index_endings();
	for (size_t t = 0; t < N_ELEMENTS(tables); t++) {
		for (size_t i = 0; i < tables[t]->count; i++, p++) {
			uint32_t h;

			p->word = &tables[t]->words[i];
			p->text = span_str(p->word->text);
			h = hash_word(
				span_first(p->text, word_length(p->text)));
			p->next = buckets[h];
			buckets[h] = p;
		}
	}
	for (size_t i = 0; i < words_endings.count; i++, p++) {
		unsigned char last;

		p->word = &words_endings.words[i];
		p->text = span_str(p->word->text);
		last = (unsigned char)p->text.ptr[p->text.len - 1];
		p->next = endings[last];
		endings[last] = p;
	}
}

/* The phrase's last word must end where the text's does; a phrase that ends
   in punctuation ends anywhere. */
static bool ends_well(struct span text, size_t len)
{
	return len == text.len || !folded_is_word(text.ptr[len]) ||
	       !folded_is_word(text.ptr[len - 1]);
}

size_t words_at(struct span text, unsigned int classes,
		const struct word **word_r)
{
	size_t first = word_length(text);
	size_t best = 0;

	if (first == 0) {
		return 0;
	}
	if (phrases == NULL) {
		index_words();
	}
	for (struct phrase *p = buckets[hash_word(span_first(text, first))];
	     p != NULL; p = p->next) {
		if ((p->word->class & classes) != 0 && p->text.len > best &&
		    span_starts(text, p->text) &&
		    ends_well(text, p->text.len)) {
			best = p->text.len;
			if (word_r != NULL) {
				*word_r = p->word;
			}
		}
	}
	return best;
}

static size_t ending_of(struct span word, unsigned int classes,
			const struct word **word_r)
{
	if (word.len < 4) {
		return 0;
	}
	for (struct phrase *p = endings[(unsigned char)word.ptr[word.len - 1]];
	     p != NULL; p = p->next) {
		if ((p->word->class & classes) != 0 &&
		    word.len > p->text.len + 1 &&
		    span_eq(span_from(word, word.len - p->text.len), p->text)) {
			if (word_r != NULL) {
				*word_r = p->word;
			}
			return word.len;
		}
	}
	return 0;
}

static bool find_ideographs(struct span text, unsigned int classes,
			    const struct word **word_r, size_t *at_r,
			    size_t *len_r)
{
	for (size_t i = 0; i < words_ideographs.count; i++) {
		struct span part = span_str(words_ideographs.words[i].text);
		ptrdiff_t at;

		if ((words_ideographs.words[i].class & classes) == 0) {
			continue;
		}
		at = span_search(text, part);
		if (at >= 0) {
			if (word_r != NULL) {
				*word_r = &words_ideographs.words[i];
			}
			if (at_r != NULL) {
				*at_r = (size_t)at;
			}
			if (len_r != NULL) {
				*len_r = part.len;
			}
			return true;
		}
	}
	return false;
}

bool words_find(const struct folded *line, unsigned int classes,
		const struct word **word_r, size_t *at_r, size_t *len_r)
{
	struct span rest = folded_span(line);

	while (rest.len > 0) {
		size_t word = word_length(rest);
		size_t len;

		if (word == 0) {
			rest = span_from(rest, 1);
			continue;
		}
		len = words_at(rest, classes, word_r);
		if (len == 0) {
			len = ending_of(span_first(rest, word), classes,
					word_r);
		}
		if (len > 0) {
			if (at_r != NULL) {
				*at_r = line->len - rest.len;
			}
			if (len_r != NULL) {
				*len_r = len;
			}
			return true;
		}
		rest = span_from(rest, word);
	}
	return line->has_ideographs &&
	       find_ideographs(folded_span(line), classes, word_r, at_r, len_r);
}

size_t words_count_in(const struct folded *line, unsigned int classes,
		      size_t *total_r)
{
	struct span rest = folded_span(line);
	size_t covered = 0;
	size_t found = 0;
	size_t total = 0;

	while (rest.len > 0) {
		size_t word = word_length(rest);
		size_t at = line->len - rest.len;

		if (word == 0) {
			rest = span_from(rest, 1);
			continue;
		}
		if (at >= covered) {
			size_t len = words_at(rest, classes, NULL);

			covered = len > 0 ? at + len : covered;
		}
		found += at < covered;
		/* Numbers are no words: dates are not prose, nor its lack. */
		total += !ascii_is_digit(rest.ptr[0]);
		rest = span_from(rest, word);
	}
	if (total_r != NULL) {
		*total_r = total;
	}
	return found;
}

bool words_is(struct span text, unsigned int classes,
	      const struct word **word_r)
{
	size_t len = words_at(text, classes, word_r);

	if (len == 0) {
		return false;
	}
	for (size_t i = len; i < text.len; i++) {
		if (folded_is_word(text.ptr[i])) {
			return false;
		}
	}
	return true;
}
