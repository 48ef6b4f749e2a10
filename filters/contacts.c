/* contacts: gather the people of one message: address headers first, then the
   signatures of its text, then cards and invitations, then the envelope. */
#include "filters/contacts.h"

#include <stdlib.h>

#include "filters/calendar.h"
#include "filters/contact_fill.h"
#include "filters/filters.h"
#include "filters/person_name.h"
#include "filters/signature.h"
#include "filters/text_segments.h"
#include "filters/vcard.h"
#include "lib/strbuf.h"
#include "message/address.h"
#include "message/html_text.h"

/* Text of a part that is looked at: from the beginning, where the newest
   writing is. */
#define TEXT_MAX (512u * 1024u)

struct gathering {
	const struct message *msg;
	const struct message_origin *origin;
	struct contact_list *list;
	/* Address of who wrote the text, or empty when it is nobody we may
	   keep (a list, ourselves); name as the header shows it. */
	struct span author_email;
	struct span author_name;
	/* The author is of our own organization. */
	bool author_is_own;
	/* List-Post and List-Id, for telling a list's address. */
	struct span list_post;
	struct span list_id;
	/* The part being read, for --why. */
	char part[48];
	/* A signature told more than a name. */
	bool found_signature;
};

static bool is_own(const struct gathering *g, struct span email)
{
	/* The last one: a quoted local part may hold another. */
	const char *at =
		email.len == 0 ? NULL : memrchr(email.ptr, '@', email.len);

	if (span_ieq(email, g->origin->mailbox)) {
		return true;
	}
	return at != NULL && g->origin->own_domains != NULL &&
	       domain_set_has(g->origin->own_domains,
			      span_from(email, (size_t)(at - email.ptr) + 1));
}

/* "growers@lists.example" of "<growers.lists.example>", and the addresses
   beside it: "growers-bounces@". */
static bool is_list_address(const struct gathering *g, struct span email)
{
	static const char *const beside[] = { "-bounces",    "-request",
					      "-owner",	     "-leave",
					      "-join",	     "-admin",
					      "-unsubscribe" };
	ptrdiff_t at = span_find(email, '@');
	struct span local = span_first(email, at < 0 ? 0 : (size_t)at);
	struct span id = g->list_id;

	if (g->list_post.len > 0 && span_ieq(email, g->list_post)) {
		return true;
	}
	if (at <= 0 || id.len < 3) {
		return false;
	}
	for (size_t i = 0; i < N_ELEMENTS(beside); i++) {
		if (span_iends(local, span_str(beside[i]))) {
			local.len -= strlen(beside[i]);
		}
	}
	return span_istarts(id, local) && id.len > local.len &&
	       id.ptr[local.len] == '.' &&
	       span_ieq(span_from(id, local.len + 1),
			span_from(email, (size_t)at + 1));
}

static void read_list_headers(struct gathering *g)
{
	struct span value;
	ptrdiff_t open;
	ptrdiff_t close;

	if (message_header(g->msg, "List-Post", 0, &value)) {
		ptrdiff_t at = span_isearch(value, SPAN("mailto:"));

		if (at >= 0) {
			g->list_post = span_from(value, (size_t)at + 7);
			for (size_t i = 0; i < g->list_post.len; i++) {
				if (strchr(">?, ", g->list_post.ptr[i])) {
					g->list_post.len = i;
				}
			}
		}
	}
	if (message_header(g->msg, "List-Id", 0, &value)) {
		open = span_find(value, '<');
		close = span_find(value, '>');
		g->list_id = open >= 0 && close > open
				     ? span_of(value.ptr + open + 1,
					       (size_t)(close - open - 1))
				     : span_trim(value);
	}
}

/* The contact of an address, or NULL when it may be none. */
static struct contact *get_contact(struct gathering *g, struct span email,
				   enum contact_role role, unsigned int source)
{
	size_t before = g->list->count;
	char canonical[ADDRESS_EMAIL_MAX + 1];
	struct contact *contact;

	/* First its canonical form: only that says if it is one of ours. */
	if (address_canonical(span_trim(email), canonical) < 0 ||
	    is_own(g, span_str(canonical))) {
		return NULL;
	}
	contact = contact_list_get(g->list, span_str(canonical));
	if (contact == NULL) {
		return NULL;
	}
	if (g->list->count > before) {
		contact->role = role;
	}
	contact->sources |= source;
	return contact;
}

static struct contact *find_contact(const struct gathering *g,
				    struct span email)
{
	for (size_t i = 0; i < g->list->count; i++) {
		if (span_ieq(span_str(g->list->items[i].email), email)) {
			return &g->list->items[i];
		}
	}
	return NULL;
}

