/* imap_relay_client: after the login, the client's side. Commands pass as
   they are; their tags are remembered, their folder names and what is filed
   in Sent are copied. A synchronising literal waits for the server; commands
   we cannot let through wait for the answers before them, so that ours comes
   in its place. */
#include "imap/imap_relay_impl.h"

static void wait_for(struct imap_relay *r, enum client_wait wait)
{
	r->client_wait = wait;
}

static void go_on(struct imap_session *m)
{
	struct imap_relay *r = m->relay;

	r->client_wait = CLIENT_FREE;
	if (r->client_paused) {
		r->client_paused = false;
		relay_resume(m->session, SIDE_CLIENT);
	}
}

/* Is an IDLE under way before the command that passes? Then "+" is for it: a
   client may send DONE and more without waiting, but a server asks for a
   literal only after it has answered the IDLE. */
static bool is_idle_before(const struct imap_relay *r)
{
	const struct imap_command *command = r->track.first;

	while (command != NULL && command != r->command) {
		if (command->type == IMAP_CMD_IDLE) {
			return true;
		}
		command = command->next;
	}
	return false;
}

void imap_relay_client_continue(struct imap_session *m)
{
	struct imap_relay *r = m->relay;

	if (is_idle_before(r)) {
		return;
	}
	if (r->client_wait == CLIENT_WAITS_CONTINUATION) {
		go_on(m);
	} else if (r->command != NULL) {
		/* Dovecot asks once it has read the size: its "+" overtakes
		   the CRLF behind it when that comes in a packet of its own. */
		r->client_continued = true;
	}
}

void imap_relay_client_answered(struct imap_session *m,
				const struct imap_command *command)
{
	struct imap_relay *r = m->relay;

	/* Answered before it was sent whole: its literal was refused. */
	if (r->client_wait == CLIENT_WAITS_CONTINUATION &&
	    (r->command == NULL || command == r->command)) {
		imap_lexer_cancel_literal(&r->client);
		r->command = NULL;
		go_on(m);
	} else if (command != NULL && command == r->command) {
		/* The rest still comes, for nobody: a LITERAL+, or the end of
		   a line whose beginning was enough for a refusal. */
		r->command = NULL;
		r->client_answered = true;
	}
	if (command != NULL && command->type == IMAP_CMD_IDLE) {
		r->client_idle = false;
	}
	if (r->client_wait == CLIENT_WAITS_ROOM) {
		go_on(m);
	}
}

/* -- commands we answer -- */

/* May the client get a line of ours now: all before it is answered, and the
   server is not inside a response? */
static bool may_answer(const struct imap_relay *r)
{
	return r->track.first == NULL && imap_lexer_at_start(&r->server);
}

static void refuse(struct imap_session *m)
{
	struct imap_relay *r = m->relay;

	r->refusal_due = !may_answer(r);
	if (r->refusal_due) {
		wait_for(r, CLIENT_WAITS_QUIET);
		return;
	}
	relay_sendf(m->session, SIDE_CLIENT,
		    "%s BAD This command is not available here.\r\n",
		    strbuf_cstr(&r->refusing));
	strbuf_finish(&r->refusing);
	r->is_refusing = false;
}

void imap_relay_client_quiet(struct imap_session *m)
{
	struct imap_relay *r = m->relay;

	if (r->client_wait != CLIENT_WAITS_QUIET || !may_answer(r)) {
		return;
	}
	go_on(m);
	if (r->refusal_due) {
		refuse(m);
	}
}

/* Drop a piece of a refused command. */
static void drop_piece(struct imap_session *m, enum imap_piece piece)
{
	struct imap_relay *r = m->relay;

	if (piece == IMAP_PIECE_END) {
		refuse(m);
	} else if (piece == IMAP_PIECE_LITERAL_HEADER &&
		   r->client.literal.synchronising) {
		/* The client waits for "+" and gets its answer instead. */
		imap_lexer_cancel_literal(&r->client);
		refuse(m);
	}
}

/* -- commands that pass -- */

/* Lines that are no commands but pass: an empty one, and the DONE of an IDLE
   that the server refused meanwhile. Return 1, 0 when more bytes are needed to
   know, -1: what follows a bare CR would be a command for some servers. */
static int is_no_command(struct span in)
{
	if (span_istarts(in, SPAN("DONE"))) {
		in = span_from(in, 4);
	}
	if (in.len == 0 || (in.ptr[0] != '\r' && in.ptr[0] != '\n')) {
		return -1;
	}
	if (in.ptr[0] == '\n') {
		return 1;
	}
	if (in.len == 1) {
		return 0;
	}
	return in.ptr[1] == '\n' ? 1 : -1;
}

