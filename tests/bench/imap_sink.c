/* imap_sink: an IMAP4rev1 server with one canned mailbox for each login, just
   enough for real proxies and their login flows. Keeps nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "bench/mail.h"
#include "bench/sink.h"
#include "bench/tls.h"
#include "lib/span.h"
#include "lib/xalloc.h"

#define MAX_COMMAND 16384

#define BEFORE_LOGIN "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=PLAIN"
#define AFTER_LOGIN                                                            \
	"IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS "         \
	"SPECIAL-USE UNSELECT"

struct imap_sink {
	struct channel *ch;
	/* From the login name. */
	unsigned int mailbox;
	size_t size;
	/* The client was told to go on with a literal this far into its
	   command. */
	size_t continued;
	/* Awaiting the response to AUTHENTICATE PLAIN; tag of it and of IDLE.
	 */
	bool in_authenticate;
	bool in_idle;
	char tag[64];
	unsigned int exists;
	/* In the list of those that idle. */
	struct imap_sink *next;
	struct imap_sink *prev;
};

static struct imap_sink idlers = { .next = &idlers, .prev = &idlers };
static struct mail mail;

struct imap_command {
	struct span tag;
	struct span name;
	struct span arguments;
};

static void ok(struct imap_sink *s, struct span tag, const char *text)
{
	channel_sendf(s->ch, "%.*s OK %s\r\n", SPAN_ARGS(tag), text);
}

static void idle_end(struct imap_sink *s)
{
	if (s->in_idle) {
		s->in_idle = false;
		s->prev->next = s->next;
		s->next->prev = s->prev;
	}
}

/* Logging in. */

/* "s4096.u17@host": size and mailbox. */
static void login_as(struct imap_sink *s, struct span tag, struct span user)
{
	char name[128];

	user = span_first(user, sizeof(name) - 1);
	memcpy(name, user.ptr, user.len);
	name[user.len] = '\0';
	if (sscanf(name, "s%zu.u%u@", &s->size, &s->mailbox) != 2 ||
	    s->size < MAIL_SIZE_MIN || s->size > MAIL_SIZE_MAX) {
		channel_sendf(s->ch,
			      "%.*s NO [AUTHENTICATIONFAILED] who is that?\r\n",
			      SPAN_ARGS(tag));
		return;
	}
	sink_counts.logins++;
	s->exists = IMAP_SINK_MESSAGES;
	channel_sendf(s->ch,
		      "%.*s OK [CAPABILITY " AFTER_LOGIN "] Logged in\r\n",
		      SPAN_ARGS(tag));
}

static void do_login(struct imap_sink *s, const struct imap_command *command)
{
	struct span rest = command->arguments, user;

	if (!span_next_word(&rest, " \"", &user)) {
		user = span_of("", 0);
	}
	/* {n+}CRLF before the name itself. */
	if (user.len > 0 && user.ptr[0] == '{' && span_find(user, '\n') >= 0) {
		user = span_from(user, (size_t)span_find(user, '\n') + 1);
	}
	login_as(s, command->tag, user);
}

static void authenticate_as(struct imap_sink *s, struct span tag,
			    struct span encoded)
{
	unsigned char plain[512];
	struct span text, user;
	ptrdiff_t nul;
	int len;

	if (encoded.len > 600) {
		encoded.len = 0;
	}
	len = EVP_DecodeBlock(plain, (const unsigned char *)encoded.ptr,
			      (int)encoded.len);
	text = span_of(plain, len < 0 ? 0 : (size_t)len);
	nul = span_find(text, '\0');
	user = span_from(text, nul < 0 ? text.len : (size_t)nul + 1);
	nul = span_find(user, '\0');
	login_as(s, tag, span_first(user, nul < 0 ? 0 : (size_t)nul));
}

static void keep_tag(struct imap_sink *s, struct span tag)
{
	snprintf(s->tag, sizeof(s->tag), "%.*s", SPAN_ARGS(tag));
}

static void do_authenticate(struct imap_sink *s,
			    const struct imap_command *command)
{
	struct span rest = command->arguments, mechanism, initial;

	if (!span_next_word(&rest, " ", &mechanism) ||
	    !span_ieq(mechanism, SPAN("PLAIN"))) {
		channel_sendf(s->ch, "%.*s NO only PLAIN\r\n",
			      SPAN_ARGS(command->tag));
	} else if (span_next_word(&rest, " ", &initial)) {
		authenticate_as(s, command->tag, initial);
	} else {
		s->in_authenticate = true;
		keep_tag(s, command->tag);
		channel_send(s->ch, SPAN("+ \r\n"));
	}
}

/* The rest of the conversation. */

