/* vcard: read cards property by property from a table. */
#include "filters/vcard.h"

#include "filters/content_line.h"
#include "filters/words.h"

/* Values of one card, decoded. */
#define CARD_TEXT_MAX 65536

struct card {
	struct signature signature;
	/* From N, in case FN is missing. */
	struct span name_parts;
	bool is_person;
	bool has_content;
	struct strbuf *arena;
};

static struct signature_text text_of(struct span text)
{
	return (struct signature_text){ .text = text };
}

static void read_fn(struct card *card, const struct content_line *line)
{
	card->signature.name =
		text_of(content_line_text(line, line->value, card->arena));
}

/* The index-th piece of a structured value; '\;' does not divide. */
static struct span piece_of(struct span value, size_t index)
{
	size_t start = 0;

	for (size_t i = 0; i <= value.len; i++) {
		if (i < value.len && value.ptr[i] == '\\') {
			i++;
			continue;
		}
		if (i == value.len || value.ptr[i] == ';') {
			if (index-- == 0) {
				return span_of(value.ptr + start, i - start);
			}
			start = i + 1;
		}
	}
	return SPAN("");
}

/* N:Family;Given;Additional;Prefix;Suffix. */
static void read_n(struct card *card, const struct content_line *line)
{
	size_t start = card->arena->len;

	content_line_text(line, piece_of(line->value, 1), card->arena);
	strbuf_add_char(card->arena, ' ');
	content_line_text(line, piece_of(line->value, 2), card->arena);
	strbuf_add_char(card->arena, ' ');
	content_line_text(line, piece_of(line->value, 0), card->arena);
	card->name_parts = span_trim(
		span_of(card->arena->ptr + start, card->arena->len - start));
}

static void read_title(struct card *card, const struct content_line *line)
{
	if (card->signature.title.text.len == 0) {
		card->signature.title = text_of(
			content_line_text(line, line->value, card->arena));
	}
}

static void read_org(struct card *card, const struct content_line *line)
{
	card->signature.company = text_of(
		content_line_text(line, piece_of(line->value, 0), card->arena));
}

static void read_email(struct card *card, const struct content_line *line)
{
	struct signature *s = &card->signature;
	struct span value = content_line_text(line, line->value, card->arena);

	if (span_istarts(value, SPAN("mailto:"))) {
		value = span_from(value, 7);
	}
	if (s->email_count < SIGNATURE_EMAILS_MAX) {
		s->emails[s->email_count++] = text_of(value);
	}
}

static unsigned int kind_of(const struct content_line *line)
{
	static const struct {
		const char *type;
		unsigned int kind;
	} kinds[] = {
		{ "fax", PHONE_FAX },	    { "cell", PHONE_MOBILE },
		{ "mobile", PHONE_MOBILE }, { "iphone", PHONE_MOBILE },
		{ "pager", PHONE_PAGER },   { "car", PHONE_MOBILE },
		{ "home", PHONE_HOME },	    { "work", PHONE_WORK },
	};

	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		if (content_line_has_type(line, kinds[i].type)) {
			return kinds[i].kind;
		}
	}
	return WORD_PHONE_PLAIN;
}

static void read_tel(struct card *card, const struct content_line *line)
{
	struct signature *s = &card->signature;
	struct span value = content_line_text(line, line->value, card->arena);
	size_t from = 0;
	struct phone_candidate c;

	if (span_istarts(value, SPAN("tel:"))) {
		value = span_from(value, 4);
	}
	if (s->phone_count < CONTACT_PHONES_MAX &&
	    phone_scan(value, &from, &c)) {
		s->phones[s->phone_count++] =
			(struct signature_phone){ c, kind_of(line) };
	}
}

static void read_url(struct card *card, const struct content_line *line)
{
	struct signature *s = &card->signature;

	if (s->url_count < CONTACT_URLS_MAX) {
		s->urls[s->url_count++] =
			content_line_text(line, line->value, card->arena);
	}
}

static void add_address(struct card *card, struct span text)
{
	struct signature *s = &card->signature;
	struct address_evidence a;

	if (text.len == 0 || s->address_count == SIGNATURE_ADDRESS_MAX) {
		return;
	}
	s->address[s->address_count++] = text_of(text);
	postal_address_read(text, &a);
	s->address_parts |= a.parts | ADDRESS_STREET;
	if (a.country != 0) {
		s->country = a.country;
	}
	if (a.may_be != NULL) {
		s->may_be = a.may_be;
	}
}

