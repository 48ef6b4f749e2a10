/* spam: what the mailbox's owner or the provider calls spam. We have no
   opinion of our own; the user's word outranks a header's. */
#include "filters/filters.h"

/* Exchange files mail from this confidence on as junk. */
#define SCL_JUNK 5

static bool starts_with_yes(struct span value)
{
	return span_istarts(span_trim(value), SPAN("yes"));
}

static bool starts_with_true(struct span value)
{
	return span_istarts(span_trim(value), SPAN("true"));
}

static bool is_one(struct span value)
{
	return span_istarts(span_trim(value), SPAN("1"));
}

static bool says_spam(struct span value)
{
	value = span_trim(value);
	return span_istarts(value, SPAN("spam")) || starts_with_yes(value);
}

static bool is_junk_level(struct span value)
{
	uint64_t level;

	return span_to_u64(span_trim(value), 100, &level) == 0 &&
	       level >= SCL_JUNK;
}

/* rspamd: "default: True [18.20 / 15.00]; ..." */
static bool rspamd_result(struct span value)
{
	ptrdiff_t colon = span_find(value, ':');

	return starts_with_true(
		colon < 0 ? value : span_from(value, (size_t)colon + 1));
}

static bool rspamd_action(struct span value)
{
	value = span_trim(value);
	return span_ieq(value, SPAN("add header")) ||
	       span_ieq(value, SPAN("rewrite subject")) ||
	       span_ieq(value, SPAN("reject"));
}

/* The value of "KEY:value;" in one of Microsoft's reports. */
static struct span report_value(struct span report, const char *key)
{
	struct span field;

	while (span_next_word(&report, ";", &field)) {
		ptrdiff_t colon = span_find(field, ':');

		if (colon > 0 &&
		    span_ieq(span_trim(span_first(field, (size_t)colon)),
			     span_str(key))) {
			return span_trim(span_from(field, (size_t)colon + 1));
		}
	}
	return SPAN("");
}

static bool is_word_of(struct span word, const char *words)
{
	struct span rest = span_str(words);
	struct span one;

	while (span_next_word(&rest, " ", &one)) {
		if (span_ieq(one, word)) {
			return true;
		}
	}
	return false;
}

/* Microsoft 365: the verdict (SFV), the category (CAT) and the level. */
static bool forefront(struct span value)
{
	struct span verdict = report_value(value, "SFV");

	/* An administrator or the user said that it is none. */
	if (is_word_of(verdict, "SKN SKA SFE SKQ")) {
		return false;
	}
	return is_word_of(verdict, "SPM SKS SKB BLK") ||
	       is_word_of(report_value(value, "CAT"),
			  "SPM HSPM PHSH HPHSH HPHISH MALW SPOOF AMP") ||
	       is_junk_level(report_value(value, "SCL"));
}

/* Where Exchange Online put it: "ucf:0;...;dest:J;". */
static bool delivered_to_junk(struct span value)
{
	return span_ieq(report_value(value, "dest"), SPAN("J"));
}

/* Proofpoint: "rule=spam policy=default score=100 ..." */
static bool proofpoint(struct span value)
{
	return span_istarts(span_trim(value), SPAN("rule=spam"));
}

/* GMX, web.de, 1&1: "junk:10;V03:K0:..." */
static bool ui_filter(struct span value)
{
	return span_istarts(span_trim(value), SPAN("junk:"));
}

static const struct header_sign signs[] = {
	{ "X-Spam-Flag", starts_with_yes },
	{ "X-Spam-Status", starts_with_yes },
	{ "X-Spam", starts_with_yes },
	{ "X-Spamd-Result", rspamd_result },
	{ "X-Rspamd-Action", rspamd_action },
	{ "X-MS-Exchange-Organization-SCL", is_junk_level },
	{ "X-Forefront-Antispam-Report", forefront },
	{ "X-Microsoft-Antispam-Mailbox-Delivery", delivered_to_junk },
	{ "X-Gm-Spam", is_one },
	{ "X-Gm-Phishy", is_one },
	{ "X-Barracuda-Spam-Flag", starts_with_yes },
	{ "X-Bogosity", says_spam },
	{ "X-DSPAM-Result", says_spam },
	{ "X-Proofpoint-Spam-Details", proofpoint },
	{ "X-UI-Filterresults", ui_filter },
	{ "X-Mailscanner-SpamCheck", says_spam },
};

static const char *const junk_flags[] = { "$Junk", "Junk", "\\Junk", "\\Spam",
					  "$Phishing" };
static const char *const not_junk_flags[] = { "$NotJunk", "NotJunk",
					      "NonJunk" };

static const char *first_flag(const struct message_origin *origin,
			      const char *const *flags, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (origin_has_flag(origin, flags[i])) {
			return flags[i];
		}
	}
	return NULL;
}

enum skip_reason spam_ask(const struct message *msg,
			  const struct message_origin *origin,
			  struct filter_note *note_r)
{
	const struct header_sign *sign;
	const char *flag;

	if (origin->folder == FOLDER_JUNK) {
		filter_note_set(note_r, "folder role junk");
		return SKIP_SPAM;
	}
	flag = first_flag(origin, not_junk_flags, N_ELEMENTS(not_junk_flags));
	if (flag != NULL) {
		filter_note_set(note_r, "flag %s", flag);
		return SKIP_NONE;
	}
	flag = first_flag(origin, junk_flags, N_ELEMENTS(junk_flags));
	if (flag != NULL) {
		filter_note_set(note_r, "flag %s", flag);
		return SKIP_SPAM;
	}
	sign = header_sign_find(msg, signs, N_ELEMENTS(signs));
	if (sign != NULL) {
		filter_note_set(note_r, "header %s", sign->header);
		return SKIP_SPAM;
	}
	filter_note_set(note_r, "no verdict says spam");
	return SKIP_NONE;
}
