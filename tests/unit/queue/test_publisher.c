/* The publisher against a real Redis on a private unix socket: what was
   published is in the stream once Redis is there, whatever happened between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "lib/log.h"
#include "queue/publisher.h"

#include "record_sample.h"

struct world {
	char dir[64];
	char socket[128];
	char address[160];
	char journal[128];
	pid_t redis;
	unsigned int command_timeout_ms;
	struct event_base *base;
	struct publisher *publisher;
	struct publisher_stats stats;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static redisContext *ask_redis(const struct world *world)
{
	redisContext *redis = redisConnectUnix(world->socket);

	if (redis == NULL || redis->err != 0) {
		redisFree(redis);
		return NULL;
	}
	return redis;
}

/* An integer reply, or -1. */
static long long ask(const struct world *world, const char *command)
{
	redisContext *redis = ask_redis(world);
	redisReply *reply = redis == NULL ? NULL : redisCommand(redis, command);
	long long value = -1;

	if (reply != NULL) {
		value = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
		freeReplyObject(reply);
	}
	if (redis != NULL) {
		redisFree(redis);
	}
	return value;
}

static long long stream_length(const struct world *world)
{
	return ask(world, "XLEN postern:{0}:contacts");
}

static void start_redis(struct world *world)
{
	double deadline = now_s() + 10;

	world->redis = fork();
	if (world->redis == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		execlp("redis-server", "redis-server", "--port", "0",
		       "--unixsocket", world->socket, "--dir", world->dir,
		       "--save", "", "--appendonly", "yes", "--appendfsync",
		       "always", "--maxmemory-policy", "noeviction", NULL);
		_exit(127);
	}
	while (ask(world, "PING") < 0) {
		assert_true(now_s() < deadline);
		usleep(10000);
	}
}

static void stop_redis(struct world *world, int signal_number)
{
	int status;

	if (world->redis > 0) {
		kill(world->redis, signal_number);
		kill(world->redis, SIGCONT);
		assert_int_equal(waitpid(world->redis, &status, 0),
				 world->redis);
		world->redis = 0;
	}
}

static void start_publisher(struct world *world)
{
	struct publisher_settings settings = {
		.redis = world->address,
		.partitions = 1,
		.journal_dir = world->journal,
		.journal_max_bytes = 64 * 1024 * 1024,
		.event_key = SPAN("0123456789abcdef0123456789abcdef"),
		.connect_timeout_ms = 500,
		.command_timeout_ms = world->command_timeout_ms,
	};
	struct error err = { "" };

	memset(&world->stats, 0, sizeof(world->stats));
	world->publisher =
		publisher_create(world->base, &settings, &world->stats, &err);
	if (world->publisher == NULL) {
		fail_msg("%s", err.text);
	}
}

static int make_world(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	log_init("test_publisher", LOG_LEVEL_ERROR);
	strcpy(world->dir, "/tmp/postern-publisher.XXXXXX");
	assert_non_null(mkdtemp(world->dir));
	snprintf(world->socket, sizeof(world->socket), "%s/redis.sock",
		 world->dir);
	snprintf(world->address, sizeof(world->address), "unix:%s",
		 world->socket);
	snprintf(world->journal, sizeof(world->journal), "%s/journal",
		 world->dir);
	world->base = event_base_new();
	world->command_timeout_ms = 10000;
	*state = world;
	return 0;
}

static int remove_world(void **state)
{
	struct world *world = *state;
	char command[160];

	publisher_destroy(&world->publisher);
	stop_redis(world, SIGKILL);
	event_base_free(world->base);
	snprintf(command, sizeof(command), "rm -r %s", world->dir);
	assert_int_equal(system(command), 0);
	free(world);
	return 0;
}

static void publish(struct world *world, int number)
{
	struct record_contact jane = sample_jane();
	char id[32];
	struct record record;

	snprintf(id, sizeof(id), "<%d@example.org>", number);
	record = sample_record(&jane, span_str(id));
	publisher_publish(world->publisher, &record);
}

