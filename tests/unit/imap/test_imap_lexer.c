/* imap_lexer and imap_value: pieces of lines, whole and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "imap/imap_lexer.h"
#include "imap/imap_value.h"
#include "lib/strbuf.h"

/* Write what the lexer sees: text as it is, "|" at an end, "<n>" for a
   literal's header ("<n+>" not synchronising, "<~n>" binary), "_" for each
   byte of a literal. */
static int describe(struct span in, size_t step, struct strbuf *out)
{
	struct imap_lexer lexer;

	imap_lexer_init(&lexer);
	for (size_t pos = 0; pos < in.len; pos += step) {
		struct span chunk = span_first(span_from(in, pos), step);

		while (chunk.len > 0) {
			enum imap_piece piece;
			ssize_t len = imap_lexer_next(&lexer, chunk, &piece);

			if (len < 0) {
				strbuf_add_str(out, "!");
				return -1;
			}
			assert_true(len >= 1 && (size_t)len <= chunk.len);
			if (piece == IMAP_PIECE_LITERAL) {
				for (ssize_t i = 0; i < len; i++) {
					strbuf_add_char(out, '_');
				}
			} else {
				strbuf_add(out, span_first(chunk, (size_t)len));
			}
			if (piece == IMAP_PIECE_END) {
				strbuf_add_char(out, '|');
			} else if (piece == IMAP_PIECE_LITERAL_HEADER) {
				strbuf_addf(
					out, "<%s%llu%s>",
					lexer.literal.binary ? "~" : "",
					(unsigned long long)lexer.literal.size,
					lexer.literal.synchronising ? "" : "+");
			}
			chunk = span_from(chunk, (size_t)len);
		}
	}
	return 0;
}

