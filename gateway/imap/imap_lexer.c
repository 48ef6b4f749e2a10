/* imap_lexer: a state machine over bytes. Boring bytes are skipped by table,
   free text by memchr, literals by counting. */
#include "imap/imap_lexer.h"

enum lexer_state {
	LEXER_START,
	LEXER_TEXT,
	LEXER_QUOTED,
	LEXER_ESCAPED,
	/* After "{" and digits. */
	LEXER_SIZE,
	/* After "{", digits and "+". */
	LEXER_PLUS,
	/* After "}": a literal's header if the line ends here. */
	LEXER_CLOSED,
	LEXER_CLOSED_CR,
	LEXER_LITERAL,
};

/* Bytes that can change the state while in text; all others are skipped. */
static const bool text_stops[256] = {
	['"'] = true,
	['\n'] = true,
	['{'] = true,
};

static const bool quoted_stops[256] = {
	['"'] = true,
	['\n'] = true,
	['\\'] = true,
};

void imap_lexer_init(struct imap_lexer *lexer)
{
	*lexer = (struct imap_lexer){ .state = LEXER_START };
}

void imap_lexer_set_plain(struct imap_lexer *lexer)
{
	lexer->plain = true;
}

bool imap_lexer_at_start(const struct imap_lexer *lexer)
{
	return lexer->state == LEXER_START;
}

static void start_line(struct imap_lexer *lexer)
{
	lexer->state = LEXER_START;
	lexer->plain = false;
	lexer->before = 0;
}

void imap_lexer_cancel_literal(struct imap_lexer *lexer)
{
	lexer->literal.left = 0;
	start_line(lexer);
}

static size_t skip(const bool stops[256], struct span in, size_t pos)
{
	while (pos < in.len && !stops[(unsigned char)in.ptr[pos]]) {
		pos++;
	}
	return pos;
}

static void open_brace(struct imap_lexer *lexer, char before)
{
	lexer->literal = (struct imap_literal){
		.synchronising = true,
		.binary = before == '~',
	};
	lexer->state = LEXER_SIZE;
}

/* A byte inside "{...}" CRLF. Return 1 when it was the line end that makes it
   a literal's header, 0 when it fits so far, -1 when the number is too large.
   A byte that does not fit puts the lexer back to text; the caller then looks
   at that byte again. */
static int header_byte(struct imap_lexer *lexer, char c, char before)
{
	struct imap_literal *literal = &lexer->literal;

	switch (lexer->state) {
	case LEXER_SIZE:
		if (ascii_is_digit(c)) {
			uint64_t digit = (uint64_t)(c - '0');

			if (literal->size > (IMAP_LITERAL_MAX - digit) / 10) {
				return -1;
			}
			literal->size = literal->size * 10 + digit;
			return 0;
		}
		if ((c == '+' || c == '}') && ascii_is_digit(before)) {
			literal->synchronising = c != '+';
			lexer->state = c == '+' ? LEXER_PLUS : LEXER_CLOSED;
			return 0;
		}
		break;
	case LEXER_PLUS:
		if (c == '}') {
			lexer->state = LEXER_CLOSED;
			return 0;
		}
		break;
	default:
		/* Servers that take a bare LF as a line end take it here
		   too. */
		if (c == '\n') {
			return 1;
		}
		if (c == '\r' && lexer->state == LEXER_CLOSED) {
			lexer->state = LEXER_CLOSED_CR;
			return 0;
		}
		break;
	}
	lexer->state = LEXER_TEXT;
	return 0;
}

static ssize_t end_header(struct imap_lexer *lexer, size_t pos,
			  enum imap_piece *piece_r)
{
	lexer->literal.left = lexer->literal.size;
	/* After an empty literal the line goes on at once. */
	lexer->state = lexer->literal.size == 0 ? LEXER_TEXT : LEXER_LITERAL;
	lexer->before = 0;
	*piece_r = IMAP_PIECE_LITERAL_HEADER;
	return (ssize_t)pos;
}

static ssize_t next_literal(struct imap_lexer *lexer, struct span in,
			    enum imap_piece *piece_r)
{
	size_t len = in.len;

	if (lexer->literal.left < len) {
		len = (size_t)lexer->literal.left;
	}
	lexer->literal.left -= len;
	if (lexer->literal.left == 0) {
		lexer->state = LEXER_TEXT;
	}
	*piece_r = IMAP_PIECE_LITERAL;
	return (ssize_t)len;
}

static ssize_t next_plain(struct imap_lexer *lexer, struct span in,
			  enum imap_piece *piece_r)
{
	ptrdiff_t end = span_find(in, '\n');

	if (end < 0) {
		lexer->state = LEXER_TEXT;
		*piece_r = IMAP_PIECE_TEXT;
		return (ssize_t)in.len;
	}
	start_line(lexer);
	*piece_r = IMAP_PIECE_END;
	return end + 1;
}

/* Take the byte at pos outside of "{...}". Return whether it ends the line. */
static bool text_byte(struct imap_lexer *lexer, char c, char before)
{
	if (c == '\n') {
		/* A quoted string cannot hold a line end: whatever was open
		   is malformed and over. */
		return true;
	}
	switch (lexer->state) {
	case LEXER_ESCAPED:
		lexer->state = LEXER_QUOTED;
		break;
	case LEXER_QUOTED:
		if (c == '"') {
			lexer->state = LEXER_TEXT;
		} else if (c == '\\') {
			lexer->state = LEXER_ESCAPED;
		}
		break;
	default:
		if (c == '"') {
			lexer->state = LEXER_QUOTED;
		} else if (c == '{') {
			open_brace(lexer, before);
		}
		break;
	}
	return false;
}

static bool in_header(const struct imap_lexer *lexer)
{
	return lexer->state >= LEXER_SIZE && lexer->state <= LEXER_CLOSED_CR;
}

ssize_t imap_lexer_next(struct imap_lexer *lexer, struct span in,
			enum imap_piece *piece_r)
{
	char before = lexer->before;
	size_t pos = 0;

	if (lexer->state == LEXER_LITERAL) {
		return next_literal(lexer, in, piece_r);
	}
	if (lexer->plain) {
		return next_plain(lexer, in, piece_r);
	}
	if (lexer->state == LEXER_START) {
		lexer->state = LEXER_TEXT;
	}
	while (pos < in.len) {
		char c;

		if (in_header(lexer)) {
			int step = header_byte(lexer, in.ptr[pos], before);

			if (step < 0) {
				/* What came before it is text, however the
				   bytes were split; then the error. */
				break;
			}
			if (step > 0) {
				return end_header(lexer, pos + 1, piece_r);
			}
			if (in_header(lexer)) {
				before = in.ptr[pos++];
				continue;
			}
		}
		if (lexer->state != LEXER_ESCAPED) {
			size_t to =
				skip(lexer->state == LEXER_QUOTED ? quoted_stops
								  : text_stops,
				     in, pos);

			if (to > pos) {
				before = in.ptr[to - 1];
				pos = to;
				continue;
			}
		}
		c = in.ptr[pos++];
		if (text_byte(lexer, c, before)) {
			start_line(lexer);
			*piece_r = IMAP_PIECE_END;
			return (ssize_t)pos;
		}
		before = c;
	}
	if (pos == 0) {
		return -1;
	}
	lexer->before = before;
	*piece_r = IMAP_PIECE_TEXT;
	return (ssize_t)pos;
}
