/* html_text: what a person sees of an HTML part, as plain lines. The only file
   that knows gumbo. Knows nothing of what the lines mean. */
#include "message/html_text.h"

#include <gumbo.h>

#include "message/utf8.h"

/* More HTML than a person reads is cut. */
#define HTML_MAX_BYTES (256u * 1024)
/* Elements open at once: gumbo walks them for each tag, and frees its tree by
   recursion. */
#define HTML_MAX_OPEN 400
#define QUOTE_MAX     20

/* Text being laid out in lines. */
struct page {
	struct strbuf *out;
	/* The line being written, without its quote prefix. */
	struct strbuf line;
	unsigned int quote;
	/* White space was seen that the next word needs. */
	bool space;
	bool in_pre;
	/* Levels of quoting that began at a separator and go on to the end. */
	unsigned int sticky;
	/* The last line written was a signature's "-- ". */
	bool after_dashes;
	bool after_blank;
	bool too_deep;
};

static void walk_children(struct page *page, const GumboVector *children,
			  size_t depth);

/* Lines. */

static void line_end(struct page *page)
{
	struct span text = strbuf_span(&page->line);
	bool spaced =
		page->space || (text.len > 0 && text.ptr[text.len - 1] == ' ');
	unsigned int quote = page->quote + page->sticky;
	bool is_dashes;

	while (text.len > 0 && ascii_is_space(text.ptr[text.len - 1])) {
		text.len--;
	}
	is_dashes = span_eq(text, SPAN("--")) && (spaced || page->after_dashes);
	/* "-- " from the marked container and again from its text; many empty
	   lines say no more than one. */
	if (!(is_dashes && page->after_dashes) &&
	    !(text.len == 0 && page->after_blank)) {
		for (unsigned int i = 0; i < quote && i < QUOTE_MAX; i++) {
			strbuf_add(page->out, SPAN("> "));
		}
		strbuf_add(page->out, text);
		strbuf_add(page->out, is_dashes ? SPAN(" \n") : SPAN("\n"));
		page->after_dashes = is_dashes;
		page->after_blank = text.len == 0;
	}
	strbuf_clear(&page->line);
	page->space = false;
}

/* A block begins or ends: what is on the line is a line. */
static void block_edge(struct page *page)
{
	if (page->line.len > 0) {
		line_end(page);
	}
	page->space = false;
}

static void put_word(struct page *page, struct span word)
{
	if (page->space && page->line.len > 0) {
		strbuf_add_char(&page->line, ' ');
	}
	page->space = false;
	strbuf_add(&page->line, word);
}

/* Characters that are seen as a space, or not at all. Return their length and
   set *as_r, or 0. */
static size_t odd_character(struct span s, struct span *as_r)
{
	static const struct {
		const char *bytes;
		const char *as;
	} odd[] = {
		{ "\xc2\xa0", " " },	 /* no-break space */
		{ "\xe2\x80\xaf", " " }, /* narrow no-break space */
		{ "\xe2\x80\x89", " " }, /* thin space */
		{ "\xc2\xad", "" },	 /* soft hyphen */
		{ "\xe2\x80\x8b", "" },	 /* zero width space */
		{ "\xe2\x81\xa0", "" },	 /* word joiner */
		{ "\xef\xbb\xbf", "" },	 /* byte order mark */
	};

	for (size_t i = 0; i < N_ELEMENTS(odd); i++) {
		if (span_starts(s, span_str(odd[i].bytes))) {
			*as_r = span_str(odd[i].as);
			return strlen(odd[i].bytes);
		}
	}
	return 0;
}

static void put_text(struct page *page, struct span text)
{
	while (text.len > 0) {
		struct span as;
		size_t n = 0;

		if (ascii_is_space(text.ptr[0])) {
			if (page->in_pre && text.ptr[0] == '\n') {
				line_end(page);
			} else if (page->in_pre) {
				strbuf_add_char(&page->line, ' ');
			} else {
				page->space = true;
			}
			text = span_from(text, 1);
			continue;
		}
		while (n < text.len && text.ptr[n] > ' ') {
			n++;
		}
		if (n > 0) {
			put_word(page, span_first(text, n));
			text = span_from(text, n);
			continue;
		}
		n = odd_character(text, &as);
		if (n > 0) {
			if (as.len > 0 || page->line.len > 0) {
				put_word(page, as);
			}
			text = span_from(text, n);
			continue;
		}
		n = utf8_sequence(text, NULL);
		n = n == 0 ? 1 : n;
		put_word(page, span_first(text, n));
		text = span_from(text, n);
	}
}

