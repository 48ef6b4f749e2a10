/* imap_session: the table of functions the proxy calls, and who handles each
   stage. */
#include "imap/imap_session.h"

#include <assert.h>
#include <stdlib.h>

#include "imap/imap_session_impl.h"
#include "lib/xalloc.h"

static const char *const state_names[] = {
	[IMAP_STATE_PREAUTH] = "preauth",
	[IMAP_STATE_SASL] = "sasl",
	[IMAP_STATE_CLIENT_TLS] = "client-tls",
	[IMAP_STATE_CONNECTING] = "connecting",
	[IMAP_STATE_PROVIDER] = "provider",
	[IMAP_STATE_RELAY] = "relay",
	[IMAP_STATE_CLOSED] = "closed",
};
static_assert(N_ELEMENTS(state_names) == IMAP_STATE_COUNT, "names");

void imap_session_set_state(struct imap_session *m, enum imap_state state)
{
	if (log_wants(LOG_LEVEL_DEBUG)) {
		session_log(m->session, LOG_LEVEL_DEBUG, "imap from=%s to=%s",
			    state_names[m->state], state_names[state]);
	}
	m->state = state;
}

void imap_session_bye(struct imap_session *m, const char *text, const char *why)
{
	relay_sendf(m->session, SIDE_CLIENT, "* BYE %s\r\n", text);
	imap_session_set_state(m, IMAP_STATE_CLOSED);
	session_close(m->session, why);
}

static void *imap_create(struct session *s)
{
	struct imap_session *m = xcalloc(1, sizeof(*m));

	m->session = s;
	m->login = xcalloc(1, sizeof(*m->login));
	strbuf_init(&m->login->tag, IMAP_HEAD_MAX);
	credential_init(&m->login->credential);
	strbuf_init(&m->login->client_id, IMAP_ID_TEXT_MAX);
	strbuf_init(&m->login->capabilities, IMAP_CAPABILITY_LINE_MAX);
	strbuf_init(&m->login->rest, IMAP_PREAUTH_COMMAND_MAX);
	return m;
}

static void login_destroy(struct imap_login **login)
{
	struct imap_login *l = *login;

	if (l == NULL) {
		return;
	}
	strbuf_finish(&l->tag);
	credential_wipe(&l->credential);
	strbuf_finish(&l->client_id);
	strbuf_finish(&l->capabilities);
	strbuf_wipe(&l->rest);
	free(l);
	*login = NULL;
}

static void imap_destroy(void *state)
{
	struct imap_session *m = state;

	if (m == NULL) {
		return;
	}
	login_destroy(&m->login);
	imap_relay_destroy(&m->relay);
	free(m);
}

static void imap_start(struct session *s)
{
	imap_preauth_greet(session_state(s));
}

/* The login is over: its memory is given back once nobody works in it. */
static void settle(struct imap_session *m)
{
	if (m->state == IMAP_STATE_RELAY) {
		login_destroy(&m->login);
	}
}

static size_t client_bytes(struct imap_session *m, struct span in)
{
	switch (m->state) {
	case IMAP_STATE_PREAUTH:
	case IMAP_STATE_SASL:
		return imap_preauth_bytes(m, in);
	case IMAP_STATE_RELAY:
		return imap_relay_client_bytes(m, in);
	case IMAP_STATE_CLOSED:
		return in.len;
	default:
		/* Pipelined behind a login: waits for its outcome. */
		return 0;
	}
}

static size_t server_bytes(struct imap_session *m, struct span in)
{
	size_t used = 0;

	if (m->state == IMAP_STATE_PROVIDER) {
		used = imap_provider_bytes(m, in);
		settle(m);
	}
	if (m->state == IMAP_STATE_RELAY && used < in.len) {
		used += imap_relay_server_bytes(m, span_from(in, used));
	}
	if (m->state == IMAP_STATE_CLOSED) {
		return in.len;
	}
	return used;
}

static size_t imap_on_bytes(struct session *s, enum side from, struct span in)
{
	struct imap_session *m = session_state(s);

	return from == SIDE_CLIENT ? client_bytes(m, in) : server_bytes(m, in);
}

static void imap_on_connected(struct session *s)
{
	struct imap_session *m = session_state(s);

	if (m->state == IMAP_STATE_CONNECTING) {
		imap_provider_start(m);
	}
}

static void imap_on_connect_failed(struct session *s, const char *why)
{
	struct imap_session *m = session_state(s);

	session_log(s, LOG_LEVEL_WARNING, "provider failed why=\"%s\"", why);
	if (m->state == IMAP_STATE_CONNECTING ||
	    m->state == IMAP_STATE_PROVIDER) {
		imap_preauth_refuse(m, &imap_refusal_unavailable);
	}
}

static void imap_on_tls(struct session *s, enum side side)
{
	struct imap_session *m = session_state(s);

	if (side == SIDE_CLIENT) {
		imap_preauth_tls(m);
	} else {
		imap_provider_tls(m);
	}
}

static void imap_on_eof(struct session *s, enum side from)
{
	struct imap_session *m = session_state(s);

	switch (m->state) {
	case IMAP_STATE_RELAY:
		imap_relay_eof(m, from);
		return;
	case IMAP_STATE_CLOSED:
		return;
	default:
		break;
	}
	if (from == SIDE_CLIENT) {
		imap_session_set_state(m, IMAP_STATE_CLOSED);
		session_close(s, "client closed before its login");
	} else if (m->state == IMAP_STATE_PROVIDER) {
		session_log(s, LOG_LEVEL_WARNING,
			    "provider closed during the login");
		imap_preauth_refuse(m, &imap_refusal_unavailable);
	}
}

static void imap_on_timeout(struct session *s)
{
	struct imap_session *m = session_state(s);

	switch (m->state) {
	case IMAP_STATE_RELAY:
		imap_relay_timeout(m);
		return;
	case IMAP_STATE_CONNECTING:
	case IMAP_STATE_PROVIDER:
		session_log(s, LOG_LEVEL_WARNING,
			    "provider did not answer the login in time");
		imap_preauth_refuse(m, &imap_refusal_unavailable);
		return;
	case IMAP_STATE_CLOSED:
		return;
	default:
		imap_session_bye(m, "Too slow.",
				 "client did not log in in time");
		return;
	}
}

static void imap_on_drain(struct session *s)
{
	struct imap_session *m = session_state(s);

	switch (m->state) {
	case IMAP_STATE_RELAY:
		if (!imap_relay_is_quiet(m)) {
			return;
		}
		imap_relay_flush_taps(m);
		break;
	case IMAP_STATE_PREAUTH:
	case IMAP_STATE_SASL:
		break;
	default:
		return;
	}
	imap_session_bye(m, "Server is restarting, connect again.", "drain");
}

const struct protocol imap_protocol = {
	.name = "imap",
	.create = imap_create,
	.destroy = imap_destroy,
	.start = imap_start,
	.on_bytes = imap_on_bytes,
	.on_connected = imap_on_connected,
	.on_connect_failed = imap_on_connect_failed,
	.on_tls = imap_on_tls,
	.on_eof = imap_on_eof,
	.on_timeout = imap_on_timeout,
	.on_drain = imap_on_drain,
};
