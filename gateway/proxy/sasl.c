/* sasl: PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER, in and out. Every buffer that
   held a credential is wiped. Knows nothing of who may log in. */
#include "proxy/sasl.h"

#include <assert.h>

#include "lib/hash.h"

/* Separates the pairs of XOAUTH2 and OAUTHBEARER (RFC 7628 section 3.1). */
#define KVSEP '\x01'

static const char *const mechanism_names[] = {
	[SASL_PLAIN] = "PLAIN",
	[SASL_LOGIN] = "LOGIN",
	[SASL_XOAUTH2] = "XOAUTH2",
	[SASL_OAUTHBEARER] = "OAUTHBEARER",
};
_Static_assert(N_ELEMENTS(mechanism_names) == SASL_MECHANISM_COUNT, "names");

void credential_init(struct credential *credential)
{
	credential->mechanism = SASL_PLAIN;
	strbuf_init(&credential->user, SASL_USER_MAX);
	strbuf_init(&credential->authzid, SASL_USER_MAX);
	strbuf_init(&credential->secret, SASL_SECRET_MAX);
}

void credential_wipe(struct credential *credential)
{
	strbuf_wipe(&credential->user);
	strbuf_wipe(&credential->authzid);
	strbuf_wipe(&credential->secret);
	credential->mechanism = SASL_PLAIN;
}

const char *sasl_mechanism_name(enum sasl_mechanism mechanism)
{
	return mechanism_names[mechanism];
}

int sasl_mechanism_parse(struct span name, enum sasl_mechanism *mechanism_r)
{
	for (size_t i = 0; i < SASL_MECHANISM_COUNT; i++) {
		if (span_ieq(name, span_str(mechanism_names[i]))) {
			*mechanism_r = (enum sasl_mechanism)i;
			return 0;
		}
	}
	return -1;
}

static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c < 0x20 || c == 0x7f) {
			return true;
		}
	}
	return false;
}

/* Replace what a buffer holds; -1 when the value is too long. */
static int put(struct strbuf *buf, struct span value)
{
	strbuf_wipe(buf);
	strbuf_add(buf, value);
	return buf->overflow ? -1 : 0;
}

static int put_user(struct credential *credential, struct span user,
		    struct error *err_r)
{
	if (user.len == 0) {
		return error_set(err_r, "empty user name");
	}
	if (has_control(user) || !span_is_utf8(user)) {
		return error_set(err_r, "user name has bytes no name has");
	}
	if (put(&credential->user, user) < 0) {
		return error_set(err_r, "user name over %d bytes",
				 SASL_USER_MAX);
	}
	return 0;
}

static int put_authzid(struct credential *credential, struct span authzid,
		       struct error *err_r)
{
	if (span_eq(authzid, strbuf_span(&credential->user))) {
		authzid.len = 0;
	}
	if (has_control(authzid) || !span_is_utf8(authzid)) {
		return error_set(err_r, "identity has bytes no name has");
	}
	if (put(&credential->authzid, authzid) < 0) {
		return error_set(err_r, "identity over %d bytes",
				 SASL_USER_MAX);
	}
	return 0;
}

/* A password may hold any byte but NUL (RFC 4616 section 2). */
static int put_password(struct credential *credential, struct span password,
			struct error *err_r)
{
	if (password.len == 0) {
		return error_set(err_r, "empty password");
	}
	if (span_find(password, '\0') >= 0) {
		return error_set(err_r, "NUL in password");
	}
	if (put(&credential->secret, password) < 0) {
		return error_set(err_r, "password over %d bytes",
				 SASL_SECRET_MAX);
	}
	return 0;
}

int credential_set_login(struct credential *credential, struct span user,
			 struct span password, struct error *err_r)
{
	credential->mechanism = SASL_PLAIN;
	strbuf_wipe(&credential->authzid);
	if (put_user(credential, user, err_r) < 0 ||
	    put_password(credential, password, err_r) < 0) {
		credential_wipe(credential);
		return -1;
	}
	return 0;
}

/* -- the server's part -- */