static const struct {
	enum message_address_header header;
	enum contact_role role;
	const char *name;
} address_headers[] = {
	{ MESSAGE_FROM, CONTACT_ROLE_AUTHOR, "From header" },
	{ MESSAGE_REPLY_TO, CONTACT_ROLE_AUTHOR, "Reply-To header" },
	{ MESSAGE_TO, CONTACT_ROLE_RECIPIENT, "To header" },
	{ MESSAGE_CC, CONTACT_ROLE_RECIPIENT, "Cc header" },
	{ MESSAGE_BCC, CONTACT_ROLE_RECIPIENT, "Bcc header" },
};

static void add_address(struct gathering *g, const struct address *address,
			enum contact_role role, const char *origin)
{
	struct contact *contact =
		get_contact(g, address->email, role, CONTACT_SOURCE_HEADER);

	if (contact == NULL) {
		return;
	}
	contact_fill_name(contact, address->name, CONTACT_SOURCE_HEADER,
			  origin);
	if (is_list_address(g, address->email)) {
		contact->kind = CONTACT_LIST;
	} else if (address_is_no_reply(address)) {
		contact->kind = CONTACT_NOREPLY;
	}
	if (contact->confidence < 0.7) {
		contact->confidence = contact->name != NULL ? 0.9 : 0.7;
	}
}

/* A list or a shared mailbox puts itself into From ("Ann via Projects"); who
   wrote is in Reply-To. */
static bool is_rewritten(const struct gathering *g, const struct address *from,
			 const struct address *reply_to)
{
	return reply_to != NULL && !span_ieq(from->email, reply_to->email) &&
	       (is_list_address(g, from->email) ||
		span_isearch(from->name, SPAN(" via ")) > 0);
}

static void find_author(struct gathering *g)
{
	size_t from_count;
	size_t reply_count;
	const struct address *from =
		message_addresses(g->msg, MESSAGE_FROM, &from_count);
	const struct address *reply =
		message_addresses(g->msg, MESSAGE_REPLY_TO, &reply_count);
	const struct address *author = from;

	if (from_count == 0) {
		return;
	}
	if (is_rewritten(g, from, reply_count > 0 ? reply : NULL)) {
		struct contact *contact = find_contact(g, from->email);

		if (contact != NULL) {
			contact->kind = CONTACT_LIST;
		}
		author = reply;
	}
	g->author_email = author->email;
	g->author_name = author->name.len > 0 ? author->name : from->name;
	g->author_is_own = is_own(g, author->email);
	if (is_list_address(g, author->email)) {
		g->author_email = SPAN("");
	}
}

static void gather_headers(struct gathering *g)
{
	read_list_headers(g);
	for (size_t h = 0; h < N_ELEMENTS(address_headers); h++) {
		size_t count;
		const struct address *addresses = message_addresses(
			g->msg, address_headers[h].header, &count);

		for (size_t i = 0; i < count; i++) {
			add_address(g, &addresses[i], address_headers[h].role,
				    address_headers[h].name);
		}
	}
	find_author(g);
}

/* Who is meant by the signature of a segment of owner's words? */
struct owner {
	struct span email;
	struct span name;
	bool is_author;
};

/* A name that a header shows with an address: the assistant in Reply-To. */
static struct span email_by_name(const struct gathering *g, struct span name)
{
	for (size_t i = 0; i < g->list->count; i++) {
		struct contact *c = &g->list->items[i];

		if (c->role == CONTACT_ROLE_AUTHOR &&
		    c->kind == CONTACT_PERSON && c->name != NULL &&
		    person_name_same(span_str(c->name), name)) {
			return span_str(c->email);
		}
	}
	return SPAN("");
}

/* The address that the signature itself shows, when it says who signs. */
static struct span shown_email(const struct gathering *g,
			       const struct signature *s,
			       const struct owner *owner, bool *is_own_r)
{
	struct span found = SPAN("");
	size_t people = 0;

	*is_own_r = false;
	for (size_t i = 0; i < s->email_count; i++) {
		struct span email = s->emails[i].text;

		if (span_ieq(email, owner->email)) {
			return email;
		}
		if (is_own(g, email)) {
			*is_own_r = true;
		} else if (!person_name_is_role_mailbox(email)) {
			found = email;
			people++;
		}
	}
	/* Several people's addresses are a list of people, not one's card. */
	return people > 1 ? SPAN("") : found;
}

