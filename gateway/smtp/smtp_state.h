/* smtp_state: what one SMTP session remembers, shared by the files that
   carry it: smtp_session (the whole), smtp_dialogue (the client's commands),
   smtp_login (the provider up to its 235), smtp_transaction (MAIL to the final
   reply) with smtp_stream and smtp_judged (content). */
#ifndef POSTERN_SMTP_STATE_H
#define POSTERN_SMTP_STATE_H

#include "proxy/relay.h"
#include "proxy/session.h"
#include "smtp/smtp_capability.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_content.h"
#include "smtp/smtp_data.h"
#include "smtp/smtp_envelope.h"
#include "smtp/smtp_reply.h"

#define SMTP_SIZE_REFUSAL "552 5.3.4 Message too large"
#define SMTP_NUL_REFUSAL  "554 5.6.0 The message has NUL bytes"

/* Commands at the provider without a reply; more wait in the relay. */
#define SMTP_PIPELINE_MAX 100
/* Accepted recipients of one message and their bytes: what the largest
   providers take, several times over. */
#define SMTP_RECIPIENTS_MAX	 5000
#define SMTP_RECIPIENT_BYTES_MAX (512 * 1024)
/* Refused commands in a row, and refused logins, of one session. */
#define SMTP_ERRORS_MAX		20
#define SMTP_LOGIN_FAILURES_MAX 5
/* RFC 5321 4.5.3.2.6: a provider may take so long after the final dot. */
#define SMTP_FINAL_TIMEOUT_S 600
/* RFC 5321 4.5.3.2.5: three minutes for each block of content. */
#define SMTP_CONTENT_TIMEOUT_S 180

/* What is awaited from the client. */
enum smtp_state {
	/* A command. */
	SMTP_COMMAND,
	/* The end of its TLS handshake. */
	SMTP_CLIENT_TLS,
	/* A response to the challenge of AUTH. */
	SMTP_SASL,
	/* Nothing: the provider is being logged in to. */
	SMTP_LOGIN,
	/* Nothing: DATA came, and replies to what came before it did not. */
	SMTP_DATA_ASKED,
	/* CRLF.CRLF. */
	SMTP_CONTENT,
	/* CRLF.CRLF, while what comes before it goes out. */
	SMTP_STREAM,
	/* CRLF.CRLF, after which the message is refused. */
	SMTP_REFUSED_CONTENT,
	/* Nothing: the message is being judged. */
	SMTP_VERDICT,
	/* Nothing: the provider is being given the message. */
	SMTP_DELIVERY,
	/* Nothing any more. */
	SMTP_CLOSED,
	SMTP_STATE_COUNT
};

/* What is awaited from the provider. */
enum smtp_server_state {
	/* Nothing: not connected. */
	SMTP_SERVER_NONE,
	/* The connection. */
	SMTP_SERVER_CONNECT,
	/* Its 220. */
	SMTP_SERVER_GREETING,
	/* What it can do. */
	SMTP_SERVER_EHLO,
	/* Leave to begin TLS. */
	SMTP_SERVER_STARTTLS,
	/* The end of the TLS handshake. */
	SMTP_SERVER_TLS,
	/* 334 or the outcome of AUTH. */
	SMTP_SERVER_AUTH,
	/* Replies to the commands in the queue, if any. */
	SMTP_SERVER_READY,
	/* 354. */
	SMTP_SERVER_DATA,
	/* Nothing but room: content is going out. */
	SMTP_SERVER_SENDING,
	/* The final reply. If it is lost, so is what became of the message. */
	SMTP_SERVER_FINAL,
	SMTP_SERVER_STATE_COUNT
};

/* A command the provider has not answered yet. */
enum smtp_waiting {
	SMTP_WAITING_MAIL,
	SMTP_WAITING_RCPT,
	/* RSET, NOOP, VRFY of the client: the reply goes through. */
	SMTP_WAITING_OTHER,
	/* A RSET of our own: the reply is for us. */
	SMTP_WAITING_OWN_RSET,
};

enum smtp_mail_state {
	SMTP_MAIL_NONE,
	/* MAIL is at the provider. */
	SMTP_MAIL_ASKED,
	SMTP_MAIL_ACCEPTED,
};

struct smtp_session {
	struct session *session;
	enum smtp_state state;
	enum smtp_server_state server_state;
	bool has_helo;
	bool has_ehlo;
	/* It closed while its message was at the provider. */
	bool client_is_gone;
	/* It sent on after DATA, and did not wait for its reply. */
	bool data_follows;
	/* This transaction's content is not kept. */
	bool streams;
	/* The relay keeps the client's bytes until wake_client. */
	bool holds_client;
	unsigned int errors;
	unsigned int login_failures;
	/* What the client may use: the profile, then what the provider has
	   of it. */
	struct smtp_capabilities offered;
	struct smtp_capabilities provider;
	struct smtp_reply reply;

	/* While logging in. */
	struct sasl_server sasl_server;
	struct sasl_client sasl_client;
	struct credential credential;

	/* A ring of enum smtp_waiting. */
	unsigned char waiting[SMTP_PIPELINE_MAX];
	unsigned int waiting_first;
	unsigned int waiting_count;

