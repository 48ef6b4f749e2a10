/* imap_preauth: the client's commands before its login, answered here.
   Commands are read whole (they are small) and strictly. */
#include "imap/imap_session_impl.h"

/* One whole command. Spans borrow from the buffer. */
struct preauth_command {
	struct span tag;
	/* After the name and one space; without the line end. */
	struct span args;
};

typedef void preauth_proceed(struct imap_session *m,
			     const struct preauth_command *command);

static void answer(struct imap_session *m, struct span tag, const char *text)
{
	relay_sendf(m->session, SIDE_CLIENT, "%.*s %s\r\n", SPAN_ARGS(tag),
		    text);
}

static void mistake(struct imap_session *m, struct span tag, const char *text)
{
	answer(m, tag, text);
	if (++m->login->mistakes >= IMAP_MISTAKES_MAX) {
		imap_session_bye(m, "Too many invalid commands.",
				 "too many invalid commands");
	}
}

static void own_capabilities(const struct imap_session *m, struct strbuf *out)
{
	imap_capability_own(session_has_tls(m->session, SIDE_CLIENT),
			    session_may_authenticate(m->session), out);
}

void imap_preauth_greet(struct imap_session *m)
{
	struct strbuf list = STRBUF_INIT(1024);

	own_capabilities(m, &list);
	relay_sendf(m->session, SIDE_CLIENT,
		    "* OK [CAPABILITY %s] Postern ready.\r\n",
		    strbuf_cstr(&list));
	strbuf_finish(&list);
	session_set_timeout(
		m->session,
		session_settings(m->session)->limits.preauth_timeout_s);
}

void imap_preauth_tls(struct imap_session *m)
{
	strbuf_clear(&m->login->client_id);
	m->login->asked_capability = false;
	imap_session_set_state(m, IMAP_STATE_PREAUTH);
}

/* -- the login -- */

void imap_preauth_refuse(struct imap_session *m,
			 const struct imap_refusal *refusal)
{
	struct imap_login *login = m->login;

	session_disconnect_server(m->session);
	if (refusal->is_credential) {
		session_login_failed(m->session,
				     strbuf_span(&login->credential.user));
	}
	credential_wipe(&login->credential);
	strbuf_wipe(&login->rest);
	strbuf_clear(&login->capabilities);
	login->has_capabilities = false;
	imap_relay_destroy(&m->relay);
	relay_sendf(m->session, SIDE_CLIENT, "%s NO [%s] %s\r\n",
		    strbuf_cstr(&login->tag), refusal->code, refusal->text);
	if (++login->attempts >= IMAP_ATTEMPTS_MAX) {
		imap_session_bye(m, "Too many failed logins.",
				 "too many failed logins");
		return;
	}
	imap_session_set_state(m, IMAP_STATE_PREAUTH);
	session_set_timeout(
		m->session,
		session_settings(m->session)->limits.preauth_timeout_s);
	relay_resume(m->session, SIDE_CLIENT);
}

static const struct imap_refusal refusal_limits = {
	"UNAVAILABLE", "Too many failed logins; try again later.", false
};
static const struct imap_refusal refusal_route = {
	"AUTHORIZATIONFAILED", "This account is not served here.", false
};

/* The credential is complete: find the provider. login->tag is set. */
static void begin_login(struct imap_session *m)
{
	struct imap_login *login = m->login;
	struct span user = strbuf_span(&login->credential.user);
	struct error err = { "" };

	imap_session_set_state(m, IMAP_STATE_CONNECTING);
	relay_pause(m->session, SIDE_CLIENT);
	session_set_mailbox(m->session, user);
	if (!session_login_allowed(m->session, user)) {
		session_log(m->session, LOG_LEVEL_WARNING,
			    "login refused: too many failures");
		imap_preauth_refuse(m, &refusal_limits);
		return;
	}
	session_set_timeout(m->session, 0);
	if (session_connect(m->session, &login->credential, &err) < 0) {
		session_log(m->session, LOG_LEVEL_WARNING,
			    "login refused why=\"%s\"", err.text);
		imap_preauth_refuse(m, &refusal_route);
	}
}

static void keep_tag(struct imap_session *m, struct span tag)
{
	strbuf_clear(&m->login->tag);
	strbuf_add(&m->login->tag, tag);
}

static bool refuse_clear_text(struct imap_session *m, struct span tag)
{
	if (session_may_authenticate(m->session)) {
		return false;
	}
	mistake(m, tag, "NO [PRIVACYREQUIRED] Use STARTTLS before logging in.");
	return true;
}