/* Elements. */

static struct span attribute(const GumboElement *element, const char *name)
{
	const GumboAttribute *found =
		gumbo_get_attribute(&element->attributes, name);

	return found == NULL ? SPAN("") : span_str(found->value);
}

/* Does one of the words in class or id stand in names? Mail programs put "x_"
   in front when they quote each other. */
static bool is_marked(const GumboElement *element, const char *const *names,
		      size_t count)
{
	const char *const where[] = { "class", "id" };

	for (size_t i = 0; i < N_ELEMENTS(where); i++) {
		struct span words = attribute(element, where[i]);
		struct span word;

		while (span_next_word(&words, " \t\r\n", &word)) {
			while (span_istarts(word, SPAN("x_"))) {
				word = span_from(word, 2);
			}
			for (size_t n = 0; n < count; n++) {
				if (span_ieq(word, span_str(names[n]))) {
					return true;
				}
			}
		}
	}
	return false;
}

static const char *const signature_marks[] = {
	"gmail_signature",    "moz-signature",
	"Signature",	      "ms-outlook-mobile-signature",
	"AppleMailSignature", "protonmail_signature_block",
	"tutanota_signature", "zimbra_signature",
	"signature_block",    "yahoo-signature",
};

/* Everything inside is quoted. */
static const char *const quote_marks[] = {
	"yahoo_quoted",
	"moz-forward-container",
	"protonmail_quote",
	"zmail_extra",
	"OLK_SRC_BODY_SECTION",
	"mail-editor-reference-message-container",
	"ms-outlook-mobile-reference-message",
};

/* Everything from here on is quoted. */
static const char *const separator_marks[] = { "divRplyFwdMsg",
					       "stopSpelling" };

static const char *const gmail_quote_marks[] = { "gmail_quote" };

/* A CSS declaration, white space and case ignored. */
static bool style_has(struct span style, const char *wanted)
{
	char packed[512];
	size_t n = 0;

	for (size_t i = 0; i < style.len && n < sizeof(packed); i++) {
		if (!ascii_is_space(style.ptr[i])) {
			packed[n++] = ascii_lower(style.ptr[i]);
		}
	}
	return span_search(span_of(packed, n), span_str(wanted)) >= 0;
}

static bool is_zero_size(struct span style)
{
	/* "font-size:0" and "font-size:0px", not "font-size:0.9em". */
	static const char *const zero[] = {
		"font-size:0;",	 "font-size:0px", "font-size:0pt",
		"font-size:1px", "max-height:0;", "max-height:0px",
	};

	for (size_t i = 0; i < N_ELEMENTS(zero); i++) {
		if (style_has(style, zero[i])) {
			return true;
		}
	}
	return false;
}

static bool is_hidden(const GumboElement *element)
{
	struct span style = attribute(element, "style");

	switch (element->tag) {
	case GUMBO_TAG_HEAD:
	case GUMBO_TAG_STYLE:
	case GUMBO_TAG_SCRIPT:
	case GUMBO_TAG_TITLE:
	case GUMBO_TAG_TEMPLATE:
	case GUMBO_TAG_NOSCRIPT:
	case GUMBO_TAG_OBJECT:
	case GUMBO_TAG_SELECT:
	case GUMBO_TAG_SVG:
		return true;
	default:
		break;
	}
	if (gumbo_get_attribute(&element->attributes, "hidden") != NULL) {
		return true;
	}
	return style.len > 0 &&
	       (style_has(style, "display:none") ||
		style_has(style, "visibility:hidden") ||
		style_has(style, "mso-hide:all") || is_zero_size(style));
}

static bool is_block(GumboTag tag)
{
	switch (tag) {
	case GUMBO_TAG_P:
	case GUMBO_TAG_DIV:
	case GUMBO_TAG_BLOCKQUOTE:
	case GUMBO_TAG_TABLE:
	case GUMBO_TAG_TBODY:
	case GUMBO_TAG_THEAD:
	case GUMBO_TAG_TFOOT:
	case GUMBO_TAG_TR:
	case GUMBO_TAG_TD:
	case GUMBO_TAG_TH:
	case GUMBO_TAG_CAPTION:
	case GUMBO_TAG_UL:
	case GUMBO_TAG_OL:
	case GUMBO_TAG_LI:
	case GUMBO_TAG_DL:
	case GUMBO_TAG_DT:
	case GUMBO_TAG_DD:
	case GUMBO_TAG_H1:
	case GUMBO_TAG_H2:
	case GUMBO_TAG_H3:
	case GUMBO_TAG_H4:
	case GUMBO_TAG_H5:
	case GUMBO_TAG_H6:
	case GUMBO_TAG_PRE:
	case GUMBO_TAG_CENTER:
	case GUMBO_TAG_ADDRESS:
	case GUMBO_TAG_SECTION:
	case GUMBO_TAG_ARTICLE:
	case GUMBO_TAG_HEADER:
	case GUMBO_TAG_FOOTER:
	case GUMBO_TAG_FORM:
	case GUMBO_TAG_HR:
	case GUMBO_TAG_BODY:
		return true;
	default:
		return false;
	}
}

