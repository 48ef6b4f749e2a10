/* load: see load.h.

   Usage: load KIND name=value ... (the fields of struct load_options). Prints
   "ready" once every user is logged in and warm, waits for a line, works, and
   prints one JSON object; so whoever measures a proxy measures the work
   alone. */
#include "bench/load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/mail.h"
#include "bench/tls.h"
#include "lib/xalloc.h"

/* Logins under way at once while a load is set up. */
#define MAX_OPENING   64
#define SETUP_SECONDS 60
#define STUCK_SECONDS 20

enum phase {
	PHASE_WARM,
	PHASE_RUN,
};

struct load_options options = {
	.users = 8,
	.size = 4096,
	.warm = 20,
	.milliseconds = 1000,
	.pushes = 5,
};
struct loop *loop;
SSL_CTX *client_context;

static const struct load_kind *const kinds[] = { &fetch_kind, &login_kind,
						 &idle_kind, &smtp_kind };
static const struct load_kind *kind;
static struct user *users;
static enum phase phase;
static unsigned int opened, ready, parked, resumed;
static uint64_t deadline, units, total_bytes;
static float *latencies;
static size_t latency_count, latency_room;

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void user_fail(const struct user *user, const char *what, struct span came)
{
	char text[200];
	size_t i;

	came = span_first(came, sizeof(text) - 1);
	for (i = 0; i < came.len; i++) {
		text[i] = came.ptr[i] < ' ' || came.ptr[i] > '~' ? '?'
								 : came.ptr[i];
	}
	text[i] = '\0';
	fatal("user %u: %s%s%s", user->index, what, came.len > 0 ? ": " : "",
	      text);
}

void load_count(uint64_t latency_ns, size_t bytes)
{
	units++;
	total_bytes += bytes;
	if (latency_count == latency_room) {
		latency_room = latency_room == 0 ? 65536 : latency_room * 2;
		latencies = xreallocarray(latencies, latency_room,
					  sizeof(*latencies));
	}
	latencies[latency_count++] = (float)latency_ns / 1000.0f;
}

void load_count_resumed(bool was_resumed)
{
	if (phase == PHASE_RUN && was_resumed) {
		resumed++;
	}
}

static void park(struct user *user)
{
	if (!user->parked) {
		user->parked = true;
		parked++;
	}
}

/* Begin a unit, unless the rate says later; then the main loop does. */
static void go(struct user *user)
{
	uint64_t now = now_ns();

	if (phase == PHASE_RUN && options.rate > 0 && now < user->due) {
		return;
	}
	if (phase == PHASE_RUN && options.rate > 0) {
		user->due +=
			(uint64_t)options.users * 1000000000u / options.rate;
	}
	user->began = now;
	kind->go(user);
}

static void open_more(void)
{
	while (opened < options.users && opened - ready < MAX_OPENING) {
		kind->open(&users[opened++]);
	}
}

void user_ready(struct user *user)
{
	ready++;
	user->state = USER_READY;
	if (kind->go != NULL && user->warm_left > 0) {
		go(user);
	} else {
		park(user);
	}
}

void user_done(struct user *user, size_t bytes)
{
	user->state = USER_READY;
	if (phase == PHASE_RUN) {
		load_count(now_ns() - user->began, bytes);
		if (now_ns() >= deadline) {
			park(user);
			return;
		}
	} else if (--user->warm_left == 0) {
		park(user);
		return;
	}
	go(user);
}

/* Turn the loop until every user is parked. */
static void run_until_parked(uint64_t limit)
{
	unsigned int i;
	uint64_t now;

	while (parked < options.users) {
		open_more();
		loop_turn(loop, options.rate > 0 ? 1 : 100);
		now = now_ns();
		if (now > limit) {
			fatal("stuck: %u of %u users have ended their work",
			      parked, options.users);
		}
		if (phase == PHASE_RUN && options.rate > 0) {
			for (i = 0; i < options.users; i++) {
				if (users[i].state == USER_READY &&
				    !users[i].parked && now >= users[i].due) {
					go(&users[i]);
				}
			}
		}
	}
}

