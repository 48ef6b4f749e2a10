/* imap_sieve: lines, as far as a part's end and its Content-Type. Knows
   nothing of boundaries: a line that begins with "--" may be one, and it is
   one that matters if a header with a Content-Type follows. */
#include "imap/imap_sieve.h"

#include <string.h>

void imap_sieve_init(struct imap_sieve *sieve, bool at_header)
{
	*sieve = (struct imap_sieve){
		.state = at_header ? IMAP_SIEVE_HEADER : IMAP_SIEVE_TEXT,
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

/* A line of a header, with its end. */
static void take_header_line(struct imap_sieve *sieve, struct span line)
{
	struct span rest = line;
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
	name = next_token(&rest);
	rest = span_trim(rest);
	if (name.len == 0 || rest.len == 0 || rest.ptr[0] != ':') {
		/* No field, so this is no header. */
		sieve->state = IMAP_SIEVE_TEXT;
		return;
	}
	sieve->awaits_type = false;
	/* Of two the first counts, as in the parser. */
	if (!sieve->has_type && span_ieq(name, SPAN("Content-Type"))) {
		sieve->has_type = true;
		take_type(
			sieve,
			span_of(rest.ptr + 1,
				(size_t)(line.ptr + line.len - rest.ptr) - 1));
	}
}

static void end_line(struct imap_sieve *sieve)
{
	struct span line = span_of(sieve->line, sieve->line_len);

	sieve->line_len = 0;
	if (sieve->state == IMAP_SIEVE_HEADER) {
		take_header_line(sieve, line);
	} else if (span_starts(line, SPAN("--"))) {
		begin_header(sieve);
	}
}

/* Keep the beginning of a line. */
static void note(struct imap_sieve *sieve, struct span bytes)
{
	size_t room =
		(sieve->state == IMAP_SIEVE_TEXT ? 2 : IMAP_SIEVE_LINE_MAX);

	room = sieve->line_len < room ? room - sieve->line_len : 0;
	bytes = span_first(bytes, room);
	memcpy(sieve->line + sieve->line_len, bytes.ptr, bytes.len);
	sieve->line_len += bytes.len;
}

/* All of in is kept that comes before an attachment. */
static size_t pass_text(struct imap_sieve *sieve, struct span in)
{
	struct span rest = in;

	while (rest.len > 0 && sieve->state != IMAP_SIEVE_ATTACHMENT) {
		const char *lf = memchr(rest.ptr, '\n', rest.len);
		size_t len =
			lf == NULL ? rest.len : (size_t)(lf - rest.ptr) + 1;

		note(sieve, span_first(rest, len));
		if (lf != NULL) {
			end_line(sieve);
		}
		rest = span_from(rest, len);
	}
	return in.len - rest.len;
}

/* Find the line that begins with "--". Base64 has no "-", so this looks at
   next to nothing. */
static size_t pass_attachment(struct imap_sieve *sieve, struct span in,
			      struct span *kept_r)
{
	size_t at = 0;

	while (at < in.len) {
		const char *dash;

		if (sieve->seen > 0 && in.ptr[at] == '-') {
			at++;
			if (++sieve->seen == 3) {
				memcpy(sieve->line, "--", 2);
				sieve->line_len = 2;
				sieve->state = IMAP_SIEVE_TEXT;
				*kept_r = SPAN("--");
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
	*kept_r = span_of(in.ptr, 0);
	return in.len;
}

size_t imap_sieve_next(struct imap_sieve *sieve, struct span in,
		       struct span *kept_r)
{
	size_t used;

	if (sieve->state == IMAP_SIEVE_ATTACHMENT) {
		return pass_attachment(sieve, in, kept_r);
	}
	used = pass_text(sieve, in);
	*kept_r = span_first(in, used);
	return used;
}
