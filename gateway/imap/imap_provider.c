/* imap_provider: logs in at the provider with the client's credential and
   asks our own questions, all before the client has its answer. Responses are
   read whole; whatever goes wrong is told apart from a wrong password. */
#include "imap/imap_session_impl.h"

static void fail(struct imap_session *m, const char *why)
{
	session_log(m->session, LOG_LEVEL_WARNING,
		    "provider login failed why=\"%s\"", why);
	imap_preauth_refuse(m, &imap_refusal_unavailable);
}

/* Begin a command: the next tag, in out. */
static void begin_command(struct imap_login *login, struct strbuf *out)
{
	strbuf_addf(out, "P%u ", ++login->tag_number);
}

static void send_command(struct imap_session *m, const char *text)
{
	struct strbuf line = STRBUF_INIT(IMAP_PROVIDER_LINE_MAX);

	begin_command(m->login, &line);
	strbuf_add_str(&line, text);
	strbuf_add_str(&line, "\r\n");
	relay_send(m->session, SIDE_SERVER, strbuf_span(&line));
	strbuf_finish(&line);
}

static void set_step(struct imap_session *m, enum provider_step step)
{
	m->login->step = step;
}

static const struct service_settings *service(const struct imap_session *m)
{
	return &session_route(m->session)->provider->imap;
}

void imap_provider_start(struct imap_session *m)
{
	struct imap_login *login = m->login;

	imap_session_set_state(m, IMAP_STATE_PROVIDER);
	session_set_timeout(
		m->session,
		session_settings(m->session)->limits.server_read_timeout_s);
	login->tag_number = 0;
	login->open_questions = 0;
	login->responses = 0;
	login->has_capabilities = false;
	set_step(m, PROVIDER_GREETING);
}

/* -- authentication -- */

static bool needs_literal(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < 0x20 || c >= 0x7f) {
			return true;
		}
	}
	return text.len > 1000;
}

static void add_string(struct strbuf *out, struct span text)
{
	if (needs_literal(text)) {
		strbuf_addf(out, "{%zu}\r\n", text.len);
		strbuf_add(out, text);
		return;
	}
	strbuf_add_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\') {
			strbuf_add_char(out, '\\');
		}
		strbuf_add_char(out, text.ptr[i]);
	}
	strbuf_add_char(out, '"');
}

/* Send login->rest up to the next literal, which waits for "+". */
static void send_login_rest(struct imap_session *m)
{
	struct strbuf *rest = &m->login->rest;
	struct imap_lexer lexer;
	size_t pos = 0;

	imap_lexer_init(&lexer);
	while (pos < rest->len) {
		enum imap_piece piece;
		ssize_t len = imap_lexer_next(
			&lexer, span_from(strbuf_span(rest), pos), &piece);

		if (len < 0) {
			break;
		}
		pos += (size_t)len;
		if (piece == IMAP_PIECE_LITERAL_HEADER) {
			break;
		}
	}
	relay_send_secret(m->session, SIDE_SERVER,
			  span_first(strbuf_span(rest), pos));
	strbuf_shift(rest, pos);
}

static void login_by_command(struct imap_session *m)
{
	struct imap_login *login = m->login;

	strbuf_wipe(&login->rest);
	begin_command(login, &login->rest);
	strbuf_add_str(&login->rest, "LOGIN ");
	add_string(&login->rest, strbuf_span(&login->credential.user));
	strbuf_add_char(&login->rest, ' ');
	add_string(&login->rest, strbuf_span(&login->credential.secret));
	strbuf_add_str(&login->rest, "\r\n");
	set_step(m, PROVIDER_LOGIN);
	send_login_rest(m);
}

/* With the initial response in the command where the provider takes it there
   and the line stays short enough for all (RFC 4959). */
static void login_by_sasl(struct imap_session *m, bool has_sasl_ir)
{
	struct imap_login *login = m->login;
	struct strbuf line = STRBUF_INIT(SASL_LINE_MAX + 64);
	struct sasl_client first = login->sasl_client;
	struct strbuf initial = STRBUF_INIT(SASL_LINE_MAX);

	begin_command(login, &line);
	strbuf_addf(&line, "AUTHENTICATE %s",
		    sasl_mechanism_name(first.mechanism));
	if (has_sasl_ir && first.mechanism != SASL_LOGIN &&
	    sasl_client_response(&first, SPAN(""), &initial) == 1 &&
	    line.len + initial.len + 3 <= IMAP_PROVIDER_LINE_MAX) {
		login->sasl_client = first;
		strbuf_add_char(&line, ' ');
		strbuf_add(&line, strbuf_span(&initial));
	}
	strbuf_add_str(&line, "\r\n");
	set_step(m, PROVIDER_AUTHENTICATE);
	relay_send_secret(m->session, SIDE_SERVER, strbuf_span(&line));
	strbuf_wipe(&initial);
	strbuf_wipe(&line);
}

