/* smtp_data: dot-stuffing off and on. A line ends with CRLF and with nothing
   else, here and in the writer: two readers who disagree about that are how
   one message becomes two. */
#include "smtp/smtp_data.h"

void smtp_data_init(struct smtp_data *data)
{
	*data = (struct smtp_data){ .state = SMTP_DATA_LINE_START };
}

/* Position of the first byte up to CR (NUL, TAB, LF, CR, ...), or in.len.
   Eight bytes at a time: this looks at every byte of every message. */
static size_t find_special(struct span in)
{
	const uint64_t ones = UINT64_MAX / 0xff;
	size_t at = 0;

	while (in.len - at >= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, in.ptr + at, sizeof(word));
		if (((word - ones * ('\r' + 1)) & ~word & ones * 0x80) != 0) {
			break;
		}
		at += sizeof(word);
	}
	while (at < in.len && (unsigned char)in.ptr[at] > '\r') {
		at++;
	}
	return at;
}

/* Go on inside a line, which is all content. Return bytes used. */
static size_t scan_line(struct smtp_data *data, struct span in)
{
	size_t at = find_special(in);

	if (at == in.len) {
		return at;
	}
	switch (in.ptr[at]) {
	case '\r':
		if (at + 1 < in.len && in.ptr[at + 1] == '\n') {
			data->state = SMTP_DATA_LINE_START;
			return at + 2;
		}
		data->state = SMTP_DATA_CR;
		break;
	case '\n':
		data->state = SMTP_DATA_BROKEN;
		break;
	case '\0':
		data->has_nul = true;
		break;
	default:
		break;
	}
	return at + 1;
}

int smtp_data_next(struct smtp_data *data, struct span in, size_t *used_r,
		   struct span *run_r)
{
	size_t start = 0;
	size_t at = 0;

	while (at < in.len && data->state != SMTP_DATA_BROKEN &&
	       data->state != SMTP_DATA_DONE) {
		char c = in.ptr[at];

		switch (data->state) {
		case SMTP_DATA_LINE_START:
			if (c == '.' && at > start) {
				/* The dot is not content: end the run. */
				goto run;
			}
			if (c == '.') {
				data->state = SMTP_DATA_DOT;
				start = ++at;
				break;
			}
			data->state = SMTP_DATA_IN_LINE;
			break;
		case SMTP_DATA_DOT:
			if (c == '\r') {
				data->state = SMTP_DATA_DOT_CR;
				start = ++at;
				break;
			}
			data->has_dot_lines |= c == '.';
			data->state = SMTP_DATA_IN_LINE;
			break;
		case SMTP_DATA_DOT_CR:
			data->state =
				c == '\n' ? SMTP_DATA_DONE : SMTP_DATA_BROKEN;
			start = ++at;
			break;
		case SMTP_DATA_CR:
			data->state = c == '\n' ? SMTP_DATA_LINE_START
						: SMTP_DATA_BROKEN;
			at++;
			break;
		default:
			at += scan_line(data, span_from(in, at));
			break;
		}
	}
run:
	*used_r = at;
	*run_r = span_of(in.ptr + start, at - start);
	if (data->state == SMTP_DATA_BROKEN) {
		run_r->len = 0;
		return -1;
	}
	return data->state == SMTP_DATA_DONE ? 1 : 0;
}

int smtp_data_stuff(struct smtp_data *data, struct span content,
		    struct strbuf *out)
{
	size_t at = 0;

	while (at < content.len) {
		struct span rest = span_from(content, at);
		size_t used;

		if (data->state == SMTP_DATA_LINE_START) {
			if (rest.ptr[0] == '.') {
				strbuf_add_char(out, '.');
			}
			data->state = SMTP_DATA_IN_LINE;
		}
		if (data->state == SMTP_DATA_CR) {
			data->state = rest.ptr[0] == '\n' ? SMTP_DATA_LINE_START
							  : SMTP_DATA_BROKEN;
			used = 1;
		} else {
			used = scan_line(data, rest);
		}
		if (data->state == SMTP_DATA_BROKEN) {
			return -1;
		}
		strbuf_add(out, span_first(rest, used));
		at += used;
	}
	return 0;
}

int smtp_data_finish(struct smtp_data *data, struct strbuf *out)
{
	if (data->state == SMTP_DATA_CR || data->state == SMTP_DATA_BROKEN) {
		return -1;
	}
	if (data->state == SMTP_DATA_IN_LINE) {
		strbuf_add_str(out, "\r\n");
	}
	strbuf_add_str(out, ".\r\n");
	data->state = SMTP_DATA_DONE;
	return 0;
}
