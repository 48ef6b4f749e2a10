/* imap_relay: after the login. The server's side: bytes are forwarded as the
   lexer understands them; only lines that must be rewritten are kept back,
   and FETCH responses in scope are looked at. */
#include "imap/imap_relay_impl.h"

#include <stdlib.h>

#include "lib/xalloc.h"

/* Quiet timers until an idle session ends: fine enough, and no clock is read
   while bytes move. */
#define IDLE_TICKS 4

/* -- taps -- */

static struct imap_tap_budget tap_budget;

static bool wants_message(void *context, const struct tap_source *source)
{
	struct imap_session *m = context;
	const struct session_hooks *hooks = session_hooks(m->session);

	return hooks->wants_message == NULL ||
	       hooks->wants_message(m->session, source);
}

static void deliver_message(void *context, const struct tap_source *source,
			    struct span message)
{
	struct imap_session *m = context;

	session_hooks(m->session)->on_message(m->session, source, message);
}

bool imap_relay_wants_append(void *context, enum folder_role role,
			     struct span mailbox)
{
	struct imap_session *m = context;
	const struct organization *organization = m->relay->track.organization;
	struct tap_source source = {
		.folder = role,
		.folder_in_scope = true,
		.outgoing = true,
		.folder_name = mailbox,
	};

	return role == FOLDER_SENT &&
	       imap_folder_in_scope(organization, role, mailbox) &&
	       wants_message(m, &source);
}

static void deliver_appended(struct imap_session *m,
			     const struct imap_append *append)
{
	for (size_t i = 0; i < imap_append_count(append); i++) {
		struct tap_source source = {
			.folder = FOLDER_SENT,
			.folder_in_scope = true,
			.outgoing = true,
			.folder_name = imap_append_mailbox(append),
			.flags = imap_append_flags(append, i),
		};
		struct span message =
			imap_append_message(append, i, &source.truncated);

		if (message.len > 0) {
			deliver_message(m, &source, message);
		}
	}
}

/* What is gathered belongs to the folder that was selected until now. */
static void selection_changed(struct imap_session *m)
{
	struct imap_relay *r = m->relay;

	imap_gather_flush(&r->gather);
	imap_fetch_forget_numbers(&r->fetch);
	strbuf_clear(&r->folder);
	strbuf_add(&r->folder, strbuf_span(&r->track.mailbox));
	r->gather.base = (struct tap_source){
		.folder = r->track.role,
		.folder_in_scope = r->track.in_scope,
		.outgoing = r->track.role == FOLDER_SENT,
		.folder_name = strbuf_span(&r->folder),
		.uidvalidity = r->track.uidvalidity,
	};
}

void imap_relay_flush_taps(struct imap_session *m)
{
	struct imap_relay *r = m->relay;

	if (r != NULL && imap_lexer_at_start(&r->server)) {
		imap_gather_flush(&r->gather);
		imap_fetch_rest(&r->fetch);
	}
}

/* -- life -- */

void imap_relay_create(struct imap_session *m)
{
	const struct settings *settings = session_settings(m->session);
	const struct session_route *route = session_route(m->session);
	struct imap_relay *r = xcalloc(1, sizeof(*r));

	r->taps = route->inspect && route->organization != NULL &&
		  session_hooks(m->session)->on_message != NULL;
	tap_budget.max = settings->message.tap_budget_bytes;
	imap_track_init(&r->track, r->taps ? route->organization : NULL,
			route->provider->preset);
	imap_gather_init(&r->gather, settings->message.max_tap_bytes,
			 &tap_budget);
	r->gather.wants = wants_message;
	r->gather.deliver = deliver_message;
	r->gather.context = m;
	imap_fetch_init(&r->fetch, &r->gather);
	imap_lexer_init(&r->server);
	imap_lexer_init(&r->client);
	strbuf_init(&r->folder, IMAP_FOLDER_NAME_MAX);
	strbuf_init(&r->list_line, IMAP_FOLDER_NAME_MAX * 2);
	strbuf_init(&r->text, IMAP_COMMAND_TEXT_MAX);
	strbuf_init(&r->refusing, IMAP_HEAD_MAX);
	m->relay = r;
}

