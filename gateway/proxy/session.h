/* session: one client connection and its server connection, from accept to
   close. Owns both endpoints, the timers and the reason it ended. Protocols
   (imap/, smtp/) give it a table of functions; what happens to mail and
   logins is decided behind hooks. Knows nothing of filters, policy or the
   queue. */
#ifndef POSTERN_PROXY_SESSION_H
#define POSTERN_PROXY_SESSION_H

#include <sys/socket.h>

#include "config/settings.h"
#include "lib/folder.h"
#include "lib/span.h"
#include "lib/verdict.h"
#include "proxy/sasl.h"

struct session;
struct session_owner;

enum side {
	/* The mail program. */
	SIDE_CLIENT,
	/* The provider. */
	SIDE_SERVER,
};

static inline enum side side_other(enum side side)
{
	return side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
}

/* What a protocol does when something happens. All are required. None may
   touch the session after session_close. */
struct protocol {
	const char *name;
	/* Make the protocol's own state; kept as session_state(s). */
	void *(*create)(struct session *s);
	void (*destroy)(void *state);
	/* The client is there, with TLS where the listener has it implicit:
	   greet it. */
	void (*start)(struct session *s);
	/* Plaintext arrived (RFC nouns decide what it is). Consume from the
	   head of in by relay_forward, or by looking, and return how many
	   bytes are done with; the rest is kept (up to RELAY_HELD_MAX) and
	   given again, with what follows, when more arrives or after
	   relay_resume. in borrows from a buffer shared by all sessions. */
	size_t (*on_bytes)(struct session *s, enum side from, struct span in);
	/* The provider is connected, with verified TLS where it is implicit. */
	void (*on_connected)(struct session *s);
	/* No address of the provider worked, or its certificate did not; the
	   client is still there and waits for an answer. */
	void (*on_connect_failed)(struct session *s, const char *why);
	/* The handshake asked for with session_start_tls is done. */
	void (*on_tls)(struct session *s, enum side side);
	/* The peer will send no more; everything it sent was delivered, and
	   what is kept will not become longer. relay_was_truncated tells if
	   it closed in order. A client whose connection broke is closed
	   without being asked; a provider's is told here, so that the client
	   gets a last line. */
	void (*on_eof)(struct session *s, enum side from);
	/* The timer set with session_set_timeout ran out. */
	void (*on_timeout)(struct session *s);
	/* posternd is draining: say so (BYE, 421) as soon as no command is
	   under way, then session_close. Called again each second. */
	void (*on_drain)(struct session *s);
};

/* What on_route answers. All borrow from the session's settings. */
struct session_route {
	const struct provider *provider;
	/* NULL: unknown organization, carried uninspected. */
	const struct organization *organization;
	bool inspect;
};

/* Where a tapped message came from. All spans borrow for the call. */
struct tap_source {
	enum folder_role folder;
	bool folder_in_scope;
	bool outgoing;
	/* IMAP; 0 where not known. */
	struct span folder_name;
	uint32_t uidvalidity;
	uint32_t uid;
	struct span flags;
	/* SMTP; ptr NULL where there is none. Separated by LF. */
	struct span envelope_from;
	struct span envelope_rcpts;
	/* Only headers were seen (or an ENVELOPE): there will be no body. */
	bool headers_only;
	bool truncated;
};

/* A whole transaction, before its DATA goes to the provider. */
struct transaction_view {
	struct span envelope_from;
	struct span envelope_rcpts;
	/* Sealed memfd with the exact bytes after dot-unstuffing, the same
	   bytes mapped, and their SHA-256. Borrowed for as long as the
	   question is open. */
	int content_fd;
	struct span content;
	const unsigned char *content_sha256;
};

/* Give the verdict of the transaction asked about, now or later; exactly once
   unless the session closed first. reply is the text of a refusal. */
typedef void transaction_answer(struct session *s, enum verdict verdict,
				const char *reply);

