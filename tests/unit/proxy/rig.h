/* rig: a worker on loopback ports, certificates made on the spot, and peers
   that block: a mail program and a provider, each in its own thread, while
   the test's own thread runs the worker's loop. */
#ifndef POSTERN_TESTS_PROXY_RIG_H
#define POSTERN_TESTS_PROXY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <event2/event.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "proxy/relay.h"
#include "proxy/session.h"
#include "proxy/session_impl.h"
#include "proxy/worker.h"

/* What a certificate is made like. */
struct rig_certificate {
	const char *name;
	/* Of the rig's CA, or by itself. */
	bool self_signed;
	bool expired;
	/* For clients only: the wrong purpose. */
	bool for_clients;
};

struct rig {
	char dir[64];
	struct settings settings;
	struct listener_settings listener;
	struct provider provider;
	struct certificate certificate;
	struct event_base *base;
	struct limits *limits;
	struct proxy_worker *worker;
	struct session_hooks hooks;
	/* Where the worker and the provider listen. */
	uint16_t port;
	int provider_fd;
	uint16_t provider_port;
	SSL_CTX *client_context;
	SSL_CTX *provider_context;
};

/* Certificates, a provider socket, settings that say TLS on both sides; may
   be changed before rig_start. */
void rig_init(struct rig *rig);
void rig_finish(struct rig *rig);
/* Make the worker and its listener. */
void rig_start(struct rig *rig, const struct protocol *protocol);
/* Make a certificate and its key, DIR/NAME.pem and DIR/NAME.key. */
void rig_make(struct rig *rig, const char *file,
	      const struct rig_certificate *how);
const char *rig_path(struct rig *rig, const char *file, const char *end);
SSL_CTX *rig_server_context(struct rig *rig, const char *file);

/* Run the loop until *done is set (by a peer's thread or the protocol), at
   most seconds. Return false when time ran out. */
bool rig_run(struct rig *rig, const volatile int *done, unsigned int seconds);
/* Until no session is left. */
bool rig_run_empty(struct rig *rig, unsigned int seconds);

/* -- blocking peers, for threads -- */
struct peer {
	int fd;
	SSL *ssl;
};

/* Connect to the worker; context NULL: plain. Return 0, or -1 when the
   handshake failed. */
int peer_connect(struct peer *peer, uint16_t port, SSL_CTX *context,
		 const char *name);
int peer_accept(struct peer *peer, int listen_fd, SSL_CTX *context);
int peer_start_tls(struct peer *peer, SSL_CTX *context, bool server,
		   const char *name);
ssize_t peer_read(struct peer *peer, void *out, size_t size);
/* Read until LF; 0 terminated. Return its length or -1. */
ssize_t peer_line(struct peer *peer, char *out, size_t size);
int peer_write(struct peer *peer, const void *bytes, size_t len);
/* With close_notify. */
void peer_close(struct peer *peer);
/* Without. */
void peer_drop(struct peer *peer);

/* A protocol that connects at once and passes everything. */
extern const struct protocol blind_protocol;
/* Why the last session of it ended. */
extern char blind_connect_error[ERROR_TEXT_SIZE];
extern int blind_eof_truncated;

#endif
