/* content_line: unfold, split and unescape. Knows no property by name but
   ENCODING. */
#include "filters/content_line.h"

#include "message/charset.h"

/* Where ENCODING=QUOTED-PRINTABLE may stand in a line. Bounded, because each
   soft line break asks again. */
#define HEAD_MAX 1024

static bool says_quoted_printable(struct span line)
{
	ptrdiff_t colon;

	line = span_first(line, HEAD_MAX);
	colon = span_find(line, ':');
	return colon > 0 && span_isearch(span_first(line, (size_t)colon),
					 SPAN("QUOTED-PRINTABLE")) >= 0;
}

void content_line_unfold(struct span text, struct strbuf *out)
{
	struct span rest = span_first(text, CONTENT_LINE_TEXT_MAX);
	struct span line;
	size_t start = out->len;
	bool soft = false;

	while (span_next_line(&rest, &line)) {
		bool folded = line.len > 0 &&
			      (line.ptr[0] == ' ' || line.ptr[0] == '\t');

		if (soft) {
			/* The '=' at the end is gone; the line goes on. */
			line = folded ? span_from(line, 1) : line;
		} else if (folded && out->len > start) {
			line = span_from(line, 1);
		} else if (out->len > start) {
			strbuf_add_char(out, '\n');
			start = out->len;
		}
		strbuf_add(out, line);
		soft = out->len > start && out->ptr[out->len - 1] == '=' &&
		       says_quoted_printable(
			       span_of(out->ptr + start, out->len - start));
		if (soft) {
			out->len--;
		}
	}
	strbuf_add_char(out, '\n');
}

/* Where the value begins: the first ':' outside of quotation marks. */
static ptrdiff_t find_colon(struct span line)
{
	bool quoted = false;

	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == '"') {
			quoted = !quoted;
		} else if (line.ptr[i] == ':' && !quoted) {
			return (ptrdiff_t)i;
		}
	}
	return -1;
}

bool content_line_next(struct span *rest, struct content_line *line_r)
{
	struct span line;

	while (span_next_line(rest, &line)) {
		ptrdiff_t colon = find_colon(line);
		struct span head;
		ptrdiff_t semicolon;
		ptrdiff_t dot;

		if (colon <= 0) {
			continue;
		}
		head = span_first(line, (size_t)colon);
		line_r->value = span_from(line, (size_t)colon + 1);
		semicolon = span_find(head, ';');
		line_r->params =
			semicolon < 0 ? SPAN("")
				      : span_from(head, (size_t)semicolon + 1);
		line_r->name = semicolon < 0
				       ? head
				       : span_first(head, (size_t)semicolon);
		dot = span_find(line_r->name, '.');
		if (dot >= 0) {
			line_r->name = span_from(line_r->name, (size_t)dot + 1);
		}
		return true;
	}
	return false;
}

/* Cut the next parameter off; quotation marks protect ';'. */
static bool next_param(struct span *params, struct span *param_r)
{
	bool quoted = false;
	size_t i = 0;

	if (params->len == 0) {
		return false;
	}
	for (; i < params->len; i++) {
		if (params->ptr[i] == '"') {
			quoted = !quoted;
		} else if (params->ptr[i] == ';' && !quoted) {
			break;
		}
	}
	*param_r = span_first(*params, i);
	*params = span_from(*params, i + 1);
	return true;
}

bool content_line_param(const struct content_line *line, const char *name,
			size_t index, struct span *value_r)
{
	struct span params = line->params;
	struct span param;

	while (next_param(&params, &param)) {
		ptrdiff_t equals = span_find(param, '=');

		if (equals < 0 || !span_ieq(span_first(param, (size_t)equals),
					    span_str(name))) {
			continue;
		}
		if (index-- > 0) {
			continue;
		}
		param = span_from(param, (size_t)equals + 1);
		if (param.len >= 2 && param.ptr[0] == '"' &&
		    param.ptr[param.len - 1] == '"') {
			param = span_of(param.ptr + 1, param.len - 2);
		}
		*value_r = param;
		return true;
	}
	return false;
}

/* Is word among the values of TYPE="a,b"? */
static bool has_value(struct span values, struct span word)
{
	struct span value;

	while (span_next_word(&values, ",\" ", &value)) {
		if (span_ieq(value, word)) {
			return true;
		}
	}
	return false;
}

bool content_line_has_type(const struct content_line *line, const char *word)
{
	struct span params = line->params;
	struct span wanted = span_str(word);
	struct span param;

	/* Once over all of them: a line may have 100,000. */
	while (next_param(&params, &param)) {
		ptrdiff_t equals = span_find(param, '=');

		if (equals < 0
			    ? span_ieq(param, wanted)
			    : span_ieq(span_first(param, (size_t)equals),
				       SPAN("TYPE")) &&
				      has_value(span_from(param,
							  (size_t)equals + 1),
						wanted)) {
			return true;
		}
	}
	return false;
}

struct span content_line_unquote(struct span value, struct strbuf *out)
{
	size_t start = out->len;

	if (value.len == 0) {
		return SPAN("");
	}
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		char next = i + 1 < value.len ? value.ptr[i + 1] : '\0';

		if (c == '^' && (next == '\'' || next == 'n' || next == '^')) {
			c = next == '\'' ? '"' : next == 'n' ? ' ' : '^';
			i++;
		}
		strbuf_add_char(out, c);
	}
	return span_of(out->ptr + start, out->len - start);
}

static int hex_value(char c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c)      ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static void add_break(struct strbuf *out, size_t start)
{
	while (out->len > start && (out->ptr[out->len - 1] == ' ' ||
				    out->ptr[out->len - 1] == ',')) {
		out->len--;
	}
	if (out->len > start) {
		strbuf_add_str(out, ", ");
	}
}

/* Quoted-printable of vCard 2.1 hides a charset of its own. */
static void to_utf8(const struct content_line *line, struct strbuf *out,
		    size_t start)
{
	struct strbuf text = STRBUF_INIT(CONTENT_LINE_TEXT_MAX);
	struct span label = SPAN("");

	content_line_param(line, "CHARSET", 0, &label);
	charset_to_utf8(label, span_of(out->ptr + start, out->len - start),
			&text);
	out->len = start;
	strbuf_add(out, strbuf_span(&text));
	strbuf_finish(&text);
}

struct span content_line_text(const struct content_line *line,
			      struct span value, struct strbuf *out)
{
	size_t start = out->len;
	struct span encoding;
	bool quoted = (content_line_param(line, "ENCODING", 0, &encoding) &&
		       span_ieq(encoding, SPAN("QUOTED-PRINTABLE"))) ||
		      content_line_has_type(line, "QUOTED-PRINTABLE");

	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (quoted && c == '=' && i + 2 < value.len &&
		    hex_value(value.ptr[i + 1]) >= 0 &&
		    hex_value(value.ptr[i + 2]) >= 0) {
			c = (char)(hex_value(value.ptr[i + 1]) * 16 +
				   hex_value(value.ptr[i + 2]));
			i += 2;
			if (c == '\n' || c == '\r') {
				add_break(out, start);
				continue;
			}
		} else if (c == '\\' && i + 1 < value.len) {
			c = value.ptr[++i];
			if (c == 'n' || c == 'N') {
				add_break(out, start);
				continue;
			}
		}
		if (c != '\0') {
			strbuf_add_char(out, c);
		}
	}
	if (quoted) {
		to_utf8(line, out, start);
	}
	return span_trim(span_of(out->ptr + start, out->len - start));
}
