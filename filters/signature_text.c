/* signature_text: what a cell without a label is: name, title, company,
   department, part of the address, or nothing we keep. */
#include "filters/signature_reader.h"

#include "filters/person_name.h"
#include "lib/domain.h"

/* Longer texts are mottos. */
#define TEXT_MAX 140

static size_t count_words(struct span s)
{
	struct span word;
	size_t n = 0;

	while (span_next_word(&s, " ", &word)) {
		n++;
	}
	return n;
}

/* Letters and digits only, accents gone, "ue" as "u". */
static size_t squeeze(struct span text, char *out, size_t size)
{
	struct folded f;
	size_t len = 0;

	chars_fold(text, &f);
	for (size_t i = 0; i < f.len && len + 1 < size; i++) {
		char c = f.text[i];

		if (!folded_is_word(c) ||
		    (c == 'e' && len > 0 &&
		     strchr("aou", out[len - 1]) != NULL)) {
			continue;
		}
		out[len++] = c;
	}
	out[len] = '\0';
	return len;
}

/* The label that people chose: "acme" of "mail.acme.co.uk". */
static size_t domain_label(struct span email, char *out, size_t size)
{
	ptrdiff_t at = span_find(email, '@');
	char canonical[DOMAIN_MAX + 1];
	char registrable[DOMAIN_MAX + 1];
	struct span host;
	ptrdiff_t dot;

	if (at < 0 ||
	    domain_canonical(span_from(email, (size_t)at + 1), canonical) < 0) {
		return 0;
	}
	domain_registrable(canonical, registrable);
	host = span_str(registrable);
	dot = span_find(host, '.');
	return squeeze(dot > 0 ? span_first(host, (size_t)dot) : host, out,
		       size);
}

bool signature_matches_domain(struct span text, struct span email)
{
	static const char *const mail_houses[] = {
		"gmail",      "googlemail", "outlook", "hotmail", "yahoo",
		"gmx",	      "web",	    "icloud",  "live",	  "aol",
		"tonline",    "posteo",	    "mail",    "orange",  "wanadoo",
		"free",	      "libero",	    "wp",      "onet",	  "proton",
		"protonmail", "mailbox",    "freenet", "example", "laposte",
	};
	char label[80];
	char name[200];
	size_t label_len = domain_label(email, label, sizeof(label));
	size_t len;
	struct folded f;
	size_t at;
	size_t form;

	for (size_t i = 0; i < N_ELEMENTS(mail_houses); i++) {
		if (strcmp(label, mail_houses[i]) == 0) {
			return false;
		}
	}
	if (label_len < 4) {
		return label_len >= 2 &&
		       squeeze(text, name, sizeof(name)) == label_len &&
		       memcmp(name, label, label_len) == 0;
	}
	/* Without its legal form, if it has one. */
	chars_fold(text, &f);
	if (words_find(&f, WORD_LEGAL_FORM, NULL, &at, &form) && at > 3) {
		f.len = at;
		f.text[at] = '\0';
	}
	len = squeeze(folded_span(&f), name, sizeof(name));
	return len >= 4 &&
	       (strstr(name, label) != NULL ||
		(len * 2 >= label_len && strstr(label, name) != NULL));
}

/* A short legal form is written in capitals or with dots: "as", "me" and "se"
   are words. */
static const struct word *legal_form(struct span text, const struct folded *f)
{
	const struct word *word;
	size_t at;
	size_t len;
	struct span as_written;
	ptrdiff_t where;

	if (!words_find(f, WORD_LEGAL_FORM, &word, &at, &len)) {
		return NULL;
	}
	as_written = span_str(word->text);
	if (as_written.len > 3 || f->has_ideographs ||
	    (unsigned char)as_written.ptr[0] >= 0x80) {
		return word;
	}
	/* The last one counts: "A.S. Watson ag" is rare, "Co KG" is not. */
	where = -1;
	for (size_t i = 0; i + as_written.len <= text.len; i++) {
		if (span_istarts(span_from(text, i), as_written)) {
			where = (ptrdiff_t)i;
		}
	}
	if (where <= 0) {
		return NULL;
	}
	return (text.ptr[where] >= 'A' && text.ptr[where] <= 'Z') ||
			       span_find(as_written, '.') >= 0
		       ? word
		       : NULL;
}

