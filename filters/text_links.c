/* text_links: cut a line into words at spaces and brackets, and say which of
   them is an address. */
#include "filters/text_links.h"

static bool is_edge(char c)
{
	return ascii_is_space(c) || c == '<' || c == '>' || c == '"' ||
	       c == '(' || c == ')' || c == '[' || c == ']' || c == '|' ||
	       c == ',' || c == ';' || c == '*' || c == '{' || c == '}';
}

static struct span trim_punctuation(struct span s)
{
	while (s.len > 0 && strchr(".:!?'/_", s.ptr[s.len - 1]) != NULL &&
	       !(s.ptr[s.len - 1] == '/' && s.len > 3)) {
		s.len--;
	}
	while (s.len > 0 && strchr("'_:-", s.ptr[0]) != NULL) {
		s = span_from(s, 1);
	}
	return s;
}

static bool is_host_byte(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' ||
	       (unsigned char)c >= 0x80;
}

/* At least two labels, the last of two letters or more, and no label empty. */
static bool is_host(struct span s)
{
	size_t label = 0;
	size_t dots = 0;
	bool digits_only = true;

	for (size_t i = 0; i < s.len; i++) {
		if (!is_host_byte(s.ptr[i])) {
			return false;
		}
		if (s.ptr[i] == '.') {
			if (label == 0) {
				return false;
			}
			dots++;
			label = 0;
			digits_only = true;
			continue;
		}
		digits_only = digits_only && ascii_is_digit(s.ptr[i]);
		label++;
	}
	return dots > 0 && label >= 2 && !digits_only;
}

static bool read_email(struct span word, struct text_link *link_r)
{
	ptrdiff_t at = span_find(word, '@');
	struct span host;

	if (at <= 0) {
		return false;
	}
	host = span_from(word, (size_t)at + 1);
	for (size_t i = 0; i < host.len; i++) {
		if (!is_host_byte(host.ptr[i])) {
			host.len = i;
		}
	}
	host = trim_punctuation(host);
	if (!is_host(host)) {
		return false;
	}
	link_r->kind = TEXT_LINK_EMAIL;
	link_r->text = span_of(word.ptr, (size_t)at + 1 + host.len);
	return true;
}

static bool read_web(struct span word, struct text_link *link_r)
{
	struct span host = word;

	link_r->text = word;
	if (span_istarts(word, SPAN("http://")) ||
	    span_istarts(word, SPAN("https://"))) {
		link_r->kind = TEXT_LINK_URL;
		return word.len > 10;
	}
	for (size_t i = 0; i < host.len; i++) {
		if (host.ptr[i] == '/' || host.ptr[i] == '?') {
			host.len = i;
		}
	}
	link_r->kind = span_istarts(word, SPAN("www.")) ? TEXT_LINK_URL
							: TEXT_LINK_HOST;
	/* "Straße.Nr" is no host, "müller.de" is one. */
	return is_host(host) && host.len >= 4;
}

bool text_link_next(struct span line, size_t *from, struct text_link *link_r)
{
	size_t i = *from;

	while (i < line.len) {
		struct span word;
		size_t start;

		while (i < line.len && is_edge(line.ptr[i])) {
			i++;
		}
		start = i;
		while (i < line.len && !is_edge(line.ptr[i])) {
			i++;
		}
		word = span_of(line.ptr + start, i - start);
		if (span_find(word, '.') < 0) {
			continue;
		}
		/* A label may be joined: "E:anna@x.de", "Mail:anna@x.de". */
		if (span_find(word, '@') >= 0 ||
		    span_search(word, SPAN("://")) < 0) {
			ptrdiff_t colon = span_find(word, ':');

			if (colon >= 0 && colon < 12 &&
			    !(colon + 1 < (ptrdiff_t)word.len &&
			      ascii_is_digit(word.ptr[colon + 1]))) {
				word = span_from(word, (size_t)colon + 1);
			}
		}
		word = trim_punctuation(word);
		if (read_email(word, link_r) || read_web(word, link_r)) {
			link_r->start = start;
			link_r->end = i;
			*from = i;
			return true;
		}
	}
	*from = line.len;
	return false;
}

struct span text_link_email(struct span line)
{
	struct text_link link;
	size_t from = 0;

	if (span_find(line, '@') < 0) {
		return SPAN("");
	}
	while (text_link_next(line, &from, &link)) {
		if (link.kind == TEXT_LINK_EMAIL) {
			return link.text;
		}
	}
	return SPAN("");
}
