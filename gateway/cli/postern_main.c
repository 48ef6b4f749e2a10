/* postern: the command line. One row per command; each is a file. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static const struct command commands[] = {
	{ "check", command_check, "say what is wrong with a configuration" },
	{ "contacts", command_contacts,
	  "list, show or export what was learned" },
	{ "db", command_db, "migrate or check the database" },
	{ "extract", command_extract, "show the contacts one message teaches" },
	{ "init", command_init, "write a configuration to start from" },
	{ "status", command_status, "show the running gateway" },
	{ "trace", command_trace, "follow the sessions of one mailbox, live" },
};

static void print_usage(FILE *out)
{
	fputs("usage: postern COMMAND [ARGUMENT ...]\n\n", out);
	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		fprintf(out, "  %-10s %s\n", commands[i].name,
			commands[i].summary);
	}
	fputs("\n`postern COMMAND --help` says more; so does postern(1).\n",
	      out);
}

/* What was printed must have arrived: an export to a full disk is none. */
static int finish(char **argv, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout)) {
		return status;
	}
	return status == COMMAND_OK
		       ? command_fail(argv[1], "cannot write the output")
		       : status;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return COMMAND_MISUSED;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_usage(stdout);
		return finish(argv, COMMAND_OK);
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("postern " POSTERN_VERSION);
		return finish(argv, COMMAND_OK);
	}
	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		if (strcmp(commands[i].name, argv[1]) == 0) {
			return finish(argv,
				      commands[i].run(argc - 1, argv + 1));
		}
	}
	fprintf(stderr, "postern: no command \"%s\"\n\n", argv[1]);
	print_usage(stderr);
	return COMMAND_MISUSED;
}