void imap_relay_destroy(struct imap_relay **relay)
{
	struct imap_relay *r = *relay;

	if (r == NULL) {
		return;
	}
	imap_fetch_finish(&r->fetch);
	imap_gather_finish(&r->gather);
	imap_track_finish(&r->track);
	strbuf_finish(&r->folder);
	strbuf_finish(&r->list_line);
	strbuf_finish(&r->text);
	strbuf_finish(&r->refusing);
	free(r);
	*relay = NULL;
}

static void set_idle_timer(struct imap_session *m)
{
	const struct limits_settings *limits =
		&session_settings(m->session)->limits;

	session_set_timeout(m->session,
			    m->relay->client_eof
				    ? limits->server_read_timeout_s
				    : limits->idle_timeout_s / IDLE_TICKS + 1);
}

void imap_relay_start(struct imap_session *m)
{
	set_idle_timer(m);
	relay_resume(m->session, SIDE_CLIENT);
}

void imap_relay_timeout(struct imap_session *m)
{
	struct imap_relay *r = m->relay;
	uint64_t bytes = relay_bytes_in(m->session, SIDE_CLIENT) +
			 relay_bytes_in(m->session, SIDE_SERVER);

	r->quiet_ticks = bytes == r->bytes_seen ? r->quiet_ticks + 1 : 0;
	r->bytes_seen = bytes;
	if (r->quiet_ticks > 0) {
		/* Nothing happens: what is gathered will not get better, and
		   a session at rest owns no buffers. */
		imap_relay_flush_taps(m);
	}
	if (r->quiet_ticks > 0 &&
	    (r->client_eof || relay_has_hung_up(m->session, SIDE_CLIENT))) {
		/* Held back behind a command, it is not read. */
		imap_relay_close(m, "client closed, server does not answer");
		return;
	}
	if (r->quiet_ticks < IDLE_TICKS) {
		set_idle_timer(m);
		return;
	}
	if (imap_lexer_at_start(&r->server)) {
		imap_session_bye(m, "Idle for too long.", "idle timeout");
		return;
	}
	imap_relay_close(m, "idle timeout inside a response");
}

void imap_relay_close(struct imap_session *m, const char *why)
{
	imap_relay_flush_taps(m);
	imap_session_set_state(m, IMAP_STATE_CLOSED);
	session_close(m->session, why);
}

bool imap_relay_is_quiet(const struct imap_session *m)
{
	const struct imap_relay *r = m->relay;

	return imap_track_is_quiet(&r->track) && r->command == NULL &&
	       !r->is_refusing && imap_lexer_at_start(&r->server) &&
	       imap_lexer_at_start(&r->client) &&
	       relay_pending(m->session, SIDE_SERVER) == 0;
}

void imap_relay_eof(struct imap_session *m, enum side from)
{
	struct imap_relay *r = m->relay;

	if (from == SIDE_SERVER) {
		if (!r->bye && imap_lexer_at_start(&r->server)) {
			imap_relay_flush_taps(m);
			imap_session_bye(
				m, "The mail provider closed the connection.",
				"server closed");
			return;
		}
		imap_relay_close(m, r->bye ? "server said BYE"
					   : "server closed inside a response");
		return;
	}
	/* Cut off inside a command: the server must not wait for the rest,
	   and must not get something else in its place. */
	if (!imap_lexer_at_start(&r->client) || r->is_refusing ||
	    relay_pending(m->session, SIDE_CLIENT) > 0) {
		imap_relay_close(m, "client closed inside a command");
	} else if (r->bye || imap_track_is_quiet(&r->track)) {
		imap_relay_close(m, "client closed");
	} else {
		/* It may have closed its half only: answers still go out, as
		   long as they come. */
		r->client_eof = true;
		set_idle_timer(m);
	}
}