static void begin_passing(struct imap_relay *r,
			  const struct imap_command_head *head,
			  const struct imap_session *m)
{
	r->command = imap_track_command(&r->track, head);
	r->client_answered = false;
	r->client_continued = false;
	strbuf_clear(&r->text);
	if (r->taps && r->command->type == IMAP_CMD_APPEND) {
		r->command->append = imap_append_create(
			session_settings(m->session)->message.max_tap_bytes,
			r->gather.budget);
	}
}

/* A command begins at the head of in. Return false when it has to wait. */
static bool begin_command(struct imap_session *m, struct span in)
{
	struct imap_relay *r = m->relay;
	struct imap_command_head head;
	int got = r->client_idle ? 1 : is_no_command(in);

	if (got > 0) {
		imap_lexer_set_plain(&r->client);
		r->command = NULL;
		return true;
	}
	if (got == 0) {
		return false;
	}
	got = imap_command_head(in, &head);
	if (got == 0) {
		return false;
	}
	if (got < 0 || imap_command_type(&head) == IMAP_CMD_REFUSED) {
		if (!may_answer(r)) {
			wait_for(r, CLIENT_WAITS_QUIET);
			return false;
		}
		strbuf_clear(&r->refusing);
		strbuf_add(&r->refusing, got < 0 ? SPAN("*") : head.tag);
		r->is_refusing = true;
		return true;
	}
	if (r->track.count >= IMAP_COMMANDS_MAX) {
		wait_for(r, CLIENT_WAITS_ROOM);
		return false;
	}
	begin_passing(r, &head, m);
	return true;
}

static void end_command(struct imap_session *m)
{
	struct imap_relay *r = m->relay;
	struct imap_command *command = r->command;

	r->client_idle = false;
	r->client_answered = false;
	r->client_continued = false;
	r->command = NULL;
	if (command == NULL) {
		return;
	}
	if (r->taps && imap_command_keeps_text(command->type)) {
		imap_track_text(&r->track, command,
				r->text.overflow ? span_of("", 0)
						 : strbuf_span(&r->text));
		strbuf_finish(&r->text);
	}
	if (command->type == IMAP_CMD_IDLE) {
		r->client_idle = true;
		imap_relay_flush_taps(m);
	}
}

/* A literal is held here, not converted: only the server knows whether it
   wants it. Where it has answered before it saw the size, it never asks. */
static void wait_for_continuation(struct imap_relay *r)
{
	if (r->client_answered) {
		r->client_answered = false;
		imap_lexer_cancel_literal(&r->client);
	} else if (r->client_continued) {
		r->client_continued = false;
	} else {
		wait_for(r, CLIENT_WAITS_CONTINUATION);
	}
}

static void pass_piece(struct imap_session *m, enum imap_piece piece,
		       struct span bytes)
{
	struct imap_relay *r = m->relay;

	if (r->command != NULL && r->taps) {
		if (r->command->append != NULL) {
			imap_append_piece(r->command->append, &r->track, piece,
					  bytes, &r->client.literal,
					  imap_relay_wants_append, m);
		} else if (imap_command_keeps_text(r->command->type)) {
			strbuf_add(&r->text, bytes);
		}
	}
	if (piece == IMAP_PIECE_END) {
		end_command(m);
	} else if (piece == IMAP_PIECE_LITERAL_HEADER &&
		   r->client.literal.synchronising) {
		wait_for_continuation(r);
	}
}

static void hold_client(struct imap_session *m)
{
	if (!m->relay->client_paused) {
		m->relay->client_paused = true;
		relay_pause(m->session, SIDE_CLIENT);
	}
}

size_t imap_relay_client_bytes(struct imap_session *m, struct span in)
{
	struct imap_relay *r = m->relay;
	size_t sent = 0;
	size_t pos = 0;

	if (r->bye) {
		return in.len;
	}
	while (pos < in.len && r->client_wait == CLIENT_FREE) {
		struct span rest = span_from(in, pos);
		enum imap_piece piece;
		bool dropped;
		ssize_t len;

		if (imap_lexer_at_start(&r->client) &&
		    !begin_command(m, rest)) {
			break;
		}
		dropped = r->is_refusing;
		len = imap_lexer_next(&r->client, rest, &piece);
		if (len < 0) {
			relay_forward(m->session, SIDE_CLIENT,
				      span_of(in.ptr + sent, pos - sent));
			imap_session_bye(m, "Literal too large.",
					 "client literal is no number");
			return in.len;
		}
		if (!dropped) {
			pass_piece(m, piece, span_first(rest, (size_t)len));
			pos += (size_t)len;
			continue;
		}
		relay_forward(m->session, SIDE_CLIENT,
			      span_of(in.ptr + sent, pos - sent));
		drop_piece(m, piece);
		pos += (size_t)len;
		sent = pos;
	}
	if (pos > sent) {
		relay_forward(m->session, SIDE_CLIENT,
			      span_of(in.ptr + sent, pos - sent));
	}
	if (pos < in.len && r->client_wait != CLIENT_FREE) {
		hold_client(m);
	}
	return pos;
}