/* What the rest of posternd decides and learns. Any may be NULL. */
struct session_hooks {
	/* Choose where a login goes. Return 0, or -1 with a reason for the
	   log: the client is told that the account is not served. */
	int (*on_route)(struct session *s, const struct credential *credential,
			struct session_route *route_r, struct error *err_r);
	/* The provider accepted the login. */
	void (*on_login)(struct session *s);
	/* Is this message worth copying? Asked before its literal. */
	bool (*wants_message)(struct session *s,
			      const struct tap_source *source);
	/* A copy of a message passed; bytes are an RFC 5322 message (or its
	   beginning). Must copy what it keeps; must not close the session. */
	void (*on_message)(struct session *s, const struct tap_source *source,
			   struct span bytes);
	/* Must the content of a transaction be judged before the provider
	   has it? Asked when its recipients are known. When not, it streams
	   through, on_message is given a copy once the provider accepted it,
	   and the two hooks below hear nothing of it. NULL: it must. */
	bool (*judges_transaction)(struct session *s);
	/* Decide. NULL hook: relay. */
	void (*on_transaction)(struct session *s,
			       const struct transaction_view *view,
			       transaction_answer *answer);
	/* The provider gave its final reply to the transaction. */
	void (*on_transaction_done)(struct session *s, bool accepted);
	void (*on_close)(struct session *s);
};

/* -- for protocols -- */
void *session_state(const struct session *s);
#define SESSION_ID_SIZE 16
/* Text such as "7f3a-000012": unique per worker life. First in log lines. */
const char *session_id(const struct session *s);
const struct settings *session_settings(const struct session *s);
const struct session_hooks *session_hooks(const struct session *s);
const struct listener_settings *session_listener(const struct session *s);
/* The client's address, from the PROXY header where there was one. */
const char *session_client_address(const struct session *s);
bool session_has_tls(const struct session *s, enum side side);
/* Is it allowed to send a credential now (TLS, or trusted plaintext)? */
bool session_may_authenticate(const struct session *s);

/* The login as the protocol read it, lower case, valid after
   session_set_mailbox; "" before. */
const char *session_mailbox(const struct session *s);
void session_set_mailbox(struct session *s, struct span login);
const struct session_route *session_route(const struct session *s);

/* Ask on_route, then begin to connect to the provider's service of this
   protocol. Ends in on_connected or on_connect_failed. Return -1 when the
   route was refused. */
int session_connect(struct session *s, const struct credential *credential,
		    struct error *err_r);
/* Drop the server connection (login failed; the client may try again). */
void session_disconnect_server(struct session *s);

/* Begin TLS: as server towards the client, as client with verification
   towards the provider. Anything already received in plaintext from that
   side ends the session: it may have been injected (on_connect_failed for
   the server side). Inside on_bytes: return right after it, with exactly the
   bytes up to the end of the STARTTLS exchange, so that what follows shows.
   Ends in on_tls, or for the server side in on_connect_failed. */
void session_start_tls(struct session *s, enum side side);

/* The login was accepted by the provider: stop wiping what the client sends
   after reading, stop the pre-login timer, count it. Calls on_login. */
void session_authenticated(struct session *s);
bool session_is_authenticated(const struct session *s);

/* Per-address and per-account limits. False: refuse now. */
bool session_login_allowed(struct session *s, struct span login);
void session_login_failed(struct session *s, struct span login);

/* One timer per session; replaces the earlier one; 0 stops it. */
void session_set_timeout(struct session *s, unsigned int seconds);

/* End both sides with a reason a person can read (at most one line, no peer
   text unless quoted). Ciphertext already produced is still sent to the
   client for a short while. The session is reaped later: do not touch it
   again in this call. */
void session_close(struct session *s, const char *why);

/* The pipeline's own pointer. */
void session_set_context(struct session *s, void *context);
void *session_context(const struct session *s);

/* Log with session= and, once known, mailbox= in front; postern trace sees
   the same lines. */
void session_log(const struct session *s, enum log_level level,
		 const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
