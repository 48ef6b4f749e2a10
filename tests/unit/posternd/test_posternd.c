/* The parts of posternd that stand alone: what it remembers, how the master
   orders, what the metrics say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/metrics.h"
#include "posternd/channel.h"
#include "posternd/message_memory.h"

static void a_message_is_remembered_by_all_that_names_it(void **state)
{
	struct message_memory *memory = message_memory_create(1024);
	uint64_t key = message_memory_key(memory, SPAN("a@acme.com"),
					  SPAN("INBOX"), 7, 42);

	(void)state;
	assert_false(message_memory_has(memory, key));
	message_memory_add(memory, key);
	assert_true(message_memory_has(memory, key));
	assert_int_not_equal(key, message_memory_key(memory, SPAN("b@acme.com"),
						     SPAN("INBOX"), 7, 42));
	assert_int_not_equal(key, message_memory_key(memory, SPAN("a@acme.com"),
						     SPAN("Sent"), 7, 42));
	assert_int_not_equal(key, message_memory_key(memory, SPAN("a@acme.com"),
						     SPAN("INBOX"), 8, 42));
	assert_int_not_equal(key, message_memory_key(memory, SPAN("a@acme.com"),
						     SPAN("INBOX"), 7, 43));
	/* The boundary between mailbox and folder counts. */
	assert_int_not_equal(
		message_memory_key(memory, SPAN("ab"), SPAN("c"), 1, 1),
		message_memory_key(memory, SPAN("a"), SPAN("bc"), 1, 1));
	message_memory_destroy(&memory);
	assert_null(memory);
}

static void the_memory_forgets_the_old_and_keeps_the_new(void **state)
{
	struct message_memory *memory = message_memory_create(1024);
	unsigned int remembered = 0;

	(void)state;
	for (uint32_t uid = 1; uid <= 100000; uid++) {
		message_memory_add(memory,
				   message_memory_key(memory, SPAN("a"),
						      SPAN("INBOX"), 1, uid));
	}
	for (uint32_t uid = 1; uid <= 100000; uid++) {
		remembered += message_memory_has(
			memory, message_memory_key(memory, SPAN("a"),
						   SPAN("INBOX"), 1, uid));
	}
	assert_in_range(remembered, 1000, 1024);
	assert_true(message_memory_has(
		memory, message_memory_key(memory, SPAN("a"), SPAN("INBOX"), 1,
					   100000)));
	message_memory_destroy(&memory);
}

static void orders_arrive_whole_with_their_descriptor(void **state)
{
	struct channel_packet packet;
	int pair[2], pipe_fds[2];
	char byte;

	(void)state;
	assert_int_equal(channel_open(pair), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(channel_receive(pair[1], &packet), 0);
	assert_int_equal(channel_send(pair[0], CHANNEL_TRACE,
				      SPAN("a@acme.com"), pipe_fds[1]),
			 0);
	assert_int_equal(channel_send(pair[0], CHANNEL_DRAIN, SPAN(""), -1), 0);
	assert_int_equal(channel_receive(pair[1], &packet), 1);
	assert_int_equal(packet.order, CHANNEL_TRACE);
	assert_string_equal(packet.text, "a@acme.com");
	assert_true(packet.fd >= 0);
	assert_int_equal(write(packet.fd, "x", 1), 1);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	close(packet.fd);
	assert_int_equal(channel_receive(pair[1], &packet), 1);
	assert_int_equal(packet.order, CHANNEL_DRAIN);
	assert_string_equal(packet.text, "");
	assert_int_equal(packet.fd, -1);
	close(pair[0]);
	assert_int_equal(channel_receive(pair[1], &packet), -1);
	close(pair[1]);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void an_order_too_long_is_not_sent(void **state)
{
	char text[CHANNEL_TEXT_MAX + 1] = { 0 };
	struct channel_packet packet;
	int pair[2];

	(void)state;
	assert_int_equal(channel_open(pair), 0);
	assert_int_equal(channel_send(pair[0], CHANNEL_TRACE,
				      span_of(text, sizeof(text)), -1),
			 -1);
	assert_int_equal(channel_receive(pair[1], &packet), 0);
	close(pair[0]);
	close(pair[1]);
}

static void metrics_are_printed_as_prometheus_reads_them(void **state)
{
	struct metrics metrics = { { 0 } };
	struct strbuf out = STRBUF_INIT(1 << 20);
	const char *text;

	(void)state;
	metrics_use(&metrics);
	metric_add(METRIC_LOGINS, 3);
	metric_add(METRIC_OPEN_SESSIONS, 2);
	metric_subtract(METRIC_OPEN_SESSIONS, 1);
	metrics_use(NULL);
	metrics_print(&metrics, &out);
	text = strbuf_cstr(&out);
	assert_non_null(strstr(text, "# TYPE postern_logins_total counter\n"
				     "postern_logins_total{result=\"accepted\""
				     "} 3\n"));
	assert_non_null(strstr(text, "postern_open_sessions 1\n"));
	assert_non_null(strstr(text, "reason=\"undecided\"} 0\n"));
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		assert_non_null(strstr(text, metric_name((enum metric)i)));
	}
	strbuf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_remembered_by_all_that_names_it),
		cmocka_unit_test(the_memory_forgets_the_old_and_keeps_the_new),
		cmocka_unit_test(orders_arrive_whole_with_their_descriptor),
		cmocka_unit_test(an_order_too_long_is_not_sent),
		cmocka_unit_test(metrics_are_printed_as_prometheus_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
