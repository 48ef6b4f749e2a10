/* Connecting: names and numbers, several addresses, what takes too long. */
#include "rig.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/backend.h"

struct outcome {
	volatile int done;
	int fd;
	char why[ERROR_TEXT_SIZE];
};

static void on_done(void *context, int fd, const char *why)
{
	struct outcome *outcome = context;

	outcome->done++;
	outcome->fd = fd;
	snprintf(outcome->why, sizeof(outcome->why), "%s",
		 why == NULL ? "" : why);
}

static struct outcome connect_to(struct rig *rig, const char *host,
				 uint16_t port, unsigned int timeout_s)
{
	struct outcome outcome = { .fd = -2 };

	backend_connect(rig->base, rig->worker->resolver, host, port, timeout_s,
			on_done, &outcome);
	assert_int_equal(outcome.done, 0);
	assert_true(rig_run(rig, &outcome.done, 20));
	assert_int_equal(outcome.done, 1);
	return outcome;
}

/* Our own name server, which never answers, and our own hosts. */
static void begin(struct rig *rig)
{
	FILE *file;

	rig_init(rig);
	rig_start(rig, &blind_protocol);
	file = fopen(rig_path(rig, "hosts", ""), "w");
	assert_non_null(file);
	fputs("127.0.0.1 one.test\n"
	      "::1 several.test\n"
	      "127.0.0.2 several.test\n"
	      "127.0.0.1 several.test\n",
	      file);
	fclose(file);
	resolver_destroy(&rig->worker->resolver);
	rig->worker->resolver = resolver_create_with(
		rig->base, "127.0.0.1:1", rig_path(rig, "hosts", ""));
	assert_non_null(rig->worker->resolver);
}

static void numbers_and_names_are_connected(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "one.test",
					     "several.test" };
	struct outcome outcome;
	struct rig rig;

	(void)state;
	begin(&rig);
	for (size_t i = 0; i < N_ELEMENTS(hosts); i++) {
		/* Only the last of the several listens; the second time it
		   is the first to be tried. */
		for (int round = 0; round < 2; round++) {
			outcome = connect_to(&rig, hosts[i], rig.provider_port,
					     2);
			if (outcome.fd < 0) {
				fail_msg("%s: %s", hosts[i], outcome.why);
			}
			close(outcome.fd);
		}
	}
	rig_finish(&rig);
}

static void on_found(void *context, const struct addresses *found,
		     const char *why)
{
	(void)why;
	*(struct addresses *)context = *found;
}

static void what_worked_is_tried_first(void **state)
{
	struct addresses found = { 0 };
	struct outcome outcome;
	struct rig rig;

	(void)state;
	begin(&rig);
	assert_null(resolver_find(rig.worker->resolver, "several.test",
				  rig.provider_port, on_found, &found));
	assert_int_equal(found.count, 3);
	assert_int_equal(found.list[0].any.sa_family, AF_INET6);
	assert_int_equal(found.list[1].any.sa_family, AF_INET);
	assert_int_equal(found.list[2].any.sa_family, AF_INET);
	outcome = connect_to(&rig, "several.test", rig.provider_port, 2);
	assert_true(outcome.fd >= 0);
	close(outcome.fd);
	assert_null(resolver_find(rig.worker->resolver, "several.test",
				  rig.provider_port, on_found, &found));
	assert_int_equal(found.count, 3);
	assert_int_equal(found.list[0].any.sa_family, AF_INET);
	assert_int_equal(found.list[0].v4.sin_addr.s_addr,
			 htonl(INADDR_LOOPBACK));
	assert_int_equal(ntohs(found.list[0].v4.sin_port), rig.provider_port);
	rig_finish(&rig);
}

static void refusal_says_who_refused(void **state)
{
	struct outcome outcome;
	struct rig rig;

	(void)state;
	begin(&rig);
	outcome = connect_to(&rig, "127.0.0.1", 1, 2);
	assert_int_equal(outcome.fd, -1);
	assert_string_equal(outcome.why,
			    "127.0.0.1 [127.0.0.1]:1: Connection refused");
	rig_finish(&rig);
}

static void an_unknown_name_fails_in_time(void **state)
{
	uint64_t before = worker_now_ms();
	struct outcome outcome;
	struct rig rig;

	(void)state;
	begin(&rig);
	outcome = connect_to(&rig, "nothing.invalid", 993, 1);
	assert_int_equal(outcome.fd, -1);
	assert_non_null(strstr(outcome.why, "nothing.invalid"));
	assert_true(worker_now_ms() - before < 5000);
	rig_finish(&rig);
}

/* A listener whose queue is full answers nobody. */
static void what_takes_too_long_is_given_up(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	uint64_t before = worker_now_ms();
	int fillers[8];
	struct outcome outcome;
	struct rig rig;
	int fd;

	(void)state;
	begin(&rig);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (void *)&address, &len), 0);
	for (size_t i = 0; i < N_ELEMENTS(fillers); i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (void *)&address, sizeof(address));
	}
	outcome = connect_to(&rig, "127.0.0.1", ntohs(address.sin_port), 1);
	assert_int_equal(outcome.fd, -1);
	assert_non_null(strstr(outcome.why, "timed out"));
	assert_in_range(worker_now_ms() - before, 900, 4000);
	for (size_t i = 0; i < N_ELEMENTS(fillers); i++) {
		close(fillers[i]);
	}
	close(fd);
	rig_finish(&rig);
}

static void what_was_cancelled_says_nothing(void **state)
{
	struct outcome outcome = { .fd = -2 };
	struct backend *backend;
	struct rig rig;

	(void)state;
	begin(&rig);
	for (int rounds = 0; rounds < 4; rounds++) {
		backend = backend_connect(
			rig.base, rig.worker->resolver,
			rounds % 2 == 0 ? "nothing.invalid" : "127.0.0.1",
			rig.provider_port, 1, on_done, &outcome);
		for (int i = 0; i < rounds; i++) {
			event_base_loop(rig.base, EVLOOP_NONBLOCK);
		}
		if (outcome.done > 0) {
			close(outcome.fd);
			outcome.done = 0;
			continue;
		}
		backend_cancel(&backend);
		assert_null(backend);
		for (int i = 0; i < 20; i++) {
			event_base_loop(rig.base, EVLOOP_NONBLOCK);
		}
		assert_int_equal(outcome.done, 0);
	}
	rig_finish(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_names_are_connected),
		cmocka_unit_test(what_worked_is_tried_first),
		cmocka_unit_test(refusal_says_who_refused),
		cmocka_unit_test(an_unknown_name_fails_in_time),
		cmocka_unit_test(what_takes_too_long_is_given_up),
		cmocka_unit_test(what_was_cancelled_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
