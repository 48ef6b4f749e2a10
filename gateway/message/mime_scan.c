/* mime_scan: the bounded look before the parsers. Knows the outline of MIME
   and nothing of what a message means. */
#include "message/mime_scan.h"

/* RFC 2046 5.1.1 says 70. */
#define BOUNDARY_MAX 200

/* One multipart that is open, innermost last. */
struct level {
	struct span boundary;
	/* In a digest a part without Content-Type is a message. */
	bool is_digest;
};

struct scanner {
	struct span rest;
	struct mime_scan *scan;
	struct error *err;
	struct level levels[MIME_SCAN_MAX_DEPTH];
	size_t level_count;
	/* message/rfc822 around here, up to the innermost open boundary. */
	size_t nested[MIME_SCAN_MAX_DEPTH + 1];
	size_t header_bytes;
	size_t fields;
	size_t separators;
};

/* What one header section said about its body. */
struct outline {
	struct span content_type;
	size_t content_types;
	size_t from_fields;
	struct span from;
};

static bool is_name_byte(char c)
{
	return c > ' ' && c < 0x7f && c != ':';
}

/* The name of a field in front of its colon, or false. */
static bool field_name(struct span line, struct span *name_r, size_t *colon_r)
{
	size_t i = 0;

	while (i < line.len && is_name_byte(line.ptr[i])) {
		i++;
	}
	*name_r = span_first(line, i);
	while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t')) {
		i++;
	}
	*colon_r = i;
	return name_r->len > 0 && i < line.len && line.ptr[i] == ':';
}

static bool is_folded(struct span rest)
{
	return rest.len > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t');
}

bool mime_scan_field(struct span *rest, struct span *name_r,
		     struct span *value_r)
{
	struct span line;
	size_t colon;

	for (;;) {
		struct span before = *rest;

		if (!span_next_line(rest, &line)) {
			return false;
		}
		if (line.len == 0) {
			*rest = before;
			return false;
		}
		if (field_name(line, name_r, &colon)) {
			break;
		}
	}
	*value_r = span_from(line, colon + 1);
	while (is_folded(*rest)) {
		span_next_line(rest, &line);
		value_r->len = (size_t)(line.ptr + line.len - value_r->ptr);
	}
	return true;
}

static int refuse(struct scanner *s, const char *what, size_t limit)
{
	return error_set(s->err, "more than %zu %s", limit, what);
}

static void mark(struct scanner *s, const char *what)
{
	if (s->scan->ambiguity == NULL) {
		s->scan->ambiguity = what;
	}
}

/* The deepest nesting of parentheses. Quotes do not hide them here: a parser
   may see the quotes differently. */
static size_t comment_depth(struct span value)
{
	size_t depth = 0;
	size_t deepest = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] == '\\') {
			i++;
		} else if (value.ptr[i] == '(') {
			depth++;
			deepest = depth > deepest ? depth : deepest;
		} else if (value.ptr[i] == ')' && depth > 0) {
			depth--;
		}
	}
	return deepest;
}

static size_t count_bytes(struct span value, const char *any)
{
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		n += value.ptr[i] != '\0' && strchr(any, value.ptr[i]) != NULL;
	}
	return n;
}

/* A bare CR in a header hides the rest of its line from some readers. */
static bool has_bare_cr(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] == '\r' &&
		    (i + 1 == value.len || value.ptr[i + 1] != '\n')) {
			return true;
		}
	}
	return false;
}

static const char *const address_fields[] = {
	"From",	     "Sender",	   "Reply-To",	    "To",
	"Cc",	     "Bcc",	   "Resent-From",   "Resent-To",
	"Resent-Cc", "Resent-Bcc", "Resent-Sender",
};

static const char *const free_text_fields[] = {
	"Subject", "Comments", "Thread-Topic", "List-Id", "List-Unsubscribe",
};

static bool is_one_of(struct span name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (span_ieq(name, span_str(names[i]))) {
			return true;
		}
	}
	return false;
}

