/* command: what the commands of `postern` share: the table row, the
   configuration they read, how they fail. */
#ifndef POSTERN_CLI_COMMAND_H
#define POSTERN_CLI_COMMAND_H

#include "config/settings.h"

#define COMMAND_DEFAULT_CONFIG POSTERN_SYSCONFDIR "/postern.conf"

/* Exit statuses: done; could not; called wrongly. */
#define COMMAND_OK	0
#define COMMAND_FAILED	1
#define COMMAND_MISUSED 2

struct command {
	const char *name;
	/* argv[0] is the command's name. Returns an exit status. */
	int (*run)(int argc, char **argv);
	const char *summary;
};

/* One function per row of the table in postern_main.c. */
int command_check(int argc, char **argv);
int command_contacts(int argc, char **argv);
int command_db(int argc, char **argv);
int command_extract(int argc, char **argv);
int command_init(int argc, char **argv);
int command_status(int argc, char **argv);
int command_trace(int argc, char **argv);

/* Read the configuration, saying every fault on standard error as
   "file:line: what, hint". NULL after saying so. */
struct settings *command_load_settings(const char *path);

/* Print "postern NAME: text" on standard error; return COMMAND_FAILED. */
int command_fail(const char *name, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Escape codes when standard output is a terminal, else "". */
enum command_colour {
	COLOUR_NONE,
	COLOUR_BOLD,
	COLOUR_DIM,
	COLOUR_RED,
	COLOUR_GREEN,
	COLOUR_YELLOW,
};
const char *command_colour(enum command_colour colour);

#endif
