/* contact_fill: from a signature to a contact's fields. */
#include "filters/contact_fill.h"

#include <stdio.h>
#include <stdlib.h>

#include "filters/person_name.h"
#include "lib/strbuf.h"

/* Two-letter domains that people everywhere use. */
static const char generic_domains[] =
	" io co ai me tv eu cc ly fm gg sh so to ws nu la gl im is app ";

static void set_origin(struct contact *contact, enum contact_field field,
		       const struct fill_source *from, unsigned int line)
{
	char *out = contact->field_origin[field];
	size_t size = sizeof(contact->field_origin[field]);

	if (line > 0) {
		snprintf(out, size, "line %u of %.*s", line,
			 SPAN_ARGS(span_first(from->part, 40)));
	} else {
		snprintf(out, size, "%.*s",
			 SPAN_ARGS(span_first(from->part, 40)));
	}
}

static size_t count_foreign(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		n += (unsigned char)s.ptr[i] >= 0x80;
	}
	return n;
}

/* A signature names the person behind "Sales Team", in the person's own
   script, order and accents; but "Ann" does not replace "Ann Weber". */
static bool signature_name_wins(struct span name, struct span have,
				struct span email)
{
	if (person_name_other_script(name, have)) {
		return count_foreign(name) > 0;
	}
	if (!person_name_same(name, have)) {
		return person_name_is_role_mailbox(email) ||
		       !person_name_likely(have) ||
		       person_name_in_address(name, email);
	}
	return !person_name_is_fuller(have, name) &&
	       count_foreign(name) >= count_foreign(have);
}

void contact_fill_name(struct contact *contact, struct span raw,
		       unsigned int source, const char *origin)
{
	char name[PERSON_NAME_MAX + 1];
	struct span email = span_str(contact->email);
	struct span have = span_str(contact->name);
	size_t len = person_name_clean(raw, email, name);
	struct span clean = span_of(name, len);
	bool replace;

	if (len == 0) {
		return;
	}
	replace = contact->name == NULL || person_name_is_fuller(clean, have);
	if (source != CONTACT_SOURCE_HEADER && contact->name != NULL) {
		replace = signature_name_wins(clean, have, email);
	}
	if (replace) {
		contact_set(&contact->name, clean);
		contact->name_source = source;
		snprintf(contact->field_origin[CONTACT_FIELD_NAME],
			 sizeof(contact->field_origin[CONTACT_FIELD_NAME]),
			 "%s", origin);
	}
}

static bool may_be(const struct signature *s, unsigned int country)
{
	char code[3] = { (char)(country >> 8), (char)(country & 0xff), '\0' };

	return s->may_be == NULL || strstr(s->may_be, code) != NULL;
}

static unsigned int country_of(struct span code)
{
	return code.len == 2 ? ISO((unsigned char)(code.ptr[0] & 0xdf),
				   (unsigned char)(code.ptr[1] & 0xdf))
			     : 0;
}

/* The first number written with its country code says where we are. */
static unsigned int plus_country(const struct signature *s)
{
	for (size_t i = 0; i < s->phone_count; i++) {
		const char *digits = s->phones[i].candidate.digits;
		struct phone_number number;
		char region[3];

		if (digits[0] == '+' && phone_parse(digits, "", &number) == 0) {
			phone_region(number.e164, region);
			return country_of(span_str(region));
		}
	}
	return 0;
}

static unsigned int domain_country(struct span email)
{
	struct span tld = email;
	char padded[5] = "    ";

	for (size_t i = email.len; i > 0; i--) {
		if (email.ptr[i - 1] == '.') {
			tld = span_from(email, i);
			break;
		}
	}
	if (tld.len != 2) {
		return 0;
	}
	padded[1] = ascii_lower(tld.ptr[0]);
	padded[2] = ascii_lower(tld.ptr[1]);
	padded[3] = ' ';
	padded[4] = '\0';
	if (strstr(generic_domains, padded) != NULL) {
		return 0;
	}
	return span_ieq(tld, SPAN("uk")) ? ISO('G', 'B') : country_of(tld);
}

/* Address, other numbers with +, the sender's domain, the street's language,
   the company's legal form, the organization: the first that does not
   contradict the form of the postal code. None: "" (we do not guess). */
