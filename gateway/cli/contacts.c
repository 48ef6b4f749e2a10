/* postern contacts: what was learned, as it stands in PostgreSQL. */
#include "cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/card.h"
#include "lib/xalloc.h"
#include "writer/database.h"

/* Cards are fetched by so many, so that a large organization fits. */
#define PAGE_ROWS      1000
#define PAGE_ROWS_TEXT "1000"

static const char usage[] =
	"usage: postern contacts list [OPTION ...]\n"
	"       postern contacts show ADDRESS [OPTION ...]\n"
	"       postern contacts export [--format csv|json|vcard] "
	"[OPTION ...]\n"
	"\n"
	"  -c, --config FILE        configuration [" COMMAND_DEFAULT_CONFIG
	"]\n"
	"  -o, --organization NAME  whose contacts; not needed when there is "
	"one\n"
	"  -f, --format FORMAT      of export [csv]\n";

struct arguments {
	const char *config;
	const char *organization;
	const char *format;
	/* For show. */
	const char *address;
};

struct contacts {
	struct database *database;
	const struct arguments *arguments;
	struct error err;
};

#define CARD_COLUMNS                                                           \
	"email, name, title, company, postal_address, "                        \
	"to_char(first_seen AT TIME ZONE 'UTC', "                              \
	"'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), "                                  \
	"to_char(last_seen AT TIME ZONE 'UTC', "                               \
	"'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), "                                  \
	"sighting_count, phones, urls"

typedef void card_writer(FILE *out, const struct card *card);

static json_t *array_of(const char *text)
{
	json_t *array = text == NULL ? NULL : json_loads(text, 0, NULL);

	return array == NULL ? json_array() : array;
}

static void write_row(const struct database_result *result, size_t row,
		      card_writer *write)
{
	json_t *phones = array_of(database_value(result, row, 8));
	json_t *urls = array_of(database_value(result, row, 9));
	struct card card = {
		.email = database_value(result, row, 0),
		.name = database_value(result, row, 1),
		.title = database_value(result, row, 2),
		.company = database_value(result, row, 3),
		.postal_address = database_value(result, row, 4),
		.first_seen = database_value(result, row, 5),
		.last_seen = database_value(result, row, 6),
		.sightings = database_value(result, row, 7),
		.phones = phones,
		.urls = urls,
	};

	write(stdout, &card);
	json_decref(phones);
	json_decref(urls);
}

/* Write all contacts in the order of addresses. Return how many, or -1. */
static long write_all(struct contacts *contacts, card_writer *write)
{
	char *after = xstrdup("");
	long total = 0;

	for (;;) {
		const char *values[] = { after };
		struct database_result *result = NULL;
		size_t rows;

		if (database_run(contacts->database,
				 "SELECT " CARD_COLUMNS " FROM contact_card "
				 "WHERE email > $1 ORDER BY email "
				 "LIMIT " PAGE_ROWS_TEXT,
				 1, values, &result,
				 &contacts->err) != DATABASE_DONE) {
			free(after);
			return -1;
		}
		rows = database_rows(result);
		for (size_t row = 0; row < rows; row++) {
			write_row(result, row, write);
		}
		total += (long)rows;
		if (rows > 0) {
			free(after);
			after = xstrdup(database_value(result, rows - 1, 0));
		}
		database_result_free(&result);
		if (rows < PAGE_ROWS) {
			free(after);
			return total;
		}
	}
}

/* --- list -------------------------------------------------------------- */

static void print_column(const char *text, size_t width)
{
	size_t used = card_print_clean(stdout, text, width);

	printf("%*s", (int)(width - used) + 2, "");
}

static void write_list_line(FILE *out, const struct card *card)
{
	const char *kind;
	const char *phone = card_phone(card, 0, &kind);

	(void)out;
	fputs(command_colour(COLOUR_BOLD), stdout);
	print_column(card->name, 24);
	fputs(command_colour(COLOUR_NONE), stdout);
	print_column(card->email, 32);
	print_column(card->title, 22);
	print_column(card->company, 22);
	print_column(phone, 16);
	printf("%.10s  %.10s %5s\n", card->first_seen, card->last_seen,
	       card->sightings);
}

static int list(struct contacts *contacts)
{
	long count;

	printf("%s%-24s  %-32s  %-22s  %-22s  %-16s  %-10s  %-10s %5s%s\n",
	       command_colour(COLOUR_DIM), "NAME", "ADDRESS", "TITLE",
	       "COMPANY", "PHONE", "FIRST", "LAST", "MAILS",
	       command_colour(COLOUR_NONE));
	count = write_all(contacts, write_list_line);
	if (count < 0) {
		return command_fail("contacts", "%s", contacts->err.text);
	}
	printf("%ld contacts\n", count);
	return COMMAND_OK;
}

/* --- show -------------------------------------------------------------- */

