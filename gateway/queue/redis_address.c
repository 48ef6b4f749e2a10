/* redis_address: parsing of the address, names of the keys. */
#include "queue/redis_address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "lib/span.h"

void redis_contacts_key(unsigned int partition, char key_r[REDIS_KEY_SIZE])
{
	/* The braces make a Redis Cluster keep what belongs to a partition on
	   one node. */
	snprintf(key_r, REDIS_KEY_SIZE, "postern:{%u}:contacts", partition);
}

void redis_dead_key(unsigned int partition, char key_r[REDIS_KEY_SIZE])
{
	snprintf(key_r, REDIS_KEY_SIZE, "postern:{%u}:dead", partition);
}

static bool is_numeric(const char *host)
{
	unsigned char binary[16];

	return inet_pton(AF_INET, host, binary) == 1 ||
	       inet_pton(AF_INET6, host, binary) == 1;
}

static int set_host(struct redis_address *address, struct span host)
{
	if (host.len == 0 || host.len >= sizeof(address->host)) {
		return -1;
	}
	memcpy(address->host, host.ptr, host.len);
	address->host[host.len] = '\0';
	return 0;
}

static int parse_tcp(const char *text, struct redis_address *address)
{
	const char *colon = strrchr(text, ':');
	struct span host;
	uint64_t port;

	if (colon == NULL ||
	    span_to_u64(span_str(colon + 1), 65535, &port) < 0 || port == 0) {
		return -1;
	}
	host = span_of(text, (size_t)(colon - text));
	if (host.len > 2 && host.ptr[0] == '[' &&
	    host.ptr[host.len - 1] == ']') {
		host = span_of(host.ptr + 1, host.len - 2);
	}
	address->port = (int)port;
	return set_host(address, host);
}

int redis_address_parse(const char *text, struct redis_address *address_r,
			struct error *err_r)
{
	struct span rest = span_str(text);

	*address_r = (struct redis_address){ 0 };
	if (span_starts(rest, SPAN("unix:"))) {
		address_r->is_unix = true;
		rest = span_from(rest, 5);
		if (rest.len == 0 || rest.ptr[0] != '/' ||
		    set_host(address_r, rest) < 0) {
			return error_set(err_r,
					 "redis: \"%s\" is no socket: write "
					 "unix:/absolute/path of at most 107 "
					 "bytes",
					 text);
		}
		return 0;
	}
	if (parse_tcp(text, address_r) < 0 || !is_numeric(address_r->host)) {
		return error_set(err_r,
				 "redis: \"%s\" is no address: write "
				 "unix:/path or a numeric address:port",
				 text);
	}
	return 0;
}
