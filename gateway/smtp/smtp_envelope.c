/* smtp_envelope: MAIL and RCPT as RFC 5321 4.1.2 writes them. Stricter than
   servers that repair: no address without brackets, no source route (RFC
   5321 appendix C lets us decline it, and nobody routes by it). */
#include "smtp/smtp_envelope.h"

#define REFUSE(text) (*refusal_r = (text), -1)

/* -- characters -- */

static bool is_in(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool is_8bit(char c)
{
	return (unsigned char)c >= 0x80;
}

static bool is_alnum(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

/* Dots are taken anywhere: real mailboxes have them doubled and last. */
static bool is_dot_string(char c)
{
	return is_alnum(c) || is_8bit(c) || is_in(c, "!#$%&'*+-/=?^_`{|}~.");
}

static bool is_domain_char(char c)
{
	return is_alnum(c) || is_8bit(c) || is_in(c, "-._");
}

static bool is_printable(char c)
{
	return c > 0x20 && c < 0x7f;
}

/* -- paths -- */

static size_t count_while(struct span s, bool (*is)(char c))
{
	size_t len = 0;

	while (len < s.len && is(s.ptr[len])) {
		len++;
	}
	return len;
}

/* Length of a Quoted-string at the head of s, its quotes among it, or 0. */
static size_t quoted_len(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '"') {
			return i + 1;
		}
		if (c == '\\') {
			if (++i == s.len) {
				return 0;
			}
			c = s.ptr[i];
		}
		if (!is_printable(c) && c != ' ' && !is_8bit(c)) {
			return 0;
		}
	}
	return 0;
}

/* Length of "[...]" at the head of s, or 0. */
static size_t literal_len(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == ']') {
			return i + 1;
		}
		if (!is_alnum(s.ptr[i]) && !is_in(s.ptr[i], ".:-")) {
			return 0;
		}
	}
	return 0;
}

static size_t local_part_len(struct span s)
{
	if (s.len > 0 && s.ptr[0] == '"') {
		return quoted_len(s);
	}
	return count_while(s, is_dot_string);
}

static size_t domain_len(struct span s)
{
	if (s.len > 0 && s.ptr[0] == '[') {
		return literal_len(s);
	}
	return count_while(s, is_domain_char);
}

/* Length of a mailbox (with or without a domain) at the head of s, or 0. */
static size_t mailbox_len(struct span s)
{
	size_t local = local_part_len(s);
	size_t domain;

	if (local == 0 || local > SMTP_LOCAL_PART_MAX) {
		return 0;
	}
	if (local == s.len || s.ptr[local] != '@') {
		return local;
	}
	domain = domain_len(span_from(s, local + 1));
	if (domain == 0 || domain > SMTP_DOMAIN_MAX) {
		return 0;
	}
	return local + 1 + domain;
}

/* "<path>" off the head of *rest. Return 0 or -1. */
static int take_path(struct span *rest, bool may_be_empty,
		     struct smtp_envelope *envelope)
{
	struct span inside;
	size_t len;

	if (rest->len == 0 || rest->ptr[0] != '<') {
		return -1;
	}
	inside = span_from(*rest, 1);
	len = mailbox_len(inside);
	if ((len == 0 && !may_be_empty) || len == inside.len ||
	    inside.ptr[len] != '>') {
		return -1;
	}
	envelope->path = span_first(inside, len);
	for (size_t i = 0; i < len; i++) {
		envelope->is_utf8 |= is_8bit(inside.ptr[i]);
	}
	*rest = span_from(inside, len + 1);
	return span_is_utf8(envelope->path) ? 0 : -1;
}

/* -- parameters -- */

/* RFC 3461 section 4: visible ASCII but "+" and "=", or "+" and two hex
   digits in upper case. */
static bool is_xtext(struct span s, size_t max)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '+') {
			if (s.len - i < 3 || !is_in(s.ptr[i + 1], hex) ||
			    !is_in(s.ptr[i + 2], hex)) {
				return false;
			}
			i += 2;
		} else if (!is_printable(s.ptr[i]) || s.ptr[i] == '=') {
			return false;
		}
	}
	return s.len > 0 && s.len <= max;
}

