/* smtp_judged: content that is judged before the provider has any of it:
   collected under the limits, sealed, shown to whoever decides, and sent from
   the same memory, or not. Its SHA-256 is taken as it comes; from the seal on
   the kernel lets nobody change a byte, so what goes is what was judged. */
#include "lib/metrics.h"
#include "smtp/smtp_state.h"

/* What goes out at once. */
#define CHUNK_SIZE (64 * 1024)
/* How much of a message that is refused already is taken, beyond four times
   the limit, to find its end and answer there. */
#define DROPPED_MAX (16 * 1024 * 1024)
/* Of a refusal's text. */
#define TEXT_LINE_MAX  400
#define TEXT_LINES_MAX 20

/* -- collecting -- */

void smtp_judged_begin(struct smtp_session *smtp)
{
	smtp_data_init(&smtp->data);
	smtp->dropped_bytes = 0;
	smtp_set_state(smtp, SMTP_CONTENT);
	smtp_answer(smtp, "354 End data with <CR><LF>.<CR><LF>");
}

/* Go on reading, to find the end, but keep nothing. */
static void refuse_content(struct smtp_session *smtp, const char *refusal)
{
	smtp->refusal = refusal;
	smtp_content_finish(&smtp->content);
	smtp_set_state(smtp, SMTP_REFUSED_CONTENT);
}

static void keep_run(struct smtp_session *smtp, struct span run)
{
	const struct message_settings *limits =
		&session_settings(smtp->session)->message;

	if (smtp->state == SMTP_REFUSED_CONTENT) {
		smtp->dropped_bytes += run.len;
		return;
	}
	switch (smtp_content_add(&smtp->content, run, smtp->offered.size,
				 limits->message_budget_bytes)) {
	case SMTP_CONTENT_OK:
		break;
	case SMTP_CONTENT_TOO_LARGE:
		refuse_content(smtp, SMTP_SIZE_REFUSAL);
		break;
	case SMTP_CONTENT_NO_BUDGET:
		refuse_content(smtp, "452 4.3.1 Too many messages at once, "
				     "try again soon");
		break;
	case SMTP_CONTENT_FAILED:
		session_log(smtp->session, LOG_LEVEL_ERROR,
			    "no memory for a message");
		refuse_content(smtp, "452 4.3.1 No room for the message, "
				     "try again soon");
		break;
	}
}

/* -- sending -- */

static void deliver(struct smtp_session *smtp)
{
	smtp->sent = 0;
	smtp->has_dot_lines = smtp->data.has_dot_lines;
	smtp_data_init(&smtp->data);
	smtp_set_state(smtp, SMTP_DELIVERY);
	smtp_set_server_state(smtp, SMTP_SERVER_DATA);
	relay_send(smtp->session, SIDE_SERVER, SPAN("DATA\r\n"));
}

/* One buffer for all sessions: what is stuffed, and the last chunk with the
   final dot, so that these go out as one record. */
static struct strbuf scratch = STRBUF_INIT(CHUNK_SIZE * 2 + 16);

static void send_scratch(struct smtp_session *smtp)
{
	relay_send(smtp->session, SIDE_SERVER, strbuf_span(&scratch));
	if (scratch.len > 0) {
		explicit_bzero(scratch.ptr, scratch.len);
	}
	strbuf_clear(&scratch);
}

/* Send one chunk; the last with the final dot behind it. Return -1 when it is
   not content that the scanner would have let end. */
static int send_chunk(struct smtp_session *smtp)
{
	struct span chunk = span_first(
		span_from(smtp->content.sealed, smtp->sent), CHUNK_SIZE);
	bool is_last = smtp->sent + chunk.len == smtp->content.size;

	smtp->sent += chunk.len;
	if (!is_last && !smtp->has_dot_lines) {
		relay_send(smtp->session, SIDE_SERVER, chunk);
		return 0;
	}
	if (!smtp->has_dot_lines) {
		/* It ends with CRLF, or the scanner would not have ended. */
		strbuf_add(&scratch, chunk);
	} else if (smtp_data_stuff(&smtp->data, chunk, &scratch) < 0) {
		return -1;
	}
	if (is_last) {
		if (smtp_data_finish(&smtp->data, &scratch) < 0) {
			return -1;
		}
		smtp_set_server_state(smtp, SMTP_SERVER_FINAL);
	}
	send_scratch(smtp);
	return 0;
}

void smtp_judged_send(struct session *s)
{
	struct smtp_session *smtp = smtp_of(s);

	while (smtp->server_state == SMTP_SERVER_SENDING &&
	       smtp->state == SMTP_DELIVERY) {
		if (relay_backlog(s, SIDE_SERVER) > RELAY_HIGH_MARK) {
			relay_when_writable(s, SIDE_SERVER, smtp_judged_send);
			smtp_renew_timeout(smtp);
			return;
		}
		if (send_chunk(smtp) < 0) {
			strbuf_clear(&scratch);
			session_log(s, LOG_LEVEL_ERROR,
				    "content cannot be sent as it was taken");
			smtp_transaction_lost(smtp, "content not sendable");
			return;
		}
	}
}