static bool is_owner_name(const struct owner *owner, struct span name)
{
	char clean[PERSON_NAME_MAX + 1];
	size_t len = person_name_clean(owner->name, owner->email, clean);

	return name.len == 0 || person_name_same(name, owner->name) ||
	       person_name_other_script(name, owner->name) ||
	       person_name_in_address(name, owner->email) ||
	       person_name_is_role_mailbox(owner->email) ||
	       (!person_name_likely(span_of(clean, len)) &&
		!person_name_likely(owner->name));
}

/* The address whose owner signed, or empty when nobody can say. */
static struct span signer_of(const struct gathering *g,
			     const struct signature *s,
			     const struct owner *owner)
{
	bool shows_own;
	struct span shown = shown_email(g, s, owner, &shows_own);
	struct span name = s->name.text;

	/* One of ours with a private address beside the one at work. */
	if (shows_own && shown.len > 0 && find_contact(g, shown) == NULL) {
		return SPAN("");
	}
	if (shown.len > 0) {
		bool is_owners = name.len > 0 && owner->email.len > 0 &&
				 person_name_same(name, owner->name);

		return is_owners && find_contact(g, shown) == NULL
			       ? owner->email
			       : shown;
	}
	if (shows_own && !is_owner_name(owner, name)) {
		return SPAN("");
	}
	if (owner->email.len > 0 && is_owner_name(owner, name)) {
		return owner->email;
	}
	return name.len > 0 && owner->is_author ? email_by_name(g, name)
						: SPAN("");
}

static void keep_signature(struct gathering *g, const struct signature *s,
			   const struct owner *owner)
{
	struct fill_source from = {
		.source = CONTACT_SOURCE_SIGNATURE,
		.part = span_str(g->part),
		.region = g->origin->region,
		.confidence = !owner->is_author ? 0.75
			      : s->is_marked	? 0.95
						: 0.85,
	};
	struct span email = signer_of(g, s, owner);
	struct contact *contact;

	if (email.len == 0 || is_own(g, email)) {
		return;
	}
	contact = find_contact(g, email);
	if (contact == NULL && !signature_says_something(s)) {
		return;
	}
	contact = get_contact(g, email, CONTACT_ROLE_MENTIONED, 0);
	/* The newest signature comes first; older ones in quotes are past. */
	if (contact == NULL || contact->kind != CONTACT_PERSON ||
	    (contact->sources & CONTACT_SOURCE_SIGNATURE) != 0) {
		return;
	}
	if (signature_says_something(s)) {
		contact_fill(contact, s, &from);
		g->found_signature = true;
	} else if (s->name.text.len > 0) {
		contact_fill_name(contact, s->name.text,
				  CONTACT_SOURCE_SIGNATURE, g->part);
	}
}

static void read_segment(struct gathering *g, const struct text_lines *lines,
			 const struct text_segment *segment)
{
	struct owner owner = { .email = segment->owner_email,
			       .name = segment->owner_name,
			       .is_author = segment->is_author };
	struct signature_block block;
	struct signatures signatures;

	if (segment->is_author) {
		owner.email = g->author_email;
		owner.name = g->author_name;
	}
	if (owner.name.len == 0 && owner.email.len > 0) {
		const struct contact *known = find_contact(g, owner.email);

		owner.name = known == NULL ? SPAN("") : span_str(known->name);
	}
	if (!signature_block_find(lines, segment, owner.name, owner.email,
				  &block)) {
		return;
	}
	signature_read(&block, owner.name, owner.email, &signatures);
	for (size_t i = 0; i < signatures.count; i++) {
		struct owner signer = owner;

		if (i > 0) {
			/* Who signs second has an own address, or none. */
			signer.email = SPAN("");
			signer.name = SPAN("");
		}
		keep_signature(g, &signatures.items[i], &signer);
	}
}

static void read_text(struct gathering *g, struct span text, bool flowed,
		      bool delsp)
{
	struct text_segments segments;
	struct text_lines lines;

	text_lines_init(&lines, span_first(text, TEXT_MAX), flowed, delsp);
	text_segments_init(&segments, &lines);
	for (size_t i = 0; i < segments.count; i++) {
		read_segment(g, &lines, &segments.items[i]);
	}
	text_segments_finish(&segments);
	text_lines_finish(&lines);
}

static void found_card(void *context, const struct signature *card)
{
	struct gathering *g = context;
	struct fill_source from = {
		.source = CONTACT_SOURCE_VCARD,
		.part = span_str(g->part),
		.region = g->origin->region,
		.confidence = 0.9,
	};
	struct span email = SPAN("");
	struct contact *contact;

	for (size_t i = 0; i < card->email_count; i++) {
		/* One of ours, whatever other address is on the card. */
		if (is_own(g, span_trim(card->emails[i].text))) {
			return;
		}
		/* A card may list several: one we know already is best. */
		if (email.len == 0 &&
		    find_contact(g, card->emails[i].text) != NULL) {
			email = card->emails[i].text;
		}
	}
	if (email.len == 0 && card->email_count > 0) {
		email = card->emails[0].text;
	}
	/* The author's own card need not repeat the address. */
	if (email.len == 0 &&
	    person_name_same(card->name.text, g->author_name)) {
		email = g->author_email;
	}
	if (email.len == 0 || is_own(g, email)) {
		return;
	}
	contact = get_contact(g, email, CONTACT_ROLE_MENTIONED, 0);
	if (contact != NULL) {
		contact_fill(contact, card, &from);
	}
}

