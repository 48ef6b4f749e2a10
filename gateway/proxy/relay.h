/* relay: orders bytes from one side to the other. The only code that touches
   sockets and TLS buffers in bulk; protocols look at bytes and give orders.
   Order of calls is order on the wire. Output that the socket does not take
   is kept as ciphertext per endpoint; above RELAY_HIGH_MARK the other side is
   no longer read, below RELAY_LOW_MARK it is again. */
#ifndef POSTERN_PROXY_RELAY_H
#define POSTERN_PROXY_RELAY_H

#include "proxy/session.h"

#define RELAY_HIGH_MARK (256 * 1024)
#define RELAY_LOW_MARK	(64 * 1024)
/* A peer that asks for much and reads nothing: its own bytes are not taken
   either above this. */
#define RELAY_FLOOD_MARK (1024 * 1024)
/* Bytes of one side that a protocol may leave unconsumed. More ends the
   session: a line that long is refused by the lexers before. */
#define RELAY_HELD_MAX (128 * 1024)

/* Send bytes that came from one side to the other. Adjacent spans of the
   buffer given to on_bytes are joined into whole TLS records; other bytes are
   copied at once. */
void relay_forward(struct session *s, enum side from, struct span bytes);

/* Send our own bytes to a side. Copied. */
void relay_send(struct session *s, enum side to, struct span bytes);
void relay_sendf(struct session *s, enum side to, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* As relay_send, and the copy is wiped (credentials). */
void relay_send_secret(struct session *s, enum side to, struct span bytes);

/* Stop and resume giving a side's bytes to the protocol (it waits for a
   verdict, for the provider's login). Resume delivers what was held, later in
   this loop iteration, not inside the call. */
void relay_pause(struct session *s, enum side from);
void relay_resume(struct session *s, enum side from);

/* Bytes received from a side and not consumed (inside on_bytes: of earlier
   deliveries and this one, not counting what is being returned). */
size_t relay_pending(const struct session *s, enum side from);

/* Bytes waiting to go out to a side (ciphertext). Above RELAY_HIGH_MARK a
   protocol that produces by itself (SMTP content from a memfd) waits for
   on_drained. */
size_t relay_backlog(const struct session *s, enum side to);

/* Call fn once, later, when the backlog of that side is below the low mark. */
void relay_when_writable(struct session *s, enum side to,
			 void (*fn)(struct session *s));

/* The end of a side's bytes came without TLS close_notify, or as an error of
   its connection: what was under way may have been cut short by anyone. Asked
   in on_eof. */
bool relay_was_truncated(const struct session *s, enum side from);

/* Has the peer closed its side of the connection, although its bytes are not
   read at the moment (relay_pause)? It may still read. */
bool relay_has_hung_up(const struct session *s, enum side from);

/* Counters: plaintext bytes taken from a side so far. */
uint64_t relay_bytes_in(const struct session *s, enum side from);

#endif