static bool has_class(const struct folded *f, unsigned int classes)
{
	return words_find(f, classes, NULL, NULL, NULL);
}

static bool is_address_part(const struct signature_reader *r,
			    const struct address_evidence *a,
			    const struct folded *f)
{
	if ((a->parts & (ADDRESS_STREET | ADDRESS_CITY)) != 0) {
		return true;
	}
	if (r->in_address) {
		return a->parts != 0 &&
		       words_at(folded_span(f), WORD_NUMBER, NULL) == 0;
	}
	return (a->parts & ADDRESS_PLACE) != 0 &&
	       !has_class(f, WORD_TITLE | WORD_LEGAL_FORM);
}

static void note_country(struct signature *s, const struct address_evidence *a)
{
	if (a->country != 0 &&
	    (s->country == 0 || (a->parts & ADDRESS_COUNTRY) != 0)) {
		s->country = a->country;
	}
	if (s->street_country == 0) {
		s->street_country = a->street_country;
	}
	if (s->may_be == NULL) {
		s->may_be = a->may_be;
	}
}

bool signature_read_address(struct signature_reader *r, struct span cell,
			    bool is_labelled)
{
	struct signature *s = r->now;
	struct address_evidence a;
	struct folded f;

	postal_address_read(cell, &a);
	chars_fold(cell, &f);
	if (cell.len == 0 || (!is_labelled && !is_address_part(r, &a, &f))) {
		return false;
	}
	if ((s->address_parts & ADDRESS_CITY) != 0 &&
	    (is_labelled || (a.parts & (ADDRESS_CITY | ADDRESS_STREET)) != 0)) {
		r->address_done = true;
		r->in_address = false;
	}
	if (!r->address_done && (r->in_address || s->address_count == 0)) {
		r->in_address = true;
	} else if (r->address_done) {
		/* A second one: a branch, a registered office. */
		return true;
	}
	if (s->address_count == 0 && (a.parts & ADDRESS_CITY) != 0 &&
	    (a.parts & ADDRESS_STREET) == 0 && r->maybe_street.text.len > 0) {
		s->address[s->address_count++] = r->maybe_street;
		if (r->after_name.text.ptr == r->maybe_street.text.ptr) {
			r->after_name = (struct signature_text){ 0 };
		}
	}
	r->maybe_street = (struct signature_text){ 0 };
	if (s->address_count < SIGNATURE_ADDRESS_MAX) {
		s->address[s->address_count++] =
			(struct signature_text){ cell, r->line };
		s->address_parts |=
			is_labelled ? a.parts | ADDRESS_STREET : a.parts;
		note_country(s, &a);
	}
	return true;
}

void signature_end_address(struct signature_reader *r)
{
	r->address_done =
		r->address_done ||
		(r->in_address && (r->now->address_parts &
				   (ADDRESS_CITY | ADDRESS_STREET)) != 0);
	r->in_address = false;
}

static void set_company(struct signature_reader *r, struct span text,
			const struct word *form)
{
	struct signature *s = r->now;

	if (s->company.text.len == 0) {
		s->company = (struct signature_text){ text, r->line };
		s->company_country = form == NULL ? 0 : form->value;
	}
}

