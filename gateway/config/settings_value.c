/* settings_value: one function per kind of setting. */
#include "config/settings_value.h"

#include <stdlib.h>

#include "lib/strbuf.h"
#include "lib/xalloc.h"

/* A list and its count lie side by side in every struct; see settings.h. */
struct text_list {
	char **items;
	size_t count;
};
struct network_list {
	struct network *items;
	size_t count;
};

static void *field_of(const struct setting *row, void *base)
{
	return (char *)base + row->offset;
}

bool setting_is_list(const struct setting *row)
{
	return row->kind == SETTING_TEXT_LIST ||
	       row->kind == SETTING_NETWORK_LIST ||
	       row->kind == SETTING_DOMAIN_LIST;
}

static void replace_text(char **field, char *text)
{
	free(*field);
	*field = text;
}

/* "a, b or c" for the hint. */
static int not_a_choice(const struct setting *row, const char *text,
			struct error *err_r)
{
	struct strbuf names = STRBUF_INIT(200);

	for (size_t i = 0; row->choices[i] != NULL; i++) {
		strbuf_addf(&names, "%s%s", i == 0 ? "" : ", ",
			    row->choices[i]);
	}
	error_set(err_r, "%s is \"%s\", write one of: %s", row->name, text,
		  strbuf_cstr(&names));
	strbuf_finish(&names);
	return -1;
}

static int choice_index(const struct setting *row, const char *text,
			struct error *err_r)
{
	for (int i = 0; row->choices[i] != NULL; i++) {
		if (strcmp(row->choices[i], text) == 0) {
			return i;
		}
	}
	return not_a_choice(row, text, err_r);
}

static int store_text(const struct setting *row, void *base, const char *text,
		      struct error *err_r)
{
	if (row->choices != NULL && choice_index(row, text, err_r) < 0) {
		return -1;
	}
	if (base != NULL) {
		bool none =
			row->kind == SETTING_OPTIONAL_TEXT && text[0] == '\0';

		replace_text(field_of(row, base), none ? NULL : xstrdup(text));
	}
	return 0;
}

static int store_choice(const struct setting *row, void *base, const char *text,
			struct error *err_r)
{
	int index = choice_index(row, text, err_r);

	if (index < 0) {
		return -1;
	}
	if (base != NULL) {
		*(int *)field_of(row, base) = index;
	}
	return 0;
}

static int store_bool(const struct setting *row, void *base, const char *text,
		      struct error *err_r)
{
	static const char *const yes[] = { "true", "yes", "on" };
	static const char *const no[] = { "false", "no", "off" };

	for (size_t i = 0; i < N_ELEMENTS(yes); i++) {
		bool is_yes = strcmp(text, yes[i]) == 0;

		if (!is_yes && strcmp(text, no[i]) != 0) {
			continue;
		}
		if (base != NULL) {
			*(bool *)field_of(row, base) = is_yes;
		}
		return 0;
	}
	return error_set(err_r, "%s is \"%s\", write true or false", row->name,
			 text);
}

static int parse_bytes(struct span text, uint64_t *value_r)
{
	static const char units[] = "kmgt";
	unsigned int shift = 0;

	if (text.len > 1) {
		const char *unit =
			strchr(units, ascii_lower(text.ptr[text.len - 1]));

		if (unit != NULL) {
			shift = 10 * (unsigned int)(unit - units + 1);
			text.len--;
		}
	}
	if (span_to_u64(text, UINT64_MAX >> shift, value_r) < 0) {
		return -1;
	}
	*value_r <<= shift;
	return 0;
}

static int store_number(const struct setting *row, void *base, const char *text,
			struct error *err_r)
{
	uint64_t value;
	int status = row->kind == SETTING_BYTES
			     ? parse_bytes(span_str(text), &value)
			     : span_to_u64(span_str(text), UINT64_MAX, &value);

	if (status < 0 || value < row->min || value > row->max) {
		return error_set(err_r,
				 "%s is \"%s\", write a number from %llu to "
				 "%llu%s",
				 row->name, text, (unsigned long long)row->min,
				 (unsigned long long)row->max,
				 row->kind == SETTING_BYTES
					 ? " (K, M and G are understood)"
					 : "");
	}
	if (base == NULL) {
		return 0;
	}
	if (row->kind == SETTING_BYTES) {
		*(uint64_t *)field_of(row, base) = value;
	} else if (row->kind == SETTING_PORT) {
		*(uint16_t *)field_of(row, base) = (uint16_t)value;
	} else {
		*(unsigned int *)field_of(row, base) = (unsigned int)value;
	}
	return 0;
}

static int store_text_list(const struct setting *row, void *base,
			   const char *text, struct error *err_r)
{
	struct text_list *list;

	(void)err_r;
	if (base != NULL) {
		list = field_of(row, base);
		list->items = xreallocarray(list->items, list->count + 1,
					    sizeof(*list->items));
		list->items[list->count++] = xstrdup(text);
	}
	return 0;
}

static int store_network_list(const struct setting *row, void *base,
			      const char *text, struct error *err_r)
{
	struct network_list *list;
	struct network network;

	if (network_parse(text, &network, err_r) < 0) {
		return error_prefix(err_r, "%s", row->name);
	}
	if (base != NULL) {
		list = field_of(row, base);
		list->items = xreallocarray(list->items, list->count + 1,
					    sizeof(*list->items));
		list->items[list->count++] = network;
	}
	return 0;
}

static int store_domain_list(const struct setting *row, void *base,
			     const char *text, struct error *err_r)
{
	char canonical[DOMAIN_MAX + 1];

	if (domain_canonical(span_str(text), canonical) < 0) {
		return error_set(err_r, "%s: \"%s\" is no domain name",
				 row->name, text);
	}
	if (base != NULL) {
		domain_set_add(field_of(row, base), span_str(text));
	}
	return 0;
}

typedef int store_function(const struct setting *row, void *base,
			   const char *text, struct error *err_r);

int setting_store(const struct setting *row, void *base, const char *text,
		  struct error *err_r)
{
	static store_function *const stores[] = {
		[SETTING_TEXT] = store_text,
		[SETTING_OPTIONAL_TEXT] = store_text,
		[SETTING_BOOL] = store_bool,
		[SETTING_NUMBER] = store_number,
		[SETTING_PORT] = store_number,
		[SETTING_BYTES] = store_number,
		[SETTING_CHOICE] = store_choice,
		[SETTING_TEXT_LIST] = store_text_list,
		[SETTING_NETWORK_LIST] = store_network_list,
		[SETTING_DOMAIN_LIST] = store_domain_list,
	};

	return stores[row->kind](row, base, text, err_r);
}

void setting_free(const struct setting *row, void *base)
{
	void *field = field_of(row, base);

	switch (row->kind) {
	case SETTING_TEXT:
	case SETTING_OPTIONAL_TEXT:
		replace_text(field, NULL);
		break;
	case SETTING_TEXT_LIST: {
		struct text_list *list = field;

		for (size_t i = 0; i < list->count; i++) {
			free(list->items[i]);
		}
		free(list->items);
		break;
	}
	case SETTING_NETWORK_LIST:
		free(((struct network_list *)field)->items);
		break;
	case SETTING_DOMAIN_LIST:
		domain_set_finish(field);
		break;
	case SETTING_BOOL:
	case SETTING_NUMBER:
	case SETTING_PORT:
	case SETTING_BYTES:
	case SETTING_CHOICE:
		break;
	}
}
