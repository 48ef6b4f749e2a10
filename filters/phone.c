/* phone: find digits that can be a telephone number, and have them read.
   The scan is one pass over the line; libphonenumber sees only what passed. */
#include "filters/phone.h"

#include "filters/text_chars.h"
#include "filters/words.h"

/* E.164 has 15; a trunk prefix and an exit code come on top. */
#define DIGITS_MIN 5
#define DIGITS_MAX 18
/* Groups of more are references, fingerprints, account numbers. */
#define GROUPS_MAX 9

struct scan {
	struct span line;
	/* Behind what was read. */
	struct span rest;
	struct phone_candidate *out;
	size_t digits;
	size_t groups;
	/* Of the first three groups, for dates. */
	size_t group_len[3];
	char separators[3];
	/* Bytes of the line up to the last digit or ')'. */
	size_t end;
	bool has_plus;
	bool has_letters;
};

static size_t position(const struct scan *s)
{
	return s->line.len - s->rest.len;
}

/* The next character without taking it; 0 at the end. */
static uint32_t peek(struct span rest)
{
	return rest.len == 0 ? 0 : chars_next(&rest);
}

static bool is_separator(uint32_t c)
{
	return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' ||
	       c == ')' || c == '\'' || c == 0x2019 || c == 0xa0 ||
	       (c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0xff0d ||
	       c == 0xff08 || c == 0xff09 || c == 0x30fc || c == 0xb7;
}

static void take_digit(struct scan *s, int digit, char before)
{
	if (before != 'd') {
		if (s->groups < N_ELEMENTS(s->group_len)) {
			s->separators[s->groups] = before;
			s->group_len[s->groups] = 0;
		}
		s->groups++;
	}
	if (s->groups <= N_ELEMENTS(s->group_len)) {
		s->group_len[s->groups - 1]++;
	}
	if (s->digits + 2 < sizeof(s->out->digits)) {
		s->out->digits[s->digits] = (char)('0' + digit);
	}
	s->digits++;
}

/* "(0)" after a country code is the trunk prefix that callers from abroad
   leave out, but in Italy it is part of the number. */
static bool take_trunk_zero(struct scan *s)
{
	if (!span_starts(s->rest, SPAN("(0)")) || s->digits == 0) {
		return false;
	}
	s->rest = span_from(s->rest, 3);
	s->end = position(s);
	if (s->digits == 2 && memcmp(s->out->digits, "39", 2) == 0) {
		take_digit(s, 0, '(');
	}
	return true;
}

static size_t digits_ahead(struct span rest)
{
	size_t n = 0;

	while (rest.len > 0) {
		uint32_t c = chars_next(&rest);

		if (chars_digit(c) >= 0) {
			n++;
		} else if (!is_separator(c) || c == '/') {
			break;
		}
	}
	return n;
}

/* Read digits and single separators. A run of more than two separators ends
   the number (columns), but "+49 (0) 89" has three. */
static void read_number(struct scan *s)
{
	char before = '\0';
	unsigned int run = 0;
	unsigned int spaces = 0;

	while (s->rest.len > 0) {
		struct span here = s->rest;
		uint32_t c;

		if (take_trunk_zero(s)) {
			before = '(';
			run = 0;
			continue;
		}
		c = chars_next(&s->rest);
		if (chars_digit(c) >= 0) {
			take_digit(s, chars_digit(c), before);
			before = 'd';
			run = 0;
			spaces = 0;
			s->end = position(s);
			continue;
		}
		spaces = c == ' ' ? spaces + 1 : 0;
		if (!is_separator(c) || ++run > 3 || spaces > 2) {
			s->rest = here;
			return;
		}
		/* "98220 12345 / 98220 54321": two numbers; "089 / 12 34" one.
		 */
		if (c == '/' && s->digits >= 7 && digits_ahead(s->rest) >= 6) {
			s->rest = here;
			return;
		}
		/* A second '(' behind the area code opens a remark. */
		if (c == '(' && s->digits > 5 &&
		    chars_digit(peek(s->rest)) < 0) {
			s->rest = here;
			return;
		}
		before = run == 1 ? (char)(c < 0x80 ? c : '-') : before;
	}
}

/* "12.03.2025", "2025-03-12", "9:00", "1.234,50", "10-16" are no numbers. */
static bool looks_like_date(const struct scan *s)
{
	const char *d = s->out->digits;

	if (s->groups != 3 || s->has_plus || s->separators[1] == ' ' ||
	    s->separators[1] != s->separators[2] || s->digits > 8) {
		return false;
	}
	if (s->group_len[0] == 4 && s->group_len[1] <= 2 &&
	    s->group_len[2] <= 2) {
		return d[0] == '1' || d[0] == '2';
	}
	return s->group_len[0] <= 2 && s->group_len[1] <= 2 &&
	       (s->group_len[2] == 4 || s->group_len[2] == 2);
}

static bool is_candidate(const struct scan *s)
{
	uint32_t after = peek(s->rest);

	/* "+44 20 3855 5885,,12345#" is dialled by a meeting's button. */
	if (span_starts(s->rest, SPAN(",,")) || s->digits < DIGITS_MIN ||
	    s->digits > DIGITS_MAX || s->groups > GROUPS_MAX ||
	    looks_like_date(s)) {
		return false;
	}
	/* "77-ab", "100%", "5.00 EUR" and addresses of machines. */
	return after != ':' && after != '%' && after != '@' && after != '_' &&
	       after != '=' && after != '&';
}

/* The word that may announce an extension right behind the number. */
static bool read_extension_word(struct scan *s)
{
	struct folded word;
	struct span rest = s->rest;
	const struct word *found;
	size_t len;

	while (span_starts(rest, SPAN("\xef\xbc\x88"))) {
		/* A wide '('. */
		rest = span_from(rest, 3);
	}
	while (rest.len > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == ',' ||
				rest.ptr[0] == ';' || rest.ptr[0] == '(' ||
				rest.ptr[0] == '-' || rest.ptr[0] == '/')) {
		rest = span_from(rest, 1);
	}
	if (rest.len > 0 && rest.ptr[0] == '#') {
		s->rest = span_from(rest, 1);
		return true;
	}
	chars_fold(span_first(rest, 40), &word);
	len = words_at(folded_span(&word), WORD_EXTENSION, &found);
	if (len == 0) {
		size_t at = 0;
		size_t head = 0;

		/* "x4138", "内線5": joined to its digits. */
		if (word.len > 1 && word.text[0] == 'x' &&
		    ascii_is_digit(word.text[1])) {
			s->rest = span_from(rest, 1);
			return true;
		}
		if (!word.has_ideographs ||
		    !words_find(&word, WORD_EXTENSION, &found, &at, &head) ||
		    at != 0) {
			return false;
		}
	}
	/* The folded word may be shorter than the written one: skip to the
	   first digit. */
	for (unsigned int i = 0; rest.len > 0 && i < 24; i++) {
		if (chars_digit(peek(rest)) >= 0) {
			s->rest = rest;
			return true;
		}
		chars_next(&rest);
	}
	return false;
}

