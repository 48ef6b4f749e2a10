/* smtp_session: states, ends, and what happens to a session as a whole.
   Replies of the provider are read here and handed to the login or the
   transaction; what the client says goes to smtp_dialogue. */
#include "smtp/smtp_session.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/metrics.h"
#include "lib/xalloc.h"
#include "smtp/smtp_state.h"

#define HOST_NAME_SIZE 256

static const char *const state_names[] = {
	[SMTP_COMMAND] = "command",
	[SMTP_CLIENT_TLS] = "client-tls",
	[SMTP_SASL] = "sasl",
	[SMTP_LOGIN] = "login",
	[SMTP_DATA_ASKED] = "data-asked",
	[SMTP_CONTENT] = "content",
	[SMTP_STREAM] = "stream",
	[SMTP_REFUSED_CONTENT] = "refused-content",
	[SMTP_VERDICT] = "verdict",
	[SMTP_DELIVERY] = "delivery",
	[SMTP_CLOSED] = "closed",
};
_Static_assert(N_ELEMENTS(state_names) == SMTP_STATE_COUNT, "names");

static const char *const server_state_names[] = {
	[SMTP_SERVER_NONE] = "none",	     [SMTP_SERVER_CONNECT] = "connect",
	[SMTP_SERVER_GREETING] = "greeting", [SMTP_SERVER_EHLO] = "ehlo",
	[SMTP_SERVER_STARTTLS] = "starttls", [SMTP_SERVER_TLS] = "tls",
	[SMTP_SERVER_AUTH] = "auth",	     [SMTP_SERVER_READY] = "ready",
	[SMTP_SERVER_DATA] = "data",	     [SMTP_SERVER_SENDING] = "sending",
	[SMTP_SERVER_FINAL] = "final",
};
_Static_assert(N_ELEMENTS(server_state_names) == SMTP_SERVER_STATE_COUNT,
	       "names");

/* -- what all of it uses -- */

const char *smtp_host_name(void)
{
	static char name[HOST_NAME_SIZE];
	struct span s;

	if (name[0] != '\0') {
		return name;
	}
	if (gethostname(name, sizeof(name) - 1) < 0) {
		name[0] = '\0';
	}
	s = span_str(name);
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_alpha(name[i]) && !ascii_is_digit(name[i]) &&
		    name[i] != '-' && name[i] != '.') {
			s.len = 0;
		}
	}
	/* Providers look at the form of the name, not at what it means. */
	if (s.len == 0 || name[0] == '.' || name[0] == '-') {
		memcpy(name, "localhost", sizeof("localhost"));
	}
	return name;
}

/* How long the one who is awaited may take. */
static unsigned int timeout_of(const struct smtp_session *smtp)
{
	const struct limits_settings *limits =
		&session_settings(smtp->session)->limits;

	switch (smtp->state) {
	case SMTP_CONTENT:
	case SMTP_STREAM:
	case SMTP_REFUSED_CONTENT:
		return SMTP_CONTENT_TIMEOUT_S;
	case SMTP_LOGIN:
		return limits->server_read_timeout_s;
	case SMTP_VERDICT:
		/* The verdict has its own deadline; this is the last resort,
		   before the client gives up and sends again. */
		return SMTP_FINAL_TIMEOUT_S;
	case SMTP_DELIVERY:
		return smtp->server_state == SMTP_SERVER_DATA
			       ? limits->server_read_timeout_s
			       : SMTP_FINAL_TIMEOUT_S;
	case SMTP_CLOSED:
		return 0;
	default:
		break;
	}
	if (smtp->waiting_count > 0) {
		return limits->server_read_timeout_s;
	}
	/* Before the login the session counts its own time. */
	return session_is_authenticated(smtp->session) ? limits->idle_timeout_s
						       : 0;
}

void smtp_renew_timeout(struct smtp_session *smtp)
{
	session_set_timeout(smtp->session, timeout_of(smtp));
}

void smtp_set_state(struct smtp_session *smtp, enum smtp_state state)
{
	if (log_wants(LOG_LEVEL_DEBUG)) {
		session_log(smtp->session, LOG_LEVEL_DEBUG, "smtp %s -> %s",
			    state_names[smtp->state], state_names[state]);
	}
	smtp->state = state;
	smtp_renew_timeout(smtp);
}

