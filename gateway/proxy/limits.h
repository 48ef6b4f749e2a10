/* limits: how much one address or one account may ask of all workers
   together: connections at a time, failed logins in a window. A table of
   fixed size in memory shared by the workers of one master; what is used
   least is forgotten first. Knows no session. */
#ifndef POSTERN_PROXY_LIMITS_H
#define POSTERN_PROXY_LIMITS_H

#include "lib/span.h"

struct limits;

/* Make the table, before fork: entries is rounded up to a power of two, and
   workers (at least 1) will count in it, from 0 on. Never NULL; a machine that
   has no memory for it ends the program. */
struct limits *limits_create(size_t entries, unsigned int workers);
void limits_destroy(struct limits **limits);

/* A worker died: what it counted is no more. */
void limits_forget_worker(struct limits *limits, unsigned int worker);

/* What is counted, apart from each other. */
enum limits_kind {
	/* All connections; the key is empty. */
	LIMITS_TOTAL,
	LIMITS_ADDRESS,
	LIMITS_ACCOUNT,
};

/* Count one more connection of key. Return false, counting nothing, when it
   has max already. Each true needs one limits_release. */
bool limits_acquire(struct limits *limits, unsigned int worker,
		    enum limits_kind kind, struct span key, unsigned int max);
void limits_release(struct limits *limits, unsigned int worker,
		    enum limits_kind kind, struct span key);

/* Count one failed login at now (seconds of any clock that all workers
   share) and return how many there were in the window. */
unsigned int limits_fail(struct limits *limits, enum limits_kind kind,
			 struct span key, uint64_t now_s,
			 unsigned int window_s);
/* How many there were in the window, without counting. */
unsigned int limits_failures(struct limits *limits, enum limits_kind kind,
			     struct span key, uint64_t now_s,
			     unsigned int window_s);
/* A login worked: forget the failures of key. */
void limits_forgive(struct limits *limits, enum limits_kind kind,
		    struct span key);

#endif
