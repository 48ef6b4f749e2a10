/* imap_load: fetching, logging in and idling, as a mail program does it. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/load.h"
#include "bench/mail.h"
#include "bench/sink.h"
#include "bench/tls.h"
#include "lib/span.h"
#include "lib/xalloc.h"

/* Pause between two pushes, so that one has settled before the next. */
#define PUSH_PAUSE_NS 100000000u
#define PUSH_LIMIT_NS 30000000000u

static const struct channel_type imap_type;
static const struct channel_type control_type;
static bool is_login_load;
static bool is_idle_load;

/* The idle load's own connection to the sink, and the push under way. */
static struct user control;
static uint64_t push_began;
static unsigned int push_arrived;

static unsigned int mailbox_of(const struct user *user)
{
	return options.base + user->index;
}

static void imap_connect(struct user *user)
{
	user->state = USER_GREETING;
	user->ch = channel_connect(loop, (uint16_t)options.port, client_context,
				   user->session, &imap_type, user);
	SSL_SESSION_free(user->session);
	user->session = NULL;
}

static void send_login(struct user *user)
{
	user->state = USER_LOGIN;
	channel_sendf(user->ch,
		      "a LOGIN s%u.u%u@bench.example bench-password\r\n",
		      options.size, mailbox_of(user));
}

/* The units. */

static void fetch_open(struct user *user)
{
	user->mail = xcalloc(1, sizeof(*user->mail));
	imap_connect(user);
}

static void fetch_go(struct user *user)
{
	unsigned int messages =
		options.again ? options.warm : IMAP_SINK_MESSAGES;

	user->uid = user->uid % messages + 1;
	user->state = USER_HEAD;
	user->position = 0;
	mail_make(user->mail, MAIL_IN,
		  (uint64_t)mailbox_of(user) * 100000 + user->uid,
		  options.size);
	channel_sendf(user->ch, "f UID FETCH %u (UID BODY.PEEK[])\r\n",
		      user->uid);
	channel_flush(user->ch);
}

static void login_open(struct user *user)
{
	is_login_load = true;
	user_ready(user);
}

static void login_go(struct user *user)
{
	imap_connect(user);
}

static void idle_open(struct user *user)
{
	is_idle_load = true;
	imap_connect(user);
}

/* Lines from the server. */

static bool is_ok(struct span line)
{
	struct span word;

	return span_next_word(&line, " ", &word) &&
	       span_istarts(span_trim(line), SPAN("OK"));
}

static void after_login(struct user *user)
{
	if (is_login_load) {
		user->state = USER_LOGOUT;
		channel_send(user->ch, SPAN("z LOGOUT\r\n"));
		return;
	}
	user->state = USER_SELECT;
	channel_send(user->ch, SPAN("b SELECT INBOX\r\n"));
}

static void after_select(struct user *user)
{
	if (is_idle_load) {
		user->state = USER_TAIL;
		channel_send(user->ch, SPAN("i IDLE\r\n"));
		return;
	}
	user_ready(user);
}

/* "* n FETCH (UID u BODY[] {len}": the message asked for, whole. */
static void take_head(struct user *user, struct span line)
{
	char expected[80];
	struct span number;
	int len;

	/* The sequence number is the sink's own business. */
	if (!span_starts(line, SPAN("* ")) ||
	    !span_next_word(&line, " ", &number) ||
	    !span_next_word(&line, " ", &number)) {
		user_fail(user, "expected FETCH", line);
	}
	len = snprintf(expected, sizeof(expected), "FETCH (UID %u BODY[] {%u}",
		       user->uid, options.size);
	if (!span_eq(span_trim(line), span_of(expected, (size_t)len))) {
		user_fail(user, "another message than asked for", line);
	}
	user->state = USER_BODY;
}

static void take_push(struct user *user, struct span line)
{
	if (!span_istarts(span_from(line, line.len > 6 ? line.len - 6 : 0),
			  SPAN("EXISTS"))) {
		/* "* OK Still here" is life, not news. */
		if (!span_starts(line, SPAN("* OK"))) {
			user_fail(user, "expected EXISTS", line);
		}
		return;
	}
	push_arrived++;
	load_count(now_ns() - push_began, line.len + 2);
}

