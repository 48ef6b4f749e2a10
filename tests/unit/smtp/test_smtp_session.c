/* Sessions as transcripts: what each side says, and what the other hears.
   Each is played whole and then one byte at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_relay.h"
#include "lib/hash.h"
#include "lib/metrics.h"
#include "smtp/smtp_content.h"
#include "smtp/smtp_session.h"
#include "smtp/smtp_state.h"

enum step_kind {
	STEP_END,
	/* The client, or the provider, sends. */
	STEP_CLIENT,
	STEP_SERVER,
	/* Exactly this was sent to it since the last look. */
	STEP_TO_CLIENT,
	STEP_TO_SERVER,
	/* The session ended with a reason that begins so. */
	STEP_CLOSED,
	STEP_CONNECT_FAILED,
	STEP_CLIENT_EOF,
	STEP_SERVER_EOF,
	STEP_TIMEOUT,
	STEP_DRAIN,
	/* The one who was asked for a verdict gives it. */
	STEP_RELAY,
	STEP_HOLD,
	STEP_REJECT,
};

struct step {
	enum step_kind kind;
	const char *text;
};

/* What a session begins with, other than the default. */
#define STARTTLS_LISTENER 1u
#define PLAIN_PROVIDER	  2u
#define NO_INITIAL	  4u
#define NO_CONNECTION	  8u
#define NO_ROUTE	  16u
#define LIMITED		  32u
#define ASKS_VERDICT	  64u
#define GENERIC		  128u
/* Not one byte at a time: what is tested is that things come together. */
#define TOGETHER 256u
/* Nobody judges: content goes through. */
#define STREAMS 512u

#define C(text)                                                                \
	{                                                                      \
		STEP_CLIENT, text                                              \
	}
#define S(text)                                                                \
	{                                                                      \
		STEP_SERVER, text                                              \
	}
#define TO_C(text)                                                             \
	{                                                                      \
		STEP_TO_CLIENT, text                                           \
	}
#define TO_S(text)                                                             \
	{                                                                      \
		STEP_TO_SERVER, text                                           \
	}
#define CLOSED(why)                                                            \
	{                                                                      \
		STEP_CLOSED, why                                               \
	}
#define EVENT(kind)                                                            \
	{                                                                      \
		kind, NULL                                                     \
	}

#define GREETING "220 HOST ESMTP Postern\r\n"
#define COMMON                                                                 \
	"250-HOST\r\n250-PIPELINING\r\n250-SIZE 1048576\r\n"                   \
	"250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
#define EHLO_REPLY                                                             \
	COMMON "250-ENHANCEDSTATUSCODES\r\n"                                   \
	       "250 AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER\r\n"
#define PROVIDER_EHLO                                                          \
	"250-p\r\n250-PIPELINING\r\n250-SIZE 500000\r\n250-8BITMIME\r\n"       \
	"250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n"                          \
	"250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN XOAUTH2\r\n"
/* "\0ann\0pw" */
#define ANN "AGFubgBwdw=="

#define ASKED                                                                  \
	TO_C(GREETING), C("EHLO c\r\n"), TO_C(EHLO_REPLY),                     \
		C("AUTH PLAIN " ANN "\r\n")
#define BEFORE_AUTH                                                            \
	ASKED, S("220 p ESMTP\r\n"), TO_S("EHLO HOST\r\n"), S(PROVIDER_EHLO)
#define LOGGED_IN                                                              \
	BEFORE_AUTH, TO_S("AUTH PLAIN " ANN "\r\n"), S("235 2.7.0 yes\r\n"),   \
		TO_C("235 2.7.0 Authentication successful\r\n")
#define MAIL_AND_RCPT                                                          \
	C("MAIL FROM:<ann@acme.com>\r\n"),                                     \
		TO_S("MAIL FROM:<ann@acme.com>\r\n"), S("250 2.1.0 Ok\r\n"),   \
		TO_C("250 2.1.0 Ok\r\n"), C("RCPT TO:<bob@b.example>\r\n"),    \
		TO_S("RCPT TO:<bob@b.example>\r\n"), S("250 2.1.5 Ok\r\n"),    \
		TO_C("250 2.1.5 Ok\r\n")
#define GO_AHEAD "354 End data with <CR><LF>.<CR><LF>\r\n"
#define DATA	 MAIL_AND_RCPT, C("DATA\r\n"), TO_C(GO_AHEAD), TO_S("")
#define UNAVAILABLE                                                            \
	TO_C("454 4.7.0 The mail provider cannot be reached now\r\n")

#define STEPS_MAX 64

