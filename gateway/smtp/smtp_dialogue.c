/* smtp_dialogue: what the client says, one command at a time and in order,
   and what each command does. MAIL, RCPT and content are smtp_transaction's;
   the provider's part of AUTH is smtp_login's. */
#include "smtp/smtp_state.h"

/* -- commands -- */

/* Which conditions of smtp_command hold now. */
static unsigned int conditions(const struct smtp_session *smtp)
{
	unsigned int have = 0;

	if (smtp->has_helo) {
		have |= SMTP_NEEDS_HELLO;
	}
	if (smtp->has_ehlo) {
		have |= SMTP_NEEDS_HELLO | SMTP_NEEDS_EHLO;
	}
	if (session_is_authenticated(smtp->session)) {
		have |= SMTP_NEEDS_LOGIN;
	}
	if (smtp->mail != SMTP_MAIL_NONE) {
		have |= SMTP_NEEDS_MAIL;
	}
	return have;
}

void smtp_refuse(struct smtp_session *smtp, const char *line)
{
	if (smtp->waiting_count > 0) {
		smtp_hold_client(smtp);
		return;
	}
	if (++smtp->errors >= SMTP_ERRORS_MAX) {
		smtp_end(smtp, "421 4.7.0 Too many errors",
			 "client: too many errors");
		return;
	}
	smtp_answer(smtp, line);
}

void smtp_refuse_data(struct smtp_session *smtp, const char *line)
{
	/* What follows would be read as commands, although it may be the
	   message (RFC 2920 section 3.1: DATA ends a group). */
	if (smtp->data_follows) {
		smtp_end(smtp, line, "client sent on after a refused DATA");
	} else {
		smtp_refuse(smtp, line);
	}
}

static bool may_start_tls(const struct smtp_session *smtp)
{
	return session_listener(smtp->session)->tls == TLS_STARTTLS &&
	       !session_has_tls(smtp->session, SIDE_CLIENT);
}

/* What EHLO says now: AUTH only where a credential may be sent. */
static struct smtp_capabilities offered_now(const struct smtp_session *smtp)
{
	struct smtp_capabilities now = smtp->offered;

	if (session_is_authenticated(smtp->session)) {
		return now;
	}
	if (may_start_tls(smtp)) {
		now.bits |= SMTP_CAP_STARTTLS;
	}
	if (session_may_authenticate(smtp->session)) {
		now.bits |= SMTP_CAP_AUTH;
		now.mechanisms = (1u << SASL_MECHANISM_COUNT) - 1;
	}
	return now;
}

static void proceed_ehlo(struct smtp_session *smtp, struct span argument)
{
	struct smtp_capabilities now = offered_now(smtp);
	struct strbuf reply = STRBUF_INIT(1024);

	(void)argument;
	smtp_transaction_reset(smtp);
	smtp->has_ehlo = true;
	smtp_capability_write(&now, smtp_host_name(), &reply);
	relay_send(smtp->session, SIDE_CLIENT, strbuf_span(&reply));
	strbuf_finish(&reply);
}

static void proceed_helo(struct smtp_session *smtp, struct span argument)
{
	(void)argument;
	smtp_transaction_reset(smtp);
	smtp->has_helo = true;
	smtp->has_ehlo = false;
	relay_sendf(smtp->session, SIDE_CLIENT, "250 %s\r\n", smtp_host_name());
}

static void proceed_starttls(struct smtp_session *smtp, struct span argument)
{
	(void)argument;
	if (session_has_tls(smtp->session, SIDE_CLIENT)) {
		smtp_refuse(smtp, "503 5.5.1 TLS is on already");
		return;
	}
	if (!may_start_tls(smtp)) {
		smtp_refuse(smtp, "502 5.5.1 No TLS here");
		return;
	}
	smtp_answer(smtp, "220 2.0.0 Ready to start TLS");
	smtp_set_state(smtp, SMTP_CLIENT_TLS);
	session_start_tls(smtp->session, SIDE_CLIENT);
}

/* One response of the client (RFC 4954 section 4), or its initial one. */
static void take_sasl(struct smtp_session *smtp, struct span base64)
{
	struct error err = { "" };
	int status = sasl_server_response(&smtp->sasl_server, base64,
					  &smtp->credential, &err);

	if (status == 0) {
		relay_sendf(smtp->session, SIDE_CLIENT, "334 %s\r\n",
			    sasl_server_challenge(&smtp->sasl_server));
		smtp_set_state(smtp, SMTP_SASL);
		return;
	}
	smtp_set_state(smtp, SMTP_COMMAND);
	if (status < 0) {
		credential_wipe(&smtp->credential);
		session_log(smtp->session, LOG_LEVEL_INFO, "auth refused: %s",
			    err.text);
		smtp_refuse(smtp,
			    "501 5.5.2 Malformed authentication response");
		return;
	}
	smtp_login_start(smtp);
}