/* All values ever given, the winners among them, with their dates. */
static int print_history(struct contacts *contacts)
{
	const char *values[] = { contacts->arguments->address };
	struct database_result *result = NULL;

	if (database_run(contacts->database,
			 "SELECT f.kind, f.value, f.source, "
			 "to_char(f.first_seen, 'YYYY-MM-DD'), "
			 "to_char(f.last_seen, 'YYYY-MM-DD') "
			 "FROM contact_field f JOIN contact c "
			 "USING (organization_id, contact_id) "
			 "WHERE c.email = $1 ORDER BY f.kind, f.rank DESC, "
			 "f.last_seen DESC, f.value",
			 1, values, &result, &contacts->err) != DATABASE_DONE) {
		return command_fail("contacts", "%s", contacts->err.text);
	}
	if (database_rows(result) > 0) {
		puts("\n  every value, best first:");
	}
	for (size_t row = 0; row < database_rows(result); row++) {
		printf("  %-14s ", database_value(result, row, 0));
		print_column(database_value(result, row, 1), 40);
		printf("%-9s  %s to %s\n", database_value(result, row, 2),
		       database_value(result, row, 3),
		       database_value(result, row, 4));
	}
	database_result_free(&result);
	return COMMAND_OK;
}

static int show(struct contacts *contacts)
{
	const char *values[] = { contacts->arguments->address };
	struct database_result *result = NULL;
	size_t rows;

	if (database_run(contacts->database,
			 "SELECT " CARD_COLUMNS " FROM contact_card "
			 "WHERE email = $1",
			 1, values, &result, &contacts->err) != DATABASE_DONE) {
		return command_fail("contacts", "%s", contacts->err.text);
	}
	rows = database_rows(result);
	if (rows > 0) {
		write_row(result, 0, card_write_text);
	}
	database_result_free(&result);
	if (rows == 0) {
		return command_fail("contacts", "no contact with address %s",
				    contacts->arguments->address);
	}
	return print_history(contacts);
}

/* --- export ------------------------------------------------------------ */

static const struct {
	const char *name;
	void (*head)(FILE *out);
	card_writer *write;
} formats[] = {
	{ "csv", card_write_csv_head, card_write_csv },
	{ "json", NULL, card_write_json },
	{ "vcard", NULL, card_write_vcard },
};

static int export(struct contacts *contacts)
{
	for (size_t i = 0; i < N_ELEMENTS(formats); i++) {
		if (strcmp(formats[i].name, contacts->arguments->format) != 0) {
			continue;
		}
		if (formats[i].head != NULL) {
			formats[i].head(stdout);
		}
		if (write_all(contacts, formats[i].write) < 0) {
			return command_fail("contacts", "%s",
					    contacts->err.text);
		}
		return COMMAND_OK;
	}
	return command_fail("contacts", "no format \"%s\": csv, json or vcard",
			    contacts->arguments->format);
}

/* --- from the command line --------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(struct contacts *contacts);
	bool needs_address;
} verbs[] = {
	{ "list", list, false },
	{ "show", show, true },
	{ "export", export, false },
};

/* The organization that is named, or the only one. NULL after saying so. */
static const struct organization *
choose_organization(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->organization_count; i++) {
		const struct organization *one = &settings->organizations[i];

		if (name == NULL ? settings->organization_count == 1
				 : strcmp(one->name, name) == 0) {
			return one;
		}
	}
	command_fail("contacts",
		     name == NULL ? "say which --organization"
				  : "no such organization is configured");
	return NULL;
}

/* A pager may stand still for an hour between two pages. */
static enum database_outcome allow_pauses(struct contacts *contacts)
{
	return database_run(
		contacts->database,
		"SELECT set_config('idle_in_transaction_session_timeout', "
		"'0', true)",
		0, NULL, NULL, &contacts->err);
}

static int run_verb(size_t verb, const struct settings *settings,
		    const struct arguments *arguments)
{
	const struct organization *organization =
		choose_organization(settings, arguments->organization);
	struct contacts contacts = { .arguments = arguments };
	int status;

	if (organization == NULL) {
		return COMMAND_FAILED;
	}
	contacts.database = database_open(settings->database.console,
					  "postern contacts", &contacts.err);
	if (contacts.database == NULL ||
	    database_begin(contacts.database, organization->id,
			   &contacts.err) != DATABASE_DONE ||
	    allow_pauses(&contacts) != DATABASE_DONE) {
		status = command_fail("contacts", "%s", contacts.err.text);
	} else {
		status = verbs[verb].run(&contacts);
		database_rollback(contacts.database);
	}
	database_close(&contacts.database);
	return fflush(stdout) == 0 ? status
				   : command_fail("contacts", "cannot write");
}

static int find_verb(int argc, char **argv, struct arguments *arguments)
{
	for (size_t i = 0; argc > 0 && i < N_ELEMENTS(verbs); i++) {
		struct settings *settings;
		int status;

		if (strcmp(verbs[i].name, argv[0]) != 0 ||
		    argc != (verbs[i].needs_address ? 2 : 1)) {
			continue;
		}
		arguments->address = argv[1];
		settings = command_load_settings(arguments->config);
		if (settings == NULL) {
			return COMMAND_FAILED;
		}
		status = run_verb(i, settings, arguments);
		settings_unref(&settings);
		return status;
	}
	fputs(usage, stderr);
	return COMMAND_MISUSED;
}

int command_contacts(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "organization", required_argument, NULL, 'o' },
		{ "format", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct arguments arguments = {
		.config = COMMAND_DEFAULT_CONFIG,
		.format = "csv",
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:o:f:h", options, NULL)) !=
	       -1) {
		switch (option) {
		case 'c':
			arguments.config = optarg;
			break;
		case 'o':
			arguments.organization = optarg;
			break;
		case 'f':
			arguments.format = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return COMMAND_OK;
		default:
			fputs(usage, stderr);
			return COMMAND_MISUSED;
		}
	}
	return find_verb(argc - optind, argv + optind, &arguments);
}
