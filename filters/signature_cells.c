/* signature_cells: cut a line into cells, read labels, links and phones; the
   rest is text, which signature_text.c reads. */
#include "filters/signature_reader.h"

#include "filters/text_links.h"

/* Web sites of everybody, and of no one. */
static const char *const public_hosts[] = {
	"facebook.",  "linkedin.",   "twitter.", "instagram.", "xing.",
	"youtube.",   "youtu.be",    "x.com",	 "t.me",       "wa.me",
	"calendly.",  "maps.google", "goo.gl",	 "bit.ly",     "tiktok.",
	"pinterest.", "whatsapp.",   "zoom.us",	 "aka.ms",     "teams.micro",
	"avast.",     "avg.com",     "outlook.", "apple.com",  "threads.",
	"mailto.",    "meet.google", "vimeo.",	 "orcid.org",  "mastodon.",
};

static bool is_public_url(struct span url)
{
	ptrdiff_t scheme = span_search(url, SPAN("://"));

	if (scheme >= 0) {
		url = span_from(url, (size_t)scheme + 3);
	}
	if (span_istarts(url, SPAN("www."))) {
		url = span_from(url, 4);
	}
	for (size_t i = 0; i < N_ELEMENTS(public_hosts); i++) {
		struct span host = span_str(public_hosts[i]);

		if (span_istarts(url, host) ||
		    (span_isearch(span_first(url, 30), host) > 0 &&
		     url.ptr[span_isearch(span_first(url, 30), host) - 1] ==
			     '.')) {
			return true;
		}
	}
	return span_search(url, SPAN("utm_")) >= 0 ||
	       span_isearch(url, SPAN("meetup-join")) >= 0 ||
	       span_istarts(url, SPAN("meet.")) ||
	       span_isearch(url, SPAN("unsubscribe")) >= 0 || url.len > 120;
}

struct span signature_tidy(struct span cell)
{
	cell = span_trim(cell);
	while (cell.len > 0) {
		struct span rest = cell;
		uint32_t c = chars_next(&rest);

		if (chars_is_letter(c) || chars_digit(c) >= 0 || c == '+' ||
		    c == '(' || c == '"' || c == 0x3012 || c == 0xab ||
		    c == 0x201e || c == 0xff08) {
			break;
		}
		cell = rest;
	}
	while (cell.len > 0 && (strchr("*_~|,;:<>[]-/\\ \t=",
				       cell.ptr[cell.len - 1]) != NULL)) {
		cell.len--;
	}
	/* Symbols at the end, of three bytes and more. */
	while (cell.len >= 3) {
		size_t at = cell.len - 1;
		struct span last;
		uint32_t c;

		while (at > 0 && ((unsigned char)cell.ptr[at] & 0xc0) == 0x80) {
			at--;
		}
		last = span_from(cell, at);
		c = chars_next(&last);
		if (c < 0x2000 || chars_is_letter(c) || chars_digit(c) >= 0 ||
		    c == 0xff09 || c == 0x201d || c == 0x201c) {
			break;
		}
		cell = span_trim(span_first(cell, at));
	}
	return cell;
}

static void add_email(struct signature_reader *r, struct span email)
{
	struct signature *s = r->now;

	for (size_t i = 0; i < s->email_count; i++) {
		if (span_ieq(s->emails[i].text, email)) {
			return;
		}
	}
	if (s->email_count < SIGNATURE_EMAILS_MAX) {
		s->emails[s->email_count++] =
			(struct signature_text){ email, r->line };
	}
}

static void add_url(struct signature_reader *r, struct span url)
{
	struct signature *s = r->now;

	if (is_public_url(url) || s->url_count == CONTACT_URLS_MAX) {
		return;
	}
	for (size_t i = 0; i < s->url_count; i++) {
		if (span_isearch(s->urls[i], url) >= 0 ||
		    span_isearch(url, s->urls[i]) >= 0) {
			return;
		}
	}
	s->urls[s->url_count++] = url;
}

