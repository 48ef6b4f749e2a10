/* redis_address: where Redis is, as postern.conf says it. */
#ifndef POSTERN_QUEUE_REDIS_ADDRESS_H
#define POSTERN_QUEUE_REDIS_ADDRESS_H

#include <stdbool.h>

#include "lib/error.h"

struct redis_address {
	/* Path of the socket, or a numeric address: looking up a name would
	   make mail wait for DNS. */
	char host[108];
	bool is_unix;
	int port;
};

/* Read "unix:/path", "192.0.2.1:6379" or "[2001:db8::1]:6379". Return 0, or
   -1 with what is wrong and a hint. */
int redis_address_parse(const char *text, struct redis_address *address_r,
			struct error *err_r);

/* The stream of contacts of a partition, and where its dead letters go. */
#define REDIS_KEY_SIZE 40
void redis_contacts_key(unsigned int partition, char key_r[REDIS_KEY_SIZE]);
void redis_dead_key(unsigned int partition, char key_r[REDIS_KEY_SIZE]);

#endif