/* -- the commands -- */

static void do_capability(struct imap_session *m,
			  const struct preauth_command *command)
{
	struct strbuf list = STRBUF_INIT(1024);

	m->login->asked_capability = true;
	own_capabilities(m, &list);
	relay_sendf(m->session, SIDE_CLIENT, "* CAPABILITY %s\r\n",
		    strbuf_cstr(&list));
	strbuf_finish(&list);
	answer(m, command->tag, "OK Capability completed.");
}

static void do_noop(struct imap_session *m,
		    const struct preauth_command *command)
{
	answer(m, command->tag, "OK Nothing done.");
}

static void do_logout(struct imap_session *m,
		      const struct preauth_command *command)
{
	relay_sendf(m->session, SIDE_CLIENT,
		    "* BYE Logging out.\r\n%.*s OK Logout completed.\r\n",
		    SPAN_ARGS(command->tag));
	imap_session_set_state(m, IMAP_STATE_CLOSED);
	session_close(m->session, "logout");
}

static void do_starttls(struct imap_session *m,
			const struct preauth_command *command)
{
	if (session_has_tls(m->session, SIDE_CLIENT)) {
		mistake(m, command->tag, "BAD TLS is active already.");
		return;
	}
	if (command->args.len > 0) {
		mistake(m, command->tag, "BAD STARTTLS has no arguments.");
		return;
	}
	answer(m, command->tag, "OK Begin TLS negotiation now.");
	imap_session_set_state(m, IMAP_STATE_CLIENT_TLS);
}

/* Cut one argument; only SP or the end may follow it, also after a literal. */
static bool cut_argument(struct span *args, struct imap_value *value_r)
{
	if (args->len == 0 || imap_value_next(args, value_r) <= 0 ||
	    value_r->type == IMAP_LIST) {
		return false;
	}
	if (args->len == 0) {
		return true;
	}
	if (args->ptr[0] != ' ') {
		return false;
	}
	*args = span_from(*args, 1);
	return true;
}

static void do_login(struct imap_session *m,
		     const struct preauth_command *command)
{
	struct span args = command->args;
	struct strbuf user = STRBUF_INIT(SASL_USER_MAX);
	struct strbuf password = STRBUF_INIT(SASL_SECRET_MAX);
	struct imap_value value[2];
	struct error err = { "" };

	if (refuse_clear_text(m, command->tag)) {
		return;
	}
	if (!cut_argument(&args, &value[0]) ||
	    !cut_argument(&args, &value[1]) || args.len > 0) {
		mistake(m, command->tag,
			"BAD LOGIN needs a name and a "
			"password.");
		return;
	}
	imap_value_decode(&value[0], &user);
	imap_value_decode(&value[1], &password);
	keep_tag(m, command->tag);
	if (user.overflow || password.overflow ||
	    credential_set_login(&m->login->credential, strbuf_span(&user),
				 strbuf_span(&password), &err) < 0) {
		mistake(m, command->tag,
			"BAD The name or password is not acceptable.");
	} else {
		begin_login(m);
	}
	strbuf_finish(&user);
	strbuf_wipe(&password);
}

static void ask_for_response(struct imap_session *m)
{
	relay_sendf(m->session, SIDE_CLIENT, "+ %s\r\n",
		    sasl_server_challenge(&m->login->sasl));
	imap_session_set_state(m, IMAP_STATE_SASL);
}

static void take_response(struct imap_session *m, struct span base64)
{
	struct imap_login *login = m->login;
	struct error err = { "" };
	int got = sasl_server_response(&login->sasl, base64, &login->credential,
				       &err);

	if (got > 0) {
		begin_login(m);
	} else if (got == 0) {
		ask_for_response(m);
	} else {
		credential_wipe(&login->credential);
		imap_session_set_state(m, IMAP_STATE_PREAUTH);
		mistake(m, strbuf_span(&login->tag),
			"BAD The authentication data is malformed.");
	}
}

static void do_authenticate(struct imap_session *m,
			    const struct preauth_command *command)
{
	struct span args = command->args;
	enum sasl_mechanism mechanism;
	struct span name;
	struct span initial;

	if (refuse_clear_text(m, command->tag)) {
		return;
	}
	if (!span_next_word(&args, " ", &name)) {
		mistake(m, command->tag, "BAD AUTHENTICATE needs a mechanism.");
		return;
	}
	if (sasl_mechanism_parse(name, &mechanism) < 0) {
		mistake(m, command->tag,
			"NO [CANNOT] This mechanism is not supported.");
		return;
	}
	keep_tag(m, command->tag);
	credential_wipe(&m->login->credential);
	sasl_server_init(&m->login->sasl, mechanism);
	if (span_next_word(&args, " ", &initial)) {
		take_response(m, initial);
	} else {
		ask_for_response(m);
	}
}

