/* imap_head: words at the beginning of a line. */
#include "imap/imap_head.h"

static const struct span statuses[] = {
	[IMAP_OK] = SPAN("OK"),		  [IMAP_NO] = SPAN("NO"),
	[IMAP_BAD] = SPAN("BAD"),	  [IMAP_BYE] = SPAN("BYE"),
	[IMAP_PREAUTH] = SPAN("PREAUTH"),
};

/* Cut the word at *pos, which ends before SP, CR or LF. Return false when its
   end is not there yet. */
static bool cut_word(struct span in, size_t *pos, struct span *word_r)
{
	size_t i = *pos;

	while (i < in.len && in.ptr[i] != ' ' && in.ptr[i] != '\r' &&
	       in.ptr[i] != '\n') {
		i++;
	}
	*word_r = span_of(in.ptr + *pos, i - *pos);
	*pos = i;
	return i < in.len;
}

static bool status_of(struct span word, enum imap_status *status_r)
{
	for (size_t i = 0; i < N_ELEMENTS(statuses); i++) {
		if (span_ieq(word, statuses[i])) {
			*status_r = (enum imap_status)i;
			return true;
		}
	}
	return false;
}

/* The first word after "[", if a code follows the status that ended at pos.
   Return false when more bytes are needed to know. */
static bool cut_code(struct span in, size_t pos, struct span *code_r)
{
	size_t i = pos + 1;

	*code_r = span_of(NULL, 0);
	if (in.ptr[pos] != ' ') {
		return true;
	}
	if (i == in.len) {
		return false;
	}
	if (in.ptr[i] != '[') {
		return true;
	}
	for (size_t start = ++i; i < in.len; i++) {
		char c = in.ptr[i];

		if (c == ' ' || c == ']' || c == '\r' || c == '\n') {
			*code_r = span_of(in.ptr + start, i - start);
			return true;
		}
	}
	return false;
}

static int tagged_head(struct span in, struct imap_response_head *head)
{
	struct span word;
	size_t pos = 0;

	if (!cut_word(in, &pos, &head->tag)) {
		return 0;
	}
	if (in.ptr[pos] != ' ' || head->tag.len == 0) {
		return 1;
	}
	pos++;
	if (!cut_word(in, &pos, &word)) {
		return 0;
	}
	if (!status_of(word, &head->status) || head->status > IMAP_BAD) {
		return 1;
	}
	if (!cut_code(in, pos, &head->code)) {
		return 0;
	}
	head->type = IMAP_TAGGED_STATUS;
	return 1;
}

static int untagged_head(struct span in, struct imap_response_head *head)
{
	size_t pos = 2;
	uint64_t number;

	if (!cut_word(in, &pos, &head->name)) {
		return 0;
	}
	if (status_of(head->name, &head->status)) {
		if (!cut_code(in, pos, &head->code)) {
			return 0;
		}
		head->type = IMAP_UNTAGGED_STATUS;
		return 1;
	}
	head->type = IMAP_DATA;
	if (in.ptr[pos] != ' ' ||
	    span_to_u64(head->name, UINT32_MAX, &number) < 0) {
		return 1;
	}
	pos++;
	if (!cut_word(in, &pos, &head->name)) {
		return 0;
	}
	head->number = (uint32_t)number;
	head->type = IMAP_NUMBERED;
	return 1;
}

int imap_response_head(struct span in, struct imap_response_head *head_r)
{
	int done;

	*head_r = (struct imap_response_head){ .type = IMAP_STRANGE };
	in = span_first(in, IMAP_HEAD_MAX);
	if (in.len == 0) {
		return 0;
	}
	if (in.ptr[0] == '+') {
		head_r->type = IMAP_CONTINUATION;
		return 1;
	}
	if (in.ptr[0] == '*' && in.len == 1) {
		return 0;
	}
	if (in.ptr[0] == '*' && in.ptr[1] == ' ') {
		done = untagged_head(in, head_r);
	} else {
		done = tagged_head(in, head_r);
	}
	if (done == 0 && in.len >= IMAP_HEAD_MAX) {
		*head_r = (struct imap_response_head){ .type = IMAP_STRANGE };
		return 1;
	}
	return done;
}

static bool is_clean(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.ptr[i];

		if (c <= 0x20 || c >= 0x7f) {
			return false;
		}
	}
	return word.len > 0;
}

/* RFC 9051 section 9, tag. One of "*" or "+" would make the answer to it look
   like something else. */
static bool is_tag(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		if (strchr("(){%*\"\\+", word.ptr[i]) != NULL) {
			return false;
		}
	}
	return is_clean(word);
}

static int command_words(struct span in, struct imap_command_head *head)
{
	size_t pos = 0;

	if (!cut_word(in, &pos, &head->tag)) {
		return 0;
	}
	if (!is_tag(head->tag) || in.ptr[pos] != ' ') {
		return -1;
	}
	pos++;
	if (!cut_word(in, &pos, &head->name)) {
		return 0;
	}
	if (!is_clean(head->name)) {
		return -1;
	}
	if (span_ieq(head->name, SPAN("UID")) && in.ptr[pos] == ' ') {
		pos++;
		if (!cut_word(in, &pos, &head->subname)) {
			return 0;
		}
	}
	head->len = pos + (in.ptr[pos] == ' ' ? 1 : 0);
	return 1;
}

int imap_command_head(struct span in, struct imap_command_head *head_r)
{
	int done;

	*head_r = (struct imap_command_head){ 0 };
	/* No further, or what it is would depend on how it was split. */
	done = command_words(span_first(in, IMAP_HEAD_MAX), head_r);
	if (done == 0 && in.len >= IMAP_HEAD_MAX) {
		return -1;
	}
	return done;
}
