/* tls: the two TLS contexts of the benchmark. Knows nothing of sockets. */
#include "bench/tls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fatal(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **slot = SSL_get_app_data(ssl);

	SSL_SESSION_free(*slot);
	*slot = session;
	return 1;
}

static SSL_CTX *tls_context(const SSL_METHOD *method)
{
	SSL_CTX *context = SSL_CTX_new(method);

	if (context == NULL ||
	    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1) {
		fatal("OpenSSL refuses TLS 1.3 with AES-128-GCM");
	}
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	/* A record costs one system call and not two. */
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, 65536);
	return context;
}

SSL_CTX *tls_server_context(const char *chain_file, const char *key_file)
{
	SSL_CTX *context = tls_context(TLS_server_method());

	if (SSL_CTX_use_certificate_chain_file(context, chain_file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) !=
		    1) {
		fatal("cannot use certificate %s with key %s", chain_file,
		      key_file);
	}
	/* As mail programs and servers of today agree on; P-256 for those that
	   do not know it. */
	SSL_CTX_set1_groups_list(context, "X25519:P-256");
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"sink",
				       4);
	return context;
}

SSL_CTX *tls_client_context(const char *ca_file)
{
	SSL_CTX *context = tls_context(TLS_client_method());

	if (SSL_CTX_load_verify_locations(context, ca_file, NULL) != 1) {
		fatal("cannot read the authority in %s", ca_file);
	}
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set1_groups_list(context, "X25519:P-256");
	SSL_CTX_set_session_cache_mode(
		context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, keep_session);
	return context;
}