static bool has_child_tag(const GumboElement *element, GumboTag tag)
{
	for (unsigned int i = 0; i < element->children.length; i++) {
		const GumboNode *child = element->children.data[i];

		if (child->type == GUMBO_NODE_ELEMENT &&
		    child->v.element.tag == tag) {
			return true;
		}
	}
	return false;
}

/* Is this element, as a whole, someone else's text? */
static bool is_quote(const GumboElement *element)
{
	if (element->tag == GUMBO_TAG_BLOCKQUOTE) {
		return true;
	}
	/* Gmail's container holds the attribution and a blockquote; in a
	   forward it holds the text itself. */
	if (is_marked(element, gmail_quote_marks,
		      N_ELEMENTS(gmail_quote_marks))) {
		return !has_child_tag(element, GUMBO_TAG_BLOCKQUOTE);
	}
	return is_marked(element, quote_marks, N_ELEMENTS(quote_marks)) &&
	       !has_child_tag(element, GUMBO_TAG_BLOCKQUOTE);
}

/* Outlook draws a line above the header of what it quotes. */
static bool is_separator(const GumboElement *element)
{
	struct span style;

	if (is_marked(element, separator_marks, N_ELEMENTS(separator_marks))) {
		return true;
	}
	if (element->tag != GUMBO_TAG_DIV) {
		return false;
	}
	style = attribute(element, "style");
	return style.len > 0 && style_has(style, "border-top:solid") &&
	       style_has(style, "padding:3.0pt");
}

/* Render a cell by itself: only then it is known if it is one line. */
static void cell_text(struct page *page, const GumboElement *cell, size_t depth,
		      struct strbuf *text)
{
	struct page inner = { .out = text,
			      .line = STRBUF_INIT(page->line.cap) };

	walk_children(&inner, &cell->children, depth + 1);
	block_edge(&inner);
	strbuf_finish(&inner.line);
	page->too_deep = page->too_deep || inner.too_deep;
	page->sticky += inner.sticky;
	while (text->len > 0 && ascii_is_space(text->ptr[text->len - 1]) &&
	       !span_iends(strbuf_span(text), SPAN("-- \n"))) {
		text->len--;
	}
}

static void put_lines(struct page *page, struct span text)
{
	struct span line;

	while (span_next_line(&text, &line)) {
		block_edge(page);
		strbuf_add(&page->line, line);
		if (text.len > 0 || line.len == 0) {
			line_end(page);
		}
	}
}

/* Cells of one line each stand side by side; others below each other. */
static void walk_row(struct page *page, const GumboElement *row, size_t depth)
{
	struct strbuf cell = STRBUF_INIT(page->line.cap);
	bool before_was_lines = false;

	block_edge(page);
	for (unsigned int i = 0; i < row->children.length; i++) {
		const GumboNode *child = row->children.data[i];
		bool is_lines;

		if (child->type != GUMBO_NODE_ELEMENT ||
		    is_hidden(&child->v.element)) {
			continue;
		}
		strbuf_clear(&cell);
		cell_text(page, &child->v.element, depth, &cell);
		if (cell.len == 0) {
			continue;
		}
		is_lines = memchr(cell.ptr, '\n', cell.len) != NULL;
		if (is_lines || before_was_lines) {
			put_lines(page, strbuf_span(&cell));
		} else {
			if (page->line.len > 0) {
				strbuf_add_char(&page->line, '\t');
			}
			strbuf_add(&page->line, strbuf_span(&cell));
		}
		before_was_lines = is_lines;
	}
	block_edge(page);
	strbuf_finish(&cell);
}

static void put_signature_mark(struct page *page)
{
	block_edge(page);
	strbuf_add(&page->line, SPAN("-- "));
	line_end(page);
}

