/* session_impl: the structs behind session.h and worker.h, for the files of
   this folder alone. */
#ifndef POSTERN_PROXY_SESSION_IMPL_H
#define POSTERN_PROXY_SESSION_IMPL_H

#include <sys/queue.h>

#include "proxy/backend.h"
#include "proxy/endpoint.h"
#include "proxy/worker.h"

/* After session_close: how long a peer may take nothing of what is still to
   be sent (or send without end), and how long in all. */
#define LINGER_S     5
#define LINGER_MAX_S 60

/* Things of a session done by the worker after the event under way. */
#define WORK_DELIVER_CLIENT  1u
#define WORK_DELIVER_SERVER  2u
#define WORK_WRITABLE_CLIENT 4u
#define WORK_WRITABLE_SERVER 8u
#define WORK_BROKEN_CLIENT   16u
#define WORK_BROKEN_SERVER   32u
#define WORK_START_TLS	     64u
#define WORK_REAP	     128u

enum deadline {
	/* session_set_timeout. */
	DEADLINE_PROTOCOL,
	/* From accept to session_authenticated. */
	DEADLINE_PREAUTH,
	/* TLS with the provider. */
	DEADLINE_HANDSHAKE,
	/* The client is read again after a failed login. */
	DEADLINE_DELAY,
	/* After session_close. */
	DEADLINE_LINGER,
	DEADLINE_COUNT
};

struct session {
	struct proxy_worker *worker;
	TAILQ_ENTRY(session) link;
	/* In the worker's list while work is not 0. */
	STAILQ_ENTRY(session) work_link;
	unsigned int work;
	struct settings *settings;
	const struct listener_settings *listener;
	const struct protocol *protocol;
	void *state;
	void *context;
	struct endpoint client;
	struct endpoint server;
	struct backend *backend;
	struct session_route route;
	const struct service_settings *service;
	/* Lower case; NULL before. */
	char *mailbox;
	/* The account counted in limits; NULL: none. */
	char *account;
	struct event timer;
	/* Milliseconds of the worker's clock; 0: off. */
	uint64_t deadlines[DEADLINE_COUNT];
	uint64_t timer_at;
	uint64_t started_at;
	uint64_t closed_at;
	/* Whose limits count: the peer, or whom the PROXY header names; IPv4
	   as ::ffff:a.b.c.d. */
	unsigned char address[16];
	bool address_counted : 1;
	bool total_counted : 1;
	/* The socket's peer is in the trusted networks: for PROXY headers. */
	bool peer_listed : 1;
	/* Or loopback: for plain text. */
	bool peer_trusted : 1;
	bool started : 1;
	bool connected : 1;
	bool authenticated : 1;
	bool closing : 1;
	char address_text[48];
	char id[SESSION_ID_SIZE];
};

struct trust {
	/* NULL: the system's. */
	char *ca_file;
	struct tls_client *client;
};

struct proxy_worker {
	struct event_base *base;
	struct settings *settings;
	struct limits *limits;
	unsigned int index;
	const struct session_hooks *hooks;
	struct tls_tickets tickets;
	/* NULL: no certificate is configured. */
	struct tls_server *tls_server;
	struct trust *trusts;
	size_t trust_count;
	struct resolver *resolver;
	STAILQ_HEAD(, listener) listeners;
	TAILQ_HEAD(, session) sessions;
	size_t session_count;
	uint32_t next_id;
	STAILQ_HEAD(, session) work;
	struct event *work_event;
	struct event *drain_event;
	bool draining;
	uint64_t drain_until;
	void (*drained)(void *context);
	void *drained_context;
	struct io io;
};

/* -- worker.c -- */
uint64_t worker_now_ms(void);
/* Have flags done after the event under way. */
void worker_add_work(struct session *s, unsigned int flags);
/* Flush the output buffer after the event under way. */
void worker_wake(struct proxy_worker *worker);
/* Tell who drains us when the last session is gone. */
void worker_check_drained(struct proxy_worker *worker);
struct tls_client *worker_trust(struct proxy_worker *worker,
				const char *ca_file);

/* -- listener.c -- */
void listener_stop_all(struct proxy_worker *worker);
/* Close those that the settings no longer have. */
void listener_reload_all(struct proxy_worker *worker);

/* -- session.c -- */
struct endpoint *session_endpoint(struct session *s, enum side side);
struct session *session_create(struct proxy_worker *worker,
			       const struct listener_settings *listener,
			       const struct protocol *protocol);
/* The client's first bytes may come: TLS, or the greeting. */
void session_begin(struct session *s);
/* ASCII letters in lower case; free with free(). */
char *session_lower_copy(struct span text);
void session_do_work(struct session *s, unsigned int flags);
void session_reap(struct session *s);
void session_set_deadline(struct session *s, enum deadline deadline,
			  uint64_t after_ms);

/* -- session_accept.c -- */
/* A client was accepted on fd. Counts, refuses, begins. */
void session_accept(struct proxy_worker *worker, int fd,
		    const struct listener_settings *listener,
		    const struct protocol *protocol,
		    const struct sockaddr *peer);
void session_forget_limits(struct session *s);
/* No delays, and a peer that vanished is noticed. */
void socket_set_options(int fd);
/* More of the client's first bytes: take the PROXY header off *in. Return
   false when the session is closing. */
bool session_take_proxy_header(struct session *s, struct span *in);

/* -- session.c, told by endpoints -- */
void session_handshake_done(struct endpoint *e);
void session_handshake_failed(struct endpoint *e, const char *why);
void session_endpoint_closed(struct session *s);
/* A closing session made progress: give it more time. */
void session_linger(struct session *s);
/* session_close with "SIDE: why". */
void session_close_because(struct session *s, const char *side,
			   const char *why);
/* The provider's TLS peer of this session's route; NULL when a reload took
   its CA file away. */
struct tls_peer *session_tls_peer(struct session *s);

/* -- relay.c -- */
/* The first len bytes of the worker's plain buffer are what was held and
   what came: show them to the protocol and keep what it leaves. */
void relay_deliver(struct endpoint *e, size_t len);
/* Put what is held at the head of the plain buffer; return its length. */
size_t relay_load_held(struct endpoint *e);
void relay_deliver_held(struct endpoint *e);
/* Tell of the end once everything before was told. */
void relay_deliver_eof(struct endpoint *e);
/* Encrypt what was ordered and not yet done. */
void relay_flush(struct io *io);
/* The backlog of e changed: stop or resume reading the other side. */
void relay_balance(struct endpoint *e);

#endif
