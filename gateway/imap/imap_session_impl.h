/* The state of one IMAP session, shared by the files that each handle one
   stage of it: imap_preauth (the client, before its login), imap_provider
   (the login at the provider), imap_relay (both ways, after). Only these and
   imap_session.c include it. */
#ifndef POSTERN_IMAP_SESSION_IMPL_H
#define POSTERN_IMAP_SESSION_IMPL_H

#include "imap/imap_capability.h"
#include "imap/imap_fetch.h"
#include "imap/imap_refusal.h"
#include "imap/imap_track.h"
#include "proxy/relay.h"
#include "proxy/session.h"

/* Longest command of a client that has not logged in, with its literals: an
   AUTHENTICATE with initial response is the longest we know. */
#define IMAP_PREAUTH_COMMAND_MAX (SASL_LINE_MAX + 4096)
/* Longest literal then: a LOGIN argument. */
#define IMAP_PREAUTH_LITERAL_MAX  SASL_SECRET_MAX
#define IMAP_PREAUTH_LITERALS_MAX 4
/* Logins that may fail in one connection, and commands that make no sense. */
#define IMAP_ATTEMPTS_MAX 3
#define IMAP_MISTAKES_MAX 10
/* ID (RFC 2971 3.3), and what is replayed of it. */
#define IMAP_ID_PAIRS_MAX 30
#define IMAP_ID_KEY_MAX	  30
#define IMAP_ID_VALUE_MAX 1024
#define IMAP_ID_TEXT_MAX  4096
/* Longest single response while we log in (a LIST with literals). */
#define IMAP_PROVIDER_RESPONSE_MAX (64 * 1024)
/* Responses in answer to our own questions, all together. */
#define IMAP_PROVIDER_RESPONSES_MAX 20000
/* Longest command line we send (RFC 9051 section 4 asks servers for 8192). */
#define IMAP_PROVIDER_LINE_MAX 8192

enum imap_state {
	/* Awaiting a command; the client has not logged in. */
	IMAP_STATE_PREAUTH,
	/* Awaiting a SASL response line of the client. */
	IMAP_STATE_SASL,
	/* Awaiting the end of the client's TLS handshake. */
	IMAP_STATE_CLIENT_TLS,
	/* Awaiting the connection to the provider. */
	IMAP_STATE_CONNECTING,
	/* Awaiting the provider's answers while we log in there. */
	IMAP_STATE_PROVIDER,
	/* Logged in: bytes go both ways. */
	IMAP_STATE_RELAY,
	/* Nothing is awaited: the session is ending. */
	IMAP_STATE_CLOSED,
	IMAP_STATE_COUNT
};

enum provider_step {
	/* Awaiting "* OK". */
	PROVIDER_GREETING,
	/* Awaiting the answer to STARTTLS. */
	PROVIDER_STARTTLS,
	/* Awaiting the end of the handshake. */
	PROVIDER_TLS,
	/* Awaiting the list before the login. */
	PROVIDER_CAPABILITY,
	/* Awaiting "+" or the answer to AUTHENTICATE. */
	PROVIDER_AUTHENTICATE,
	/* Awaiting "+" or the answer to LOGIN. */
	PROVIDER_LOGIN,
	/* Awaiting the list after the login. */
	PROVIDER_CAPABILITY_AFTER,
	/* Awaiting the answers to ID and LIST. */
	PROVIDER_QUESTIONS,
	PROVIDER_STEP_COUNT
};

/* What is needed until the login is over. */
struct imap_login {
	/* Of the client's LOGIN or AUTHENTICATE. */
	struct strbuf tag;
	struct credential credential;
	struct sasl_server sasl;
	/* The client's ID, rebuilt; empty when it sent none. */
	struct strbuf client_id;
	bool asked_capability;
	unsigned int attempts;
	unsigned int mistakes;
	/* Synchronising literals of the current command answered with "+". */
	unsigned int continued;

	enum provider_step step;
	struct strbuf capabilities;
	bool has_capabilities;
	struct sasl_client sasl_client;
	/* LOGIN with literals: what is still to be sent, secret. */
	struct strbuf rest;
	unsigned int tag_number;
	unsigned int open_questions;
	unsigned int responses;
};

enum server_line {
	/* Only passes. */
	SERVER_LINE_PASS,
	SERVER_LINE_FETCH,
	SERVER_LINE_LIST,
};

enum client_wait {
	CLIENT_FREE,
	/* After a synchronising literal's header: for "+" or a refusal. */
	CLIENT_WAITS_CONTINUATION,
	/* A command that we answer ourselves: for the answers before it. */
	CLIENT_WAITS_QUIET,
	/* Too many commands under way. */
	CLIENT_WAITS_ROOM,
};

struct imap_relay {
	struct imap_track track;
	struct imap_gather gather;
	struct imap_fetch fetch;
	/* Is there anyone to tap for? */
	bool taps;
	/* Copy of the selected folder's name, for what is gathered in it. */
	struct strbuf folder;

	struct imap_lexer server;
	enum server_line server_line;
	struct strbuf list_line;
	/* The server said BYE: nothing of the client goes on. */
	bool bye;

	struct imap_lexer client;
	enum client_wait client_wait;
	bool client_paused;
	/* The command whose bytes are passing; NULL between commands. */
	struct imap_command *command;
	/* The server has answered it already; what still comes of it asks
	   nobody for its literals. */
	bool client_answered;
	/* The server has asked for its next literal already. */
	bool client_continued;
	/* Its text, where it matters. */
	struct strbuf text;
	/* Its tag, when we refuse it and drop its bytes. */
	struct strbuf refusing;
	bool is_refusing;
	/* It was read whole, its answer waits. */
	bool refusal_due;
	/* The next line ends an IDLE. */
	bool client_idle;
	bool client_eof;
	/* Bytes seen at the last timer, and quiet timers since. */
	uint64_t bytes_seen;
	unsigned int quiet_ticks;
};

struct imap_session {
	struct session *session;
	enum imap_state state;
	/* NULL after the login. */
	struct imap_login *login;
	/* NULL before it. */
	struct imap_relay *relay;
};

void imap_session_set_state(struct imap_session *m, enum imap_state state);
/* End with a BYE for the client. */
void imap_session_bye(struct imap_session *m, const char *text,
		      const char *why);

/* -- imap_preauth -- */
void imap_preauth_greet(struct imap_session *m);
size_t imap_preauth_bytes(struct imap_session *m, struct span in);
/* TLS is up: what was said before counts for nothing. */
void imap_preauth_tls(struct imap_session *m);
/* The login came to nothing: tell the client, which may try again. */
void imap_preauth_refuse(struct imap_session *m,
			 const struct imap_refusal *refusal);

/* -- imap_provider -- */
void imap_provider_start(struct imap_session *m);
size_t imap_provider_bytes(struct imap_session *m, struct span in);
void imap_provider_tls(struct imap_session *m);

/* -- imap_relay -- */
/* Made before our own questions (it keeps their answers). */
void imap_relay_create(struct imap_session *m);
void imap_relay_destroy(struct imap_relay **relay);
/* The client has its login answer. */
void imap_relay_start(struct imap_session *m);
size_t imap_relay_server_bytes(struct imap_session *m, struct span in);
size_t imap_relay_client_bytes(struct imap_session *m, struct span in);
void imap_relay_eof(struct imap_session *m, enum side from);
void imap_relay_timeout(struct imap_session *m);
/* Between commands: may be cut with a BYE. */
bool imap_relay_is_quiet(const struct imap_session *m);
/* Hand over what is gathered; does nothing inside a response. */
void imap_relay_flush_taps(struct imap_session *m);

#endif
