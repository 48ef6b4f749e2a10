/* settings: reading postern.conf (the only libconfuse file), and the life of
   struct settings. */
#include "config/settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <confuse.h>

#include "config/provider_presets.h"
#include "config/settings_check.h"
#include "config/settings_table.h"
#include "config/settings_value.h"
#include "lib/strbuf.h"
#include "lib/uuid.h"
#include "lib/xalloc.h"

#define OPTIONS_MAX 40
#define FILE_MAX    (4 * 1024 * 1024)

/* Appended to what is parsed: libconfuse takes a file that ends inside a
   section, a string or a comment for a whole one, and half a file must never
   be taken for the configuration. */
#define END_OPTION "end_of_file"

/* A repeated section: where its array and count are, and its element. */
struct repeated {
	size_t array_offset;
	size_t count_offset;
	size_t element_size;
	/* Of the char * that takes the title; SIZE_MAX: none. */
	size_t name_offset;
};

#define REPEATED(array, count, type, name)                                     \
	{                                                                      \
		offsetof(struct settings, array),                              \
			offsetof(struct settings, count), sizeof(struct type), \
			name                                                   \
	}

static const struct repeated repeated[SECTION_COUNT] = {
	[SECTION_CERTIFICATE] = REPEATED(certificates, certificate_count,
					 certificate, SIZE_MAX),
	[SECTION_LISTENER] =
		REPEATED(listeners, listener_count, listener_settings,
			 offsetof(struct listener_settings, name)),
	[SECTION_PROVIDER] = REPEATED(providers, provider_count, provider,
				      offsetof(struct provider, name)),
	[SECTION_ORGANIZATION] =
		REPEATED(organizations, organization_count, organization,
			 offsetof(struct organization, name)),
};

struct loader {
	const char *path;
	settings_report *report;
	void *context;
	unsigned int errors;
	cfg_opt_t options[SECTION_COUNT][OPTIONS_MAX];
	cfg_t *cfg;
};

/* libconfuse's callbacks take no context; loading is never reentrant. */
static struct loader *loading;

static void report_error(unsigned int line, const char *text)
{
	loading->errors++;
	loading->report(loading->context, true, loading->path, line, text);
}