static void found_participant(void *context, struct span name,
			      struct span email, bool is_organizer)
{
	struct gathering *g = context;
	struct contact *contact = get_contact(g, email, CONTACT_ROLE_MENTIONED,
					      CONTACT_SOURCE_CALENDAR);

	if (contact == NULL) {
		return;
	}
	contact_fill_name(contact, name, CONTACT_SOURCE_CALENDAR,
			  is_organizer ? "organizer of the invitation"
				       : "attendee of the invitation");
	if (contact->confidence < 0.7) {
		contact->confidence = 0.7;
	}
}

static void set_part(struct gathering *g, const struct message_part *part)
{
	struct span section = span_first(part->section, 40);

	memcpy(g->part, "part ", 5);
	memcpy(g->part + 5, section.ptr, section.len);
	g->part[5 + section.len] = '\0';
}

static void read_part(struct gathering *g, const struct message_part *part)
{
	struct strbuf text = STRBUF_INIT(TEXT_MAX);

	set_part(g, part);
	switch (part->kind) {
	case MESSAGE_PART_PLAIN:
		read_text(g, part->text, part->format_flowed, part->delsp);
		break;
	case MESSAGE_PART_HTML:
		html_text(span_first(part->text, 4 * TEXT_MAX), &text);
		read_text(g, strbuf_span(&text), false, false);
		break;
	case MESSAGE_PART_VCARD:
		vcard_read(part->text, found_card, g);
		break;
	case MESSAGE_PART_CALENDAR:
		calendar_read(part->text, found_participant, g);
		break;
	default:
		break;
	}
	strbuf_finish(&text);
}

/* Text of a message forwarded as attachment: what its author signed is the
   author's, not the forwarder's. */
static void read_nested(struct gathering *g, const struct message_part *part)
{
	const struct address *author = &part->nested_author;
	struct gathering nested = *g;

	if (author->email.len == 0 || address_is_no_reply(author)) {
		return;
	}
	nested.author_email = author->email;
	nested.author_name = author->name;
	nested.author_is_own = is_own(g, author->email);
	read_part(&nested, part);
}

static void gather_parts(struct gathering *g)
{
	static const enum message_part_kind order[] = {
		MESSAGE_PART_PLAIN,
		MESSAGE_PART_HTML,
		MESSAGE_PART_VCARD,
		MESSAGE_PART_CALENDAR,
	};
	size_t count;
	const struct message_part *parts = message_parts(g->msg, &count);

	for (size_t o = 0; o < N_ELEMENTS(order); o++) {
		bool is_text = order[o] == MESSAGE_PART_PLAIN ||
			       order[o] == MESSAGE_PART_HTML;

		/* The HTML form says the same again, unless only it has the
		   signature. */
		if (order[o] == MESSAGE_PART_HTML && g->found_signature) {
			continue;
		}
		for (size_t i = 0; i < count; i++) {
			if (parts[i].kind != order[o] ||
			    parts[i].text.len == 0 ||
			    (is_text && parts[i].is_attachment)) {
				continue;
			}
			if (is_text && parts[i].is_nested) {
				read_nested(g, &parts[i]);
			} else {
				read_part(g, &parts[i]);
			}
		}
	}
}

static void gather_envelope(struct gathering *g)
{
	struct span rest = g->origin->envelope_rcpts;
	struct span email;

	while (g->origin->has_envelope &&
	       span_next_word(&rest, "\r\n ", &email)) {
		struct contact *contact;

		if (find_contact(g, email) != NULL) {
			continue;
		}
		contact = get_contact(g, email, CONTACT_ROLE_RECIPIENT, 0);
		if (contact != NULL && contact->sources == 0) {
			contact->sources = CONTACT_SOURCE_ENVELOPE;
			contact->confidence = 0.5;
		}
	}
}

void contacts_extract(const struct message *msg,
		      const struct message_origin *origin,
		      struct contact_list *list)
{
	struct gathering g = { .msg = msg, .origin = origin, .list = list };

	gather_headers(&g);
	gather_parts(&g);
	gather_envelope(&g);
}
