/* postern db: bring the database's schema up to date, or say how it is. */
#include "cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/schema_files.h"
#include "writer/database.h"

#define SCHEMA_DIR POSTERN_DATADIR "/schema"

/* Two migrations at once wait for each other. Any number; ours. */
#define LOCK_SCHEMA "SELECT pg_advisory_xact_lock(7305810324711)"

static const char usage[] =
	"usage: postern db migrate|check [-c FILE] [--schema DIR]\n"
	"\n"
	"migrate  apply the files of the schema that are not applied yet, as\n"
	"         the role of database.owner, which must be allowed to create\n"
	"         roles\n"
	"check    say which are applied, and if the roles are as they should\n"
	"\n"
	"  -c, --config FILE  configuration [" COMMAND_DEFAULT_CONFIG "]\n"
	"      --schema DIR   files of the schema [" SCHEMA_DIR "]\n";

/* What the database says of one version. */
enum applied {
	NOT_APPLIED,
	APPLIED,
	/* By a file with other content. */
	DIFFERS,
	UNKNOWN,
};

static enum applied ask_applied(struct database *database,
				const struct schema_file *file,
				struct error *err)
{
	struct database_result *result = NULL;
	char version[16];
	const char *values[] = { version };
	enum applied applied = UNKNOWN;

	snprintf(version, sizeof(version), "%u", file->version);
	/* Before the first file there is no table to ask. */
	if (database_run(database,
			 "SELECT to_regclass('postern.schema_version')", 0,
			 NULL, &result, err) != DATABASE_DONE) {
		return UNKNOWN;
	}
	if (database_value(result, 0, 0) == NULL) {
		database_result_free(&result);
		return NOT_APPLIED;
	}
	database_result_free(&result);
	if (database_run(database,
			 "SELECT sha256 FROM postern.schema_version "
			 "WHERE version = $1::integer",
			 1, values, &result, err) != DATABASE_DONE) {
		return UNKNOWN;
	}
	if (database_rows(result) == 0) {
		applied = NOT_APPLIED;
	} else {
		applied =
			strcmp(database_value(result, 0, 0), file->sha256) == 0
				? APPLIED
				: DIFFERS;
	}
	database_result_free(&result);
	return applied;
}

/* In a transaction that holds the lock. Return 1 when the file was applied
   now, 0 when it was before, -1. */
static int apply_locked(struct database *database,
			const struct schema_file *file, struct error *err)
{
	char version[16];
	const char *values[] = { version, file->name, file->sha256 };

	switch (ask_applied(database, file, err)) {
	case APPLIED:
		return 0;
	case DIFFERS:
		return error_set(err,
				 "%s is not the file that was applied: a file "
				 "never changes once it was; write a new one",
				 file->name);
	case UNKNOWN:
		return -1;
	case NOT_APPLIED:
		break;
	}
	snprintf(version, sizeof(version), "%u", file->version);
	if (database_run_script(database, file->text, err) != DATABASE_DONE ||
	    database_run(database,
			 "INSERT INTO postern.schema_version "
			 "(version, file, sha256) VALUES ($1::integer, $2, $3)",
			 3, values, NULL, err) != DATABASE_DONE) {
		return error_prefix(err, "%s", file->name);
	}
	return 1;
}

static int apply(struct database *database, const struct schema_file *file,
		 struct error *err)
{
	int status;

	if (database_run(database, "BEGIN", 0, NULL, NULL, err) !=
		    DATABASE_DONE ||
	    database_run(database, LOCK_SCHEMA, 0, NULL, NULL, err) !=
		    DATABASE_DONE) {
		return -1;
	}
	status = apply_locked(database, file, err);
	if (status > 0) {
		return database_commit(database, err) == DATABASE_DONE ? 1 : -1;
	}
	database_rollback(database);
	return status;
}

/* In any other encoding there are names that cannot be stored: their records
   would be dead letters, long after. */
static int check_encoding(struct database *database, struct error *err)
{
	struct database_result *result = NULL;
	int status = 0;

	if (database_run(database, "SELECT current_setting('server_encoding')",
			 0, NULL, &result, err) != DATABASE_DONE) {
		return -1;
	}
	if (strcmp(database_value(result, 0, 0), "UTF8") != 0) {
		status = error_set(err,
				   "this database is in %s, and contacts have "
				   "names in every script: createdb "
				   "--encoding=UTF8 --template=template0",
				   database_value(result, 0, 0));
	}
	database_result_free(&result);
	return status;
}