static void remember(struct scanner *s, struct span name, struct span value,
		     struct outline *outline)
{
	if (span_ieq(name, SPAN("Content-Type"))) {
		if (outline->content_types++ == 0) {
			outline->content_type = value;
		} else if (!span_ieq(span_trim(outline->content_type),
				     span_trim(value))) {
			mark(s, "two Content-Type fields");
		}
	} else if (span_ieq(name, SPAN("From"))) {
		if (outline->from_fields++ == 0) {
			outline->from = value;
		} else if (!span_eq(span_trim(outline->from),
				    span_trim(value))) {
			mark(s, "two From fields");
		}
	}
}

static int check_field(struct scanner *s, struct span name, struct span value,
		       struct outline *outline)
{
	if (++s->fields > MIME_SCAN_MAX_FIELDS) {
		return refuse(s, "header fields", MIME_SCAN_MAX_FIELDS);
	}
	if (!is_one_of(name, free_text_fields, N_ELEMENTS(free_text_fields)) &&
	    comment_depth(value) > MIME_SCAN_MAX_COMMENT_DEPTH) {
		return refuse(s, "comments in comments",
			      MIME_SCAN_MAX_COMMENT_DEPTH);
	}
	if (span_istarts(name, SPAN("Content-")) &&
	    count_bytes(value, ";") > MIME_SCAN_MAX_PARAMETERS) {
		return refuse(s, "parameters", MIME_SCAN_MAX_PARAMETERS);
	}
	if (is_one_of(name, address_fields, N_ELEMENTS(address_fields))) {
		s->separators += count_bytes(value, ",;<");
		if (s->separators > 2 * MIME_SCAN_MAX_ADDRESSES) {
			return refuse(s, "addresses", MIME_SCAN_MAX_ADDRESSES);
		}
	}
	if (has_bare_cr(value)) {
		mark(s, "bare CR in a header");
	}
	if (name.ptr + name.len != value.ptr - 1) {
		mark(s, "white space before a colon");
	}
	remember(s, name, value, outline);
	return 0;
}

/* One header section, with its empty line. */
static int scan_header(struct scanner *s, struct outline *outline,
		       bool *complete_r)
{
	const char *begin = s->rest.ptr;
	struct span name;
	struct span value;
	struct span line;
	size_t len;

	*complete_r = false;
	while (mime_scan_field(&s->rest, &name, &value)) {
		if (check_field(s, name, value, outline) < 0) {
			return -1;
		}
	}
	*complete_r = span_next_line(&s->rest, &line);
	len = (size_t)(s->rest.ptr - begin);
	s->header_bytes += len;
	if (s->header_bytes > MIME_SCAN_MAX_HEADER_BYTES) {
		return refuse(s, "header bytes", MIME_SCAN_MAX_HEADER_BYTES);
	}
	if (len > 0 && memchr(begin, '\0', len) != NULL) {
		return error_set(s->err, "NUL in a header");
	}
	return 0;
}

/* Find boundary= in a Content-Type value; quotes around it are no part. */
static struct span find_boundary(struct span value)
{
	ptrdiff_t at = span_isearch(value, SPAN("boundary"));
	struct span rest;
	size_t len = 0;

	if (at < 0) {
		return SPAN("");
	}
	rest = span_trim(span_from(value, (size_t)at + 8));
	if (rest.len == 0 || rest.ptr[0] != '=') {
		return SPAN("");
	}
	rest = span_trim(span_from(rest, 1));
	if (rest.len > 0 && rest.ptr[0] == '"') {
		rest = span_from(rest, 1);
		while (len < rest.len && rest.ptr[len] != '"') {
			len++;
		}
	} else {
		while (len < rest.len && !ascii_is_space(rest.ptr[len]) &&
		       rest.ptr[len] != ';') {
			len++;
		}
	}
	return span_first(rest, len);
}

static size_t current_depth(const struct scanner *s)
{
	size_t depth = s->level_count;

	for (size_t i = 0; i <= s->level_count; i++) {
		depth += s->nested[i];
	}
	return depth;
}

