/* Data: what ends it and what may not, at every split; stuffing is undone
   exactly; and a writer that never makes an end out of content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "smtp/smtp_data.h"

#define VARIANT_LEN_MAX 7
#define OUT_MAX		64

static const char alphabet[] = { '\r', '\n', '\0', '.', 'a' };

/* What became of some bytes. */
struct outcome {
	int status;
	size_t used;
	bool has_nul;
	bool has_dot_lines;
	size_t len;
	char content[OUT_MAX];
};

/* Feed one piece; add to what was found so far. */
static void feed(struct smtp_data *data, struct span in, struct outcome *o)
{
	while (in.len > 0 && o->status == 0) {
		struct span run;
		size_t used = 0;

		o->status = smtp_data_next(data, in, &used, &run);
		assert_true(used > 0 && used <= in.len);
		assert_true(o->len + run.len <= sizeof(o->content));
		memcpy(o->content + o->len, run.ptr, run.len);
		o->len += run.len;
		o->used += used;
		in = span_from(in, used);
	}
	o->has_nul = data->has_nul;
	o->has_dot_lines = data->has_dot_lines;
}

static struct outcome scan(struct span a, struct span b)
{
	struct smtp_data data;
	struct outcome o = { 0 };

	smtp_data_init(&data);
	feed(&data, a, &o);
	feed(&data, b, &o);
	return o;
}

/* The same by whole lines, as one would explain it: cut at the first CR or
   LF; if that is not CRLF, refuse; a line "." ends; else drop one dot. */
static struct outcome explain(struct span in)
{
	struct outcome o = { 0 };

	while (in.len > 0) {
		size_t len = 0;
		struct span line;

		while (len < in.len && in.ptr[len] != '\r' &&
		       in.ptr[len] != '\n') {
			len++;
		}
		line = span_first(in, len);
		if (len < in.len &&
		    (in.ptr[len] == '\n' ||
		     (len + 1 < in.len && in.ptr[len + 1] != '\n'))) {
			o.status = -1;
			return o;
		}
		if (len + 1 < in.len && span_eq(line, SPAN("."))) {
			o.status = 1;
			o.used += len + 2;
			return o;
		}
		/* What is not whole yet: its CR or LF is content to come. */
		len = len + 2 < in.len ? len + 2 : in.len;
		o.used += len;
		line = span_first(in, len);
		if (line.ptr[0] == '.') {
			line = span_eq(line, SPAN(".\r")) ? span_from(line, 2)
							  : span_from(line, 1);
			o.has_dot_lines |= line.len > 0 && line.ptr[0] == '.';
		}
		o.has_nul |= span_find(line, '\0') >= 0;
		memcpy(o.content + o.len, line.ptr, line.len);
		o.len += line.len;
		in = span_from(in, len);
	}
	return o;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	if (a->status != b->status) {
		return false;
	}
	/* What came before a refusal is of no interest. */
	return a->status < 0 ||
	       (a->used == b->used && a->has_nul == b->has_nul &&
		a->has_dot_lines == b->has_dot_lines &&
		span_eq(span_of(a->content, a->len),
			span_of(b->content, b->len)));
}

/* Stuff content, in two pieces; scan again: the same, and its end where it
   was put. */
static void assert_survives_stuffing(const struct outcome *o)
{
	struct span content = span_of(o->content, o->len);

	for (size_t cut = 0; cut <= content.len; cut++) {
		struct strbuf out = STRBUF_INIT(OUT_MAX);
		struct smtp_data writer;
		struct outcome again;

		smtp_data_init(&writer);
		assert_int_equal(smtp_data_stuff(&writer,
						 span_first(content, cut),
						 &out),
				 0);
		assert_int_equal(
			smtp_data_stuff(&writer, span_from(content, cut), &out),
			0);
		assert_int_equal(smtp_data_finish(&writer, &out), 0);
		again = scan(strbuf_span(&out), span_of(NULL, 0));
		assert_int_equal(again.status, 1);
		assert_int_equal(again.used, out.len);
		assert_int_equal(again.len, content.len);
		assert_memory_equal(again.content, content.ptr, content.len);
		assert_int_equal(out.len > content.len + 3,
				 again.has_dot_lines);
		strbuf_finish(&out);
	}
}

