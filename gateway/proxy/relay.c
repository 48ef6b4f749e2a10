/* relay: shows the bytes of one side to the protocol and carries out what it
   orders. Keeps what is not consumed; lets one side wait for the other. Knows
   no socket and no protocol. */
#include "proxy/relay.h"

#include <assert.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/metrics.h"
#include "proxy/session_impl.h"

static const struct endpoint *endpoint_of(const struct session *s,
					  enum side side)
{
	return side == SIDE_CLIENT ? &s->client : &s->server;
}

/* -- orders -- */

void relay_flush(struct io *io)
{
	struct endpoint *to = io->joined_to;

	if (to != NULL) {
		io->joined_to = NULL;
		endpoint_write(to, io->joined);
	}
}

static bool is_in_plain(const struct io *io, struct span bytes)
{
	return bytes.ptr >= io->plain &&
	       bytes.ptr + bytes.len <= io->plain + IO_PLAIN_SIZE;
}

void relay_forward(struct session *s, enum side from, struct span bytes)
{
	struct endpoint *to = session_endpoint(s, side_other(from));
	struct io *io = &s->worker->io;

	if (bytes.len == 0) {
		return;
	}
	if (io->joined_to == to &&
	    io->joined.ptr + io->joined.len == bytes.ptr) {
		io->joined.len += bytes.len;
		return;
	}
	relay_flush(io);
	if (is_in_plain(io, bytes)) {
		io->joined = bytes;
		io->joined_to = to;
	} else {
		endpoint_write(to, bytes);
	}
}

void relay_send(struct session *s, enum side to, struct span bytes)
{
	struct endpoint *e = session_endpoint(s, to);

	if (s->worker->io.joined_to == e) {
		relay_flush(&s->worker->io);
	}
	endpoint_write(e, bytes);
}

void relay_sendf(struct session *s, enum side to, const char *format, ...)
{
	char small[1024];
	char *text = small;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (len >= (int)sizeof(small)) {
		va_start(args, format);
		len = vasprintf(&text, format, args);
		va_end(args);
	}
	assert(len >= 0);
	relay_send(s, to, span_of(text, (size_t)len));
	if (text != small) {
		free(text);
	}
}

/* With TLS nothing of it stays: OpenSSL encrypts in place of its copy. */
void relay_send_secret(struct session *s, enum side to, struct span bytes)
{
	struct io *io = &s->worker->io;

	relay_send(s, to, bytes);
	if (!session_has_tls(s, to)) {
		io_flush(io);
		explicit_bzero(io->out, sizeof(io->out));
	}
}

/* -- delivery -- */

size_t relay_load_held(struct endpoint *e)
{
	size_t len = e->held.len;

	if (len > 0) {
		memcpy(e->session->worker->io.plain, e->held.ptr, len);
		if (!e->session->authenticated) {
			explicit_bzero(e->held.ptr, len);
		}
		strbuf_clear(&e->held);
	}
	return len;
}

static bool may_deliver(const struct endpoint *e)
{
	const struct session *s = e->session;

	return s->started && !s->closing && !e->paused && !e->delayed;
}

/* What came in plain text before TLS was on may have been put there by anyone
   on the way: answering it inside TLS would trust it. */
static void refuse_injection(struct endpoint *e)
{
	e->wants_tls = false;
	if (e->side == SIDE_CLIENT) {
		session_close(e->session,
			      "client sent data before the TLS handshake");
	} else {
		session_handshake_failed(e, "data before the TLS handshake");
	}
}

/* Keep what the protocol left. */
static void keep_rest(struct endpoint *e, struct span rest)
{
	if (rest.len == 0) {
		strbuf_wipe(&e->held);
		return;
	}
	strbuf_add(&e->held, rest);
	if (!e->paused && !e->delayed && rest.len > RELAY_HELD_MAX) {
		session_close_because(e->session,
				      e->side == SIDE_CLIENT ? "client"
							     : "server",
				      "more than may be kept");
	}
}

