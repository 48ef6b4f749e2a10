/* What 64 KiB cost: system calls and CPU of the worker alone, with the peers
   in a child. Counts recv and send by standing in front of them. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t recv_count, send_count, recv_bytes, send_bytes;

ssize_t __real_recv(int fd, void *out, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *out, size_t size, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);

ssize_t __wrap_recv(int fd, void *out, size_t size, int flags)
{
	ssize_t len = __real_recv(fd, out, size, flags);

	recv_count++;
	recv_bytes += len > 0 ? (uint64_t)len : 0;
	return len;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
	ssize_t sent = __real_send(fd, bytes, len, flags);

	send_count++;
	send_bytes += sent > 0 ? (uint64_t)sent : 0;
	return sent;
}

/* The client asks with one byte, the provider answers with so many. */
struct load {
	struct rig *rig;
	size_t answer;
	size_t rounds;
};

static void *run_provider(void *context)
{
	struct load *load = context;
	char *answer = calloc(1, load->answer);
	struct peer peer;
	char byte;

	if (peer_accept(&peer, load->rig->provider_fd,
			load->rig->provider_context) < 0) {
		_exit(2);
	}
	while (peer_read(&peer, &byte, 1) == 1) {
		if (peer_write(&peer, answer, load->answer) < 0) {
			_exit(3);
		}
	}
	peer_close(&peer);
	free(answer);
	return NULL;
}

static void run_client(struct load *load)
{
	char *buf = malloc(65536);
	pthread_t provider;
	struct peer peer;

	pthread_create(&provider, NULL, run_provider, load);
	if (peer_connect(&peer, load->rig->port, load->rig->client_context,
			 NULL) < 0) {
		_exit(4);
	}
	for (size_t i = 0; i < load->rounds; i++) {
		size_t left = load->answer;

		peer_write(&peer, "x", 1);
		while (left > 0) {
			ssize_t len = peer_read(&peer, buf, 65536);

			if (len <= 0) {
				_exit(5);
			}
			left -= (size_t)len;
		}
	}
	peer_close(&peer);
	pthread_join(provider, NULL);
	_exit(0);
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static volatile int ended;

/* The child's end of the pipe closed with it. */
static void on_end(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	ended = 1;
}

static void carry(struct load *load)
{
	struct event *event;
	int end_pipe[2];
	double bytes = (double)load->answer * (double)load->rounds;
	struct rig rig;
	double cpu;
	pid_t child;
	int status;

	rig_init(&rig);
	load->rig = &rig;
	rig_start(&rig, &blind_protocol);
	assert_int_equal(pipe(end_pipe), 0);
	child = fork();
	if (child == 0) {
		run_client(load);
	}
	close(end_pipe[1]);
	ended = 0;
	event = event_new(rig.base, end_pipe[0], EV_READ, on_end, NULL);
	event_add(event, NULL);
	recv_count = send_count = recv_bytes = send_bytes = 0;
	cpu = cpu_seconds();
	while (!ended) {
		event_base_loop(rig.base, EVLOOP_ONCE);
	}
	cpu = cpu_seconds() - cpu;
	event_free(event);
	close(end_pipe[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	printf("answers of %7zu bytes: %.0f MB per CPU s, %.1f us each, "
	       "%.2f recv and %.2f send each, %.0f bytes a recv\n",
	       load->answer, bytes / cpu / 1e6,
	       cpu * 1e6 / (double)load->rounds,
	       (double)recv_count / (double)load->rounds,
	       (double)send_count / (double)load->rounds,
	       (double)recv_bytes / (double)recv_count);
	assert_true(rig_run_empty(&rig, 10));
	rig_finish(&rig);
}

static size_t scale(void)
{
	return getenv("POSTERN_LONG") != NULL ? 10 : 1;
}

static void a_small_answer_is_four_calls(void **state)
{
	struct load load = { .answer = 4096, .rounds = 3000 * scale() };

	(void)state;
	carry(&load);
	/* One recv and one send for each direction. */
	assert_true(recv_count <= load.rounds * 2 + load.rounds / 10 + 20);
	assert_true(send_count <= load.rounds * 2 + load.rounds / 10 + 20);
}

static void large_answers_are_carried_in_large_pieces(void **state)
{
	static const size_t sizes[] = { 65536, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		struct load load = { .answer = sizes[i] };

		load.rounds = (64u << 20) / load.answer * scale();
		carry(&load);
		/* No second copy of anything on the way out, and not more
		   sends than recvs. */
		assert_true(send_bytes < recv_bytes + recv_bytes / 50);
		assert_true(send_count <= recv_count + 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_answer_is_four_calls),
		cmocka_unit_test(large_answers_are_carried_in_large_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