static bool check_size(struct span value, struct smtp_envelope *envelope)
{
	return value.len <= 20 &&
	       span_to_u64(value, UINT64_MAX, &envelope->size) == 0;
}

/* BINARYMIME travels only by BDAT, which we do not offer. */
static bool check_body(struct span value, struct smtp_envelope *envelope)
{
	envelope->is_8bit = span_ieq(value, SPAN("8BITMIME"));
	return envelope->is_8bit || span_ieq(value, SPAN("7BIT"));
}

static bool check_none(struct span value, struct smtp_envelope *envelope)
{
	(void)envelope;
	return value.ptr == NULL;
}

static bool check_ret(struct span value, struct smtp_envelope *envelope)
{
	(void)envelope;
	return span_ieq(value, SPAN("FULL")) || span_ieq(value, SPAN("HDRS"));
}

static bool check_envid(struct span value, struct smtp_envelope *envelope)
{
	(void)envelope;
	return is_xtext(value, SMTP_ENVID_MAX);
}

static bool check_auth(struct span value, struct smtp_envelope *envelope)
{
	(void)envelope;
	return span_eq(value, SPAN("<>")) || is_xtext(value, SMTP_XTEXT_MAX);
}

static bool check_notify(struct span value, struct smtp_envelope *envelope)
{
	static const char *const when[] = { "SUCCESS", "FAILURE", "DELAY" };

	(void)envelope;
	if (span_ieq(value, SPAN("NEVER"))) {
		return true;
	}
	while (value.len > 0) {
		ptrdiff_t comma = span_find(value, ',');
		struct span word =
			comma < 0 ? value : span_first(value, (size_t)comma);
		size_t i = 0;

		while (i < N_ELEMENTS(when) &&
		       !span_ieq(word, span_str(when[i]))) {
			i++;
		}
		if (i == N_ELEMENTS(when)) {
			return false;
		}
		if (comma < 0) {
			return true;
		}
		value = span_from(value, (size_t)comma + 1);
	}
	return false;
}

/* addr-type ";" xtext; with type utf-8 the address may be UTF-8 as it is or
   "\x{...}" (RFC 6533 section 3). */
static bool check_orcpt(struct span value, struct smtp_envelope *envelope)
{
	ptrdiff_t semicolon = span_find(value, ';');
	struct span address;

	(void)envelope;
	if (semicolon <= 0 || value.len > SMTP_ORCPT_MAX) {
		return false;
	}
	address = span_from(value, (size_t)semicolon + 1);
	value = span_first(value, (size_t)semicolon);
	for (size_t i = 0; i < value.len; i++) {
		if (!is_alnum(value.ptr[i]) && value.ptr[i] != '-') {
			return false;
		}
	}
	if (!span_ieq(value, SPAN("utf-8"))) {
		return is_xtext(address, SMTP_ORCPT_MAX);
	}
	for (size_t i = 0; i < address.len; i++) {
		if (address.ptr[i] == '=' || (!is_printable(address.ptr[i]) &&
					      !is_8bit(address.ptr[i]))) {
			return false;
		}
	}
	return address.len > 0 && span_is_utf8(address);
}

static const struct parameter_row {
	const char *name;
	enum smtp_parameter parameter;
	bool (*check)(struct span value, struct smtp_envelope *envelope);
} mail_rows[] = {
	{ "SIZE", SMTP_PARAM_SIZE, check_size },
	{ "BODY", SMTP_PARAM_BODY, check_body },
	{ "SMTPUTF8", SMTP_PARAM_SMTPUTF8, check_none },
	{ "RET", SMTP_PARAM_RET, check_ret },
	{ "ENVID", SMTP_PARAM_ENVID, check_envid },
	{ "AUTH", SMTP_PARAM_AUTH, check_auth },
	{ "REQUIRETLS", SMTP_PARAM_REQUIRETLS, check_none },
	{ NULL, SMTP_PARAM_COUNT, NULL },
}, rcpt_rows[] = {
	{ "NOTIFY", SMTP_PARAM_NOTIFY, check_notify },
	{ "ORCPT", SMTP_PARAM_ORCPT, check_orcpt },
	{ NULL, SMTP_PARAM_COUNT, NULL },
};

