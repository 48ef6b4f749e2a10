/* smtp_reply: a reply is taken whole or not at all, so that what the client
   is given never stops in the middle of a line. */
#include "smtp/smtp_reply.h"

#define CODE_LEN 3

void smtp_reply_init(struct smtp_reply *reply)
{
	*reply = (struct smtp_reply){ 0 };
}

/* "d", "dd" or "ddd" up to a byte in end or the end of the text. */
static int take_number(struct span *rest, char end, unsigned int *value_r)
{
	ptrdiff_t at = span_find(*rest, end);
	size_t len = at < 0 ? rest->len : (size_t)at;
	uint64_t value;

	if (len > 3 || span_to_u64(span_first(*rest, len), 999, &value) < 0) {
		return -1;
	}
	*value_r = (unsigned int)value;
	*rest = span_from(*rest, at < 0 ? len : len + 1);
	return 0;
}

int smtp_status_parse(struct span text, struct smtp_status *status_r)
{
	struct smtp_status status;
	ptrdiff_t space = span_find(text, ' ');

	if (space >= 0) {
		text = span_first(text, (size_t)space);
	}
	if (take_number(&text, '.', &status.class) < 0 ||
	    take_number(&text, '.', &status.subject) < 0 ||
	    take_number(&text, '.', &status.detail) < 0 || text.len != 0) {
		return -1;
	}
	if (status.class != 2 && status.class != 4 && status.class != 5) {
		return -1;
	}
	*status_r = status;
	return 0;
}

static int read_code(struct span line, unsigned int *code_r)
{
	uint64_t code;

	if (line.len < CODE_LEN ||
	    span_to_u64(span_first(line, CODE_LEN), 599, &code) < 0 ||
	    code < 200) {
		return -1;
	}
	if (line.len > CODE_LEN && line.ptr[CODE_LEN] != ' ' &&
	    line.ptr[CODE_LEN] != '-') {
		return -1;
	}
	*code_r = (unsigned int)code;
	return 0;
}

static bool has_stray(struct span line)
{
	return span_find(line, '\r') >= 0 || span_find(line, '\0') >= 0;
}

/* line is without its end. Return 1 when it is the last, 0, or -1. */
static int take_line(struct smtp_reply *reply, struct span line,
		     struct error *err_r)
{
	unsigned int code;

	if (has_stray(line)) {
		return error_set(err_r, "stray byte in reply");
	}
	if (read_code(line, &code) < 0) {
		return error_set(err_r, "reply without a code");
	}
	if (reply->lines > 0 && code != reply->code) {
		return error_set(err_r, "reply changes its code");
	}
	if (++reply->lines > SMTP_REPLY_LINES_MAX) {
		return error_set(err_r, "reply of over %d lines",
				 SMTP_REPLY_LINES_MAX);
	}
	reply->code = code;
	if (line.len > CODE_LEN && line.ptr[CODE_LEN] == '-') {
		return 0;
	}
	if (smtp_status_parse(span_from(line, CODE_LEN + 1), &reply->status) <
	    0) {
		reply->status = (struct smtp_status){ 0 };
	}
	return 1;
}

int smtp_reply_next(struct smtp_reply *reply, struct span in,
		    struct error *err_r)
{
	int status = 0;

	while (status == 0) {
		struct span rest = span_from(in, reply->at);
		ptrdiff_t lf = span_find(rest, '\n');
		size_t len = lf < 0 ? rest.len : (size_t)lf + 1;

		if (len > SMTP_REPLY_LINE_MAX ||
		    reply->at + len > SMTP_REPLY_MAX) {
			return error_set(err_r, "reply too long");
		}
		if (lf < 0) {
			return 0;
		}
		if (lf == 0 || rest.ptr[lf - 1] != '\r') {
			return error_set(err_r, "bare LF in reply");
		}
		status = take_line(reply, span_first(rest, len - 2), err_r);
		reply->at += len;
	}
	reply->whole = span_first(in, reply->at);
	return status;
}

bool smtp_reply_line(struct span *rest, struct span *text_r)
{
	struct span line;

	if (!span_next_line(rest, &line)) {
		return false;
	}
	*text_r = span_from(line, CODE_LEN + 1);
	return true;
}