static bool is_password(const struct credential *credential)
{
	return credential->mechanism == SASL_PLAIN ||
	       credential->mechanism == SASL_LOGIN;
}

static const struct imap_refusal refusal_mechanism = {
	"CANNOT", "The mail provider does not take this kind of login.", false
};

static void log_in(struct imap_session *m, struct imap_capabilities caps)
{
	struct imap_login *login = m->login;
	struct error err = { "" };

	if (!(caps.bits & (IMAP_CAP_REV1 | IMAP_CAP_REV2))) {
		fail(m, "provider speaks neither IMAP4rev1 nor IMAP4rev2");
		return;
	}
	/* AUTH=LOGIN says nothing that the LOGIN command does not. */
	if (is_password(&login->credential) &&
	    !(caps.sasl & 1u << SASL_PLAIN) &&
	    !(caps.bits & IMAP_CAP_LOGINDISABLED) &&
	    login->credential.authzid.len == 0) {
		login_by_command(m);
		return;
	}
	if (sasl_client_init(&login->sasl_client, &login->credential, caps.sasl,
			     service(m)->host, service(m)->port, &err) < 0) {
		session_log(m->session, LOG_LEVEL_WARNING,
			    "provider login failed why=\"%s\"", err.text);
		imap_preauth_refuse(m, &refusal_mechanism);
		return;
	}
	login_by_sasl(m, caps.bits & IMAP_CAP_SASL_IR);
}

static void authenticate_continued(struct imap_session *m, struct span line)
{
	struct strbuf out = STRBUF_INIT(SASL_LINE_MAX + 2);
	struct span challenge = span_trim(span_from(line, 1));

	if (sasl_client_response(&m->login->sasl_client, challenge, &out) < 0) {
		strbuf_wipe(&out);
		fail(m, "challenge out of order");
		return;
	}
	strbuf_add_str(&out, "\r\n");
	relay_send_secret(m->session, SIDE_SERVER, strbuf_span(&out));
	strbuf_wipe(&out);
}

/* -- after the login -- */

static void ask_questions(struct imap_session *m);

static void finish(struct imap_session *m)
{
	struct imap_login *login = m->login;
	struct strbuf list = STRBUF_INIT(IMAP_CAPABILITY_LINE_MAX);

	imap_capability_rewrite(strbuf_span(&login->capabilities), &list);
	session_authenticated(m->session);
	if (login->asked_capability) {
		/* It may not read the code of the answer. */
		relay_sendf(m->session, SIDE_CLIENT, "* CAPABILITY %s\r\n",
			    strbuf_cstr(&list));
	}
	relay_sendf(m->session, SIDE_CLIENT,
		    "%s OK [CAPABILITY %s] Logged in.\r\n",
		    strbuf_cstr(&login->tag), strbuf_cstr(&list));
	strbuf_finish(&list);
	imap_session_set_state(m, IMAP_STATE_RELAY);
	imap_relay_start(m);
}

static void ask_questions(struct imap_session *m)
{
	struct imap_login *login = m->login;
	struct imap_capabilities caps =
		imap_capability_parse(strbuf_span(&login->capabilities));
	const struct provider *provider = session_route(m->session)->provider;
	struct strbuf text = STRBUF_INIT(IMAP_ID_TEXT_MAX + 128);

	imap_relay_create(m);
	if ((caps.bits & IMAP_CAP_ID) &&
	    (login->client_id.len > 0 ||
	     (provider->quirks & PROVIDER_QUIRK_NEEDS_ID))) {
		begin_command(login, &text);
		strbuf_add_str(&text, "ID ");
		strbuf_add(&text, login->client_id.len > 0
					  ? strbuf_span(&login->client_id)
					  : SPAN("(\"name\" \"Postern\")"));
		strbuf_add_str(&text, "\r\n");
		login->open_questions++;
	}
	if (m->relay->taps && (caps.bits & IMAP_CAP_SPECIAL_USE)) {
		begin_command(login, &text);
		strbuf_add_str(&text, caps.bits & IMAP_CAP_LIST_EXTENDED
					      ? "LIST (SPECIAL-USE) \"\" \"*\""
					      : "LIST \"\" \"*\"");
		strbuf_add_str(&text, "\r\n");
		login->open_questions++;
	}
	relay_send(m->session, SIDE_SERVER, strbuf_span(&text));
	strbuf_finish(&text);
	set_step(m, PROVIDER_QUESTIONS);
	if (login->open_questions == 0) {
		finish(m);
	}
}

