/* endpoint: moves bytes between one socket and the worker's buffers, through
   TLS where there is TLS. One recv and one send for each 64 KiB. Knows
   nothing of what the bytes mean. */
#include "proxy/endpoint.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/metrics.h"
#include "proxy/session_impl.h"

/* What a session may still send us after we closed it. */
#define LINGER_BYTES (1024 * 1024)

static struct io *io_of(const struct endpoint *e)
{
	return &e->session->worker->io;
}

void endpoint_init(struct endpoint *e, struct session *s, enum side side)
{
	e->session = s;
	e->side = side;
	e->state = ENDPOINT_NONE;
	e->fd = -1;
	strbuf_init(&e->held, IO_PLAIN_SIZE);
}

/* -- output -- */

/* A socket that takes nothing any more. Its session may be in the middle of
   something: told after this event. */
static void set_broken(struct endpoint *e, int error)
{
	if (e->broken) {
		return;
	}
	e->broken = true;
	e->why = strerrordesc_np(error);
	backlog_finish(&e->backlog);
	worker_add_work(e->session, e->side == SIDE_CLIENT
					    ? WORK_BROKEN_CLIENT
					    : WORK_BROKEN_SERVER);
}

/* Return how much the socket took. */
static size_t send_some(struct endpoint *e, struct span bytes)
{
	ssize_t sent;

	do {
		sent = send(e->fd, bytes.ptr, bytes.len,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0) {
		return (size_t)sent;
	}
	if (errno != EAGAIN && errno != EWOULDBLOCK) {
		set_broken(e, errno);
	}
	return 0;
}

static void want_writing(struct endpoint *e, bool want)
{
	if (e->writing == want) {
		return;
	}
	e->writing = want;
	if (want) {
		event_add(&e->write_event, NULL);
	} else {
		event_del(&e->write_event);
	}
}

void io_flush(struct io *io)
{
	struct endpoint *e = io->out_owner;
	struct span rest = span_of(io->out, io->out_len);

	io->out_owner = NULL;
	io->out_len = 0;
	if (e == NULL || e->broken || e->fd < 0) {
		return;
	}
	rest = span_from(rest, send_some(e, rest));
	if (rest.len > 0 && !e->broken) {
		backlog_add(&e->backlog, rest);
		want_writing(e, true);
	}
	relay_balance(e);
}

/* Ciphertext, or plain text where there is no TLS: after what waits. */
static void output(struct endpoint *e, struct span bytes)
{
	struct io *io = io_of(e);

	if (e->broken || e->fd < 0) {
		return;
	}
	if (backlog_len(&e->backlog) > 0) {
		backlog_add(&e->backlog, bytes);
		relay_balance(e);
		return;
	}
	if (io->out_owner != e) {
		io_flush(io);
		io->out_owner = e;
		if (!io->attended) {
			worker_wake(e->session->worker);
		}
	}
	while (bytes.len > 0) {
		struct span part = span_first(bytes, IO_OUT_SIZE - io->out_len);

		memcpy(io->out + io->out_len, part.ptr, part.len);
		io->out_len += part.len;
		bytes = span_from(bytes, part.len);
		if (bytes.len == 0) {
			return;
		}
		io_flush(io);
		if (backlog_len(&e->backlog) > 0 || e->broken) {
			output(e, bytes);
			return;
		}
		io->out_owner = e;
	}
}

static void tls_output(void *context, struct span ciphertext)
{
	output(context, ciphertext);
}

void endpoint_write(struct endpoint *e, struct span bytes)
{
	switch (e->state) {
	case ENDPOINT_TLS:
		if (tls_write(&e->tls, bytes) < 0) {
			set_broken(e, EPROTO);
		}
		break;
	case ENDPOINT_PLAIN:
		output(e, bytes);
		break;
	default:
		break;
	}
}

size_t endpoint_backlog(const struct endpoint *e)
{
	const struct io *io = io_of(e);
	size_t len = backlog_len(&e->backlog);

	return io->out_owner == e ? len + io->out_len : len;
}

static void on_writable(int fd, short what, void *context)
{
	struct endpoint *e = context;
	struct session *s = e->session;

	(void)fd;
	(void)what;
	backlog_sent(&e->backlog, send_some(e, backlog_span(&e->backlog)));
	if (backlog_len(&e->backlog) == 0) {
		want_writing(e, false);
	}
	relay_balance(e);
	if (e->state != ENDPOINT_CLOSING) {
		return;
	}
	if (backlog_len(&e->backlog) > 0) {
		session_linger(s);
	} else if (endpoint_close(e)) {
		session_endpoint_closed(s);
	}
}

/* -- input -- */

void endpoint_start_tls(struct endpoint *e)
{
	struct proxy_worker *worker = e->session->worker;
	struct span none = span_of(NULL, 0);
	struct error err = { "" };
	struct tls_peer *peer;

	/* Whatever was sent in plain text went out before this. */
	e->wants_tls = false;
	assert(!tls_is_on(&e->tls));
	if (e->side == SIDE_CLIENT) {
		if (worker->tls_server == NULL) {
			session_handshake_failed(e, "no certificate");
			return;
		}
		tls_init_server(&e->tls, worker->tls_server, tls_output, e);
		tls_set_wipe(&e->tls, true);
		e->state = ENDPOINT_HANDSHAKE;
		return;
	}
	peer = session_tls_peer(e->session);
	if (peer == NULL) {
		session_handshake_failed(e, "its CA file is no longer read");
		return;
	}
	session_set_deadline(
		e->session, DEADLINE_HANDSHAKE,
		(uint64_t)e->session->settings->limits.connect_timeout_s *
			1000);
	tls_init_client(&e->tls, peer, tls_output, e);
	e->state = ENDPOINT_HANDSHAKE;
	if (tls_handshake(&e->tls, &none, &err) < 0) {
		session_handshake_failed(e, err.text);
	}
}

static void take_handshake(struct endpoint *e, struct span *in)
{
	struct error err = { "" };
	int status = tls_handshake(&e->tls, in, &err);

	if (status < 0) {
		session_handshake_failed(e, err.text);
	} else if (status > 0) {
		e->state = ENDPOINT_TLS;
		session_handshake_done(e);
	}
}

static void count_bytes(struct endpoint *e, size_t len)
{
	e->bytes_in += len;
	metric_add(e->side == SIDE_CLIENT ? METRIC_BYTES_FROM_CLIENTS
					  : METRIC_BYTES_FROM_SERVERS,
		   len);
}

static void take_plain(struct endpoint *e, struct span *in)
{
	struct io *io = io_of(e);
	size_t len = relay_load_held(e);
	struct span part = span_first(*in, IO_PLAIN_SIZE - len);

	memcpy(io->plain + len, part.ptr, part.len);
	if (!e->session->authenticated) {
		explicit_bzero((void *)(uintptr_t)part.ptr, part.len);
	}
	*in = span_from(*in, part.len);
	count_bytes(e, part.len);
	relay_deliver(e, len + part.len);
}

static void take_tls(struct endpoint *e, struct span *in)
{
	struct io *io = io_of(e);
	size_t held = relay_load_held(e);
	struct error err = { "" };
	enum tls_read_status status;
	size_t len;

	status = tls_read(&e->tls, in, io->plain + held, IO_PLAIN_SIZE - held,
			  &len, &err);
	count_bytes(e, len);
	if (status == TLS_READ_CLOSED || status == TLS_READ_BROKEN) {
		*in = span_from(*in, in->len);
		e->eof = true;
		e->truncated = status == TLS_READ_BROKEN;
		if (e->truncated) {
			session_log(e->session, LOG_LEVEL_WARNING,
				    "%s sent no TLS: %s",
				    e->side == SIDE_CLIENT ? "client"
							   : "server",
				    err.text);
		}
	}
	if (len > 0) {
		relay_deliver(e, held + len);
	}
}

/* Take all of the bytes one recv brought. Each step may change the state, or
   end the session. */
static void take(struct endpoint *e, struct span in)
{
	size_t before;

	do {
		before = in.len;
		switch (e->state) {
		case ENDPOINT_PROXY_HEADER:
			if (!session_take_proxy_header(e->session, &in)) {
				return;
			}
			break;
		case ENDPOINT_HANDSHAKE:
			take_handshake(e, &in);
			break;
		case ENDPOINT_PLAIN:
			take_plain(e, &in);
			break;
		case ENDPOINT_TLS:
			take_tls(e, &in);
			break;
		case ENDPOINT_NONE:
		case ENDPOINT_CLOSING:
			return;
		}
	} while (in.len > 0 && in.len < before);
}

/* The peer, or the network, says there is no more. */
static void take_end(struct endpoint *e, int error)
{
	if (e->state == ENDPOINT_HANDSHAKE) {
		session_handshake_failed(e, error == 0
						    ? "closed in TLS handshake"
						    : strerrordesc_np(error));
		return;
	}
	if (error != 0 && e->side == SIDE_CLIENT) {
		session_close_because(e->session, "client",
				      strerrordesc_np(error));
		return;
	}
	if (e->state == ENDPOINT_PROXY_HEADER) {
		session_close(e->session, "closed before its PROXY header");
		return;
	}
	/* After TLS only close_notify is an end nobody could have forged. */
	e->truncated = error != 0 || e->state == ENDPOINT_TLS;
	e->eof = true;
}

/* Our part is done; what is still sent to us is not looked at, but taking it
   keeps the kernel from resetting our last line. */
static void drop_input(struct endpoint *e)
{
	struct io *io = io_of(e);
	ssize_t len = recv(e->fd, io->raw, sizeof(io->raw), MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	e->bytes_dropped += len > 0 ? (size_t)len : 0;
	if (len <= 0 || e->bytes_dropped > LINGER_BYTES) {
		e->eof = true;
		if (backlog_len(&e->backlog) == 0 || len < 0) {
			endpoint_finish(e);
			session_endpoint_closed(e->session);
		} else {
			endpoint_update(e);
		}
	}
}

/* One recv and what follows from it; true when there may be more at once. */
static bool read_round(struct endpoint *e)
{
	struct io *io = io_of(e);
	ssize_t len;

	len = recv(e->fd, io->raw, sizeof(io->raw), MSG_DONTWAIT);
	if (len < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
			return false;
		}
		take_end(e, errno);
	} else if (len == 0) {
		take_end(e, 0);
	} else {
		take(e, span_of(io->raw, (size_t)len));
	}
	if (e->eof) {
		relay_deliver_eof(e);
	}
	endpoint_update(e);
	io_flush(io);
	return len == (ssize_t)sizeof(io->raw) && e->reading &&
	       e->state != ENDPOINT_CLOSING;
}

static void on_readable(int fd, short what, void *context)
{
	struct endpoint *e = context;
	struct io *io = io_of(e);

	(void)fd;
	(void)what;
	if (e->state == ENDPOINT_CLOSING) {
		drop_input(e);
		return;
	}
	io->attended = true;
	for (int round = 0; round < IO_ROUNDS; round++) {
		if (!read_round(e)) {
			break;
		}
	}
	io->attended = false;
}

void endpoint_update(struct endpoint *e)
{
	const struct session *s = e->session;
	const struct endpoint *other =
		e->side == SIDE_CLIENT ? &s->server : &s->client;
	bool want = e->fd >= 0 && !e->eof;

	if (e->state != ENDPOINT_CLOSING && e->state != ENDPOINT_HANDSHAKE) {
		want = want && !e->paused && !e->delayed && !other->choked &&
		       !e->flooded;
	}
	if (e->reading == want) {
		return;
	}
	e->reading = want;
	if (want) {
		event_add(&e->read_event, NULL);
	} else {
		event_del(&e->read_event);
	}
}

/* -- open and close -- */

void endpoint_open(struct endpoint *e, int fd, enum endpoint_state state)
{
	struct event_base *base = e->session->worker->base;

	assert(e->state == ENDPOINT_NONE);
	e->fd = fd;
	e->state = state;
	event_assign(&e->read_event, base, fd, EV_READ | EV_PERSIST,
		     on_readable, e);
	event_assign(&e->write_event, base, fd, EV_WRITE | EV_PERSIST,
		     on_writable, e);
	endpoint_update(e);
}

void endpoint_finish(struct endpoint *e)
{
	struct io *io = io_of(e);

	if (io->out_owner == e) {
		io->out_owner = NULL;
		io->out_len = 0;
	}
	if (io->joined_to == e) {
		io->joined_to = NULL;
	}
	if (e->reading) {
		event_del(&e->read_event);
	}
	if (e->writing) {
		event_del(&e->write_event);
	}
	tls_finish(&e->tls);
	strbuf_wipe(&e->held);
	backlog_finish(&e->backlog);
	if (e->fd >= 0) {
		close(e->fd);
	}
	*e = (struct endpoint){ .session = e->session,
				.side = e->side,
				.fd = -1,
				.bytes_in = e->bytes_in,
				.held = e->held };
}

bool endpoint_close(struct endpoint *e)
{
	struct io *io = io_of(e);

	if (e->state == ENDPOINT_NONE) {
		return true;
	}
	if (e->state == ENDPOINT_TLS && !e->broken) {
		tls_shutdown(&e->tls);
	}
	if (io->out_owner == e) {
		io_flush(io);
	}
	e->state = ENDPOINT_CLOSING;
	strbuf_wipe(&e->held);
	if (backlog_len(&e->backlog) > 0 && !e->broken) {
		endpoint_update(e);
		return false;
	}
	if (e->side == SIDE_CLIENT && !e->eof && !e->broken) {
		shutdown(e->fd, SHUT_WR);
		endpoint_update(e);
		return false;
	}
	endpoint_finish(e);
	return true;
}