static void proceed_auth(struct smtp_session *smtp, struct span argument)
{
	enum sasl_mechanism mechanism;
	struct span name;

	if (!session_may_authenticate(smtp->session)) {
		smtp_refuse(smtp, "530 5.7.0 Begin TLS with STARTTLS first");
		return;
	}
	if (!span_next_word(&argument, " ", &name) ||
	    sasl_mechanism_parse(name, &mechanism) < 0) {
		smtp_refuse(smtp, "504 5.5.4 Mechanism not supported");
		return;
	}
	argument = span_trim(argument);
	credential_wipe(&smtp->credential);
	sasl_server_init(&smtp->sasl_server, mechanism);
	if (argument.len > 0) {
		take_sasl(smtp, argument);
		return;
	}
	relay_sendf(smtp->session, SIDE_CLIENT, "334 %s\r\n",
		    sasl_server_challenge(&smtp->sasl_server));
	smtp_set_state(smtp, SMTP_SASL);
}

static void proceed_rset(struct smtp_session *smtp, struct span argument)
{
	(void)argument;
	if (smtp->server_state == SMTP_SERVER_READY) {
		smtp_transaction_finish(smtp);
		smtp_transaction_pass(smtp, "RSET", span_of(NULL, 0));
		return;
	}
	smtp_answer(smtp, "250 2.0.0 Ok");
}

/* Asked of the provider where there is one: who keeps a connection with NOOP
   wants to keep the whole way open. */
static void proceed_noop(struct smtp_session *smtp, struct span argument)
{
	(void)argument;
	if (smtp->server_state == SMTP_SERVER_READY) {
		smtp_transaction_pass(smtp, "NOOP", span_of(NULL, 0));
		return;
	}
	smtp_answer(smtp, "250 2.0.0 Ok");
}

static void proceed_vrfy(struct smtp_session *smtp, struct span argument)
{
	for (size_t i = 0; i < argument.len; i++) {
		unsigned char c = (unsigned char)argument.ptr[i];

		if (c < 0x20 || c >= 0x7f) {
			smtp_refuse(smtp, "501 5.5.4 Bad argument");
			return;
		}
	}
	smtp_transaction_pass(smtp, "VRFY", argument);
}

static void proceed_help(struct smtp_session *smtp, struct span argument)
{
	(void)argument;
	smtp_answer(smtp, "214 2.0.0 See RFC 5321 and RFC 6409");
}

static void proceed_quit(struct smtp_session *smtp, struct span argument)
{
	(void)argument;
	if (smtp->server_state == SMTP_SERVER_READY) {
		relay_send(smtp->session, SIDE_SERVER, SPAN("QUIT\r\n"));
	}
	smtp_end(smtp, "221 2.0.0 Bye", "client quit");
}

/* A browser made to post here must not get as far as a command. */
static void proceed_foreign(struct smtp_session *smtp, struct span argument)
{
	(void)argument;
	smtp_end(smtp, "421 5.5.1 This is SMTP", "client speaks no SMTP");
}

typedef void proceed(struct smtp_session *smtp, struct span argument);

/* What each command of smtp_command's table does. DATA is apart: it must know
   what follows it. The last two never pass smtp_command_refusal. */
static proceed *const proceeds[] = {
	[SMTP_EHLO] = proceed_ehlo,
	[SMTP_HELO] = proceed_helo,
	[SMTP_STARTTLS] = proceed_starttls,
	[SMTP_AUTH] = proceed_auth,
	[SMTP_MAIL] = smtp_transaction_mail,
	[SMTP_RCPT] = smtp_transaction_rcpt,
	[SMTP_DATA] = NULL,
	[SMTP_RSET] = proceed_rset,
	[SMTP_NOOP] = proceed_noop,
	[SMTP_VRFY] = proceed_vrfy,
	[SMTP_HELP] = proceed_help,
	[SMTP_QUIT] = proceed_quit,
	[SMTP_UNSUPPORTED] = NULL,
	[SMTP_FOREIGN] = proceed_foreign,
	[SMTP_UNKNOWN] = NULL,
};
_Static_assert(N_ELEMENTS(proceeds) == SMTP_VERB_COUNT, "commands");

/* May a command go on although earlier replies are still to come? */
static bool must_wait(const struct smtp_session *smtp,
		      const struct smtp_command *command)
{
	if (smtp->waiting_count == 0) {
		return false;
	}
	return (command->row->flags & SMTP_PIPELINES) == 0 ||
	       (smtp->provider.bits & SMTP_CAP_PIPELINING) == 0 ||
	       smtp->waiting_count == SMTP_PIPELINE_MAX;
}

