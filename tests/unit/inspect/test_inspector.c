/* The pool: every question gets its own answer, and a child that dies, spins
   or lies costs the one message that made it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "inspect/inspector.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/xalloc.h"

#define DEADLINE_MS 300

static struct event_base *base;
static char *fake_path;

/* What one question was answered. */
struct asked {
	bool answered;
	enum skip_reason reason;
	char message_id[64];
	unsigned char sha256[32];
	/* Asks this too, from inside the callback. */
	struct inspector_pool *pool;
	struct asked *then;
};

static void on_answer(void *context, const struct inspector_answer *answer)
{
	static const struct message_origin origin = { 0 };
	struct asked *asked = context;
	struct span id = span_first(answer->message_id, 63);

	assert_false(asked->answered);
	asked->answered = true;
	asked->reason = answer->reason;
	memcpy(asked->message_id, id.ptr, id.len);
	memcpy(asked->sha256, answer->header_sha256, 32);
	assert_non_null(answer->contacts);
	assert_non_null(answer->note);
	if (asked->then != NULL) {
		assert_true(inspector_ask(asked->pool, &origin, SPAN("then"),
					  on_answer, asked->then));
	}
}

static struct inspector_pool *create_pool(const char *program,
					  unsigned int processes,
					  unsigned int max_messages)
{
	struct inspector_options options = { .program = program,
					     .processes = processes,
					     .deadline_ms = DEADLINE_MS,
					     .max_messages = max_messages };
	struct error err = { .text = "" };
	struct inspector_pool *pool =
		inspector_pool_create(base, &options, &err);

	assert_string_equal(err.text, "");
	assert_non_null(pool);
	return pool;
}

static void ask(struct inspector_pool *pool, const char *message,
		struct asked *asked)
{
	struct message_origin origin = { .mailbox = SPAN("me@own.example") };

	*asked = (struct asked){ 0 };
	assert_true(inspector_ask(pool, &origin, span_str(message), on_answer,
				  asked));
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Until no question is open. */
static void run(struct inspector_pool *pool)
{
	uint64_t limit = now_ms() + 20000;

	while (!inspector_pool_is_idle(pool)) {
		assert_true(now_ms() < limit);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

static void each_question_gets_its_answer(void **state)
{
	enum { COUNT = 1000 };
	struct inspector_pool *pool = create_pool(fake_path, 3, 1000000);
	struct asked *asked = xcalloc(COUNT, sizeof(*asked));
	char text[64];
	uint64_t end;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "message %zu", i);
		ask(pool, text, &asked[i]);
		/* Never from inside the question. */
		assert_false(asked[i].answered);
	}
	run(pool);
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "message %zu", i);
		assert_true(asked[i].answered);
		assert_int_equal(asked[i].reason, SKIP_BULK);
		assert_string_equal(asked[i].message_id, text);
	}
	/* The first that was up has taken them all; the others come. */
	end = now_ms() + 10000;
	while (inspector_pool_ready(pool) < 3) {
		assert_true(now_ms() < end);
		event_base_loop(base, EVLOOP_ONCE);
	}
	free(asked);
	inspector_pool_destroy(&pool);
	assert_null(pool);
}

static void only_the_one_that_kills_is_undecided(void **state)
{
	static const char *const killers[] = {
		"die",	   "crash",   "spin",  "mute", "wrong id",
		"garbage", "endless", "twice", "half",
	};
	enum { COUNT = 40, BAD = 17 };

	(void)state;
	for (size_t k = 0; k < N_ELEMENTS(killers); k++) {
		struct inspector_pool *pool = create_pool(fake_path, 1, 10000);
		struct asked asked[COUNT];
		struct asked after;
		size_t undecided = 0;

		for (size_t i = 0; i < COUNT; i++) {
			ask(pool, i == BAD ? killers[k] : "good", &asked[i]);
		}
		run(pool);
		for (size_t i = 0; i < COUNT; i++) {
			assert_true(asked[i].answered);
			undecided += asked[i].reason == SKIP_UNDECIDED;
		}
		/* One that answers twice has answered; what comes after it
		   pays for the second. */
		if (strcmp(killers[k], "twice") != 0) {
			assert_int_equal(asked[BAD].reason, SKIP_UNDECIDED);
		}
		assert_true(undecided <= 1);
		/* And there is a child again. */
		ask(pool, "good", &after);
		run(pool);
		assert_int_equal(after.reason, SKIP_BULK);
		inspector_pool_destroy(&pool);
	}
}

static void large_messages_pass_whole(void **state)
{
	struct inspector_pool *pool = create_pool(fake_path, 1, 10000);
	struct message_origin origin = { 0 };
	char *large = xcalloc(1, INSPECTOR_MESSAGE_MAX + 1);
	struct asked asked[5] = { 0 };

	(void)state;
	memset(large, 'x', INSPECTOR_MESSAGE_MAX + 1);
	for (size_t i = 0; i < N_ELEMENTS(asked); i++) {
		assert_true(inspector_ask(pool, &origin,
					  span_of(large, INSPECTOR_MESSAGE_MAX),
					  on_answer, &asked[i]));
	}
	assert_false(inspector_ask(pool, &origin,
				   span_of(large, INSPECTOR_MESSAGE_MAX + 1),
				   on_answer, NULL));
	run(pool);
	for (size_t i = 0; i < N_ELEMENTS(asked); i++) {
		assert_int_equal(asked[i].reason, SKIP_BULK);
	}
	free(large);
	inspector_pool_destroy(&pool);
}

