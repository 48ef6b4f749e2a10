/* channel: see channel.h. One shared buffer receives, one gathers records to
   send: a connection at rest owns its SSL object and little else, so that
   5,000 of them fit beside what is measured. */
#include "bench/channel.h"
#include "bench/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/strbuf.h"
#include "lib/xalloc.h"

#define INBOX_BYTES  (128 * 1024)
#define RECORD_BYTES 16384
#define MAX_EVENTS   256
#define MAX_SEGMENTS 64
#define MAX_QUEUED   (1u << 30)

/* Bytes to send: borrowed at ptr, or copied at offset of the channel's out. */
struct segment {
	const char *ptr;
	size_t offset;
	size_t len;
};

struct watch {
	void (*wake)(struct watch *watch, uint32_t events);
	int fd;
};

struct listener {
	struct watch watch;
	struct loop *loop;
	SSL_CTX *context;
	const struct channel_type *type;
	void *(*accepted)(struct channel *ch);
	struct listener *next;
};

struct loop {
	int epoll_fd;
	struct listener *listeners;
	/* Closed in this turn, freed at its end. */
	struct channel *reap;
	char inbox[INBOX_BYTES];
	char record[RECORD_BYTES];
};

struct channel {
	struct watch watch;
	struct loop *loop;
	const struct channel_type *type;
	void *owner;
	SSL *ssl;
	SSL_SESSION *session;
	/* Received, not used yet. */
	struct strbuf held;
	struct strbuf out;
	struct segment *segments;
	size_t segment_count;
	bool opened;
	bool wants_out;
	bool closing;
	bool dead;
	struct channel *next_reap;
};

/* Listening, and the loop itself. */

struct loop *loop_create(void)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		fatal("epoll_create1: %s", strerror(errno));
	}
	return loop;
}

void loop_destroy(struct loop **loop)
{
	struct listener *listener;

	if (*loop == NULL) {
		return;
	}
	while ((listener = (*loop)->listeners) != NULL) {
		(*loop)->listeners = listener->next;
		close(listener->watch.fd);
		free(listener);
	}
	close((*loop)->epoll_fd);
	free(*loop);
	*loop = NULL;
}

static void reap(struct loop *loop)
{
	struct channel *ch;

	while ((ch = loop->reap) != NULL) {
		loop->reap = ch->next_reap;
		SSL_free(ch->ssl);
		SSL_SESSION_free(ch->session);
		close(ch->watch.fd);
		strbuf_finish(&ch->held);
		strbuf_finish(&ch->out);
		free(ch->segments);
		free(ch);
	}
}

void loop_turn(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[MAX_EVENTS];
	struct watch *watch;
	int i, count;

	count = epoll_wait(loop->epoll_fd, events, MAX_EVENTS, timeout_ms);
	for (i = 0; i < count; i++) {
		watch = events[i].data.ptr;
		watch->wake(watch, events[i].events);
	}
	reap(loop);
}

static void watch_add(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0) {
		fatal("epoll_ctl: %s", strerror(errno));
	}
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* The end of a channel. */

static void channel_die(struct channel *ch, const char *why)
{
	if (ch->dead) {
		return;
	}
	ch->dead = true;
	epoll_ctl(ch->loop->epoll_fd, EPOLL_CTL_DEL, ch->watch.fd, NULL);
	ch->next_reap = ch->loop->reap;
	ch->loop->reap = ch;
	ch->type->closed(ch, why);
}

/* A TLS call returned result: is it only waiting? */
static bool only_waits(struct channel *ch, int result)
{
	char text[256];
	int error = SSL_get_error(ch->ssl, result);
	unsigned long code;

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		return true;
	}
	if (error == SSL_ERROR_ZERO_RETURN) {
		/* Answered, or SSL_free takes the session for a bad one. */
		SSL_shutdown(ch->ssl);
		channel_die(ch, NULL);
		return false;
	}
	code = ERR_get_error();
	if (code == 0 ||
	    ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		/* Peers that end without close_notify are common. */
		channel_die(ch, ch->opened ? NULL : "end during handshake");
		return false;
	}
	ERR_error_string_n(code, text, sizeof(text));
	channel_die(ch, text);
	return false;
}

/* Sending. */

static struct segment *segment_new(struct channel *ch)
{
	if (ch->segments == NULL) {
		ch->segments = xcalloc(MAX_SEGMENTS, sizeof(*ch->segments));
	}
	if (ch->segment_count == MAX_SEGMENTS) {
		fatal("more than %d pieces to send", MAX_SEGMENTS);
	}
	return &ch->segments[ch->segment_count++];
}