static void do_capability(struct imap_sink *s,
			  const struct imap_command *command)
{
	channel_sendf(s->ch, "* CAPABILITY %s\r\n",
		      s->size > 0 ? AFTER_LOGIN : BEFORE_LOGIN);
	ok(s, command->tag, "done");
}

static void do_id(struct imap_sink *s, const struct imap_command *command)
{
	channel_send(s->ch, SPAN("* ID (\"name\" \"bench sink\")\r\n"));
	ok(s, command->tag, "done");
}

static void do_list(struct imap_sink *s, const struct imap_command *command)
{
	channel_send(s->ch,
		     SPAN("* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
			  "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
			  "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\r\n"
			  "* LIST (\\HasNoChildren \\Junk) \"/\" Junk\r\n"
			  "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\r\n"));
	ok(s, command->tag, "done");
}

static void do_namespace(struct imap_sink *s,
			 const struct imap_command *command)
{
	channel_send(s->ch, SPAN("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
	ok(s, command->tag, "done");
}

static void do_select(struct imap_sink *s, const struct imap_command *command)
{
	channel_sendf(s->ch,
		      "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen "
		      "\\Draft)\r\n"
		      "* OK [PERMANENTFLAGS (\\Seen \\*)] flags\r\n"
		      "* %u EXISTS\r\n* 0 RECENT\r\n"
		      "* OK [UIDVALIDITY %u] valid\r\n"
		      "* OK [UIDNEXT %u] next\r\n",
		      s->exists, 1000000 + s->mailbox, IMAP_SINK_MESSAGES + 1);
	ok(s, command->tag, "[READ-WRITE] selected");
}

/* One message as BODY[]. Its number follows from mailbox and UID, so that the
   load generator can make the same. */
static void send_message(struct imap_sink *s, uint64_t uid)
{
	mail_make(&mail, MAIL_IN, (uint64_t)s->mailbox * 100000 + uid, s->size);
	channel_sendf(s->ch, "* %u FETCH (UID %u BODY[] {%zu}\r\n",
		      (unsigned int)uid, (unsigned int)uid, s->size);
	channel_send(s->ch, span_of(mail.head, mail.head_len));
	channel_send_borrowed(s->ch, mail.rest);
	channel_send(s->ch, SPAN(")\r\n"));
	sink_counts.fetches++;
}

static void do_fetch(struct imap_sink *s, const struct imap_command *command)
{
	struct span rest = command->arguments, set;
	uint64_t uid;

	if (!span_next_word(&rest, " ", &set) ||
	    span_to_u64(set, IMAP_SINK_MESSAGES, &uid) < 0 || uid == 0) {
		channel_sendf(s->ch, "%.*s BAD one number, please\r\n",
			      SPAN_ARGS(command->tag));
		return;
	}
	send_message(s, uid);
	ok(s, command->tag, "done");
}

static void do_uid(struct imap_sink *s, const struct imap_command *command)
{
	struct imap_command fetch = *command;

	if (span_istarts(command->arguments, SPAN("FETCH "))) {
		fetch.arguments = span_from(command->arguments, 6);
		do_fetch(s, &fetch);
	} else {
		ok(s, command->tag, "nothing to do");
	}
}

static void do_idle(struct imap_sink *s, const struct imap_command *command)
{
	keep_tag(s, command->tag);
	s->in_idle = true;
	s->next = idlers.next;
	s->prev = &idlers;
	s->next->prev = s;
	idlers.next = s;
	channel_send(s->ch, SPAN("+ idling\r\n"));
}

static void do_logout(struct imap_sink *s, const struct imap_command *command)
{
	channel_send(s->ch, SPAN("* BYE bye\r\n"));
	ok(s, command->tag, "done");
	channel_close(s->ch);
}

static void do_nothing(struct imap_sink *s, const struct imap_command *command)
{
	ok(s, command->tag, "done");
}

/* Tell every session that idles of one more message. Ours alone. */
static void do_push(struct imap_sink *s, const struct imap_command *command)
{
	struct imap_sink *i;

	ok(s, command->tag, "pushing");
	for (i = idlers.next; i != &idlers; i = i->next) {
		channel_sendf(i->ch, "* %u EXISTS\r\n", ++i->exists);
		channel_flush(i->ch);
	}
}

static void do_stats(struct imap_sink *s, const struct imap_command *command)
{
	const struct sink_counts *c = &sink_counts;

	channel_sendf(s->ch,
		      "* STATS {\"full\": %ju, \"resumed\": %ju, "
		      "\"logins\": %ju, \"fetches\": %ju, \"exact\": %ju, "
		      "\"prefixed\": %ju, \"wrong\": %ju}\r\n",
		      (uintmax_t)c->handshakes_full,
		      (uintmax_t)c->handshakes_resumed, (uintmax_t)c->logins,
		      (uintmax_t)c->fetches, (uintmax_t)c->messages_exact,
		      (uintmax_t)c->messages_prefixed,
		      (uintmax_t)c->messages_wrong);
	ok(s, command->tag, "done");
}

static const struct {
	const char *name;
	void (*run)(struct imap_sink *s, const struct imap_command *command);
} commands[] = {
	{ "UID", do_uid },
	{ "FETCH", do_fetch },
	{ "LOGIN", do_login },
	{ "AUTHENTICATE", do_authenticate },
	{ "CAPABILITY", do_capability },
	{ "ID", do_id },
	{ "LIST", do_list },
	{ "NAMESPACE", do_namespace },
	{ "SELECT", do_select },
	{ "EXAMINE", do_select },
	{ "IDLE", do_idle },
	{ "LOGOUT", do_logout },
	{ "NOOP", do_nothing },
	{ "CHECK", do_nothing },
	{ "CLOSE", do_nothing },
	{ "UNSELECT", do_nothing },
	{ "ENABLE", do_nothing },
	{ "X-PUSH", do_push },
	{ "X-STATS", do_stats },
};

static void run_command(struct imap_sink *s, struct span line)
{
	struct imap_command command;
	size_t i;

	if (s->in_idle) {
		idle_end(s);
		ok(s, span_str(s->tag), "idle done");
		return;
	}
	if (s->in_authenticate) {
		s->in_authenticate = false;
		authenticate_as(s, span_str(s->tag), line);
		return;
	}
	if (!span_next_word(&line, " ", &command.tag) ||
	    !span_next_word(&line, " ", &command.name)) {
		channel_send(s->ch, SPAN("* BAD what?\r\n"));
		return;
	}
	command.arguments = span_trim(line);
	for (i = 0; i < N_ELEMENTS(commands); i++) {
		if (span_ieq(command.name, span_str(commands[i].name))) {
			commands[i].run(s, &command);
			return;
		}
	}
	channel_sendf(s->ch, "%.*s BAD unknown command\r\n",
		      SPAN_ARGS(command.tag));
}

/* Does the line end in {n} or {n+}? */
static bool ends_in_literal(struct span line, uint64_t *len_r, bool *waits_r)
{
	size_t i = line.len;

	if (i == 0 || line.ptr[i - 1] != '}') {
		return false;
	}
	i--;
	*waits_r = i == 0 || line.ptr[i - 1] != '+';
	line.len = *waits_r ? i : i - 1;
	for (i = line.len; i > 0 && ascii_is_digit(line.ptr[i - 1]); i--) {
	}
	return i > 0 && line.ptr[i - 1] == '{' &&
	       span_to_u64(span_from(line, i), MAX_COMMAND, len_r) == 0;
}

/* Bytes of the first command of in with its literals and last CRLF; 0 when it
   is not complete yet. */
static size_t command_length(struct imap_sink *s, struct span in)
{
	size_t from = 0;
	uint64_t literal;
	ptrdiff_t end;
	bool waits;

	for (;;) {
		end = span_find(span_from(in, from), '\n');
		if (end < 0) {
			return 0;
		}
		end += (ptrdiff_t)from;
		if (!ends_in_literal(span_trim(span_first(in, (size_t)end)),
				     &literal, &waits)) {
			return (size_t)end + 1;
		}
		from = (size_t)end + 1;
		if (waits && s->continued < from) {
			s->continued = from;
			channel_send(s->ch, SPAN("+ go on\r\n"));
		}
		if (literal > in.len - from) {
			return 0;
		}
		from += literal;
	}
}

static size_t imap_sink_input(struct channel *ch, struct span in)
{
	struct imap_sink *s = channel_owner(ch);
	size_t used = 0, len;

	while ((len = command_length(s, span_from(in, used))) > 0) {
		run_command(s, span_trim(span_of(in.ptr + used, len)));
		s->continued = 0;
		used += len;
	}
	return used;
}

static void imap_sink_opened(struct channel *ch)
{
	sink_count_handshake(ch);
	channel_send(ch, SPAN("* OK [CAPABILITY " BEFORE_LOGIN
			      "] bench sink ready\r\n"));
}

static void imap_sink_closed(struct channel *ch, const char *why)
{
	struct imap_sink *s = channel_owner(ch);

	(void)why;
	idle_end(s);
	free(s);
}

void *imap_sink_accepted(struct channel *ch)
{
	struct imap_sink *s = xcalloc(1, sizeof(*s));

	s->ch = ch;
	return s;
}

const struct channel_type imap_sink_type = {
	.opened = imap_sink_opened,
	.input = imap_sink_input,
	.closed = imap_sink_closed,
};
