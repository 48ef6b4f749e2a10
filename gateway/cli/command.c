/* command: what the commands share. */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void report(void *context, bool is_error, const char *file,
		   unsigned int line, const char *text)
{
	(void)context;
	fprintf(stderr, "%s:%u: %s%s\n", file, line,
		is_error ? "" : "warning: ", text);
}

struct settings *command_load_settings(const char *path)
{
	return settings_load(path, report, NULL);
}

int command_fail(const char *name, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "postern %s: ", name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return COMMAND_FAILED;
}

const char *command_colour(enum command_colour colour)
{
	static const char *const codes[] = {
		"\033[0m",  "\033[1m",	"\033[2m",
		"\033[31m", "\033[32m", "\033[33m"
	};

	/* https://no-color.org, without the link: an environment variable
	   that terminals' users agree on. */
	if (!isatty(STDOUT_FILENO) || getenv("NO_COLOR") != NULL) {
		return "";
	}
	return codes[colour];
}
