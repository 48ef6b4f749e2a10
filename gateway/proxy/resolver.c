/* resolver: names to addresses through evdns, with a small memory. Knows
   nothing of connecting. */
#include "proxy/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/dns.h>
#include <event2/util.h>

#include "lib/xalloc.h"

/* Providers are few; the oldest answer makes room. */
#define MEMORY_MAX 64

struct memory {
	struct memory *next;
	char *host;
	uint16_t port;
	time_t found_at;
	struct addresses addresses;
};

struct resolver {
	struct evdns_base *dns;
	struct memory *memories;
};

struct resolver_query {
	struct resolver *resolver;
	struct evdns_getaddrinfo_request *request;
	char *host;
	uint16_t port;
	resolver_done *done;
	void *context;
	/* Still inside resolver_find: it frees. */
	bool inside;
	bool finished;
};

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

struct resolver *resolver_create(struct event_base *base)
{
	struct resolver *resolver = xcalloc(1, sizeof(*resolver));

	resolver->dns =
		evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
					     EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (resolver->dns == NULL) {
		/* No resolv.conf, or nothing in it. */
		resolver->dns =
			evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
		if (resolver->dns == NULL) {
			free(resolver);
			return NULL;
		}
		evdns_base_load_hosts(resolver->dns, "/etc/hosts");
	}
	return resolver;
}

struct resolver *resolver_create_with(struct event_base *base,
				      const char *name_server,
				      const char *hosts_file)
{
	struct resolver *resolver = xcalloc(1, sizeof(*resolver));

	resolver->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (resolver->dns == NULL ||
	    evdns_base_nameserver_ip_add(resolver->dns, name_server) != 0) {
		resolver_destroy(&resolver);
		return NULL;
	}
	evdns_base_load_hosts(resolver->dns, hosts_file);
	return resolver;
}

static void memory_free(struct memory *memory)
{
	free(memory->host);
	free(memory);
}

void resolver_destroy(struct resolver **resolver)
{
	struct memory *next;

	if (*resolver == NULL) {
		return;
	}
	if ((*resolver)->dns != NULL) {
		evdns_base_free((*resolver)->dns, 0);
	}
	for (struct memory *m = (*resolver)->memories; m != NULL; m = next) {
		next = m->next;
		memory_free(m);
	}
	free(*resolver);
	*resolver = NULL;
}

/* -- memory -- */

static struct memory *remembered(struct resolver *resolver, const char *host,
				 uint16_t port)
{
	for (struct memory *m = resolver->memories; m != NULL; m = m->next) {
		if (m->port == port && strcmp(m->host, host) == 0) {
			return m;
		}
	}
	return NULL;
}

/* New ones are put in front: the last is the oldest. */
static void forget_oldest(struct resolver *resolver)
{
	struct memory **last = &resolver->memories;
	size_t count = 0;

	while (*last != NULL && (*last)->next != NULL) {
		last = &(*last)->next;
		count++;
	}
	if (count + 1 >= MEMORY_MAX) {
		memory_free(*last);
		*last = NULL;
	}
}

static struct memory *remember(struct resolver *resolver, const char *host,
			       uint16_t port, const struct addresses *found)
{
	struct memory *memory = remembered(resolver, host, port);

	if (memory == NULL) {
		forget_oldest(resolver);
		memory = xcalloc(1, sizeof(*memory));
		memory->host = xstrdup(host);
		memory->port = port;
		memory->next = resolver->memories;
		resolver->memories = memory;
	}
	memory->addresses = *found;
	memory->found_at = now_s();
	return memory;
}