void sasl_server_init(struct sasl_server *server, enum sasl_mechanism mechanism)
{
	server->mechanism = mechanism;
	server->step = 0;
}

const char *sasl_server_challenge(const struct sasl_server *server)
{
	if (server->mechanism != SASL_LOGIN) {
		return "";
	}
	/* "Username:" and "Password:": clients compare them. */
	return server->step == 0 ? "VXNlcm5hbWU6" : "UGFzc3dvcmQ6";
}

/* RFC 4616: [authzid] NUL authcid NUL passwd. */
static int take_plain(struct span message, struct credential *credential,
		      struct error *err_r)
{
	ptrdiff_t first = span_find(message, '\0');
	struct span authzid, user, rest;
	ptrdiff_t second;

	if (first < 0) {
		return error_set(err_r, "PLAIN without separators");
	}
	authzid = span_first(message, (size_t)first);
	rest = span_from(message, (size_t)first + 1);
	second = span_find(rest, '\0');
	if (second < 0) {
		return error_set(err_r, "PLAIN without password");
	}
	user = span_first(rest, (size_t)second);
	if (put_user(credential, user, err_r) < 0 ||
	    put_authzid(credential, authzid, err_r) < 0 ||
	    put_password(credential, span_from(rest, (size_t)second + 1),
			 err_r) < 0) {
		return -1;
	}
	return 1;
}

static int take_login(struct sasl_server *server, struct span message,
		      struct credential *credential, struct error *err_r)
{
	if (server->step++ == 0) {
		strbuf_wipe(&credential->authzid);
		return put_user(credential, message, err_r);
	}
	return put_password(credential, message, err_r) < 0 ? -1 : 1;
}

/* RFC 6750 b64token is visible ASCII; so is what real servers hand out. */
static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7f) {
			return false;
		}
	}
	return s.len > 0;
}

static int take_bearer(struct span value, struct credential *credential,
		       struct error *err_r)
{
	if (!span_istarts(value, SPAN("Bearer "))) {
		return error_set(err_r, "no bearer token");
	}
	value = span_trim(span_from(value, SPAN("Bearer ").len));
	if (!is_token(value)) {
		return error_set(err_r, "token has bytes no token has");
	}
	if (credential->secret.len > 0) {
		return error_set(err_r, "two tokens");
	}
	if (put(&credential->secret, value) < 0) {
		return error_set(err_r, "token over %d bytes", SASL_SECRET_MAX);
	}
	return 0;
}

static int take_pair(struct span pair, struct credential *credential,
		     struct error *err_r)
{
	ptrdiff_t equals = span_find(pair, '=');
	struct span key, value;

	if (equals <= 0 || has_control(pair)) {
		return error_set(err_r, "malformed pair in token response");
	}
	key = span_first(pair, (size_t)equals);
	value = span_from(pair, (size_t)equals + 1);
	if (span_ieq(key, SPAN("auth"))) {
		return take_bearer(value, credential, err_r);
	}
	if (credential->mechanism == SASL_XOAUTH2 &&
	    span_ieq(key, SPAN("user"))) {
		if (credential->user.len > 0) {
			return error_set(err_r, "two user names");
		}
		return put_user(credential, value, err_r);
	}
	/* host, port and what RFC 7628 section 3.1 says to ignore. */
	return 0;
}

/* Pairs, each ended by KVSEP, and one more KVSEP. */
static int take_pairs(struct span rest, struct credential *credential,
		      struct error *err_r)
{
	while (rest.len > 0 && rest.ptr[0] != KVSEP) {
		ptrdiff_t end = span_find(rest, KVSEP);

		if (end < 0) {
			return error_set(err_r, "token response cut short");
		}
		if (take_pair(span_first(rest, (size_t)end), credential,
			      err_r) < 0) {
			return -1;
		}
		rest = span_from(rest, (size_t)end + 1);
	}
	if (rest.len != 1) {
		return error_set(err_r, "token response ends wrongly");
	}
	if (credential->user.len == 0) {
		return error_set(err_r, "token response names no user");
	}
	if (credential->secret.len == 0) {
		return error_set(err_r, "token response has no token");
	}
	return 1;
}

