/* resolver: host names to addresses without stopping the loop; /etc/hosts and
   numbers included. The only file that knows evdns. */
#ifndef POSTERN_PROXY_RESOLVER_H
#define POSTERN_PROXY_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

struct event_base;
struct resolver;

/* How long addresses are believed without asking again; after a failure to
   resolve they are used all the same. */
#define RESOLVER_LIFETIME_S    30
#define RESOLVER_ADDRESSES_MAX 16

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct addresses {
	size_t count;
	union address list[RESOLVER_ADDRESSES_MAX];
};

/* NULL only for want of memory: without name servers it still reads
   /etc/hosts and numbers. */
struct resolver *resolver_create(struct event_base *base);
/* Instead of the system's: one name server ("127.0.0.1:5353") and one file of
   hosts. NULL when the name server is none. */
struct resolver *resolver_create_with(struct event_base *base,
				      const char *name_server,
				      const char *hosts_file);
void resolver_destroy(struct resolver **resolver);

/* Called once, maybe from inside resolver_find: the addresses, IPv6 and IPv4
   in turn, the one that worked last first; count 0 with the reason. Borrowed
   for the call. */
typedef void resolver_done(void *context, const struct addresses *found,
			   const char *why);

struct resolver_query;
/* Return the query under way, or NULL when done was called already. */
struct resolver_query *resolver_find(struct resolver *resolver,
				     const char *host, uint16_t port,
				     resolver_done *done, void *context);
/* done is not called any more. NULL is fine. */
void resolver_cancel(struct resolver_query **query);

/* This address of the host worked: try it first next time. */
void resolver_prefer(struct resolver *resolver, const char *host, uint16_t port,
		     const union address *address);

#endif
