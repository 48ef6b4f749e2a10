/* worker: what all sessions of one process share: the event base, the
   buffers bytes move through, TLS contexts, limits and the list of sessions.
   posternd makes one per process, gives it listeners and hooks, and drains
   it. Not thread-safe: one loop, one thread. Counts by itself, in
   lib/metrics: sessions, logins and their failures, provider and TLS
   failures, refusals by limit, bytes. */
#ifndef POSTERN_PROXY_WORKER_H
#define POSTERN_PROXY_WORKER_H

#include "config/settings.h"
#include "lib/error.h"
#include "lib/span.h"
#include "proxy/limits.h"
#include "proxy/session.h"

struct event_base;
struct listener;
struct proxy_worker;

/* One session ticket key: name, HMAC key, AES-256 key. */
#define PROXY_TICKET_KEY_SIZE 80

/* Make a worker: reads certificates and CA files. settings is referenced.
   hooks is borrowed for the worker's life; NULL for none. limits is borrowed
   and shared by all workers (made before fork); index is this worker's number
   in it. Return NULL with the reason. */
struct proxy_worker *
proxy_worker_create(struct event_base *base, struct settings *settings,
		    struct limits *limits, unsigned int index,
		    const struct session_hooks *hooks, struct error *err_r);
/* Close every session and listener at once and free all. */
void proxy_worker_destroy(struct proxy_worker **worker);

/* Use new settings for what comes: certificates, limits, providers, and the
   listeners' own settings, found by their names. Sessions keep what they
   began with. Return -1 with the old left in place. */
int proxy_worker_reload(struct proxy_worker *worker, struct settings *settings,
			struct error *err_r);

/* Session ticket keys, the same in all workers: new tickets are sealed with
   current; previous (may be NULL) is still accepted. Copied. Without keys
   each worker makes its own at start. */
void proxy_worker_set_ticket_keys(
	struct proxy_worker *worker,
	const unsigned char current[PROXY_TICKET_KEY_SIZE],
	const unsigned char previous[PROXY_TICKET_KEY_SIZE]);

/* Open, bind and listen as the settings say (SO_REUSEPORT; "::" is all
   addresses of both families), non blocking and close-on-exec. Return the
   socket, or -1 with the reason. */
int listener_open(const struct listener_settings *settings,
		  struct error *err_r);

/* Accept on fd, which now belongs to the worker (opened by listener_open or
   inherited). The settings are looked up by name in the worker's. Return -1
   with the reason. */
int listener_start(struct proxy_worker *worker, int fd, const char *name,
		   const struct protocol *protocol, struct error *err_r);

/* Stop accepting, ask every session once a second to end (on_drain), close
   what is left after timeout_s, then call done once. */
void proxy_drain(struct proxy_worker *worker, unsigned int timeout_s,
		 void (*done)(void *context), void *context);

/* End all sessions of a mailbox (revoked, disabled). Return how many. */
size_t proxy_cut_mailbox(struct proxy_worker *worker, struct span mailbox,
			 const char *why);

/* Call fn for every session that is not closing; fn may close it. */
void proxy_each_session(struct proxy_worker *worker,
			void (*fn)(struct session *s, void *context),
			void *context);

#endif
