/* smtp_capability: one table of keywords, read from the provider and written
   to the client. */
#include "smtp/smtp_capability.h"

#include <inttypes.h>

#include "proxy/sasl.h"

static const struct {
	const char *name;
	enum smtp_capability bit;
} keywords[] = {
	{ "PIPELINING", SMTP_CAP_PIPELINING },
	{ "SIZE", SMTP_CAP_SIZE },
	{ "8BITMIME", SMTP_CAP_8BITMIME },
	{ "SMTPUTF8", SMTP_CAP_SMTPUTF8 },
	{ "DSN", SMTP_CAP_DSN },
	{ "ENHANCEDSTATUSCODES", SMTP_CAP_ENHANCEDSTATUSCODES },
	{ "REQUIRETLS", SMTP_CAP_REQUIRETLS },
	{ "STARTTLS", SMTP_CAP_STARTTLS },
	{ "AUTH", SMTP_CAP_AUTH },
};

/* What we do ourselves, or what any submission server of today does. */
#define COMMON                                                                 \
	(SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_8BITMIME |             \
	 SMTP_CAP_ENHANCEDSTATUSCODES)

static const struct {
	const char *preset;
	unsigned int bits;
} profiles[] = {
	/* smtp.gmail.com has no DSN. */
	{ "gmail", COMMON | SMTP_CAP_SMTPUTF8 },
	{ "microsoft365", COMMON | SMTP_CAP_SMTPUTF8 | SMTP_CAP_DSN },
	/* Postfix, or Dovecot's submission service before it. */
	{ "dovecot", COMMON | SMTP_CAP_SMTPUTF8 | SMTP_CAP_DSN },
	/* An 8-bit address cannot be sent either way when the provider lacks
	   SMTPUTF8, but a client that only sees DSN uses it: be silent. */
	{ "generic", COMMON | SMTP_CAP_SMTPUTF8 },
};

static unsigned int profile_of(const struct provider *provider)
{
	for (size_t i = 0; i < N_ELEMENTS(profiles); i++) {
		if (strcmp(profiles[i].preset, provider->preset) == 0) {
			return profiles[i].bits;
		}
	}
	return COMMON;
}

struct smtp_capabilities
smtp_capability_profile(const struct settings *settings,
			const struct listener_settings *listener)
{
	struct smtp_capabilities profile = {
		.bits = COMMON | SMTP_CAP_SMTPUTF8 | SMTP_CAP_DSN,
		.size = settings->message.max_message_bytes,
	};

	for (size_t i = 0; i < settings->provider_count; i++) {
		const struct provider *provider = &settings->providers[i];

		if (provider->smtp.host == NULL) {
			continue;
		}
		if (listener->provider != NULL &&
		    strcmp(listener->provider, provider->name) != 0) {
			continue;
		}
		profile.bits &= profile_of(provider);
	}
	return profile;
}

static void parse_mechanisms(struct span rest,
			     struct smtp_capabilities *capabilities)
{
	enum sasl_mechanism mechanism;
	struct span word;

	while (span_next_word(&rest, " ", &word)) {
		if (sasl_mechanism_parse(word, &mechanism) == 0) {
			capabilities->mechanisms |= 1u << mechanism;
		}
	}
}

static void parse_size(struct span rest, struct smtp_capabilities *capabilities)
{
	struct span word;

	/* "SIZE" and "SIZE 0" name no limit (RFC 1870 section 4). */
	if (!span_next_word(&rest, " ", &word) ||
	    span_to_u64(word, UINT64_MAX, &capabilities->size) < 0) {
		capabilities->size = 0;
	}
}

void smtp_capability_parse(struct span text,
			   struct smtp_capabilities *capabilities)
{
	struct span rest = text;
	struct span name;

	/* "AUTH=PLAIN LOGIN": from before RFC 2554, still sent. */
	if (!span_next_word(&rest, " =", &name)) {
		return;
	}
	for (size_t i = 0; i < N_ELEMENTS(keywords); i++) {
		if (span_ieq(name, span_str(keywords[i].name))) {
			capabilities->bits |= keywords[i].bit;
		}
	}
	if (span_ieq(name, SPAN("AUTH"))) {
		parse_mechanisms(span_from(rest, 1), capabilities);
	} else if (span_ieq(name, SPAN("SIZE"))) {
		parse_size(rest, capabilities);
	}
}

struct smtp_capabilities
smtp_capability_shrink(const struct smtp_capabilities *offered,
		       const struct smtp_capabilities *provider)
{
	/* These are ours to keep whatever the provider has. */
	unsigned int own = SMTP_CAP_PIPELINING | SMTP_CAP_SIZE;
	struct smtp_capabilities both = *offered;

	both.bits &= provider->bits | own;
	both.mechanisms = 0;
	if (provider->size != 0 &&
	    (both.size == 0 || provider->size < both.size)) {
		both.size = provider->size;
	}
	return both;
}

void smtp_capability_write(const struct smtp_capabilities *capabilities,
			   const char *host, struct strbuf *out)
{
	size_t last_line = out->len;

	strbuf_addf(out, "250-%s", host);
	for (size_t i = 0; i < N_ELEMENTS(keywords); i++) {
		if ((capabilities->bits & (unsigned int)keywords[i].bit) == 0) {
			continue;
		}
		strbuf_add_str(out, "\r\n");
		last_line = out->len;
		strbuf_addf(out, "250-%s", keywords[i].name);
		if (keywords[i].bit == SMTP_CAP_SIZE) {
			strbuf_addf(out, " %" PRIu64, capabilities->size);
		}
		if (keywords[i].bit != SMTP_CAP_AUTH) {
			continue;
		}
		for (unsigned int m = 0; m < SASL_MECHANISM_COUNT; m++) {
			if ((capabilities->mechanisms & 1u << m) != 0) {
				strbuf_addf(out, " %s", sasl_mechanism_name(m));
			}
		}
	}
	strbuf_add_str(out, "\r\n");
	if (!out->overflow) {
		out->ptr[last_line + 3] = ' ';
	}
}