static int migrate(struct database *database, const struct schema_files *files)
{
	struct error err = { "" };
	size_t applied = 0;

	if (check_encoding(database, &err) < 0) {
		return command_fail("db", "%s", err.text);
	}
	/* An index over a large table takes its time. */
	if (database_run(database,
			 "SELECT set_config('statement_timeout', '0', false), "
			 "set_config('idle_in_transaction_session_timeout', "
			 "'0', false)",
			 0, NULL, NULL, &err) != DATABASE_DONE) {
		return command_fail("db", "%s", err.text);
	}
	for (size_t i = 0; i < files->count; i++) {
		int status = apply(database, &files->items[i], &err);

		if (status < 0) {
			return command_fail("db", "%s", err.text);
		}
		if (status > 0) {
			printf("applied %s\n", files->items[i].name);
			applied++;
		}
	}
	printf("schema version %zu, %zu files applied now\n", files->count,
	       applied);
	return COMMAND_OK;
}

static int check_files(struct database *database,
		       const struct schema_files *files)
{
	static const char *const words[] = {
		[NOT_APPLIED] = "missing",
		[APPLIED] = "applied",
		[DIFFERS] = "differs from the file",
	};
	int status = COMMAND_OK;

	for (size_t i = 0; i < files->count; i++) {
		const struct schema_file *file = &files->items[i];
		struct error err = { "" };
		enum applied applied = ask_applied(database, file, &err);

		if (applied == UNKNOWN) {
			return command_fail("db", "%s", err.text);
		}
		printf("%s%-28s %s%s\n",
		       command_colour(applied == APPLIED ? COLOUR_GREEN
							 : COLOUR_RED),
		       file->name, words[applied], command_colour(COLOUR_NONE));
		if (applied != APPLIED) {
			status = COMMAND_FAILED;
		}
	}
	if (status == COMMAND_FAILED) {
		command_fail("db", "not up to date: run postern db migrate");
	}
	return status;
}

/* What would make row level security a decoration. */
static const struct {
	const char *query;
	const char *complaint;
} lints[] = {
	{ "SELECT rolname FROM pg_roles WHERE rolname IN ('postern_gateway', "
	  "'postern_writer', 'postern_console', 'postern_owner') "
	  "AND (rolsuper OR rolbypassrls OR rolcreaterole)",
	  "role may pass row level security by" },
	{ "SELECT rolname FROM pg_roles WHERE rolname = 'postern_owner' "
	  "AND rolcanlogin",
	  "role owns the tables and must not log in" },
	{ "SELECT c.relname FROM pg_class c JOIN pg_namespace n "
	  "ON n.oid = c.relnamespace WHERE n.nspname = 'postern' "
	  "AND c.relkind IN ('r', 'p') "
	  "AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
	  "table is without forced row level security" },
};

static int check_lints(struct database *database)
{
	int status = COMMAND_OK;

	for (size_t i = 0; i < N_ELEMENTS(lints); i++) {
		struct database_result *result = NULL;
		struct error err = { "" };

		if (database_run(database, lints[i].query, 0, NULL, &result,
				 &err) != DATABASE_DONE) {
			return command_fail("db", "%s", err.text);
		}
		for (size_t row = 0; row < database_rows(result); row++) {
			status = command_fail("db", "%s: %s",
					      database_value(result, row, 0),
					      lints[i].complaint);
		}
		database_result_free(&result);
	}
	return status;
}

static int check(struct database *database, const struct schema_files *files)
{
	int status = check_files(database, files);
	int lint_status = check_lints(database);
	struct error err = { "" };

	if (check_encoding(database, &err) < 0) {
		return command_fail("db", "%s", err.text);
	}
	return status == COMMAND_OK ? lint_status : status;
}

static const struct {
	const char *name;
	int (*run)(struct database *database, const struct schema_files *files);
} verbs[] = {
	{ "migrate", migrate },
	{ "check", check },
};

static int run_verb(size_t verb, const char *conninfo, const char *dir)
{
	struct schema_files files;
	struct database *database;
	struct error err = { "" };
	int status;

	if (schema_files_load(dir, &files, &err) < 0) {
		return command_fail("db", "%s", err.text);
	}
	database = database_open(conninfo, "postern db", &err);
	if (database == NULL) {
		status = command_fail("db", "%s", err.text);
	} else {
		status = verbs[verb].run(database, &files);
	}
	database_close(&database);
	schema_files_finish(&files);
	return status;
}

static int find_verb(const char *config, const char *dir, const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(verbs); i++) {
		struct settings *settings;
		int status;

		if (strcmp(verbs[i].name, name) != 0) {
			continue;
		}
		settings = command_load_settings(config);
		if (settings == NULL) {
			return COMMAND_FAILED;
		}
		status = run_verb(i, settings->database.owner, dir);
		settings_unref(&settings);
		return status;
	}
	fputs(usage, stderr);
	return COMMAND_MISUSED;
}

int command_db(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "schema", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config = COMMAND_DEFAULT_CONFIG;
	const char *dir = SCHEMA_DIR;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			config = optarg;
			break;
		case 's':
			dir = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return COMMAND_OK;
		default:
			fputs(usage, stderr);
			return COMMAND_MISUSED;
		}
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return COMMAND_MISUSED;
	}
	return find_verb(config, dir, argv[optind]);
}