/* Run the loop until the condition holds. */
#define RUN_UNTIL(world, condition)                                            \
	do {                                                                   \
		double deadline = now_s() + 20;                                \
		while (!(condition)) {                                         \
			if (now_s() > deadline) {                              \
				fail_msg("in vain: %s", #condition);           \
			}                                                      \
			event_base_loop((world)->base, EVLOOP_NONBLOCK);       \
			usleep(1000);                                          \
		}                                                              \
	} while (0)

/* How many different events are in the stream. */
static size_t distinct_events(const struct world *world)
{
	redisContext *redis = ask_redis(world);
	redisReply *reply =
		redisCommand(redis, "XRANGE %s - +", "postern:{0}:contacts");
	size_t distinct = 0;

	assert_non_null(reply);
	for (size_t i = 0; i < reply->elements; i++) {
		const char *event =
			reply->element[i]->element[1]->element[5]->str;
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++) {
			seen = strcmp(event, reply->element[k]
						     ->element[1]
						     ->element[5]
						     ->str) == 0;
		}
		distinct += !seen;
	}
	freeReplyObject(reply);
	redisFree(redis);
	return distinct;
}

static void records_reach_the_stream(void **state)
{
	struct world *world = *state;
	redisContext *redis;
	redisReply *reply;
	redisReply *fields;

	start_redis(world);
	start_publisher(world);
	RUN_UNTIL(world, world->stats.connected);
	for (int i = 0; i < 500; i++) {
		publish(world, i);
	}
	RUN_UNTIL(world, world->stats.acknowledged == 500);
	assert_int_equal(stream_length(world), 500);
	assert_int_equal(world->stats.journaled, 0);
	redis = ask_redis(world);
	reply = redisCommand(redis, "XRANGE %s - + COUNT 1",
			     "postern:{0}:contacts");
	fields = reply->element[0]->element[1];
	assert_int_equal(fields->elements, 10);
	assert_string_equal(fields->element[0]->str, "v");
	assert_string_equal(fields->element[1]->str, "1");
	assert_string_equal(fields->element[2]->str, "org");
	assert_string_equal(fields->element[6]->str, "key");
	assert_string_equal(fields->element[7]->str, "");
	assert_non_null(strstr(fields->element[9]->str, "jane@example.org"));
	freeReplyObject(reply);
	redisFree(redis);
}

static void without_redis_records_wait_on_disk(void **state)
{
	struct world *world = *state;

	start_publisher(world);
	for (int i = 0; i < 300; i++) {
		publish(world, i);
	}
	RUN_UNTIL(world, world->stats.journaled == 300);
	assert_false(world->stats.connected);
	start_redis(world);
	RUN_UNTIL(world, world->stats.replayed == 300);
	RUN_UNTIL(world, publisher_is_idle(world->publisher));
	assert_int_equal(stream_length(world), 300);
	RUN_UNTIL(world, world->stats.journal_bytes == 0);
	assert_int_equal(world->stats.dropped, 0);
}

static void what_one_worker_left_another_replays(void **state)
{
	struct world *world = *state;

	start_publisher(world);
	for (int i = 0; i < 100; i++) {
		publish(world, i);
	}
	publisher_destroy(&world->publisher);
	assert_int_equal(world->stats.in_flight, 0);
	start_redis(world);
	start_publisher(world);
	RUN_UNTIL(world, world->stats.replayed == 100);
	assert_int_equal(stream_length(world), 100);
}

static void a_killed_redis_loses_nothing(void **state)
{
	struct world *world = *state;
	int number = 0;

	start_redis(world);
	start_publisher(world);
	for (int round = 0; round < 5; round++) {
		RUN_UNTIL(world, world->stats.connected);
		for (int i = 0; i < 200; i++) {
			publish(world, number++);
			/* Let some be answered, some not, before the kill. */
			if (i % 50 == 0) {
				event_base_loop(world->base, EVLOOP_NONBLOCK);
			}
		}
		stop_redis(world, SIGKILL);
		for (int i = 0; i < 20; i++) {
			publish(world, number++);
		}
		RUN_UNTIL(world, !world->stats.connected);
		start_redis(world);
	}
	RUN_UNTIL(world, distinct_events(world) == (size_t)number);
	assert_int_equal(world->stats.dropped, 0);
	assert_true(world->stats.connections >= 5);
}

static void a_redis_that_says_nothing_is_given_up(void **state)
{
	struct world *world = *state;

	start_redis(world);
	world->command_timeout_ms = 200;
	start_publisher(world);
	RUN_UNTIL(world, world->stats.connected);
	kill(world->redis, SIGSTOP);
	for (int i = 0; i < 50; i++) {
		publish(world, i);
	}
	RUN_UNTIL(world, !world->stats.connected);
	assert_int_equal(world->stats.acknowledged, 0);
	kill(world->redis, SIGCONT);
	RUN_UNTIL(world, world->stats.replayed >= 50);
	assert_int_equal(distinct_events(world), 50);
}