/* RFC 5801 section 4: "=2C" is a comma, "=3D" an equals sign. */
static int take_saslname(struct span name, struct credential *credential,
			 struct error *err_r)
{
	struct strbuf user = STRBUF_INIT(SASL_USER_MAX + 1);
	int status = 0;

	for (size_t i = 0; i < name.len && status == 0; i++) {
		struct span rest = span_from(name, i);

		if (span_istarts(rest, SPAN("=2C"))) {
			strbuf_add_char(&user, ',');
			i += 2;
		} else if (span_istarts(rest, SPAN("=3D"))) {
			strbuf_add_char(&user, '=');
			i += 2;
		} else if (name.ptr[i] == '=') {
			status = error_set(err_r, "malformed user name");
		} else {
			strbuf_add_char(&user, name.ptr[i]);
		}
	}
	if (status == 0) {
		status = put_user(credential, strbuf_span(&user), err_r);
	}
	strbuf_wipe(&user);
	return status;
}

/* RFC 7628 section 3.1: gs2-header KVSEP *kvpair KVSEP, where the header is
   "n,a=USER,". A channel binding cannot be carried over to another leg. */
static int take_oauthbearer(struct span message, struct credential *credential,
			    struct error *err_r)
{
	ptrdiff_t end = span_find(message, KVSEP);
	struct span header;
	ptrdiff_t comma;

	if (end < 0) {
		return error_set(err_r, "OAUTHBEARER without pairs");
	}
	header = span_first(message, (size_t)end);
	if (!span_starts(header, SPAN("n,")) &&
	    !span_starts(header, SPAN("y,"))) {
		return error_set(err_r, "OAUTHBEARER with channel binding");
	}
	header = span_from(header, 2);
	comma = span_find(header, ',');
	if (comma < 0 || (size_t)comma + 1 != header.len) {
		return error_set(err_r, "malformed OAUTHBEARER header");
	}
	header.len--;
	if (!span_starts(header, SPAN("a="))) {
		return error_set(err_r, "OAUTHBEARER names no user");
	}
	if (take_saslname(span_from(header, 2), credential, err_r) < 0) {
		return -1;
	}
	return take_pairs(span_from(message, (size_t)end + 1), credential,
			  err_r);
}

static int take_message(struct sasl_server *server, struct span message,
			struct credential *credential, struct error *err_r)
{
	if (server->mechanism == SASL_LOGIN) {
		return take_login(server, message, credential, err_r);
	}
	if (server->step++ > 0) {
		return error_set(err_r, "response after the last one");
	}
	credential_wipe(credential);
	credential->mechanism = server->mechanism;
	switch (server->mechanism) {
	case SASL_XOAUTH2:
		return take_pairs(message, credential, err_r);
	case SASL_OAUTHBEARER:
		return take_oauthbearer(message, credential, err_r);
	default:
		return take_plain(message, credential, err_r);
	}
}

int sasl_server_response(struct sasl_server *server, struct span base64,
			 struct credential *credential, struct error *err_r)
{
	struct strbuf message = STRBUF_INIT(SASL_LINE_MAX);
	int status;

	if (base64.len > SASL_LINE_MAX) {
		credential_wipe(credential);
		return error_set(err_r, "response over %d bytes",
				 SASL_LINE_MAX);
	}
	/* RFC 4959: how an empty initial response is written. */
	if (server->step == 0 && span_eq(base64, SPAN("="))) {
		base64.len = 0;
	}
	if (base64_decode(base64, &message) < 0) {
		status = error_set(err_r, "response is not base64");
	} else {
		status = take_message(server, strbuf_span(&message), credential,
				      err_r);
	}
	strbuf_wipe(&message);
	if (status < 0) {
		credential_wipe(credential);
	} else if (server->mechanism == SASL_LOGIN) {
		credential->mechanism = SASL_LOGIN;
	}
	return status;
}

/* -- the client's part -- */

static bool is_token_mechanism(enum sasl_mechanism mechanism)
{
	return mechanism == SASL_XOAUTH2 || mechanism == SASL_OAUTHBEARER;
}