static void proceed_with(struct smtp_session *smtp,
			 const struct smtp_command *command)
{
	const char *refusal = smtp_command_refusal(command, conditions(smtp));

	if (session_is_authenticated(smtp->session) &&
	    smtp->server_state == SMTP_SERVER_NONE &&
	    command->row->verb != SMTP_QUIT) {
		/* It was left in the middle of a message. */
		smtp_provider_lost(smtp, "no provider any more");
	} else if (command->row->verb == SMTP_DATA) {
		if (refusal == NULL) {
			smtp_transaction_data(smtp);
		} else {
			smtp_refuse_data(smtp, refusal);
		}
	} else if (refusal != NULL) {
		smtp_refuse(smtp, refusal);
	} else {
		proceeds[command->row->verb](smtp, command->argument);
	}
}

void smtp_proceed_data(struct smtp_session *smtp)
{
	struct smtp_command command;

	smtp_command_parse(SPAN("DATA"), &command);
	smtp_set_state(smtp, SMTP_COMMAND);
	proceed_with(smtp, &command);
}

/* -- the client's bytes -- */

/* A line that cannot be taken; the session ends. */
static void refuse_line(struct smtp_session *smtp, enum smtp_line outcome)
{
	if (outcome == SMTP_LINE_TOO_LONG) {
		smtp_end(smtp, "500 5.5.6 Line too long",
			 "client: line too long");
	} else {
		smtp_end(smtp, "500 5.5.2 Lines end with CRLF",
			 "client: bare CR or LF");
	}
}

static size_t take_command(struct smtp_session *smtp, struct span in)
{
	struct smtp_command command;
	struct span line;
	size_t used;
	enum smtp_line outcome = smtp_command_line(in, &line, &used);

	if (outcome == SMTP_LINE_MORE) {
		return 0;
	}
	if (smtp->waiting_count > 0 && outcome != SMTP_LINE_READY) {
		/* After the replies that come first. */
		smtp_hold_client(smtp);
		return 0;
	}
	if (outcome != SMTP_LINE_READY) {
		refuse_line(smtp, outcome);
		return 0;
	}
	smtp_command_parse(line, &command);
	if (command.row->verb == SMTP_DATA) {
		smtp->data_follows = used < in.len;
	}
	if (must_wait(smtp, &command)) {
		if (command.row->verb == SMTP_DATA &&
		    command.argument.len == 0) {
			/* Answered together with what comes before it. */
			smtp_set_state(smtp, SMTP_DATA_ASKED);
			return used;
		}
		smtp_hold_client(smtp);
		return 0;
	}
	proceed_with(smtp, &command);
	/* Held: it is to be refused, when the replies before it are there. */
	return smtp->holds_client ? 0 : used;
}

static size_t take_response(struct smtp_session *smtp, struct span in)
{
	struct span line;
	size_t used;
	enum smtp_line outcome =
		smtp_line_next(in, SASL_LINE_MAX + 2, &line, &used);

	if (outcome == SMTP_LINE_MORE) {
		return 0;
	}
	if (outcome != SMTP_LINE_READY) {
		refuse_line(smtp, outcome);
		return 0;
	}
	if (span_eq(line, SPAN("*"))) {
		credential_wipe(&smtp->credential);
		smtp_set_state(smtp, SMTP_COMMAND);
		smtp_refuse(smtp, "501 5.7.0 Authentication cancelled");
		return used;
	}
	take_sasl(smtp, line);
	return used;
}

/* Take one thing; 0 when there is not a whole one, or it must wait. */
static size_t take_from_client(struct smtp_session *smtp, struct span in)
{
	switch (smtp->state) {
	case SMTP_COMMAND:
		return take_command(smtp, in);
	case SMTP_SASL:
		return take_response(smtp, in);
	case SMTP_CONTENT:
	case SMTP_REFUSED_CONTENT:
		return smtp_judged_content(smtp, in);
	case SMTP_STREAM:
		return smtp_stream_content(smtp, in);
	case SMTP_DATA_ASKED:
	case SMTP_DELIVERY:
		/* Of interest only while DATA itself has no answer. */
		smtp->data_follows = true;
		smtp_hold_client(smtp);
		return 0;
	case SMTP_LOGIN:
	case SMTP_VERDICT:
		smtp_hold_client(smtp);
		return 0;
	default:
		return 0;
	}
}

size_t smtp_bytes_from_client(struct smtp_session *smtp, struct span in)
{
	size_t used = 0;
	size_t step = 1;

	while (step > 0 && used < in.len && smtp->state != SMTP_CLOSED) {
		step = take_from_client(smtp, span_from(in, used));
		used += step;
	}
	if (used > 0 && smtp->state != SMTP_CLOSED) {
		smtp_renew_timeout(smtp);
	}
	return smtp->state == SMTP_CLOSED ? in.len : used;
}
