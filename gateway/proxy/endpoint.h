/* endpoint: one side of a session: its socket, its TLS, what waits to be
   sent and what waits to be looked at. Moves bytes between the socket and the
   worker's buffers; what they mean is told to it by its session. */
#ifndef POSTERN_PROXY_ENDPOINT_H
#define POSTERN_PROXY_ENDPOINT_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "lib/strbuf.h"
#include "proxy/backlog.h"
#include "proxy/relay.h"
#include "proxy/session.h"
#include "proxy/tls.h"

/* One recv. DESIGN: 64 KiB is the knee. */
#define IO_RAW_SIZE (64 * 1024)
/* What is held, and what one recv can decrypt to: its own size and the
   record that was incomplete before. */
#define IO_PLAIN_SIZE (RELAY_HELD_MAX + IO_RAW_SIZE + 32 * 1024)
/* What one recv can make the other side be sent. */
#define IO_OUT_SIZE (96 * 1024)
/* Buffers full of bytes taken from one socket before others have a turn. */
#define IO_ROUNDS 4

/* The buffers of one worker, through which the bytes of all its sessions
   pass, one event at a time. */
struct io {
	char raw[IO_RAW_SIZE];
	char plain[IO_PLAIN_SIZE];
	char out[IO_OUT_SIZE];
	size_t out_len;
	/* Whose bytes out has; NULL: nobody's. */
	struct endpoint *out_owner;
	/* Whoever runs now flushes at its end; else the worker is woken. */
	bool attended;
	/* Bytes of plain ordered to be forwarded and not yet encrypted. */
	struct span joined;
	struct endpoint *joined_to;
};

enum endpoint_state {
	/* No socket. */
	ENDPOINT_NONE,
	/* Awaiting the PROXY header. */
	ENDPOINT_PROXY_HEADER,
	/* Awaiting the peer's part of the TLS handshake. */
	ENDPOINT_HANDSHAKE,
	/* Open, in plain text. */
	ENDPOINT_PLAIN,
	/* Open, with TLS. */
	ENDPOINT_TLS,
	/* Sending what is left, then awaiting the peer's end; what it still
	   sends is not looked at. */
	ENDPOINT_CLOSING,
};

struct endpoint {
	struct session *session;
	enum side side;
	enum endpoint_state state;
	int fd;
	/* Does the protocol want its bytes? */
	bool paused : 1;
	/* Failed logins are answered slowly: not read until a deadline. */
	bool delayed : 1;
	/* Our backlog is high: the other side is not read. */
	bool choked : 1;
	/* Our backlog is so high that our own bytes, which may ask for more
	   of it, are not read either. */
	bool flooded : 1;
	/* Are the events added? */
	bool reading : 1;
	bool writing : 1;
	/* session_start_tls was called in on_bytes. */
	bool wants_tls : 1;
	/* No more bytes will come; told to the protocol. */
	bool eof : 1;
	bool eof_told : 1;
	bool truncated : 1;
	/* Sending failed: nothing is sent any more. */
	bool broken : 1;
	struct event read_event;
	struct event write_event;
	struct tls tls;
	struct strbuf held;
	/* Inside on_bytes: how much it was given. */
	size_t delivering;
	struct backlog backlog;
	uint64_t bytes_in;
	/* Not looked at, after our close. */
	size_t bytes_dropped;
	void (*when_writable)(struct session *s);
	/* Why it broke; a static text. */
	const char *why;
};

void endpoint_init(struct endpoint *e, struct session *s, enum side side);
/* Own the connected socket and begin to read. */
void endpoint_open(struct endpoint *e, int fd, enum endpoint_state state);
/* Close at once and forget everything but the counters. */
void endpoint_finish(struct endpoint *e);
/* Send what is left and close_notify, then close; true when done already. */
bool endpoint_close(struct endpoint *e);

/* Begin TLS; the side decides our role. */
void endpoint_start_tls(struct endpoint *e);

/* Encrypt and send, now or when the socket takes it. */
void endpoint_write(struct endpoint *e, struct span bytes);
size_t endpoint_backlog(const struct endpoint *e);

/* Read or not, after something it depends on changed. */
void endpoint_update(struct endpoint *e);

/* Ship what the worker's output buffer has. */
void io_flush(struct io *io);

#endif