/* -- responses -- */

static void command_answered(struct imap_session *m,
			     const struct imap_response_head *head)
{
	struct imap_relay *r = m->relay;
	struct imap_command *command;
	bool changed;

	command = imap_track_answer(&r->track, head, &changed);
	if (changed) {
		selection_changed(m);
	}
	imap_relay_client_answered(m, command);
	if (command != NULL && command->append != NULL &&
	    head->status == IMAP_OK) {
		deliver_appended(m, command->append);
	}
	imap_command_destroy(&command);
	if (r->taps) {
		imap_gather_command_done(&r->gather);
	}
}

/* Is the line needed whole before any of it is forwarded? */
static bool needs_line(const struct imap_relay *r,
		       const struct imap_response_head *head)
{
	switch (head->type) {
	case IMAP_UNTAGGED_STATUS:
		if (r->taps && imap_track_wants_code(head)) {
			return true;
		}
		/* fall through */
	case IMAP_TAGGED_STATUS:
		return span_ieq(head->code, SPAN("CAPABILITY")) ||
		       span_ieq(head->code, SPAN("REFERRAL"));
	case IMAP_DATA:
		return span_ieq(head->name, SPAN("CAPABILITY")) ||
		       span_ieq(head->name, SPAN("ENABLED"));
	default:
		return false;
	}
}

static void take_data(struct imap_relay *r,
		      const struct imap_response_head *head, struct span line)
{
	if (span_ieq(head->name, SPAN("ENABLED"))) {
		imap_track_enabled(&r->track, line);
	} else if (!r->taps) {
		return;
	} else if (span_ieq(head->name, SPAN("LIST")) ||
		   span_ieq(head->name, SPAN("XLIST"))) {
		strbuf_clear(&r->list_line);
		r->server_line = SERVER_LINE_LIST;
	} else if (span_ieq(head->name, SPAN("VANISHED"))) {
		imap_fetch_forget_numbers(&r->fetch);
		imap_gather_forget_numbers(&r->gather);
	}
}

static void take_numbered(struct imap_relay *r,
			  const struct imap_response_head *head)
{
	bool is_uid = span_ieq(head->name, SPAN("UIDFETCH"));

	if (!r->taps || !imap_track_in_scope(&r->track)) {
		return;
	}
	if (is_uid || span_ieq(head->name, SPAN("FETCH"))) {
		imap_fetch_begin(&r->fetch, head->number, is_uid);
		r->server_line = SERVER_LINE_FETCH;
	} else if (span_ieq(head->name, SPAN("EXPUNGE"))) {
		imap_fetch_expunge(&r->fetch, head->number);
	}
}

/* Do what a response means as soon as its head is known. */
static void take_response(struct imap_session *m,
			  const struct imap_response_head *head,
			  struct span line)
{
	struct imap_relay *r = m->relay;

	r->server_line = SERVER_LINE_PASS;
	switch (head->type) {
	case IMAP_CONTINUATION:
		imap_lexer_set_plain(&r->server);
		imap_relay_client_continue(m);
		break;
	case IMAP_UNTAGGED_STATUS:
		imap_lexer_set_plain(&r->server);
		r->bye |= head->status == IMAP_BYE;
		if (r->taps && imap_track_wants_code(head) &&
		    imap_track_code(&r->track, head, line)) {
			selection_changed(m);
		}
		break;
	case IMAP_TAGGED_STATUS:
		imap_lexer_set_plain(&r->server);
		command_answered(m, head);
		break;
	case IMAP_NUMBERED:
		take_numbered(r, head);
		break;
	case IMAP_DATA:
		take_data(r, head, line);
		break;
	case IMAP_STRANGE:
		break;
	}
}

/* A response begins at the head of in. Return 1 when it may go on to the
   lexer, 0 when more is needed first, -1 when it is too long to be read. A
   line that must be seen whole gets its length in *line_r. */
