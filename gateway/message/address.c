/* address: the mailboxes of an address header. Knows nothing of which header
   it was. */
#include "message/address.h"

#include <stdlib.h>

#include "lib/xalloc.h"
#include "message/encoded_word.h"
#include "message/utf8.h"

/* What has been read since the last separator. */
struct entry {
	/* Everything outside <> and comments: a phrase, or a bare address. */
	struct strbuf phrase;
	/* Between < and >. */
	struct strbuf angle;
	/* The last comment with text, a name in the old style. */
	struct span comment;
	bool has_angle;
	/* Length of the phrase when the angle began. */
	size_t before_angle;
	/* The phrase holds a word outside quotes with '@' in it. */
	bool has_at;
};

struct parser {
	struct span rest;
	struct arena *arena;
	struct address_list *list;
	struct span group;
	struct entry entry;
};

static void entry_clear(struct entry *entry)
{
	strbuf_clear(&entry->phrase);
	strbuf_clear(&entry->angle);
	entry->comment = SPAN("");
	entry->has_angle = false;
	entry->has_at = false;
}

/* Length of the quoted string at the head of s, with its quotes; 0 when it is
   not closed. */
static size_t closed_length(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == '\\') {
			i++;
		} else if (s.ptr[i] == '"') {
			return i + 1;
		}
	}
	return 0;
}

/* The same; to the end of s when it is not closed. */
static size_t quoted_length(struct span s)
{
	size_t len = closed_length(s);

	return len == 0 ? s.len : len;
}

/* Length of the comment at the head of s; mime_scan bounds the nesting. */
static size_t comment_length(struct span s)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\') {
			i++;
		} else if (s.ptr[i] == '(') {
			depth++;
		} else if (s.ptr[i] == ')' && --depth == 0) {
			return i + 1;
		}
	}
	return s.len;
}

/* Append what is inside the quotes or parentheses, quoted pairs undone. */
static void add_unquoted(struct strbuf *out, struct span quoted)
{
	struct span inner = span_from(quoted, 1);
	char close = quoted.ptr[0] == '(' ? ')' : '"';

	if (inner.len > 0 && inner.ptr[inner.len - 1] == close) {
		inner.len--;
	}
	for (size_t i = 0; i < inner.len; i++) {
		if (inner.ptr[i] == '\\' && i + 1 < inner.len) {
			i++;
		}
		strbuf_add_char(out, inner.ptr[i]);
	}
}

static bool is_local_byte(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c != 0x7f &&
	       memchr("()<>[]:;,\\\"@", c, 12) == NULL;
}

/* Write the local part in its plain form; quotes stay only where they are
   needed. Return its length, 0 when it is none. */
static size_t local_canonical(struct span local, char *out, size_t size)
{
	struct strbuf plain = STRBUF_INIT(size);
	bool needs_quotes = false;
	size_t len = 0;

	if (local.len > 1 && local.ptr[0] == '"' &&
	    closed_length(local) == local.len) {
		add_unquoted(&plain, local);
		for (size_t i = 0; i < plain.len; i++) {
			needs_quotes =
				needs_quotes || !is_local_byte(plain.ptr[i]);
		}
		local = needs_quotes ? local : strbuf_span(&plain);
	}
	for (size_t i = 0; i < local.len && len < size; i++) {
		unsigned char c = (unsigned char)local.ptr[i];

		if (c < ' ' || c == 0x7f ||
		    (!needs_quotes && !is_local_byte(local.ptr[i]))) {
			len = 0;
			break;
		}
		out[len++] = ascii_lower(local.ptr[i]);
	}
	strbuf_finish(&plain);
	return len;
}

/* RFC 5321 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]". */
static bool is_literal(struct span domain)
{
	if (domain.len < 3 || domain.ptr[domain.len - 1] != ']') {
		return false;
	}
	for (size_t i = 1; i + 1 < domain.len; i++) {
		char c = domain.ptr[i];

		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '.' &&
		    c != ':' && c != '-') {
			return false;
		}
	}
	return true;
}