static void logged_in(struct imap_session *m)
{
	credential_wipe(&m->login->credential);
	strbuf_wipe(&m->login->rest);
	if (m->login->has_capabilities) {
		ask_questions(m);
		return;
	}
	set_step(m, PROVIDER_CAPABILITY_AFTER);
	send_command(m, "CAPABILITY");
}

/* -- responses -- */

static void keep_capabilities(struct imap_session *m, struct span line)
{
	struct span list;

	if (imap_capability_in_line(line, &list)) {
		strbuf_clear(&m->login->capabilities);
		strbuf_add(&m->login->capabilities, list);
		m->login->has_capabilities = true;
	}
}

static void forget_capabilities(struct imap_session *m)
{
	strbuf_clear(&m->login->capabilities);
	m->login->has_capabilities = false;
}

static void log_in_or_ask(struct imap_session *m)
{
	struct imap_capabilities caps;

	if (!m->login->has_capabilities) {
		set_step(m, PROVIDER_CAPABILITY);
		send_command(m, "CAPABILITY");
		return;
	}
	caps = imap_capability_parse(strbuf_span(&m->login->capabilities));
	/* What is announced before the login is not what holds after. */
	forget_capabilities(m);
	log_in(m, caps);
}

static void take_greeting(struct imap_session *m,
			  const struct imap_response_head *head,
			  struct span line)
{
	if (head->type != IMAP_UNTAGGED_STATUS || head->status != IMAP_OK) {
		/* After PREAUTH nobody would check this client's password. */
		fail(m, head->type == IMAP_UNTAGGED_STATUS &&
					head->status == IMAP_PREAUTH
				? "provider greets with PREAUTH"
				: "provider does not greet with OK");
		return;
	}
	if (service(m)->tls == TLS_STARTTLS) {
		set_step(m, PROVIDER_STARTTLS);
		send_command(m, "STARTTLS");
		return;
	}
	keep_capabilities(m, line);
	log_in_or_ask(m);
}

void imap_provider_tls(struct imap_session *m)
{
	if (m->state == IMAP_STATE_PROVIDER && m->login->step == PROVIDER_TLS) {
		forget_capabilities(m);
		log_in_or_ask(m);
	}
}

static void refused(struct imap_session *m,
		    const struct imap_response_head *head, struct span line)
{
	const struct imap_refusal *refusal = imap_refusal_of(head, line);
	struct log_quote quote;

	session_log(m->session, LOG_LEVEL_WARNING,
		    "provider refused the login code=%s answer=%s",
		    refusal->code, log_quote(span_trim(line), &quote));
	imap_preauth_refuse(m, refusal);
}

static void take_tagged(struct imap_session *m,
			const struct imap_response_head *head, struct span line)
{
	struct imap_login *login = m->login;
	bool ok = head->status == IMAP_OK;

	switch (login->step) {
	case PROVIDER_STARTTLS:
		if (!ok) {
			fail(m, "provider refuses STARTTLS");
			return;
		}
		set_step(m, PROVIDER_TLS);
		return;
	case PROVIDER_CAPABILITY:
		if (!ok || !login->has_capabilities) {
			fail(m, "provider gives no capabilities");
			return;
		}
		log_in_or_ask(m);
		return;
	case PROVIDER_AUTHENTICATE:
	case PROVIDER_LOGIN:
		if (!ok) {
			refused(m, head, line);
			return;
		}
		keep_capabilities(m, line);
		logged_in(m);
		return;
	case PROVIDER_CAPABILITY_AFTER:
		if (!ok || !login->has_capabilities) {
			fail(m, "provider gives no capabilities");
			return;
		}
		ask_questions(m);
		return;
	case PROVIDER_QUESTIONS:
		/* A refused question leaves the table of names. */
		if (--login->open_questions == 0) {
			finish(m);
		}
		return;
	default:
		fail(m, "answer to no command");
		return;
	}
}