static int take_parameter(struct span word, const struct parameter_row *row,
			  struct smtp_envelope *envelope,
			  const char **refusal_r)
{
	ptrdiff_t equals = span_find(word, '=');
	struct span name = word;
	struct span value = span_of(NULL, 0);

	if (equals >= 0) {
		name = span_first(word, (size_t)equals);
		value = span_from(word, (size_t)equals + 1);
	}
	while (row->name != NULL && !span_ieq(name, span_str(row->name))) {
		row++;
	}
	if (row->name == NULL) {
		return REFUSE("555 5.5.4 Unsupported parameter");
	}
	if (smtp_envelope_has(envelope, row->parameter)) {
		return REFUSE("501 5.5.4 Parameter given twice");
	}
	if (!row->check(value, envelope)) {
		return REFUSE("501 5.5.4 Bad value of a parameter");
	}
	envelope->parameters[row->parameter] = word;
	return 0;
}

static int take_parameters(struct span rest, const struct parameter_row *rows,
			   struct smtp_envelope *envelope,
			   const char **refusal_r)
{
	struct span word;

	if (rest.len > 0 && rest.ptr[0] != ' ') {
		return REFUSE("501 5.5.4 Syntax error after the address");
	}
	while (span_next_word(&rest, " ", &word)) {
		if (take_parameter(word, rows, envelope, refusal_r) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Cut "FROM:" and spaces, which some programs put there, off. */
static int take_word(struct span *rest, struct span word)
{
	if (!span_istarts(*rest, word)) {
		return -1;
	}
	*rest = span_from(*rest, word.len);
	while (rest->len > 0 && rest->ptr[0] == ' ') {
		*rest = span_from(*rest, 1);
	}
	return 0;
}

int smtp_mail_parse(struct span argument, struct smtp_envelope *envelope_r,
		    const char **refusal_r)
{
	*envelope_r = (struct smtp_envelope){ 0 };
	if (take_word(&argument, SPAN("FROM:")) < 0) {
		return REFUSE("501 5.5.4 Say MAIL FROM:<address>");
	}
	if (take_path(&argument, true, envelope_r) < 0) {
		return REFUSE("501 5.1.7 Bad sender address syntax");
	}
	if (take_parameters(argument, mail_rows, envelope_r, refusal_r) < 0) {
		return -1;
	}
	if (envelope_r->is_utf8 &&
	    !smtp_envelope_has(envelope_r, SMTP_PARAM_SMTPUTF8)) {
		return REFUSE("553 5.6.7 This address needs SMTPUTF8");
	}
	return 0;
}

int smtp_rcpt_parse(struct span argument, bool utf8,
		    struct smtp_envelope *envelope_r, const char **refusal_r)
{
	*envelope_r = (struct smtp_envelope){ 0 };
	if (take_word(&argument, SPAN("TO:")) < 0) {
		return REFUSE("501 5.5.4 Say RCPT TO:<address>");
	}
	if (take_path(&argument, false, envelope_r) < 0) {
		return REFUSE("501 5.1.3 Bad recipient address syntax");
	}
	if (take_parameters(argument, rcpt_rows, envelope_r, refusal_r) < 0) {
		return -1;
	}
	if (envelope_r->is_utf8 && !utf8) {
		return REFUSE("553 5.6.7 This address needs SMTPUTF8");
	}
	return 0;
}

void smtp_envelope_write(const struct smtp_envelope *envelope, const char *verb,
			 unsigned int leave_out, struct strbuf *out)
{
	strbuf_add_str(out, verb);
	strbuf_add_str(out, ":<");
	strbuf_add(out, envelope->path);
	strbuf_add_str(out, ">");
	for (size_t i = 0; i < SMTP_PARAM_COUNT; i++) {
		if (smtp_envelope_has(envelope, (enum smtp_parameter)i) &&
		    (leave_out & 1u << i) == 0) {
			strbuf_add_char(out, ' ');
			strbuf_add(out, envelope->parameters[i]);
		}
	}
}