static void set_title(struct signature_reader *r, struct span text)
{
	struct span rest = text;
	struct span word;
	struct folded f;

	/* "営業部 課長": without spaces inside words, the last word with a
	   title is the title; what stands before is where. */
	chars_fold(text, &f);
	if (f.has_ideographs && span_find(text, ' ') > 0) {
		while (span_next_word(&rest, " ", &word)) {
			chars_fold(word, &f);
			if (has_class(&f, WORD_TITLE)) {
				text = word;
			} else if (has_class(&f, WORD_ORGANIZATION)) {
				set_company(r, word, NULL);
			}
		}
	}
	if (r->now->title.text.len == 0) {
		r->now->title = (struct signature_text){ text, r->line };
	}
	r->expects_title = false;
}

/* How far a company's name goes before ", Place" or ", Street 5": up to the
   first comma behind the legal form. */
static struct span company_part(struct span text, const struct word *form,
				struct span *rest_r)
{
	*rest_r = SPAN("");
	if (form != NULL) {
		struct span head = span_str(form->text);
		ptrdiff_t at = span_isearch(text, head);
		ptrdiff_t comma = -1;

		/* "UG (haftungsbeschränkt)": its first word is ASCII. */
		if (at < 0 && span_find(head, ' ') > 0) {
			head = span_first(head, (size_t)span_find(head, ' '));
			at = span_isearch(text, head);
		}

		if (at >= 0) {
			struct span behind = span_from(
				text, (size_t)at + strlen(form->text));

			comma = span_find(behind, ',');
			if (comma >= 0) {
				*rest_r = span_trim(
					span_from(behind, (size_t)comma + 1));
				return span_first(
					text, (size_t)(behind.ptr - text.ptr) +
						      (size_t)comma);
			}
		}
	}
	return text;
}

/* Cut text before the word at position at of its folded form: the same
   number of words as written. */
static size_t written_offset(struct span text, const struct folded *f,
			     size_t at)
{
	size_t words = 0;
	size_t i = 0;

	for (size_t j = 0; j < at; j++) {
		words += f->text[j] == ' ';
	}
	while (i < text.len && words > 0) {
		if (text.ptr[i] == ' ' && i + 1 < text.len &&
		    text.ptr[i + 1] != ' ') {
			words--;
		}
		i++;
	}
	return i;
}

/* "Leiter Einkauf bei Lieferant", "Manager at Acme". */
static bool split_at_word(struct span text, struct span *left_r,
			  struct span *right_r)
{
	struct folded f;
	struct span rest;

	chars_fold(text, &f);
	rest = folded_span(&f);
	while (rest.len > 0) {
		ptrdiff_t space = span_find(rest, ' ');
		size_t at;
		size_t len;

		if (space < 0) {
			return false;
		}
		rest = span_from(rest, (size_t)space + 1);
		at = f.len - rest.len;
		len = span_starts(rest, SPAN("@ "))
			      ? 1
			      : words_at(rest, WORD_AT, NULL);
		if (len > 0 && at + len < f.len) {
			size_t cut = written_offset(text, &f, at);

			*left_r = span_trim(span_first(text, cut));
			*right_r = span_trim(span_from(text, cut + len));
			return left_r->len > 0 && right_r->len > 0;
		}
	}
	return false;
}

static bool is_company(const struct signature_reader *r, struct span text)
{
	struct folded f;

	chars_fold(text, &f);
	return legal_form(text, &f) != NULL ||
	       signature_matches_domain(text, r->email) ||
	       (has_class(&f, WORD_ORGANIZATION) && !has_class(&f, WORD_TITLE));
}

/* "Inhaberin, Hofladen Thiele": the last piece behind a comma that is a
   company, with a title before it. */
