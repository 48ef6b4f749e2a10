/* fake_proxy: the functions of proxy/session.h and proxy/relay.h, over
   buffers. */
#include "fake_proxy.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "imap/imap_session.h"

#define FAKE_BYTES_MAX (16 * 1024 * 1024)

static int fake_route(struct session *s, const struct credential *credential,
		      struct session_route *route_r, struct error *err_r)
{
	(void)credential;
	if (s->refuse_route) {
		return error_set(err_r, "unknown organization");
	}
	*route_r = s->route;
	return 0;
}

static bool fake_wants(struct session *s, const struct tap_source *source)
{
	s->asked++;
	assert(source->folder_in_scope);
	return !s->unwanted && !(source->headers_only && s->headers_unwanted);
}

/* FNV-1a. */
static void digest(struct session *s, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		s->tap_digest ^= ((const unsigned char *)bytes)[i];
		s->tap_digest *= 1099511628211u;
	}
}

static void fake_message(struct session *s, const struct tap_source *source,
			 struct span bytes)
{
	struct fake_tap *tap = &s->taps[s->tap_count];

	digest(s, &source->uid, sizeof(source->uid));
	digest(s, &source->uidvalidity, sizeof(source->uidvalidity));
	digest(s, source->folder_name.ptr, source->folder_name.len);
	digest(s, source->flags.ptr, source->flags.len);
	digest(s, bytes.ptr, bytes.len);
	if (s->tap_count == FAKE_TAPS_MAX) {
		return;
	}
	s->tap_count++;
	tap->source = *source;
	strbuf_init(&tap->folder, 4096);
	strbuf_init(&tap->flags, 4096);
	strbuf_init(&tap->message, FAKE_BYTES_MAX);
	strbuf_add(&tap->folder, source->folder_name);
	strbuf_add(&tap->flags, source->flags);
	strbuf_add(&tap->message, bytes);
}

void fake_init(struct session *s, size_t step)
{
	*s = (struct session){
		.protocol = &imap_protocol,
		.step = step,
		.may_authenticate = true,
		.has_tls = { true, true },
	};
	s->settings.limits.preauth_timeout_s = 60;
	s->settings.limits.idle_timeout_s = 1800;
	s->settings.limits.server_read_timeout_s = 30;
	s->settings.message.max_tap_bytes = 1024 * 1024;
	s->settings.message.tap_budget_bytes = 64 * 1024 * 1024;
	s->provider.name = "test";
	s->provider.preset = "dovecot";
	s->provider.imap = (struct service_settings){ .host = "imap.test",
						      .port = 993,
						      .tls = TLS_IMPLICIT };
	s->organization.name = "acme";
	s->organization.inspect = true;
	s->route = (struct session_route){
		.provider = &s->provider,
		.organization = &s->organization,
		.inspect = true,
	};
	s->hooks = (struct session_hooks){
		.on_route = fake_route,
		.wants_message = fake_wants,
		.on_message = fake_message,
	};
	for (int i = 0; i < 2; i++) {
		strbuf_init(&s->out[i], FAKE_BYTES_MAX);
		strbuf_init(&s->held[i], FAKE_BYTES_MAX);
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
		strbuf_finish(&s->out[i]);
		strbuf_finish(&s->held[i]);
	}
	for (size_t i = 0; i < s->tap_count; i++) {
		strbuf_finish(&s->taps[i].folder);
		strbuf_finish(&s->taps[i].flags);
		strbuf_finish(&s->taps[i].message);
	}
}

static void deliver(struct session *s, enum side from)
{
	/* A copy of exact size: reading past the end is then found. */
	size_t len = s->held[from].len;
	size_t used;
	char *copy;

	if (s->closing || s->paused[from] || len == 0) {
		return;
	}
	copy = malloc(len);
	memcpy(copy, s->held[from].ptr, len);
	used = s->protocol->on_bytes(s, from, span_of(copy, len));
	assert(used <= len);
	free(copy);
	if (s->held[from].len >= used) {
		strbuf_shift(&s->held[from], used);
	}
	if (s->wants_tls[from]) {
		assert(s->held[from].len == 0);
		s->wants_tls[from] = false;
		s->has_tls[from] = true;
		s->protocol->on_tls(s, from);
	}
}