void smtp_set_server_state(struct smtp_session *smtp,
			   enum smtp_server_state state)
{
	if (log_wants(LOG_LEVEL_DEBUG)) {
		session_log(smtp->session, LOG_LEVEL_DEBUG,
			    "smtp provider %s -> %s",
			    server_state_names[smtp->server_state],
			    server_state_names[state]);
	}
	smtp->server_state = state;
	smtp_renew_timeout(smtp);
}

void smtp_answer(struct smtp_session *smtp, const char *line)
{
	relay_sendf(smtp->session, SIDE_CLIENT, "%s\r\n", line);
}

void smtp_close(struct smtp_session *smtp, const char *why)
{
	if (smtp->state == SMTP_CLOSED) {
		return;
	}
	smtp_set_state(smtp, SMTP_CLOSED);
	session_close(smtp->session, why);
}

void smtp_end(struct smtp_session *smtp, const char *line, const char *why)
{
	if (smtp->state == SMTP_CLOSED) {
		return;
	}
	smtp_answer(smtp, line);
	smtp_close(smtp, why);
}

void smtp_provider_lost(struct smtp_session *smtp, const char *why)
{
	smtp_end(smtp, "421 4.3.0 The mail provider ended the session", why);
}

void smtp_hold_client(struct smtp_session *smtp)
{
	if (!smtp->holds_client) {
		smtp->holds_client = true;
		relay_pause(smtp->session, SIDE_CLIENT);
	}
}

void smtp_wake_client(struct smtp_session *smtp)
{
	if (smtp->holds_client) {
		smtp->holds_client = false;
		relay_resume(smtp->session, SIDE_CLIENT);
	}
}

/* -- the provider's bytes -- */

static void malformed_reply(struct smtp_session *smtp, const char *why)
{
	session_log(smtp->session, LOG_LEVEL_WARNING, "provider: %s", why);
	if (smtp->state == SMTP_LOGIN) {
		smtp_login_unavailable(smtp, why);
	} else if (smtp_is_delivering(smtp)) {
		smtp_transaction_lost(smtp, why);
	} else {
		smtp_provider_lost(smtp, "server: malformed reply");
	}
}

static size_t bytes_from_server(struct smtp_session *smtp, struct span in)
{
	struct error err = { "" };
	size_t used = 0;

	while (used < in.len && smtp->state != SMTP_CLOSED &&
	       smtp->server_state != SMTP_SERVER_NONE &&
	       smtp->server_state != SMTP_SERVER_TLS) {
		int status = smtp_reply_next(&smtp->reply, span_from(in, used),
					     &err);

		if (status == 0) {
			return used;
		}
		if (status < 0) {
			malformed_reply(smtp, err.text);
			return in.len;
		}
		used += smtp->reply.whole.len;
		if (smtp->state == SMTP_LOGIN) {
			smtp_login_reply(smtp);
		} else {
			smtp_transaction_reply(smtp);
		}
		smtp_reply_init(&smtp->reply);
	}
	/* Bytes after the go-ahead for TLS stay: the relay refuses them. */
	return smtp->server_state == SMTP_SERVER_TLS ? used : in.len;
}

/* -- what happens to the session -- */

static void *smtp_create(struct session *s)
{
	struct smtp_session *smtp = xcalloc(1, sizeof(*smtp));

	smtp->session = s;
	credential_init(&smtp->credential);
	smtp_content_init(&smtp->content);
	strbuf_init(&smtp->refusal_text, SMTP_REPLY_MAX);
	strbuf_init(&smtp->tap, 0);
	strbuf_init(&smtp->from, SMTP_COMMAND_MAX);
	strbuf_init(&smtp->rcpts, SMTP_RECIPIENT_BYTES_MAX);
	strbuf_init(&smtp->asked_rcpts, SMTP_PIPELINE_MAX * SMTP_COMMAND_MAX);
	return smtp;
}

