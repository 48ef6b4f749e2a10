/* postern check: is the configuration good, and does this machine have what
   it names? Reads, never changes. */
#include "cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/redis_address.h"

static const char usage[] =
	"usage: postern check [-c FILE]\n"
	"\n"
	"Read a configuration and say every fault as `file:line: what, hint`,\n"
	"then see whether the files and directories it names are there.\n"
	"Exits with 0 when all is well, 1 when not.\n"
	"\n"
	"  -c, --config FILE  configuration [" COMMAND_DEFAULT_CONFIG "]\n";

struct findings {
	const char *file;
	unsigned int count;
};

static void find(struct findings *f, const char *what, const char *path,
		 const char *hint)
{
	f->count++;
	fprintf(stderr, "%s:0: %s %s: %s, %s\n", f->file, what, path,
		strerror(errno), hint);
}

static void check_files(const struct settings *s, struct findings *f)
{
	for (size_t i = 0; i < s->certificate_count; i++) {
		const struct certificate *c = &s->certificates[i];

		if (access(c->chain_file, R_OK) < 0) {
			find(f, "certificate", c->chain_file,
			     "`postern init` can make a self-signed one");
		}
		if (access(c->key_file, R_OK) < 0) {
			find(f, "key", c->key_file,
			     "posternd's user must be able to read it");
		}
	}
	for (size_t i = 0; i < s->provider_count; i++) {
		const char *ca = s->providers[i].ca_file;

		if (ca != NULL && access(ca, R_OK) < 0) {
			find(f, "ca_file", ca,
			     "leave it out to trust the "
			     "system's authorities");
		}
	}
	if (access(s->inspector.program, X_OK) < 0) {
		find(f, "inspector", s->inspector.program,
		     "set inspector { program } to where it is installed");
	}
	if (access(s->queue.event_key_file, R_OK) < 0) {
		find(f, "event_key_file", s->queue.event_key_file,
		     "`postern init` makes one");
	}
}

static void check_directories(const struct settings *s, struct findings *f)
{
	const char *dirs[] = { s->state_dir, s->queue.journal_dir };
	struct stat info;

	for (size_t i = 0; i < N_ELEMENTS(dirs); i++) {
		/* A missing one is made at start. */
		if (stat(dirs[i], &info) < 0) {
			continue;
		}
		if (!S_ISDIR(info.st_mode)) {
			errno = ENOTDIR;
			find(f, "directory", dirs[i], "name another");
		}
	}
}

static void check_queue(const struct settings *s, struct findings *f)
{
	struct redis_address address;
	struct error err;

	if (redis_address_parse(s->queue.redis, &address, &err) < 0) {
		f->count++;
		fprintf(stderr, "%s:0: %s\n", f->file, err.text);
	}
}

static void check_host(const struct service_settings *service,
		       struct findings *f)
{
	struct addrinfo *found = NULL;
	int status;

	if (service->host == NULL) {
		return;
	}
	status = getaddrinfo(service->host, NULL, NULL, &found);
	if (status != 0) {
		f->count++;
		fprintf(stderr,
			"%s:0: host %s: %s, check the name and this "
			"machine's DNS\n",
			f->file, service->host, gai_strerror(status));
		return;
	}
	freeaddrinfo(found);
}

int command_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct findings f = { .file = COMMAND_DEFAULT_CONFIG };
	struct settings *settings;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c') {
			f.file = optarg;
		} else if (option == 'h') {
			fputs(usage, stdout);
			return COMMAND_OK;
		} else {
			fputs(usage, stderr);
			return COMMAND_MISUSED;
		}
	}
	settings = command_load_settings(f.file);
	if (settings == NULL) {
		return COMMAND_FAILED;
	}
	check_files(settings, &f);
	check_directories(settings, &f);
	check_queue(settings, &f);
	for (size_t i = 0; i < settings->provider_count; i++) {
		check_host(&settings->providers[i].imap, &f);
		check_host(&settings->providers[i].smtp, &f);
	}
	if (f.count == 0) {
		printf("%s: good: %zu listeners, %zu providers, %zu "
		       "organizations\n",
		       f.file, settings->listener_count,
		       settings->provider_count, settings->organization_count);
	}
	settings_unref(&settings);
	return f.count == 0 ? COMMAND_OK : COMMAND_FAILED;
}
