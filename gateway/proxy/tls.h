/* tls: TLS on bytes, not on sockets. Ciphertext goes in as spans and comes
   out through a function that always takes it, so no call here ever blocks or
   is left half done. Contexts (certificates, tickets, trust) are made from
   settings; streams from contexts. With tls_context.c the only code that
   knows libssl. */
#ifndef POSTERN_PROXY_TLS_H
#define POSTERN_PROXY_TLS_H

#include "config/settings.h"
#include "lib/error.h"
#include "lib/span.h"

#define TLS_TICKET_KEY_SIZE 80

/* -- contexts -- */

/* Session ticket keys: those of current seal, previous still opens. */
struct tls_tickets {
	unsigned char current[TLS_TICKET_KEY_SIZE];
	unsigned char previous[TLS_TICKET_KEY_SIZE];
	bool has_previous;
};

/* Towards mail programs: certificates, chosen by SNI. */
struct tls_server;

/* Read the certificates. tickets is borrowed for the context's life and may
   change under it. Return NULL with the reason. Streams keep what they need:
   it may be destroyed any time. */
struct tls_server *tls_server_create(const struct certificate *certificates,
				     size_t count,
				     const struct tls_tickets *tickets,
				     struct error *err_r);
void tls_server_destroy(struct tls_server **server);

/* Towards providers: what we trust. ca_file NULL: the system's. */
struct tls_client;
struct tls_client *tls_client_create(const char *ca_file, struct error *err_r);
void tls_client_destroy(struct tls_client **client);

/* One host we connect to, with the sessions it gave us. Shared by the
   streams to it. */
struct tls_peer;
/* Find or make the peer of this name and port; borrowed from client. name is
   verified and, when no address, sent as SNI. */
struct tls_peer *tls_client_peer(struct tls_client *client, const char *name,
				 uint16_t port);

/* -- streams -- */

/* Takes all of the ciphertext, always. */
typedef void tls_sink(void *context, struct span ciphertext);

/* One TLS connection; embedded in its owner. */
struct tls {
	/* The SSL; NULL: no TLS. */
	void *ssl;
	/* Ciphertext being read by the call under way. */
	struct span in;
	tls_sink *sink;
	void *sink_context;
	/* One of them: what the stream was made from, kept as long as it. */
	struct tls_server *server;
	struct tls_peer *peer;
};

/* Begin as server or as client; the handshake starts with tls_handshake. The
   struct must not move while it is on. */
void tls_init_server(struct tls *tls, struct tls_server *server, tls_sink *sink,
		     void *sink_context);
void tls_init_client(struct tls *tls, struct tls_peer *peer, tls_sink *sink,
		     void *sink_context);
/* Free; the struct is as zeroed. */
void tls_finish(struct tls *tls);

static inline bool tls_is_on(const struct tls *tls)
{
	return tls->ssl != NULL;
}

/* Take the next step with the bytes at the head of *in, which is advanced.
   Return 1 done, 0 more bytes needed, -1 failed. */
int tls_handshake(struct tls *tls, struct span *in, struct error *err_r);
bool tls_was_resumed(const struct tls *tls);
/* "TLSv1.3". Static for the connection's life. */
const char *tls_version(const struct tls *tls);

enum tls_read_status {
	/* out is full; there may be more. */
	TLS_READ_FULL,
	/* *in is used up. */
	TLS_READ_NEED_MORE,
	/* The peer sent close_notify. */
	TLS_READ_CLOSED,
	/* The reason is in err_r. */
	TLS_READ_BROKEN,
};

/* Decrypt from *in, which is advanced, to out; *len_r bytes, whatever is
   returned. */
enum tls_read_status tls_read(struct tls *tls, struct span *in, char *out,
			      size_t size, size_t *len_r, struct error *err_r);
/* Encrypt all of bytes to the sink. Return 0 or -1 (the connection is of no
   use then). */
int tls_write(struct tls *tls, struct span bytes);
/* Send close_notify, once. */
void tls_shutdown(struct tls *tls);

/* Overwrite what was decrypted as soon as it was read (while a credential
   may be among it). */
void tls_set_wipe(struct tls *tls, bool wipe);

#endif
