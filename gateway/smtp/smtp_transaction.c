/* smtp_transaction: MAIL and RCPT on their way to the provider and the
   replies back, in order, up to the final one. Content goes by smtp_stream or
   smtp_judged. Says 250 for nobody: every 250 is the provider's. */
#include <inttypes.h>

#include "lib/metrics.h"
#include "smtp/smtp_state.h"

/* A strbuf this large is not kept for the next transaction. */
#define KEEP_SIZE 1024

/* -- the queue of commands without a reply -- */

static void push_waiting(struct smtp_session *smtp, enum smtp_waiting what)
{
	unsigned int at =
		(smtp->waiting_first + smtp->waiting_count) % SMTP_PIPELINE_MAX;

	smtp->waiting[at] = (unsigned char)what;
	smtp->waiting_count++;
	smtp_renew_timeout(smtp);
}

static enum smtp_waiting pop_waiting(struct smtp_session *smtp)
{
	unsigned char what = smtp->waiting[smtp->waiting_first];

	smtp->waiting_first = (smtp->waiting_first + 1) % SMTP_PIPELINE_MAX;
	smtp->waiting_count--;
	return (enum smtp_waiting)what;
}

/* -- begin and end -- */

static void forget(struct strbuf *buf)
{
	if (buf->size > KEEP_SIZE) {
		strbuf_finish(buf);
	} else {
		strbuf_clear(buf);
	}
}

/* Free what is only needed while there is a transaction. */
static void forget_transaction(struct smtp_session *smtp)
{
	smtp->mail = SMTP_MAIL_NONE;
	smtp->rcpt_count = 0;
	smtp->refusal = NULL;
	forget(&smtp->from);
	forget(&smtp->rcpts);
	forget(&smtp->refusal_text);
	smtp_content_finish(&smtp->content);
	smtp_stream_finish(smtp);
}

void smtp_transaction_finish(struct smtp_session *smtp)
{
	forget_transaction(smtp);
	strbuf_finish(&smtp->from);
	strbuf_finish(&smtp->rcpts);
	strbuf_finish(&smtp->refusal_text);
	strbuf_finish(&smtp->asked_rcpts);
}

void smtp_transaction_reset(struct smtp_session *smtp)
{
	bool is_open = smtp->mail != SMTP_MAIL_NONE;

	forget_transaction(smtp);
	if (is_open && smtp->server_state == SMTP_SERVER_READY) {
		relay_send(smtp->session, SIDE_SERVER, SPAN("RSET\r\n"));
		push_waiting(smtp, SMTP_WAITING_OWN_RSET);
	}
}

/* -- MAIL and RCPT -- */

static bool provider_has(const struct smtp_session *smtp,
			 enum smtp_capability bit)
{
	return (smtp->provider.bits & (unsigned int)bit) != 0;
}

/* A parameter may have been offered before we knew the provider: it is then
   refused here, because leaving it out would change what was asked for. */
static const char *mail_refusal(const struct smtp_session *smtp,
				const struct smtp_envelope *envelope)
{
	const struct settings *settings = session_settings(smtp->session);

	if (smtp_envelope_has(envelope, SMTP_PARAM_SMTPUTF8) &&
	    !provider_has(smtp, SMTP_CAP_SMTPUTF8)) {
		return "550 5.6.7 The mail provider has no SMTPUTF8";
	}
	if (envelope->is_8bit && !provider_has(smtp, SMTP_CAP_8BITMIME)) {
		return "554 5.6.3 The mail provider has no 8BITMIME";
	}
	if ((smtp_envelope_has(envelope, SMTP_PARAM_RET) ||
	     smtp_envelope_has(envelope, SMTP_PARAM_ENVID)) &&
	    !provider_has(smtp, SMTP_CAP_DSN)) {
		return "555 5.5.4 The mail provider has no DSN";
	}
	if (smtp_envelope_has(envelope, SMTP_PARAM_REQUIRETLS) &&
	    (!provider_has(smtp, SMTP_CAP_REQUIRETLS) ||
	     !session_has_tls(smtp->session, SIDE_CLIENT) ||
	     !session_has_tls(smtp->session, SIDE_SERVER))) {
		return "550 5.7.30 REQUIRETLS cannot be kept";
	}
	if (envelope->size > smtp->offered.size) {
		return SMTP_SIZE_REFUSAL;
	}
	if (envelope->size > settings->message.message_budget_bytes -
				     smtp_content_in_use() ||
	    smtp_content_in_use() > settings->message.message_budget_bytes) {
		return "452 4.3.1 Too many messages at once, try again soon";
	}
	return NULL;
}