/* -- the verdict -- */

/* The message will not go out: say why, and be ready for the next. */
static void give_up(struct smtp_session *smtp, const char *line)
{
	smtp_answer(smtp, line);
	smtp_transaction_reset(smtp);
	smtp_set_state(smtp, SMTP_COMMAND);
	smtp_wake_client(smtp);
}

/* Every line of the text under one code; what is not printable ASCII does not
   go out. */
static void refuse_with_text(struct smtp_session *smtp, const char *code,
			     const char *status, const char *text)
{
	struct strbuf reply =
		STRBUF_INIT(TEXT_LINES_MAX * (TEXT_LINE_MAX + 32));
	struct span rest = span_str(text);
	size_t last_line = 0;
	struct span line;

	for (int n = 0; n < TEXT_LINES_MAX; n++) {
		if (!span_next_line(&rest, &line)) {
			if (n > 0) {
				break;
			}
			line = SPAN("Message refused");
		}
		if (n > 0) {
			strbuf_add_str(&reply, "\r\n");
		}
		last_line = reply.len;
		strbuf_addf(&reply, "%s-%s ", code, status);
		line = span_first(line, TEXT_LINE_MAX);
		for (size_t i = 0; i < line.len; i++) {
			char c = line.ptr[i];

			strbuf_add_char(&reply, c >= ' ' && c < 0x7f ? c : '?');
		}
	}
	reply.ptr[last_line + 3] = ' ';
	give_up(smtp, strbuf_cstr(&reply));
	strbuf_finish(&reply);
}

/* The verdict, given by whoever was asked. */
static void take_verdict(struct session *s, enum verdict verdict,
			 const char *reply)
{
	struct smtp_session *smtp = smtp_of(s);

	if (smtp->state != SMTP_VERDICT) {
		return;
	}
	switch (verdict) {
	case VERDICT_RELAY:
		deliver(smtp);
		break;
	case VERDICT_DELAY:
	case VERDICT_HOLD:
		refuse_with_text(smtp, "451", "4.7.0", reply);
		break;
	case VERDICT_REJECT:
		refuse_with_text(smtp, "550", "5.7.1", reply);
		break;
	}
}

static void ask_verdict(struct smtp_session *smtp)
{
	const struct session_hooks *hooks = session_hooks(smtp->session);
	struct transaction_view view = {
		.envelope_from = strbuf_span(&smtp->from),
		.envelope_rcpts = strbuf_span(&smtp->rcpts),
		.content_fd = smtp->content.fd,
		.content = smtp->content.sealed,
		.content_sha256 = smtp->content.digest,
	};

	smtp_set_state(smtp, SMTP_VERDICT);
	if (hooks == NULL || hooks->on_transaction == NULL) {
		take_verdict(smtp->session, VERDICT_RELAY, NULL);
		return;
	}
	hooks->on_transaction(smtp->session, &view, take_verdict);
}

void smtp_judged_end(struct smtp_session *smtp)
{
	struct error err = { "" };

	metric_add(METRIC_TRANSACTIONS, 1);
	if (smtp->state == SMTP_REFUSED_CONTENT) {
		give_up(smtp, smtp->refusal);
	} else if (smtp->data.has_nul) {
		give_up(smtp, SMTP_NUL_REFUSAL);
	} else if (smtp_content_seal(&smtp->content, &err) < 0) {
		session_log(smtp->session, LOG_LEVEL_ERROR, "%s", err.text);
		give_up(smtp, "452 4.3.1 No room for the message, "
			      "try again soon");
	} else {
		ask_verdict(smtp);
	}
}

/* A bare CR or LF: where this message ends depends on who reads it. */
static void end_broken(struct smtp_session *smtp)
{
	metric_add(METRIC_TRANSACTIONS, 1);
	relay_send(smtp->session, SIDE_SERVER, SPAN("RSET\r\nQUIT\r\n"));
	smtp_end(smtp, "554 5.5.2 Lines must end with CRLF",
		 "client: bare CR or LF in content");
}

size_t smtp_judged_content(struct smtp_session *smtp, struct span in)
{
	const struct settings *settings = session_settings(smtp->session);
	size_t at = 0;

	while (at < in.len) {
		struct span run;
		size_t used;
		int status = smtp_data_next(&smtp->data, span_from(in, at),
					    &used, &run);

		at += used;
		if (status < 0) {
			end_broken(smtp);
			break;
		}
		keep_run(smtp, run);
		if (status > 0) {
			smtp_judged_end(smtp);
			break;
		}
	}
	if (smtp->state == SMTP_REFUSED_CONTENT &&
	    smtp->dropped_bytes / 4 >
		    settings->message.max_message_bytes + DROPPED_MAX / 4) {
		smtp_end(smtp, smtp->refusal,
			 "client: content without end after a refusal");
	}
	return at;
}
