/* postern init: everything posternd needs to start the first time. Never
   overwrites what is there. */
#include "cli/command.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/conf_print.h"
#include "cli/self_signed.h"
#include "lib/hash.h"
#include "lib/xalloc.h"

#define SELF_SIGNED_DAYS 825
#define EVENT_KEY_SIZE	 32
#define DEFAULT_USER	 "postern"

static const char usage[] =
	"usage: postern init [OPTION ...]\n"
	"\n"
	"Write a commented postern.conf, a certificate when none is given, "
	"the\n"
	"event key and the directories. Existing files are left as they are.\n"
	"\n"
	"      --dir DIR            where to write [" POSTERN_SYSCONFDIR "]\n"
	"      --state-dir DIR      state directory [" POSTERN_STATEDIR "]\n"
	"      --user USER          who posternd runs as [postern]\n"
	"      --hostname NAME      name of the certificate [this machine's]\n"
	"      --chain FILE --key FILE  use this certificate\n"
	"      --preset NAME        generic, dovecot, gmail, microsoft365\n"
	"      --imap-host HOST     the provider's IMAP host\n"
	"      --smtp-host HOST     the provider's submission host\n"
	"      --organization NAME --domain DOMAIN  the first organization\n"
	"      --print              only print the configuration\n";

struct init_options {
	struct conf_choice choice;
	const char *user;
	const char *host_name;
	bool print_only;
	/* Paths that were given relative, made absolute; NULL: the others. */
	char *absolute[4];
};

enum option_key {
	OPT_DIR = 256,
	OPT_STATE_DIR,
	OPT_USER,
	OPT_HOSTNAME,
	OPT_CHAIN,
	OPT_KEY,
	OPT_PRESET,
	OPT_IMAP_HOST,
	OPT_SMTP_HOST,
	OPT_ORGANIZATION,
	OPT_DOMAIN,
	OPT_PRINT,
};

static const struct option long_options[] = {
	{ "dir", required_argument, NULL, OPT_DIR },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "user", required_argument, NULL, OPT_USER },
	{ "hostname", required_argument, NULL, OPT_HOSTNAME },
	{ "chain", required_argument, NULL, OPT_CHAIN },
	{ "key", required_argument, NULL, OPT_KEY },
	{ "preset", required_argument, NULL, OPT_PRESET },
	{ "imap-host", required_argument, NULL, OPT_IMAP_HOST },
	{ "smtp-host", required_argument, NULL, OPT_SMTP_HOST },
	{ "organization", required_argument, NULL, OPT_ORGANIZATION },
	{ "domain", required_argument, NULL, OPT_DOMAIN },
	{ "print", no_argument, NULL, OPT_PRINT },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Where an option's argument goes; NULL for those without. */
static const char **option_target(struct init_options *o, int option)
{
	switch (option) {
	case OPT_DIR:
		return &o->choice.dir;
	case OPT_STATE_DIR:
		return &o->choice.state_dir;
	case OPT_USER:
		return &o->user;
	case OPT_HOSTNAME:
		return &o->host_name;
	case OPT_CHAIN:
		return &o->choice.chain_file;
	case OPT_KEY:
		return &o->choice.key_file;
	case OPT_PRESET:
		return &o->choice.preset;
	case OPT_IMAP_HOST:
		return &o->choice.imap_host;
	case OPT_SMTP_HOST:
		return &o->choice.smtp_host;
	case OPT_ORGANIZATION:
		return &o->choice.organization;
	case OPT_DOMAIN:
		return &o->choice.domain;
	default:
		return NULL;
	}
}