static bool is_own_tag(const struct imap_login *login, struct span tag)
{
	uint64_t number;

	if (!span_starts(tag, SPAN("P")) ||
	    span_to_u64(span_from(tag, 1), UINT32_MAX, &number) < 0) {
		return false;
	}
	if (login->step == PROVIDER_QUESTIONS) {
		return number <= login->tag_number &&
		       number + login->open_questions > login->tag_number;
	}
	return number == login->tag_number;
}

static void take_continuation(struct imap_session *m, struct span line)
{
	struct imap_login *login = m->login;

	if (login->step == PROVIDER_AUTHENTICATE) {
		authenticate_continued(m, line);
	} else if (login->step == PROVIDER_LOGIN && login->rest.len > 0) {
		send_login_rest(m);
	} else {
		fail(m, "continuation of no command");
	}
}

static void take_response(struct imap_session *m, struct span text)
{
	struct imap_login *login = m->login;
	struct imap_response_head head;

	if (imap_response_head(text, &head) <= 0) {
		fail(m, "response malformed");
		return;
	}
	if (++login->responses > IMAP_PROVIDER_RESPONSES_MAX) {
		fail(m, "too many responses");
		return;
	}
	if (login->step == PROVIDER_GREETING) {
		take_greeting(m, &head, text);
		return;
	}
	switch (head.type) {
	case IMAP_CONTINUATION:
		take_continuation(m, text);
		return;
	case IMAP_TAGGED_STATUS:
		if (!is_own_tag(login, head.tag)) {
			fail(m, "answer to a command not sent");
			return;
		}
		take_tagged(m, &head, text);
		return;
	case IMAP_UNTAGGED_STATUS:
		if (head.status == IMAP_BYE) {
			fail(m, "provider said BYE during the login");
			return;
		}
		break;
	default:
		break;
	}
	keep_capabilities(m, text);
	if (m->relay != NULL && span_ieq(head.name, SPAN("LIST"))) {
		imap_folders_learn(&m->relay->track.folders, text, false);
	}
}

/* Length of the response at the head of in, with its literals: 0 when more is
   needed, -1 when too long or malformed. */
static ssize_t response_length(struct span in)
{
	struct imap_response_head head;
	struct imap_lexer lexer;
	size_t pos = 0;

	if (in.len > IMAP_PROVIDER_RESPONSE_MAX) {
		in.len = IMAP_PROVIDER_RESPONSE_MAX;
	}
	if (imap_response_head(in, &head) <= 0) {
		return 0;
	}
	imap_lexer_init(&lexer);
	if (head.type != IMAP_DATA && head.type != IMAP_NUMBERED) {
		imap_lexer_set_plain(&lexer);
	}
	while (pos < in.len) {
		enum imap_piece piece;
		ssize_t len =
			imap_lexer_next(&lexer, span_from(in, pos), &piece);

		if (len < 0) {
			return -1;
		}
		pos += (size_t)len;
		if (piece == IMAP_PIECE_END) {
			return (ssize_t)pos;
		}
	}
	return in.len == IMAP_PROVIDER_RESPONSE_MAX ? -1 : 0;
}

size_t imap_provider_bytes(struct imap_session *m, struct span in)
{
	size_t pos = 0;

	while (pos < in.len && m->state == IMAP_STATE_PROVIDER) {
		struct span rest = span_from(in, pos);
		ssize_t len = response_length(rest);

		if (len == 0) {
			return pos;
		}
		if (len < 0) {
			fail(m, "response too long or malformed");
			break;
		}
		pos += (size_t)len;
		take_response(m, span_first(rest, (size_t)len));
		if (m->state == IMAP_STATE_PROVIDER &&
		    m->login->step == PROVIDER_TLS) {
			/* Behind the answer to STARTTLS nothing was protected:
			   it may have been injected. */
			if (pos < in.len) {
				fail(m, "data before TLS handshake");
				break;
			}
			session_start_tls(m->session, SIDE_SERVER);
			return pos;
		}
	}
	/* The server connection of a failed login is gone, with its bytes. */
	return m->state == IMAP_STATE_RELAY ? pos : in.len;
}
