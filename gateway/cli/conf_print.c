/* conf_print: what is chosen is written; everything else is there as a
   comment with its default, to be found where it belongs. */
#include "cli/conf_print.h"

#include "config/settings_table.h"

/* A value written instead of the default, in a section. */
struct chosen {
	const char *name;
	/* NULL: not chosen. */
	const char *value;
};

static void print_value(const struct setting *row, const char *value, FILE *out)
{
	bool list = row->kind == SETTING_TEXT_LIST ||
		    row->kind == SETTING_NETWORK_LIST ||
		    row->kind == SETTING_DOMAIN_LIST;
	bool quote =
		row->kind == SETTING_TEXT || row->kind == SETTING_OPTIONAL_TEXT;

	if (list) {
		fprintf(out, value[0] == '\0' ? "{}" : "{\"%s\"}", value);
	} else {
		fprintf(out, quote && row->choices == NULL ? "\"%s\"" : "%s",
			value);
	}
}

static const char *chosen_value(const struct chosen *chosen, size_t count,
				const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(chosen[i].name, name) == 0) {
			return chosen[i].value;
		}
	}
	return NULL;
}

static void print_rows(enum setting_section section,
		       const struct chosen *chosen, size_t count, FILE *out)
{
	const char *indent = section == SECTION_TOP ? "" : "\t";

	for (size_t i = 0; i < settings_table_count; i++) {
		const struct setting *row = &settings_table[i];
		const char *value;

		if (row->section != section) {
			continue;
		}
		value = chosen_value(chosen, count, row->name);
		fprintf(out, "%s# %s%s\n", indent, row->about,
			row->reload ? "" : " (Needs a restart.)");
		fprintf(out, "%s%s%s = ", indent, value == NULL ? "#" : "",
			row->name);
		print_value(row, value == NULL ? row->value : value, out);
		fputc('\n', out);
	}
}

static void print_section(enum setting_section section, const char *title,
			  const struct chosen *chosen, size_t count, FILE *out)
{
	const struct setting_section_info *info = &settings_sections[section];

	fprintf(out, "\n# %s\n%s%s%s%s {\n", info->about, info->name,
		title == NULL ? "" : " \"", title == NULL ? "" : title,
		title == NULL ? "" : "\"");
	print_rows(section, chosen, count, out);
	fputs("}\n", out);
}

/* Further listeners need no explanation again. */
static void print_listeners(FILE *out)
{
	static const struct chosen imaps[] = { { "protocol", "imap" },
					       { "tls", "implicit" } };

	print_section(SECTION_LISTENER, "imaps", imaps, N_ELEMENTS(imaps), out);
	fputs("listener \"imap\" {\n\tprotocol = imap\n\ttls = starttls\n}\n"
	      "listener \"submissions\" {\n\tprotocol = smtp\n"
	      "\ttls = implicit\n}\n"
	      "listener \"submission\" {\n\tprotocol = smtp\n"
	      "\ttls = starttls\n}\n",
	      out);
}

static void print_organization(const struct conf_choice *choice, FILE *out)
{
	const struct chosen chosen[] = { { "domains", choice->domain } };

	if (choice->domain != NULL) {
		print_section(SECTION_ORGANIZATION, choice->organization,
			      chosen, N_ELEMENTS(chosen), out);
		return;
	}
	fputs("\n# Without an organization mail is carried and nothing is "
	      "learnt:\n"
	      "#organization \"acme\" {\n"
	      "#\tdomains = {\"acme.com\"}\n"
	      "#\tregion = \"DE\"\n"
	      "#}\n",
	      out);
}

void conf_print(const struct conf_choice *choice, FILE *out)
{
	char event_key[4096];
	char journal[4096];
	const struct chosen certificate[] = {
		{ "chain", choice->chain_file },
		{ "key", choice->key_file },
	};
	const struct chosen provider[] = {
		{ "preset", choice->preset },
		{ "imap_host", choice->imap_host },
		{ "smtp_host", choice->smtp_host },
	};
	const struct chosen top[] = { { "user", choice->user },
				      { "state_dir", choice->state_dir },
				      { "default_provider", "main" } };
	const struct chosen queue[] = {
		{ "event_key_file", event_key },
		{ "journal_dir", choice->state_dir == NULL ? NULL : journal }
	};

	snprintf(event_key, sizeof(event_key), "%s/event.key", choice->dir);
	snprintf(journal, sizeof(journal), "%s/journal",
		 choice->state_dir == NULL ? "" : choice->state_dir);
	fputs("# postern.conf: every setting with its default; see "
	      "postern.conf(5).\n"
	      "# `postern check` says what is wrong with it; `systemctl "
	      "reload posternd`\n"
	      "# (SIGHUP) applies what can be applied while running.\n\n",
	      out);
	print_rows(SECTION_TOP, top, N_ELEMENTS(top), out);
	print_section(SECTION_CERTIFICATE, "default", certificate,
		      N_ELEMENTS(certificate), out);
	print_listeners(out);
	print_section(SECTION_PROVIDER, "main", provider, N_ELEMENTS(provider),
		      out);
	print_organization(choice, out);
	print_section(SECTION_LIMITS, NULL, NULL, 0, out);
	print_section(SECTION_MESSAGE, NULL, NULL, 0, out);
	print_section(SECTION_INSPECTOR, NULL, NULL, 0, out);
	print_section(SECTION_QUEUE, NULL, queue, N_ELEMENTS(queue), out);
	print_section(SECTION_DATABASE, NULL, NULL, 0, out);
}
