/* postern trace: the log lines of one mailbox, live and in full detail. The
   lines are the log's own: no content, no credentials. */
#include "cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/control_client.h"
#include "lib/strbuf.h"

static const char usage[] =
	"usage: postern trace [-c FILE] [--mailbox ADDRESS]\n"
	"\n"
	"Follow what the sessions of a mailbox do, line by line, until\n"
	"Ctrl-C. Without --mailbox: of all sessions.\n"
	"\n"
	"  -c, --config FILE      configuration [" COMMAND_DEFAULT_CONFIG "]\n"
	"  -m, --mailbox ADDRESS  the login, such as sales1@acme.com\n";

static void copy_to_stdout(int fd)
{
	char block[4096];
	ssize_t len;

	while ((len = read(fd, block, sizeof(block))) > 0) {
		fwrite(block, 1, (size_t)len, stdout);
		fflush(stdout);
	}
	close(fd);
}

int command_trace(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "mailbox", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config = COMMAND_DEFAULT_CONFIG;
	const char *mailbox = "";
	struct strbuf request = STRBUF_INIT(1024);
	struct error err = { "" };
	struct settings *settings;
	int option, fd;

	while ((option = getopt_long(argc, argv, "c:m:h", options, NULL)) !=
	       -1) {
		switch (option) {
		case 'c':
			config = optarg;
			break;
		case 'm':
			mailbox = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return COMMAND_OK;
		default:
			fputs(usage, stderr);
			return COMMAND_MISUSED;
		}
	}
	settings = command_load_settings(config);
	if (settings == NULL) {
		return COMMAND_FAILED;
	}
	strbuf_add_str(&request, "trace ");
	for (const char *c = mailbox; *c != '\0'; c++) {
		strbuf_add_char(&request, ascii_lower(*c));
	}
	fd = control_ask(settings, strbuf_cstr(&request), &err);
	strbuf_finish(&request);
	settings_unref(&settings);
	if (fd < 0) {
		return command_fail("trace", "%s", err.text);
	}
	copy_to_stdout(fd);
	fputs("posternd ended\n", stderr);
	return COMMAND_OK;
}