#define LABELS (WORD_PHONE | WORD_LABEL | WORD_NUMBER)

/* Position of the first digit, '+' or '(' in text, or its length. */
static size_t first_number(struct span text)
{
	struct span rest = text;

	while (rest.len > 0) {
		struct span here = rest;
		uint32_t c = chars_next(&rest);

		if (chars_digit(c) >= 0 || c == '+' || c == '(' ||
		    c == 0xff0b) {
			return text.len - here.len;
		}
	}
	return text.len;
}

bool signature_read_label(struct span cell, const struct word **word_r,
			  struct span *value_r)
{
	ptrdiff_t colon = span_find(span_first(cell, 48), ':');
	ptrdiff_t wide =
		span_search(span_first(cell, 48), SPAN("\xef\xbc\x9a"));
	struct folded f;
	size_t len;
	size_t at = 0;
	char next;

	if (wide > 0 && (colon < 0 || wide < colon)) {
		colon = wide;
	}
	if (colon > 0 &&
	    !span_starts(span_from(cell, (size_t)colon), SPAN("://"))) {
		struct span head =
			signature_tidy(span_first(cell, (size_t)colon));

		chars_fold(head, &f);
		if (words_is(folded_span(&f), LABELS, word_r) ||
		    (f.has_ideographs && f.len < 30 &&
		     words_find(&f, LABELS, word_r, NULL, NULL))) {
			*value_r = span_from(
				cell, (size_t)colon + (wide == colon ? 3 : 1));
			return true;
		}
	}
	chars_fold(cell, &f);
	len = words_at(folded_span(&f), LABELS, word_r);
	if (len == 0) {
		if (!f.has_ideographs ||
		    !words_find(&f, LABELS, word_r, &at, &len) || at != 0) {
			return false;
		}
	}
	while (len < f.len && strchr(". :/", f.text[len]) != NULL) {
		if (f.text[len] == ':' && colon < 0) {
			/* A symbol was the label. */
			*value_r = signature_tidy(cell);
			return true;
		}
		len++;
	}
	next = len < f.len ? f.text[len] : '\0';
	if ((*word_r)->class == WORD_LABEL) {
		return false;
	}
	if (!ascii_is_digit(next) && next != '+' && next != '(' &&
	    next != '\0') {
		return false;
	}
	*value_r = span_from(cell, first_number(cell));
	return true;
}

/* The last label in the text before a number. */
static const struct word *last_label(struct span gap)
{
	const struct word *found = NULL;
	bool plain = false;
	struct folded f;
	struct span rest;

	chars_fold(gap, &f);
	rest = folded_span(&f);
	while (rest.len > 0) {
		const struct word *word;
		size_t len = words_at(rest, LABELS, &word);
		size_t n = 0;

		/* "Tel. e Fax": one number for both. */
		if (len > 0 && !(plain && word->class == WORD_PHONE &&
				 word->value == PHONE_FAX)) {
			found = plain && len == 1 ? found : word;
		}
		plain = plain || (len > 0 && word->class == WORD_PHONE &&
				  word->value == WORD_PHONE_PLAIN);
		while (n < rest.len && folded_is_word(rest.ptr[n])) {
			n++;
		}
		n = len > n ? len : n;
		rest = span_from(rest, n == 0 ? 1 : n);
	}
	if (found == NULL && f.has_ideographs) {
		words_find(&f, LABELS, &found, NULL, NULL);
	}
	return found;
}

static size_t count_letters(struct span s)
{
	size_t n = 0;

	while (s.len > 0) {
		n += chars_is_letter(chars_next(&s));
	}
	return n;
}

static size_t count_digits(const struct phone_candidate *c)
{
	return strlen(c->digits) - (c->digits[0] == '+');
}