static void read_extension(struct scan *s)
{
	struct span before = s->rest;
	size_t n = 0;

	if (!read_extension_word(s)) {
		s->rest = before;
		return;
	}
	while (s->rest.len > 0 &&
	       (s->rest.ptr[0] == ' ' || s->rest.ptr[0] == ':' ||
		s->rest.ptr[0] == '.' || s->rest.ptr[0] == '-')) {
		s->rest = span_from(s->rest, 1);
	}
	while (s->rest.len > 0 && n + 1 < sizeof(s->out->ext)) {
		int digit = chars_digit(peek(s->rest));

		if (digit < 0) {
			break;
		}
		s->out->ext[n++] = (char)('0' + digit);
		chars_next(&s->rest);
	}
	s->out->ext[n] = '\0';
	if (n == 0 || n > 7) {
		s->out->ext[0] = '\0';
		s->rest = before;
	}
}

static bool try_number(struct scan *s, size_t start)
{
	s->digits = 0;
	s->groups = 0;
	s->has_plus = false;
	s->out->ext[0] = '\0';
	s->end = start;
	if (peek(s->rest) == '+' || peek(s->rest) == 0xff0b) {
		chars_next(&s->rest);
		s->has_plus = true;
	}
	read_number(s);
	if (!is_candidate(s)) {
		return false;
	}
	if (s->has_plus) {
		memmove(s->out->digits + 1, s->out->digits, s->digits);
		s->out->digits[0] = '+';
	}
	s->out->digits[s->digits + s->has_plus] = '\0';
	s->out->raw = span_of(s->line.ptr + start, s->end - start);
	s->out->start = start;
	s->rest = span_from(s->line, s->end);
	read_extension(s);
	s->out->end = position(s);
	return true;
}

bool phone_scan(struct span line, size_t *from,
		struct phone_candidate *candidate_r)
{
	struct scan s = { .line = line, .out = candidate_r };
	uint32_t previous = ' ';

	s.rest = span_from(line, *from);
	while (s.rest.len > 0) {
		size_t start = position(&s);
		uint32_t c = peek(s.rest);
		bool opens = c == '+' || c == 0xff0b || chars_digit(c) >= 0 ||
			     (c == '(' &&
			      (chars_digit(peek(span_from(s.rest, 1))) >= 0 ||
			       span_starts(s.rest, SPAN("(+"))));
		/* A number inside a word is part of the word; ideographs
		   are labels. */
		bool joined = (chars_is_letter(previous) &&
			       !chars_is_ideograph(previous)) ||
			      previous == '@' || previous == '_' ||
			      previous == '=' || previous == '#';

		if (!opens || joined) {
			previous = chars_next(&s.rest);
			if (joined && chars_digit(previous) >= 0) {
				previous = 'a';
			}
			continue;
		}
		if (c == '(') {
			chars_next(&s.rest);
		}
		if (try_number(&s, start)) {
			*from = position(&s);
			return true;
		}
		if (position(&s) == start) {
			chars_next(&s.rest);
		}
		previous = ' ';
	}
	*from = line.len;
	return false;
}

int phone_parse(const char *digits, const char *region,
		struct phone_number *number_r)
{
	char buf[26];
	size_t len = strlen(digits);

	/* The exit code of most countries, where no region can explain it. */
	if (len > 8 && len < sizeof(buf) && strncmp(digits, "00", 2) == 0 &&
	    digits[2] != '0') {
		buf[0] = '+';
		memcpy(buf + 1, digits + 2, len - 1);
		if (phone_shim_parse(buf, "", number_r) == 0) {
			return 0;
		}
	}
	if (digits[0] != '+' && region[0] == '\0') {
		return -1;
	}
	return phone_shim_parse(digits, region, number_r);
}

void phone_region(const char *e164, char region_r[3])
{
	phone_shim_region(e164, region_r);
}
