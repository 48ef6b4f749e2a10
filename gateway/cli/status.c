/* postern status: the running gateway at a glance. */
#include "cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/control_client.h"
#include "lib/strbuf.h"

#define ANSWER_MAX (4 * 1024 * 1024)

static const char usage[] =
	"usage: postern status [-c FILE] [--json | --metrics]\n"
	"\n"
	"Show the running posternd: its workers, sessions and counters.\n"
	"\n"
	"  -c, --config FILE  configuration [" COMMAND_DEFAULT_CONFIG "]\n"
	"      --json         all of it as one JSON object\n"
	"      --metrics      counters in Prometheus text format\n";

static int read_answer(int fd, struct strbuf *out)
{
	char block[8192];
	ssize_t len;

	while ((len = read(fd, block, sizeof(block))) > 0) {
		strbuf_add(out, span_of(block, (size_t)len));
	}
	close(fd);
	return len < 0 || out->overflow ? -1 : 0;
}

static json_int_t integer_at(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_worker(size_t number, const json_t *worker)
{
	bool running = json_is_true(json_object_get(worker, "running"));

	printf("  %2zu  pid %-7lld %s%-8s%s up %6lld s  sessions %5lld  "
	       "deaths %lld\n",
	       number, (long long)integer_at(worker, "pid"),
	       command_colour(running ? COLOUR_GREEN : COLOUR_RED),
	       running ? "running" : "down", command_colour(COLOUR_NONE),
	       (long long)integer_at(worker, "up_s"),
	       (long long)integer_at(worker, "sessions"),
	       (long long)integer_at(worker, "deaths"));
}

/* Zeroes say nothing at a glance; --json and --metrics have them. */
static void print_counters(const json_t *metrics)
{
	const char *key;
	const json_t *value;

	json_object_foreach((json_t *)(uintptr_t)metrics, key, value)
	{
		if (json_integer_value(value) != 0) {
			printf("  %-58s %12lld\n", key,
			       (long long)json_integer_value(value));
		}
	}
}

static int print_status(const char *text)
{
	json_error_t error;
	json_t *status = json_loads(text, 0, &error);
	const json_t *workers = json_object_get(status, "workers");

	if (!json_is_array(workers)) {
		json_decref(status);
		return command_fail("status", "no status in the answer");
	}
	printf("%sposternd %s%s  pid %lld  up %lld s  %s%s\n",
	       command_colour(COLOUR_BOLD),
	       json_string_value(json_object_get(status, "version")),
	       command_colour(COLOUR_NONE),
	       (long long)integer_at(status, "pid"),
	       (long long)integer_at(status, "up_s"),
	       json_string_value(json_object_get(status, "config")),
	       json_is_true(json_object_get(status, "draining")) ? "  draining"
								 : "");
	for (size_t i = 0; i < json_array_size(workers); i++) {
		print_worker(i, json_array_get(workers, i));
	}
	print_counters(json_object_get(status, "metrics"));
	json_decref(status);
	return COMMAND_OK;
}

static int ask(const char *config, const char *request, bool raw)
{
	struct strbuf answer = STRBUF_INIT(ANSWER_MAX);
	struct settings *settings = command_load_settings(config);
	struct error err = { "" };
	int status = COMMAND_OK;
	int fd;

	if (settings == NULL) {
		return COMMAND_FAILED;
	}
	fd = control_ask(settings, request, &err);
	settings_unref(&settings);
	if (fd < 0) {
		return command_fail("status", "%s", err.text);
	}
	if (read_answer(fd, &answer) < 0) {
		status = command_fail("status", "the answer was cut short");
	} else if (raw) {
		fwrite(answer.ptr, 1, answer.len, stdout);
	} else {
		status = print_status(strbuf_cstr(&answer));
	}
	strbuf_finish(&answer);
	return status;
}

int command_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "metrics", no_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config = COMMAND_DEFAULT_CONFIG;
	const char *request = "status";
	bool raw = false;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			config = optarg;
			break;
		case 'j':
			raw = true;
			break;
		case 'm':
			raw = true;
			request = "metrics";
			break;
		case 'h':
			fputs(usage, stdout);
			return COMMAND_OK;
		default:
			fputs(usage, stderr);
			return COMMAND_MISUSED;
		}
	}
	return ask(config, request, raw);
}
