/* imap_section: names of FETCH items, and a walk through BODYSTRUCTURE. */
#include "imap/imap_section.h"

static const struct {
	const char *name;
	enum imap_section_kind kind;
} plain_items[] = {
	{ "RFC822", IMAP_SECTION_FULL },
	{ "RFC822.HEADER", IMAP_SECTION_HEADER },
	{ "RFC822.TEXT", IMAP_SECTION_TEXT },
};

/* Cut "1.2" off the head of a section; what follows its dot is left. */
static bool cut_path(struct span *spec, char path[IMAP_PATH_MAX])
{
	size_t len = 0;
	size_t end;

	while (len < spec->len &&
	       (ascii_is_digit(spec->ptr[len]) || spec->ptr[len] == '.')) {
		len++;
	}
	end = len;
	if (end > 0 && spec->ptr[end - 1] == '.') {
		end--;
	}
	if (end >= IMAP_PATH_MAX) {
		return false;
	}
	if (end > 0) {
		memcpy(path, spec->ptr, end);
	}
	path[end] = '\0';
	*spec = span_from(*spec, len);
	return true;
}

static enum imap_section_kind kind_of(struct span spec, const char *path)
{
	bool nested = path[0] != '\0';

	if (spec.len == 0) {
		return nested ? IMAP_SECTION_PART : IMAP_SECTION_FULL;
	}
	if (nested) {
		return span_ieq(spec, SPAN("MIME")) ? IMAP_SECTION_MIME
						    : IMAP_SECTION_OTHER;
	}
	if (span_ieq(spec, SPAN("HEADER"))) {
		return IMAP_SECTION_HEADER;
	}
	if (span_istarts(spec, SPAN("HEADER.FIELDS"))) {
		return IMAP_SECTION_FIELDS;
	}
	if (span_ieq(spec, SPAN("TEXT"))) {
		return IMAP_SECTION_TEXT;
	}
	return IMAP_SECTION_OTHER;
}

/* "<100>" or nothing. */
static bool parse_origin(struct span text, struct imap_section *section)
{
	if (text.len == 0) {
		return true;
	}
	if (text.len < 3 || text.ptr[0] != '<' ||
	    text.ptr[text.len - 1] != '>') {
		return false;
	}
	section->partial = true;
	return span_to_u64(span_of(text.ptr + 1, text.len - 2), UINT64_MAX / 2,
			   &section->origin) == 0;
}

bool imap_section_parse(struct span item, struct imap_section *section_r)
{
	ptrdiff_t open = span_find(item, '[');
	ptrdiff_t close = -1;
	struct span spec;

	*section_r = (struct imap_section){ .name = item };
	for (size_t i = 0; open < 0 && i < N_ELEMENTS(plain_items); i++) {
		if (span_ieq(item, span_str(plain_items[i].name))) {
			section_r->kind = plain_items[i].kind;
			return true;
		}
	}
	for (size_t i = item.len; open >= 0 && i > (size_t)open; i--) {
		if (item.ptr[i - 1] == ']') {
			close = (ptrdiff_t)i - 1;
			break;
		}
	}
	if (close < 0) {
		return false;
	}
	section_r->decoded =
		span_ieq(span_first(item, (size_t)open), SPAN("BINARY"));
	if (!section_r->decoded &&
	    !span_ieq(span_first(item, (size_t)open), SPAN("BODY"))) {
		return false;
	}
	section_r->name = span_first(item, (size_t)close + 1);
	spec = span_of(item.ptr + open + 1, (size_t)(close - open - 1));
	if (!parse_origin(span_from(item, (size_t)close + 1), section_r)) {
		return false;
	}
	if (!cut_path(&spec, section_r->path)) {
		section_r->kind = IMAP_SECTION_OTHER;
		return true;
	}
	section_r->kind = kind_of(spec, section_r->path);
	return true;
}

/* The n-th list at the head of a multipart's text; 1 is the first. */
static bool child(struct span structure, uint64_t n, struct span *child_r)
{
	struct imap_value value;

	while (n > 0 && imap_value_next(&structure, &value) > 0 &&
	       value.type == IMAP_LIST) {
		if (--n == 0) {
			*child_r = value.text;
			return true;
		}
	}
	return false;
}

bool imap_structure_is_single(struct span structure)
{
	struct imap_value value;

	return imap_value_next(&structure, &value) > 0 &&
	       value.type != IMAP_LIST;
}

