/* settings: everything postern.conf can say, as plain data. A struct settings
   is immutable once loaded and shared by reference: a session keeps the one
   it began with, a reload makes a new one. Strings are owned by it and never
   NULL unless said. */
#ifndef POSTERN_CONFIG_SETTINGS_H
#define POSTERN_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/domain.h"
#include "lib/error.h"
#include "lib/log.h"

enum protocol_kind {
	PROTOCOL_IMAP,
	PROTOCOL_SMTP,
};

/* How one leg is protected. */
enum tls_mode {
	/* TLS from the first byte (RFC 8314). */
	TLS_IMPLICIT,
	/* Plain first; nothing but STARTTLS leads anywhere. */
	TLS_STARTTLS,
	/* Plain text: loopback or trusted networks only. */
	TLS_NONE,
};

/* One network in CIDR form. */
struct network {
	/* IPv4 is kept as ::ffff:a.b.c.d. */
	unsigned char address[16];
	unsigned int prefix_bits;
};

struct certificate {
	char *chain_file;
	char *key_file;
	/* Names it is chosen by with SNI; empty: the default. */
	char **names;
	size_t name_count;
};

struct listener_settings {
	char *name;
	enum protocol_kind protocol;
	/* "0.0.0.0", "::1", ... */
	char *address;
	uint16_t port;
	enum tls_mode tls;
	/* Expect a PROXY header, v1 or v2; only from proxy_networks. */
	bool proxy_protocol;
	/* Name of the provider sessions of this listener use; NULL: by
	   domain. */
	char *provider;
};

/* How to reach one service of a provider. */
struct service_settings {
	/* NULL: this provider has no such service. */
	char *host;
	uint16_t port;
	enum tls_mode tls;
};

/* Quirks of a provider, as bits. */
/* Wants XOAUTH2 in a line of its own after 334 (Microsoft SMTP). */
#define PROVIDER_QUIRK_AUTH_NO_INITIAL 1u
/* Sessions end with the access token: BYE is no fault (Gmail). */
#define PROVIDER_QUIRK_TOKEN_ENDS 2u
/* Announces no SPECIAL-USE: use the table of names (Microsoft 365). */
#define PROVIDER_QUIRK_NO_SPECIAL_USE 4u
/* Files a copy in Sent by itself. */
#define PROVIDER_QUIRK_FILES_SENT 8u
/* Refuses SELECT before ID. */
#define PROVIDER_QUIRK_NEEDS_ID 16u

struct provider {
	char *name;
	/* "gmail", "microsoft365", "dovecot" or "generic". */
	char *preset;
	struct service_settings imap;
	struct service_settings smtp;
	/* NULL: the system's. */
	char *ca_file;
	/* Name to verify and to send as SNI; NULL: the host. */
	char *tls_name;
	unsigned int quirks;
};

struct organization {
	char *name;
	/* UUID, text form, lower case (uuid.h). */
	char *id;
	struct domain_set domains;
	/* ISO 3166 alpha-2, or "". */
	char *region;
	/* Provider of its mailboxes; NULL: by listener, else the default. */
	char *provider;
	/* Folders beside inbox and sent that teach contacts. UTF-8 names. */
	char **folders;
	size_t folder_count;
	/* Look at its mail at all. */
	bool inspect;
};

struct limits_settings {
	unsigned int max_connections;
	unsigned int max_connections_per_address;
	unsigned int max_connections_per_account;
	/* Failed logins before answers are delayed, then refused, within
	   auth_window_s. */
	unsigned int max_auth_failures_per_address;
	unsigned int max_auth_failures_per_account;
	unsigned int auth_window_s;
	unsigned int preauth_timeout_s;
	unsigned int idle_timeout_s;
	unsigned int connect_timeout_s;
	unsigned int server_read_timeout_s;
	/* Networks not counted per address (balancers). */
	struct network *exempt_networks;
	size_t exempt_network_count;
};

struct message_settings {
	uint64_t max_message_bytes;
	/* Collect each message in sealed memory before the provider sees a
	   byte of it. */
	bool hold_until_complete;
	/* All messages in collection of one worker together. */
	uint64_t message_budget_bytes;
	/* What one tap copies at most. */
	size_t max_tap_bytes;
	/* All taps of one worker together. */
	size_t tap_budget_bytes;
};

struct inspector_settings {
	char *program;
	unsigned int processes_per_worker;
	unsigned int deadline_ms;
	/* Replaced after so many. */
	unsigned int max_messages;
};

struct queue_settings {
	/* "unix:/path" or "host:port". */
	char *redis;
	unsigned int partitions;
	char *journal_dir;
	uint64_t journal_max_bytes;
	/* 32 random bytes; the same on all nodes. */
	char *event_key_file;
};

struct database_settings {
	/* libpq connection strings, one per role. */
	char *owner;
	char *writer;
	char *console;
};

struct settings {
	char *path;
	char *run_dir;
	char *state_dir;
	/* Dropped to when started as root; "" stays. */
	char *user;
	/* 0: one per core. */
	unsigned int workers;
	enum log_level log_level;
	unsigned int drain_timeout_s;
	/* Pass logins of unknown domains uninspected; else refuse. */
	bool carry_unknown_organizations;
	/* NULL: none. */
	char *default_provider;

	struct certificate *certificates;
	size_t certificate_count;
	struct listener_settings *listeners;
	size_t listener_count;
	struct provider *providers;
	size_t provider_count;
	struct organization *organizations;
	size_t organization_count;
	/* Plaintext and PROXY headers are accepted from these only. Loopback
	   is always trusted for plaintext. */
	struct network *trusted_networks;
	size_t trusted_network_count;

	struct limits_settings limits;
	struct message_settings message;
	struct inspector_settings inspector;
	struct queue_settings queue;
	struct database_settings database;

	unsigned int references;
};

/* Called for every fault and doubt of a file, in file order. text is one line
   with its hint; line is 0 where no line is to blame. */
typedef void settings_report(void *context, bool is_error, const char *file,
			     unsigned int line, const char *text);

/* Read and check a whole file. Return settings with one reference, or NULL
   after at least one report of an error. Nothing is half loaded. */
struct settings *settings_load(const char *path, settings_report *report,
			       void *context);
struct settings *settings_ref(struct settings *settings);
/* Drop one reference, clear the pointer; free with the last. */
void settings_unref(struct settings **settings);

const struct provider *settings_provider(const struct settings *settings,
					 const char *name);
/* The organization that owns the domain of a login, or NULL. */
const struct organization *
settings_organization(const struct settings *settings, struct span domain);

/* Read "192.0.2.0/24", "::1", ... Return 0 or -1. */
int network_parse(const char *text, struct network *network_r,
		  struct error *err_r);

struct sockaddr;
bool networks_have(const struct network *networks, size_t count,
		   const struct sockaddr *address);

#endif
