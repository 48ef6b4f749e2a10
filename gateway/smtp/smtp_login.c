/* smtp_login: from a complete credential to the provider's answer to it:
   route, connect, EHLO, STARTTLS where it is asked for, AUTH. Only a provider
   that refused the credential itself makes a wrong password; anything else is
   454, or the mail program would ask the person for a new one. */
#include "smtp/smtp_state.h"

/* An initial response must leave its line within the old limit of commands
   (RFC 4954 section 4); the line after 334 may be SASL_LINE_MAX. */
#define INITIAL_LINE_MAX 512

/* Back to where the client may try again. */
static void leave(struct smtp_session *smtp)
{
	session_disconnect_server(smtp->session);
	smtp_reply_init(&smtp->reply);
	credential_wipe(&smtp->credential);
	smtp->provider = (struct smtp_capabilities){ 0 };
	smtp_set_server_state(smtp, SMTP_SERVER_NONE);
	smtp_set_state(smtp, SMTP_COMMAND);
	smtp_wake_client(smtp);
}

void smtp_login_unavailable(struct smtp_session *smtp, const char *why)
{
	if (smtp->state != SMTP_LOGIN) {
		return;
	}
	session_log(smtp->session, LOG_LEVEL_WARNING, "login not possible: %s",
		    why);
	leave(smtp);
	smtp_answer(smtp, "454 4.7.0 The mail provider cannot be reached now");
}

/* The provider said something we cannot go on with. */
static void unexpected(struct smtp_session *smtp, const char *to)
{
	struct log_quote quote;

	session_log(smtp->session, LOG_LEVEL_WARNING,
		    "provider answered %s to %s",
		    log_quote(smtp->reply.whole, &quote), to);
	smtp_login_unavailable(smtp, "provider refused");
}

/* The provider refused the credential: in its own words. */
static void refused(struct smtp_session *smtp)
{
	struct log_quote quote;

	session_log(smtp->session, LOG_LEVEL_INFO, "login refused: %s",
		    log_quote(smtp->reply.whole, &quote));
	session_login_failed(smtp->session,
			     strbuf_span(&smtp->credential.user));
	relay_forward(smtp->session, SIDE_SERVER, smtp->reply.whole);
	leave(smtp);
	if (++smtp->login_failures >= SMTP_LOGIN_FAILURES_MAX) {
		smtp_end(smtp, "421 4.7.0 Too many failed logins",
			 "client: too many failed logins");
	}
}

void smtp_login_start(struct smtp_session *smtp)
{
	struct span user = strbuf_span(&smtp->credential.user);
	struct error err = { "" };

	if (!session_login_allowed(smtp->session, user)) {
		credential_wipe(&smtp->credential);
		smtp_answer(smtp, "454 4.7.0 Too many failed logins, "
				  "try again later");
		return;
	}
	session_set_mailbox(smtp->session, user);
	smtp_set_state(smtp, SMTP_LOGIN);
	smtp_set_server_state(smtp, SMTP_SERVER_CONNECT);
	if (session_connect(smtp->session, &smtp->credential, &err) < 0) {
		session_log(smtp->session, LOG_LEVEL_INFO, "no route: %s",
			    err.text);
		leave(smtp);
		smtp_answer(smtp, "535 5.7.1 This account is not served here");
	}
}

void smtp_login_connected(struct smtp_session *smtp)
{
	smtp_set_server_state(smtp, SMTP_SERVER_GREETING);
}

static void say_ehlo(struct smtp_session *smtp)
{
	smtp->provider = (struct smtp_capabilities){ 0 };
	relay_sendf(smtp->session, SIDE_SERVER, "EHLO %s\r\n",
		    smtp_host_name());
	smtp_set_server_state(smtp, SMTP_SERVER_EHLO);
}

void smtp_login_tls(struct smtp_session *smtp)
{
	/* What it said before TLS may be anyone's. */
	say_ehlo(smtp);
}

/* -- AUTH -- */

static void send_line(struct smtp_session *smtp, struct strbuf *line)
{
	strbuf_add_str(line, "\r\n");
	relay_send_secret(smtp->session, SIDE_SERVER, strbuf_span(line));
}