static const struct transcript {
	const char *name;
	unsigned int flags;
	struct step steps[STEPS_MAX];
} transcripts[] = {
	/* -- before the login -- */
	{ "quit",
	  0,
	  { TO_C(GREETING), C("QUIT\r\n"), TO_C("221 2.0.0 Bye\r\n"),
	    CLOSED("client quit") } },
	{ "what needs a login",
	  0,
	  { TO_C(GREETING), C("MAIL FROM:<a>\r\n"),
	    TO_C("503 5.5.1 Say EHLO first\r\n"), C("HELO c\r\n"),
	    TO_C("250 HOST\r\n"), C("MAIL FROM:<a>\r\n"),
	    TO_C("530 5.7.0 Authentication required\r\n"),
	    C("AUTH PLAIN x\r\n"), TO_C("503 5.5.1 Say EHLO first\r\n"),
	    C("RSET\r\nNOOP\r\n"), TO_C("250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"),
	    C("BDAT 1\r\n"), TO_C("502 5.5.1 Command not implemented\r\n"),
	    C("XYZZY\r\n"), TO_C("500 5.5.2 Command not known\r\n"),
	    TO_S("") } },
	{ "a bare LF in a command",
	  0,
	  { TO_C(GREETING), C("EHLO c\n"),
	    TO_C("500 5.5.2 Lines end with CRLF\r\n"),
	    CLOSED("client: bare") } },
	{ "another protocol",
	  0,
	  { TO_C(GREETING), C("POST / HTTP/1.1\r\nHost: x\r\n"),
	    TO_C("421 5.5.1 This is SMTP\r\n"), CLOSED("client speaks") } },
	{ "STARTTLS",
	  STARTTLS_LISTENER,
	  { TO_C(GREETING), C("EHLO c\r\n"),
	    TO_C(COMMON "250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n"),
	    C("AUTH PLAIN " ANN "\r\n"),
	    TO_C("530 5.7.0 Begin TLS with STARTTLS first\r\n"),
	    C("STARTTLS\r\n"), TO_C("220 2.0.0 Ready to start TLS\r\n"),
	    C("AUTH PLAIN " ANN "\r\n"), TO_C("503 5.5.1 Say EHLO first\r\n"),
	    C("EHLO c\r\n"), TO_C(EHLO_REPLY), C("STARTTLS\r\n"),
	    TO_C("503 5.5.1 TLS is on already\r\n") } },
	{ "commands injected before TLS",
	  STARTTLS_LISTENER | TOGETHER,
	  { TO_C(GREETING), C("EHLO c\r\n"),
	    TO_C(COMMON "250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n"),
	    C("STARTTLS\r\nRSET\r\n"), TO_C("220 2.0.0 Ready to start TLS\r\n"),
	    CLOSED("data before TLS") } },
	/* -- login -- */
	{ "PLAIN with initial response", 0, { LOGGED_IN } },
	{ "LOGIN by challenge, PLAIN to the provider",
	  0,
	  { TO_C(GREETING), C("EHLO c\r\n"), TO_C(EHLO_REPLY),
	    C("AUTH LOGIN\r\n"), TO_C("334 VXNlcm5hbWU6\r\n"), C("YW5u\r\n"),
	    TO_C("334 UGFzc3dvcmQ6\r\n"), C("cHc=\r\n"), TO_C(""),
	    S("220 p\r\n"), TO_S("EHLO HOST\r\n"),
	    S("250-p\r\n250 AUTH LOGIN\r\n"), TO_S("AUTH LOGIN\r\n"),
	    S("334 VXNlcm5hbWU6\r\n"), TO_S("YW5u\r\n"),
	    S("334 UGFzc3dvcmQ6\r\n"), TO_S("cHc=\r\n"), S("235 yes\r\n"),
	    TO_C("235 2.7.0 Authentication successful\r\n") } },
	{ "a token without initial response, refused with a reason",
	  NO_INITIAL,
	  { TO_C(GREETING), C("EHLO c\r\n"), TO_C(EHLO_REPLY),
	    C("AUTH XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgdG9rAQE=\r\n"),
	    S("220 p\r\n"), TO_S("EHLO HOST\r\n"), S(PROVIDER_EHLO),
	    TO_S("AUTH XOAUTH2\r\n"), S("334 \r\n"),
	    TO_S("dXNlcj1hbm4BYXV0aD1CZWFyZXIgdG9rAQE=\r\n"),
	    S("334 eyJzdGF0dXMiOiI0MDAifQ==\r\n"), TO_S("\r\n"),
	    S("535-5.7.8 Not\r\n535 5.7.8 accepted\r\n"),
	    TO_C("535-5.7.8 Not\r\n535 5.7.8 accepted\r\n") } },
	{ "cancel, nonsense, and a mechanism we lack",
	  0,
	  { TO_C(GREETING), C("EHLO c\r\n"), TO_C(EHLO_REPLY),
	    C("AUTH PLAIN\r\n"), TO_C("334 \r\n"), C("*\r\n"),
	    TO_C("501 5.7.0 Authentication cancelled\r\n"),
	    C("AUTH PLAIN !!\r\n"),
	    TO_C("501 5.5.2 Malformed authentication response\r\n"),
	    C("AUTH PLAIN =\r\n"),
	    TO_C("501 5.5.2 Malformed authentication response\r\n"),
	    C("AUTH GSSAPI x\r\n"),
	    TO_C("504 5.5.4 Mechanism not supported\r\n"), TO_S("") } },
	{ "STARTTLS to the provider",
	  PLAIN_PROVIDER,
	  { ASKED, S("220 p\r\n"), TO_S("EHLO HOST\r\n"),
	    S("250-p\r\n250-AUTH LOGIN\r\n250 STARTTLS\r\n"),
	    TO_S("STARTTLS\r\n"), S("220 go\r\n"), TO_S("EHLO HOST\r\n"),
	    S(PROVIDER_EHLO), TO_S("AUTH PLAIN " ANN "\r\n"), S("235 yes\r\n"),
	    TO_C("235 2.7.0 Authentication successful\r\n") } },
	{ "a provider whose STARTTLS was removed",
	  PLAIN_PROVIDER,
	  { ASKED, S("220 p\r\n"), TO_S("EHLO HOST\r\n"), S(PROVIDER_EHLO),
	    TO_S(""), UNAVAILABLE } },
	{ "replies injected before TLS with the provider",
	  PLAIN_PROVIDER | TOGETHER,
	  { ASKED, S("220 p\r\n"), TO_S("EHLO HOST\r\n"),
	    S("250-p\r\n250 STARTTLS\r\n"), TO_S("STARTTLS\r\n"),
	    S("220 go\r\n250-p\r\n250 AUTH PLAIN\r\n"), TO_S(""),
	    UNAVAILABLE } },
	{ "no connection, and again",
	  NO_CONNECTION,
	  { ASKED, EVENT(STEP_CONNECT_FAILED), UNAVAILABLE,
	    C("AUTH PLAIN " ANN "\r\n"), EVENT(STEP_CONNECT_FAILED),
	    UNAVAILABLE } },
	{ "an account that is not served",
	  NO_ROUTE,
	  { ASKED, TO_C("535 5.7.1 This account is not served here\r\n") } },
	{ "too many logins before",
	  LIMITED,
	  { ASKED,
	    TO_C("454 4.7.0 Too many failed logins, try again later\r\n") } },
	{ "a wrong password, five times",
	  0,
	  { BEFORE_AUTH,
	    TO_S("AUTH PLAIN " ANN "\r\n"),
	    S("535 5.7.8 no\r\n"),
	    TO_C("535 5.7.8 no\r\n"),
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S(PROVIDER_EHLO),
	    S("534 5.7.9 app password\r\n"),
	    TO_C("534 5.7.9 app password\r\n"),
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S(PROVIDER_EHLO),
	    S("550 5.7.30 Basic authentication is off\r\n"),
	    TO_C("550 5.7.30 Basic authentication is off\r\n"),
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S(PROVIDER_EHLO),
	    S("535 no\r\n"),
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S(PROVIDER_EHLO),
	    S("535 no\r\n"),
	    TO_C("535 no\r\n535 no\r\n421 4.7.0 Too many failed logins\r\n"),
	    CLOSED("client: too many failed") } },
	{ "broken providers are no wrong password",
	  0,
	  { ASKED,
	    S("554 5.3.2 closed\r\n"),
	    UNAVAILABLE,
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("nonsense\r\n"),
	    UNAVAILABLE,
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S("500 what\r\n"),
	    UNAVAILABLE,
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S("250-p\r\n250 AUTH GSSAPI\r\n"),
	    UNAVAILABLE,
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S(PROVIDER_EHLO),
	    S("454 4.7.0 later\r\n"),
	    UNAVAILABLE,
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S(PROVIDER_EHLO),
	    S("538 5.7.11 encrypt\r\n"),
	    UNAVAILABLE,
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S(PROVIDER_EHLO),
	    S("334 what\r\n"),
	    UNAVAILABLE,
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    EVENT(STEP_SERVER_EOF),
	    UNAVAILABLE,
	    C("AUTH PLAIN " ANN "\r\n"),
	    EVENT(STEP_TIMEOUT),
	    UNAVAILABLE } },
	{ "the list only shrinks",
	  0,
	  { LOGGED_IN, C("EHLO c\r\n"),
	    TO_C("250-HOST\r\n250-PIPELINING\r\n250-SIZE 500000\r\n"
		 "250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
		 "250 ENHANCEDSTATUSCODES\r\n"),
	    C("AUTH PLAIN x\r\n"), TO_C("503 5.5.1 Already authenticated\r\n"),
	    TO_S("") } },
	/* -- transactions -- */
	{ "one message",
	  0,
	  { LOGGED_IN, DATA, C("Subject: x\r\n\r\n..dot\r\n.\r\n"),
	    TO_S("DATA\r\n"), TO_C(""), S("354 go\r\n"),
	    TO_S("Subject: x\r\n\r\n..dot\r\n.\r\n"),
	    S("250-2.0.0 Ok\r\n250 2.0.0 queued as 1\r\n"),
	    TO_C("250-2.0.0 Ok\r\n250 2.0.0 queued as 1\r\n"), C("QUIT\r\n"),
	    TO_C("221 2.0.0 Bye\r\n"), TO_S("QUIT\r\n"),
	    CLOSED("client quit") } },
	{ "an empty message, and another",
	  0,
	  { LOGGED_IN, DATA, C(".\r\n"), TO_S("DATA\r\n"), S("354 go\r\n"),
	    TO_S(".\r\n"), S("250 1\r\n"), TO_C("250 1\r\n"), DATA,
	    C("a\r\n.\r\n"), TO_S("DATA\r\n"), S("354 go\r\n"),
	    TO_S("a\r\n.\r\n"), S("250 2\r\n"), TO_C("250 2\r\n") } },
	{ "everything in one packet",
	  0,
	  { LOGGED_IN,
	    C("MAIL FROM:<ann@acme.com> SIZE=3\r\nRCPT TO:<b>\r\n"
	      "RCPT TO:<c>\r\nDATA\r\n"),
	    TO_S("MAIL FROM:<ann@acme.com> SIZE=3\r\nRCPT TO:<b>\r\n"
		 "RCPT TO:<c>\r\n"),
	    TO_C(""), S("250 m\r\n550 5.1.1 b\r\n250 c\r\n"),
	    TO_C("250 m\r\n550 5.1.1 b\r\n250 c\r\n" GO_AHEAD), TO_S(""),
	    C("a\r\n.\r\nMAIL FROM:<>\r\n"), TO_S("DATA\r\n"), S("354 go\r\n"),
	    TO_S("a\r\n.\r\n"), S("250 queued\r\n"), TO_C("250 queued\r\n"),
	    TO_S("MAIL FROM:<>\r\n") } },
	{ "replies keep their order",
	  0,
	  { LOGGED_IN,
	    C("MAIL FROM:<a>\r\nRCPT TO:bad\r\nRCPT TO:<c>\r\nVRFY x\r\n"
	      "HELP\r\nRCPT\r\nRSET\r\nNOOP\r\n"),
	    TO_S("MAIL FROM:<a>\r\n"),
	    TO_C(""),
	    S("250 m\r\n"),
	    TO_C("250 m\r\n501 5.1.3 Bad recipient address syntax\r\n"),
	    TO_S("RCPT TO:<c>\r\n"),
	    S("250 c\r\n"),
	    TO_C("250 c\r\n"),
	    TO_S("VRFY x\r\n"),
	    S("252 v\r\n"),
	    TO_C("252 v\r\n214 2.0.0 See RFC 5321 and RFC 6409\r\n"
		 "501 5.5.4 An argument is missing\r\n"),
	    TO_S("RSET\r\n"),
	    S("250 r\r\n"),
	    TO_C("250 r\r\n"),
	    TO_S("NOOP\r\n"),
	    S("250 n\r\n"),
	    TO_C("250 n\r\n"),
	    C("DATA\r\n"),
	    TO_C("503 5.5.1 Need MAIL first\r\n") } },
	{ "a provider without PIPELINING or anything",
	  GENERIC,
	  { TO_C(GREETING),
	    C("EHLO c\r\n"),
	    { STEP_TO_CLIENT, NULL },
	    C("AUTH PLAIN " ANN "\r\n"),
	    S("220 p\r\n"),
	    S("250-p\r\n250 AUTH PLAIN\r\n"),
	    S("235 yes\r\n"),
	    { STEP_TO_CLIENT, NULL },
	    { STEP_TO_SERVER, NULL },
	    C("MAIL FROM:<a> SIZE=10 BODY=7BIT\r\nRCPT TO:<b>\r\n"
	      "RCPT TO:<c>\r\n"),
	    TO_S("MAIL FROM:<a>\r\n"),
	    S("250 m\r\n"),
	    TO_S("RCPT TO:<b>\r\n"),
	    S("250 b\r\n"),
	    TO_S("RCPT TO:<c>\r\n"),
	    S("250 c\r\n"),
	    TO_C("250 m\r\n250 b\r\n250 c\r\n"),
	    C("RCPT TO:<d> NOTIFY=NEVER\r\n"),
	    TO_C("555 5.5.4 The mail provider has no DSN\r\n"),
	    C("RSET\r\n"),
	    TO_S("RSET\r\n"),
	    S("250 r\r\n"),
	    TO_C("250 r\r\n"),
	    C("MAIL FROM:<a> SMTPUTF8\r\n"),
	    TO_C("550 5.6.7 The mail provider has no SMTPUTF8\r\n"),
	    C("MAIL FROM:<a> BODY=8BITMIME\r\n"),
	    TO_C("554 5.6.3 The mail provider has no 8BITMIME\r\n"),
	    C("MAIL FROM:<a> RET=FULL\r\n"),
	    TO_C("555 5.5.4 The mail provider has no DSN\r\n"),
	    C("MAIL FROM:<a> REQUIRETLS\r\n"),
	    TO_C("550 5.7.30 REQUIRETLS cannot be kept\r\n"),
	    TO_S("") } },
	{ "parameters go through",
	  0,
	  { LOGGED_IN,
	    C("MAIL FROM:<zo\xc3\xab@a> SMTPUTF8 BODY=8BITMIME RET=HDRS "
	      "ENVID=x AUTH=<>\r\n"),
	    TO_S("MAIL FROM:<zo\xc3\xab@a> BODY=8BITMIME SMTPUTF8 RET=HDRS "
		 "ENVID=x AUTH=<>\r\n"),
	    S("250 m\r\n"), TO_C("250 m\r\n"),
	    C("RCPT TO:<\xc3\xa9@b> NOTIFY=DELAY ORCPT=utf-8;x@b\r\n"),
	    TO_S("RCPT TO:<\xc3\xa9@b> NOTIFY=DELAY ORCPT=utf-8;x@b\r\n"),
	    S("250 r\r\n"), TO_C("250 r\r\n") } },
	{ "nobody accepted",
	  0,
	  { LOGGED_IN, C("MAIL FROM:<a>\r\n"), S("250 m\r\n"),
	    C("RCPT TO:<b>\r\n"), S("550 5.1.1 no\r\n"), C("DATA\r\n"),
	    TO_C("250 m\r\n550 5.1.1 no\r\n554 5.5.1 No valid "
		 "recipients\r\n"),
	    TO_S("MAIL FROM:<a>\r\nRCPT TO:<b>\r\n") } },
	{ "content after a refused DATA is not commands",
	  TOGETHER,
	  { LOGGED_IN, C("MAIL FROM:<a>\r\n"), S("250 m\r\n"),
	    C("RCPT TO:<b>\r\nDATA\r\nMAIL FROM:<x>\r\n.\r\n"),
	    S("550 5.1.1 no\r\n"),
	    TO_C("250 m\r\n550 5.1.1 no\r\n554 5.5.1 No valid "
		 "recipients\r\n"),
	    CLOSED("client sent on") } },
	{ "nor when it was the sender that was refused",
	  TOGETHER,
	  { LOGGED_IN,
	    C("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nMAIL FROM:<x>\r\n"),
	    S("550 5.7.1 not yours\r\n250 2.1.5 b\r\n"),
	    TO_C("550 5.7.1 not yours\r\n250 2.1.5 b\r\n503 5.5.1 Need MAIL "
		 "first\r\n"),
	    TO_S("MAIL FROM:<a>\r\nRCPT TO:<b>\r\n"),
	    CLOSED("client sent on") } },
	{ "a provider that asks for content too early",
	  0,
	  { LOGGED_IN, C("MAIL FROM:<a>\r\n"), S("354 go\r\n"),
	    TO_C("421 4.3.0 The mail provider ended the session\r\n"),
	    CLOSED("server: reply out of order") } },
	{ "a refused sender",
	  0,
	  { LOGGED_IN, C("MAIL FROM:<a>\r\n"), S("550 5.7.1 not yours\r\n"),
	    TO_C("550 5.7.1 not yours\r\n"), C("RCPT TO:<b>\r\n"),
	    TO_C("503 5.5.1 Need MAIL first\r\n"), C("MAIL FROM:<b>\r\n"),
	    S("250 m\r\n"), TO_C("250 m\r\n"), C("MAIL FROM:<c>\r\n"),
	    TO_C("503 5.5.1 A transaction is open already\r\n") } },
	{ "EHLO forgets the transaction",
	  0,
	  { LOGGED_IN, MAIL_AND_RCPT, C("HELO c\r\n"), TO_C("250 HOST\r\n"),
	    TO_S("RSET\r\n"), S("250 flushed\r\n"), TO_C(""), C("DATA\r\n"),
	    TO_C("503 5.5.1 Need MAIL first\r\n") } },
	{ "bare CR and LF",
	  0,
	  { LOGGED_IN, DATA, C("a\r\n.\nMAIL FROM:<evil>\r\n"),
	    TO_C("554 5.5.2 Lines must end with CRLF\r\n"),
	    TO_S("RSET\r\nQUIT\r\n"), CLOSED("client: bare CR") } },
	{ "declared too large",
	  0,
	  { LOGGED_IN, C("MAIL FROM:<a> SIZE=500001\r\n"),
	    TO_C("552 5.3.4 Message too large\r\n"), TO_S("") } },
	{ "the provider refuses DATA",
	  0,
	  { LOGGED_IN, DATA, C("a\r\n.\r\n"), TO_S("DATA\r\n"),
	    S("451 4.3.0 later\r\n"), TO_C("451 4.3.0 later\r\n"),
	    TO_S("RSET\r\n"), S("250 r\r\n"), TO_C(""), DATA } },
	{ "the provider refuses the message",
	  0,
	  { LOGGED_IN,
	    DATA,
	    C("a\r\n.\r\n"),
	    S("354 go\r\n"),
	    S("550 5.7.1 spam\r\n"),
	    TO_C("550 5.7.1 spam\r\n"),
	    { STEP_TO_SERVER, NULL },
	    DATA } },
	/* -- verdicts -- */
	{ "relayed later",
	  ASKS_VERDICT,
	  { LOGGED_IN, DATA, C("a\r\n.\r\nNOOP\r\n"), TO_S(""), TO_C(""),
	    EVENT(STEP_RELAY), TO_S("DATA\r\n"), S("354 go\r\n"),
	    TO_S("a\r\n.\r\n"), S("250 2.0.0 Ok\r\n"), TO_C("250 2.0.0 Ok\r\n"),
	    TO_S("NOOP\r\n") } },
	{ "rejected with a text of lines",
	  ASKS_VERDICT,
	  { LOGGED_IN, DATA, C("a\r\n.\r\n"), EVENT(STEP_REJECT),
	    TO_C("550-5.7.1 not\r\n550 5.7.1 today?\r\n"), TO_S("RSET\r\n"),
	    S("250 r\r\n"), TO_C(""), DATA } },
	{ "held",
	  ASKS_VERDICT,
	  { LOGGED_IN, DATA, C("a\r\n.\r\n"), EVENT(STEP_HOLD),
	    TO_C("451 4.7.0 Message refused\r\n"), TO_S("RSET\r\n") } },
	{ "no verdict",
	  ASKS_VERDICT,
	  { LOGGED_IN, DATA, C("a\r\n.\r\n"), EVENT(STEP_TIMEOUT),
	    TO_C("421 4.3.0 No decision in time\r\n"), CLOSED("no verdict") } },
	/* -- nobody judges -- */
	{ "streamed",
	  STREAMS,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\n"), TO_C(""), TO_S("DATA\r\n"),
	    S("354 p: go\r\n"), TO_C("354 p: go\r\n"), C("Subject: x\r\n"),
	    TO_S("Subject: x\r\n"), C("\r\n..dot\r\n.\r\nNOOP\r\n"), TO_C(""),
	    TO_S("\r\n..dot\r\n.\r\n"), S("250 2.0.0 queued\r\n"),
	    TO_C("250 2.0.0 queued\r\n"), TO_S("NOOP\r\n"), S("250 n\r\n"),
	    TO_C("250 n\r\n"), MAIL_AND_RCPT } },
	{ "streamed, commands in one packet",
	  STREAMS,
	  { LOGGED_IN, C("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n"),
	    TO_S("MAIL FROM:<a>\r\nRCPT TO:<b>\r\n"), S("250 m\r\n250 b\r\n"),
	    TO_S("DATA\r\n"), TO_C("250 m\r\n250 b\r\n"), S("354 go\r\n"),
	    TO_C("354 go\r\n"), C("a\r\n.\r\n"), TO_S("a\r\n.\r\n"),
	    S("554 5.7.1 no\r\n"), TO_C("554 5.7.1 no\r\n"), TO_S(""),
	    C("MAIL FROM:<a>\r\n"), TO_S("MAIL FROM:<a>\r\n") } },
	{ "streamed, DATA refused",
	  STREAMS,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\n"), TO_S("DATA\r\n"),
	    S("451 4.3.0 later\r\n"), TO_C("451 4.3.0 later\r\n"),
	    TO_S("RSET\r\n"), S("250 r\r\n"), TO_C(""), MAIL_AND_RCPT } },
	{ "streamed, DATA refused and the content came all the same",
	  STREAMS | TOGETHER,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\nMAIL FROM:<x>\r\n.\r\n"),
	    TO_S("DATA\r\n"), S("451 4.3.0 later\r\n"),
	    TO_C("451 4.3.0 later\r\n"), TO_S("RSET\r\n"),
	    CLOSED("client sent on") } },
	{ "streamed, the same a little later",
	  STREAMS,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\n"), TO_S("DATA\r\n"),
	    C("MAIL FROM:<x>\r\n.\r\n"), S("451 4.3.0 later\r\n"),
	    TO_C("451 4.3.0 later\r\n"), CLOSED("client sent on") } },
	{ "streamed, content before 354 that is then given",
	  STREAMS,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\na\r\n.\r\n"), TO_S("DATA\r\n"),
	    S("354 go\r\n"), TO_C("354 go\r\n"), TO_S("a\r\n.\r\n"),
	    S("250 ok\r\n"), TO_C("250 ok\r\n") } },
	{ "streamed, a bare LF before the dot",
	  STREAMS | TOGETHER,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\n"), TO_S("DATA\r\n"),
	    S("354 go\r\n"), TO_C("354 go\r\n"), C("a\r\n"), TO_S("a\r\n"),
	    C("b\n.\r\nMAIL FROM:<evil>\r\n"),
	    TO_C("554 5.5.2 Lines must end with CRLF\r\n"), TO_S(""),
	    CLOSED("client: bare CR") } },
	{ "streamed, the provider leaves in the middle",
	  STREAMS,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\n"), S("354 go\r\n"),
	    TO_C("354 go\r\n"), C("a\r\n"), EVENT(STEP_SERVER_EOF), TO_C(""),
	    C("b\r\n.\r\n"),
	    TO_C("451 4.4.2 The mail provider was lost, the message was not "
		 "sent\r\n"),
	    C("MAIL FROM:<a>\r\n"),
	    TO_C("421 4.3.0 The mail provider ended the session\r\n"),
	    CLOSED("no provider") } },
	{ "streamed, the provider leaves after the dot",
	  STREAMS,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\n"), S("354 go\r\n"),
	    TO_C("354 go\r\n"), C("a\r\n.\r\n"), EVENT(STEP_SERVER_EOF),
	    TO_C("451 4.4.2 The mail provider was lost after it had the "
		 "message, which may have been sent\r\n"),
	    CLOSED("server lost after") } },
	{ "streamed, refused in the middle",
	  STREAMS,
	  { LOGGED_IN,
	    MAIL_AND_RCPT,
	    C("DATA\r\n"),
	    S("354 go\r\n"),
	    TO_C("354 go\r\n"),
	    C("a\r\n"),
	    { STEP_TO_SERVER, NULL },
	    S("552-5.3.4 more\r\n552 5.3.4 enough\r\n"),
	    TO_C(""),
	    C("b\r\n.\r\n"),
	    TO_C("552-5.3.4 more\r\n552 5.3.4 enough\r\n"),
	    TO_S(""),
	    C("QUIT\r\n"),
	    TO_C("221 2.0.0 Bye\r\n"),
	    CLOSED("client quit") } },
	{ "streamed, the client leaves in the middle",
	  STREAMS,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\n"), S("354 go\r\n"),
	    C("a\r\n"), EVENT(STEP_CLIENT_EOF), CLOSED("client closed") } },
	{ "streamed, the client stops in the middle",
	  STREAMS,
	  { LOGGED_IN, MAIL_AND_RCPT, C("DATA\r\n"), S("354 go\r\n"),
	    TO_C("354 go\r\n"), C("a\r\n"), EVENT(STEP_TIMEOUT),
	    TO_C("421 4.4.2 Timeout\r\n"), CLOSED("client idle") } },
	/* -- what providers do -- */
	{ "421 between transactions",
	  0,
	  { LOGGED_IN, S("421 4.4.2 idle\r\n"),
	    TO_C("421 4.3.0 The mail provider ended the session\r\n"),
	    CLOSED("server: 421") } },
	{ "closed between transactions",
	  0,
	  { LOGGED_IN, EVENT(STEP_SERVER_EOF),
	    TO_C("421 4.3.0 The mail provider ended the session\r\n"),
	    CLOSED("server closed") } },
	{ "421 to a command",
	  0,
	  { LOGGED_IN, C("MAIL FROM:<a>\r\n"), S("421 4.3.2 bye\r\n"),
	    TO_C("421 4.3.2 bye\r\n"), CLOSED("server: 421") } },
	{ "a reply to nothing",
	  0,
	  { LOGGED_IN, S("250 surprise\r\n"),
	    TO_C("421 4.3.0 The mail provider ended the session\r\n"),
	    CLOSED("server: reply to nothing") } },
	{ "a malformed reply",
	  0,
	  { LOGGED_IN, C("MAIL FROM:<a>\r\n"), S("250 ok\n"),
	    TO_C("421 4.3.0 The mail provider ended the session\r\n"),
	    CLOSED("server: malformed") } },
	{ "no reply",
	  0,
	  { LOGGED_IN, C("MAIL FROM:<a>\r\n"), EVENT(STEP_TIMEOUT),
	    TO_C("421 4.3.0 The mail provider ended the session\r\n"),
	    CLOSED("server does not answer") } },
	{ "lost before the final dot",
	  0,
	  { LOGGED_IN, DATA, C("a\r\n.\r\n"), EVENT(STEP_SERVER_EOF),
	    TO_C("451 4.4.2 The mail provider was lost, the message was not "
		 "sent\r\n"),
	    CLOSED("server lost before") } },
	{ "lost after the final dot",
	  0,
	  { LOGGED_IN, DATA, C("a\r\n.\r\n"), S("354 go\r\n"), S("250-half"),
	    EVENT(STEP_SERVER_EOF),
	    TO_C("451 4.4.2 The mail provider was lost after it had the "
		 "message, which may have been sent\r\n"),
	    CLOSED("server lost after") } },
	{ "silent after the final dot",
	  0,
	  { LOGGED_IN, DATA, C("a\r\n.\r\n"), S("354 go\r\n"),
	    EVENT(STEP_TIMEOUT),
	    TO_C("451 4.4.2 The mail provider was lost after it had the "
		 "message, which may have been sent\r\n"),
	    CLOSED("server lost after") } },
	{ "421 instead of the final reply",
	  0,
	  { LOGGED_IN, DATA, C("a\r\n.\r\n"), S("354 go\r\n"),
	    S("421 4.3.2 bye\r\n"), TO_C("421 4.3.2 bye\r\n"),
	    CLOSED("server: 421") } },
	/* -- ends -- */
	{ "the client closes in its content",
	  0,
	  { LOGGED_IN, DATA, C("a\r\n"), EVENT(STEP_CLIENT_EOF), TO_S(""),
	    CLOSED("client closed") } },
	{ "the client closes while its message is at the provider",
	  0,
	  { LOGGED_IN, DATA, C("a\r\n.\r\n"), S("354 go\r\n"),
	    EVENT(STEP_CLIENT_EOF), S("250 2.0.0 Ok\r\n"),
	    CLOSED("client closed") } },
	{ "idle",
	  0,
	  { LOGGED_IN, EVENT(STEP_TIMEOUT), TO_C("421 4.4.2 Timeout\r\n"),
	    CLOSED("client idle") } },
	{ "drained at once",
	  0,
	  { LOGGED_IN, EVENT(STEP_DRAIN),
	    TO_C("421 4.3.2 Service restarts, come again\r\n"),
	    TO_S("QUIT\r\n"), CLOSED("drained") } },
	{ "drained in the middle of AUTH",
	  0,
	  { TO_C(GREETING),
	    C("EHLO c\r\n"),
	    { STEP_TO_CLIENT, NULL },
	    C("AUTH PLAIN\r\n"),
	    TO_C("334 \r\n"),
	    EVENT(STEP_DRAIN),
	    TO_C("421 4.3.2 Service restarts, come again\r\n"),
	    CLOSED("drained") } },
	{ "drained after the transaction",
	  0,
	  { LOGGED_IN, MAIL_AND_RCPT, EVENT(STEP_DRAIN), TO_C(""),
	    C("DATA\r\n"), EVENT(STEP_DRAIN), TO_C(GO_AHEAD), C("a\r\n.\r\n"),
	    S("354 go\r\n"), EVENT(STEP_DRAIN), S("250 2.0.0 Ok\r\n"),
	    TO_C("250 2.0.0 Ok\r\n"), EVENT(STEP_DRAIN),
	    TO_C("421 4.3.2 Service restarts, come again\r\n"),
	    CLOSED("drained") } },
};