static bool read_title_and_company(struct signature_reader *r, struct span text)
{
	struct span left;
	struct span right;
	struct folded f;
	ptrdiff_t comma = span_find(text, ',');

	while (comma > 0) {
		left = span_trim(span_first(text, (size_t)comma));
		right = span_trim(span_from(text, (size_t)comma + 1));
		chars_fold(left, &f);
		if (right.len > 0 && legal_form(left, &f) == NULL &&
		    !signature_matches_domain(left, r->email) &&
		    ((has_class(&f, WORD_TITLE) && is_company(r, right)) ||
		     (count_words(left) <= 3 &&
		      signature_matches_domain(right, r->email)))) {
			set_title(r, left);
			signature_read_text(r, right);
			return true;
		}
		ptrdiff_t next = span_find(right, ',');

		if (next < 0) {
			break;
		}
		comma = (right.ptr - text.ptr) + next;
	}
	if (split_at_word(text, &left, &right)) {
		chars_fold(left, &f);
		if (has_class(&f, WORD_TITLE) && is_company(r, right) &&
		    !signature_matches_domain(left, r->email)) {
			set_title(r, left);
			signature_read_text(r, right);
			return true;
		}
	}
	return false;
}

/* A first name alone: letters only, and not "Thea and Linh". */
static bool is_plain_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];

		if (c < 0x80 && !ascii_is_alpha((char)c) &&
		    strchr(" .-'", (char)c) == NULL) {
			return false;
		}
	}
	return count_words(name) == 1;
}

/* "技術部 髙橋 一郎", "林淑芬 Lin Shu-Fen", "김민서 과장": the name among
   departments, titles and its own transcription. */
static struct span ideographic_name(struct signature_reader *r,
				    struct span text)
{
	struct span rest = text;
	struct span word;
	struct span name = SPAN("");

	while (span_next_word(&rest, " ", &word)) {
		struct folded f;

		chars_fold(word, &f);
		if (!f.has_ideographs) {
			continue;
		}
		if (has_class(&f, WORD_TITLE)) {
			set_title(r, word);
		} else if (!has_class(&f,
				      WORD_DEPARTMENT | WORD_ORGANIZATION)) {
			name = name.len == 0
				       ? word
				       : span_of(name.ptr,
						 (size_t)(word.ptr + word.len -
							  name.ptr));
		}
	}
	return name;
}

/* The name, alone or with degrees, title or company behind a comma. */
static bool read_name(struct signature_reader *r, struct span text)
{
	struct signature *s = r->now;
	ptrdiff_t comma = span_find(text, ',');
	struct span name = text;
	struct span rest = SPAN("");
	struct folded f;
	bool known;
	bool is_whole;

	if (comma > 0) {
		name = span_trim(span_first(text, (size_t)comma));
		rest = span_trim(span_from(text, (size_t)comma + 1));
	}
	if (name.len > 0 && name.ptr[name.len - 1] != ')' &&
	    span_find(name, '(') > 0 && comma < 0) {
		name = span_trim(
			span_first(name, (size_t)span_find(name, '(')));
	}
	chars_fold(name, &f);
	if (f.has_ideographs && span_find(name, ' ') > 0 &&
	    legal_form(name, &f) == NULL &&
	    (person_name_same(name, r->name) ||
	     (r->cells == 0 && person_name_other_script(name, r->name)))) {
		name = ideographic_name(r, name);
	}
	known = r->name.len > 0 ? person_name_same(name, r->name)
				: person_name_in_address(name, r->email);
	chars_fold(name, &f);
	/* All of the known name: then "Hall" is no hall, "Baker" no baker. */
	is_whole = count_words(name) <= 4 && span_find(name, ':') < 0 &&
		   legal_form(name, &f) == NULL &&
		   person_name_shared(name, r->name) >= 2 &&
		   (!has_class(&f, WORD_TITLE) ||
		    person_name_shared(name, r->name) == count_words(name));
	if (s->name.text.len > 0) {
		/* Said twice: "Eleanor", then "Eleanor Whitcombe". The name
		   is no company, though the domain be called after it. */
		if (!person_name_same(name, s->name.text) ||
		    !(person_name_likely(name) || is_whole) ||
		    legal_form(name, &f) != NULL ||
		    (!is_whole && signature_matches_domain(text, r->email))) {
			return false;
		}
		if (person_name_is_fuller(name, s->name.text)) {
			s->name = (struct signature_text){ name, r->line };
		}
	} else {
		if (r->cells > 2 ||
		    !(person_name_likely(name) || is_whole ||
		      (known && is_plain_name(name) &&
		       legal_form(name, &f) == NULL &&
		       !has_class(&f, WORD_TITLE | WORD_ORGANIZATION))) ||
		    (!known && signature_matches_domain(name, r->email))) {
			return false;
		}
		s->name = (struct signature_text){ name, r->line };
	}
	r->expects_title = true;
	if (rest.len > 0) {
		struct folded behind;

		chars_fold(rest, &behind);
		if (has_class(&behind, WORD_TITLE) || is_company(r, rest) ||
		    !has_class(&behind, WORD_DEGREE)) {
			signature_read_text(r, rest);
		}
	}
	return true;
}