static void send_envelope(struct smtp_session *smtp,
			  const struct smtp_envelope *envelope,
			  const char *verb, unsigned int leave_out)
{
	struct strbuf line = STRBUF_INIT(SMTP_COMMAND_MAX + 16);

	smtp_envelope_write(envelope, verb, leave_out, &line);
	strbuf_add_str(&line, "\r\n");
	relay_send(smtp->session, SIDE_SERVER, strbuf_span(&line));
	strbuf_finish(&line);
}

void smtp_transaction_mail(struct smtp_session *smtp, struct span argument)
{
	struct smtp_envelope envelope;
	const char *refusal = NULL;
	unsigned int leave_out = 0;

	if (smtp_mail_parse(argument, &envelope, &refusal) == 0) {
		refusal = mail_refusal(smtp, &envelope);
	}
	if (refusal != NULL) {
		smtp_refuse(smtp, refusal);
		return;
	}
	if (!provider_has(smtp, SMTP_CAP_SIZE)) {
		leave_out |= 1u << SMTP_PARAM_SIZE;
	}
	if (!provider_has(smtp, SMTP_CAP_8BITMIME)) {
		leave_out |= 1u << SMTP_PARAM_BODY;
	}
	forget_transaction(smtp);
	strbuf_add(&smtp->from, envelope.path);
	smtp->utf8 = smtp_envelope_has(&envelope, SMTP_PARAM_SMTPUTF8);
	smtp->mail = SMTP_MAIL_ASKED;
	send_envelope(smtp, &envelope, "MAIL FROM", leave_out);
	push_waiting(smtp, SMTP_WAITING_MAIL);
}

void smtp_transaction_rcpt(struct smtp_session *smtp, struct span argument)
{
	struct smtp_envelope envelope;
	const char *refusal = NULL;

	if (smtp_rcpt_parse(argument, smtp->utf8, &envelope, &refusal) == 0) {
		if ((smtp_envelope_has(&envelope, SMTP_PARAM_NOTIFY) ||
		     smtp_envelope_has(&envelope, SMTP_PARAM_ORCPT)) &&
		    !provider_has(smtp, SMTP_CAP_DSN)) {
			refusal = "555 5.5.4 The mail provider has no DSN";
		} else if (smtp->rcpt_count + smtp->waiting_count >=
				   SMTP_RECIPIENTS_MAX ||
			   smtp->rcpts.len + smtp->asked_rcpts.len >
				   SMTP_RECIPIENT_BYTES_MAX -
					   2 * SMTP_COMMAND_MAX) {
			refusal = "452 4.5.3 Too many recipients";
		}
	}
	if (refusal != NULL) {
		smtp_refuse(smtp, refusal);
		return;
	}
	strbuf_add(&smtp->asked_rcpts, envelope.path);
	strbuf_add_char(&smtp->asked_rcpts, '\n');
	send_envelope(smtp, &envelope, "RCPT TO", 0);
	push_waiting(smtp, SMTP_WAITING_RCPT);
}

void smtp_transaction_pass(struct smtp_session *smtp, const char *command,
			   struct span argument)
{
	struct strbuf line = STRBUF_INIT(SMTP_COMMAND_MAX + 16);

	strbuf_add_str(&line, command);
	if (argument.len > 0) {
		strbuf_add_char(&line, ' ');
		strbuf_add(&line, argument);
	}
	strbuf_add_str(&line, "\r\n");
	relay_send(smtp->session, SIDE_SERVER, strbuf_span(&line));
	strbuf_finish(&line);
	push_waiting(smtp, SMTP_WAITING_OTHER);
}

