/* tls_context: certificates, tickets and trust: what streams are made from.
   Knows no bytes of a connection. */
#include "proxy/tls_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "lib/xalloc.h"

/* AES-128 first: with AES-NI it is the fastest that is safe; a client without
   puts ChaCha20 first and is followed (SSL_OP_PRIORITIZE_CHACHA). */
#define CIPHERS_13                                                             \
	"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"                 \
	"TLS_AES_256_GCM_SHA384"
#define CIPHERS_12                                                             \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"           \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"           \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define GROUPS "X25519:P-256:P-384"

/* A ticket opens for so long; keys are rotated by posternd. */
#define SESSION_LIFETIME_S 7200

struct tls_server {
	size_t count;
	struct tls_identity {
		SSL_CTX *context;
		X509 *leaf;
		char **names;
		size_t name_count;
	} * identities;
	/* The owner's and one of each stream: the SNI callback needs us. */
	unsigned int references;
};

struct tls_client {
	SSL_CTX *context;
	struct tls_peer *peers;
};

const char *tls_error_text(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_reason_error_string(code);

	if (reason == NULL && ERR_SYSTEM_ERROR(code)) {
		/* A file that is not there: OpenSSL has no words for it. */
		reason = strerror(ERR_GET_REASON(code));
	}
	ERR_clear_error();
	return reason == NULL ? "unknown error" : reason;
}

/* What both directions have in common. */
static SSL_CTX *context_create(const SSL_METHOD *method, struct error *err_r)
{
	SSL_CTX *context = SSL_CTX_new(method);

	if (context == NULL ||
	    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(context, CIPHERS_13) != 1 ||
	    SSL_CTX_set_cipher_list(context, CIPHERS_12) != 1 ||
	    SSL_CTX_set1_groups_list(context, GROUPS) != 1) {
		error_set(err_r, "TLS settings: %s", tls_error_text());
		SSL_CTX_free(context);
		return NULL;
	}
	SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION |
					     SSL_OP_NO_RENEGOTIATION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE |
					     SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_timeout(context, SESSION_LIFETIME_S);
	return context;
}

/* -- towards mail programs -- */

/* A key is 16 bytes of name, 32 of HMAC, 32 of AES. */
#define TICKET_NAME_SIZE 16
#define TICKET_HMAC_SIZE 32

static int ticket_seal(const unsigned char *key, unsigned char *name,
		       unsigned char *iv, EVP_CIPHER_CTX *cipher)
{
	memcpy(name, key, TICKET_NAME_SIZE);
	if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) {
		return -1;
	}
	return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL,
				  key + TICKET_NAME_SIZE + TICKET_HMAC_SIZE,
				  iv);
}

static int ticket_mac(const unsigned char *key, EVP_MAC_CTX *mac)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_MAC_PARAM_KEY,
			(void *)(uintptr_t)(key + TICKET_NAME_SIZE),
			TICKET_HMAC_SIZE),
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params);
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 use, 2 use and renew, 0 unknown
   key, -1 error. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
		     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	const struct tls_tickets *tickets =
		SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const unsigned char *key = tickets->current;
	bool old = false;

	if (seal != 0) {
		return ticket_seal(key, name, iv, cipher) == 1 &&
				       ticket_mac(key, mac) == 1
			       ? 1
			       : -1;
	}
	if (memcmp(name, key, TICKET_NAME_SIZE) != 0) {
		key = tickets->previous;
		old = true;
		if (!tickets->has_previous ||
		    memcmp(name, key, TICKET_NAME_SIZE) != 0) {
			return 0;
		}
	}
	if (ticket_mac(key, mac) != 1 ||
	    EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL,
			       key + TICKET_NAME_SIZE + TICKET_HMAC_SIZE,
			       iv) != 1) {
		return -1;
	}
	/* A ticket of TLS 1.3 is used once: without a new one every second
	   connection would be a full handshake. */
	return old || SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
}

/* "*.example.com" stands for one label. */
static bool name_matches(const char *pattern, struct span name)
{
	struct span p = span_str(pattern);
	ptrdiff_t dot;

	if (!span_starts(p, SPAN("*."))) {
		return span_ieq(p, name);
	}
	dot = span_find(name, '.');
	return dot > 0 && span_ieq(span_from(p, 1), span_from(name, dot));
}

static bool identity_has_name(const struct tls_identity *identity,
			      const char *name)
{
	for (size_t i = 0; i < identity->name_count; i++) {
		if (name_matches(identity->names[i], span_str(name))) {
			return true;
		}
	}
	return false;
}

void tls_server_ref(struct tls_server *server)
{
	server->references++;
}

void tls_server_unref(struct tls_server *server)
{
	if (--server->references > 0) {
		return;
	}
	for (size_t i = 0; i < server->count; i++) {
		struct tls_identity *identity = &server->identities[i];

		for (size_t k = 0; k < identity->name_count; k++) {
			free(identity->names[k]);
		}
		free(identity->names);
		SSL_CTX_free(identity->context);
	}
	free(server->identities);
	free(server);
}