	/* The open transaction. */
	enum smtp_mail_state mail;
	bool utf8;
	/* Without brackets. */
	struct strbuf from;
	/* Accepted recipients, separated by LF. */
	struct strbuf rcpts;
	unsigned int rcpt_count;
	/* Those in the queue, each ended by LF, and where the first begins. */
	struct strbuf asked_rcpts;
	size_t asked_at;
	/* Of the scanner, then of the writer. */
	struct smtp_data data;
	/* The writer cannot pass the content as it is. */
	bool has_dot_lines;
	struct smtp_content content;
	/* What to answer at the end of refused content: static, or in
	   refusal_text. */
	const char *refusal;
	struct strbuf refusal_text;
	/* Of refused content. */
	uint64_t dropped_bytes;
	/* Of streamed content: how much came, and the copy of its beginning. */
	uint64_t stream_size;
	struct strbuf tap;
	/* How much of the content has gone out, and the hash of that. */
	uint64_t sent;
};

static inline struct smtp_session *smtp_of(struct session *s)
{
	return session_state(s);
}

/* Does the provider have DATA, and not yet answered the message? */
static inline bool smtp_is_delivering(const struct smtp_session *smtp)
{
	return smtp->state == SMTP_DELIVERY || smtp->state == SMTP_STREAM;
}

/* -- smtp_session.c -- */
/* The only ways to change the states: they log, and set the timer. */
void smtp_set_state(struct smtp_session *smtp, enum smtp_state state);
void smtp_set_server_state(struct smtp_session *smtp,
			   enum smtp_server_state state);
/* Answer the client with one line, given without CRLF. */
void smtp_answer(struct smtp_session *smtp, const char *line);
/* Begin to wait anew for whoever is awaited now. */
void smtp_renew_timeout(struct smtp_session *smtp);
/* As smtp_answer, and the session ends. */
void smtp_end(struct smtp_session *smtp, const char *line, const char *why);
/* End without a word. */
void smtp_close(struct smtp_session *smtp, const char *why);
/* The provider broke the protocol or went away, and we are between commands
   or before the final dot: 421. */
void smtp_provider_lost(struct smtp_session *smtp, const char *why);
/* Leave the client's bytes in the relay, and take them again. */
void smtp_hold_client(struct smtp_session *smtp);
void smtp_wake_client(struct smtp_session *smtp);
/* Our name in greetings: the host's, if it is one. */
const char *smtp_host_name(void);

/* -- smtp_dialogue.c -- */
/* Answer a command that is not carried out. While replies to earlier ones are
   still to come nothing is said: the client is held, and the same command is
   looked at again after them. */
void smtp_refuse(struct smtp_session *smtp, const char *line);
/* As smtp_refuse, for DATA: when more came behind it, the session ends. */
void smtp_refuse_data(struct smtp_session *smtp, const char *line);
/* Take what the client said; return how many bytes are done with. */
size_t smtp_bytes_from_client(struct smtp_session *smtp, struct span in);
/* DATA, now that all replies before it are there. */
void smtp_proceed_data(struct smtp_session *smtp);

/* -- smtp_login.c -- */
/* The credential is complete: find its provider and log in there. Ends in
   SMTP_COMMAND with the client answered. */
void smtp_login_start(struct smtp_session *smtp);
void smtp_login_connected(struct smtp_session *smtp);
void smtp_login_tls(struct smtp_session *smtp);
/* A reply up to and with that to AUTH. */
void smtp_login_reply(struct smtp_session *smtp);
/* The provider cannot be used now: never a wrong password. */
void smtp_login_unavailable(struct smtp_session *smtp, const char *why);

/* -- smtp_transaction.c -- */
/* Replies to these commands come from the provider, later and in order. */
void smtp_transaction_mail(struct smtp_session *smtp, struct span argument);
void smtp_transaction_rcpt(struct smtp_session *smtp, struct span argument);
void smtp_transaction_pass(struct smtp_session *smtp, const char *command,
			   struct span argument);
/* Forget the transaction, here and at the provider, if there is one. */
void smtp_transaction_reset(struct smtp_session *smtp);
/* DATA; no other command is under way. */
void smtp_transaction_data(struct smtp_session *smtp);
/* A reply after the login. */
void smtp_transaction_reply(struct smtp_session *smtp);
/* The connection to the provider ended while it was given a message. */
void smtp_transaction_lost(struct smtp_session *smtp, const char *why);
void smtp_transaction_finish(struct smtp_session *smtp);

/* -- smtp_judged.c -- */
/* Give leave to send the content. */
void smtp_judged_begin(struct smtp_session *smtp);
/* Bytes after 354; return how many are done with. */
size_t smtp_judged_content(struct smtp_session *smtp, struct span in);
/* CRLF.CRLF was seen. */
void smtp_judged_end(struct smtp_session *smtp);
/* The provider's 354 is there: send what it takes, now and later. */
void smtp_judged_send(struct session *s);

/* -- smtp_stream.c -- */
/* May the content go through without being judged? */
bool smtp_stream_is_possible(const struct smtp_session *smtp);
/* Ask the provider for its 354. */
void smtp_stream_begin(struct smtp_session *smtp);
/* It came. */
void smtp_stream_go(struct smtp_session *smtp);
/* The provider has the beginning of the message, and must not have or does
   not want the end: leave it, and answer the client with reply (without its
   last CRLF) where its content ends, so that it hears it. The session is good
   for nothing after that. */
void smtp_stream_refuse(struct smtp_session *smtp, struct span reply);
/* Bytes after it; return how many are done with. */
size_t smtp_stream_content(struct smtp_session *smtp, struct span in);
/* The provider has accepted the message. */
void smtp_stream_accepted(struct smtp_session *smtp);
void smtp_stream_finish(struct smtp_session *smtp);

#endif
