/* transfer: undo base64 and quoted-printable. Knows nothing of charsets. */
#include "message/transfer.h"

/* Value + 1 of a base64 digit; 0 for any other byte. */
static const unsigned char digit_values[256] = {
	['A'] = 1,  ['B'] = 2,	['C'] = 3,  ['D'] = 4,	['E'] = 5,  ['F'] = 6,
	['G'] = 7,  ['H'] = 8,	['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12,
	['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
	['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
	['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
	['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
	['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
	['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

void transfer_base64(struct span text, struct strbuf *out)
{
	size_t most = text.len / 4 * 3 + 3;
	char *to = strbuf_reserve(out, most);
	uint32_t bits = 0;
	unsigned int have = 0;
	size_t n = 0;

	if (to == NULL) {
		return;
	}
	for (size_t i = 0; i < text.len; i++) {
		unsigned int value = digit_values[(unsigned char)text.ptr[i]];

		if (text.ptr[i] == '=') {
			/* What is left of this group is padding. */
			bits = 0;
			have = 0;
			continue;
		}
		if (value == 0) {
			continue;
		}
		bits = bits << 6 | (value - 1);
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (char)(bits >> have & 0xff);
		}
	}
	out->len += n;
}

static int hex_value(char c)
{
	if (ascii_is_digit(c)) {
		return c - '0';
	}
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Write the byte of "=XY" at text[i] and return true, or false. */
static bool decode_escape(struct span text, size_t i, char *byte_r)
{
	int high;
	int low;

	if (i + 2 >= text.len) {
		return false;
	}
	high = hex_value(text.ptr[i + 1]);
	low = hex_value(text.ptr[i + 2]);
	if (high < 0 || low < 0) {
		return false;
	}
	*byte_r = (char)(high * 16 + low);
	return true;
}

/* Append one line without its end; return true when it goes on (soft line
   break). */
static bool quoted_printable_line(struct span line, struct strbuf *out)
{
	bool soft = false;
	size_t from = 0;

	while (line.len > 0 && (line.ptr[line.len - 1] == ' ' ||
				line.ptr[line.len - 1] == '\t')) {
		line.len--;
	}
	if (line.len > 0 && line.ptr[line.len - 1] == '=') {
		soft = true;
		line.len--;
	}
	for (size_t i = 0; i < line.len; i++) {
		char byte;

		if (line.ptr[i] != '=' || !decode_escape(line, i, &byte)) {
			continue;
		}
		strbuf_add(out, span_of(line.ptr + from, i - from));
		strbuf_add_char(out, byte);
		i += 2;
		from = i + 1;
	}
	strbuf_add(out, span_from(line, from));
	return soft;
}

void transfer_quoted_printable(struct span text, struct strbuf *out)
{
	struct span line;

	while (text.len > 0) {
		const char *end = memchr(text.ptr, '\n', text.len);

		if (end == NULL) {
			quoted_printable_line(text, out);
			return;
		}
		span_next_line(&text, &line);
		if (!quoted_printable_line(line, out)) {
			strbuf_add_char(out, '\n');
		}
	}
}

void transfer_q_word(struct span text, struct strbuf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char byte = text.ptr[i];

		if (byte == '_') {
			byte = ' ';
		} else if (byte == '=' && decode_escape(text, i, &byte)) {
			i += 2;
		}
		strbuf_add_char(out, byte);
	}
}