static void walk_element(struct page *page, const GumboElement *element,
			 size_t depth)
{
	bool block = is_block(element->tag);
	bool quote = is_quote(element);
	bool was_pre = page->in_pre;

	if (block || quote) {
		block_edge(page);
	}
	if (is_separator(element) && page->sticky < QUOTE_MAX) {
		page->sticky++;
	}
	page->quote += quote;
	if (is_marked(element, signature_marks, N_ELEMENTS(signature_marks))) {
		put_signature_mark(page);
	}
	page->in_pre = was_pre || element->tag == GUMBO_TAG_PRE;
	if (element->tag == GUMBO_TAG_TR) {
		walk_row(page, element, depth);
	} else {
		walk_children(page, &element->children, depth + 1);
	}
	page->in_pre = was_pre;
	if (block || quote) {
		block_edge(page);
	}
	page->quote -= quote;
}

static void walk_node(struct page *page, const GumboNode *node, size_t depth)
{
	switch (node->type) {
	case GUMBO_NODE_TEXT:
	case GUMBO_NODE_CDATA:
	case GUMBO_NODE_WHITESPACE:
		put_text(page, span_str(node->v.text.text));
		return;
	case GUMBO_NODE_ELEMENT:
		break;
	default:
		return;
	}
	if (is_hidden(&node->v.element)) {
		return;
	}
	if (node->v.element.tag == GUMBO_TAG_BR) {
		line_end(page);
	} else if (node->v.element.tag == GUMBO_TAG_HR) {
		block_edge(page);
		put_word(page, SPAN("________________________________"));
		line_end(page);
	} else {
		walk_element(page, &node->v.element, depth);
	}
}

static void walk_children(struct page *page, const GumboVector *children,
			  size_t depth)
{
	if (depth > HTML_TEXT_MAX_DEPTH) {
		page->too_deep = true;
		return;
	}
	for (unsigned int i = 0; i < children->length && !page->out->overflow;
	     i++) {
		walk_node(page, children->data[i], depth);
	}
}

/* Elements that have no end, or whose end is commonly left out. */
static bool is_counted(struct span name)
{
	static const char *const uncounted[] = {
		"br",  "img",	 "hr",	 "meta", "link", "input",
		"col", "wbr",	 "area", "base", "p",	 "li",
		"td",  "tr",	 "th",	 "dd",	 "dt",	 "tbody",
		"o:p", "option", "html", "body", "head",
	};

	for (size_t i = 0; i < N_ELEMENTS(uncounted); i++) {
		if (span_ieq(name, span_str(uncounted[i]))) {
			return false;
		}
	}
	return true;
}

static struct span tag_name(struct span at)
{
	size_t n = 0;

	while (n < at.len && !ascii_is_space(at.ptr[n]) && at.ptr[n] != '>' &&
	       at.ptr[n] != '/') {
		n++;
	}
	return span_first(at, n);
}

/* The part of html that holds at most HTML_MAX_OPEN open elements. */
static struct span bounded(struct span html)
{
	size_t open = 0;
	size_t i = 0;

	html = span_first(html, HTML_MAX_BYTES);
	while (i < html.len) {
		const char *mark = memchr(html.ptr + i, '<', html.len - i);
		struct span name;

		if (mark == NULL) {
			break;
		}
		i = (size_t)(mark - html.ptr) + 1;
		name = tag_name(span_from(html, i));
		if (name.len > 0 && ascii_is_alpha(name.ptr[0])) {
			open += is_counted(name);
		} else if (i + 1 < html.len && html.ptr[i] == '/' && open > 0) {
			open -= is_counted(tag_name(span_from(html, i + 1)));
		}
		if (open > HTML_MAX_OPEN) {
			return span_first(html, i - 1);
		}
	}
	return html;
}

int html_text(struct span html, struct strbuf *out)
{
	struct span part = bounded(html);
	struct page page = { .out = out, .line = STRBUF_INIT(out->cap) };
	GumboOptions options = kGumboDefaultOptions;
	GumboOutput *tree;

	/* Its list of errors grows with the input; nobody reads it. */
	options.max_errors = 0;
	tree = gumbo_parse_with_options(&options, part.ptr, part.len);
	if (tree == NULL) {
		return -1;
	}
	walk_node(&page, tree->root, 0);
	block_edge(&page);
	strbuf_finish(&page.line);
	gumbo_destroy_output(&options, tree);
	return page.too_deep || out->overflow || part.len < html.len ? -1 : 0;
}
