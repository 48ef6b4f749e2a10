/* The benchmark's messages: what both ends compare must be exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/mail.h"
#include "lib/xalloc.h"

static const size_t sizes[] = { 2048, 4096, 6144, 8192, 8193, 65536, 1048576 };

static struct mail mail;

static char *whole(const struct mail *m)
{
	char *text = xmalloc(m->size);

	memcpy(text, m->head, m->head_len);
	if (m->rest.len > 0) {
		memcpy(text + m->head_len, m->rest.ptr, m->rest.len);
	}
	return text;
}

static void message_has_its_size_and_ends_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		char *text;

		mail_make(&mail, MAIL_IN, 17, sizes[i]);
		assert_int_equal(mail.head_len + mail.rest.len, sizes[i]);
		text = whole(&mail);
		assert_memory_equal(text + sizes[i] - 2, "\r\n", 2);
		assert_null(memchr(text, '\0', sizes[i]));
		free(text);
	}
}

/* Otherwise SMTP's dot-stuffing would change it. */
static void no_line_begins_with_a_single_dot(void **state)
{
	struct span rest, line;
	char *text;

	(void)state;
	mail_make(&mail, MAIL_IN, 4711, 65536);
	text = whole(&mail);
	rest = span_of(text, mail.size);
	while (span_next_line(&rest, &line)) {
		assert_false(line.len > 0 && line.ptr[0] == '.' &&
			     (line.len == 1 || line.ptr[1] != '.'));
	}
	free(text);
}

static void mark_tells_number_and_size(void **state)
{
	enum mail_direction direction;
	uint64_t number;
	size_t size;

	(void)state;
	mail_make(&mail, MAIL_OUT, 1234567890, 4096);
	assert_int_equal(mail_read_mark(span_of(mail.head, mail.head_len),
					&direction, &number, &size),
			 0);
	assert_int_equal(direction, MAIL_OUT);
	assert_int_equal(number, 1234567890);
	assert_int_equal(size, 4096);
	assert_int_equal(mail_read_mark(SPAN("X-Bench: 1 2\r\n"), &direction,
					&number, &size),
			 -1);
}

static void every_changed_byte_is_seen(void **state)
{
	char *text;

	(void)state;
	mail_make(&mail, MAIL_OUT, 99, 8193);
	text = whole(&mail);
	assert_true(mail_has(&mail, 0, span_of(text, mail.size)));
	for (size_t i = 0; i < mail.size; i++) {
		text[i] ^= 1;
		assert_false(mail_has(&mail, 0, span_of(text, mail.size)));
		text[i] ^= 1;
	}
	free(text);
}

static void pieces_are_compared_where_they_belong(void **state)
{
	char *text;

	(void)state;
	mail_make(&mail, MAIL_IN, 3, 8193);
	text = whole(&mail);
	for (size_t i = 0; i + 700 <= mail.size; i += 333) {
		assert_true(mail_has(&mail, i, span_of(text + i, 700)));
	}
	assert_false(mail_has(&mail, mail.size, SPAN("x")));
	assert_false(mail_has(&mail, 1, span_of(text, mail.size)));
	free(text);
}

static void other_numbers_are_other_people(void **state)
{
	struct mail other;

	(void)state;
	mail_make(&mail, MAIL_IN, 1, 4096);
	mail_make(&other, MAIL_IN, 2, 4096);
	assert_int_equal(mail.head_len, other.head_len);
	assert_memory_not_equal(mail.head, other.head, mail.head_len);
	assert_false(mail_has(&mail, 0, span_of(other.head, other.head_len)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_has_its_size_and_ends_its_line),
		cmocka_unit_test(no_line_begins_with_a_single_dot),
		cmocka_unit_test(mark_tells_number_and_size),
		cmocka_unit_test(every_changed_byte_is_seen),
		cmocka_unit_test(pieces_are_compared_where_they_belong),
		cmocka_unit_test(other_numbers_are_other_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