/* -- playing them -- */

static transaction_answer *pending_answer;
static unsigned int done_count;
static bool done_accepted;
static char seen_envelope[200];
static char seen_content[200];

static void on_transaction(struct session *s,
			   const struct transaction_view *view,
			   transaction_answer *answer)
{
	unsigned char digest[HASH_SHA256_SIZE];
	ssize_t len;

	(void)s;
	len = pread(view->content_fd, seen_content, sizeof(seen_content), 0);
	assert_int_equal(len, view->content.len);
	hash_sha256(span_of(seen_content, (size_t)len), digest);
	assert_memory_equal(digest, view->content_sha256, sizeof(digest));
	/* Sealed: nobody can write, not even we. */
	assert_int_equal(pwrite(view->content_fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(view->content_fd, 0), -1);
	snprintf(seen_envelope, sizeof(seen_envelope), "%.*s|%.*s",
		 SPAN_ARGS(view->envelope_from),
		 SPAN_ARGS(view->envelope_rcpts));
	pending_answer = answer;
}

static void on_transaction_done(struct session *s, bool accepted)
{
	(void)s;
	done_count++;
	done_accepted = accepted;
}

static bool judges_nothing(struct session *s)
{
	(void)s;
	return false;
}

static unsigned int tapped_count;
static bool tapped_whole;
static char tapped_envelope[200];
static char tapped_bytes[200];

static void on_message(struct session *s, const struct tap_source *source,
		       struct span bytes)
{
	(void)s;
	assert_true(source->outgoing);
	tapped_count++;
	tapped_whole = !source->truncated;
	snprintf(tapped_envelope, sizeof(tapped_envelope), "%.*s|%.*s",
		 SPAN_ARGS(source->envelope_from),
		 SPAN_ARGS(source->envelope_rcpts));
	snprintf(tapped_bytes, sizeof(tapped_bytes), "%.*s", SPAN_ARGS(bytes));
}

static void set_up(struct session *s, unsigned int flags)
{
	fake_init(s, &smtp_protocol);
	s->hooks.on_transaction_done = on_transaction_done;
	if ((flags & STARTTLS_LISTENER) != 0) {
		s->listener.tls = TLS_STARTTLS;
		s->sides[SIDE_CLIENT].has_tls = false;
	}
	if ((flags & PLAIN_PROVIDER) != 0) {
		s->provider.smtp.tls = TLS_STARTTLS;
		s->sides[SIDE_SERVER].has_tls = false;
	}
	if ((flags & NO_INITIAL) != 0) {
		s->provider.quirks = PROVIDER_QUIRK_AUTH_NO_INITIAL;
	}
	if ((flags & ASKS_VERDICT) != 0) {
		s->hooks.on_transaction = on_transaction;
	}
	if ((flags & STREAMS) != 0) {
		s->hooks.judges_transaction = judges_nothing;
		s->hooks.on_message = on_message;
		s->settings.message.max_tap_bytes = 100;
		s->settings.message.tap_budget_bytes = 150;
		tapped_count = 0;
	}
	if ((flags & GENERIC) != 0) {
		s->provider.preset = (char *)"generic";
	}
	s->route_refused = (flags & NO_ROUTE) != 0;
	s->login_refused_by_limit = (flags & LIMITED) != 0;
	pending_answer = NULL;
	done_count = 0;
}

/* Our name depends on the machine: write HOST for it. */
static void name_host(struct span out, struct strbuf *named)
{
	struct span host = span_str(smtp_host_name());

	for (size_t i = 0; i < out.len; i++) {
		if (i >= 4 &&
		    (out.ptr[i - 1] == ' ' || out.ptr[i - 1] == '-') &&
		    span_starts(span_from(out, i), host)) {
			strbuf_add_str(named, "HOST");
			i += host.len - 1;
		} else {
			strbuf_add_char(named, out.ptr[i]);
		}
	}
}

static void expect_sent(const struct transcript *t, size_t step,
			struct strbuf *out)
{
	struct strbuf named = STRBUF_INIT(FAKE_OUT_MAX);
	const char *want = t->steps[step].text;

	name_host(strbuf_span(out), &named);
	if (want != NULL && strcmp(strbuf_cstr(&named), want) != 0) {
		print_error("%s, step %zu:\nwant: %s\ngot:  %s\n", t->name,
			    step, want, strbuf_cstr(&named));
		fail();
	}
	strbuf_finish(&named);
	strbuf_clear(out);
}

static void give_verdict(struct session *s, enum verdict verdict,
			 const char *text)
{
	transaction_answer *answer = pending_answer;

	assert_non_null(answer);
	pending_answer = NULL;
	answer(s, verdict, text);
	fake_work(s);
}

static void play_event(struct session *s, enum step_kind kind)
{
	switch (kind) {
	case STEP_CONNECT_FAILED:
		s->protocol->on_connect_failed(s, "refused");
		break;
	case STEP_CLIENT_EOF:
		s->protocol->on_eof(s, SIDE_CLIENT);
		break;
	case STEP_SERVER_EOF:
		s->protocol->on_eof(s, SIDE_SERVER);
		break;
	case STEP_TIMEOUT:
		s->protocol->on_timeout(s);
		break;
	case STEP_DRAIN:
		s->protocol->on_drain(s);
		break;
	case STEP_RELAY:
		give_verdict(s, VERDICT_RELAY, NULL);
		break;
	case STEP_HOLD:
		give_verdict(s, VERDICT_HOLD, NULL);
		break;
	default:
		give_verdict(s, VERDICT_REJECT, "not\ntoday\x01");
		break;
	}
}

static void play(const struct transcript *t, size_t piece)
{
	struct session s;

	set_up(&s, t->flags);
	fake_start(&s);
	for (size_t i = 0; i < STEPS_MAX && t->steps[i].kind != STEP_END; i++) {
		const struct step *step = &t->steps[i];

		if ((t->flags & NO_CONNECTION) != 0) {
			s.connecting = false;
		}
		switch (step->kind) {
		case STEP_CLIENT:
		case STEP_SERVER:
			fake_receive(&s,
				     step->kind == STEP_CLIENT ? SIDE_CLIENT
							       : SIDE_SERVER,
				     span_str(step->text), piece);
			break;
		case STEP_TO_CLIENT:
			expect_sent(t, i, &s.sides[SIDE_CLIENT].out);
			break;
		case STEP_TO_SERVER:
			expect_sent(t, i, &s.sides[SIDE_SERVER].out);
			break;
		case STEP_CLOSED:
			if (!s.closed || !span_starts(span_str(s.why),
						      span_str(step->text))) {
				print_error("%s: closed=%d %s\n", t->name,
					    s.closed, s.why);
				fail();
			}
			break;
		default:
			play_event(&s, step->kind);
			break;
		}
	}
	fake_finish(&s);
	assert_int_equal(smtp_content_in_use(), 0);
}

static void transcripts_whole_and_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(transcripts); i++) {
		play(&transcripts[i], SIZE_MAX);
		if ((transcripts[i].flags & TOGETHER) == 0) {
			play(&transcripts[i], 1);
		}
	}
	print_message("%zu transcripts\n", N_ELEMENTS(transcripts));
}