/* "(mobile)" behind a number. */
static const struct word *label_behind(struct span text)
{
	struct folded f;
	const struct word *word;

	text = signature_tidy(text);
	if (text.len > 0 && text.ptr[0] == '(') {
		text = span_from(text, 1);
	}
	chars_fold(span_first(text, 24), &f);
	return words_at(folded_span(&f), WORD_PHONE, &word) > 0 ? word : NULL;
}

static void add_phone(struct signature_reader *r,
		      const struct phone_candidate *c, unsigned int kind)
{
	struct signature *s = r->now;

	if (s->phone_count < CONTACT_PHONES_MAX) {
		s->phones[s->phone_count++] =
			(struct signature_phone){ *c, kind };
	}
}

/* Written as people write numbers: in groups, or with the trunk's zero. */
static bool is_grouped(const struct phone_candidate *c)
{
	for (size_t i = 0; i < c->raw.len; i++) {
		if (strchr(" -./()", c->raw.ptr[i]) != NULL) {
			return true;
		}
	}
	return c->digits[0] == '0' || (unsigned char)c->raw.ptr[0] >= 0x80;
}

/* "Works AG, Long Street 5, 58091 Hagen, Phone +49...": what stands before
   the number and its label. */
static struct span text_before_label(struct span cell)
{
	struct phone_candidate c;
	struct span left = span_first(cell, first_number(cell));
	size_t from = 0;

	if (!phone_scan(cell, &from, &c)) {
		return signature_tidy(left);
	}
	for (size_t i = c.start; i > 0; i--) {
		if (cell.ptr[i - 1] == ',' &&
		    last_label(span_of(cell.ptr + i, c.start - i)) != NULL) {
			return signature_tidy(span_first(cell, i - 1));
		}
	}
	return signature_tidy(left);
}

/* Read all numbers of a cell. label is what stood before the cell, or NULL.
   Return how many were taken; *begin_r is where the first one or its label
   began. */
static size_t read_phones(struct signature_reader *r, struct span cell,
			  const struct word *label)
{
	struct phone_candidate c;
	size_t from = 0;
	size_t behind = 0;
	size_t taken = 0;

	while (phone_scan(cell, &from, &c)) {
		struct span gap = span_of(cell.ptr + behind, c.start - behind);
		const struct word *own = last_label(gap);
		size_t letters = count_letters(gap);
		bool bare = letters == 0 &&
			    count_letters(span_from(cell, c.end)) == 0;

		behind = c.end;
		if (own == NULL && letters > 0) {
			label = NULL;
		}
		own = own == NULL ? label : own;
		if (own == NULL) {
			own = label_behind(span_from(cell, c.end));
		}
		if (own != NULL && own->class != WORD_PHONE) {
			label = NULL;
			continue;
		}
		if (own == NULL &&
		    !(c.digits[0] == '+' && letters < 20 &&
		      count_digits(&c) >= 7) &&
		    !(bare && count_digits(&c) >= 7 && is_grouped(&c))) {
			continue;
		}
		add_phone(r, &c, own == NULL ? WORD_PHONE_PLAIN : own->value);
		label = own;
		taken++;
	}
	return taken;
}

static void read_cell(struct signature_reader *r, struct span cell);

/* A host without "www." is a web address when a label says so, when it
   stands alone, or when it is the writer's own domain. */
static bool is_web_host(const struct signature_reader *r, struct span cell,
			const struct text_link *link)
{
	struct span left = signature_tidy(span_first(cell, link->start));
	const struct word *word;
	struct span value;
	ptrdiff_t at = span_find(r->email, '@');

	if (at > 0 &&
	    span_iends(link->text, span_from(r->email, (size_t)at + 1))) {
		return true;
	}
	if (signature_read_label(span_first(cell, link->end), &word, &value) &&
	    word->class == WORD_LABEL && word->value == WORD_LABEL_WEB) {
		return true;
	}
	for (size_t i = 0; i < link->text.len; i++) {
		if (link->text.ptr[i] >= 'A' && link->text.ptr[i] <= 'Z') {
			return false;
		}
	}
	return left.len == 0 &&
	       signature_tidy(span_from(cell, link->end)).len == 0 &&
	       link->text.len >= 6;
}