static int begin_response(struct imap_session *m, struct span in,
			  size_t *line_r)
{
	struct imap_response_head head;
	struct span line = { NULL, 0 };

	if (imap_response_head(in, &head) == 0) {
		return 0;
	}
	if (needs_line(m->relay, &head)) {
		ptrdiff_t end = span_find(in, '\n');

		if (end < 0 || end >= IMAP_CAPABILITY_LINE_MAX) {
			return in.len > IMAP_CAPABILITY_LINE_MAX ? -1 : 0;
		}
		line = span_first(in, (size_t)end + 1);
	}
	*line_r = line.len;
	take_response(m, &head, line);
	return 1;
}

static void list_ended(struct imap_relay *r)
{
	if (!r->list_line.overflow) {
		imap_folders_learn(&r->track.folders,
				   strbuf_span(&r->list_line), r->track.utf8);
	}
	strbuf_finish(&r->list_line);
}

static void take_piece(struct imap_relay *r, enum imap_piece piece,
		       struct span bytes)
{
	if (r->server_line == SERVER_LINE_FETCH) {
		imap_fetch_piece(&r->fetch, piece, bytes, &r->server.literal);
	} else if (r->server_line == SERVER_LINE_LIST) {
		strbuf_add(&r->list_line, bytes);
		if (piece == IMAP_PIECE_END) {
			list_ended(r);
		}
	}
	if (piece == IMAP_PIECE_END) {
		r->server_line = SERVER_LINE_PASS;
	}
}

/* Send a line that may have to look different to the client. */
static void send_rewritten(struct imap_session *m, struct span line)
{
	struct strbuf out = STRBUF_INIT(IMAP_CAPABILITY_LINE_MAX + 64);

	imap_capability_rewrite_line(line, &out);
	relay_send(m->session, SIDE_CLIENT, strbuf_span(&out));
	strbuf_finish(&out);
	/* The lexer did not see it: the next byte begins a response. */
	imap_lexer_init(&m->relay->server);
}

static void after_responses(struct imap_session *m)
{
	struct imap_relay *r = m->relay;

	imap_relay_client_quiet(m);
	if (r->client_idle) {
		imap_relay_flush_taps(m);
	}
	if (r->client_eof && imap_track_is_quiet(&r->track) &&
	    imap_lexer_at_start(&r->server)) {
		imap_relay_close(m, "client closed");
	}
}

size_t imap_relay_server_bytes(struct imap_session *m, struct span in)
{
	struct imap_relay *r = m->relay;
	size_t sent = 0;
	size_t pos = 0;

	while (pos < in.len) {
		struct span rest = span_from(in, pos);
		enum imap_piece piece;
		size_t line = 0;
		ssize_t len = 0;

		if (imap_lexer_at_start(&r->server)) {
			int begun = begin_response(m, rest, &line);

			if (begun == 0) {
				break;
			}
			len = begun < 0 ? -1 : 0;
		}
		if (line > 0) {
			relay_forward(m->session, SIDE_SERVER,
				      span_of(in.ptr + sent, pos - sent));
			send_rewritten(m, span_first(rest, line));
			pos += line;
			sent = pos;
			continue;
		}
		if (len == 0) {
			len = imap_lexer_next(&r->server, rest, &piece);
		}
		if (len < 0) {
			relay_forward(m->session, SIDE_SERVER,
				      span_of(in.ptr + sent, pos - sent));
			imap_relay_close(m, "server response malformed");
			return in.len;
		}
		if (r->server_line != SERVER_LINE_PASS) {
			take_piece(r, piece, span_first(rest, (size_t)len));
		}
		pos += (size_t)len;
	}
	if (pos > sent) {
		relay_forward(m->session, SIDE_SERVER,
			      span_of(in.ptr + sent, pos - sent));
	}
	after_responses(m);
	return m->state == IMAP_STATE_CLOSED ? in.len : pos;
}