void channel_send(struct channel *ch, struct span bytes)
{
	struct segment *last;

	if (bytes.len == 0 || ch->dead) {
		return;
	}
	last = ch->segment_count == 0 ? NULL
				      : &ch->segments[ch->segment_count - 1];
	if (last == NULL || last->ptr != NULL) {
		last = segment_new(ch);
		*last = (struct segment){ .offset = ch->out.len };
	}
	strbuf_add(&ch->out, bytes);
	last->len += bytes.len;
}

void channel_sendf(struct channel *ch, const char *format, ...)
{
	char text[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text)) {
		fatal("line too long: %s", format);
	}
	channel_send(ch, span_of(text, (size_t)len));
}

void channel_send_borrowed(struct channel *ch, struct span bytes)
{
	if (bytes.len > 0 && !ch->dead) {
		*segment_new(ch) =
			(struct segment){ .ptr = bytes.ptr, .len = bytes.len };
	}
}

static const char *segment_bytes(const struct channel *ch, size_t i)
{
	const struct segment *s = &ch->segments[i];

	return s->ptr != NULL ? s->ptr : ch->out.ptr + s->offset;
}

/* The next record to send: in place when one piece fills it. */
static struct span gather(struct channel *ch)
{
	char *record = ch->loop->record;
	size_t i, take, len = 0;

	if (ch->segments[0].len >= RECORD_BYTES) {
		return span_of(segment_bytes(ch, 0), RECORD_BYTES);
	}
	for (i = 0; i < ch->segment_count && len < RECORD_BYTES; i++) {
		take = ch->segments[i].len;
		if (take > RECORD_BYTES - len) {
			take = RECORD_BYTES - len;
		}
		memcpy(record + len, segment_bytes(ch, i), take);
		len += take;
	}
	return span_of(record, len);
}

static void forget_sent(struct channel *ch, size_t sent)
{
	struct segment *s;
	size_t i = 0, take;

	while (sent > 0) {
		s = &ch->segments[i];
		take = sent < s->len ? sent : s->len;
		if (s->ptr != NULL) {
			s->ptr += take;
		} else {
			s->offset += take;
		}
		s->len -= take;
		sent -= take;
		if (s->len == 0) {
			i++;
		}
	}
	ch->segment_count -= i;
	memmove(ch->segments, ch->segments + i,
		ch->segment_count * sizeof(*ch->segments));
	if (ch->segment_count == 0) {
		strbuf_clear(&ch->out);
	}
}

static void want_output(struct channel *ch, bool wanted)
{
	struct epoll_event event = { .data.ptr = &ch->watch };

	if (wanted == ch->wants_out) {
		return;
	}
	ch->wants_out = wanted;
	event.events = EPOLLIN | (wanted ? (uint32_t)EPOLLOUT : 0);
	epoll_ctl(ch->loop->epoll_fd, EPOLL_CTL_MOD, ch->watch.fd, &event);
}

void channel_flush(struct channel *ch)
{
	struct span record;
	int sent;

	if (ch->dead || !ch->opened) {
		return;
	}
	while (ch->segment_count > 0) {
		record = gather(ch);
		ERR_clear_error();
		sent = SSL_write(ch->ssl, record.ptr, (int)record.len);
		if (sent <= 0) {
			if (only_waits(ch, sent)) {
				want_output(ch, true);
			}
			return;
		}
		forget_sent(ch, (size_t)sent);
	}
	want_output(ch, false);
	if (ch->closing) {
		SSL_shutdown(ch->ssl);
		channel_die(ch, NULL);
	}
}

void channel_close(struct channel *ch)
{
	ch->closing = true;
	/* The loop's next turn finds the socket writable and ends it. */
	if (!ch->dead) {
		want_output(ch, true);
	}
}

/* Receiving. */

static void offer(struct channel *ch, struct span in)
{
	size_t used = ch->type->input(ch, in);

	strbuf_clear(&ch->held);
	if (used < in.len && !ch->dead) {
		if (in.len - used > INBOX_BYTES / 2) {
			fatal("%zu bytes wait for a line end", in.len - used);
		}
		strbuf_add(&ch->held, span_from(in, used));
	} else if (ch->held.size > RECORD_BYTES) {
		strbuf_finish(&ch->held);
	}
}

