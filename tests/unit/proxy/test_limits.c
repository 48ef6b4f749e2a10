/* The table of limits: counts, windows, workers that die, being full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/limits.h"

static void connections_are_counted_over_workers(void **state)
{
	struct limits *limits = limits_create(64, 3);

	(void)state;
	assert_true(limits_acquire(limits, 0, LIMITS_ADDRESS, SPAN("a"), 2));
	assert_true(limits_acquire(limits, 1, LIMITS_ADDRESS, SPAN("a"), 2));
	assert_false(limits_acquire(limits, 2, LIMITS_ADDRESS, SPAN("a"), 2));
	/* Other keys and kinds are apart. */
	assert_true(limits_acquire(limits, 0, LIMITS_ADDRESS, SPAN("b"), 1));
	assert_true(limits_acquire(limits, 0, LIMITS_ACCOUNT, SPAN("a"), 1));
	limits_release(limits, 1, LIMITS_ADDRESS, SPAN("a"));
	/* More releases than there were change nothing. */
	limits_release(limits, 1, LIMITS_ADDRESS, SPAN("a"));
	assert_true(limits_acquire(limits, 2, LIMITS_ADDRESS, SPAN("a"), 2));
	assert_false(limits_acquire(limits, 2, LIMITS_ADDRESS, SPAN("a"), 2));
	limits_forget_worker(limits, 0);
	assert_true(limits_acquire(limits, 2, LIMITS_ADDRESS, SPAN("a"), 2));
	limits_destroy(&limits);
	assert_null(limits);
}

static void another_process_sees_the_counts(void **state)
{
	struct limits *limits = limits_create(64, 3);
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		bool ok = limits_acquire(limits, 1, LIMITS_TOTAL, SPAN(""), 1);

		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_false(limits_acquire(limits, 0, LIMITS_TOTAL, SPAN(""), 1));
	limits_forget_worker(limits, 1);
	assert_true(limits_acquire(limits, 0, LIMITS_TOTAL, SPAN(""), 1));
	limits_destroy(&limits);
}

static void failures_count_in_their_window(void **state)
{
	struct limits *limits = limits_create(64, 3);

	(void)state;
	assert_int_equal(
		limits_fail(limits, LIMITS_ACCOUNT, SPAN("a"), 100, 60), 1);
	assert_int_equal(
		limits_fail(limits, LIMITS_ACCOUNT, SPAN("a"), 159, 60), 2);
	assert_int_equal(
		limits_failures(limits, LIMITS_ACCOUNT, SPAN("a"), 159, 60), 2);
	assert_int_equal(
		limits_failures(limits, LIMITS_ADDRESS, SPAN("a"), 159, 60), 0);
	assert_int_equal(
		limits_failures(limits, LIMITS_ACCOUNT, SPAN("a"), 160, 60), 0);
	assert_int_equal(
		limits_fail(limits, LIMITS_ACCOUNT, SPAN("a"), 161, 60), 1);
	limits_forgive(limits, LIMITS_ACCOUNT, SPAN("a"));
	assert_int_equal(
		limits_failures(limits, LIMITS_ACCOUNT, SPAN("a"), 161, 60), 0);
	limits_destroy(&limits);
}

static void the_least_used_is_forgotten_never_who_is_connected(void **state)
{
	struct limits *limits = limits_create(8, 3);

	(void)state;
	assert_true(limits_acquire(limits, 0, LIMITS_ACCOUNT, SPAN("kept"), 1));
	for (int i = 0; i < 1000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(limits_fail(limits, LIMITS_ADDRESS,
					     span_str(key), 100, 60),
				 1);
		/* Used all the time: it stays. */
		assert_int_equal(limits_fail(limits, LIMITS_ADDRESS,
					     SPAN("often"), 100, 60),
				 (unsigned int)i + 1);
	}
	assert_int_equal(
		limits_failures(limits, LIMITS_ADDRESS, SPAN("k0"), 100, 60),
		0);
	assert_false(
		limits_acquire(limits, 0, LIMITS_ACCOUNT, SPAN("kept"), 1));
	/* All places taken by the connected: the next is not counted, and
	   not refused. */
	for (int i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "c%d", i);
		assert_true(limits_acquire(limits, 0, LIMITS_ADDRESS,
					   span_str(key), 1));
	}
	limits_destroy(&limits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_counted_over_workers),
		cmocka_unit_test(another_process_sees_the_counts),
		cmocka_unit_test(failures_count_in_their_window),
		cmocka_unit_test(
			the_least_used_is_forgotten_never_who_is_connected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