/* -- what transcripts do not show -- */

static const struct transcript to_login = { "login", 0, { LOGGED_IN } };
static const struct transcript to_content = { "content",
					      0,
					      { LOGGED_IN, DATA } };

/* Play a beginning and leave the session to the test. */
static void begin(struct session *s, const struct transcript *t,
		  unsigned int flags)
{
	set_up(s, t->flags | flags);
	fake_start(s);
	for (size_t i = 0; t->steps[i].kind != STEP_END; i++) {
		const struct step *step = &t->steps[i];

		if (step->kind == STEP_CLIENT || step->kind == STEP_SERVER) {
			fake_receive(s,
				     step->kind == STEP_CLIENT ? SIDE_CLIENT
							       : SIDE_SERVER,
				     span_str(step->text), SIZE_MAX);
		}
	}
	for (int i = 0; i < 2; i++) {
		strbuf_clear(&s->sides[i].out);
	}
}

static void says(struct session *s, enum side from, const char *text)
{
	fake_receive(s, from, span_str(text), SIZE_MAX);
}

static void assert_sent(struct session *s, enum side to, const char *text)
{
	assert_string_equal(strbuf_cstr(&s->sides[to].out), text);
	strbuf_clear(&s->sides[to].out);
}

/* Lines of a message of at least size bytes; every seventh begins with a dot
   when dots is set, and each holds one in its middle. */
