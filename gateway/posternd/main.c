/* posternd: the gateway. Arguments, configuration, then the master. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "posternd/master.h"

static const char usage[] =
	"usage: posternd [-c FILE] [-v]\n"
	"\n"
	"Carry IMAP and submission between mail programs and their provider.\n"
	"Runs in the foreground; SIGHUP reloads, SIGTERM drains and stops.\n"
	"\n"
	"  -c, --config FILE  configuration [" POSTERN_SYSCONFDIR
	"/postern.conf]\n"
	"  -v, --verbose      log what happens inside sessions\n"
	"      --version      print the version\n"
	"  -h, --help         print this\n"
	"\n"
	"`postern check` says what is wrong with a configuration,\n"
	"`postern init` writes one. See posternd(8), postern.conf(5).\n";

static void report(void *context, bool is_error, const char *file,
		   unsigned int line, const char *text)
{
	(void)context;
	fprintf(stderr, "%s:%u: %s%s\n", file, line,
		is_error ? "" : "warning: ", text);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = POSTERN_SYSCONFDIR "/postern.conf";
	bool verbose = false;
	struct settings *settings;
	int option;

	while ((option = getopt_long(argc, argv, "c:vh", options, NULL)) !=
	       -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'v':
			verbose = true;
			break;
		case 'V':
			puts("posternd " POSTERN_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "posternd: what is \"%s\"?\n%s", argv[optind],
			usage);
		return 2;
	}
	settings = settings_load(path, report, NULL);
	if (settings == NULL) {
		return 1;
	}
	log_init("posternd", verbose ? LOG_LEVEL_DEBUG : settings->log_level);
	return master_run(settings);
}