static void the_backlog_is_bounded(void **state)
{
	struct inspector_pool *pool = create_pool(fake_path, 1, 10000);
	struct message_origin origin = { 0 };
	uint64_t before = metric_get(METRIC_INSPECTOR_OVERFLOW);
	char *large = xcalloc(1, INSPECTOR_MESSAGE_MAX);
	struct asked asked[64] = { 0 };
	size_t accepted = 0;

	(void)state;
	memset(large, 'x', INSPECTOR_MESSAGE_MAX);
	for (size_t i = 0; i < N_ELEMENTS(asked); i++) {
		accepted += inspector_ask(pool, &origin,
					  span_of(large, INSPECTOR_MESSAGE_MAX),
					  on_answer, &asked[accepted]);
	}
	assert_in_range(accepted, 10, 16);
	assert_int_equal(metric_get(METRIC_INSPECTOR_OVERFLOW) - before,
			 N_ELEMENTS(asked) - accepted);
	run(pool);
	for (size_t i = 0; i < accepted; i++) {
		assert_true(asked[i].answered);
	}
	free(large);
	inspector_pool_destroy(&pool);
}

static void a_full_backlog_is_told_before_the_next_message(void **state)
{
	struct inspector_pool *pool = create_pool(fake_path, 1, 10000);
	struct message_origin origin = { 0 };
	struct asked asked[600] = { 0 };
	static char text[32 * 1024];
	size_t accepted = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	while (!inspector_pool_is_full(pool)) {
		assert_in_range(accepted, 0, N_ELEMENTS(asked) - 1);
		assert_true(inspector_ask(pool, &origin,
					  span_of(text, sizeof(text)),
					  on_answer, &asked[accepted++]));
	}
	assert_in_range(accepted, 400, 512);
	run(pool);
	assert_false(inspector_pool_is_full(pool));
	inspector_pool_destroy(&pool);
}

static void children_are_replaced_by_count(void **state)
{
	uint64_t started = metric_get(METRIC_INSPECTORS_STARTED);
	uint64_t killed = metric_get(METRIC_INSPECTORS_KILLED);
	struct inspector_pool *pool = create_pool(fake_path, 1, 10);
	struct asked asked[35];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(asked); i++) {
		ask(pool, "good", &asked[i]);
	}
	run(pool);
	for (size_t i = 0; i < N_ELEMENTS(asked); i++) {
		assert_int_equal(asked[i].reason, SKIP_BULK);
	}
	assert_int_equal(metric_get(METRIC_INSPECTORS_STARTED) - started, 4);
	assert_int_equal(metric_get(METRIC_INSPECTORS_KILLED) - killed, 0);
	inspector_pool_destroy(&pool);
}

static void a_callback_may_ask(void **state)
{
	struct inspector_pool *pool = create_pool(fake_path, 1, 10000);
	struct asked second = { 0 };
	struct asked first;

	(void)state;
	ask(pool, "first", &first);
	first.pool = pool;
	first.then = &second;
	run(pool);
	assert_true(second.answered);
	assert_string_equal(second.message_id, "then");
	inspector_pool_destroy(&pool);
}

static void the_header_names_what_has_no_id(void **state)
{
	struct inspector_pool *pool = create_pool(fake_path, 1, 10000);
	static const unsigned char zero[32];
	unsigned char wanted[32];
	struct asked named;
	struct asked nameless;

	(void)state;
	ask(pool, "Subject: x\r\n\r\nbody", &named);
	ask(pool, "none: x\r\n\r\nbody", &nameless);
	run(pool);
	hash_sha256(SPAN("none: x\r\n\r\n"), wanted);
	assert_memory_equal(nameless.sha256, wanted, 32);
	assert_memory_equal(named.sha256, zero, 32);
	inspector_pool_destroy(&pool);
}

static void a_program_that_cannot_run_is_an_error(void **state)
{
	struct inspector_options options = { .program = "/nonexistent",
					     .processes = 1 };
	struct error err = { .text = "" };

	(void)state;
	assert_null(inspector_pool_create(base, &options, &err));
	assert_non_null(strstr(err.text, "/nonexistent"));
}

/* One that ends at once is tried again, but not in a loop. */
static void starting_is_retried_with_pauses(void **state)
{
	uint64_t started = metric_get(METRIC_INSPECTORS_STARTED);
	struct inspector_pool *pool = create_pool("/bin/false", 1, 10000);
	uint64_t end = now_ms() + 1000;
	struct asked asked;

	(void)state;
	ask(pool, "good", &asked);
	while (now_ms() < end) {
		event_base_loop(base, EVLOOP_ONCE);
	}
	assert_in_range(metric_get(METRIC_INSPECTORS_STARTED) - started, 2, 6);
	assert_false(asked.answered);
	assert_int_equal(inspector_pool_ready(pool), 0);
	inspector_pool_destroy(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_question_gets_its_answer),
		cmocka_unit_test(only_the_one_that_kills_is_undecided),
		cmocka_unit_test(large_messages_pass_whole),
		cmocka_unit_test(the_backlog_is_bounded),
		cmocka_unit_test(
			a_full_backlog_is_told_before_the_next_message),
		cmocka_unit_test(children_are_replaced_by_count),
		cmocka_unit_test(a_callback_may_ask),
		cmocka_unit_test(the_header_names_what_has_no_id),
		cmocka_unit_test(a_program_that_cannot_run_is_an_error),
		cmocka_unit_test(starting_is_retried_with_pauses),
	};
	const char *top = getenv("top_builddir");
	int failed;

	log_init("test_inspector", LOG_LEVEL_ERROR);
	fake_path = xasprintf("%s/tests/unit/inspect/fake_inspector",
			      top == NULL ? "." : top);
	base = event_base_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	event_base_free(base);
	free(fake_path);
	return failed;
}