static void run_measured(void)
{
	uint64_t now = now_ns();
	unsigned int i;

	phase = PHASE_RUN;
	if (kind->run != NULL) {
		kind->run();
		return;
	}
	deadline = now + (uint64_t)options.milliseconds * 1000000u;
	parked = 0;
	for (i = 0; i < options.users; i++) {
		users[i].parked = false;
		users[i].due = now;
		go(&users[i]);
	}
	run_until_parked(deadline + (uint64_t)STUCK_SECONDS * 1000000000u);
}

/* Reporting. */

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static double quantile(double share)
{
	size_t i = (size_t)(share * (double)latency_count);

	if (latency_count == 0) {
		return 0;
	}
	return latencies[i < latency_count ? i : latency_count - 1];
}

static void report(double seconds)
{
	qsort(latencies, latency_count, sizeof(*latencies), compare_floats);
	printf("{\"units\": %ju, \"bytes\": %ju, \"seconds\": %.6f, "
	       "\"resumed\": %u, \"p50_us\": %.1f, \"p99_us\": %.1f, "
	       "\"max_us\": %.1f}\n",
	       (uintmax_t)units, (uintmax_t)total_bytes, seconds, resumed,
	       quantile(0.5), quantile(0.99), quantile(1));
	fflush(stdout);
}

/* Arguments. */

static const struct {
	const char *name;
	unsigned int *value;
} numbers[] = {
	{ "port", &options.port },   { "sink_port", &options.sink_port },
	{ "users", &options.users }, { "size", &options.size },
	{ "base", &options.base },   { "warm", &options.warm },
	{ "again", &options.again }, { "ms", &options.milliseconds },
	{ "rate", &options.rate },   { "pushes", &options.pushes },
};

static void read_argument(const char *argument)
{
	const char *value = strchr(argument, '=');
	size_t i, len;

	if (value == NULL) {
		fatal("%s: expected name=value", argument);
	}
	len = (size_t)(value++ - argument);
	if (len == 2 && strncmp(argument, "ca", 2) == 0) {
		options.ca_file = value;
		return;
	}
	if (len == 6 && strncmp(argument, "resume", 6) == 0) {
		options.resume = *value == '1';
		return;
	}
	for (i = 0; i < N_ELEMENTS(numbers); i++) {
		if (strlen(numbers[i].name) == len &&
		    strncmp(argument, numbers[i].name, len) == 0) {
			*numbers[i].value =
				(unsigned int)strtoul(value, NULL, 10);
			return;
		}
	}
	fatal("%s: unknown", argument);
}

static void read_arguments(int argc, char **argv)
{
	size_t k;
	int i;

	for (k = 0; argc > 1 && k < N_ELEMENTS(kinds); k++) {
		if (strcmp(argv[1], kinds[k]->name) == 0) {
			kind = kinds[k];
		}
	}
	if (kind == NULL) {
		fatal("usage: load fetch|login|idle|smtp name=value ...");
	}
	for (i = 2; i < argc; i++) {
		read_argument(argv[i]);
	}
	if (options.port == 0 || options.ca_file == NULL ||
	    options.users == 0) {
		fatal("port, ca and users are needed");
	}
}

int main(int argc, char **argv)
{
	char line[16];
	uint64_t began;
	unsigned int i;

	signal(SIGPIPE, SIG_IGN);
	read_arguments(argc, argv);
	loop = loop_create();
	client_context = tls_client_context(options.ca_file);
	users = xcalloc(options.users, sizeof(*users));
	for (i = 0; i < options.users; i++) {
		users[i].index = i;
		users[i].warm_left = options.warm;
	}
	open_more();
	run_until_parked(now_ns() + (uint64_t)SETUP_SECONDS * 1000000000u);
	puts("ready");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL) {
		return 1;
	}
	began = now_ns();
	run_measured();
	report((double)(now_ns() - began) / 1e9);
	/* The sessions stay up until whoever measures has looked. */
	return fgets(line, sizeof(line), stdin) == NULL ? 1 : 0;
}
