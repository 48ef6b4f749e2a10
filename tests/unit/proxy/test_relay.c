/* The relay: bytes through TLS on both sides, whole and in any pieces. */
#include "rig.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/metrics.h"

/* A stream of bytes that can be checked at any position. */
static unsigned char byte_at(uint64_t position, unsigned int seed)
{
	uint64_t x = position / 8 * 0x9e3779b97f4a7c15ull + seed;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ull;
	return (unsigned char)(x >> (position % 8 * 8));
}

struct transfer {
	struct rig *rig;
	/* Bytes each way. */
	uint64_t up;
	uint64_t down;
	/* Microseconds the client waits between reads. */
	unsigned int slow_us;
	bool ok_up;
	bool ok_down;
	volatile int done;
	struct peer peer;
	unsigned int seed;
};

static bool send_stream(struct peer *peer, uint64_t total, unsigned int seed)
{
	static const size_t sizes[] = { 1, 7, 100, 1400, 4096, 16384, 65536 };
	unsigned char *buf = malloc(65536);
	unsigned int random = seed;
	uint64_t at = 0;
	bool ok = true;

	while (at < total && ok) {
		size_t len = sizes[rand_r(&random) % N_ELEMENTS(sizes)];

		if (len > total - at) {
			len = (size_t)(total - at);
		}
		for (size_t i = 0; i < len; i++) {
			buf[i] = byte_at(at + i, seed);
		}
		ok = peer_write(peer, buf, len) == 0;
		at += len;
	}
	free(buf);
	return ok;
}

static bool check_stream(struct peer *peer, uint64_t total, unsigned int seed,
			 unsigned int slow_us)
{
	unsigned char *buf = malloc(65536);
	uint64_t at = 0;
	bool ok = true;

	while (at < total && ok) {
		ssize_t len = peer_read(peer, buf, 65536);

		if (slow_us > 0) {
			usleep(slow_us);
		}
		ok = len > 0;
		for (ssize_t i = 0; i < len && ok; i++) {
			ok = buf[i] == byte_at(at + (uint64_t)i, seed);
		}
		at += len > 0 ? (uint64_t)len : 0;
	}
	free(buf);
	return ok && at == total;
}

static void *run_provider(void *context)
{
	struct transfer *t = context;
	struct peer peer;

	if (peer_accept(&peer, t->rig->provider_fd, t->rig->provider_context) ==
	    0) {
		t->ok_up = check_stream(&peer, t->up, 1 + t->seed, 0);
		if (!send_stream(&peer, t->down, 2 + t->seed)) {
			t->ok_up = false;
		}
	}
	peer_close(&peer);
	return NULL;
}

static void *run_client(void *context)
{
	struct transfer *t = context;
	struct peer peer;

	if (peer_connect(&peer, t->rig->port, t->rig->client_context,
			 "gateway.test") == 0) {
		t->ok_down =
			send_stream(&peer, t->up, 1 + t->seed) &&
			check_stream(&peer, t->down, 2 + t->seed, t->slow_us);
	}
	peer_close(&peer);
	t->done = 1;
	return NULL;
}

static void transfer(struct transfer *t)
{
	pthread_t client, provider;

	pthread_create(&provider, NULL, run_provider, t);
	pthread_create(&client, NULL, run_client, t);
	assert_true(rig_run(t->rig, &t->done, 60));
	assert_true(rig_run_empty(t->rig, 10));
	pthread_join(client, NULL);
	pthread_join(provider, NULL);
	assert_true(t->ok_up);
	assert_true(t->ok_down);
}

static void bytes_pass_unchanged(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_start(&rig, &blind_protocol);
	for (unsigned int seed = 0; seed < 3; seed++) {
		struct transfer t = { .rig = &rig,
				      .up = 3000000,
				      .down = 8000000,
				      .seed = seed };

		transfer(&t);
	}
	assert_false(blind_eof_truncated);
	rig_finish(&rig);
}

/* -- one side slow -- */

static size_t highest_backlog;

static size_t watching_on_bytes(struct session *s, enum side from,
				struct span in)
{
	for (int side = 0; side < 2; side++) {
		size_t backlog = relay_backlog(s, (enum side)side);

		if (backlog > highest_backlog) {
			highest_backlog = backlog;
		}
	}
	return blind_protocol.on_bytes(s, from, in);
}

static struct protocol watching_protocol(void)
{
	struct protocol watching = blind_protocol;

	watching.on_bytes = watching_on_bytes;
	highest_backlog = 0;
	return watching;
}