static void deliver_resumed(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		while (s->resumed[i]) {
			s->resumed[i] = false;
			deliver(s, (enum side)i);
		}
	}
}

void fake_feed(struct session *s, enum side from, struct span bytes)
{
	size_t step = s->step == 0 ? bytes.len : s->step;

	while (bytes.len > 0 && !s->closing) {
		struct span piece = span_first(bytes, step);

		strbuf_add(&s->held[from], piece);
		s->bytes_in[from] += piece.len;
		bytes = span_from(bytes, piece.len);
		deliver(s, from);
		deliver_resumed(s);
	}
}

void fake_connected(struct session *s)
{
	assert(s->connecting);
	s->connecting = false;
	s->connected = true;
	s->protocol->on_connected(s);
	deliver_resumed(s);
}

void fake_connect_failed(struct session *s)
{
	assert(s->connecting);
	s->connecting = false;
	s->protocol->on_connect_failed(s, "refused");
	deliver_resumed(s);
}

const char *fake_sent(struct session *s, enum side to)
{
	static char text[1 << 16];
	size_t len = s->out[to].len;

	assert(len < sizeof(text));
	if (len > 0) {
		memcpy(text, s->out[to].ptr, len);
	}
	text[len] = '\0';
	strbuf_clear(&s->out[to]);
	return text;
}

/* -- relay.h -- */

void relay_forward(struct session *s, enum side from, struct span bytes)
{
	assert(!s->closing);
	strbuf_add(&s->out[side_other(from)], bytes);
}

void relay_send(struct session *s, enum side to, struct span bytes)
{
	strbuf_add(&s->out[to], bytes);
}

void relay_send_secret(struct session *s, enum side to, struct span bytes)
{
	strbuf_add(&s->out[to], bytes);
}

void relay_sendf(struct session *s, enum side to, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	assert(len >= 0);
	strbuf_add(&s->out[to], span_of(text, (size_t)len));
	free(text);
}

void relay_pause(struct session *s, enum side from)
{
	s->paused[from] = true;
}

void relay_resume(struct session *s, enum side from)
{
	s->resumed[from] = s->paused[from];
	s->paused[from] = false;
}

size_t relay_pending(const struct session *s, enum side from)
{
	return s->held[from].len;
}

bool relay_has_hung_up(const struct session *s, enum side from)
{
	return s->hung_up[from];
}

uint64_t relay_bytes_in(const struct session *s, enum side from)
{
	return s->bytes_in[from];
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

const struct session_route *session_route(const struct session *s)
{
	return &s->route;
}

bool session_has_tls(const struct session *s, enum side side)
{
	return s->has_tls[side];
}

bool session_may_authenticate(const struct session *s)
{
	return s->may_authenticate && s->has_tls[SIDE_CLIENT];
}

void session_set_mailbox(struct session *s, struct span login)
{
	snprintf(s->mailbox, sizeof(s->mailbox), "%.*s", SPAN_ARGS(login));
}

int session_connect(struct session *s, const struct credential *credential,
		    struct error *err_r)
{
	struct session_route route;

	if (s->hooks.on_route(s, credential, &route, err_r) < 0) {
		return -1;
	}
	s->connecting = true;
	return 0;
}

void session_disconnect_server(struct session *s)
{
	s->connected = false;
	strbuf_clear(&s->held[SIDE_SERVER]);
}

void session_start_tls(struct session *s, enum side side)
{
	s->wants_tls[side] = true;
}

void session_authenticated(struct session *s)
{
	s->authenticated = true;
}

bool session_login_allowed(struct session *s, struct span login)
{
	(void)login;
	return !s->refuse_login;
}

void session_login_failed(struct session *s, struct span login)
{
	(void)login;
	s->failures++;
}

void session_set_timeout(struct session *s, unsigned int seconds)
{
	s->timeout = seconds;
}

void session_close(struct session *s, const char *why)
{
	assert(!s->closing);
	s->closing = true;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

void session_log(const struct session *s, enum log_level level,
		 const char *format, ...)
{
	(void)s;
	(void)level;
	(void)format;
}
