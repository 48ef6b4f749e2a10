/* fake_relay: see its header. Follows the contracts of session.h and relay.h
   closely: held bytes come again with what follows, nothing happens inside a
   call that the contract puts after it. */
#include "fake_relay.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

void fake_init(struct session *s, const struct protocol *protocol)
{
	*s = (struct session){
		.protocol = protocol,
		.may_authenticate = true,
	};
	s->settings.message.max_message_bytes = 1024 * 1024;
	s->settings.message.message_budget_bytes = 4 * 1024 * 1024;
	s->settings.limits.idle_timeout_s = 1800;
	s->settings.limits.server_read_timeout_s = 60;
	s->settings.providers = &s->provider;
	s->settings.provider_count = 1;
	s->provider.name = (char *)"p";
	s->provider.preset = (char *)"dovecot";
	s->provider.smtp.host = (char *)"smtp.example";
	s->provider.smtp.port = 465;
	s->route.provider = &s->provider;
	for (int i = 0; i < 2; i++) {
		strbuf_init(&s->sides[i].out, FAKE_OUT_MAX);
		strbuf_init(&s->sides[i].held, RELAY_HELD_MAX + 65536);
		s->sides[i].has_tls = true;
	}
}

void fake_start(struct session *s)
{
	s->state = s->protocol->create(s);
	s->protocol->start(s);
}

void fake_finish(struct session *s)
{
	s->protocol->destroy(s->state);
	for (int i = 0; i < 2; i++) {
		strbuf_finish(&s->sides[i].out);
		strbuf_finish(&s->sides[i].held);
	}
}

/* -- delivery -- */

static void start_tls(struct session *s, enum side side)
{
	struct fake_side *f = &s->sides[side];

	f->wants_tls = false;
	if (f->held.len > 0 && side == SIDE_CLIENT) {
		session_close(s, "data before TLS handshake");
	} else if (f->held.len > 0) {
		s->protocol->on_connect_failed(s, "data before TLS handshake");
	} else {
		f->has_tls = true;
		s->protocol->on_tls(s, side);
	}
}

static void deliver(struct session *s, enum side side)
{
	struct fake_side *f = &s->sides[side];
	size_t len = f->held.len;
	size_t used;

	if (s->closed || f->paused || f->held.len == 0) {
		return;
	}
	used = s->protocol->on_bytes(s, side, strbuf_span(&f->held));
	assert_true(used <= len);
	if (side == SIDE_SERVER && !s->connected) {
		/* Disconnected meanwhile: nothing is kept. */
		return;
	}
	strbuf_shift(&f->held, used);
	assert_true(s->closed || f->held.len <= RELAY_HELD_MAX);
}

static bool work_once(struct session *s)
{
	for (int side = 0; side < 2; side++) {
		struct fake_side *f = &s->sides[side];

		if (f->wants_tls) {
			start_tls(s, (enum side)side);
			return true;
		}
		if (f->resumed) {
			f->resumed = false;
			deliver(s, (enum side)side);
			return true;
		}
	}
	if (s->connecting) {
		s->connecting = false;
		s->connected = true;
		s->protocol->on_connected(s);
		return true;
	}
	return false;
}

void fake_work(struct session *s)
{
	while (!s->closed && work_once(s)) {
	}
}

void fake_receive(struct session *s, enum side from, struct span bytes,
		  size_t piece)
{
	while (bytes.len > 0 && !s->closed) {
		struct span part = span_first(bytes, piece);

		strbuf_add(&s->sides[from].held, part);
		deliver(s, from);
		fake_work(s);
		bytes = span_from(bytes, part.len);
	}
}

void fake_drain_backlog(struct session *s, enum side side)
{
	void (*fn)(struct session *) = s->sides[side].when_writable;

	s->sides[side].backlog = 0;
	s->sides[side].when_writable = NULL;
	assert_non_null(fn);
	fn(s);
	fake_work(s);
}

/* -- relay.h -- */

void relay_forward(struct session *s, enum side from, struct span bytes)
{
	relay_send(s, side_other(from), bytes);
}

void relay_send(struct session *s, enum side to, struct span bytes)
{
	assert_false(s->closed);
	strbuf_add(&s->sides[to].out, bytes);
	assert_false(s->sides[to].out.overflow);
	if (s->sides[to].backlog > 0) {
		s->sides[to].backlog += bytes.len;
	}
}

void relay_sendf(struct session *s, enum side to, const char *format, ...)
{
	char text[4096];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert_true(len >= 0 && (size_t)len < sizeof(text));
	relay_send(s, to, span_of(text, (size_t)len));
}

void relay_send_secret(struct session *s, enum side to, struct span bytes)
{
	relay_send(s, to, bytes);
}

void relay_pause(struct session *s, enum side from)
{
	s->sides[from].paused = true;
}

void relay_resume(struct session *s, enum side from)
{
	s->sides[from].resumed = s->sides[from].paused;
	s->sides[from].paused = false;
}

size_t relay_backlog(const struct session *s, enum side to)
{
	return s->sides[to].backlog;
}

void relay_when_writable(struct session *s, enum side to,
			 void (*fn)(struct session *s))
{
	s->sides[to].when_writable = fn;
}

/* -- session.h -- */

void *session_state(const struct session *s)
{
	return s->state;
}

const struct settings *session_settings(const struct session *s)
{
	return &s->settings;
}

const struct session_hooks *session_hooks(const struct session *s)
{
	return &s->hooks;
}

const struct listener_settings *session_listener(const struct session *s)
{
	return &s->listener;
}

bool session_has_tls(const struct session *s, enum side side)
{
	return s->sides[side].has_tls;
}

bool session_may_authenticate(const struct session *s)
{
	return s->may_authenticate && s->sides[SIDE_CLIENT].has_tls;
}

void session_set_mailbox(struct session *s, struct span login)
{
	snprintf(s->mailbox, sizeof(s->mailbox), "%.*s", SPAN_ARGS(login));
}

const struct session_route *session_route(const struct session *s)
{
	return &s->route;
}

int session_connect(struct session *s, const struct credential *credential,
		    struct error *err_r)
{
	assert_true(credential->secret.len > 0);
	if (s->route_refused) {
		return error_set(err_r, "nobody we know");
	}
	s->connecting = true;
	return 0;
}

void session_disconnect_server(struct session *s)
{
	s->connecting = false;
	s->connected = false;
	strbuf_clear(&s->sides[SIDE_SERVER].held);
}

void session_start_tls(struct session *s, enum side side)
{
	s->sides[side].wants_tls = true;
}

void session_authenticated(struct session *s)
{
	s->authenticated = true;
}

bool session_is_authenticated(const struct session *s)
{
	return s->authenticated;
}

bool session_login_allowed(struct session *s, struct span login)
{
	assert_true(login.len > 0);
	return !s->login_refused_by_limit;
}

void session_login_failed(struct session *s, struct span login)
{
	assert_true(login.len > 0);
	s->failed_logins++;
}

void session_set_timeout(struct session *s, unsigned int seconds)
{
	s->timeout_s = seconds;
}

void session_close(struct session *s, const char *why)
{
	assert_false(s->closed);
	s->closed = true;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

void session_log(const struct session *s, enum log_level level,
		 const char *format, ...)
{
	(void)s;
	(void)level;
	(void)format;
}