/* Append a string of an ID list as a quoted string. Return false when it
   cannot be passed on. */
static bool add_id_string(struct strbuf *out, const struct imap_value *value,
			  size_t max)
{
	struct strbuf text = STRBUF_INIT(IMAP_ID_VALUE_MAX);
	bool fits;

	if (value->type == IMAP_NIL) {
		strbuf_add_str(out, "NIL");
		return true;
	}
	imap_value_decode(value, &text);
	fits = !text.overflow && text.len <= max;
	strbuf_add_char(out, '"');
	for (size_t i = 0; fits && i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < 0x20 || c >= 0x7f) {
			fits = false;
		}
		if (c == '"' || c == '\\') {
			strbuf_add_char(out, '\\');
		}
		strbuf_add_char(out, (char)c);
	}
	strbuf_add_char(out, '"');
	strbuf_finish(&text);
	return fits;
}

/* Rebuild the list that is replayed to the provider. Return false when it is
   no ID list or too large. */
static bool rebuild_id(struct span list, struct strbuf *out)
{
	struct imap_value value;
	unsigned int count = 0;

	strbuf_add_char(out, '(');
	while (imap_value_next(&list, &value) > 0) {
		bool is_key = count % 2 == 0;

		if (value.type == IMAP_LIST || value.type == IMAP_ATOM ||
		    (is_key && value.type == IMAP_NIL) ||
		    ++count > 2 * IMAP_ID_PAIRS_MAX) {
			return false;
		}
		if (count > 1) {
			strbuf_add_char(out, ' ');
		}
		if (!add_id_string(out, &value,
				   is_key ? IMAP_ID_KEY_MAX
					  : IMAP_ID_VALUE_MAX)) {
			return false;
		}
	}
	strbuf_add_char(out, ')');
	return list.len == 0 && count > 0 && count % 2 == 0 && !out->overflow;
}

static void do_id(struct imap_session *m, const struct preauth_command *command)
{
	struct span args = command->args;
	struct imap_value value;

	if (imap_value_next(&args, &value) <= 0 || args.len > 0 ||
	    (value.type != IMAP_LIST && value.type != IMAP_NIL)) {
		mistake(m, command->tag, "BAD ID needs a list.");
		return;
	}
	strbuf_clear(&m->login->client_id);
	if (value.type == IMAP_LIST &&
	    !rebuild_id(value.text, &m->login->client_id)) {
		strbuf_clear(&m->login->client_id);
	}
	relay_send(m->session, SIDE_CLIENT,
		   SPAN("* ID (\"name\" \"Postern\")\r\n"));
	answer(m, command->tag, "OK ID completed.");
}

static const struct {
	const char *name;
	preauth_proceed *proceed;
} commands[] = {
	{ "AUTHENTICATE", do_authenticate },
	{ "CAPABILITY", do_capability },
	{ "ID", do_id },
	{ "LOGIN", do_login },
	{ "LOGOUT", do_logout },
	{ "NOOP", do_noop },
	{ "STARTTLS", do_starttls },
};

/* -- reading -- */

enum scan_result {
	SCAN_MORE,
	SCAN_DONE,
	/* Awaits our "+" for a literal. */
	SCAN_CONTINUE,
	/* A literal that is too large and will not be sent. */
	SCAN_REFUSE,
	/* Cannot be skipped: the connection must end. */
	SCAN_FATAL,
};

/* Find the end of the command at the head of in. */
static enum scan_result scan_command(const struct imap_login *login,
				     struct span in, size_t *len_r)
{
	struct imap_lexer lexer;
	unsigned int literals = 0;
	size_t pos = 0;

	imap_lexer_init(&lexer);
	while (pos < in.len) {
		enum imap_piece piece;
		ssize_t len =
			imap_lexer_next(&lexer, span_from(in, pos), &piece);

		if (len < 0) {
			return SCAN_FATAL;
		}
		pos += (size_t)len;
		*len_r = pos;
		if (piece == IMAP_PIECE_END) {
			return SCAN_DONE;
		}
		if (piece != IMAP_PIECE_LITERAL_HEADER) {
			continue;
		}
		literals++;
		if (lexer.literal.size > IMAP_PREAUTH_LITERAL_MAX ||
		    literals > IMAP_PREAUTH_LITERALS_MAX) {
			return lexer.literal.synchronising ? SCAN_REFUSE
							   : SCAN_FATAL;
		}
		if (lexer.literal.synchronising &&
		    literals > login->continued) {
			return SCAN_CONTINUE;
		}
	}
	return in.len > IMAP_PREAUTH_COMMAND_MAX ? SCAN_FATAL : SCAN_MORE;
}