static void make_message(struct strbuf *message, size_t size, bool dots)
{
	for (unsigned int n = 0; message->len < size; n++) {
		strbuf_addf(
			message, "%sline.%u .%.*s\r\n",
			dots && n % 7 == 0 ? "." : "", n, (int)(n % 50),
			"..................................................");
	}
}

static void send_large(size_t size, bool dots, size_t piece)
{
	struct strbuf message = STRBUF_INIT(FAKE_OUT_MAX);
	struct strbuf wire = STRBUF_INIT(FAKE_OUT_MAX);
	struct smtp_data stuffer;
	struct session s;

	make_message(&message, size, dots);
	smtp_data_init(&stuffer);
	assert_int_equal(
		smtp_data_stuff(&stuffer, strbuf_span(&message), &wire), 0);
	assert_int_equal(smtp_data_finish(&stuffer, &wire), 0);
	begin(&s, &to_content, 0);
	fake_receive(&s, SIDE_CLIENT, strbuf_span(&wire), piece);
	assert_sent(&s, SIDE_SERVER, "DATA\r\n");
	/* A provider that is slow to take it. */
	s.sides[SIDE_SERVER].backlog = 1;
	says(&s, SIDE_SERVER, "354 go\r\n");
	while (s.sides[SIDE_SERVER].when_writable != NULL) {
		assert_true(s.sides[SIDE_SERVER].backlog <=
			    RELAY_HIGH_MARK + 256 * 1024);
		fake_drain_backlog(&s, SIDE_SERVER);
		s.sides[SIDE_SERVER].backlog = 1;
	}
	assert_int_equal(s.sides[SIDE_SERVER].out.len, wire.len);
	assert_memory_equal(s.sides[SIDE_SERVER].out.ptr, wire.ptr, wire.len);
	strbuf_clear(&s.sides[SIDE_SERVER].out);
	says(&s, SIDE_SERVER, "250 2.0.0 Ok\r\n");
	assert_sent(&s, SIDE_CLIENT, "250 2.0.0 Ok\r\n");
	assert_int_equal(done_count, 1);
	assert_true(done_accepted);
	assert_int_equal(smtp_content_in_use(), 0);
	fake_finish(&s);
	strbuf_finish(&message);
	strbuf_finish(&wire);
}