static void receive(struct channel *ch)
{
	char *inbox = ch->loop->inbox;
	size_t have;
	int got;

	while (!ch->dead && !ch->closing) {
		have = ch->held.len;
		if (have > 0) {
			memcpy(inbox, ch->held.ptr, have);
		}
		ERR_clear_error();
		got = SSL_read(ch->ssl, inbox + have,
			       (int)(INBOX_BYTES - have));
		if (got <= 0) {
			only_waits(ch, got);
			break;
		}
		offer(ch, span_of(inbox, have + (size_t)got));
	}
	channel_flush(ch);
}

static void shake_hands(struct channel *ch)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(ch->ssl);
	if (result != 1) {
		if (only_waits(ch, result)) {
			want_output(ch, SSL_want_write(ch->ssl));
		}
		return;
	}
	ch->opened = true;
	want_output(ch, false);
	if (ch->type->opened != NULL) {
		ch->type->opened(ch);
	}
	receive(ch);
}

static void channel_wake(struct watch *watch, uint32_t events)
{
	struct channel *ch = (struct channel *)watch;

	if (ch->dead) {
		return;
	}
	if (!ch->opened) {
		shake_hands(ch);
		return;
	}
	if (events & EPOLLOUT) {
		channel_flush(ch);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		receive(ch);
	}
}

/* The beginning of a channel. */

static struct channel *channel_create(struct loop *loop, int fd,
				      SSL_CTX *context,
				      const struct channel_type *type)
{
	struct channel *ch = xcalloc(1, sizeof(*ch));
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ch->watch = (struct watch){ channel_wake, fd };
	ch->loop = loop;
	ch->type = type;
	strbuf_init(&ch->held, INBOX_BYTES);
	strbuf_init(&ch->out, MAX_QUEUED);
	ch->ssl = SSL_new(context);
	if (ch->ssl == NULL || SSL_set_fd(ch->ssl, fd) != 1) {
		fatal("out of memory for TLS");
	}
	SSL_set_app_data(ch->ssl, &ch->session);
	return ch;
}

static void listener_wake(struct watch *watch, uint32_t events)
{
	struct listener *listener = (struct listener *)watch;
	struct channel *ch;
	int fd, i;

	(void)events;
	for (i = 0; i < 64; i++) {
		fd = accept4(watch->fd, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			return;
		}
		ch = channel_create(listener->loop, fd, listener->context,
				    listener->type);
		SSL_set_accept_state(ch->ssl);
		ch->owner = listener->accepted(ch);
		watch_add(listener->loop, &ch->watch, EPOLLIN);
	}
}

void loop_listen(struct loop *loop, uint16_t port, SSL_CTX *context,
		 const struct channel_type *type,
		 void *(*accepted)(struct channel *ch))
{
	struct listener *listener = xcalloc(1, sizeof(*listener));
	struct sockaddr_in address = loopback(port);
	int on = 1, fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4096) < 0) {
		fatal("port %u: %s", (unsigned int)port, strerror(errno));
	}
	*listener = (struct listener){
		.watch = { listener_wake, fd },
		.loop = loop,
		.context = context,
		.type = type,
		.accepted = accepted,
		.next = loop->listeners,
	};
	loop->listeners = listener;
	watch_add(loop, &listener->watch, EPOLLIN);
}

struct channel *channel_connect(struct loop *loop, uint16_t port,
				SSL_CTX *context, SSL_SESSION *session,
				const struct channel_type *type, void *owner)
{
	struct sockaddr_in address = loopback(port);
	struct channel *ch;
	int fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fatal("socket: %s", strerror(errno));
	}
	ch = channel_create(loop, fd, context, type);
	ch->owner = owner;
	SSL_set_connect_state(ch->ssl);
	SSL_set1_host(ch->ssl, "localhost");
	SSL_set_tlsext_host_name(ch->ssl, "localhost");
	if (session != NULL) {
		SSL_set_session(ch->ssl, session);
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
	    errno != EINPROGRESS) {
		fatal("connect to port %u: %s", (unsigned int)port,
		      strerror(errno));
	}
	watch_add(loop, &ch->watch, EPOLLIN | EPOLLOUT);
	ch->wants_out = true;
	return ch;
}

void *channel_owner(const struct channel *ch)
{
	return ch->owner;
}

bool channel_was_resumed(const struct channel *ch)
{
	return SSL_session_reused(ch->ssl) == 1;
}

SSL_SESSION *channel_take_session(struct channel *ch)
{
	SSL_SESSION *session = ch->session;

	ch->session = NULL;
	return session;
}
