/* encoded_word: RFC 2047, read as it is written in the wild. Knows nothing of
   addresses: those are taken apart first, then decoded. */
#include "message/encoded_word.h"

#include "message/charset.h"
#include "message/transfer.h"
#include "message/utf8.h"

/* RFC 2047 2 says 75; longer ones are written and read everywhere. The bound
   keeps a header of unended words linear. */
#define ENCODED_WORD_MAX 2048
#define CHARSET_NAME_MAX 64

struct encoded_word {
	struct span charset;
	char encoding;
	struct span text;
	size_t len;
};

/* Read "=?charset?B?text?=" at the head of s. */
static bool read_word(struct span s, struct encoded_word *word_r)
{
	struct span rest;
	ptrdiff_t at;

	if (!span_starts(s, SPAN("=?"))) {
		return false;
	}
	s = span_first(s, ENCODED_WORD_MAX);
	rest = span_from(s, 2);
	at = span_find(span_first(rest, CHARSET_NAME_MAX + 1), '?');
	if (at <= 0) {
		return false;
	}
	word_r->charset = span_first(rest, (size_t)at);
	for (size_t i = 0; i < word_r->charset.len; i++) {
		char c = word_r->charset.ptr[i];

		if (c <= ' ' || c == '=' || c == '<' || c == '>') {
			return false;
		}
	}
	rest = span_from(rest, (size_t)at + 1);
	if (rest.len < 2 || rest.ptr[1] != '?') {
		return false;
	}
	word_r->encoding = ascii_lower(rest.ptr[0]);
	if (word_r->encoding != 'b' && word_r->encoding != 'q') {
		return false;
	}
	rest = span_from(rest, 2);
	at = span_search(rest, SPAN("?="));
	/* "=?utf-8?Q?=41?=": the text may begin with '='. */
	if (at < 0) {
		return false;
	}
	word_r->text = span_first(rest, (size_t)at);
	word_r->len = (size_t)(rest.ptr - s.ptr) + (size_t)at + 2;
	return true;
}

size_t encoded_word_length(struct span s)
{
	struct encoded_word word;

	return read_word(s, &word) ? word.len : 0;
}

/* Bytes of words waiting for the rest of a split character. */
struct pending {
	struct span charset;
	struct strbuf bytes;
};

static void flush(struct pending *pending, struct strbuf *out)
{
	if (pending->bytes.len > 0) {
		charset_to_utf8(pending->charset, strbuf_span(&pending->bytes),
				out);
	}
	strbuf_clear(&pending->bytes);
}

static void take_word(struct pending *pending, const struct encoded_word *word,
		      struct strbuf *out)
{
	if (!span_ieq(pending->charset, word->charset)) {
		flush(pending, out);
		pending->charset = word->charset;
	}
	if (word->encoding == 'b') {
		transfer_base64(word->text, &pending->bytes);
	} else {
		transfer_q_word(word->text, &pending->bytes);
	}
}

/* Raw text between words: UTF-8 (RFC 6532), or whatever it is. */
static void put_raw(struct span text, struct strbuf *out)
{
	charset_to_utf8(SPAN(""), text, out);
}

static size_t space_length(struct span s)
{
	size_t n = 0;

	while (n < s.len && ascii_is_space(s.ptr[n])) {
		n++;
	}
	return n;
}

/* Line ends and other control bytes: decoded ones are no lines either. */
static void clean(struct strbuf *out, size_t from)
{
	size_t to = from;

	for (size_t i = from; i < out->len; i++) {
		char c = out->ptr[i];

		/* A folded line keeps its white space, not its line end. */
		if (c == '\r' || c == '\n') {
			continue;
		}
		if ((c >= 0 && c < ' ') || c == 0x7f) {
			c = ' ';
		}
		out->ptr[to++] = c;
	}
	out->len = to;
}

void encoded_word_decode(struct span raw, struct strbuf *out)
{
	struct pending pending = { .bytes = STRBUF_INIT(raw.len + 4) };
	size_t begin = out->len;
	size_t from = 0;
	size_t i = 0;

	while (i < raw.len) {
		const char *mark = memchr(raw.ptr + i, '=', raw.len - i);
		struct encoded_word word;
		struct span gap;

		if (mark == NULL) {
			break;
		}
		i = (size_t)(mark - raw.ptr);
		if (!read_word(span_from(raw, i), &word)) {
			i++;
			continue;
		}
		gap = span_of(raw.ptr + from, i - from);
		/* White space between two words is no text (RFC 2047 6.2). */
		if (pending.bytes.len == 0 || space_length(gap) < gap.len) {
			flush(&pending, out);
			put_raw(gap, out);
		}
		take_word(&pending, &word, out);
		i += word.len;
		from = i;
	}
	flush(&pending, out);
	put_raw(span_from(raw, from), out);
	clean(out, begin);
	strbuf_wipe(&pending.bytes);
}