static void messages_of_all_sizes_arrive_as_they_were(void **state)
{
	static const size_t sizes[] = { 1,     4096,  16384,  65535,
					65536, 65537, 131072, 450000 };
	static const size_t pieces[] = { 4096, 16384, 60000 };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		for (size_t p = 0; p < N_ELEMENTS(pieces); p++) {
			send_large(sizes[i], false, pieces[p]);
			send_large(sizes[i], true, pieces[p]);
		}
	}
}

static void too_large_is_refused_at_its_end(void **state)
{
	struct strbuf message = STRBUF_INIT(FAKE_OUT_MAX);
	struct session s;

	(void)state;
	make_message(&message, 600000, false);
	begin(&s, &to_content, 0);
	fake_receive(&s, SIDE_CLIENT, strbuf_span(&message), 16384);
	assert_sent(&s, SIDE_CLIENT, "");
	assert_int_equal(smtp_content_in_use(), 0);
	says(&s, SIDE_CLIENT, ".\r\n");
	assert_sent(&s, SIDE_CLIENT, "552 5.3.4 Message too large\r\n");
	assert_sent(&s, SIDE_SERVER, "RSET\r\n");
	says(&s, SIDE_SERVER, "250 r\r\n");
	assert_false(s.closed);
	fake_finish(&s);

	/* Without end, it ends. */
	begin(&s, &to_content, 0);
	for (int i = 0; i < 60 && !s.closed; i++) {
		fake_receive(&s, SIDE_CLIENT, strbuf_span(&message), 16384);
	}
	assert_true(s.closed);
	assert_sent(&s, SIDE_CLIENT, "552 5.3.4 Message too large\r\n");
	fake_finish(&s);
	strbuf_finish(&message);
}