static void literals_are_found_whole_and_byte_by_byte(void **state)
{
	static const struct {
		const char *in;
		const char *seen;
	} rows[] = {
		{ "a\r\n", "a\r\n|" },
		{ "a\nb\r\n", "a\n|b\r\n|" },
		{ "a {5}\r\nhello b\r\n", "a {5}\r\n<5>_____ b\r\n|" },
		{ "a {5+}\r\nhello\r\n", "a {5+}\r\n<5+>_____\r\n|" },
		{ "a ~{2}\r\n\r\n)\r\n", "a ~{2}\r\n<~2>__)\r\n|" },
		{ "a {0}\r\nb\r\n", "a {0}\r\n<0>b\r\n|" },
		{ "a {0}\r\n{1}\r\nx\r\n", "a {0}\r\n<0>{1}\r\n<1>_\r\n|" },
		/* Inside quotes a brace is text. */
		{ "a \"{5}\r\nb\r\n", "a \"{5}\r\n|b\r\n|" },
		{ "a \"{5}\"\r\n", "a \"{5}\"\r\n|" },
		{ "a \"x\\\"{5}\r\n", "a \"x\\\"{5}\r\n|" },
		{ "a \"x\\\\\" {2}\r\nhi\r\n",
		  "a \"x\\\\\" {2}\r\n<2>__\r\n|" },
		/* No header: not at the end, no digits, other signs. */
		{ "a {5} b\r\n", "a {5} b\r\n|" },
		{ "a {}\r\n", "a {}\r\n|" },
		{ "a {-1}\r\n", "a {-1}\r\n|" },
		{ "a {+}\r\n", "a {+}\r\n|" },
		{ "a {5++}\r\n", "a {5++}\r\n|" },
		{ "a {5}\r\r\n", "a {5}\r\r\n|" },
		{ "a {{5}\r\nhello\r\n", "a {{5}\r\n<5>_____\r\n|" },
		{ "a {5\"{5}\r\n", "a {5\"{5}\r\n|" },
		{ "a {5}\nhello\n", "a {5}\n<5>_____\n|" },
		{ "a {3}\r\n{1}{2}\r\nhi\r\n",
		  "a {3}\r\n<3>___{2}\r\n<2>__\r\n|" },
		{ "a {9223372036854775807}\r\nx",
		  "a {9223372036854775807}\r\n<9223372036854775807>_" },
		{ "a {9223372036854775808}\r\nx", "!" },
		{ "a {99999999999}\r\nx", "a {99999999999}\r\n<99999999999>_" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct span in = span_str(rows[i].in);

		for (size_t step = in.len; step > 0; step = step / 2) {
			struct strbuf seen = STRBUF_INIT(1000);
			bool failed = describe(in, step, &seen) < 0;

			if (failed) {
				assert_string_equal(rows[i].seen, "!");
			} else {
				assert_string_equal(strbuf_cstr(&seen),
						    rows[i].seen);
			}
			strbuf_finish(&seen);
		}
	}
}

static void free_text_has_no_literals(void **state)
{
	struct imap_lexer lexer;
	enum imap_piece piece;
	struct span in = SPAN("* OK 5\" of {5}\r\nA OK\r\n");

	(void)state;
	imap_lexer_init(&lexer);
	imap_lexer_set_plain(&lexer);
	assert_true(imap_lexer_at_start(&lexer));
	assert_int_equal(imap_lexer_next(&lexer, span_first(in, 8), &piece), 8);
	assert_int_equal(piece, IMAP_PIECE_TEXT);
	assert_false(imap_lexer_at_start(&lexer));
	in = span_from(in, 8);
	assert_int_equal(imap_lexer_next(&lexer, in, &piece), 8);
	assert_int_equal(piece, IMAP_PIECE_END);
	assert_true(imap_lexer_at_start(&lexer));
	assert_false(lexer.plain);
}

static void literals_of_4_gib_are_counted(void **state)
{
	static char block[1 << 20];
	struct imap_lexer lexer;
	enum imap_piece piece;
	struct span head = SPAN("* 1 FETCH (BODY[] {4294967297}\r\n");

	(void)state;
	imap_lexer_init(&lexer);
	assert_int_equal(imap_lexer_next(&lexer, head, &piece), head.len);
	assert_int_equal(piece, IMAP_PIECE_LITERAL_HEADER);
	for (int i = 0; i < 4096; i++) {
		assert_int_equal(imap_lexer_next(&lexer,
						 span_of(block, sizeof(block)),
						 &piece),
				 sizeof(block));
		assert_int_equal(piece, IMAP_PIECE_LITERAL);
	}
	assert_int_equal(lexer.literal.left, 1);
	assert_int_equal(imap_lexer_next(&lexer, SPAN("x)\r\n"), &piece), 1);
	assert_int_equal(imap_lexer_next(&lexer, SPAN(")\r\n"), &piece), 3);
	assert_int_equal(piece, IMAP_PIECE_END);
}

static void a_refused_literal_does_not_come(void **state)
{
	struct imap_lexer lexer;
	enum imap_piece piece;

	(void)state;
	imap_lexer_init(&lexer);
	assert_int_equal(imap_lexer_next(&lexer, SPAN("a {9}\r\n"), &piece), 7);
	imap_lexer_cancel_literal(&lexer);
	assert_true(imap_lexer_at_start(&lexer));
	assert_int_equal(imap_lexer_next(&lexer, SPAN("b NOOP\r\n"), &piece),
			 8);
	assert_int_equal(piece, IMAP_PIECE_END);
}

static void values_are_cut(void **state)
{
	static const struct {
		const char *in;
		int result;
		enum imap_value_type type;
		const char *text;
		const char *rest;
	} rows[] = {
		{ "abc def", 1, IMAP_ATOM, "abc", " def" },
		{ "  12)", 1, IMAP_ATOM, "12", ")" },
		{ "nil x", 1, IMAP_NIL, "nil", " x" },
		{ "\"a b\" c", 1, IMAP_QUOTED, "a b", " c" },
		{ "\"a\\\"b\" c", 1, IMAP_QUOTED, "a\\\"b", " c" },
		{ "{3}\r\na)b c", 1, IMAP_LITERAL, "a)b", " c" },
		{ "~{3+}\r\na)b c", 1, IMAP_LITERAL, "a)b", " c" },
		{ "(a (b \")\") {1}\r\n)) c", 1, IMAP_LIST,
		  "a (b \")\") {1}\r\n)", " c" },
		{ "BODY[HEADER.FIELDS (To \"From\")]<0> {3}", 1, IMAP_ATOM,
		  "BODY[HEADER.FIELDS (To \"From\")]<0>", " {3}" },
		{ "BODY[HEADER.FIELDS ({2}\r\nTo)] x", 1, IMAP_ATOM,
		  "BODY[HEADER.FIELDS ({2}\r\nTo)]", " x" },
		{ "[Gmail]/All x", 1, IMAP_ATOM, "[Gmail]/All", " x" },
		{ "BODY[1", 0, IMAP_ATOM, "", "BODY[1" },
		{ "\"ab", 0, IMAP_ATOM, "", "\"ab" },
		{ "\"ab\\", 0, IMAP_ATOM, "", "\"ab\\" },
		{ "{3}\r\nab", 0, IMAP_ATOM, "", "{3}\r\nab" },
		{ "{3}", 0, IMAP_ATOM, "", "{3}" },
		{ "(a", 0, IMAP_ATOM, "", "(a" },
		{ "  ", 0, IMAP_ATOM, "", "" },
		{ ") x", -1, IMAP_ATOM, "", ") x" },
		{ "\"a\r\n\"", -1, IMAP_ATOM, "", "\"a\r\n\"" },
		{ "{a}\r\n", -1, IMAP_ATOM, "", "{a}\r\n" },
		{ "(a\r\n)", -1, IMAP_ATOM, "", "(a\r\n)" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct span rest = span_str(rows[i].in);
		struct imap_value value = { IMAP_ATOM, { NULL, 0 } };

		assert_int_equal(imap_value_next(&rest, &value),
				 rows[i].result);
		assert_true(span_eq(rest, span_str(rows[i].rest)));
		if (rows[i].result == 1) {
			assert_int_equal(value.type, rows[i].type);
			assert_true(
				span_eq(value.text, span_str(rows[i].text)));
		}
	}
}

static void lists_are_not_nested_without_end(void **state)
{
	static char deep[200001];
	struct span rest = span_of(deep, sizeof(deep));
	struct imap_value value;

	(void)state;
	memset(deep, '(', sizeof(deep));
	assert_int_equal(imap_value_next(&rest, &value), -1);
}

static void strings_are_decoded(void **state)
{
	struct span rest = SPAN("\"a\\\\b\\\"c\" {3}\r\nx\\y 17 99999999999");
	struct strbuf out = STRBUF_INIT(100);
	struct imap_value value;
	uint64_t number = 0;

	(void)state;
	assert_int_equal(imap_value_next(&rest, &value), 1);
	imap_value_decode(&value, &out);
	assert_string_equal(strbuf_cstr(&out), "a\\b\"c");
	strbuf_clear(&out);
	assert_int_equal(imap_value_next(&rest, &value), 1);
	imap_value_decode(&value, &out);
	assert_string_equal(strbuf_cstr(&out), "x\\y");
	assert_int_equal(imap_value_next(&rest, &value), 1);
	assert_int_equal(imap_value_number(&value, UINT32_MAX, &number), 0);
	assert_int_equal(number, 17);
	assert_int_equal(imap_value_next(&rest, &value), 1);
	assert_int_equal(imap_value_number(&value, UINT32_MAX, &number), -1);
	strbuf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_are_found_whole_and_byte_by_byte),
		cmocka_unit_test(free_text_has_no_literals),
		cmocka_unit_test(literals_of_4_gib_are_counted),
		cmocka_unit_test(a_refused_literal_does_not_come),
		cmocka_unit_test(values_are_cut),
		cmocka_unit_test(lists_are_not_nested_without_end),
		cmocka_unit_test(strings_are_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