/* -- DATA and what becomes of it -- */

void smtp_transaction_data(struct smtp_session *smtp)
{
	if (smtp->rcpt_count == 0) {
		smtp_refuse_data(smtp, "554 5.5.1 No valid recipients");
		return;
	}
	if (smtp_stream_is_possible(smtp)) {
		smtp_stream_begin(smtp);
	} else {
		smtp_judged_begin(smtp);
	}
}

static void tell_done(struct smtp_session *smtp, bool accepted)
{
	const struct session_hooks *hooks = session_hooks(smtp->session);

	if (smtp->streams) {
		if (accepted) {
			smtp_stream_accepted(smtp);
		}
		return;
	}
	if (hooks != NULL && hooks->on_transaction_done != NULL) {
		hooks->on_transaction_done(smtp->session, accepted);
	}
}

static uint64_t size_of(const struct smtp_session *smtp)
{
	return smtp->streams ? smtp->stream_size : smtp->content.size;
}

/* The final reply, or a refusal of DATA: the client's answer. */
static void finish_delivery(struct smtp_session *smtp)
{
	bool accepted = smtp_reply_is_positive(&smtp->reply);
	bool is_over = smtp->server_state != SMTP_SERVER_DATA;
	/* Its content is there, but would be read as commands. */
	bool has_astray = smtp->streams && !is_over && smtp->data_follows;

	relay_forward(smtp->session, SIDE_SERVER, smtp->reply.whole);
	session_log(smtp->session, LOG_LEVEL_INFO,
		    "sent size=%" PRIu64 " rcpts=%u reply=%u", size_of(smtp),
		    smtp->rcpt_count, smtp->reply.code);
	if (accepted) {
		metric_add(METRIC_TRANSACTIONS_ACCEPTED, 1);
		smtp->errors = 0;
	}
	tell_done(smtp, accepted);
	smtp_set_server_state(smtp, SMTP_SERVER_READY);
	smtp_set_state(smtp, SMTP_COMMAND);
	if (is_over) {
		forget_transaction(smtp);
	} else {
		/* DATA was refused: the provider still has MAIL and RCPT. */
		smtp_transaction_reset(smtp);
	}
	if (smtp->client_is_gone) {
		smtp_close(smtp, "client closed");
	} else if (has_astray) {
		smtp_close(smtp, "client sent on after a refused DATA");
	} else {
		smtp_wake_client(smtp);
	}
}

void smtp_transaction_lost(struct smtp_session *smtp, const char *why)
{
	bool in_doubt = smtp->server_state == SMTP_SERVER_FINAL;

	if (smtp->state == SMTP_STREAM) {
		session_log(smtp->session, LOG_LEVEL_WARNING,
			    "provider lost in content: %s", why);
		smtp_stream_refuse(smtp,
				   SPAN("451 4.4.2 The mail provider was "
					"lost, the message was not sent"));
		return;
	}
	tell_done(smtp, false);
	if (!in_doubt) {
		smtp_end(smtp,
			 "451 4.4.2 The mail provider was lost, "
			 "the message was not sent",
			 "server lost before the final dot");
		return;
	}
	/* Sent again it might arrive twice, not sent again perhaps never: the
	   client is told that it is not known, and nothing is done here. */
	metric_add(METRIC_TRANSACTIONS_IN_DOUBT, 1);
	session_log(smtp->session, LOG_LEVEL_WARNING,
		    "transaction in doubt: %s size=%" PRIu64 " rcpts=%u", why,
		    size_of(smtp), smtp->rcpt_count);
	smtp_end(smtp,
		 "451 4.4.2 The mail provider was lost after it had the "
		 "message, which may have been sent",
		 "server lost after the final dot");
}

/* -- replies -- */

