/* settings_check: rules between settings. To add one, add a function to the
   table at the end. Reads no file and no network: `postern check` and the
   start of the programs see those. */
#include "config/settings_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

#include "config/settings_table.h"
#include "lib/uuid.h"

/* For columns and for people. */
#define ORGANIZATION_NAME_MAX 200

struct check {
	const struct settings *settings;
	settings_report *report;
	void *report_context;
	settings_line_of *line_of;
	void *line_context;
	unsigned int errors;
};

static void say(struct check *c, bool is_error, int section, size_t index,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

static void say(struct check *c, bool is_error, int section, size_t index,
		const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	unsigned int line = 0;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (c->line_of != NULL && section != SECTION_TOP) {
		line = c->line_of(c->line_context, section, index);
	}
	if (is_error) {
		c->errors++;
	}
	c->report(c->report_context, is_error, c->settings->path, line, text);
}

static bool address_is_loopback(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, address, &v4) == 1) {
		return ntohl(v4.s_addr) >> 24 == 127;
	}
	return inet_pton(AF_INET6, address, &v6) == 1 &&
	       IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool address_is_numeric(const char *address)
{
	unsigned char out[16];

	return inet_pton(AF_INET, address, out) == 1 ||
	       inet_pton(AF_INET6, address, out) == 1;
}

static bool provider_is_known(struct check *c, const char *name)
{
	return name == NULL || settings_provider(c->settings, name) != NULL;
}

static void check_top(struct check *c)
{
	const struct settings *s = c->settings;

	if (s->listener_count == 0) {
		say(c, true, SECTION_TOP, 0,
		    "no listener, so no mail program can connect: add "
		    "listener \"imaps\" { protocol = imap }");
	}
	if (s->provider_count == 0) {
		say(c, true, SECTION_TOP, 0,
		    "no provider, so mail has nowhere to go: add "
		    "provider \"main\" { imap_host = \"...\" }");
	}
	if (!provider_is_known(c, s->default_provider)) {
		say(c, true, SECTION_TOP, 0,
		    "default_provider \"%s\" is not defined: add a provider "
		    "section of that name",
		    s->default_provider);
	}
}

static void check_certificates(struct check *c)
{
	for (size_t i = 0; i < c->settings->certificate_count; i++) {
		const struct certificate *cert = &c->settings->certificates[i];

		if (cert->chain_file[0] == '\0' || cert->key_file[0] == '\0') {
			say(c, true, SECTION_CERTIFICATE, i,
			    "certificate needs both chain and key: name the "
			    "two PEM files");
		}
	}
}

static void check_listener(struct check *c, size_t i)
{
	const struct settings *s = c->settings;
	const struct listener_settings *l = &s->listeners[i];

	if (!address_is_numeric(l->address)) {
		say(c, true, SECTION_LISTENER, i,
		    "listener \"%s\": address \"%s\" is no IP address: write "
		    "\"::\" for all, or one address of this machine",
		    l->name, l->address);
	}
	if (l->tls != TLS_NONE && s->certificate_count == 0) {
		say(c, true, SECTION_LISTENER, i,
		    "listener \"%s\" needs a certificate: add certificate "
		    "\"default\" { chain = ... key = ... }, or let `postern "
		    "init` make one",
		    l->name);
	}
	if (l->tls == TLS_NONE && !address_is_loopback(l->address) &&
	    s->trusted_network_count == 0) {
		say(c, true, SECTION_LISTENER, i,
		    "listener \"%s\" is plain text on %s: name "
		    "trusted_networks, listen on loopback, or use tls",
		    l->name, l->address);
	}
	if (l->proxy_protocol && s->trusted_network_count == 0) {
		say(c, true, SECTION_LISTENER, i,
		    "listener \"%s\" expects PROXY headers from nobody: name "
		    "the balancers in trusted_networks",
		    l->name);
	}
	if (!provider_is_known(c, l->provider)) {
		say(c, true, SECTION_LISTENER, i,
		    "listener \"%s\": provider \"%s\" is not defined", l->name,
		    l->provider);
	}
	for (size_t k = 0; k < i; k++) {
		if (s->listeners[k].port == l->port &&
		    strcmp(s->listeners[k].address, l->address) == 0) {
			say(c, true, SECTION_LISTENER, i,
			    "listener \"%s\" has the address and port of "
			    "\"%s\": change one",
			    l->name, s->listeners[k].name);
		}
	}
}

static void check_listeners(struct check *c)
{
	for (size_t i = 0; i < c->settings->listener_count; i++) {
		check_listener(c, i);
	}
}

static void check_service(struct check *c, size_t i, const char *what,
			  const struct service_settings *service)
{
	const struct provider *p = &c->settings->providers[i];

	if (service->host != NULL && service->tls == TLS_NONE &&
	    !address_is_loopback(service->host) &&
	    strcmp(service->host, "localhost") != 0) {
		say(c, true, SECTION_PROVIDER, i,
		    "provider \"%s\": %s_tls = none would send credentials "
		    "in plain text to %s: use implicit or starttls",
		    p->name, what, service->host);
	}
}

