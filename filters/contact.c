/* contact: owned fields of a person and their JSON form. Does not know where
   they come from. */
#include "filters/contact.h"

#include <assert.h>
#include <stdlib.h>

#include "filters/text_chars.h"
#include "lib/strbuf.h"
#include "lib/xalloc.h"
#include "message/address.h"

#define JSON_MAX 65536

static const char *const kind_names[] = { "person", "list", "noreply" };
static_assert(N_ELEMENTS(kind_names) == CONTACT_KIND_COUNT, "kinds");
static const char *const role_names[] = { "author", "recipient", "mentioned" };
static_assert(N_ELEMENTS(role_names) == CONTACT_ROLE_COUNT, "roles");
static const char *const phone_names[] = { "work", "mobile", "fax",
					   "home", "pager",  "other" };
static_assert(N_ELEMENTS(phone_names) == PHONE_KIND_COUNT, "phones");

const char *contact_kind_name(enum contact_kind kind)
{
	assert(kind < CONTACT_KIND_COUNT);
	return kind_names[kind];
}

const char *contact_role_name(enum contact_role role)
{
	assert(role < CONTACT_ROLE_COUNT);
	return role_names[role];
}

const char *phone_kind_name(enum phone_kind kind)
{
	assert(kind < PHONE_KIND_COUNT);
	return phone_names[kind];
}

/* As everywhere else, and nothing in it that no reader sees: two addresses
   that look alike must not be two contacts, nor one read backwards. */
static int canonical_email(struct span email, char out_r[ADDRESS_EMAIL_MAX + 1])
{
	struct span rest;

	if (address_canonical(span_trim(email), out_r) < 0) {
		return -1;
	}
	rest = span_str(out_r);
	while (rest.len > 0) {
		if (chars_is_invisible(chars_next(&rest))) {
			return -1;
		}
	}
	return 0;
}

struct contact *contact_list_get(struct contact_list *list, struct span email)
{
	char key[ADDRESS_EMAIL_MAX + 1];
	struct contact *contact = NULL;

	if (canonical_email(email, key) < 0) {
		return NULL;
	}
	for (size_t i = 0; i < list->count && contact == NULL; i++) {
		if (strcmp(list->items[i].email, key) == 0) {
			contact = &list->items[i];
		}
	}
	if (contact == NULL && list->count < CONTACTS_MAX) {
		/* Room for a power of two, as in any growing array. */
		if ((list->count & (list->count - 1)) == 0) {
			list->items = xreallocarray(
				list->items,
				list->count == 0 ? 1 : list->count * 2,
				sizeof(*list->items));
		}
		contact = &list->items[list->count++];
		*contact = (struct contact){ .email = xstrdup(key) };
	}
	return contact;
}

static void contact_finish(struct contact *contact)
{
	free(contact->email);
	free(contact->name);
	free(contact->title);
	free(contact->company);
	free(contact->postal_address);
	for (size_t i = 0; i < contact->phone_count; i++) {
		free(contact->phones[i].e164);
		free(contact->phones[i].ext);
		free(contact->phones[i].raw);
	}
	for (size_t i = 0; i < contact->url_count; i++) {
		free(contact->urls[i]);
	}
}

void contact_list_finish(struct contact_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		contact_finish(&list->items[i]);
	}
	free(list->items);
	*list = (struct contact_list){ 0 };
}

/* A cleaned copy, or NULL when nothing is left. */
static char *clean_copy(struct span value)
{
	char buf[CONTACT_FIELD_MAX + 5];
	size_t len = 0;

	while (value.len > 0 && len < CONTACT_FIELD_MAX) {
		uint32_t c = chars_next(&value);
		char put[4];
		size_t n;

		if (chars_is_space(c)) {
			if (len > 0 && buf[len - 1] != ' ') {
				buf[len++] = ' ';
			}
			continue;
		}
		n = chars_put(c, put);
		if (!chars_is_invisible(c) && len + n <= CONTACT_FIELD_MAX) {
			memcpy(buf + len, put, n);
			len += n;
		}
	}
	while (len > 0 && buf[len - 1] == ' ') {
		len--;
	}
	return len == 0 ? NULL : span_dup(span_of(buf, len));
}

void contact_set(char **field, struct span value)
{
	char *copy = clean_copy(value);

	free(*field);
	*field = copy;
}

static bool same_text(const char *owned, struct span other)
{
	return span_eq(span_str(owned), other);
}

void contact_add_phone(struct contact *contact, struct span e164,
		       struct span ext, struct span raw, enum phone_kind kind)
{
	struct phone *phone;