/* Configured names first, then what the certificates themselves say; a name
   nobody has gets the default, as clients without SNI do. */
static int on_server_name(SSL *ssl, int *alert, void *argument)
{
	struct tls_server *server = argument;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	if (name == NULL) {
		return SSL_TLSEXT_ERR_NOACK;
	}
	for (size_t i = 0; i < server->count; i++) {
		if (identity_has_name(&server->identities[i], name)) {
			SSL_set_SSL_CTX(ssl, server->identities[i].context);
			return SSL_TLSEXT_ERR_OK;
		}
	}
	for (size_t i = 0; i < server->count; i++) {
		if (X509_check_host(server->identities[i].leaf, name, 0, 0,
				    NULL) == 1) {
			SSL_set_SSL_CTX(ssl, server->identities[i].context);
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_OK;
}

static void set_tickets(SSL_CTX *context, const struct tls_tickets *tickets)
{
	static const unsigned char id[] = "postern";

	SSL_CTX_set_app_data(context, (void *)(uintptr_t)tickets);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
	SSL_CTX_set_session_id_context(context, id, sizeof(id) - 1);
	/* Tickets carry the state: nothing is cached here. One is enough for
	   a mail program, and each costs a seal and a record. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 1);
}

static int identity_load(struct tls_identity *identity,
			 const struct certificate *certificate,
			 const struct tls_tickets *tickets, struct error *err_r)
{
	SSL_CTX *context = context_create(TLS_server_method(), err_r);

	if (context == NULL) {
		return -1;
	}
	identity->context = context;
	if (SSL_CTX_use_certificate_chain_file(context,
					       certificate->chain_file) != 1) {
		return error_set(err_r, "certificate %s: %s",
				 certificate->chain_file, tls_error_text());
	}
	if (SSL_CTX_use_PrivateKey_file(context, certificate->key_file,
					SSL_FILETYPE_PEM) != 1) {
		return error_set(err_r, "key %s: %s", certificate->key_file,
				 tls_error_text());
	}
	if (SSL_CTX_check_private_key(context) != 1) {
		return error_set(err_r, "key %s is not that of %s",
				 certificate->key_file,
				 certificate->chain_file);
	}
	identity->leaf = SSL_CTX_get0_certificate(context);
	identity->names = xcalloc(certificate->name_count, sizeof(char *));
	for (size_t i = 0; i < certificate->name_count; i++) {
		identity->names[i] = xstrdup(certificate->names[i]);
		identity->name_count++;
	}
	set_tickets(context, tickets);
	return 0;
}

/* The one without names, else the first, answers where no name was given. */
static void put_default_first(struct tls_server *server)
{
	for (size_t i = 1; i < server->count; i++) {
		struct tls_identity first = server->identities[0];

		if (first.name_count == 0) {
			return;
		}
		if (server->identities[i].name_count == 0) {
			server->identities[0] = server->identities[i];
			server->identities[i] = first;
			return;
		}
	}
}

struct tls_server *tls_server_create(const struct certificate *certificates,
				     size_t count,
				     const struct tls_tickets *tickets,
				     struct error *err_r)
{
	struct tls_server *server;

	if (count == 0) {
		error_set(err_r, "no certificate is configured");
		return NULL;
	}
	server = xcalloc(1, sizeof(*server));
	server->references = 1;
	server->identities = xcalloc(count, sizeof(*server->identities));
	for (size_t i = 0; i < count; i++) {
		server->count++;
		if (identity_load(&server->identities[i], &certificates[i],
				  tickets, err_r) < 0) {
			tls_server_unref(server);
			return NULL;
		}
	}
	put_default_first(server);
	SSL_CTX_set_tlsext_servername_callback(server->identities[0].context,
					       on_server_name);
	SSL_CTX_set_tlsext_servername_arg(server->identities[0].context,
					  server);
	return server;
}

void tls_server_destroy(struct tls_server **server)
{
	if (*server != NULL) {
		tls_server_unref(*server);
		*server = NULL;
	}
}

SSL *tls_server_ssl(struct tls_server *server)
{
	return SSL_new(server->identities[0].context);
}

/* -- towards providers -- */

static int peer_index(void)
{
	static int index = -1;

	if (index < 0) {
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
		assert(index >= 0);
	}
	return index;
}

static void peer_add_session(struct tls_peer *peer, SSL_SESSION *session)
{
	if (peer->session_count == TLS_PEER_SESSIONS) {
		SSL_SESSION_free(peer->sessions[0]);
		peer->session_count--;
		memmove(peer->sessions, peer->sessions + 1,
			peer->session_count * sizeof(peer->sessions[0]));
	}
	peer->sessions[peer->session_count++] = session;
}

/* A provider gave us a session. Return 1: the reference is ours now. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_peer *peer = SSL_get_ex_data(ssl, peer_index());

	if (peer == NULL || SSL_SESSION_is_resumable(session) != 1) {
		return 0;
	}
	peer_add_session(peer, session);
	return 1;
}

/* Newest first. What belongs to TLS 1.2 may be used again and again (RFC
   5077), a ticket of TLS 1.3 once (RFC 8446 C.4). */
static void peer_resume(struct tls_peer *peer, SSL *ssl)
{
	SSL_SESSION *session;

	if (peer->session_count == 0) {
		return;
	}
	session = peer->sessions[peer->session_count - 1];
	SSL_set_session(ssl, session);
	if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) {
		peer->session_count--;
		SSL_SESSION_free(session);
	}
}

/* Keep one copy of a leaf certificate that many connections show. */
static void share_leaf(struct tls_peer *peer, STACK_OF(X509) * shown)
{
	X509 *leaf = sk_X509_value(shown, 0);

	if (peer->leaf == NULL || X509_cmp(peer->leaf, leaf) != 0) {
		X509_free(peer->leaf);
		X509_up_ref(leaf);
		peer->leaf = leaf;
		return;
	}
	X509_up_ref(peer->leaf);
	sk_X509_set(shown, 0, peer->leaf);
	X509_free(leaf);
}

/* Verify as OpenSSL does, then let go of the chain: a session that lives for
   hours would keep tens of KiB of certificates nobody reads again. */
static int on_verify(X509_STORE_CTX *store, void *argument)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_peer *peer = SSL_get_ex_data(ssl, peer_index());
	int ok = X509_verify_cert(store);
	STACK_OF(X509) * shown;

	(void)argument;
	if (ok != 1 || peer == NULL) {
		return ok;
	}
	shown = X509_STORE_CTX_get0_untrusted(store);
	while (shown != NULL && sk_X509_num(shown) > 1) {
		X509_free(sk_X509_pop(shown));
	}
	if (shown != NULL && sk_X509_num(shown) == 1) {
		share_leaf(peer, shown);
	}
	X509_STORE_CTX_set0_verified_chain(store, NULL);
	return ok;
}

struct tls_client *tls_client_create(const char *ca_file, struct error *err_r)
{
	SSL_CTX *context = context_create(TLS_client_method(), err_r);
	struct tls_client *client;
	int ok;

	if (context == NULL) {
		return NULL;
	}
	ok = ca_file == NULL
		     ? SSL_CTX_set_default_verify_paths(context)
		     : SSL_CTX_load_verify_locations(context, ca_file, NULL);
	if (ok != 1) {
		error_set(err_r, "CA file %s: %s",
			  ca_file == NULL ? "of the system" : ca_file,
			  tls_error_text());
		SSL_CTX_free(context);
		return NULL;
	}
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(context, on_verify, NULL);
	SSL_CTX_set_session_cache_mode(
		context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_new_session);
	client = xcalloc(1, sizeof(*client));
	client->context = context;
	return client;
}

void tls_peer_ref(struct tls_peer *peer)
{
	peer->references++;
}

void tls_peer_unref(struct tls_peer *peer)
{
	if (--peer->references > 0) {
		return;
	}
	for (size_t i = 0; i < peer->session_count; i++) {
		SSL_SESSION_free(peer->sessions[i]);
	}
	X509_free(peer->leaf);
	SSL_CTX_free(peer->context);
	free(peer);
}

void tls_client_destroy(struct tls_client **client)
{
	struct tls_peer *next;

	if (*client == NULL) {
		return;
	}
	for (struct tls_peer *p = (*client)->peers; p != NULL; p = next) {
		next = p->next;
		tls_peer_unref(p);
	}
	SSL_CTX_free((*client)->context);
	free(*client);
	*client = NULL;
}

struct tls_peer *tls_client_peer(struct tls_client *client, const char *name,
				 uint16_t port)
{
	unsigned char address[sizeof(struct in6_addr)];
	struct tls_peer *peer = client->peers;

	for (; peer != NULL; peer = peer->next) {
		if (peer->port == port &&
		    span_ieq(span_str(peer->name), span_str(name))) {
			return peer;
		}
	}
	peer = xcalloc(1, sizeof(*peer));
	/* A name too long to be one is cut and then matches no certificate. */
	strncpy(peer->name, name, sizeof(peer->name) - 1);
	peer->port = port;
	peer->is_address = inet_pton(AF_INET, name, address) == 1 ||
			   inet_pton(AF_INET6, name, address) == 1;
	peer->context = client->context;
	SSL_CTX_up_ref(peer->context);
	peer->references = 1;
	peer->next = client->peers;
	client->peers = peer;
	return peer;
}

SSL *tls_peer_ssl(struct tls_peer *peer)
{
	SSL *ssl = SSL_new(peer->context);
	X509_VERIFY_PARAM *param;
	int ok;

	if (ssl == NULL) {
		return NULL;
	}
	param = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(param,
					X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (peer->is_address) {
		ok = X509_VERIFY_PARAM_set1_ip_asc(param, peer->name);
	} else {
		ok = SSL_set1_host(ssl, peer->name) == 1 &&
		     SSL_set_tlsext_host_name(ssl, peer->name) == 1;
	}
	if (ok != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_ex_data(ssl, peer_index(), peer);
	peer_resume(peer, ssl);
	return ssl;
}