/* The recipient the provider is answering now, off the queue. */
static void take_rcpt_reply(struct smtp_session *smtp)
{
	struct span rest =
		span_from(strbuf_span(&smtp->asked_rcpts), smtp->asked_at);
	ptrdiff_t lf = span_find(rest, '\n');
	struct span rcpt = span_first(rest, lf < 0 ? 0 : (size_t)lf);

	smtp->asked_at += rcpt.len + 1;
	if (!smtp_reply_is_positive(&smtp->reply) ||
	    smtp->mail == SMTP_MAIL_NONE) {
		return;
	}
	if (smtp->rcpt_count++ > 0) {
		strbuf_add_char(&smtp->rcpts, '\n');
	}
	strbuf_add(&smtp->rcpts, rcpt);
}

static void take_waiting_reply(struct smtp_session *smtp)
{
	enum smtp_waiting what = pop_waiting(smtp);

	switch (what) {
	case SMTP_WAITING_MAIL:
		smtp->mail = smtp_reply_is_positive(&smtp->reply)
				     ? SMTP_MAIL_ACCEPTED
				     : SMTP_MAIL_NONE;
		break;
	case SMTP_WAITING_RCPT:
		take_rcpt_reply(smtp);
		break;
	default:
		break;
	}
	if (what != SMTP_WAITING_OWN_RSET) {
		relay_forward(smtp->session, SIDE_SERVER, smtp->reply.whole);
	}
	if (smtp->waiting_count == 0) {
		forget(&smtp->asked_rcpts);
		smtp->asked_at = 0;
	}
	smtp_renew_timeout(smtp);
	if (smtp->waiting_count == 0 && smtp->state == SMTP_DATA_ASKED &&
	    smtp->reply.code != 421) {
		smtp_proceed_data(smtp);
	}
	if (smtp->state != SMTP_CLOSED) {
		smtp_wake_client(smtp);
	}
}

static void take_ready_reply(struct smtp_session *smtp)
{
	bool is_last = smtp->reply.code == 421;

	if (smtp->waiting_count == 0) {
		smtp_provider_lost(smtp, is_last ? "server: 421"
						 : "server: reply to nothing");
		return;
	}
	if (is_last &&
	    smtp->waiting[smtp->waiting_first] == SMTP_WAITING_OWN_RSET) {
		smtp_provider_lost(smtp, "server: 421");
		return;
	}
	if (smtp->reply.code / 100 == 3) {
		/* No command of the queue is answered so, and the client would
		   send what nobody asked for. */
		smtp_provider_lost(smtp, "server: reply out of order");
		return;
	}
	take_waiting_reply(smtp);
	if (is_last) {
		smtp_close(smtp, "server: 421");
	}
}

static void take_delivery_reply(struct smtp_session *smtp)
{
	unsigned int class = smtp->reply.code / 100;
	bool is_sending = smtp->server_state == SMTP_SERVER_SENDING;
	struct span whole = smtp->reply.whole;

	if (smtp->server_state == SMTP_SERVER_DATA && smtp->reply.code == 354) {
		if (smtp->streams) {
			smtp_stream_go(smtp);
			return;
		}
		smtp_set_server_state(smtp, SMTP_SERVER_SENDING);
		smtp_judged_send(smtp->session);
		return;
	}
	if (class != 4 && class != 5 &&
	    (class != 2 || smtp->server_state != SMTP_SERVER_FINAL)) {
		smtp_transaction_lost(smtp, "reply out of order");
		return;
	}
	if (smtp->state == SMTP_STREAM) {
		smtp_stream_refuse(smtp, span_first(whole, whole.len - 2));
		return;
	}
	finish_delivery(smtp);
	if (smtp->reply.code == 421) {
		smtp_close(smtp, "server: 421");
	} else if (is_sending) {
		/* It still waits for content: there is no way back. */
		smtp_close(smtp, "server refused before the final dot");
	}
}

void smtp_transaction_reply(struct smtp_session *smtp)
{
	if (smtp_is_delivering(smtp)) {
		take_delivery_reply(smtp);
	} else {
		take_ready_reply(smtp);
	}
}