static struct span without_line_end(struct span text)
{
	if (text.len > 0 && text.ptr[text.len - 1] == '\n') {
		text.len--;
	}
	if (text.len > 0 && text.ptr[text.len - 1] == '\r') {
		text.len--;
	}
	return text;
}

static void run_command(struct imap_session *m, struct span text)
{
	struct imap_command_head head;
	struct preauth_command command;

	m->login->continued = 0;
	if (imap_command_head(text, &head) <= 0) {
		mistake(m, SPAN("*"), "BAD Invalid command.");
		return;
	}
	command.tag = head.tag;
	command.args = without_line_end(span_from(text, head.len));
	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		if (span_ieq(head.name, span_str(commands[i].name))) {
			commands[i].proceed(m, &command);
			return;
		}
	}
	mistake(m, command.tag, "BAD Log in first.");
}

/* A tag with control bytes: a TLS hello inside TLS, another protocol. It may
   never send a line end. */
static bool is_no_text(struct span in)
{
	for (size_t i = 0; i < in.len && in.ptr[i] != ' '; i++) {
		unsigned char c = (unsigned char)in.ptr[i];

		if (c == 0x7f || (c < 0x20 && c != '\r' && c != '\n')) {
			return true;
		}
	}
	return false;
}

static size_t read_command(struct imap_session *m, struct span in)
{
	struct imap_command_head head;
	enum scan_result result;
	size_t len = 0;

	while ((result = scan_command(m->login, in, &len)) == SCAN_CONTINUE) {
		m->login->continued++;
		relay_send(m->session, SIDE_CLIENT, SPAN("+ OK\r\n"));
	}
	switch (result) {
	case SCAN_CONTINUE:
	case SCAN_MORE:
		if (is_no_text(in)) {
			imap_session_bye(m, "This is no IMAP.",
					 "client does not speak IMAP");
			return in.len;
		}
		return 0;
	case SCAN_REFUSE:
		m->login->continued = 0;
		mistake(m,
			imap_command_head(in, &head) > 0 ? head.tag : SPAN("*"),
			"BAD [TOOBIG] The literal is too large.");
		return len;
	case SCAN_FATAL:
		imap_session_bye(m, "Command too long.",
				 "command too long before the login");
		return in.len;
	case SCAN_DONE:
		break;
	}
	run_command(m, span_first(in, len));
	return len;
}

static size_t read_response(struct imap_session *m, struct span in)
{
	ptrdiff_t end = span_find(in, '\n');
	struct span line;

	if (end < 0) {
		if (in.len > SASL_LINE_MAX + 2) {
			imap_session_bye(m, "Line too long.",
					 "SASL response too long");
			return in.len;
		}
		return 0;
	}
	line = without_line_end(span_first(in, (size_t)end + 1));
	if (span_eq(line, SPAN("*"))) {
		credential_wipe(&m->login->credential);
		imap_session_set_state(m, IMAP_STATE_PREAUTH);
		mistake(m, strbuf_span(&m->login->tag),
			"BAD Authentication cancelled.");
	} else {
		take_response(m, line);
	}
	return (size_t)end + 1;
}

size_t imap_preauth_bytes(struct imap_session *m, struct span in)
{
	size_t pos = 0;

	while (pos < in.len) {
		struct span rest = span_from(in, pos);
		size_t used;

		if (m->state == IMAP_STATE_PREAUTH) {
			used = read_command(m, rest);
		} else if (m->state == IMAP_STATE_SASL) {
			used = read_response(m, rest);
		} else {
			break;
		}
		if (used == 0) {
			return pos;
		}
		pos += used;
	}
	if (m->state == IMAP_STATE_CLIENT_TLS) {
		/* Bytes behind STARTTLS were not protected and may have been
		   injected: answering them inside TLS would trust them. */
		if (pos < in.len) {
			imap_session_set_state(m, IMAP_STATE_CLOSED);
			session_close(m->session, "data before TLS handshake");
			return in.len;
		}
		session_start_tls(m->session, SIDE_CLIENT);
	}
	return m->state == IMAP_STATE_CLOSED ? in.len : pos;
}
