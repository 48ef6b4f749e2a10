/* postern-writer: files what the gateways learned. Arguments, signals, and
   the configuration; the work is in writer.c. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "config/settings.h"
#include "lib/log.h"
#include "lib/span.h"
#include "writer/writer.h"

#define DEFAULT_CONFIG POSTERN_SYSCONFDIR "/postern.conf"

/* Slower than the slowest batch: a statement is ended after 30 s. */
#define CLAIM_IDLE_MS	  60000
#define CLAIM_INTERVAL_MS 15000
#define WAIT_MS		  1000
#define ONCE_PATIENCE_S	  30

static const char usage[] =
	"usage: postern-writer [-c FILE] [--name NAME] [--once]\n"
	"\n"
	"File the contacts that the gateways put in Redis in PostgreSQL. Many\n"
	"may run at once, each with a name of its own.\n"
	"\n"
	"  -c, --config FILE   configuration [" DEFAULT_CONFIG "]\n"
	"      --name NAME     name in the consumer group [host name]\n"
	"      --once          file what is there, then end\n"
	"      --idle-ms N     take over what another writer read N ms ago "
	"and\n"
	"                      did not finish [60000]\n";

struct arguments {
	const char *config;
	const char *name;
	unsigned int idle_ms;
	bool once;
};

static volatile sig_atomic_t stop;

static void on_stop(int number)
{
	(void)number;
	stop = 1;
}

static void set_signals(void)
{
	/* Without SA_RESTART: a wait must end. */
	struct sigaction action = { .sa_handler = on_stop };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* Return 0, or the status to end with plus one. */
static int read_arguments(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "name", required_argument, NULL, 'n' },
		{ "once", no_argument, NULL, 'o' },
		{ "idle-ms", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t number = 0;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			arguments->config = optarg;
			break;
		case 'n':
			arguments->name = optarg;
			break;
		case 'o':
			arguments->once = true;
			break;
		case 'i':
			if (span_to_u64(span_str(optarg), 86400000, &number) <
			    0) {
				fputs(usage, stderr);
				return 3;
			}
			arguments->idle_ms = (unsigned int)number;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			fputs(usage, stderr);
			return 3;
		}
	}
	return 0;
}

static void report(void *context, bool is_error, const char *file,
		   unsigned int line, const char *text)
{
	(void)context;
	if (is_error) {
		log_error("%s:%u: %s", file, line, text);
	}
}

static int run(const struct settings *config, const struct arguments *arguments)
{
	struct writer_settings settings = {
		.database = config->database.writer,
		.consumer = {
			.redis = config->queue.redis,
			.partitions = config->queue.partitions,
			.name = arguments->name,
			.claim_idle_ms = arguments->idle_ms,
			.claim_interval_ms = CLAIM_INTERVAL_MS,
			.wait_ms = arguments->once ? 0 : WAIT_MS,
		},
		.once = arguments->once,
		.once_patience_s = ONCE_PATIENCE_S,
	};
	struct writer_counts counts;
	struct error err = { "" };
	int status;

	if (settings.consumer.claim_interval_ms > arguments->idle_ms) {
		settings.consumer.claim_interval_ms = arguments->idle_ms;
	}
	/* Ready to be left alone: waiting for a server is part of the job. */
	sd_notify(0, "READY=1\nSTATUS=starting");
	status = writer_run(&settings, &stop, &counts, &err);
	sd_notify(0, "STOPPING=1");
	log_info("end: records=%" PRIu64 " again=%" PRIu64 " sightings=%" PRIu64
		 " dead=%" PRIu64 " left=%" PRIu64,
		 counts.records, counts.old_records, counts.sightings,
		 counts.dead_letters, counts.left);
	if (status < 0) {
		log_error("%s", err.text);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	char host[256] = "writer";
	struct arguments arguments = {
		.config = DEFAULT_CONFIG,
		.name = host,
		.idle_ms = CLAIM_IDLE_MS,
	};
	struct settings *config;
	int status = read_arguments(argc, argv, &arguments);

	if (status != 0) {
		return status - 1;
	}
	gethostname(host, sizeof(host) - 1);
	log_init("postern-writer", LOG_LEVEL_INFO);
	config = settings_load(arguments.config, report, NULL);
	if (config == NULL) {
		return 1;
	}
	log_set_level(config->log_level);
	set_signals();
	status = run(config, &arguments);
	settings_unref(&config);
	return status;
}