	for (size_t i = 0; i < contact->phone_count; i++) {
		if (same_text(contact->phones[i].e164, e164) &&
		    same_text(contact->phones[i].ext, ext)) {
			return;
		}
	}
	if (e164.len == 0 || contact->phone_count == CONTACT_PHONES_MAX) {
		return;
	}
	phone = &contact->phones[contact->phone_count++];
	*phone = (struct phone){ .e164 = span_dup(e164),
				 .ext = ext.len == 0 ? NULL : span_dup(ext),
				 .raw = clean_copy(raw),
				 .kind = kind };
}

void contact_add_url(struct contact *contact, struct span url)
{
	for (size_t i = 0; i < contact->url_count; i++) {
		if (span_ieq(span_str(contact->urls[i]), url)) {
			return;
		}
	}
	if (url.len == 0 || url.len > CONTACT_FIELD_MAX ||
	    contact->url_count == CONTACT_URLS_MAX) {
		return;
	}
	contact->urls[contact->url_count++] = span_dup(url);
}

/* Can the byte stand in a JSON text as it is, whatever is beside it? */
static bool json_is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static void json_string(struct strbuf *out, const char *text)
{
	struct span rest = span_str(text);

	if (text == NULL) {
		strbuf_add_str(out, "null");
		return;
	}
	strbuf_add_char(out, '"');
	while (rest.len > 0) {
		struct span before = rest;
		size_t plain = 0;
		uint32_t c;

		while (plain < rest.len &&
		       json_is_plain((unsigned char)rest.ptr[plain])) {
			plain++;
		}
		if (plain > 0) {
			strbuf_add(out, span_first(rest, plain));
			rest = span_from(rest, plain);
			continue;
		}
		c = chars_next(&rest);
		if (c == '"' || c == '\\') {
			strbuf_addf(out, "\\%c", (char)c);
		} else if (c < ' ' || c == 0x7f) {
			strbuf_addf(out, "\\u%04x", (unsigned int)c);
		} else if (c == 0xfffd) {
			strbuf_add_str(out, "\xef\xbf\xbd");
		} else {
			strbuf_add(out,
				   span_first(before, before.len - rest.len));
		}
	}
	strbuf_add_char(out, '"');
}

static void json_member(struct strbuf *out, const char *name, const char *text)
{
	strbuf_add_char(out, '"');
	strbuf_add_str(out, name);
	strbuf_add_str(out, "\":");
	json_string(out, text);
	strbuf_add_char(out, ',');
}

static void json_phones(struct strbuf *out, const struct contact *contact)
{
	strbuf_add_str(out, "\"phones\":[");
	for (size_t i = 0; i < contact->phone_count; i++) {
		const struct phone *phone = &contact->phones[i];

		strbuf_add_str(out, i == 0 ? "{" : ",{");
		json_member(out, "e164", phone->e164);
		json_member(out, "ext", phone->ext);
		json_member(out, "raw", phone->raw);
		strbuf_add_str(out, "\"kind\":\"");
		strbuf_add_str(out, phone_kind_name(phone->kind));
		strbuf_add_str(out, "\"}");
	}
	strbuf_add_str(out, "],\"urls\":[");
	for (size_t i = 0; i < contact->url_count; i++) {
		strbuf_add_str(out, i == 0 ? "" : ",");
		json_string(out, contact->urls[i]);
	}
	strbuf_add_str(out, "],");
}

static void json_sources(struct strbuf *out, unsigned int sources)
{
	static const char *const names[] = { "header", "signature", "vcard",
					     "calendar", "envelope" };
	bool first = true;

	strbuf_add_str(out, "\"source\":[");
	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		if ((sources & 1u << i) != 0) {
			strbuf_add_str(out, first ? "\"" : ",\"");
			strbuf_add_str(out, names[i]);
			strbuf_add_char(out, '"');
			first = false;
		}
	}
	strbuf_add_str(out, "],");
}

void contact_add_json(const struct contact *contact, struct strbuf *out)
{
	unsigned int hundredths =
		(unsigned int)(contact->confidence * 100 + 0.5);

	strbuf_add_char(out, '{');
	json_member(out, "email", contact->email);
	json_member(out, "name", contact->name);
	json_member(out, "title", contact->title);
	json_member(out, "company", contact->company);
	json_phones(out, contact);
	json_member(out, "postal_address", contact->postal_address);
	json_member(out, "kind", contact_kind_name(contact->kind));
	json_member(out, "role", contact_role_name(contact->role));
	json_sources(out, contact->sources);
	strbuf_addf(out, "\"confidence\":%u.%02u}", hundredths / 100,
		    hundredths % 100);
}

char *contact_to_json(const struct contact *contact)
{
	struct strbuf out = STRBUF_INIT(JSON_MAX);
	char *json;

	contact_add_json(contact, &out);
	json = span_dup(strbuf_span(&out));
	strbuf_finish(&out);
	return json;
}