static int deeper(struct scanner *s)
{
	size_t depth = current_depth(s);

	if (depth > s->scan->depth) {
		s->scan->depth = depth;
	}
	if (depth >= MIME_SCAN_MAX_DEPTH) {
		return refuse(s, "levels of parts", MIME_SCAN_MAX_DEPTH);
	}
	return 0;
}

/* The header section of a part (or of the message), and those of messages that
   begin at once inside it. */
static int scan_part(struct scanner *s, bool is_top)
{
	bool is_message = true;

	while (is_message) {
		bool in_digest = s->level_count > 0 &&
				 s->levels[s->level_count - 1].is_digest;
		struct outline outline = { .content_type = SPAN("") };
		struct span type;
		bool complete;

		if (++s->scan->parts > MIME_SCAN_MAX_PARTS) {
			return refuse(s, "parts", MIME_SCAN_MAX_PARTS);
		}
		if (scan_header(s, &outline, &complete) < 0) {
			return -1;
		}
		if (is_top) {
			s->scan->header_complete = complete;
			s->scan->header_bytes = s->header_bytes;
		}
		type = span_trim(outline.content_type);
		is_message = span_istarts(type, SPAN("message/")) ||
			     (type.len == 0 && in_digest && !is_top);
		if (is_message) {
			s->nested[s->level_count]++;
		} else if (span_istarts(type, SPAN("multipart/"))) {
			struct level *level = &s->levels[s->level_count];

			level->boundary = find_boundary(type);
			level->is_digest =
				span_istarts(type, SPAN("multipart/digest"));
			if (level->boundary.len > BOUNDARY_MAX) {
				return refuse(s, "bytes in a boundary",
					      BOUNDARY_MAX);
			}
			s->nested[++s->level_count] = 0;
		}
		if (deeper(s) < 0) {
			return -1;
		}
		is_top = false;
		is_message = is_message && s->rest.len > 0;
	}
	return 0;
}

/* Which open multipart does this line delimit? Its index + 1, or 0. After a
   boundary only "--" and white space may stand: one boundary is often the
   beginning of another. */
static size_t match_boundary(const struct scanner *s, struct span line,
			     bool *closes_r)
{
	struct span rest = span_from(line, 2);

	for (size_t i = s->level_count; i > 0; i--) {
		struct span boundary = s->levels[i - 1].boundary;
		struct span tail;

		if (boundary.len == 0 || !span_starts(rest, boundary)) {
			continue;
		}
		tail = span_trim(span_from(rest, boundary.len));
		*closes_r = span_starts(tail, SPAN("--"));
		if (tail.len == 0 || *closes_r) {
			return i;
		}
	}
	return 0;
}

/* The lines of the body: between delimiters there is nothing to look at. */
static int scan_body(struct scanner *s)
{
	while (s->rest.len > 0 && s->level_count > 0) {
		struct span line;
		bool closes;
		size_t level;

		span_next_line(&s->rest, &line);
		if (!span_starts(line, SPAN("--"))) {
			continue;
		}
		level = match_boundary(s, line, &closes);
		if (level == 0) {
			continue;
		}
		/* Everything inside that multipart ends here; after "--x--"
		   the multipart does too. */
		s->level_count = level;
		s->nested[level] = 0;
		if (closes) {
			s->level_count--;
			continue;
		}
		if (scan_part(s, false) < 0) {
			return -1;
		}
	}
	return 0;
}

int mime_scan(struct span message, struct mime_scan *scan_r,
	      struct error *err_r)
{
	struct scanner s = { .rest = message, .scan = scan_r, .err = err_r };

	*scan_r = (struct mime_scan){ 0 };
	if (message.len > MIME_SCAN_MAX_BYTES) {
		return refuse(&s, "bytes", MIME_SCAN_MAX_BYTES);
	}
	if (scan_part(&s, true) < 0 || scan_body(&s) < 0) {
		return -1;
	}
	if (s.fields == 0) {
		return error_set(err_r, "no header");
	}
	return 0;
}
