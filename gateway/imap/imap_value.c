/* imap_value: reads one value at a time from bytes that are all there. */
#include "imap/imap_value.h"

#include "imap/imap_lexer.h"

/* Length of the quoted string at the head, with both quotes; 0 more, -1. */
static ptrdiff_t quoted_length(struct span in)
{
	for (size_t i = 1; i < in.len; i++) {
		switch (in.ptr[i]) {
		case '\\':
			i++;
			break;
		case '"':
			return (ptrdiff_t)i + 1;
		case '\r':
		case '\n':
			return -1;
		default:
			break;
		}
	}
	return 0;
}

/* The literal at the head ("{" or "~{"): length of all of it, or 0, -1. */
static ptrdiff_t literal_length(struct span in, struct span *text_r)
{
	struct span head = in;
	struct span digits;
	ptrdiff_t close;
	ptrdiff_t eol;
	uint64_t size;

	head = span_from(head, head.ptr[0] == '~' ? 2 : 1);
	close = span_find(head, '}');
	eol = span_find(head, '\n');
	if (close < 0 || eol < 0) {
		return eol >= 0 ? -1 : 0;
	}
	digits = span_first(head, (size_t)close);
	if (digits.len > 0 && digits.ptr[digits.len - 1] == '+') {
		digits.len--;
	}
	if (eol < close || eol > close + 2 ||
	    (eol == close + 2 && head.ptr[close + 1] != '\r') ||
	    span_to_u64(digits, IMAP_LITERAL_MAX, &size) < 0) {
		return -1;
	}
	head = span_from(head, (size_t)eol + 1);
	if (head.len < size) {
		return 0;
	}
	*text_r = span_first(head, (size_t)size);
	return head.ptr + size - in.ptr;
}

static bool begins_literal(struct span in)
{
	return in.ptr[0] == '{' ||
	       (in.len > 1 && in.ptr[0] == '~' && in.ptr[1] == '{');
}

/* Length of the string at the head, whatever its kind. */
static ptrdiff_t string_length(struct span in)
{
	struct span text;

	return in.ptr[0] == '"' ? quoted_length(in) : literal_length(in, &text);
}

/* Length of an atom. Inside brackets spaces, lists and strings belong to it;
   one that is cut inside its brackets is not whole. */
static ptrdiff_t atom_length(struct span in)
{
	bool bracket = false;
	size_t i = 0;

	while (i < in.len) {
		struct span here = span_from(in, i);
		char c = here.ptr[0];

		if (c == '\r' || c == '\n') {
			return bracket ? -1 : (ptrdiff_t)i;
		}
		if (bracket && (c == '"' || begins_literal(here))) {
			ptrdiff_t len = string_length(here);

			if (len <= 0) {
				return len;
			}
			i += (size_t)len;
			continue;
		}
		if (!bracket && (c == ' ' || c == '(' || c == ')' || c == '"' ||
				 c == '{')) {
			break;
		}
		if (c == '[') {
			bracket = true;
		} else if (c == ']') {
			bracket = false;
		}
		i++;
	}
	if (bracket) {
		return 0;
	}
	return i == 0 ? -1 : (ptrdiff_t)i;
}

/* Length of the list at the head, with both parentheses. Without recursion:
   depth is a peer's number. */
static ptrdiff_t list_length(struct span in)
{
	size_t depth = 0;
	size_t i = 0;

	while (i < in.len) {
		struct span here = span_from(in, i);
		ptrdiff_t len;

		switch (here.ptr[0]) {
		case '(':
			if (++depth > IMAP_DEPTH_MAX) {
				return -1;
			}
			i++;
			continue;
		case ')':
			i++;
			if (--depth == 0) {
				return (ptrdiff_t)i;
			}
			continue;
		case '\r':
		case '\n':
			return -1;
		case ' ':
			i++;
			continue;
		default:
			break;
		}
		if (here.ptr[0] == '"' || begins_literal(here)) {
			len = string_length(here);
		} else {
			len = atom_length(here);
		}
		if (len <= 0) {
			return len;
		}
		i += (size_t)len;
	}
	return 0;
}

static enum imap_value_type atom_type(struct span text)
{
	return span_ieq(text, SPAN("NIL")) ? IMAP_NIL : IMAP_ATOM;
}

int imap_value_next(struct span *rest, struct imap_value *value_r)
{
	struct span in = *rest;
	struct span text = { NULL, 0 };
	enum imap_value_type type;
	ptrdiff_t len;

	while (in.len > 0 && in.ptr[0] == ' ') {
		in = span_from(in, 1);
	}
	if (in.len == 0) {
		*rest = in;
		return 0;
	}
	if (in.ptr[0] == '"') {
		type = IMAP_QUOTED;
		len = quoted_length(in);
		text = len > 0 ? span_of(in.ptr + 1, (size_t)len - 2) : text;
	} else if (begins_literal(in)) {
		type = IMAP_LITERAL;
		len = literal_length(in, &text);
	} else if (in.ptr[0] == '(') {
		type = IMAP_LIST;
		len = list_length(in);
		text = len > 0 ? span_of(in.ptr + 1, (size_t)len - 2) : text;
	} else {
		len = atom_length(in);
		text = len > 0 ? span_first(in, (size_t)len) : text;
		type = atom_type(text);
	}
	if (len <= 0) {
		return (int)len;
	}
	*value_r = (struct imap_value){ type, text };
	*rest = span_from(in, (size_t)len);
	return 1;
}

bool imap_value_is_text(const struct imap_value *value)
{
	return value->type != IMAP_LIST && value->type != IMAP_NIL;
}

void imap_value_decode(const struct imap_value *value, struct strbuf *out)
{
	struct span text = value->text;

	if (value->type != IMAP_QUOTED) {
		strbuf_add(out, text);
		return;
	}
	while (text.len > 0) {
		ptrdiff_t at = span_find(text, '\\');

		if (at < 0 || (size_t)at + 1 >= text.len) {
			strbuf_add(out, text);
			return;
		}
		strbuf_add(out, span_first(text, (size_t)at));
		strbuf_add_char(out, text.ptr[at + 1]);
		text = span_from(text, (size_t)at + 2);
	}
}

bool imap_value_is(const struct imap_value *value, const char *keyword)
{
	return imap_value_is_text(value) &&
	       span_ieq(value->text, span_str(keyword));
}

int imap_value_number(const struct imap_value *value, uint64_t max,
		      uint64_t *number_r)
{
	if (value->type != IMAP_ATOM) {
		return -1;
	}
	return span_to_u64(value->text, max, number_r);
}
