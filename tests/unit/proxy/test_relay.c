/* The relay: bytes through TLS on both sides, whole and in any pieces. */
#include "rig.h"

#include <stdlib.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_unchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