void relay_deliver(struct endpoint *e, size_t len)
{
	struct session *s = e->session;
	struct io *io = &s->worker->io;
	struct span in = span_of(io->plain, len);
	bool secret = !s->authenticated;
	size_t used = 0;

	if (e->wants_tls) {
		refuse_injection(e);
	} else if (may_deliver(e)) {
		e->delivering = len;
		used = s->protocol->on_bytes(s, e->side, in);
		e->delivering = 0;
		assert(used <= len);
		relay_flush(io);
	}
	/* on_bytes may have closed the session or dropped this endpoint. */
	if (!s->closing && e->state != ENDPOINT_NONE) {
		keep_rest(e, span_from(in, used));
		if (e->wants_tls && !s->closing) {
			if (used < len) {
				refuse_injection(e);
			} else {
				endpoint_start_tls(e);
			}
		}
	}
	if (secret) {
		explicit_bzero(io->plain, len);
	}
}

void relay_deliver_held(struct endpoint *e)
{
	if (!may_deliver(e)) {
		return;
	}
	if (e->held.len > 0) {
		relay_deliver(e, relay_load_held(e));
	}
	relay_deliver_eof(e);
	endpoint_update(e);
}

void relay_deliver_eof(struct endpoint *e)
{
	if (!e->eof || e->eof_told || !may_deliver(e) ||
	    e->state == ENDPOINT_NONE) {
		return;
	}
	e->eof_told = true;
	e->session->protocol->on_eof(e->session, e->side);
}

/* -- waiting -- */

void relay_pause(struct session *s, enum side from)
{
	struct endpoint *e = session_endpoint(s, from);

	e->paused = true;
	endpoint_update(e);
}

void relay_resume(struct session *s, enum side from)
{
	struct endpoint *e = session_endpoint(s, from);

	if (!e->paused) {
		return;
	}
	e->paused = false;
	endpoint_update(e);
	worker_add_work(s, from == SIDE_CLIENT ? WORK_DELIVER_CLIENT
					       : WORK_DELIVER_SERVER);
}

void relay_balance(struct endpoint *e)
{
	struct session *s = e->session;
	struct endpoint *other = session_endpoint(s, side_other(e->side));
	size_t len = backlog_len(&e->backlog);

	if (!e->choked && len > RELAY_HIGH_MARK) {
		e->choked = true;
		metric_add(METRIC_BACKPRESSURE, 1);
		endpoint_update(other);
	}
	if (!e->flooded && len > RELAY_FLOOD_MARK) {
		e->flooded = true;
		endpoint_update(e);
	}
	if (e->choked && len < RELAY_LOW_MARK) {
		e->choked = false;
		e->flooded = false;
		endpoint_update(e);
		endpoint_update(other);
	}
	if (e->when_writable != NULL && len < RELAY_LOW_MARK) {
		worker_add_work(s, e->side == SIDE_CLIENT
					   ? WORK_WRITABLE_CLIENT
					   : WORK_WRITABLE_SERVER);
	}
}

void relay_when_writable(struct session *s, enum side to,
			 void (*fn)(struct session *s))
{
	struct endpoint *e = session_endpoint(s, to);

	e->when_writable = fn;
	relay_balance(e);
}

/* -- questions -- */

size_t relay_pending(const struct session *s, enum side from)
{
	const struct endpoint *e = endpoint_of(s, from);

	return e->held.len + e->delivering;
}

size_t relay_backlog(const struct session *s, enum side to)
{
	return endpoint_backlog(endpoint_of(s, to));
}

bool relay_was_truncated(const struct session *s, enum side from)
{
	return endpoint_of(s, from)->truncated;
}

bool relay_has_hung_up(const struct session *s, enum side from)
{
	const struct endpoint *e = endpoint_of(s, from);
	struct pollfd poll_fd = { .fd = e->fd, .events = POLLRDHUP };

	return e->eof || e->broken || (e->fd >= 0 && poll(&poll_fd, 1, 0) > 0);
}

uint64_t relay_bytes_in(const struct session *s, enum side from)
{
	return endpoint_of(s, from)->bytes_in;
}