/* Take the links out of a cell and read what is left and right of each. */
static bool read_links(struct signature_reader *r, struct span cell)
{
	struct text_link link;
	size_t from = 0;

	while (text_link_next(cell, &from, &link)) {
		const struct word *word;
		bool labelled;
		struct span left = span_first(cell, link.start);
		struct span value;

		if (link.kind == TEXT_LINK_HOST &&
		    !is_web_host(r, cell, &link)) {
			continue;
		}
		labelled = signature_read_label(left, &word, &value);
		if (labelled && word->class == WORD_LABEL &&
		    word->value == WORD_LABEL_SOCIAL) {
			return true;
		}
		if (link.kind == TEXT_LINK_EMAIL) {
			add_email(r, link.text);
		} else {
			add_url(r, link.text);
		}
		if (!labelled || signature_tidy(value).len > 0) {
			read_cell(r, left);
		}
		r->pending = NULL;
		read_cell(r, span_from(cell, link.end));
		return true;
	}
	return false;
}

static void read_labelled(struct signature_reader *r, const struct word *word,
			  struct span cell, struct span value)
{
	struct span tidy = signature_tidy(value);
	struct signature_text text = { tidy, r->line };

	if (word->class != WORD_LABEL) {
		signature_end_address(r);
	}
	if (word->class == WORD_PHONE) {
		if (read_phones(r, value, word) == 0 && tidy.len > 0) {
			signature_read_text(r, signature_tidy(cell));
		}
		return;
	}
	if (word->class == WORD_NUMBER) {
		/* "Amtsgericht X HRB 5, Tel. 030": only what has its label. */
		if (span_find(value, '+') >= 0 || last_label(value) != NULL) {
			read_phones(r, value, word);
		}
		return;
	}
	switch ((enum word_label)word->value) {
	case WORD_LABEL_ADDRESS:
		signature_read_address(r, tidy, true);
		break;
	case WORD_LABEL_NAME:
		if (r->now->name.text.len == 0) {
			r->now->name = text;
		}
		break;
	case WORD_LABEL_TITLE:
		r->now->title = text;
		break;
	case WORD_LABEL_COMPANY:
		r->now->company = text;
		break;
	default:
		break;
	}
}

static void read_cell(struct signature_reader *r, struct span cell)
{
	const struct word *word = NULL;
	struct address_evidence address;
	struct span tidy = signature_tidy(cell);
	struct span value;

	cell = span_trim(cell);
	if (cell.len == 0 || count_letters(cell) + first_number(cell) == 0) {
		if (first_number(cell) == cell.len) {
			return;
		}
	}
	if (read_links(r, cell)) {
		return;
	}
	if (signature_read_label(cell, &word, &value)) {
		if (signature_tidy(value).len == 0) {
			/* "Fax: -" says there is none. */
			r->pending = span_find(value, '-') >= 0 ? NULL : word;
			return;
		}
		r->pending = NULL;
		read_labelled(r, word, cell, value);
		return;
	}
	if (r->pending != NULL) {
		word = r->pending;
		r->pending = NULL;
		read_labelled(r, word, cell, cell);
		return;
	}
	postal_address_read(tidy, &address);
	if ((address.parts & (ADDRESS_STREET | ADDRESS_CITY)) == 0 ||
	    span_find(cell, '+') >= 0) {
		if (read_phones(r, cell, NULL) > 0) {
			signature_end_address(r);
			struct span left = text_before_label(cell);

			if (left.len > 6 && span_find(left, ' ') > 0 &&
			    last_label(left) == NULL) {
				signature_read_text(r, left);
			}
			return;
		}
	}
	if (tidy.len > 0) {
		signature_read_text(r, tidy);
	}
}

