/* imap_sieve: lines, as far as a part's end and its Content-Type. Knows
   nothing of boundaries: a line that begins with "--" may be one, and it is
   one that matters if a header with a Content-Type follows. */
#include "imap/imap_sieve.h"

#include <string.h>

void imap_sieve_init(struct imap_sieve *sieve, bool at_header)
{
	*sieve = (struct imap_sieve){
		.state = at_header ? IMAP_SIEVE_HEADER : IMAP_SIEVE_TEXT,
		.seen = 1,
	};
}

static bool is_token_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* The token at the beginning of *rest, which moves behind it. */
static struct span next_token(struct span *rest)
{
	struct span token;
	size_t len = 0;

	while (len < rest->len && is_token_char(rest->ptr[len])) {
		len++;
	}
	token = span_first(*rest, len);
	*rest = span_from(*rest, len);
	return token;
}

/* Does a media type say that there is no text for us? Some of application/
   hold a card or an invitation (message/part_list.c). */
static bool says_attachment(struct span value)
{
	static const char *const dull[] = {
		"image",
		"audio",
		"video",
		"font",
	};
	static const char *const telling[] = {
		"octet-stream",
		"vcard",
		"ics",
		"unknown",
	};
	struct span type = next_token(&value);
	struct span subtype;

	if (value.len == 0 || value.ptr[0] != '/') {
		return false;
	}
	value = span_from(value, 1);
	subtype = next_token(&value);
	/* Nothing behind it: perhaps the rest was cut off. */
	if (subtype.len == 0 || value.len == 0) {
		return false;
	}
	for (size_t i = 0; i < N_ELEMENTS(telling); i++) {
		if (span_ieq(subtype, span_str(telling[i]))) {
			return false;
		}
	}
	for (size_t i = 0; i < N_ELEMENTS(dull); i++) {
		if (span_ieq(type, span_str(dull[i]))) {
			return true;
		}
	}
	return span_ieq(type, SPAN("application"));
}

static void take_type(struct imap_sieve *sieve, struct span value)
{
	while (value.len > 0 && ascii_is_space(value.ptr[0])) {
		value = span_from(value, 1);
	}
	sieve->awaits_type = value.len == 0;
	sieve->is_attachment = says_attachment(value);
}

static void begin_header(struct imap_sieve *sieve)
{
	sieve->state = IMAP_SIEVE_HEADER;
	sieve->has_type = false;
	sieve->awaits_type = false;
	sieve->is_attachment = false;
}

static void end_header(struct imap_sieve *sieve)
{
	sieve->state =
		sieve->is_attachment ? IMAP_SIEVE_ATTACHMENT : IMAP_SIEVE_TEXT;
	sieve->seen = 1;
}

/* The name before the colon; empty when the line is no field. */
static struct span field_name(struct span line)
{
	size_t len = 0;
	size_t end;

	while (len < line.len && line.ptr[len] > ' ' && line.ptr[len] != ':') {
		len++;
	}
	for (end = len; end < line.len && line.ptr[end] == ' '; end++) {
	}
	return span_first(line,
			  end < line.len && line.ptr[end] == ':' ? len : 0);
}

/* A line of a header, with its end. */
static void take_header_line(struct imap_sieve *sieve, struct span line)
{
	struct span name;

	if (line.ptr[0] == '\n' ||
	    (line.ptr[0] == '\r' && line.len > 1 && line.ptr[1] == '\n')) {
		end_header(sieve);
		return;
	}
	if (line.ptr[0] == ' ' || line.ptr[0] == '\t') {
		if (sieve->awaits_type) {
			take_type(sieve, line);
		}
		return;
	}
	if (span_starts(line, SPAN("--"))) {
		/* The end of a part within is followed by that of the outer. */
		begin_header(sieve);
		return;
	}
	name = field_name(line);
	if (name.len == 0) {
		/* No field, so this is no header. */
		sieve->state = IMAP_SIEVE_TEXT;
		sieve->seen = 1;
		return;
	}
	sieve->awaits_type = false;
	/* Of two the first counts, as in the parser. */
	if (!sieve->has_type && span_ieq(name, SPAN("Content-Type"))) {
		sieve->has_type = true;
		take_type(sieve,
			  span_from(line, (size_t)span_find(line, ':') + 1));
	}
}

/* Keep the beginning of a line of a header. */
static void note(struct imap_sieve *sieve, struct span bytes)
{
	bytes = span_first(bytes, IMAP_SIEVE_LINE_MAX - sieve->line_len);
	memcpy(sieve->line + sieve->line_len, bytes.ptr, bytes.len);
	sieve->line_len += bytes.len;
}

static bool is_in_lines(const struct imap_sieve *sieve)
{
	return sieve->state == IMAP_SIEVE_HEADER ||
	       sieve->state == IMAP_SIEVE_BOUNDARY;
}

/* Read lines as long as they matter. Return how many bytes they have. */
static size_t pass_lines(struct imap_sieve *sieve, struct span in)
{
	struct span rest = in;

	while (rest.len > 0 && is_in_lines(sieve)) {
		const char *lf = memchr(rest.ptr, '\n', rest.len);
		size_t len =
			lf == NULL ? rest.len : (size_t)(lf - rest.ptr) + 1;

		if (sieve->state == IMAP_SIEVE_HEADER) {
			note(sieve, span_first(rest, len));
		}
		rest = span_from(rest, len);
		if (lf == NULL) {
			break;
		}
		if (sieve->state == IMAP_SIEVE_BOUNDARY) {
			begin_header(sieve);
		} else {
			take_header_line(sieve,
					 span_of(sieve->line, sieve->line_len));
		}
		sieve->line_len = 0;
	}
	return in.len - rest.len;
}

/* Find the line that begins with "--". Base64 has no "-" and prose has few,
   so this looks at next to nothing. Return the position behind, or the end. */
static size_t find_boundary(struct imap_sieve *sieve, struct span in)
{
	size_t at = 0;

	while (at < in.len) {
		const char *dash;

		if (sieve->seen > 0 && in.ptr[at] == '-') {
			at++;
			if (++sieve->seen == 3) {
				return at;
			}
			continue;
		}
		dash = memchr(in.ptr + at, '-', in.len - at);
		if (dash == NULL) {
			at = in.len;
		} else if (dash == in.ptr + at) {
			/* Inside a line. */
			at++;
			sieve->seen = 0;
			continue;
		} else {
			at = (size_t)(dash - in.ptr);
		}
		sieve->seen = in.ptr[at - 1] == '\n';
	}
	return at;
}

size_t imap_sieve_next(struct imap_sieve *sieve, struct span in,
		       struct span *kept_r)
{
	bool is_dropped = sieve->state == IMAP_SIEVE_ATTACHMENT;
	size_t used;

	if (is_in_lines(sieve)) {
		used = pass_lines(sieve, in);
		*kept_r = span_first(in, used);
		return used;
	}
	used = find_boundary(sieve, in);
	*kept_r = is_dropped ? SPAN("") : span_first(in, used);
	if (sieve->seen == 3) {
		sieve->state = IMAP_SIEVE_BOUNDARY;
		if (is_dropped) {
			*kept_r = SPAN("--");
		}
	}
	return used;
}