static void check_providers(struct check *c)
{
	for (size_t i = 0; i < c->settings->provider_count; i++) {
		const struct provider *p = &c->settings->providers[i];

		if (p->imap.host == NULL && p->smtp.host == NULL) {
			say(c, true, SECTION_PROVIDER, i,
			    "provider \"%s\" has no host: set imap_host, "
			    "smtp_host or a preset that knows them",
			    p->name);
		}
		check_service(c, i, "imap", &p->imap);
		check_service(c, i, "smtp", &p->smtp);
	}
}

/* name is one of a set already, so in the form that sets keep. */
static bool has_domain(const struct domain_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

static void check_domains(struct check *c, size_t i)
{
	const struct organization *o = &c->settings->organizations[i];

	if (o->domains.count == 0) {
		say(c, true, SECTION_ORGANIZATION, i,
		    "organization \"%s\" has no domains: set domains "
		    "= {\"example.com\"}",
		    o->name);
	}
	/* The inspectors would not hear of those beyond, and take the people
	   there for strangers. */
	if (o->domains.count > DOMAIN_SET_MAX) {
		say(c, true, SECTION_ORGANIZATION, i,
		    "organization \"%s\" has %zu domains: %d are possible",
		    o->name, o->domains.count, DOMAIN_SET_MAX);
	}

	for (size_t d = 0; d < o->domains.count; d++) {
		for (size_t k = 0; k < i; k++) {
			const struct organization *other =
				&c->settings->organizations[k];

			if (has_domain(&other->domains, o->domains.names[d])) {
				say(c, true, SECTION_ORGANIZATION, i,
				    "domain %s belongs to organization \"%s\" "
				    "already: it can have one owner",
				    o->domains.names[d], other->name);
			}
		}
	}
}

static bool is_name(struct span name)
{
	if (name.len == 0 || name.len > ORGANIZATION_NAME_MAX ||
	    !span_is_utf8(name)) {
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.ptr[i] < ' ' || name.ptr[i] == 0x7f) {
			return false;
		}
	}
	return true;
}

/* Two organizations with one id would be one in the database, each with the
   other's contacts. */
static void check_id(struct check *c, size_t i)
{
	const struct organization *o = &c->settings->organizations[i];
	char id[UUID_TEXT_SIZE];
	char other_id[UUID_TEXT_SIZE];

	if (uuid_parse(span_str(o->id), id) < 0) {
		say(c, true, SECTION_ORGANIZATION, i,
		    "organization \"%s\": id \"%s\" is no UUID: leave "
		    "it out to have one made from the name",
		    o->name, o->id);
		return;
	}
	for (size_t k = 0; k < i; k++) {
		const struct organization *other =
			&c->settings->organizations[k];

		if (uuid_parse(span_str(other->id), other_id) == 0 &&
		    strcmp(id, other_id) == 0) {
			say(c, true, SECTION_ORGANIZATION, i,
			    "organization \"%s\" has the id of \"%s\": each "
			    "needs one of its own",
			    o->name, other->name);
		}
	}
}

static void check_organizations(struct check *c)
{
	for (size_t i = 0; i < c->settings->organization_count; i++) {
		const struct organization *o = &c->settings->organizations[i];

		if (!is_name(span_str(o->name))) {
			say(c, true, SECTION_ORGANIZATION, i,
			    "an organization's name has 1 to %d bytes of "
			    "UTF-8 without control characters",
			    ORGANIZATION_NAME_MAX);
		}
		if (!provider_is_known(c, o->provider)) {
			say(c, true, SECTION_ORGANIZATION, i,
			    "organization \"%s\": provider \"%s\" is not "
			    "defined",
			    o->name, o->provider);
		}
		if (o->region[0] != '\0' && strlen(o->region) != 2) {
			say(c, true, SECTION_ORGANIZATION, i,
			    "organization \"%s\": region \"%s\" is no country "
			    "code: write two letters, such as DE",
			    o->name, o->region);
		}
		check_id(c, i);
		check_domains(c, i);
	}
}

unsigned int settings_check(const struct settings *settings,
			    settings_report *report, void *report_context,
			    settings_line_of *line_of, void *line_context)
{
	static void (*const checks[])(struct check *) = {
		check_top,	 check_certificates,  check_listeners,
		check_providers, check_organizations,
	};
	struct check c = { .settings = settings,
			   .report = report,
			   .report_context = report_context,
			   .line_of = line_of,
			   .line_context = line_context };

	for (size_t i = 0; i < N_ELEMENTS(checks); i++) {
		checks[i](&c);
	}
	return c.errors;
}