static void smtp_destroy(void *state)
{
	struct smtp_session *smtp = state;

	/* The session was ended around us (the client's connection broke, a
	   deadline of draining) while the final reply was awaited. */
	if (smtp->state == SMTP_DELIVERY &&
	    smtp->server_state == SMTP_SERVER_FINAL) {
		metric_add(METRIC_TRANSACTIONS_IN_DOUBT, 1);
	}
	smtp_transaction_finish(smtp);
	credential_wipe(&smtp->credential);
	free(smtp);
}

static void smtp_start(struct session *s)
{
	struct smtp_session *smtp = smtp_of(s);

	smtp->offered = smtp_capability_profile(session_settings(s),
						session_listener(s));
	relay_sendf(s, SIDE_CLIENT, "220 %s ESMTP Postern\r\n",
		    smtp_host_name());
}

static size_t smtp_on_bytes(struct session *s, enum side from, struct span in)
{
	struct smtp_session *smtp = smtp_of(s);

	return from == SIDE_CLIENT ? smtp_bytes_from_client(smtp, in)
				   : bytes_from_server(smtp, in);
}

static void smtp_on_connected(struct session *s)
{
	smtp_login_connected(smtp_of(s));
}

static void smtp_on_connect_failed(struct session *s, const char *why)
{
	smtp_login_unavailable(smtp_of(s), why);
}

static void smtp_on_tls(struct session *s, enum side side)
{
	struct smtp_session *smtp = smtp_of(s);

	if (side == SIDE_SERVER) {
		smtp_login_tls(smtp);
		return;
	}
	/* RFC 3207 section 4.2: nothing said before is known any more. */
	smtp->has_ehlo = false;
	smtp->has_helo = false;
	smtp->errors = 0;
	smtp_set_state(smtp, SMTP_COMMAND);
}

static void smtp_on_eof(struct session *s, enum side from)
{
	struct smtp_session *smtp = smtp_of(s);

	if (from == SIDE_CLIENT) {
		/* After our final dot the message is the provider's: its
		   answer is awaited although nobody hears it. */
		smtp->client_is_gone = true;
		if (smtp->server_state != SMTP_SERVER_FINAL) {
			smtp_close(smtp, "client closed");
		}
		return;
	}
	if (smtp->state == SMTP_LOGIN) {
		smtp_login_unavailable(smtp, "provider closed");
	} else if (smtp_is_delivering(smtp)) {
		smtp_transaction_lost(smtp, "provider closed");
	} else if (smtp->server_state != SMTP_SERVER_NONE) {
		smtp_provider_lost(smtp, "server closed");
	}
}

static void smtp_on_timeout(struct session *s)
{
	struct smtp_session *smtp = smtp_of(s);

	if (smtp->state == SMTP_LOGIN) {
		smtp_login_unavailable(smtp, "provider does not answer");
	} else if (smtp->state == SMTP_VERDICT) {
		smtp_end(smtp, "421 4.3.0 No decision in time",
			 "no verdict in time");
	} else if (smtp->state == SMTP_DELIVERY) {
		smtp_transaction_lost(smtp, "provider does not answer");
	} else if (smtp->waiting_count > 0) {
		smtp_provider_lost(smtp, "server does not answer");
	} else {
		smtp_end(smtp, "421 4.4.2 Timeout", "client idle");
	}
}

/* Between commands; an open transaction may still end well. */
static void smtp_on_drain(struct session *s)
{
	struct smtp_session *smtp = smtp_of(s);

	if ((smtp->state != SMTP_COMMAND && smtp->state != SMTP_SASL) ||
	    smtp->waiting_count > 0 || smtp->mail != SMTP_MAIL_NONE) {
		return;
	}
	if (smtp->server_state == SMTP_SERVER_READY) {
		relay_send(s, SIDE_SERVER, SPAN("QUIT\r\n"));
	}
	smtp_end(smtp, "421 4.3.2 Service restarts, come again", "drained");
}

const struct protocol smtp_protocol = {
	.name = "smtp",
	.create = smtp_create,
	.destroy = smtp_destroy,
	.start = smtp_start,
	.on_bytes = smtp_on_bytes,
	.on_connected = smtp_on_connected,
	.on_connect_failed = smtp_on_connect_failed,
	.on_tls = smtp_on_tls,
	.on_eof = smtp_on_eof,
	.on_timeout = smtp_on_timeout,
	.on_drain = smtp_on_drain,
};
