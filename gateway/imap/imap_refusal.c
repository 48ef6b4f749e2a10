/* imap_refusal: codes first, then known texts, then the kind of answer. */
#include "imap/imap_refusal.h"

static const struct imap_refusal authentication_failed = {
	"AUTHENTICATIONFAILED",
	"The mail provider refused this login.",
	true,
};

static const struct imap_refusal limit = {
	"LIMIT",
	"The mail provider allows no more connections now; close some or try "
	"again later.",
	false,
};

static const struct imap_refusal contact_admin = {
	"CONTACTADMIN",
	"The mail provider knows this account but does not open its mailbox: "
	"IMAP may be off for it, or the permission is for another mailbox.",
	false,
};

const struct imap_refusal imap_refusal_unavailable = {
	"UNAVAILABLE",
	"The mail provider cannot be used at the moment; try again later.",
	false,
};

/* Codes that keep their meaning (RFC 5530); the text is ours. */
static const struct imap_refusal by_code[] = {
	{ "AUTHENTICATIONFAILED", "The mail provider refused this login.",
	  true },
	{ "AUTHORIZATIONFAILED",
	  "The mail provider does not let this login act for the account.",
	  true },
	{ "EXPIRED", "The password or token has expired.", true },
	{ "PRIVACYREQUIRED", "The mail provider wants another kind of login.",
	  false },
	{ "CONTACTADMIN", "The mail provider asks to contact its support.",
	  false },
	{ "UNAVAILABLE",
	  "The mail provider cannot be used at the moment; try again later.",
	  false },
	{ "LIMIT", "The mail provider allows no more connections now.", false },
	{ "INUSE", "The mailbox is in use; try again later.", false },
	{ "SERVERBUG", "The mail provider has a fault; try again later.",
	  false },
	{ "CANNOT", "The mail provider does not take this kind of login.",
	  false },
	{ "OVERQUOTA", "The mailbox is over its quota.", false },
};

/* Texts without a code that are no wrong password. First match wins. */
static const struct {
	const char *text;
	const struct imap_refusal *refusal;
} by_text[] = {
	/* Microsoft 365: the login was right, the mailbox is not reached. */
	{ "authenticated but not connected", &contact_admin },
	{ "too many simultaneous connections", &limit },
	{ "maximum number of connections", &limit },
	{ "too many connections", &limit },
	{ "throttled", &imap_refusal_unavailable },
	{ "temporar", &imap_refusal_unavailable },
	{ "try again later", &imap_refusal_unavailable },
	{ "unavailable", &imap_refusal_unavailable },
	{ "internal error", &imap_refusal_unavailable },
	{ "server error", &imap_refusal_unavailable },
	{ "system error", &imap_refusal_unavailable },
	{ "timeout", &imap_refusal_unavailable },
	{ "timed out", &imap_refusal_unavailable },
};

const struct imap_refusal *
imap_refusal_of(const struct imap_response_head *head, struct span line)
{
	for (size_t i = 0; i < N_ELEMENTS(by_code); i++) {
		if (span_ieq(head->code, span_str(by_code[i].code))) {
			return &by_code[i];
		}
	}
	for (size_t i = 0; i < N_ELEMENTS(by_text); i++) {
		if (span_isearch(line, span_str(by_text[i].text)) >= 0) {
			return by_text[i].refusal;
		}
	}
	/* BAD says that our command was wrong, not the password. */
	return head->status == IMAP_NO ? &authentication_failed
				       : &imap_refusal_unavailable;
}