static bool same_address(const union address *a, const union address *b)
{
	if (a->any.sa_family != b->any.sa_family) {
		return false;
	}
	if (a->any.sa_family == AF_INET) {
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	}
	return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

static void move_to_front(struct addresses *addresses,
			  const union address *first)
{
	for (size_t i = 0; i < addresses->count; i++) {
		if (same_address(&addresses->list[i], first)) {
			memmove(addresses->list + 1, addresses->list,
				i * sizeof(addresses->list[0]));
			addresses->list[0] = *first;
			return;
		}
	}
}

void resolver_prefer(struct resolver *resolver, const char *host, uint16_t port,
		     const union address *address)
{
	struct memory *memory = remembered(resolver, host, port);
	union address first = *address;

	if (memory != NULL) {
		move_to_front(&memory->addresses, &first);
	}
}

/* -- asking -- */

static void add_address(struct addresses *out, const struct addrinfo *ai)
{
	if (out->count < RESOLVER_ADDRESSES_MAX &&
	    ai->ai_addrlen <= sizeof(out->list[0])) {
		memcpy(&out->list[out->count++], ai->ai_addr, ai->ai_addrlen);
	}
}

static const struct addrinfo *next_of(const struct addrinfo *ai, int family)
{
	while (ai != NULL && ai->ai_family != family) {
		ai = ai->ai_next;
	}
	return ai;
}

/* IPv6, IPv4, IPv6, ... (RFC 8305 section 4). */
static void interleave(const struct addrinfo *all, struct addresses *out)
{
	const struct addrinfo *v6 = next_of(all, AF_INET6);
	const struct addrinfo *v4 = next_of(all, AF_INET);

	out->count = 0;
	while (v6 != NULL || v4 != NULL) {
		if (v6 != NULL) {
			add_address(out, v6);
			v6 = next_of(v6->ai_next, AF_INET6);
		}
		if (v4 != NULL) {
			add_address(out, v4);
			v4 = next_of(v4->ai_next, AF_INET);
		}
	}
}

static void query_free(struct resolver_query *query)
{
	free(query->host);
	free(query);
}

static void finish(struct resolver_query *query, int error,
		   const struct addresses *found)
{
	struct memory *memory;
	char why[256];

	memory = remembered(query->resolver, query->host, query->port);
	if (error == 0 && found->count > 0) {
		union address first = found->list[0];

		if (memory != NULL && memory->addresses.count > 0) {
			first = memory->addresses.list[0];
		}
		memory = remember(query->resolver, query->host, query->port,
				  found);
		move_to_front(&memory->addresses, &first);
	}
	if (memory != NULL) {
		struct addresses copy = memory->addresses;

		query->done(query->context, &copy, NULL);
		return;
	}
	snprintf(why, sizeof(why), "%s: %s", query->host,
		 error == 0 ? "no address" : evutil_gai_strerror(error));
	query->done(query->context, &(struct addresses){ 0 }, why);
}

static void on_answer(int error, struct evutil_addrinfo *answer, void *context)
{
	struct resolver_query *query = context;
	struct addresses found = { 0 };

	query->request = NULL;
	if (answer != NULL) {
		interleave(answer, &found);
		evutil_freeaddrinfo(answer);
	}
	if (query->done != NULL && error != EVUTIL_EAI_CANCEL) {
		finish(query, error, &found);
	}
	query->finished = true;
	if (!query->inside) {
		query_free(query);
	}
}

static struct resolver_query *ask(struct resolver *resolver, const char *host,
				  uint16_t port, resolver_done *done,
				  void *context)
{
	struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC,
					 .ai_socktype = SOCK_STREAM,
					 .ai_protocol = IPPROTO_TCP };
	struct resolver_query *query = xcalloc(1, sizeof(*query));
	char service[8];

	snprintf(service, sizeof(service), "%u", (unsigned int)port);
	query->resolver = resolver;
	query->host = xstrdup(host);
	query->port = port;
	query->done = done;
	query->context = context;
	query->inside = true;
	query->request = evdns_getaddrinfo(resolver->dns, host, service, &hints,
					   on_answer, query);
	query->inside = false;
	if (query->finished) {
		query_free(query);
		return NULL;
	}
	return query;
}

struct resolver_query *resolver_find(struct resolver *resolver,
				     const char *host, uint16_t port,
				     resolver_done *done, void *context)
{
	struct memory *memory = remembered(resolver, host, port);

	if (memory != NULL &&
	    now_s() - memory->found_at < RESOLVER_LIFETIME_S) {
		struct addresses copy = memory->addresses;

		done(context, &copy, NULL);
		return NULL;
	}
	return ask(resolver, host, port, done, context);
}

/* evdns answers a cancelled request later: on_answer frees. */
void resolver_cancel(struct resolver_query **query)
{
	struct resolver_query *q = *query;

	*query = NULL;
	if (q == NULL) {
		return;
	}
	q->done = NULL;
	if (q->request != NULL) {
		evdns_getaddrinfo_cancel(q->request);
	}
}