/* As mkdir -p: what is missing above it is made readable for all. */
static int make_directory(const char *path, mode_t mode)
{
	char *parent = xstrdup(path);
	int status = COMMAND_OK;

	for (char *slash = strchr(parent + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(parent, 0755);
		*slash = '/';
	}
	free(parent);
	if (mkdir(path, mode) < 0 && errno != EEXIST) {
		status = command_fail("init", "%s: %s", path, strerror(errno));
	}
	return status;
}

/* posternd writes its journal there as its own user. */
static int make_state_directory(const char *path, const char *user)
{
	const struct passwd *entry = getpwnam(user);

	if (make_directory(path, 0750) != COMMAND_OK) {
		return COMMAND_FAILED;
	}
	if (entry != NULL && geteuid() == 0 &&
	    chown(path, entry->pw_uid, entry->pw_gid) < 0) {
		return command_fail("init", "%s: %s", path, strerror(errno));
	}
	return COMMAND_OK;
}

/* What posternd must read belongs to its group; when there is no such user
   yet, packaging or `systemd-sysusers` will make it. */
static void give_to_group(const char *path, const char *user)
{
	const struct passwd *entry = getpwnam(user);

	if (entry == NULL || geteuid() != 0) {
		return;
	}
	if (chown(path, 0, entry->pw_gid) < 0) {
		fprintf(stderr, "postern init: %s: group: %s\n", path,
			strerror(errno));
	}
}

static int write_event_key(const char *path, const char *user)
{
	unsigned char key[EVENT_KEY_SIZE];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	ssize_t len;

	if (fd < 0) {
		return errno == EEXIST ? COMMAND_OK
				       : command_fail("init", "%s: %s", path,
						      strerror(errno));
	}
	hash_random(key, sizeof(key));
	len = write(fd, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	if (close(fd) < 0 || len != (ssize_t)sizeof(key)) {
		unlink(path);
		return command_fail("init", "%s: cannot be written", path);
	}
	give_to_group(path, user);
	printf("wrote %s\n", path);
	return COMMAND_OK;
}

static int write_certificate(struct init_options *o)
{
	struct error err = { "" };
	char host[256];

	if (access(o->choice.chain_file, F_OK) == 0 &&
	    access(o->choice.key_file, F_OK) == 0) {
		return COMMAND_OK;
	}
	if (o->host_name == NULL) {
		if (gethostname(host, sizeof(host)) < 0) {
			snprintf(host, sizeof(host), "localhost");
		}
		host[sizeof(host) - 1] = '\0';
		o->host_name = host;
	}
	if (self_signed_write(o->host_name, SELF_SIGNED_DAYS,
			      o->choice.chain_file, o->choice.key_file,
			      &err) < 0) {
		return command_fail("init", "%s", err.text);
	}
	give_to_group(o->choice.key_file, o->user);
	printf("wrote %s and its key: self-signed for %s, mail programs will "
	       "ask about it\n",
	       o->choice.chain_file, o->host_name);
	return COMMAND_OK;
}

static int write_conf(const struct init_options *o)
{
	char *path = xasprintf("%s/postern.conf", o->choice.dir);
	FILE *file = fopen(path, "wxe");
	int status = COMMAND_OK;

	if (file == NULL && errno == EEXIST) {
		printf("%s is there, left as it is\n", path);
	} else if (file == NULL) {
		status = command_fail("init", "%s: %s", path, strerror(errno));
	} else {
		conf_print(&o->choice, file);
		if (fclose(file) != 0) {
			status = command_fail("init", "%s: %s", path,
					      strerror(errno));
		} else {
			printf("wrote %s: read it, then `postern check -c "
			       "%s`\n",
			       path, path);
		}
		if (chmod(path, 0640) == 0) {
			give_to_group(path, o->user);
		}
	}
	free(path);
	return status;
}

static int init(struct init_options *o)
{
	char *tls = xasprintf("%s/tls", o->choice.dir);
	char *chain = xasprintf("%s/chain.pem", tls);
	char *key = xasprintf("%s/key.pem", tls);
	char *event_key = xasprintf("%s/event.key", o->choice.dir);
	bool given = o->choice.chain_file != NULL;
	const char *state_dir = o->choice.state_dir == NULL
					? POSTERN_STATEDIR
					: o->choice.state_dir;
	int status = COMMAND_OK;

	if (!given) {
		o->choice.chain_file = chain;
		o->choice.key_file = key;
	}
	if (o->print_only) {
		conf_print(&o->choice, stdout);
	} else if (make_directory(o->choice.dir, 0755) != COMMAND_OK ||
		   make_directory(tls, 0755) != COMMAND_OK ||
		   make_state_directory(state_dir, o->user) != COMMAND_OK ||
		   (!given && write_certificate(o) != COMMAND_OK) ||
		   write_event_key(event_key, o->user) != COMMAND_OK ||
		   write_conf(o) != COMMAND_OK) {
		status = COMMAND_FAILED;
	}
	free(tls);
	free(chain);
	free(key);
	free(event_key);
	return status;
}

/* The file is read by a service that starts somewhere else. */
static int make_absolute(struct init_options *o)
{
	const char **const paths[] = { &o->choice.dir, &o->choice.state_dir,
				       &o->choice.chain_file,
				       &o->choice.key_file };
	char *here = getcwd(NULL, 0);

	static_assert(N_ELEMENTS(paths) == N_ELEMENTS(o->absolute), "paths");
	for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
		if (*paths[i] == NULL || (*paths[i])[0] == '/') {
			continue;
		}
		if (here == NULL) {
			command_fail("init", "%s: %s", *paths[i],
				     strerror(errno));
			return -1;
		}
		o->absolute[i] = xasprintf("%s/%s", here, *paths[i]);
		*paths[i] = o->absolute[i];
	}
	free(here);
	return 0;
}

/* Every value stands between quotation marks in the file. */
static bool choice_is_plain(const struct conf_choice *choice)
{
	const char *const values[] = {
		choice->dir,	    choice->state_dir, choice->user,
		choice->chain_file, choice->key_file,  choice->preset,
		choice->imap_host,  choice->smtp_host, choice->organization,
		choice->domain,
	};

	for (size_t i = 0; i < N_ELEMENTS(values); i++) {
		const char *c = values[i] == NULL ? "" : values[i];

		while ((unsigned char)*c >= ' ' &&
		       strchr("\"\\$", *c) == NULL) {
			c++;
		}
		if (*c != '\0') {
			command_fail("init",
				     "\"%s\": neither quotation marks, "
				     "backslashes, $ nor control "
				     "characters are possible",
				     values[i]);
			return false;
		}
	}
	return true;
}

static int check_and_init(struct init_options *o)
{
	if (make_absolute(o) < 0) {
		return COMMAND_FAILED;
	}
	if (strcmp(o->user, DEFAULT_USER) != 0) {
		o->choice.user = o->user;
	}
	if (!choice_is_plain(&o->choice)) {
		return COMMAND_MISUSED;
	}
	if ((o->choice.chain_file == NULL) != (o->choice.key_file == NULL)) {
		command_fail("init", "--chain and --key belong together");
		return COMMAND_MISUSED;
	}
	if (o->choice.domain != NULL && o->choice.organization == NULL) {
		o->choice.organization = o->choice.domain;
	}
	return init(o);
}

int command_init(int argc, char **argv)
{
	struct init_options o = {
		.choice = { .dir = POSTERN_SYSCONFDIR, .preset = "generic" },
		.user = DEFAULT_USER,
	};
	int option;
	int status;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) !=
	       -1) {
		const char **target = option_target(&o, option);

		if (target != NULL) {
			*target = optarg;
		} else if (option == OPT_PRINT) {
			o.print_only = true;
		} else if (option == 'h') {
			fputs(usage, stdout);
			return COMMAND_OK;
		} else {
			fputs(usage, stderr);
			return COMMAND_MISUSED;
		}
	}
	status = check_and_init(&o);
	for (size_t i = 0; i < N_ELEMENTS(o.absolute); i++) {
		free(o.absolute[i]);
	}
	return status;
}
