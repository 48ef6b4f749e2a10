/* sasl: credentials in from the client, the same credential out to the
   provider (RFC 4422): PLAIN (RFC 4616), LOGIN, XOAUTH2, OAUTHBEARER
   (RFC 7628). Knows nothing of IMAP or SMTP framing: base64 text in, base64
   text out. Pure; secrets are wiped. */
#ifndef POSTERN_PROXY_SASL_H
#define POSTERN_PROXY_SASL_H

#include "lib/error.h"
#include "lib/span.h"
#include "lib/strbuf.h"

enum sasl_mechanism {
	SASL_PLAIN,
	SASL_LOGIN,
	SASL_XOAUTH2,
	SASL_OAUTHBEARER,
	SASL_MECHANISM_COUNT
};

/* Longest base64 line we take or make (RFC 4954 section 4). */
#define SASL_LINE_MAX 12288
/* Longest user name and secret. */
#define SASL_USER_MAX	320
#define SASL_SECRET_MAX 9000

struct credential {
	enum sasl_mechanism mechanism;
	/* Who logs in; valid UTF-8, no control bytes. */
	struct strbuf user;
	/* Who to act as; empty when the same. */
	struct strbuf authzid;
	/* Password or bearer token. */
	struct strbuf secret;
};

void credential_init(struct credential *credential);
/* Wipe and free; usable again after. */
void credential_wipe(struct credential *credential);
/* From IMAP LOGIN. Return -1 when a value has NUL or is too long. */
int credential_set_login(struct credential *credential, struct span user,
			 struct span password, struct error *err_r);

const char *sasl_mechanism_name(enum sasl_mechanism mechanism);
/* Names are compared without case. Return 0, or -1 when not offered. */
int sasl_mechanism_parse(struct span name, enum sasl_mechanism *mechanism_r);

/* The server's part, towards the client. */
struct sasl_server {
	enum sasl_mechanism mechanism;
	unsigned int step;
};

void sasl_server_init(struct sasl_server *server,
		      enum sasl_mechanism mechanism);
/* Text of the next challenge, base64 ("" for an empty one): what to send
   after "+ " or "334 ". Only when no initial response came, or more is
   needed. */
const char *sasl_server_challenge(const struct sasl_server *server);
/* Take one response (base64 without line end; "=" is the empty initial
   response; "*" must be handled before). Return 1 when credential is
   complete, 0 when another challenge is to be sent, -1 when malformed. */
int sasl_server_response(struct sasl_server *server, struct span base64,
			 struct credential *credential, struct error *err_r);

/* The client's part, towards the provider. */
struct sasl_client {
	enum sasl_mechanism mechanism;
	const struct credential *credential;
	const char *host;
	uint16_t port;
	unsigned int step;
};

/* Choose among what the provider offers for this kind of credential: a
   password goes out by PLAIN, else LOGIN; a token by the mechanism it came
   by, else the other token mechanism, re-encoded. Return 0 or -1. offered is
   a bit set of 1 << mechanism. */
int sasl_client_init(struct sasl_client *client,
		     const struct credential *credential, unsigned int offered,
		     const char *host, uint16_t port, struct error *err_r);
/* Append the base64 of the next response. challenge is the provider's, base64
   and may be empty. Return 1 when a response was made, 0 when the challenge
   is the JSON error of a refused token and the empty answer was made (final
   NO follows), -1 when the challenge is out of order. */
int sasl_client_response(struct sasl_client *client, struct span challenge,
			 struct strbuf *out);

#endif