static void a_redis_that_refuses_is_tried_again_later(void **state)
{
	struct world *world = *state;
	redisContext *redis;

	start_redis(world);
	redis = ask_redis(world);
	freeReplyObject(redisCommand(redis, "CONFIG SET maxmemory 1"));
	start_publisher(world);
	RUN_UNTIL(world, world->stats.connected);
	publish(world, 1);
	RUN_UNTIL(world, world->stats.journaled >= 1);
	/* Waiting between tries, not asking in a circle. */
	{
		double start = now_s();

		RUN_UNTIL(world, now_s() - start > 1.0);
	}
	assert_true(world->stats.connections < 12);
	assert_int_equal(stream_length(world), 0);
	freeReplyObject(redisCommand(redis, "CONFIG SET maxmemory 0"));
	redisFree(redis);
	RUN_UNTIL(world, world->stats.replayed == 1);
	assert_int_equal(stream_length(world), 1);
}

static void a_full_pipeline_overflows_to_disk(void **state)
{
	struct world *world = *state;
	int count = PUBLISHER_FLIGHT_COUNT + 100;

	start_redis(world);
	start_publisher(world);
	RUN_UNTIL(world, world->stats.connected);
	for (int i = 0; i < count; i++) {
		publish(world, i);
	}
	assert_int_equal(world->stats.in_flight, PUBLISHER_FLIGHT_COUNT);
	RUN_UNTIL(world, world->stats.acknowledged >= PUBLISHER_FLIGHT_COUNT);
	RUN_UNTIL(world, world->stats.journaled == 100);
	/* The next to look at the journal finds them. */
	publisher_destroy(&world->publisher);
	start_publisher(world);
	RUN_UNTIL(world, world->stats.replayed == 100);
	assert_int_equal(distinct_events(world), count);
	assert_int_equal(stream_length(world), count);
}

static void a_full_journal_drops_and_counts(void **state)
{
	struct world *world = *state;
	struct publisher_settings settings = {
		.redis = world->address,
		.partitions = 1,
		.journal_dir = world->journal,
		.journal_max_bytes = 10000,
		.event_key = SPAN("key"),
		.connect_timeout_ms = 500,
		.command_timeout_ms = 300,
	};
	struct error err;

	/* The line about it is expected. */
	log_set_level(LOG_LEVEL_ERROR);
	world->publisher =
		publisher_create(world->base, &settings, &world->stats, &err);
	assert_non_null(world->publisher);
	for (int i = 0; i < 100; i++) {
		publish(world, i);
	}
	RUN_UNTIL(world,
		  (publish(world, 0),
		   world->stats.journaled > 0 && world->stats.dropped > 50));
	assert_true(world->stats.journal_bytes <= 10000);
}

static void a_wrong_address_is_refused(void **state)
{
	struct world *world = *state;
	static const char *const wrong[] = {
		"",	     "unix:",	    "unix:relative", "localhost:1",
		"127.0.0.1", "127.0.0.1:0", "127.0.0.1:x",   "127.0.0.1:66000",
		"[::1]",
	};

	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		struct publisher_settings settings = {
			.redis = wrong[i],
			.journal_dir = world->journal,
			.journal_max_bytes = 10000,
		};
		struct error err = { "" };

		assert_null(publisher_create(world->base, &settings,
					     &world->stats, &err));
		assert_non_null(strstr(err.text, "redis"));
	}
}

#define PUBLISHER_TEST(name)                                                   \
	cmocka_unit_test_setup_teardown(name, make_world, remove_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(records_reach_the_stream),
		PUBLISHER_TEST(without_redis_records_wait_on_disk),
		PUBLISHER_TEST(what_one_worker_left_another_replays),
		PUBLISHER_TEST(a_killed_redis_loses_nothing),
		PUBLISHER_TEST(a_redis_that_says_nothing_is_given_up),
		PUBLISHER_TEST(a_redis_that_refuses_is_tried_again_later),
		PUBLISHER_TEST(a_full_pipeline_overflows_to_disk),
		PUBLISHER_TEST(a_full_journal_drops_and_counts),
		PUBLISHER_TEST(a_wrong_address_is_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