/* Type, subtype, parameters, id, description, encoding. */
static bool read_leaf(struct span *structure, struct imap_part_info *info)
{
	struct imap_value skipped;

	return imap_value_next(structure, &info->type) > 0 &&
	       imap_value_next(structure, &info->subtype) > 0 &&
	       imap_value_next(structure, &info->params) > 0 &&
	       imap_value_next(structure, &skipped) > 0 &&
	       imap_value_next(structure, &skipped) > 0 &&
	       imap_value_next(structure, &info->encoding) > 0 &&
	       info->type.type != IMAP_LIST && info->subtype.type != IMAP_LIST;
}

/* Into the mail that a message/rfc822 part holds: size, envelope, body. */
static bool enter_message(struct span *structure)
{
	struct imap_part_info info;
	struct imap_value value;

	if (!read_leaf(structure, &info) ||
	    !imap_value_is(&info.type, "MESSAGE") ||
	    imap_value_next(structure, &value) <= 0 ||
	    imap_value_next(structure, &value) <= 0 ||
	    imap_value_next(structure, &value) <= 0 ||
	    value.type != IMAP_LIST) {
		return false;
	}
	*structure = value.text;
	return true;
}

bool imap_structure_part(struct span structure, const char *path,
			 struct imap_part_info *info_r)
{
	struct span rest = span_str(path);
	struct span word;
	bool first = true;

	while (span_next_word(&rest, ".", &word)) {
		uint64_t n;

		if (span_to_u64(word, 10000, &n) < 0) {
			return false;
		}
		if (!first && imap_structure_is_single(structure) &&
		    !enter_message(&structure)) {
			return false;
		}
		first = false;
		if (imap_structure_is_single(structure)) {
			if (n != 1) {
				return false;
			}
		} else if (!child(structure, n, &structure)) {
			return false;
		}
	}
	return !first && imap_structure_is_single(structure) &&
	       read_leaf(&structure, info_r);
}

/* Append what a value says, without line ends and quotes: it becomes a header
   of ours, and the bytes are a sender's. */
static void add_clean(struct strbuf *out, const struct imap_value *value)
{
	struct strbuf text = STRBUF_INIT(1024);

	imap_value_decode(value, &text);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c >= 0x20 && c != 0x7f && c != '"' && c != '\\') {
			strbuf_add_char(out, (char)c);
		}
	}
	strbuf_finish(&text);
}

static void add_params(struct strbuf *out, struct span params)
{
	struct imap_value name;
	struct imap_value value;

	while (imap_value_next(&params, &name) > 0 &&
	       imap_value_next(&params, &value) > 0 &&
	       imap_value_is_text(&name) && value.type != IMAP_LIST) {
		strbuf_add_str(out, "; ");
		add_clean(out, &name);
		strbuf_add_str(out, "=\"");
		add_clean(out, &value);
		strbuf_add_char(out, '"');
	}
}

void imap_part_header(const struct imap_part_info *info, bool decoded,
		      struct strbuf *out)
{
	strbuf_add_str(out, "Content-Type: ");
	add_clean(out, &info->type);
	strbuf_add_char(out, '/');
	add_clean(out, &info->subtype);
	if (info->params.type == IMAP_LIST) {
		add_params(out, info->params.text);
	}
	strbuf_add_str(out, "\r\n");
	if (!decoded && imap_value_is_text(&info->encoding)) {
		strbuf_add_str(out, "Content-Transfer-Encoding: ");
		add_clean(out, &info->encoding);
		strbuf_add_str(out, "\r\n");
	} else if (decoded) {
		strbuf_add_str(out, "Content-Transfer-Encoding: binary\r\n");
	}
}

bool imap_part_is_text(const struct imap_part_info *info)
{
	return imap_value_is(&info->type, "TEXT") ||
	       imap_value_is(&info->type, "MESSAGE");
}

bool imap_structure_header(struct span structure, struct strbuf *out)
{
	struct imap_part_info info;
	struct imap_value value = { IMAP_NIL, { NULL, 0 } };
	struct imap_value params;

	if (imap_structure_is_single(structure)) {
		if (!read_leaf(&structure, &info)) {
			return false;
		}
		imap_part_header(&info, false, out);
		return true;
	}
	while (imap_value_next(&structure, &value) > 0 &&
	       value.type == IMAP_LIST) {
	}
	if (!imap_value_is_text(&value) ||
	    imap_value_next(&structure, &params) <= 0 ||
	    params.type != IMAP_LIST) {
		return false;
	}
	strbuf_add_str(out, "Content-Type: multipart/");
	add_clean(out, &value);
	add_params(out, params.text);
	strbuf_add_str(out, "\r\n");
	return true;
}