static void the_budget_is_shared_and_given_back(void **state)
{
	struct strbuf message = STRBUF_INIT(FAKE_OUT_MAX);
	struct session first, second;

	(void)state;
	make_message(&message, 300000, false);
	begin(&first, &to_content, 0);
	fake_receive(&first, SIDE_CLIENT, strbuf_span(&message), 16384);
	assert_int_equal(smtp_content_in_use(), message.len);
	assert_int_equal(metric_get(METRIC_MESSAGE_BYTES_HELD), message.len);

	begin(&second, &to_content, 0);
	second.settings.message.message_budget_bytes = 500000;
	fake_receive(&second, SIDE_CLIENT, strbuf_span(&message), 16384);
	says(&second, SIDE_CLIENT, ".\r\n");
	assert_sent(&second, SIDE_CLIENT,
		    "452 4.3.1 Too many messages at once, try again soon\r\n");
	assert_int_equal(smtp_content_in_use(), message.len);
	says(&second, SIDE_SERVER, "250 r\r\n");
	says(&second, SIDE_CLIENT, "MAIL FROM:<a> SIZE=300000\r\n");
	assert_sent(&second, SIDE_CLIENT,
		    "452 4.3.1 Too many messages at once, try again soon\r\n");
	fake_finish(&second);

	fake_finish(&first);
	assert_int_equal(smtp_content_in_use(), 0);
	strbuf_finish(&message);
}

static void nul_is_refused_at_the_end(void **state)
{
	struct session s;

	(void)state;
	begin(&s, &to_content, 0);
	fake_receive(&s, SIDE_CLIENT, SPAN("a\0b\r\n.\r\nNOOP\r\n"), 1);
	assert_sent(&s, SIDE_CLIENT, "554 5.6.0 The message has NUL bytes\r\n");
	assert_sent(&s, SIDE_SERVER, "RSET\r\n");
	assert_false(s.closed);
	fake_finish(&s);
}

/* Only accepted recipients are part of what is judged. */
static void the_view_is_what_was_accepted(void **state)
{
	struct session s;

	(void)state;
	begin(&s, &to_login, ASKS_VERDICT);
	says(&s, SIDE_CLIENT,
	     "MAIL FROM:<ann@acme.com>\r\nRCPT TO:<b@b>\r\nRCPT TO:<c@c>\r\n"
	     "RCPT TO:<d@d>\r\nDATA\r\n");
	says(&s, SIDE_SERVER, "250 m\r\n250 b\r\n550 c\r\n250 d\r\n");
	says(&s, SIDE_CLIENT, "..x\r\n.\r\n");
	assert_string_equal(seen_envelope, "ann@acme.com|b@b\nd@d");
	assert_memory_equal(seen_content, ".x\r\n", 4);
	assert_int_equal(done_count, 0);
	give_verdict(&s, VERDICT_RELAY, NULL);
	says(&s, SIDE_SERVER, "354 go\r\n");
	says(&s, SIDE_SERVER, "452 4.2.2 full\r\n");
	assert_int_equal(done_count, 1);
	assert_false(done_accepted);
	fake_finish(&s);
}

static void doubt_is_counted_once(void **state)
{
	uint64_t before = metric_get(METRIC_TRANSACTIONS_IN_DOUBT);
	struct session s;

	(void)state;
	begin(&s, &to_content, 0);
	says(&s, SIDE_CLIENT, "a\r\n.\r\n");
	says(&s, SIDE_SERVER, "354 go\r\n");
	s.protocol->on_eof(&s, SIDE_SERVER);
	assert_true(s.closed);
	assert_int_equal(metric_get(METRIC_TRANSACTIONS_IN_DOUBT), before + 1);
	assert_int_equal(done_count, 1);
	assert_false(done_accepted);
	fake_finish(&s);

	begin(&s, &to_content, 0);
	says(&s, SIDE_CLIENT, "a\r\n.\r\n");
	s.protocol->on_eof(&s, SIDE_SERVER);
	assert_int_equal(metric_get(METRIC_TRANSACTIONS_IN_DOUBT), before + 1);
	fake_finish(&s);
}

/* A provider that refuses in the middle of content, and takes no more. */
static void refused_in_the_middle(void **state)
{
	struct strbuf message = STRBUF_INIT(FAKE_OUT_MAX);
	struct session s;

	(void)state;
	make_message(&message, 400000, false);
	strbuf_add_str(&message, ".\r\n");
	begin(&s, &to_content, 0);
	fake_receive(&s, SIDE_CLIENT, strbuf_span(&message), 16384);
	s.sides[SIDE_SERVER].backlog = 1;
	says(&s, SIDE_SERVER, "354 go\r\n");
	assert_non_null(s.sides[SIDE_SERVER].when_writable);
	says(&s, SIDE_SERVER, "552 5.3.4 enough\r\n");
	assert_sent(&s, SIDE_CLIENT, "552 5.3.4 enough\r\n");
	assert_true(s.closed);
	assert_false(done_accepted);
	fake_finish(&s);
	strbuf_finish(&message);
}

static void many_errors_end_the_session(void **state)
{
	struct session s;
	int i = 0;

	(void)state;
	begin(&s, &to_login, 0);
	while (!s.closed && i++ < 100) {
		says(&s, SIDE_CLIENT, "XYZZY\r\n");
	}
	assert_int_equal(i, SMTP_ERRORS_MAX);
	assert_true(span_iends(strbuf_span(&s.sides[SIDE_CLIENT].out),
			       SPAN("421 4.7.0 Too many errors\r\n")));
	fake_finish(&s);
}

/* More commands in one packet than may be out at a time. */
static void long_pipelines_are_taken_in_parts(void **state)
{
	struct strbuf commands = STRBUF_INIT(FAKE_OUT_MAX);
	struct strbuf replies = STRBUF_INIT(FAKE_OUT_MAX);
	struct session s;

	(void)state;
	begin(&s, &to_login, ASKS_VERDICT);
	strbuf_add_str(&commands, "MAIL FROM:<a>\r\n");
	strbuf_add_str(&replies, "250 m\r\n");
	for (int i = 0; i < 1000; i++) {
		strbuf_addf(&commands, "RCPT TO:<r%d@b>\r\n", i);
		strbuf_addf(&replies, "250 r%d\r\n", i);
	}
	strbuf_add_str(&commands, "DATA\r\n");
	fake_receive(&s, SIDE_CLIENT, strbuf_span(&commands), SIZE_MAX);
	fake_receive(&s, SIDE_SERVER, strbuf_span(&replies), 100);
	strbuf_add_str(&replies, GO_AHEAD);
	assert_sent(&s, SIDE_CLIENT, strbuf_cstr(&replies));
	commands.len -= strlen("DATA\r\n");
	assert_sent(&s, SIDE_SERVER, strbuf_cstr(&commands));
	assert_int_equal(smtp_of(&s)->rcpt_count, 1000);
	fake_finish(&s);
	strbuf_finish(&commands);
	strbuf_finish(&replies);
}

