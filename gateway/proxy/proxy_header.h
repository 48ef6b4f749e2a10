/* proxy_header: the PROXY protocol of balancers, v1 and v2 (haproxy,
   doc/proxy-protocol.txt): whom a connection really comes from. Pure and
   resumable. Knows nothing of whom to trust. */
#ifndef POSTERN_PROXY_PROXY_HEADER_H
#define POSTERN_PROXY_PROXY_HEADER_H

#include "lib/error.h"
#include "lib/span.h"

/* The longest header taken, with the TLVs of v2. */
#define PROXY_HEADER_MAX 4096

struct proxy_header {
	/* False for health checks (LOCAL, UNKNOWN) and for AF_UNIX. */
	bool has_source;
	/* IPv4 as ::ffff:a.b.c.d. */
	unsigned char source[16];
	uint16_t source_port;
};

/* Take the header at the head of in. Return 1 with *header_r and the number
   of its bytes in *used_r, 0 when more bytes are needed, -1 when it is none
   or malformed. May be called again with a longer in after 0. */
int proxy_header_next(struct span in, struct proxy_header *header_r,
		      size_t *used_r, struct error *err_r);

#endif