/* Letters and a short number at one end: how streets look everywhere. */
static bool looks_like_street(struct span text, const struct folded *f)
{
	size_t digits = 0;
	size_t i = f->len;

	if (text.len > 60 || f->len < 5 || span_find(text, ':') >= 0) {
		return false;
	}
	if (i > 2 && ascii_is_alpha(f->text[i - 1]) &&
	    (ascii_is_digit(f->text[i - 2]) || f->text[i - 2] == ' ')) {
		i -= f->text[i - 2] == ' ' ? 2 : 1;
	}
	while (i > 0 && ascii_is_digit(f->text[i - 1])) {
		i--;
		digits++;
	}
	if (digits == 0) {
		while (digits < f->len && ascii_is_digit(f->text[digits])) {
			digits++;
		}
	}
	return digits >= 1 && digits <= 4;
}

static void read_other(struct signature_reader *r, struct span text,
		       const struct folded *f)
{
	struct span rest;

	if (signature_matches_domain(text, r->email)) {
		set_company(r, text, NULL);
	} else if (has_class(f, WORD_TITLE)) {
		set_title(r, text);
	} else if (has_class(f, WORD_DEPARTMENT)) {
		r->expects_title = false;
	} else if (has_class(f, WORD_ORGANIZATION) && r->cells > 0) {
		company_part(text, NULL, &rest);
		set_company(r, text, NULL);
	} else if (r->expects_title && r->after_name.text.len == 0 &&
		   count_words(text) <= 6 && text.len > 3) {
		r->after_name = (struct signature_text){ text, r->line };
		r->expects_title = false;
	}
}

static bool is_place_below(const struct signature_reader *r, struct span cell)
{
	struct address_evidence a;

	if (r->now->company.text.len == 0) {
		return false;
	}
	postal_address_read(cell, &a);
	return (a.parts & ADDRESS_CITY) != 0;
}

void signature_read_text(struct signature_reader *r, struct span cell)
{
	const struct word *form;
	struct folded f;
	struct span rest = SPAN("");
	struct span company;

	cell = signature_tidy(cell);
	chars_fold(cell, &f);
	if (f.len < 2 || cell.len > TEXT_MAX) {
		return;
	}
	form = legal_form(cell, &f);
	/* "Co. Cork": below the company a legal form may be a county. */
	if ((form == NULL || is_place_below(r, cell)) &&
	    signature_read_address(r, cell, false)) {
		r->cells++;
		return;
	}
	signature_end_address(r);
	r->maybe_street = (struct signature_text){ 0 };
	if (form == NULL && looks_like_street(cell, &f)) {
		r->maybe_street = (struct signature_text){ cell, r->line };
	}
	if (read_name(r, cell) || read_title_and_company(r, cell)) {
		r->cells++;
		return;
	}
	r->cells++;
	if (form != NULL) {
		company = company_part(cell, form, &rest);
		set_company(r, company, form);
		r->expects_title = false;
		if (rest.len > 0) {
			signature_read_address(r, rest, false);
		}
		return;
	}
	read_other(r, cell, &f);
}
