/* conf_print: postern.conf in words: every setting with its default and what
   it is for, from the one table. */
#ifndef POSTERN_CLI_CONF_PRINT_H
#define POSTERN_CLI_CONF_PRINT_H

#include <stdio.h>

/* What the file says beside the defaults. */
struct conf_choice {
	const char *dir;
	/* NULL: the default. */
	const char *state_dir;
	/* NULL: the default. */
	const char *user;
	const char *chain_file;
	const char *key_file;
	/* "generic", "gmail", ... */
	const char *preset;
	/* Host of both services; NULL: the preset's. */
	const char *imap_host;
	const char *smtp_host;
	/* NULL: an example, commented out. */
	const char *organization;
	const char *domain;
};

void conf_print(const struct conf_choice *choice, FILE *out);

#endif