int sasl_client_init(struct sasl_client *client,
		     const struct credential *credential, unsigned int offered,
		     const char *host, uint16_t port, struct error *err_r)
{
	enum sasl_mechanism first = SASL_PLAIN;
	enum sasl_mechanism second = SASL_LOGIN;

	*client = (struct sasl_client){ .credential = credential,
					.host = host,
					.port = port };
	if (is_token_mechanism(credential->mechanism)) {
		first = credential->mechanism;
		second =
			first == SASL_XOAUTH2 ? SASL_OAUTHBEARER : SASL_XOAUTH2;
	} else if (credential->authzid.len > 0) {
		/* LOGIN cannot say who to act as. */
		second = first;
	}
	if ((offered & 1u << first) != 0) {
		client->mechanism = first;
	} else if ((offered & 1u << second) != 0) {
		client->mechanism = second;
	} else {
		return error_set(err_r, "the provider offers neither %s nor %s",
				 mechanism_names[first],
				 mechanism_names[second]);
	}
	return 0;
}

static void make_saslname(struct span user, struct strbuf *out)
{
	for (size_t i = 0; i < user.len; i++) {
		if (user.ptr[i] == ',') {
			strbuf_add_str(out, "=2C");
		} else if (user.ptr[i] == '=') {
			strbuf_add_str(out, "=3D");
		} else {
			strbuf_add_char(out, user.ptr[i]);
		}
	}
}

static void make_message(const struct sasl_client *client, struct strbuf *out)
{
	const struct credential *c = client->credential;

	switch (client->mechanism) {
	case SASL_LOGIN:
		strbuf_add(out, strbuf_span(client->step == 0 ? &c->user
							      : &c->secret));
		break;
	case SASL_XOAUTH2:
		strbuf_add_str(out, "user=");
		strbuf_add(out, strbuf_span(&c->user));
		strbuf_add_str(out, "\x01"
				    "auth=Bearer ");
		strbuf_add(out, strbuf_span(&c->secret));
		strbuf_add_str(out, "\x01\x01");
		break;
	case SASL_OAUTHBEARER:
		strbuf_add_str(out, "n,a=");
		make_saslname(strbuf_span(&c->user), out);
		strbuf_addf(out, ",\x01host=%s\x01port=%u\x01", client->host,
			    client->port);
		strbuf_add_str(out, "auth=Bearer ");
		strbuf_add(out, strbuf_span(&c->secret));
		strbuf_add_str(out, "\x01\x01");
		break;
	default:
		strbuf_add(out, strbuf_span(&c->authzid));
		strbuf_add_char(out, '\0');
		strbuf_add(out, strbuf_span(&c->user));
		strbuf_add_char(out, '\0');
		strbuf_add(out, strbuf_span(&c->secret));
		break;
	}
}

/* A refused token comes as a challenge; the final NO waits for an answer to
   it: empty for XOAUTH2, one KVSEP for OAUTHBEARER (RFC 7628 3.2.3). */
static int answer_refusal(struct sasl_client *client, struct span challenge,
			  struct strbuf *out)
{
	client->step++;
	if (challenge.len == 0 || client->step > 2) {
		return -1;
	}
	if (client->mechanism == SASL_OAUTHBEARER) {
		strbuf_add_str(out, "AQ==");
	}
	return 0;
}

int sasl_client_response(struct sasl_client *client, struct span challenge,
			 struct strbuf *out)
{
	unsigned int last = client->mechanism == SASL_LOGIN ? 1 : 0;
	struct strbuf message = STRBUF_INIT(SASL_LINE_MAX);

	if (client->step > last) {
		return is_token_mechanism(client->mechanism)
			       ? answer_refusal(client, challenge, out)
			       : -1;
	}
	make_message(client, &message);
	client->step++;
	if (message.overflow) {
		strbuf_wipe(&message);
		return -1;
	}
	base64_encode(strbuf_span(&message), out);
	strbuf_wipe(&message);
	return out->overflow ? -1 : 1;
}
