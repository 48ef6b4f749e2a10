/* sandbox: give up everything but one socket, some memory and some time.
   After it a process can compute, read and write that socket, and end. */
#ifndef POSTERN_INSPECT_SANDBOX_H
#define POSTERN_INSPECT_SANDBOX_H

#include <stddef.h>

#include "lib/error.h"

struct sandbox_limits {
	/* Address space, all told. */
	size_t memory_bytes;
	/* CPU time of the whole life; one message has a deadline of its own,
	   kept by whoever started us. */
	unsigned int cpu_s;
};

/* Close the sandbox around the calling process, which has one thread, has
   opened all it needs, and talks over the socket fd only. Mandatory: no new
   privileges, no core dump, resource limits, the seccomp allow-list (anything
   else kills). Own user, network and IPC namespaces are added where the
   kernel lets us. Return 0, or -1 when a mandatory layer cannot be set: then
   the caller must not go on. There is no way back. */
int sandbox_enter(const struct sandbox_limits *limits, int fd,
		  struct error *err_r);

#endif
