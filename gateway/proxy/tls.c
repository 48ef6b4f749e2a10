/* tls: one TLS connection over a BIO of our own, which reads from the bytes
   of the call under way and writes to the owner's sink. Knows no socket. */
#include "proxy/tls_internal.h"

#include <assert.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>

/* -- the BIO -- */

static int bio_write(BIO *bio, const char *bytes, int len)
{
	struct tls *tls = BIO_get_data(bio);

	if (len <= 0) {
		return 0;
	}
	tls->sink(tls->sink_context, span_of(bytes, (size_t)len));
	return len;
}

static int bio_read(BIO *bio, char *out, int size)
{
	struct tls *tls = BIO_get_data(bio);
	struct span part = span_first(tls->in, size < 0 ? 0 : (size_t)size);

	BIO_clear_retry_flags(bio);
	if (part.len == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(out, part.ptr, part.len);
	tls->in = span_from(tls->in, part.len);
	return (int)part.len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static const BIO_METHOD *bio_method(void)
{
	static BIO_METHOD *method;

	if (method == NULL) {
		method = BIO_meth_new(
			BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern");
		assert(method != NULL);
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_ctrl(method, bio_ctrl);
		BIO_meth_set_create(method, bio_create);
	}
	return method;
}

/* -- streams -- */

static void init(struct tls *tls, SSL *ssl, tls_sink *sink, void *sink_context)
{
	BIO *bio = BIO_new(bio_method());

	/* Both fail only for want of memory. */
	assert(ssl != NULL && bio != NULL);
	BIO_set_data(bio, tls);
	SSL_set_bio(ssl, bio, bio);
	tls->ssl = ssl;
	tls->in = span_of(NULL, 0);
	tls->sink = sink;
	tls->sink_context = sink_context;
}

void tls_init_server(struct tls *tls, struct tls_server *server, tls_sink *sink,
		     void *sink_context)
{
	ERR_clear_error();
	init(tls, tls_server_ssl(server), sink, sink_context);
	tls->server = server;
	tls_server_ref(server);
	SSL_set_accept_state(tls->ssl);
}

void tls_init_client(struct tls *tls, struct tls_peer *peer, tls_sink *sink,
		     void *sink_context)
{
	ERR_clear_error();
	init(tls, tls_peer_ssl(peer), sink, sink_context);
	tls->peer = peer;
	tls_peer_ref(peer);
	SSL_set_connect_state(tls->ssl);
}

void tls_finish(struct tls *tls)
{
	if (tls->ssl != NULL) {
		SSL_free(tls->ssl);
	}
	if (tls->server != NULL) {
		tls_server_unref(tls->server);
	}
	if (tls->peer != NULL) {
		tls_peer_unref(tls->peer);
	}
	memset(tls, 0, sizeof(*tls));
}

static int handshake_failed(struct tls *tls, struct error *err_r)
{
	long verified = SSL_get_verify_result(tls->ssl);

	if (tls->peer != NULL && verified != X509_V_OK) {
		ERR_clear_error();
		return error_set(err_r, "certificate of %s: %s",
				 tls->peer->name,
				 X509_verify_cert_error_string(verified));
	}
	return error_set(err_r, "TLS handshake: %s", tls_error_text());
}

int tls_handshake(struct tls *tls, struct span *in, struct error *err_r)
{
	int status;

	ERR_clear_error();
	tls->in = *in;
	status = SSL_do_handshake(tls->ssl);
	*in = tls->in;
	tls->in = span_of(NULL, 0);
	if (status == 1) {
		return 1;
	}
	if (SSL_get_error(tls->ssl, status) == SSL_ERROR_WANT_READ) {
		return 0;
	}
	return handshake_failed(tls, err_r);
}

bool tls_was_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl) == 1;
}

const char *tls_version(const struct tls *tls)
{
	return SSL_get_version(tls->ssl);
}

static enum tls_read_status read_status(struct tls *tls, int status,
					struct error *err_r)
{
	switch (SSL_get_error(tls->ssl, status)) {
	case SSL_ERROR_WANT_READ:
		/* SSL_MODE_RELEASE_BUFFERS forgets the write buffer that
		   taking a session ticket made. */
		SSL_free_buffers(tls->ssl);
		return TLS_READ_NEED_MORE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_READ_CLOSED;
	default:
		error_set(err_r, "TLS: %s", tls_error_text());
		return TLS_READ_BROKEN;
	}
}

enum tls_read_status tls_read(struct tls *tls, struct span *in, char *out,
			      size_t size, size_t *len_r, struct error *err_r)
{
	enum tls_read_status status = TLS_READ_FULL;
	size_t len = 0;

	*len_r = 0;
	ERR_clear_error();
	tls->in = *in;
	while (*len_r < size) {
		int ok = SSL_read_ex(tls->ssl, out + *len_r, size - *len_r,
				     &len);

		if (ok != 1) {
			status = read_status(tls, ok, err_r);
			break;
		}
		*len_r += len;
	}
	*in = tls->in;
	tls->in = span_of(NULL, 0);
	return status;
}

int tls_write(struct tls *tls, struct span bytes)
{
	size_t written = 0;

	if (bytes.len == 0) {
		return 0;
	}
	ERR_clear_error();
	if (SSL_write_ex(tls->ssl, bytes.ptr, bytes.len, &written) != 1) {
		ERR_clear_error();
		return -1;
	}
	assert(written == bytes.len);
	return 0;
}

void tls_shutdown(struct tls *tls)
{
	ERR_clear_error();
	if (!SSL_in_init(tls->ssl) &&
	    (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN) == 0) {
		SSL_shutdown(tls->ssl);
		ERR_clear_error();
	}
}

void tls_set_wipe(struct tls *tls, bool wipe)
{
	if (wipe) {
		SSL_set_options(tls->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	} else {
		SSL_clear_options(tls->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	}
}