int address_canonical(struct span email, char out_r[ADDRESS_EMAIL_MAX + 1])
{
	const char *at = NULL;
	char domain[DOMAIN_MAX + 1];
	struct span domain_part;
	size_t len;

	if (email.len > ADDRESS_EMAIL_MAX || !span_is_utf8(email)) {
		return -1;
	}
	if (email.len > 0) {
		at = memrchr(email.ptr, '@', email.len);
	}
	if (at == NULL || at == email.ptr) {
		return -1;
	}
	domain_part = span_from(email, (size_t)(at - email.ptr) + 1);
	/* A second '@' in a bare local part belongs to nobody. */
	if (email.ptr[0] != '"' &&
	    memchr(email.ptr, '@', (size_t)(at - email.ptr)) != NULL) {
		return -1;
	}
	if (domain_canonical(domain_part, domain) < 0 ||
	    (domain[0] == '[' && !is_literal(span_str(domain)))) {
		return -1;
	}
	len = local_canonical(span_of(email.ptr, (size_t)(at - email.ptr)),
			      out_r, ADDRESS_EMAIL_MAX);
	if (len == 0 || len + 1 + strlen(domain) > ADDRESS_EMAIL_MAX) {
		return -1;
	}
	out_r[len] = '@';
	memcpy(out_r + len + 1, domain, strlen(domain) + 1);
	return 0;
}

/* Canonical form of what stood where an address is expected: white space,
   comments, a source route and "mailto:" are no part of it. */
static int canonical_from_wild(struct span wild,
			       char out_r[ADDRESS_EMAIL_MAX + 1])
{
	struct span word = span_trim(wild);
	ptrdiff_t colon;

	if (span_istarts(word, SPAN("mailto:"))) {
		word = span_trim(span_from(word, 7));
	}
	/* RFC 5322 4.4: <@relay.example,@other.example:user@host.example> */
	colon = span_find(word, ':');
	if (word.len > 0 && word.ptr[0] == '@' && colon > 0) {
		word = span_trim(span_from(word, (size_t)colon + 1));
	}
	if (address_canonical(word, out_r) == 0) {
		return 0;
	}
	/* 'user@host' in single quotes, or a stop behind it. */
	while (word.len > 0 && strchr("'`<", word.ptr[0]) != NULL) {
		word = span_from(word, 1);
	}
	while (word.len > 0 && strchr("'`>.", word.ptr[word.len - 1]) != NULL) {
		word.len--;
	}
	return address_canonical(word, out_r);
}

/* The display name: decoded, white space collapsed. */
static struct span decode_name(struct arena *arena, struct span raw)
{
	struct strbuf out = STRBUF_INIT(raw.len * 3 + 64);
	struct span name;
	size_t to = 0;

	encoded_word_decode(raw, &out);
	for (size_t i = 0; i < out.len; i++) {
		if (ascii_is_space(out.ptr[i]) &&
		    (to == 0 || out.ptr[to - 1] == ' ')) {
			continue;
		}
		out.ptr[to++] = ascii_is_space(out.ptr[i]) ? ' ' : out.ptr[i];
	}
	if (to > 0 && out.ptr[to - 1] == ' ') {
		to--;
	}
	name = arena_copy(arena, span_of(out.ptr, to));
	strbuf_finish(&out);
	return name;
}

static void add_address(struct parser *p, const char *email, struct span name)
{
	struct address_list *list = p->list;
	struct address *address;
	const char *at;

	if (list->count == ADDRESS_MAX) {
		list->unreadable = true;
		return;
	}
	if (list->count == list->size) {
		list->size = list->size == 0 ? 4 : list->size * 2;
		list->items = xreallocarray(list->items, list->size,
					    sizeof(*list->items));
	}
	address = &list->items[list->count++];
	address->email = arena_copy(p->arena, span_str(email));
	at = memrchr(address->email.ptr, '@', address->email.len);
	address->domain = span_from(address->email,
				    (size_t)(at - address->email.ptr) + 1);
	address->name = decode_name(p->arena, name);
	address->group = p->group;
}

/* "Anna Weber anna@weber.example": the word with '@' is the address, the
   words before it the name. */
