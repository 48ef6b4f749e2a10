/* settings_table: every setting as one row: its section, name, kind, field,
   default, bounds and one line of explanation. The reader, the commented
   postern.conf of `postern init` and the manual page all come from here. */
#ifndef POSTERN_CONFIG_SETTINGS_TABLE_H
#define POSTERN_CONFIG_SETTINGS_TABLE_H

#include "config/settings.h"

enum setting_kind {
	/* char *. */
	SETTING_TEXT,
	/* char *, NULL when empty. */
	SETTING_OPTIONAL_TEXT,
	/* bool. */
	SETTING_BOOL,
	/* unsigned int between min and max. */
	SETTING_NUMBER,
	/* uint16_t, 1 to 65535; 0 as default means: by protocol and TLS. */
	SETTING_PORT,
	/* uint64_t; a number with an optional K, M or G (powers of 1024). */
	SETTING_BYTES,
	/* An enum stored as int: one of choices, in order of its values. */
	SETTING_CHOICE,
	/* char ** and the size_t count right after it. */
	SETTING_TEXT_LIST,
	/* struct network * and the size_t count right after it. */
	SETTING_NETWORK_LIST,
	/* struct domain_set. */
	SETTING_DOMAIN_LIST,
};

enum setting_section {
	SECTION_TOP,
	SECTION_CERTIFICATE,
	SECTION_LISTENER,
	SECTION_PROVIDER,
	SECTION_ORGANIZATION,
	SECTION_LIMITS,
	SECTION_MESSAGE,
	SECTION_INSPECTOR,
	SECTION_QUEUE,
	SECTION_DATABASE,
	SECTION_COUNT
};

struct setting {
	enum setting_section section;
	const char *name;
	enum setting_kind kind;
	/* Offset in struct settings (top and single sections) or in the
	   element of a repeated section. */
	size_t offset;
	/* As one would write it; lists are separated by SP. */
	const char *value;
	uint64_t min, max;
	/* For SETTING_CHOICE, and a SETTING_TEXT of few values: ends with
	   NULL. */
	const char *const *choices;
	/* A reload applies it; else it needs a restart. */
	bool reload;
	const char *about;
};

struct setting_section_info {
	const char *name;
	/* `name "title" { ... }`, any number of them. */
	bool repeated;
	const char *about;
};

extern const struct setting settings_table[];
extern const size_t settings_table_count;
extern const struct setting_section_info settings_sections[SECTION_COUNT];

#endif