/* A token too long for an initial response goes in a line of its own. */
static void long_tokens_wait_for_334(void **state)
{
	struct strbuf plain = STRBUF_INIT(SASL_LINE_MAX);
	struct strbuf line = STRBUF_INIT(SASL_LINE_MAX * 2);
	struct session s;

	(void)state;
	strbuf_add_str(&plain, "user=ann\x01"
			       "auth=Bearer ");
	for (int i = 0; i < 8000; i++) {
		strbuf_add_char(&plain, 'x');
	}
	strbuf_add_str(&plain, "\x01\x01");
	strbuf_add_str(&line, "AUTH XOAUTH2 ");
	base64_encode(strbuf_span(&plain), &line);
	strbuf_add_str(&line, "\r\n");
	set_up(&s, 0);
	fake_start(&s);
	says(&s, SIDE_CLIENT, "EHLO c\r\n");
	says(&s, SIDE_CLIENT, strbuf_cstr(&line));
	says(&s, SIDE_SERVER, "220 p\r\n");
	strbuf_clear(&s.sides[SIDE_SERVER].out);
	says(&s, SIDE_SERVER, PROVIDER_EHLO);
	assert_sent(&s, SIDE_SERVER, "AUTH XOAUTH2\r\n");
	says(&s, SIDE_SERVER, "334 \r\n");
	assert_sent(&s, SIDE_SERVER,
		    strbuf_cstr(&line) + strlen("AUTH XOAUTH2 "));
	assert_string_equal(s.mailbox, "ann");
	fake_finish(&s);
	strbuf_finish(&plain);
	strbuf_finish(&line);
}

static void failed_logins_are_counted_only_when_refused(void **state)
{
	struct session s;

	(void)state;
	set_up(&s, 0);
	fake_start(&s);
	says(&s, SIDE_CLIENT, "EHLO c\r\nAUTH PLAIN " ANN "\r\n");
	says(&s, SIDE_SERVER, "220 p\r\n");
	says(&s, SIDE_SERVER, PROVIDER_EHLO);
	says(&s, SIDE_SERVER, "421 4.7.0 later\r\n");
	assert_int_equal(s.failed_logins, 0);
	says(&s, SIDE_CLIENT, "AUTH PLAIN " ANN "\r\n");
	says(&s, SIDE_SERVER, "220 p\r\n");
	says(&s, SIDE_SERVER, PROVIDER_EHLO);
	says(&s, SIDE_SERVER, "535 5.7.8 no\r\n");
	assert_int_equal(s.failed_logins, 1);
	assert_int_equal(smtp_of(&s)->credential.secret.len, 0);
	fake_finish(&s);
}

static void timeouts_belong_to_who_is_awaited(void **state)
{
	struct session s;

	(void)state;
	begin(&s, &to_login, 0);
	assert_int_equal(s.timeout_s, 1800);
	says(&s, SIDE_CLIENT, "MAIL FROM:<a>\r\n");
	assert_int_equal(s.timeout_s, 60);
	says(&s, SIDE_SERVER, "250 m\r\n");
	assert_int_equal(s.timeout_s, 1800);
	says(&s, SIDE_CLIENT, "RCPT TO:<b>\r\n");
	says(&s, SIDE_SERVER, "250 m\r\n");
	says(&s, SIDE_CLIENT, "DATA\r\n");
	assert_int_equal(s.timeout_s, SMTP_CONTENT_TIMEOUT_S);
	says(&s, SIDE_CLIENT, "a\r\n.\r\n");
	assert_int_equal(s.timeout_s, 60);
	says(&s, SIDE_SERVER, "354 go\r\n");
	assert_int_equal(s.timeout_s, SMTP_FINAL_TIMEOUT_S);
	fake_finish(&s);
}

static void begin_stream(struct session *s)
{
	begin(s, &to_login, STREAMS);
	says(s, SIDE_CLIENT,
	     "MAIL FROM:<ann@acme.com>\r\nRCPT TO:<b@b>\r\n"
	     "RCPT TO:<c@c>\r\nDATA\r\n");
	says(s, SIDE_SERVER, "250 m\r\n550 b\r\n250 c\r\n");
	says(s, SIDE_SERVER, "354 go\r\n");
	for (int i = 0; i < 2; i++) {
		strbuf_clear(&s->sides[i].out);
	}
}

static void what_streams_is_tapped_once_accepted(void **state)
{
	struct session s;

	(void)state;
	begin_stream(&s);
	says(&s, SIDE_CLIENT, "Subject: x\r\n\r\n..y\r\n.\r\n");
	assert_int_equal(tapped_count, 0);
	says(&s, SIDE_SERVER, "250 2.0.0 Ok\r\n");
	assert_int_equal(tapped_count, 1);
	assert_true(tapped_whole);
	assert_string_equal(tapped_envelope, "ann@acme.com|c@c");
	assert_string_equal(tapped_bytes, "Subject: x\r\n\r\n.y\r\n");
	assert_int_equal(done_count, 0);
	fake_finish(&s);

	begin_stream(&s);
	says(&s, SIDE_CLIENT, "Subject: x\r\n.\r\n");
	says(&s, SIDE_SERVER, "550 5.7.1 no\r\n");
	assert_int_equal(tapped_count, 0);
	fake_finish(&s);
}

static void taps_are_bounded_and_given_back(void **state)
{
	struct strbuf message = STRBUF_INIT(FAKE_OUT_MAX);
	struct session first, second;

	(void)state;
	make_message(&message, 400000, false);
	strbuf_add_str(&message, ".\r\n");
	for (int round = 0; round < 3; round++) {
		begin_stream(&first);
		fake_receive(&first, SIDE_CLIENT, strbuf_span(&message), 16384);
		assert_int_equal(first.sides[SIDE_SERVER].out.len, message.len);
		assert_memory_equal(first.sides[SIDE_SERVER].out.ptr,
				    message.ptr, message.len);
		/* The budget has no room for a second one. */
		begin_stream(&second);
		fake_receive(&second, SIDE_CLIENT, strbuf_span(&message),
			     16384);
		says(&second, SIDE_SERVER, "250 ok\r\n");
		assert_int_equal(tapped_count, 0);
		fake_finish(&second);
		says(&first, SIDE_SERVER, "250 ok\r\n");
		assert_int_equal(tapped_count, 1);
		assert_false(tapped_whole);
		assert_int_equal(strlen(tapped_bytes), 100);
		fake_finish(&first);
	}
	strbuf_finish(&message);
}

static void too_large_breaks_a_stream_off(void **state)
{
	struct strbuf message = STRBUF_INIT(FAKE_OUT_MAX);
	struct session s;

	(void)state;
	make_message(&message, 600000, false);
	strbuf_add_str(&message, ".\r\n");
	begin_stream(&s);
	fake_receive(&s, SIDE_CLIENT, strbuf_span(&message), 16384);
	assert_false(s.closed);
	assert_false(s.connected);
	assert_sent(&s, SIDE_CLIENT, "552 5.3.4 Message too large\r\n");
	assert_true(s.sides[SIDE_SERVER].out.len <= 500000);
	assert_false(span_iends(strbuf_span(&s.sides[SIDE_SERVER].out),
				SPAN("\r\n.\r\n")));
	fake_finish(&s);
	strbuf_finish(&message);
}

static void nul_breaks_a_stream_off(void **state)
{
	struct session s;

	(void)state;
	begin_stream(&s);
	fake_receive(&s, SIDE_CLIENT, SPAN("a\0b\r\n.\r\n"), SIZE_MAX);
	assert_false(s.closed);
	assert_false(s.connected);
	assert_sent(&s, SIDE_CLIENT, "554 5.6.0 The message has NUL bytes\r\n");
	assert_int_equal(s.sides[SIDE_SERVER].out.len, 0);
	fake_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts_whole_and_byte_by_byte),
		cmocka_unit_test(messages_of_all_sizes_arrive_as_they_were),
		cmocka_unit_test(too_large_is_refused_at_its_end),
		cmocka_unit_test(the_budget_is_shared_and_given_back),
		cmocka_unit_test(nul_is_refused_at_the_end),
		cmocka_unit_test(the_view_is_what_was_accepted),
		cmocka_unit_test(doubt_is_counted_once),
		cmocka_unit_test(refused_in_the_middle),
		cmocka_unit_test(many_errors_end_the_session),
		cmocka_unit_test(long_pipelines_are_taken_in_parts),
		cmocka_unit_test(long_tokens_wait_for_334),
		cmocka_unit_test(failed_logins_are_counted_only_when_refused),
		cmocka_unit_test(what_streams_is_tapped_once_accepted),
		cmocka_unit_test(taps_are_bounded_and_given_back),
		cmocka_unit_test(too_large_breaks_a_stream_off),
		cmocka_unit_test(nul_breaks_a_stream_off),
		cmocka_unit_test(timeouts_belong_to_who_is_awaited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