static int split_bare(struct span phrase, char out_r[ADDRESS_EMAIL_MAX + 1],
		      struct span *name_r)
{
	struct span rest = phrase;
	struct span word;

	while (span_next_word(&rest, " \t\r\n", &word)) {
		if (span_find(word, '@') >= 0 &&
		    canonical_from_wild(word, out_r) == 0) {
			*name_r = span_trim(span_of(
				phrase.ptr, (size_t)(word.ptr - phrase.ptr)));
			return 0;
		}
	}
	return -1;
}

/* "user @ host . example" (RFC 5322 4.4): the same without white space. */
static int join_bare(struct span phrase, char out_r[ADDRESS_EMAIL_MAX + 1])
{
	struct strbuf joined = STRBUF_INIT(ADDRESS_EMAIL_MAX * 2);
	char before = '.';
	bool spaced = false;
	int result = -1;

	for (size_t i = 0; i < phrase.len; i++) {
		char c = phrase.ptr[i];

		if (ascii_is_space(c)) {
			spaced = true;
			continue;
		}
		/* White space may stand beside a dot or '@' only. */
		if (spaced && before != '.' && before != '@' && c != '.' &&
		    c != '@') {
			goto out;
		}
		strbuf_add_char(&joined, c);
		before = c;
		spaced = false;
	}
	result = canonical_from_wild(strbuf_span(&joined), out_r);
out:
	strbuf_finish(&joined);
	return result;
}

/* The entry is over: an address, or nothing. */
static void end_entry(struct parser *p)
{
	struct entry *entry = &p->entry;
	struct span phrase = span_trim(strbuf_span(&entry->phrase));
	struct span name = entry->comment;
	char email[ADDRESS_EMAIL_MAX + 1];

	if (entry->has_angle) {
		struct span angle = strbuf_span(&entry->angle);

		if (join_bare(angle, email) == 0 ||
		    canonical_from_wild(angle, email) == 0) {
			add_address(p, email, phrase.len > 0 ? phrase : name);
		} else if (span_find(angle, '@') >= 0 || entry->has_at) {
			p->list->unreadable = true;
		}
	} else if (entry->has_at) {
		if (join_bare(phrase, email) == 0 ||
		    address_canonical(phrase, email) == 0) {
			add_address(p, email, name);
		} else if (split_bare(phrase, email, &phrase) == 0) {
			add_address(p, email, phrase.len > 0 ? phrase : name);
		} else {
			p->list->unreadable = true;
		}
	}
	entry_clear(entry);
}

/* A comma or semicolon. "Weber, Anna <anna@...>": what comes before has no
   address, so it is the beginning of a name. */
static void separator(struct parser *p, char c)
{
	struct entry *entry = &p->entry;

	p->rest = span_from(p->rest, 1);
	if (c == ',' && !entry->has_angle && !entry->has_at) {
		if (span_trim(strbuf_span(&entry->phrase)).len > 0) {
			strbuf_add_char(&entry->phrase, ',');
		}
		return;
	}
	end_entry(p);
	if (c == ';') {
		p->group = SPAN("");
	}
}

/* "Group:" before its members; any other colon is a byte of the phrase. */
static void colon(struct parser *p)
{
	struct entry *entry = &p->entry;
	struct span phrase = span_trim(strbuf_span(&entry->phrase));

	p->rest = span_from(p->rest, 1);
	if (entry->has_angle || entry->has_at || phrase.len == 0 ||
	    span_ieq(phrase, SPAN("mailto"))) {
		strbuf_add_char(&entry->phrase, ':');
		return;
	}
	p->group = decode_name(p->arena, phrase);
	entry_clear(entry);
}

/* "Anna <a@b> Otto <c@d>", no comma between them: what stands behind the first
   address is the second's name. */
static void split_entry(struct parser *p)
{
	struct entry *entry = &p->entry;
	struct span next =
		span_from(strbuf_span(&entry->phrase), entry->before_angle);
	struct strbuf name = STRBUF_INIT(next.len);

	strbuf_add(&name, next);
	entry->phrase.len = entry->before_angle;
	end_entry(p);
	strbuf_add(&entry->phrase, strbuf_span(&name));
	strbuf_finish(&name);
}

