/* smtp_stream: content that nobody has to judge first goes to the provider as
   it comes. The provider's own 354 goes to the client; what the scanner has
   passed goes on as it is, since both sides of us have the same grammar of
   lines then; a bounded copy is kept for those who learn from it. The final
   dot goes out only when the scanner found it. What is wrong before that
   ends the provider's connection: content without its dot is no message. */
#include "lib/metrics.h"
#include "smtp/smtp_state.h"

/* One loop, one thread: taps of all sessions of this process. */
static size_t taps_in_use;

static const struct session_hooks *hooks_of(const struct smtp_session *smtp)
{
	static const struct session_hooks none;
	const struct session_hooks *hooks = session_hooks(smtp->session);

	return hooks == NULL ? &none : hooks;
}

bool smtp_stream_is_possible(const struct smtp_session *smtp)
{
	const struct session_hooks *hooks = hooks_of(smtp);

	return hooks->judges_transaction != NULL &&
	       !hooks->judges_transaction(smtp->session);
}

/* -- the copy -- */

static struct tap_source source_of(const struct smtp_session *smtp)
{
	return (struct tap_source){
		.folder = FOLDER_SENT,
		.outgoing = true,
		.folder_name = SPAN(""),
		.flags = SPAN(""),
		.envelope_from = strbuf_span(&smtp->from),
		.envelope_rcpts = strbuf_span(&smtp->rcpts),
		.truncated = smtp->stream_size > smtp->tap.len,
	};
}

void smtp_stream_finish(struct smtp_session *smtp)
{
	taps_in_use -= smtp->tap.len;
	/* Content of mail does not stay in freed memory. */
	strbuf_wipe(&smtp->tap);
	smtp->stream_size = 0;
	smtp->streams = false;
}

static void begin_tap(struct smtp_session *smtp)
{
	const struct session_hooks *hooks = hooks_of(smtp);
	struct tap_source source = source_of(smtp);

	smtp->tap.cap = 0;
	if (hooks->on_message != NULL &&
	    (hooks->wants_message == NULL ||
	     hooks->wants_message(smtp->session, &source))) {
		smtp->tap.cap =
			session_settings(smtp->session)->message.max_tap_bytes;
	}
}

static void tap_run(struct smtp_session *smtp, struct span run)
{
	size_t budget =
		session_settings(smtp->session)->message.tap_budget_bytes;

	smtp->stream_size += run.len;
	run = span_first(run, smtp->tap.cap - smtp->tap.len);
	if (run.len == 0) {
		return;
	}
	if (run.len > budget || taps_in_use > budget - run.len) {
		/* Mail goes on; what it would have taught is lost. */
		metric_add(METRIC_TAP_NO_BUDGET, 1);
		smtp->tap.cap = smtp->tap.len;
		return;
	}
	strbuf_add(&smtp->tap, run);
	taps_in_use += run.len;
}

void smtp_stream_accepted(struct smtp_session *smtp)
{
	struct tap_source source = source_of(smtp);

	if (smtp->tap.len > 0) {
		hooks_of(smtp)->on_message(smtp->session, &source,
					   strbuf_span(&smtp->tap));
	}
}

/* -- the content -- */

void smtp_stream_begin(struct smtp_session *smtp)
{
	smtp->streams = true;
	smtp->stream_size = 0;
	smtp_data_init(&smtp->data);
	begin_tap(smtp);
	smtp_set_state(smtp, SMTP_DELIVERY);
	smtp_set_server_state(smtp, SMTP_SERVER_DATA);
	relay_send(smtp->session, SIDE_SERVER, SPAN("DATA\r\n"));
}

void smtp_stream_go(struct smtp_session *smtp)
{
	relay_forward(smtp->session, SIDE_SERVER, smtp->reply.whole);
	smtp_set_server_state(smtp, SMTP_SERVER_SENDING);
	smtp_set_state(smtp, SMTP_STREAM);
	smtp_wake_client(smtp);
}

void smtp_stream_refuse(struct smtp_session *smtp, struct span reply)
{
	session_disconnect_server(smtp->session);
	smtp_set_server_state(smtp, SMTP_SERVER_NONE);
	smtp_stream_finish(smtp);
	strbuf_clear(&smtp->refusal_text);
	strbuf_add(&smtp->refusal_text, reply);
	smtp->refusal = strbuf_cstr(&smtp->refusal_text);
	smtp->dropped_bytes = 0;
	smtp_set_state(smtp, SMTP_REFUSED_CONTENT);
}

static void end_stream(struct smtp_session *smtp)
{
	if (smtp->state == SMTP_REFUSED_CONTENT) {
		smtp_judged_end(smtp);
		return;
	}
	metric_add(METRIC_TRANSACTIONS, 1);
	smtp_set_server_state(smtp, SMTP_SERVER_FINAL);
	smtp_set_state(smtp, SMTP_DELIVERY);
}

size_t smtp_stream_content(struct smtp_session *smtp, struct span in)
{
	size_t at = 0;
	int status = 0;

	while (at < in.len && status == 0) {
		struct span run;
		size_t used;

		status = smtp_data_next(&smtp->data, span_from(in, at), &used,
					&run);
		at += used;
		tap_run(smtp, run);
	}
	if (status < 0) {
		metric_add(METRIC_TRANSACTIONS, 1);
		smtp_end(smtp, "554 5.5.2 Lines must end with CRLF",
			 "client: bare CR or LF in content");
		return at;
	}
	if (smtp->data.has_nul) {
		smtp_stream_refuse(smtp, SPAN(SMTP_NUL_REFUSAL));
	} else if (smtp->stream_size > smtp->offered.size) {
		smtp_stream_refuse(smtp, SPAN(SMTP_SIZE_REFUSAL));
	} else {
		relay_forward(smtp->session, SIDE_CLIENT, span_first(in, at));
	}
	if (status > 0) {
		end_stream(smtp);
	}
	return at;
}
