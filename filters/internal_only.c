/* internal_only: mail among the organization's own people. Everyone who takes
   part counts, also those whom only the envelope names. */
#include "filters/filters.h"

/* The domain of an address, as it stands in the envelope. */
static struct span domain_of(struct span email)
{
	const char *at =
		email.len == 0 ? NULL : memrchr(email.ptr, '@', email.len);

	return at == NULL ? SPAN("")
			  : span_from(email, (size_t)(at - email.ptr) + 1);
}

/* The first address of that header whose domain is not ours, or an empty
   span. *seen_r counts all. */
static struct span stranger_in_header(const struct message *msg,
				      enum message_address_header header,
				      const struct domain_set *own,
				      size_t *seen_r)
{
	size_t count;
	const struct address *addresses =
		message_addresses(msg, header, &count);

	for (size_t i = 0; i < count; i++) {
		++*seen_r;
		if (!domain_set_has(own, addresses[i].domain)) {
			return addresses[i].domain;
		}
	}
	return SPAN("");
}

static struct span stranger_in_envelope(const struct message_origin *origin,
					size_t *seen_r)
{
	struct span from = span_trim(origin->envelope_from);
	struct span rest = origin->envelope_rcpts;
	struct span email;

	if (!origin->has_envelope) {
		return SPAN("");
	}
	/* The null sender (RFC 5321 4.5.5) is nobody. */
	if (from.len > 0 &&
	    !domain_set_has(origin->own_domains, domain_of(from))) {
		return from;
	}
	while (span_next_word(&rest, "\r\n", &email)) {
		++*seen_r;
		if (!domain_set_has(origin->own_domains, domain_of(email))) {
			return email;
		}
	}
	return SPAN("");
}

enum skip_reason internal_only_ask(const struct message *msg,
				   const struct message_origin *origin,
				   struct filter_note *note_r)
{
	struct span stranger = SPAN("");
	size_t seen = 0;

	if (origin->own_domains == NULL || origin->own_domains->count == 0) {
		filter_note_set(note_r, "own domains are not known");
		return SKIP_NONE;
	}
	/* Skipped all the same, but by those who can say why. */
	if (message_addresses_unreadable(msg) ||
	    message_ambiguity(msg) != NULL) {
		filter_note_set(note_r, "participants are not certain");
		return SKIP_NONE;
	}
	if (is_from_mail_system(msg)) {
		filter_note_set(note_r, "the author is a mail system");
		return SKIP_NONE;
	}
	for (size_t i = 0;
	     i < MESSAGE_ADDRESS_HEADER_COUNT && stranger.len == 0; i++) {
		stranger =
			stranger_in_header(msg, (enum message_address_header)i,
					   origin->own_domains, &seen);
	}
	if (stranger.len == 0) {
		stranger = stranger_in_envelope(origin, &seen);
	}
	if (stranger.len > 0) {
		filter_note_set(note_r, "someone from outside takes part");
		return SKIP_NONE;
	}
	if (seen == 0) {
		filter_note_set(note_r, "nobody is named");
		return SKIP_NONE;
	}
	filter_note_set(note_r, "all %zu addresses are the organization's",
			seen);
	return SKIP_INTERNAL_ONLY;
}