static bool is_digit_at(struct span s, ptrdiff_t i)
{
	return i >= 0 && (size_t)i < s.len &&
	       (ascii_is_digit(s.ptr[i]) || s.ptr[i] == '+' ||
		s.ptr[i] == '(' || s.ptr[i] == ')');
}

/* Length of a cell separator at line[i], or 0. */
static size_t separator_at(struct span line, size_t i)
{
	static const struct span marks[] = {
		{ "\t", 1 },
		{ "|", 1 },
		{ ";", 1 },
		{ "\xe2\x80\xa2", 3 },
		{ "\xc2\xb7", 2 },
		{ "\xc2\xa6", 2 },
		{ "\xe2\x96\xaa", 3 },
		{ "\xe2\x97\x8f", 3 },
		{ "\xe2\x94\x82", 3 },
		{ "\xe2\x80\xa3", 3 },
		{ "   ", 3 },
		{ "\xe2\x96\xa0", 3 },
		{ "\xef\xbd\x9c", 3 },
		{ "\xe2\x9a\xac", 3 },
		{ "::", 2 },
		{ "\xe2\x88\x99", 3 },
		{ "\xe2\x8b\x85", 3 },
		{ "\xe2\x97\x86", 3 },
	};
	static const struct span spaced[] = {
		{ " - ", 3 },
		{ " / ", 3 },
		{ " // ", 4 },
		{ " \xe2\x80\x93 ", 5 },
		{ " \xe2\x80\x94 ", 5 },
		{ " -- ", 4 },
		{ " * ", 3 },
		{ " ~ ", 3 },
	};
	struct span rest = span_from(line, i);

	/* No mark begins with anything else; most bytes end here. */
	if (memchr("\t|; :\xe2\xc2\xef", rest.ptr[0], 8) == NULL) {
		return 0;
	}
	for (size_t m = 0; m < N_ELEMENTS(marks); m++) {
		if (span_starts(rest, marks[m])) {
			return marks[m].len;
		}
	}
	for (size_t m = 0; m < N_ELEMENTS(spaced); m++) {
		if (span_starts(rest, spaced[m])) {
			/* Between digits it is part of a number. */
			bool digits =
				is_digit_at(line, (ptrdiff_t)i - 1) &&
				is_digit_at(rest, (ptrdiff_t)spaced[m].len);

			return digits ? 0 : spaced[m].len;
		}
	}
	return 0;
}

/* "Anna <mailto:anna@x>", "www.x.de<http://www.x.de/>", "[cid:image001]":
   the part in brackets repeats the link. Return its length, or 0. */
static size_t link_target_at(struct span line, size_t i)
{
	struct span rest = span_from(line, i);
	char close = rest.ptr[0] == '<' ? '>' : ']';
	ptrdiff_t end;

	if (rest.ptr[0] != '<' && rest.ptr[0] != '[') {
		return 0;
	}
	if (!(rest.ptr[0] == '<' && i > 0 &&
	      (span_istarts(rest, SPAN("<mailto:")) ||
	       span_istarts(rest, SPAN("<http")) ||
	       span_istarts(rest, SPAN("<tel:")))) &&
	    !span_istarts(rest, SPAN("[cid:")) &&
	    !span_istarts(rest, SPAN("[image:")) &&
	    !span_istarts(rest, SPAN("[logo")) &&
	    !span_istarts(rest, SPAN("[http"))) {
		return 0;
	}
	end = span_find(rest, close);
	return end < 0 ? 0 : (size_t)end + 1;
}

void signature_read_line(struct signature_reader *r, struct span line)
{
	size_t start = 0;
	size_t i = 0;

	/* "> " of a quote inside a quote is gone; "| " boxes are cells. */
	while (i < line.len) {
		size_t skip = link_target_at(line, i);
		size_t len = skip > 0 ? skip : separator_at(line, i);

		if (len == 0) {
			i++;
			continue;
		}
		read_cell(r, span_of(line.ptr + start, i - start));
		i += len;
		start = i;
	}
	read_cell(r, span_from(line, start));
}