/* Countries where the postal code stands behind the place. */
static bool is_code_last(struct span country)
{
	static const char last[] = " US CA GB IE AU NZ IN SG JP ZA BR ";
	char code[5] = "    ";
	const struct word *word;
	struct folded f;

	chars_fold(country, &f);
	if (!words_is(folded_span(&f), WORD_COUNTRY, &word)) {
		return false;
	}
	code[1] = (char)(word->value >> 8);
	code[2] = (char)(word->value & 0xff);
	return strstr(last, code) != NULL;
}

/* ADR:box;extended;street;locality;region;code;country. The order of code and
   locality is the country's: before it in most, behind it in English. */
static void read_adr(struct card *card, const struct content_line *line)
{
	struct span piece[7];
	bool code_first;
	size_t start;

	if (card->signature.address_count > 0 &&
	    !content_line_has_type(line, "work")) {
		return;
	}
	card->signature.address_count = 0;
	for (size_t i = 0; i < N_ELEMENTS(piece); i++) {
		piece[i] = content_line_text(line, piece_of(line->value, i),
					     card->arena);
	}
	for (size_t i = 0; i < 3; i++) {
		add_address(card, piece[i]);
	}
	code_first = piece[5].len > 0 && ascii_is_digit(piece[5].ptr[0]) &&
		     !is_code_last(piece[6]);
	start = card->arena->len;
	if (code_first) {
		strbuf_add(card->arena, piece[5]);
		strbuf_add_char(card->arena, ' ');
	}
	strbuf_add(card->arena, piece[3]);
	if (piece[4].len > 0) {
		strbuf_add_str(card->arena, ", ");
		strbuf_add(card->arena, piece[4]);
	}
	if (!code_first && piece[5].len > 0) {
		strbuf_add_str(card->arena, piece[4].len > 0 ? " " : ", ");
		strbuf_add(card->arena, piece[5]);
	}
	add_address(card, span_trim(span_of(card->arena->ptr + start,
					    card->arena->len - start)));
	add_address(card, piece[6]);
}

static void read_kind(struct card *card, const struct content_line *line)
{
	card->is_person = span_ieq(span_trim(line->value), SPAN("individual"));
}

static const struct {
	const char *name;
	void (*read)(struct card *card, const struct content_line *line);
} properties[] = {
	{ "FN", read_fn },	 { "N", read_n },
	{ "TITLE", read_title }, { "ORG", read_org },
	{ "EMAIL", read_email }, { "TEL", read_tel },
	{ "URL", read_url },	 { "ADR", read_adr },
	{ "KIND", read_kind },	 { "X-ADDRESSBOOKSERVER-KIND", read_kind },
};

static void finish_card(struct card *card, vcard_found *found, void *context)
{
	struct signature *s = &card->signature;

	if (card->name_parts.len > 0 && s->name.text.len == 0) {
		s->name = text_of(card->name_parts);
	}
	if (card->is_person && (s->name.text.len > 0 || s->email_count > 0)) {
		s->is_marked = true;
		found(context, s);
	}
}

void vcard_read(struct span text, vcard_found *found, void *context)
{
	struct strbuf unfolded = STRBUF_INIT(CONTENT_LINE_TEXT_MAX + 16);
	struct strbuf arena = STRBUF_INIT(CARD_TEXT_MAX);
	struct card card = { 0 };
	struct content_line line;
	struct span rest;
	size_t cards = 0;
	bool inside = false;

	content_line_unfold(text, &unfolded);
	/* All at once: what was read from the arena borrows from it. */
	strbuf_reserve(&arena, CARD_TEXT_MAX);
	rest = strbuf_span(&unfolded);
	while (cards < VCARDS_MAX && content_line_next(&rest, &line)) {
		bool is_card = span_ieq(span_trim(line.value), SPAN("VCARD"));

		if (span_ieq(line.name, SPAN("BEGIN")) && is_card) {
			strbuf_clear(&arena);
			card = (struct card){ .is_person = true,
					      .arena = &arena };
			inside = true;
		} else if (span_ieq(line.name, SPAN("END")) && is_card) {
			if (inside) {
				finish_card(&card, found, context);
				cards++;
			}
			inside = false;
		}
		for (size_t i = 0; inside && i < N_ELEMENTS(properties); i++) {
			if (span_ieq(line.name, span_str(properties[i].name))) {
				properties[i].read(&card, &line);
			}
		}
	}
	strbuf_finish(&arena);
	strbuf_finish(&unfolded);
}
