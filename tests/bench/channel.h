/* channel: one TLS connection of the load generator or the sink, on an epoll
   loop. Bytes to send may be borrowed; bytes received are offered until they
   are used. Knows nothing of protocols or measurements. */
#ifndef POSTERN_BENCH_CHANNEL_H
#define POSTERN_BENCH_CHANNEL_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/span.h"

struct channel;

/* What the owner of a channel does when something happens. */
struct channel_type {
	/* The handshake is done. May be NULL. */
	void (*opened)(struct channel *ch);
	/* Use bytes of in, return how many; the rest is offered again once
	   more have come. */
	size_t (*input)(struct channel *ch, struct span in);
	/* The channel is going: why is NULL when the peer, or channel_close,
	   ended it in order. The owner frees what it has. */
	void (*closed)(struct channel *ch, const char *why);
};

/* One epoll loop; a program has one. */
struct loop;

struct loop *loop_create(void);
void loop_destroy(struct loop **loop);
/* Wait at most timeout_ms (-1: for ever) and serve what is ready once. */
void loop_turn(struct loop *loop, int timeout_ms);

/* Accept connections on 127.0.0.1:port with context; for each, owner comes
   from accepted. Exits with a message when the port cannot be had. */
void loop_listen(struct loop *loop, uint16_t port, SSL_CTX *context,
		 const struct channel_type *type,
		 void *(*accepted)(struct channel *ch));

/* Connect to 127.0.0.1:port. session, may be NULL, is offered for resumption.
   Failures come to type->closed. */
struct channel *channel_connect(struct loop *loop, uint16_t port,
				SSL_CTX *context, SSL_SESSION *session,
				const struct channel_type *type, void *owner);

void *channel_owner(const struct channel *ch);
bool channel_was_resumed(const struct channel *ch);
/* The newest session this connection was given, for resumption; may be NULL.
   The caller frees it with SSL_SESSION_free. */
SSL_SESSION *channel_take_session(struct channel *ch);

/* Queue bytes: copied, or borrowed until they are sent. Within input and
   opened they go out when the callback returns; elsewhere call
   channel_flush. */
void channel_send(struct channel *ch, struct span bytes);
void channel_sendf(struct channel *ch, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void channel_send_borrowed(struct channel *ch, struct span bytes);
void channel_flush(struct channel *ch);

/* End the connection with close_notify once everything queued is sent.
   type->closed is called from the loop. */
void channel_close(struct channel *ch);

#endif