static void every_variant_at_every_split(void **state)
{
	unsigned long cases = 0, ends = 0, refused = 0;
	char bytes[VARIANT_LEN_MAX];

	(void)state;
	for (size_t len = 1; len <= VARIANT_LEN_MAX; len++) {
		unsigned long variants = 1;

		for (size_t i = 0; i < len; i++) {
			variants *= sizeof(alphabet);
		}
		for (unsigned long v = 0; v < variants; v++) {
			struct span in = span_of(bytes, len);
			struct outcome want;
			unsigned long rest = v;

			for (size_t i = 0; i < len; i++) {
				bytes[i] = alphabet[rest % sizeof(alphabet)];
				rest /= sizeof(alphabet);
			}
			want = explain(in);
			for (size_t cut = 0; cut < len; cut++) {
				struct outcome got = scan(span_first(in, cut),
							  span_from(in, cut));

				assert_true(same(&got, &want));
				cases++;
			}
			ends += want.status == 1;
			refused += want.status < 0;
			if (want.status == 1) {
				assert_survives_stuffing(&want);
			}
		}
	}
	print_message("%lu cases: %lu variants end, %lu are refused\n", cases,
		      ends, refused);
	assert_true(cases >= 100000);
	assert_true(ends > 0 && refused > 0);
}

/* Known ways to smuggle an end of data past one of two readers. */
static void no_false_end(void **state)
{
	static const struct span ends[] = {
		SPAN("a\n.\n"),	      SPAN("a\n.\r\n"),	  SPAN("a\r\n.\n"),
		SPAN("a\r.\r"),	      SPAN("a\r.\r\n"),	  SPAN("a\r\n.\rb"),
		SPAN("a\r\n.\r\r\n"), SPAN("a\n\n.\r\n"), SPAN("a\r\r\n.\r\n"),
		SPAN("a\r\n\n.\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(ends); i++) {
		assert_int_equal(scan(ends[i], SPAN("")).status, -1);
	}
	assert_int_equal(scan(SPAN("a\r\n\0.\r\n"), SPAN("")).status, 0);
	assert_int_equal(scan(SPAN("a\r\n.\0\r\n"), SPAN("")).status, 0);
	assert_int_equal(scan(SPAN("a\r\n. \r\n"), SPAN("")).status, 0);
	assert_int_equal(scan(SPAN("a\r\n..\r\n"), SPAN("")).status, 0);
}

static void a_final_line_without_end_gets_one(void **state)
{
	struct strbuf out = STRBUF_INIT(OUT_MAX);
	struct smtp_data writer;

	(void)state;
	smtp_data_init(&writer);
	assert_int_equal(smtp_data_stuff(&writer, SPAN(".a"), &out), 0);
	assert_int_equal(smtp_data_finish(&writer, &out), 0);
	assert_true(span_eq(strbuf_span(&out), SPAN("..a\r\n.\r\n")));
	strbuf_clear(&out);
	smtp_data_init(&writer);
	assert_int_equal(smtp_data_finish(&writer, &out), 0);
	assert_true(span_eq(strbuf_span(&out), SPAN(".\r\n")));
	strbuf_finish(&out);
}

static void the_writer_refuses_bare_ends(void **state)
{
	static const struct span bad[] = { SPAN("a\n"), SPAN("a\rb"),
					   SPAN("\n.\r\n"), SPAN("a\r\r\n") };
	struct strbuf out = STRBUF_INIT(OUT_MAX);
	struct smtp_data writer;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		smtp_data_init(&writer);
		assert_int_equal(smtp_data_stuff(&writer, bad[i], &out), -1);
		strbuf_clear(&out);
	}
	smtp_data_init(&writer);
	assert_int_equal(smtp_data_stuff(&writer, SPAN("a\r"), &out), 0);
	assert_int_equal(smtp_data_finish(&writer, &out), -1);
	strbuf_finish(&out);
}

/* Long lines, where eight bytes are looked at together. */
static void long_lines_hide_nothing(void **state)
{
	char line[100];

	(void)state;
	for (size_t at = 0; at + 1 < sizeof(line); at++) {
		struct smtp_data data;
		struct span run;
		size_t used;

		memset(line, 0xe9, sizeof(line));
		line[at] = '\n';
		smtp_data_init(&data);
		assert_int_equal(smtp_data_next(&data,
						span_of(line, sizeof(line)),
						&used, &run),
				 -1);
		line[at] = '\0';
		smtp_data_init(&data);
		assert_int_equal(smtp_data_next(&data,
						span_of(line, sizeof(line)),
						&used, &run),
				 0);
		assert_true(data.has_nul);
		assert_int_equal(run.len, sizeof(line));
		line[at] = '\r';
		line[at + 1] = '\n';
		smtp_data_init(&data);
		assert_int_equal(smtp_data_next(&data,
						span_of(line, sizeof(line)),
						&used, &run),
				 0);
		assert_int_equal(run.len, sizeof(line));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variant_at_every_split),
		cmocka_unit_test(no_false_end),
		cmocka_unit_test(a_final_line_without_end_gets_one),
		cmocka_unit_test(the_writer_refuses_bare_ends),
		cmocka_unit_test(long_lines_hide_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