static void find_region(const struct signature *s,
			const struct contact *contact,
			const struct fill_source *from, char region_r[3])
{
	unsigned int candidates[6];
	unsigned int found = 0;

	candidates[0] = s->country;
	candidates[1] = plus_country(s);
	candidates[2] = domain_country(span_str(contact->email));
	candidates[3] = s->street_country;
	candidates[4] = s->company_country;
	candidates[5] = country_of(from->region);
	for (size_t i = 0; i < N_ELEMENTS(candidates) && found == 0; i++) {
		if (candidates[i] != 0 &&
		    (i == 0 || may_be(s, candidates[i]))) {
			found = candidates[i];
		}
	}
	region_r[0] = (char)(found >> 8);
	region_r[1] = (char)(found & 0xff);
	region_r[2] = '\0';
}

static enum phone_kind kind_of(unsigned int labelled, enum phone_type type)
{
	if (labelled < PHONE_KIND_COUNT) {
		return (enum phone_kind)labelled;
	}
	switch (type) {
	case PHONE_TYPE_MOBILE:
		return PHONE_MOBILE;
	case PHONE_TYPE_PAGER:
		return PHONE_PAGER;
	default:
		return PHONE_WORK;
	}
}

static bool has_national(const struct signature *s)
{
	for (size_t i = 0; i < s->phone_count; i++) {
		if (s->phones[i].candidate.digits[0] != '+') {
			return true;
		}
	}
	return false;
}

static void fill_phones(struct contact *contact, const struct signature *s,
			const struct fill_source *from)
{
	char region[3] = "";

	if (has_national(s)) {
		find_region(s, contact, from, region);
	}
	for (size_t i = 0; i < s->phone_count; i++) {
		const struct phone_candidate *c = &s->phones[i].candidate;
		struct phone_number number;

		if (phone_parse(c->digits, region, &number) == 0) {
			contact_add_phone(
				contact, span_str(number.e164),
				span_str(c->ext), c->raw,
				kind_of(s->phones[i].kind, number.type));
		}
	}
}

static void fill_address(struct contact *contact, const struct signature *s,
			 const struct fill_source *from)
{
	struct strbuf out = STRBUF_INIT(CONTACT_FIELD_MAX);

	for (size_t i = 0; i < s->address_count; i++) {
		struct span part = s->address[i].text;
		ptrdiff_t dash;

		strbuf_add_str(&out, i == 0 ? "" : ", ");
		while ((dash = span_search(part, SPAN(" - "))) > 0) {
			strbuf_add(&out, span_first(part, (size_t)dash));
			strbuf_add_str(&out, ", ");
			part = span_from(part, (size_t)dash + 3);
		}
		strbuf_add(&out, part);
	}
	contact_set(&contact->postal_address, strbuf_span(&out));
	set_origin(contact, CONTACT_FIELD_POSTAL_ADDRESS, from,
		   s->address[0].line);
	strbuf_finish(&out);
}

static void fill_urls(struct contact *contact, const struct signature *s)
{
	for (size_t i = 0; i < s->url_count; i++) {
		struct strbuf url = STRBUF_INIT(CONTACT_FIELD_MAX);

		if (span_search(s->urls[i], SPAN("://")) < 0) {
			strbuf_add_str(&url, "https://");
		}
		strbuf_add(&url, s->urls[i]);
		contact_add_url(contact, strbuf_span(&url));
		strbuf_finish(&url);
	}
}

void contact_fill(struct contact *contact, const struct signature *s,
		  const struct fill_source *from)
{
	char origin[64];

	snprintf(origin, sizeof(origin), "line %u of %.*s", s->name.line,
		 SPAN_ARGS(span_first(from->part, 40)));
	contact_fill_name(contact, s->name.text, from->source, origin);
	if (contact->title == NULL && s->title.text.len > 0) {
		contact_set(&contact->title, s->title.text);
		set_origin(contact, CONTACT_FIELD_TITLE, from, s->title.line);
	}
	if (contact->company == NULL && s->company.text.len > 0) {
		contact_set(&contact->company, s->company.text);
		set_origin(contact, CONTACT_FIELD_COMPANY, from,
			   s->company.line);
	}
	if (contact->postal_address == NULL && s->address_count > 0) {
		fill_address(contact, s, from);
	}
	fill_phones(contact, s, from);
	fill_urls(contact, s);
	contact->sources |= from->source;
	if (contact->confidence < from->confidence) {
		contact->confidence = from->confidence;
	}
}