static void a_slow_reader_costs_no_memory(void **state)
{
	struct protocol watching = watching_protocol();
	uint64_t before = metric_get(METRIC_BACKPRESSURE);
	struct rig rig;
	struct transfer t = {
		.rig = &rig, .up = 1000, .down = 64u << 20, .slow_us = 200
	};

	(void)state;
	rig_init(&rig);
	rig_start(&rig, &watching);
	transfer(&t);
	assert_true(metric_get(METRIC_BACKPRESSURE) > before);
	assert_in_range(highest_backlog, 1, RELAY_HIGH_MARK + 2 * IO_OUT_SIZE);
	rig_finish(&rig);
}

struct never {
	struct rig *rig;
	uint64_t sent;
	volatile int done;
	volatile int client_may_go;
};

/* Sends until nothing is taken for a second. */
static void *run_flooding_provider(void *context)
{
	static const struct timeval second = { .tv_sec = 1 };
	static char block[65536];
	struct never *n = context;
	struct peer peer;

	assert_int_equal(peer_accept(&peer, n->rig->provider_fd,
				     n->rig->provider_context),
			 0);
	setsockopt(peer.fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	while (n->sent < 256u << 20 &&
	       peer_write(&peer, block, sizeof(block)) == 0) {
		n->sent += sizeof(block);
	}
	n->client_may_go = 1;
	while (recv(peer.fd, block, sizeof(block), 0) > 0) {
	}
	peer_drop(&peer);
	n->done = 1;
	return NULL;
}

static void *run_deaf_client(void *context)
{
	struct never *n = context;
	struct peer peer;

	assert_int_equal(
		peer_connect(&peer, n->rig->port, n->rig->client_context, NULL),
		0);
	peer_write(&peer, "x", 1);
	while (!n->client_may_go) {
		usleep(1000);
	}
	peer_drop(&peer);
	return NULL;
}

static void a_client_that_never_reads_stops_the_provider(void **state)
{
	struct protocol watching = watching_protocol();
	pthread_t client, provider;
	struct rig rig;
	struct never n = { .rig = &rig };

	(void)state;
	rig_init(&rig);
	rig_start(&rig, &watching);
	pthread_create(&provider, NULL, run_flooding_provider, &n);
	pthread_create(&client, NULL, run_deaf_client, &n);
	assert_true(rig_run(&rig, &n.done, 30));
	assert_true(rig_run_empty(&rig, 10));
	pthread_join(client, NULL);
	pthread_join(provider, NULL);
	assert_true(n.sent < 64u << 20);
	assert_in_range(highest_backlog, 1, RELAY_HIGH_MARK + 2 * IO_OUT_SIZE);
	rig_finish(&rig);
}

/* -- a peer that asks and never reads: answers are our own -- */

static size_t answering_on_bytes(struct session *s, enum side from,
				 struct span in)
{
	(void)from;
	for (size_t i = 0; i < in.len; i++) {
		relay_send(s, SIDE_CLIENT,
			   SPAN("a line of our own, sixty-four bytes of it, "
				"more or less so\r\n"));
	}
	return watching_on_bytes(s, SIDE_SERVER, span_first(in, 0)) + in.len;
}

static void answering_start(struct session *s)
{
	relay_sendf(s, SIDE_CLIENT, "hello\r\n");
}

static void *run_asking_client(void *context)
{
	static const struct timeval second = { .tv_sec = 1 };
	static char block[4096];
	struct never *n = context;
	struct peer peer;

	assert_int_equal(
		peer_connect(&peer, n->rig->port, n->rig->client_context, NULL),
		0);
	setsockopt(peer.fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	while (n->sent < 64u << 20 &&
	       peer_write(&peer, block, sizeof(block)) == 0) {
		n->sent += sizeof(block);
	}
	peer_drop(&peer);
	n->done = 1;
	return NULL;
}

static void a_client_that_only_asks_is_not_read(void **state)
{
	struct protocol answering = watching_protocol();
	pthread_t client;
	struct rig rig;
	struct never n = { .rig = &rig };

	(void)state;
	answering.start = answering_start;
	answering.on_bytes = answering_on_bytes;
	rig_init(&rig);
	rig_start(&rig, &answering);
	pthread_create(&client, NULL, run_asking_client, &n);
	assert_true(rig_run(&rig, &n.done, 30));
	assert_true(rig_run_empty(&rig, 10));
	pthread_join(client, NULL);
	assert_true(n.sent < 16u << 20);
	/* One buffer of questions is answered whole. */
	assert_in_range(highest_backlog, 1,
			RELAY_FLOOD_MARK + IO_RAW_SIZE * 100);
	rig_finish(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_unchanged),
		cmocka_unit_test(a_slow_reader_costs_no_memory),
		cmocka_unit_test(a_client_that_never_reads_stops_the_provider),
		cmocka_unit_test(a_client_that_only_asks_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