static void say_auth(struct smtp_session *smtp)
{
	const struct provider *provider =
		session_route(smtp->session)->provider;
	struct strbuf line = STRBUF_INIT(SASL_LINE_MAX + 64);
	struct error err = { "" };
	size_t name_end;

	if (sasl_client_init(&smtp->sasl_client, &smtp->credential,
			     smtp->provider.mechanisms, provider->smtp.host,
			     provider->smtp.port, &err) < 0) {
		smtp_login_unavailable(smtp, err.text);
		return;
	}
	smtp_set_server_state(smtp, SMTP_SERVER_AUTH);
	strbuf_addf(&line, "AUTH %s",
		    sasl_mechanism_name(smtp->sasl_client.mechanism));
	name_end = line.len;
	if ((provider->quirks & PROVIDER_QUIRK_AUTH_NO_INITIAL) == 0 &&
	    smtp->sasl_client.mechanism != SASL_LOGIN) {
		struct sasl_client once = smtp->sasl_client;

		strbuf_add_char(&line, ' ');
		if (sasl_client_response(&once, SPAN(""), &line) == 1 &&
		    line.len + 2 <= INITIAL_LINE_MAX) {
			smtp->sasl_client = once;
			name_end = line.len;
		}
	}
	explicit_bzero(line.ptr + name_end, line.len - name_end);
	line.len = name_end;
	line.overflow = false;
	send_line(smtp, &line);
	strbuf_wipe(&line);
}

/* 334: a challenge, or the reason why a token is refused. */
static void answer_challenge(struct smtp_session *smtp)
{
	struct strbuf line = STRBUF_INIT(SASL_LINE_MAX + 64);
	struct span rest = smtp->reply.whole;
	struct span challenge;

	if (!smtp_reply_line(&rest, &challenge) || rest.len > 0 ||
	    sasl_client_response(&smtp->sasl_client, span_trim(challenge),
				 &line) < 0) {
		smtp_login_unavailable(smtp, "challenge out of order");
	} else {
		send_line(smtp, &line);
	}
	strbuf_wipe(&line);
}

static void logged_in(struct smtp_session *smtp)
{
	credential_wipe(&smtp->credential);
	smtp->offered = smtp_capability_shrink(&smtp->offered, &smtp->provider);
	session_authenticated(smtp->session);
	smtp->errors = 0;
	smtp_set_server_state(smtp, SMTP_SERVER_READY);
	smtp_set_state(smtp, SMTP_COMMAND);
	smtp_answer(smtp, "235 2.7.0 Authentication successful");
	smtp_wake_client(smtp);
}

/* 535 and 534 (RFC 4954 section 6) are about the credential. 530 and 538 are
   about the connection, so about us. Any other 5xx is only when its enhanced
   code says security: Microsoft's 550 5.7.30. */
static bool is_refusal(const struct smtp_reply *reply)
{
	switch (reply->code) {
	case 535:
	case 534:
		return true;
	case 530:
	case 538:
		return false;
	default:
		return reply->code / 100 == 5 && reply->status.class == 5 &&
		       reply->status.subject == 7;
	}
}

static void take_auth(struct smtp_session *smtp)
{
	switch (smtp->reply.code) {
	case 235:
		logged_in(smtp);
		break;
	case 334:
		answer_challenge(smtp);
		break;
	default:
		if (is_refusal(&smtp->reply)) {
			refused(smtp);
		} else {
			unexpected(smtp, "AUTH");
		}
		break;
	}
}

/* -- before AUTH -- */

static void take_ehlo(struct smtp_session *smtp)
{
	const struct service_settings *service =
		&session_route(smtp->session)->provider->smtp;
	struct span rest = smtp->reply.whole;
	struct span text;

	if (smtp->reply.code != 250) {
		unexpected(smtp, "EHLO");
		return;
	}
	/* The first line is a greeting. */
	(void)smtp_reply_line(&rest, &text);
	while (smtp_reply_line(&rest, &text)) {
		smtp_capability_parse(text, &smtp->provider);
	}
	if (service->tls != TLS_STARTTLS ||
	    session_has_tls(smtp->session, SIDE_SERVER)) {
		say_auth(smtp);
		return;
	}
	if ((smtp->provider.bits & SMTP_CAP_STARTTLS) == 0) {
		/* Never without: someone may have removed it on the way. */
		smtp_login_unavailable(smtp, "provider offers no STARTTLS");
		return;
	}
	relay_send(smtp->session, SIDE_SERVER, SPAN("STARTTLS\r\n"));
	smtp_set_server_state(smtp, SMTP_SERVER_STARTTLS);
}

void smtp_login_reply(struct smtp_session *smtp)
{
	switch (smtp->server_state) {
	case SMTP_SERVER_GREETING:
		if (smtp->reply.code == 220) {
			say_ehlo(smtp);
		} else {
			unexpected(smtp, "the connection");
		}
		break;
	case SMTP_SERVER_EHLO:
		take_ehlo(smtp);
		break;
	case SMTP_SERVER_STARTTLS:
		if (smtp->reply.code == 220) {
			smtp_set_server_state(smtp, SMTP_SERVER_TLS);
			session_start_tls(smtp->session, SIDE_SERVER);
		} else {
			unexpected(smtp, "STARTTLS");
		}
		break;
	case SMTP_SERVER_AUTH:
		take_auth(smtp);
		break;
	default:
		unexpected(smtp, "nothing");
		break;
	}
}
