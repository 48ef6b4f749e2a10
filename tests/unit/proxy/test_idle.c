/* What a session at rest costs: many TLS-TLS pairs that did a little and then
   nothing. The peers are in a child, so that the memory measured is the
   worker's alone. */
#include "config.h"
#include "rig.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* PERFORMANCE: must. */
#define MAX_BYTES_PER_PAIR (32 * 1024)

struct crowd {
	struct rig *rig;
	size_t count;
	struct peer *clients;
	struct peer *providers;
};

static void *run_providers(void *context)
{
	struct crowd *crowd = context;
	char byte;

	for (size_t i = 0; i < crowd->count; i++) {
		struct peer *peer = &crowd->providers[i];

		if (peer_accept(peer, crowd->rig->provider_fd,
				crowd->rig->provider_context) < 0 ||
		    peer_read(peer, &byte, 1) != 1 ||
		    peer_write(peer, &byte, 1) < 0) {
			_exit(2);
		}
	}
	return NULL;
}

static void run_crowd(struct crowd *crowd, int ready_fd, int quit_fd)
{
	pthread_t providers;
	char byte = 'x';

	crowd->clients = calloc(crowd->count, sizeof(struct peer));
	crowd->providers = calloc(crowd->count, sizeof(struct peer));
	pthread_create(&providers, NULL, run_providers, crowd);
	for (size_t i = 0; i < crowd->count; i++) {
		struct peer *peer = &crowd->clients[i];

		if (peer_connect(peer, crowd->rig->port,
				 crowd->rig->client_context, NULL) < 0 ||
		    peer_write(peer, &byte, 1) < 0 ||
		    peer_read(peer, &byte, 1) != 1) {
			_exit(3);
		}
	}
	pthread_join(providers, NULL);
	if (write(ready_fd, &byte, 1) != 1 || read(quit_fd, &byte, 1) < 0) {
		_exit(4);
	}
	_exit(0);
}

static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*u %zu", &pages), 1);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static volatile int ready;

static void on_ready(int fd, short what, void *context)
{
	char byte;

	(void)what;
	(void)context;
	assert_int_equal(read(fd, &byte, 1), 1);
	ready = 1;
}

static void raise_descriptors(size_t count)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < count && limit.rlim_max >= count) {
		limit.rlim_cur = count;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void a_pair_at_rest_is_small(void **state)
{
	struct crowd crowd = { .count = getenv("POSTERN_LONG") != NULL ? 2000
								       : 400 };
	int ready_pipe[2], quit_pipe[2];
	struct event *event;
	size_t before, after, heap;
	struct rig rig;
	pid_t child;
	int status;

	(void)state;
	raise_descriptors(crowd.count * 2 + 100);
	rig_init(&rig);
	crowd.rig = &rig;
	rig_start(&rig, &blind_protocol);
	assert_int_equal(pipe(ready_pipe), 0);
	assert_int_equal(pipe(quit_pipe), 0);
	child = fork();
	if (child == 0) {
		close(quit_pipe[1]);
		run_crowd(&crowd, ready_pipe[1], quit_pipe[0]);
	}
	event = event_new(rig.base, ready_pipe[0], EV_READ, on_ready, NULL);
	event_add(event, NULL);
	malloc_trim(0);
	before = resident_bytes();
	heap = mallinfo2().uordblks;
	status = rig_run(&rig, &ready, 60) ? 0 : -1;
	if (status < 0) {
		kill(child, SIGKILL);
	}
	assert_int_equal(status, 0);
	assert_int_equal(rig.worker->session_count, crowd.count);
	after = resident_bytes();
	heap = mallinfo2().uordblks - heap;
	printf("idle TLS-TLS pair: %.1f KiB resident, %.1f KiB allocated, "
	       "%zu sessions\n",
	       (double)(after - before) / 1024 / (double)crowd.count,
	       (double)heap / 1024 / (double)crowd.count, crowd.count);
	close(quit_pipe[1]);
	assert_true(rig_run_empty(&rig, 20));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true((after - before) / crowd.count < MAX_BYTES_PER_PAIR);
	event_free(event);
	close(ready_pipe[0]);
	close(ready_pipe[1]);
	close(quit_pipe[0]);
	rig_finish(&rig);
}

int main(void)
{
#ifdef POSTERN_ASAN
	/* It keeps what was freed and pads what is not: no figure to hold. */
	return 77;
#endif
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_at_rest_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