/* Number of single-byte changes between two short names. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[64];
	size_t len = strlen(b);

	if (len >= N_ELEMENTS(row)) {
		return SIZE_MAX;
	}
	for (size_t k = 0; k <= len; k++) {
		row[k] = k;
	}
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t k = 0; k < len; k++) {
			size_t best = diagonal + (a[i] != b[k]);

			diagonal = row[k + 1];
			best = row[k] + 1 < best ? row[k] + 1 : best;
			best = diagonal + 1 < best ? diagonal + 1 : best;
			row[k + 1] = best;
		}
	}
	return row[len];
}

static const char *nearest_name(const char *name)
{
	const char *nearest = NULL;
	size_t least = 4;

	for (size_t i = 0; i < settings_table_count; i++) {
		size_t d = edit_distance(name, settings_table[i].name);

		if (d < least) {
			least = d;
			nearest = settings_table[i].name;
		}
	}
	for (size_t i = 1; i < SECTION_COUNT; i++) {
		size_t d = edit_distance(name, settings_sections[i].name);

		if (d < least) {
			least = d;
			nearest = settings_sections[i].name;
		}
	}
	return nearest;
}

/* libconfuse says "no such option 'name'": add what was probably meant. */
static void add_suggestion(char *text, size_t size)
{
	static const char start[] = "no such option '";
	char name[64];
	const char *nearest;
	size_t len;

	if (strncmp(text, start, sizeof(start) - 1) != 0) {
		return;
	}
	len = strcspn(text + sizeof(start) - 1, "'");
	if (len >= sizeof(name)) {
		return;
	}
	memcpy(name, text + sizeof(start) - 1, len);
	name[len] = '\0';
	if (strcmp(name, END_OPTION) == 0) {
		snprintf(text, size,
			 "the file ends inside a section: a } is "
			 "missing");
		return;
	}
	nearest = nearest_name(name);
	snprintf(text, size, "unknown setting \"%s\", %s%s%s", name,
		 nearest == NULL ? "see postern.conf(5)" : "did you mean \"",
		 nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

static void on_parse_error(cfg_t *cfg, const char *format, va_list args)
{
	char text[ERROR_TEXT_SIZE];

	vsnprintf(text, sizeof(text), format, args);
	add_suggestion(text, sizeof(text));
	report_error(cfg == NULL ? 0 : (unsigned int)cfg->line, text);
}

static const struct setting *find_row(enum setting_section section,
				      const char *name)
{
	for (size_t i = 0; i < settings_table_count; i++) {
		if (settings_table[i].section == section &&
		    strcmp(settings_table[i].name, name) == 0) {
			return &settings_table[i];
		}
	}
	return NULL;
}

static enum setting_section section_of(const cfg_t *cfg)
{
	for (size_t i = 1; i < SECTION_COUNT; i++) {
		if (strcmp(settings_sections[i].name, cfg->name) == 0) {
			return (enum setting_section)i;
		}
	}
	return SECTION_TOP;
}

/* Called after each value is read, while its line is still known. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct setting *row = find_row(section_of(cfg), opt->name);
	unsigned int count = cfg_opt_size(opt);
	struct error err = { "" };
	const char *text;

	if (row == NULL || count == 0) {
		return 0;
	}
	text = cfg_opt_getnstr(opt, count - 1);
	if (setting_store(row, NULL, text == NULL ? "" : text, &err) < 0) {
		report_error((unsigned int)cfg->line, err.text);
	}
	/* Go on, so that one run shows all errors. */
	return 0;
}

static void build_options(struct loader *l)
{
	size_t used[SECTION_COUNT] = { 0 };

	for (size_t i = 0; i < settings_table_count; i++) {
		const struct setting *row = &settings_table[i];
		cfg_opt_t *opt = &l->options[row->section][used[row->section]];

		if (setting_is_list(row)) {
			*opt = (cfg_opt_t)CFG_STR_LIST(row->name, NULL,
						       CFGF_NODEFAULT);
		} else {
			*opt = (cfg_opt_t)CFG_STR(row->name, NULL,
						  CFGF_NODEFAULT);
		}
		opt->validcb = on_value;
		used[row->section]++;
	}
	for (size_t i = 1; i < SECTION_COUNT; i++) {
		cfg_flag_t flags =
			settings_sections[i].repeated
				? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES
				: CFGF_NONE;

		l->options[i][used[i]] = (cfg_opt_t)CFG_END();
		l->options[SECTION_TOP][used[SECTION_TOP]++] =
			(cfg_opt_t)CFG_SEC(settings_sections[i].name,
					   l->options[i], flags);
	}
	l->options[SECTION_TOP][used[SECTION_TOP]++] =
		(cfg_opt_t)CFG_BOOL(END_OPTION, cfg_false, CFGF_NODEFAULT);
	l->options[SECTION_TOP][used[SECTION_TOP]] = (cfg_opt_t)CFG_END();
}

/* Values and defaults of one section into the struct they belong to. Each was
   checked by on_value; a default that fails is a bug the tests find. */
static void store_section(cfg_t *cfg, enum setting_section section, void *base)
{
	for (size_t i = 0; i < settings_table_count; i++) {
		const struct setting *row = &settings_table[i];
		unsigned int count;

		if (row->section != section) {
			continue;
		}
		count = cfg == NULL ? 0 : cfg_size(cfg, row->name);
		for (unsigned int k = 0; k < count; k++) {
			const char *text = cfg_getnstr(cfg, row->name, k);

			setting_store(row, base, text == NULL ? "" : text,
				      NULL);
		}
		if (count == 0 && !setting_is_list(row)) {
			setting_store(row, base, row->value, NULL);
		}
	}
}

static void store_repeated(struct loader *l, struct settings *settings,
			   enum setting_section section)
{
	const struct repeated *r = &repeated[section];
	const char *name = settings_sections[section].name;
	size_t count = cfg_size(l->cfg, name);
	char *array = xcalloc(count, r->element_size);

	*(char **)((char *)settings + r->array_offset) = array;
	*(size_t *)((char *)settings + r->count_offset) = count;
	for (size_t i = 0; i < count; i++) {
		cfg_t *cfg = cfg_getnsec(l->cfg, name, (unsigned int)i);
		char *element = array + i * r->element_size;

		store_section(cfg, section, element);
		if (r->name_offset != SIZE_MAX) {
			*(char **)(element + r->name_offset) =
				xstrdup(cfg_title(cfg));
		}
	}
}

static void default_listener_port(struct listener_settings *listener)
{
	static const uint16_t ports[2][2] = { { 993, 143 }, { 465, 587 } };

	if (listener->port == 0) {
		listener->port = ports[listener->protocol == PROTOCOL_SMTP]
				      [listener->tls != TLS_IMPLICIT];
	}
}

static void complete(struct settings *settings)
{
	for (size_t i = 0; i < settings->provider_count; i++) {
		provider_apply_preset(&settings->providers[i]);
	}
	for (size_t i = 0; i < settings->listener_count; i++) {
		default_listener_port(&settings->listeners[i]);
	}
	for (size_t i = 0; i < settings->organization_count; i++) {
		struct organization *o = &settings->organizations[i];

		if (o->id[0] == '\0') {
			char id[UUID_TEXT_SIZE];

			uuid_of_organization(span_str(o->name), id);
			free(o->id);
			o->id = xstrdup(id);
		}
	}
}

static unsigned int line_of(void *context, int section, size_t index)
{
	struct loader *l = context;
	cfg_t *cfg = cfg_getnsec(l->cfg, settings_sections[section].name,
				 (unsigned int)index);

	return cfg == NULL ? 0 : (unsigned int)cfg->line;
}

static struct settings *build(struct loader *l)
{
	struct settings *settings = xcalloc(1, sizeof(*settings));

	settings->references = 1;
	settings->path = xstrdup(l->path);
	store_section(l->cfg, SECTION_TOP, settings);
	for (size_t i = 1; i < SECTION_COUNT; i++) {
		if (settings_sections[i].repeated) {
			store_repeated(l, settings, (enum setting_section)i);
		} else {
			store_section(
				cfg_getsec(l->cfg, settings_sections[i].name),
				(enum setting_section)i, settings);
		}
	}
	complete(settings);
	l->errors +=
		settings_check(settings, l->report, l->context, line_of, l);
	return settings;
}

static int read_file(const char *path, struct strbuf *out)
{
	FILE *file = fopen(path, "re");
	char block[8192];
	size_t len;
	int failed;

	if (file == NULL) {
		return -1;
	}
	while ((len = fread(block, 1, sizeof(block), file)) > 0) {
		strbuf_add(out, span_of(block, len));
	}
	failed = ferror(file);
	fclose(file);
	if (out->overflow || span_find(strbuf_span(out), '\0') >= 0) {
		/* With a NUL it is no text. */
		errno = out->overflow ? EFBIG : EILSEQ;
		return -1;
	}
	return failed ? -1 : 0;
}

static void parse_text(struct loader *l, struct strbuf *text)
{
	int status;

	strbuf_add(text, SPAN("\n" END_OPTION " = true\n"));
	status = cfg_parse_buf(l->cfg, strbuf_cstr(text));
	if (l->errors > 0) {
		return;
	}
	if (status != CFG_SUCCESS || cfg_size(l->cfg, END_OPTION) == 0) {
		report_error((unsigned int)l->cfg->line,
			     "the file ends inside a string or a comment");
	}
}

static void parse(struct loader *l)
{
	struct strbuf text = STRBUF_INIT(FILE_MAX);

	l->cfg = cfg_init(l->options[SECTION_TOP], CFGF_NONE);
	if (l->cfg == NULL) {
		abort();
	}
	cfg_set_error_function(l->cfg, on_parse_error);
	if (read_file(l->path, &text) < 0) {
		struct error err;

		error_set(&err, "cannot read it: %s%s", strerror(errno),
			  errno == ENOENT ? "; `postern init` writes one" : "");
		report_error(0, err.text);
	} else {
		parse_text(l, &text);
	}
	/* It may hold a password of the database. */
	strbuf_wipe(&text);
}

struct settings *settings_load(const char *path, settings_report *report,
			       void *context)
{
	struct loader l = { .path = path,
			    .report = report,
			    .context = context };
	struct settings *settings = NULL;

	loading = &l;
	build_options(&l);
	parse(&l);
	if (l.errors == 0) {
		settings = build(&l);
	}
	if (l.errors > 0) {
		settings_unref(&settings);
	}
	cfg_free(l.cfg);
	loading = NULL;
	return settings;
}

struct settings *settings_ref(struct settings *settings)
{
	settings->references++;
	return settings;
}

static void free_section(enum setting_section section, void *base)
{
	for (size_t i = 0; i < settings_table_count; i++) {
		if (settings_table[i].section == section) {
			setting_free(&settings_table[i], base);
		}
	}
}

static void free_repeated(struct settings *settings,
			  enum setting_section section)
{
	const struct repeated *r = &repeated[section];
	char *array = *(char **)((char *)settings + r->array_offset);
	size_t count = *(size_t *)((char *)settings + r->count_offset);

	for (size_t i = 0; i < count; i++) {
		char *element = array + i * r->element_size;

		free_section(section, element);
		if (r->name_offset != SIZE_MAX) {
			free(*(char **)(element + r->name_offset));
		}
	}
	free(array);
}

void settings_unref(struct settings **settings)
{
	struct settings *s = *settings;

	*settings = NULL;
	if (s == NULL || --s->references > 0) {
		return;
	}
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		if (settings_sections[i].repeated) {
			free_repeated(s, (enum setting_section)i);
		} else {
			free_section((enum setting_section)i, s);
		}
	}
	free(s->path);
	free(s);
}

const struct provider *settings_provider(const struct settings *settings,
					 const char *name)
{
	for (size_t i = 0; name != NULL && i < settings->provider_count; i++) {
		if (strcmp(settings->providers[i].name, name) == 0) {
			return &settings->providers[i];
		}
	}
	return NULL;
}

const struct organization *
settings_organization(const struct settings *settings, struct span domain)
{
	for (size_t i = 0; i < settings->organization_count; i++) {
		if (domain_set_has(&settings->organizations[i].domains,
				   domain)) {
			return &settings->organizations[i];
		}
	}
	return NULL;
}
