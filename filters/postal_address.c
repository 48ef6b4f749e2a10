/* postal_address: streets by their words and numbers, places by their postal
   codes. The form of a code and the language of the street say the country. */
#include "filters/postal_address.h"

#include <stdlib.h>

/* Forms of postal codes: 9 a digit, @ a letter, others themselves. A form
   that only one country has says the country. */
struct code_form {
	const char *form;
	/* One, or all that write it so. */
	const char *countries;
	/* Letters as written must be capitals. */
	bool capitals;
};

static const struct code_form forms[] = {
	/* Longer first: the first that fits is taken. */
	{ "99999-999", "BR", false },
	{ "99999-9999", "US", false },
	{ "9999-999", "PT", false },
	{ "999-9999", "JP", false },
	{ "99-999", "PL", false },
	{ "9999 @@", "NL", true },
	{ "9999@@", "NL", true },
	{ "@@99 9@@", "GB", true },
	{ "@9@ 9@@", "GB", true },
	{ "@9 9@@", "GB", true },
	{ "@99 9@@", "GB", true },
	{ "@@9 9@@", "GB", true },
	{ "@@9@ 9@@", "GB", true },
	{ "@9@ 9@9", "CA", true },
	{ "@99 @999", "IE", true },
	{ "@99 @@99", "IE", true },
	{ "D-99999", "DE", true },
	{ "DE-99999", "DE", true },
	{ "A-9999", "AT", true },
	{ "CH-9999", "CH", true },
	{ "F-99999", "FR", true },
	{ "B-9999", "BE", true },
	{ "L-9999", "LU", true },
	{ "I-99999", "IT", true },
	{ "E-99999", "ES", true },
	{ "DK-9999", "DK", true },
	{ "SI-9999", "SI", true },
	{ "HR-99999", "HR", true },
	{ "LV-9999", "LV", true },
	{ "LT-99999", "LT", true },
	{ "999 99", "SE CZ SK GR", false },
	{ "999999", "RU IN RO CN SG BY KZ VN CO", false },
	{ "99999",
	  "DE FR IT ES FI US HR MX TR UA EE KR TH MY SA RS BA ME ID GR MA EG "
	  "KW",
	  false },
	{ "9999", "AT CH DK NO BE HU AU NZ LU SI BG LV CY ZA PH TN LI MD GE",
	  false },
};

static bool is_form_edge(struct span s, size_t i)
{
	return i >= s.len || !folded_is_word(s.ptr[i]);
}

/* Does the form stand exactly at text[at]? */
static size_t form_at(struct span text, size_t at, const char *form,
		      bool capitals)
{
	size_t i = 0;

	for (; form[i] != '\0'; i++) {
		char c = at + i < text.len ? text.ptr[at + i] : '\0';
		bool literal = form[i] != '9' && form[i] != '@' && form[i] != c;

		if (form[i] == '9' ? !ascii_is_digit(c)
		    : form[i] == '@'
			    ? !(c >= 'A' && c <= 'Z') &&
				      !(c >= 'a' && c <= 'z' && !capitals)
			    : literal) {
			/* "A-9999" is written with its own letter. */
			return 0;
		}
	}
	return is_form_edge(text, at + i) ? i : 0;
}

static const char us_states[] =
	"AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD "
	"MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC "
	"SD TN TX UT VT VA WA WV WI WY DC PR ";

/* A state in capital letters before a code: only its last two are compared. */
static bool has_state_before(struct span text, size_t at, const char *states)
{
	char state[4];
	size_t letters = 0;

	while (letters + 1 < at && text.ptr[at - 2 - letters] >= 'A' &&
	       text.ptr[at - 2 - letters] <= 'Z') {
		letters++;
	}
	if (at < 3 || text.ptr[at - 1] != ' ' || letters < 2 || letters > 3) {
		return false;
	}
	state[0] = text.ptr[at - 3];
	state[1] = text.ptr[at - 2];
	state[2] = ' ';
	state[3] = '\0';
	return strstr(states, state) != NULL;
}

/* "MA", "NSW 2000": states that stand with a code of four digits. */
static bool has_letters_behind(struct span text, size_t at)
{
	struct span rest = span_from(text, at);
	size_t letters = 0;

	while (rest.len > 0 && letters < 2) {
		uint32_t c = chars_next(&rest);

		if (chars_is_letter(c)) {
			letters++;
		} else if (c != ' ' && c != '-' && c != '\'' && c != ',') {
			return false;
		}
	}
	return letters >= 2;
}

/* Digits in groups right behind other digits are a telephone number. */
static bool continues_number(struct span text, size_t at, const char *form)
{
	if (strpbrk(form, "- ") == NULL || strchr(form, '@') != NULL ||
	    !ascii_is_digit(form[0])) {
		return false;
	}
	while (at > 0 && text.ptr[at - 1] == ' ') {
		at--;
	}
	return at > 0 && (ascii_is_digit(text.ptr[at - 1]) ||
			  strchr(")+-/", text.ptr[at - 1]) != NULL);
}

