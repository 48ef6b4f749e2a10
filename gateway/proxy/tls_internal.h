/* tls_internal: what tls.c and tls_context.c know of each other. */
#ifndef POSTERN_PROXY_TLS_INTERNAL_H
#define POSTERN_PROXY_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "proxy/tls.h"

/* Sessions kept of one provider host. Those of TLS 1.3 are used once, and a
   connection brings one or two: this is how many logins may begin at the same
   time and still all be resumed. */
#define TLS_PEER_SESSIONS 64

struct tls_peer {
	struct tls_peer *next;
	SSL_CTX *context;
	/* The last leaf certificate, shared by all sessions that show it. */
	X509 *leaf;
	SSL_SESSION *sessions[TLS_PEER_SESSIONS];
	size_t session_count;
	unsigned int references;
	uint16_t port;
	bool is_address;
	char name[DOMAIN_MAX + 1];
};

SSL *tls_server_ssl(struct tls_server *server);
void tls_server_ref(struct tls_server *server);
void tls_server_unref(struct tls_server *server);
/* With name, SNI and a session to resume. */
SSL *tls_peer_ssl(struct tls_peer *peer);
void tls_peer_ref(struct tls_peer *peer);
void tls_peer_unref(struct tls_peer *peer);

/* The text of the oldest error in the queue, and clear it. */
const char *tls_error_text(void);

#endif