static void take_tagged(struct user *user, struct span line)
{
	if (!is_ok(line)) {
		user_fail(user, "refused", line);
	}
	switch (user->state) {
	case USER_LOGIN:
		after_login(user);
		break;
	case USER_SELECT:
		after_select(user);
		break;
	case USER_TAIL:
		user_done(user, options.size);
		break;
	case USER_LOGOUT:
		break;
	default:
		user_fail(user, "unexpected answer", line);
	}
}

static void take_line(struct user *user, struct span line)
{
	if (user->state == USER_GREETING) {
		if (!span_starts(line, SPAN("* OK"))) {
			user_fail(user, "no greeting", line);
		}
		send_login(user);
	} else if (user->state == USER_HEAD) {
		take_head(user, line);
	} else if (user->state == USER_IDLE) {
		take_push(user, line);
	} else if (user->state == USER_TAIL && is_idle_load) {
		if (!span_starts(line, SPAN("+"))) {
			user_fail(user, "cannot idle", line);
		}
		user_ready(user);
		user->state = USER_IDLE;
	} else if (user->state == USER_TAIL && span_eq(line, SPAN(")"))) {
		return;
	} else if (!span_starts(line, SPAN("* "))) {
		take_tagged(user, line);
	}
}

static size_t take_body(struct user *user, struct span in)
{
	in = span_first(in, options.size - user->position);
	if (!mail_has(user->mail, user->position, in)) {
		user_fail(user, "message changed on its way", span_of("", 0));
	}
	user->position += in.len;
	if (user->position == options.size) {
		user->state = USER_TAIL;
	}
	return in.len;
}

static size_t imap_input(struct channel *ch, struct span in)
{
	struct user *user = channel_owner(ch);
	size_t used = 0;
	ptrdiff_t end;

	while (used < in.len) {
		if (user->state == USER_BODY) {
			used += take_body(user, span_from(in, used));
			continue;
		}
		end = span_find(span_from(in, used), '\n');
		if (end < 0) {
			break;
		}
		take_line(user, span_trim(span_of(in.ptr + used, (size_t)end)));
		used += (size_t)end + 1;
	}
	return used;
}

static void imap_closed(struct channel *ch, const char *why)
{
	struct user *user = channel_owner(ch);

	if (why != NULL || user->state != USER_LOGOUT) {
		user_fail(user, why != NULL ? why : "closed early",
			  span_of("", 0));
	}
	load_count_resumed(channel_was_resumed(ch));
	if (options.resume) {
		user->session = channel_take_session(ch);
	}
	user->ch = NULL;
	user_done(user, 0);
}

static const struct channel_type imap_type = {
	.input = imap_input,
	.closed = imap_closed,
};

/* Pushing: the sink is asked over a connection of its own. */

static size_t control_input(struct channel *ch, struct span in)
{
	(void)ch;
	if (control.state == USER_GREETING) {
		send_login(&control);
	}
	return in.len;
}

static void control_closed(struct channel *ch, const char *why)
{
	(void)ch;
	fatal("control connection: %s", why != NULL ? why : "closed");
}

static const struct channel_type control_type = {
	.input = control_input,
	.closed = control_closed,
};

static void turn_for(uint64_t ns)
{
	uint64_t until = now_ns() + ns;

	while (now_ns() < until) {
		loop_turn(loop, 5);
	}
}

static void idle_run(void)
{
	unsigned int i;

	control.ch =
		channel_connect(loop, (uint16_t)options.sink_port,
				client_context, NULL, &control_type, &control);
	turn_for(3 * PUSH_PAUSE_NS);
	for (i = 0; i < options.pushes; i++) {
		push_arrived = 0;
		push_began = now_ns();
		channel_send(control.ch, SPAN("p X-PUSH\r\n"));
		channel_flush(control.ch);
		while (push_arrived < options.users) {
			loop_turn(loop, 100);
			if (now_ns() - push_began > PUSH_LIMIT_NS) {
				fatal("a push reached %u of %u sessions",
				      push_arrived, options.users);
			}
		}
		turn_for(PUSH_PAUSE_NS);
		if (push_arrived != options.users) {
			fatal("a push came more than once");
		}
	}
}

const struct load_kind fetch_kind = {
	.name = "fetch",
	.open = fetch_open,
	.go = fetch_go,
};

const struct load_kind login_kind = {
	.name = "login",
	.open = login_open,
	.go = login_go,
};

const struct load_kind idle_kind = {
	.name = "idle",
	.open = idle_open,
	.run = idle_run,
};
