/* domain: canonical and registrable domains. Uses the public suffix list
   built into libpsl, so a sandbox without files has it too. */
#include "lib/domain.h"

#include <stdlib.h>

#include <idn2.h>
#include <libpsl.h>

#include "lib/xalloc.h"

static int copy_lower(struct span domain, char out_r[DOMAIN_MAX + 1])
{
	if (domain.len == 0 || domain.len > DOMAIN_MAX) {
		return -1;
	}
	for (size_t i = 0; i < domain.len; i++) {
		if (domain.ptr[i] == '\0') {
			return -1;
		}
		out_r[i] = ascii_lower(domain.ptr[i]);
	}
	out_r[domain.len] = '\0';
	return 0;
}

static bool is_host_name(const char *name)
{
	size_t label = 0;

	for (; *name != '\0'; name++) {
		if (*name == '.') {
			if (label == 0) {
				return false;
			}
			label = 0;
			continue;
		}
		if (!ascii_is_alpha(*name) && !ascii_is_digit(*name) &&
		    *name != '-' && *name != '_') {
			return false;
		}
		label++;
	}
	return label > 0;
}

static bool is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

int domain_canonical(struct span domain, char out_r[DOMAIN_MAX + 1])
{
	/* U-labels are at most four times as long as what they encode to. */
	char text[4 * DOMAIN_MAX + 1];
	char *ascii = NULL;
	int status;

	if (domain.len > 0 && domain.ptr[0] == '[') {
		return copy_lower(domain, out_r);
	}
	if (domain.len > 0 && domain.ptr[domain.len - 1] == '.') {
		domain.len--;
	}
	if (is_ascii(domain)) {
		if (copy_lower(domain, out_r) < 0) {
			return -1;
		}
		return is_host_name(out_r) ? 0 : -1;
	}
	if (domain.len >= sizeof(text) || span_find(domain, '\0') >= 0) {
		return -1;
	}
	memcpy(text, domain.ptr, domain.len);
	text[domain.len] = '\0';
	if (idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK) {
		return -1;
	}
	status = copy_lower(span_str(ascii), out_r);
	idn2_free(ascii);
	return status == 0 && is_host_name(out_r) ? 0 : -1;
}

void domain_registrable(const char *canonical, char out_r[DOMAIN_MAX + 1])
{
	const char *name = psl_registrable_domain(psl_builtin(), canonical);

	copy_lower(span_str(name == NULL ? canonical : name), out_r);
}

static int registrable_of(struct span domain, char out_r[DOMAIN_MAX + 1])
{
	char canonical[DOMAIN_MAX + 1];

	if (domain_canonical(domain, canonical) < 0) {
		return -1;
	}
	domain_registrable(canonical, out_r);
	return 0;
}

static bool set_has_name(const struct domain_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

int domain_set_add(struct domain_set *set, struct span domain)
{
	char name[DOMAIN_MAX + 1];

	if (registrable_of(domain, name) < 0) {
		return -1;
	}
	if (!set_has_name(set, name)) {
		set->names = xreallocarray(set->names, set->count + 1,
					   sizeof(*set->names));
		set->names[set->count++] = xstrdup(name);
	}
	return 0;
}

void domain_set_finish(struct domain_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->names[i]);
	}
	free(set->names);
	set->names = NULL;
	set->count = 0;
}

bool domain_set_has(const struct domain_set *set, struct span domain)
{
	char name[DOMAIN_MAX + 1];

	return registrable_of(domain, name) == 0 && set_has_name(set, name);
}