static void angle(struct parser *p)
{
	struct entry *entry = &p->entry;

	if (entry->has_angle && entry->angle.len > 0) {
		split_entry(p);
	}
	entry->before_angle = entry->phrase.len;
	entry->has_angle = true;
	p->rest = span_from(p->rest, 1);
	while (p->rest.len > 0) {
		char c = p->rest.ptr[0];
		size_t len = 1;

		if (c == '>') {
			p->rest = span_from(p->rest, 1);
			return;
		}
		if (c == '(') {
			p->rest = span_from(p->rest, comment_length(p->rest));
			continue;
		}
		/* "<a@b, c@d": the '>' is missing. A route begins with '@'. */
		if ((c == ',' || c == ';') && entry->angle.len > 0 &&
		    entry->angle.ptr[0] != '@') {
			return;
		}
		if (c == '"') {
			len = quoted_length(p->rest);
		}
		if (c != '<') {
			strbuf_add(&entry->angle, span_first(p->rest, len));
		}
		p->rest = span_from(p->rest, len);
	}
}

static void quoted(struct parser *p)
{
	struct entry *entry = &p->entry;
	size_t len = quoted_length(p->rest);
	struct span text = span_first(p->rest, len);

	p->rest = span_from(p->rest, len);
	if (p->rest.len > 0 && p->rest.ptr[0] == '@') {
		/* A quoted local part: "john doe"@host.example */
		strbuf_add(&entry->phrase, text);
		return;
	}
	add_unquoted(&entry->phrase, text);
}

static void comment(struct parser *p)
{
	size_t len = comment_length(p->rest);
	struct strbuf text = STRBUF_INIT(len);
	struct span trimmed;

	add_unquoted(&text, span_first(p->rest, len));
	trimmed = span_trim(strbuf_span(&text));
	if (trimmed.len > 0) {
		p->entry.comment = arena_copy(p->arena, trimmed);
	}
	strbuf_finish(&text);
	p->rest = span_from(p->rest, len);
	/* A comment counts as white space (RFC 5322 3.2.2). */
	strbuf_add_char(&p->entry.phrase, ' ');
}

/* An ordinary byte, or a whole encoded-word whatever it holds. */
static void word(struct parser *p)
{
	size_t len = p->rest.ptr[0] == '=' ? encoded_word_length(p->rest) : 0;

	if (p->rest.ptr[0] == '>') {
		/* One too many: no part of any name. */
		p->rest = span_from(p->rest, 1);
		return;
	}
	if (len == 0) {
		len = 1;
		if (p->rest.ptr[0] == '\\' && p->rest.len > 1) {
			p->rest = span_from(p->rest, 1);
		} else if (p->rest.ptr[0] == '@') {
			p->entry.has_at = true;
		}
	}
	strbuf_add(&p->entry.phrase, span_first(p->rest, len));
	p->rest = span_from(p->rest, len);
}

void address_parse(struct span value, struct arena *arena,
		   struct address_list *list)
{
	struct parser p = { .rest = value, .arena = arena, .list = list };

	strbuf_init(&p.entry.phrase, value.len + 1);
	strbuf_init(&p.entry.angle, value.len + 1);
	p.group = SPAN("");
	entry_clear(&p.entry);
	while (p.rest.len > 0) {
		switch (p.rest.ptr[0]) {
		case ',':
		case ';':
			separator(&p, p.rest.ptr[0]);
			break;
		case ':':
			colon(&p);
			break;
		case '<':
			angle(&p);
			break;
		case '"':
			quoted(&p);
			break;
		case '(':
			comment(&p);
			break;
		default:
			word(&p);
			break;
		}
	}
	end_entry(&p);
	strbuf_finish(&p.entry.phrase);
	strbuf_finish(&p.entry.angle);
}

void address_list_finish(struct address_list *list)
{
	free(list->items);
	*list = (struct address_list){ 0 };
}
