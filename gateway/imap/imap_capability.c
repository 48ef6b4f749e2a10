/* imap_capability: two tables, what we offer and what we take out. */
#include "imap/imap_capability.h"

#include "proxy/sasl.h"

/* Names ending in "*" mask all that begin so. */
static const char *const masked[] = {
	/* After its OK both directions are raw deflate (RFC 4978). */
	"COMPRESS=*",
	/* Back to before the login, with another identity (RFC 8437). */
	"UNAUTHENTICATE",
	/* Content that enters or leaves without APPEND or FETCH (RFC 4469,
	   4467, 8508). */
	"CATENATE",
	"URLAUTH*",
	"REPLACE",
	/* Would lead the client past the gateway (RFC 2221, 2193). */
	"LOGIN-REFERRALS",
	"MAILBOX-REFERRALS",
	/* Means nothing any more after the login. */
	"AUTH=*",
	"STARTTLS",
	"LOGINDISABLED",
};

static const struct {
	const char *name;
	unsigned int bit;
} known[] = {
	{ "ID", IMAP_CAP_ID },
	{ "IMAP4rev1", IMAP_CAP_REV1 },
	{ "IMAP4rev2", IMAP_CAP_REV2 },
	{ "LIST-EXTENDED", IMAP_CAP_LIST_EXTENDED },
	{ "LITERAL+", IMAP_CAP_LITERAL_PLUS },
	{ "LITERAL-", IMAP_CAP_LITERAL_PLUS },
	{ "LOGINDISABLED", IMAP_CAP_LOGINDISABLED },
	{ "SASL-IR", IMAP_CAP_SASL_IR },
	{ "SPECIAL-USE", IMAP_CAP_SPECIAL_USE },
	{ "STARTTLS", IMAP_CAP_STARTTLS },
};

struct imap_capabilities imap_capability_parse(struct span list)
{
	struct imap_capabilities caps = { 0, 0 };
	struct span name;

	while (span_next_word(&list, " \t\r\n", &name)) {
		enum sasl_mechanism mechanism;

		if (span_istarts(name, SPAN("AUTH=")) &&
		    sasl_mechanism_parse(span_from(name, 5), &mechanism) == 0) {
			caps.sasl |= 1u << mechanism;
		}
		for (size_t i = 0; i < N_ELEMENTS(known); i++) {
			if (span_ieq(name, span_str(known[i].name))) {
				caps.bits |= known[i].bit;
			}
		}
	}
	/* RFC 9051 appendix E: parts of rev2. */
	if (caps.bits & IMAP_CAP_REV2) {
		caps.bits |= IMAP_CAP_SASL_IR | IMAP_CAP_LIST_EXTENDED;
	}
	return caps;
}

void imap_capability_own(bool has_tls, bool may_authenticate,
			 struct strbuf *out)
{
	strbuf_add_str(out, "IMAP4rev1 SASL-IR LITERAL+ ID");
	if (!has_tls) {
		strbuf_add_str(out, " STARTTLS");
	}
	if (!may_authenticate) {
		strbuf_add_str(out, " LOGINDISABLED");
		return;
	}
	for (int i = 0; i < SASL_MECHANISM_COUNT; i++) {
		strbuf_addf(out, " AUTH=%s",
			    sasl_mechanism_name((enum sasl_mechanism)i));
	}
}

static bool is_masked(struct span name)
{
	for (size_t i = 0; i < N_ELEMENTS(masked); i++) {
		struct span mask = span_str(masked[i]);

		if (mask.ptr[mask.len - 1] == '*') {
			mask.len--;
			if (span_istarts(name, mask)) {
				return true;
			}
		} else if (span_ieq(name, mask)) {
			return true;
		}
	}
	return false;
}

static bool is_revision(struct span name)
{
	return span_istarts(name, SPAN("IMAP4"));
}

void imap_capability_rewrite(struct span list, struct strbuf *out)
{
	size_t start = out->len;

	/* Some clients read the first name only to know the protocol. */
	for (int revisions = 1; revisions >= 0; revisions--) {
		struct span rest = list;
		struct span name;

		while (span_next_word(&rest, " \t\r\n", &name)) {
			if (is_revision(name) != (revisions == 1) ||
			    is_masked(name)) {
				continue;
			}
			if (out->len > start) {
				strbuf_add_char(out, ' ');
			}
			strbuf_add(out, name);
		}
	}
}

/* The text after "* " or "tag ", or an empty span. */
static struct span after_tag(struct span line)
{
	ptrdiff_t space = span_find(line, ' ');

	return span_from(line, space < 0 ? line.len : (size_t)space + 1);
}

/* The code of a status response, between the brackets; ptr NULL when it has
   none. "]" inside a quoted string of the code does not end it. */
static struct span code_of(struct span line)
{
	struct span rest = after_tag(after_tag(line));
	bool quoted = false;

	if (rest.len == 0 || rest.ptr[0] != '[') {
		return span_of(NULL, 0);
	}
	for (size_t i = 1; i < rest.len; i++) {
		char c = rest.ptr[i];

		if (c == '"') {
			quoted = !quoted;
		} else if (c == '\\' && quoted) {
			i++;
		} else if (c == ']' && !quoted) {
			return span_of(rest.ptr + 1, i - 1);
		}
	}
	return span_of(NULL, 0);
}

static bool code_is(struct span code, struct span name)
{
	return span_istarts(code, name) &&
	       (code.len == name.len || code.ptr[name.len] == ' ');
}

bool imap_capability_in_line(struct span line, struct span *list_r)
{
	struct span rest = after_tag(line);
	struct span code;

	if (span_starts(line, SPAN("* ")) &&
	    code_is(span_trim(rest), SPAN("CAPABILITY"))) {
		*list_r = span_trim(span_from(rest, 10));
		return true;
	}
	code = code_of(line);
	if (code.ptr != NULL && code_is(code, SPAN("CAPABILITY"))) {
		*list_r = span_trim(span_from(code, 10));
		return true;
	}
	return false;
}

static void add_to(struct strbuf *out, const char *from, const char *to)
{
	strbuf_add(out, span_of(from, (size_t)(to - from)));
}

void imap_capability_rewrite_line(struct span line, struct strbuf *out)
{
	const char *end = line.ptr + line.len;
	struct span list;
	struct span code;

	if (imap_capability_in_line(line, &list)) {
		add_to(out, line.ptr, list.ptr);
		imap_capability_rewrite(list, out);
		add_to(out, list.ptr + list.len, end);
		return;
	}
	code = code_of(line);
	if (code.ptr != NULL && code_is(code, SPAN("REFERRAL"))) {
		const char *after = code.ptr + code.len + 1;

		if (after < end && *after == ' ') {
			after++;
		}
		add_to(out, line.ptr, code.ptr - 1);
		/* The text may have been nothing but the code. */
		strbuf_add_str(out,
			       after < end && *after != '\r' && *after != '\n'
				       ? ""
				       : "Not here.");
		add_to(out, after, end);
		return;
	}
	strbuf_add(out, line);
}