static bool read_code_at(struct span text, size_t at,
			 struct address_evidence *out)
{
	for (size_t i = 0; i < N_ELEMENTS(forms); i++) {
		const struct code_form *f = &forms[i];
		size_t len = form_at(text, at, f->form, f->capitals);
		bool ambiguous = f->countries[2] != '\0';

		if (len == 0 || continues_number(text, at, f->form)) {
			continue;
		}
		if (ambiguous && strlen(f->form) == 4 &&
		    has_state_before(text, at, "SW IC LD WA SA AS CT NT ")) {
			/* NSW, VIC, QLD, TAS, ACT by their last two letters. */
			out->country = ISO('A', 'U');
		} else if (ambiguous && strlen(f->form) == 5 &&
			   has_state_before(text, at, us_states)) {
			out->country = ISO('U', 'S');
		} else if (ambiguous && !has_letters_behind(text, at + len)) {
			/* A number at the end: a house, not a place. */
			return false;
		} else if (!ambiguous) {
			out->country = ISO((unsigned char)f->countries[0],
					   (unsigned char)f->countries[1]);
		} else {
			out->may_be = f->countries;
		}
		out->parts |= ADDRESS_CITY;
		return true;
	}
	return false;
}

static void read_code(struct span text, struct address_evidence *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool start = i == 0 || !folded_is_word(text.ptr[i - 1]);

		if (start && i > 0 &&
		    (text.ptr[i - 1] == '-' || text.ptr[i - 1] == '.' ||
		     text.ptr[i - 1] == '/')) {
			start = i >= 2 && !ascii_is_digit(text.ptr[i - 2]);
		}
		if (start && (ascii_is_digit(c) || ascii_is_alpha(c)) &&
		    read_code_at(text, i, out)) {
			return;
		}
	}
}

static bool has_digit(const struct folded *f)
{
	for (size_t i = 0; i < f->len; i++) {
		if (ascii_is_digit(f->text[i])) {
			return true;
		}
	}
	return false;
}

static unsigned int word_country(const struct folded *f, unsigned int classes,
				 bool *found_r)
{
	const struct word *word;

	*found_r = words_find(f, classes, &word, NULL, NULL);
	return *found_r ? word->value : 0;
}

/* A country's name is one only at the end of the line or alone. */
static void read_country(const struct folded *f, struct address_evidence *out)
{
	struct span rest = folded_span(f);

	while (rest.len > 0) {
		const struct word *word;
		size_t n = 0;
		size_t len = words_at(rest, WORD_COUNTRY, &word);

		if (len > 0) {
			struct span behind = span_from(rest, len);

			while (behind.len > 0 &&
			       !folded_is_word(behind.ptr[0])) {
				behind = span_from(behind, 1);
			}
			if (behind.len == 0) {
				out->parts |= ADDRESS_COUNTRY;
				out->country = word->value;
				return;
			}
		}
		while (n < rest.len && folded_is_word(rest.ptr[n])) {
			n++;
		}
		while (n < rest.len && !folded_is_word(rest.ptr[n])) {
			n++;
		}
		rest = span_from(rest, n);
	}
}

void postal_address_read(struct span text, struct address_evidence *out)
{
	struct folded f;
	unsigned int street;
	unsigned int city;
	bool found;

	*out = (struct address_evidence){ 0 };
	chars_fold(text, &f);
	if (f.len < 3) {
		return;
	}
	read_code(text, out);
	street = word_country(&f, WORD_STREET, &found);
	if (found &&
	    (has_digit(&f) || span_search(folded_span(&f), SPAN("〒")) >= 0)) {
		out->parts |= ADDRESS_STREET;
	}
	city = word_country(&f, WORD_CITY, &found);
	if (found) {
		out->parts |= ADDRESS_TOWN;
	}
	/* "1200 Smith Street": a house number, though some codes look so. */
	if (out->may_be != NULL && ascii_is_digit(text.ptr[0]) && !found &&
	    (out->parts & ADDRESS_STREET) != 0) {
		out->parts &= ~ADDRESS_CITY;
		out->may_be = NULL;
	}
	if (words_find(&f, WORD_PLACE, NULL, NULL, NULL) && has_digit(&f)) {
		out->parts |= ADDRESS_PLACE;
	}
	read_country(&f, out);
	if (out->country == 0 && city != 0 &&
	    (out->parts & (ADDRESS_CITY | ADDRESS_STREET)) != 0) {
		out->country = city;
	}
	if ((out->parts & ADDRESS_STREET) != 0) {
		out->street_country = street;
	}
	if (out->country == 0 && city != 0) {
		out->country = city;
	}
}
