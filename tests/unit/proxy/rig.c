/* rig: see rig.h. */
#include "rig.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static EVP_PKEY *ca_key;
static X509 *ca;

const char *rig_path(struct rig *rig, const char *file, const char *end)
{
	static char paths[8][128];
	static int at;
	char *path = paths[at++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s%s", rig->dir, file, end);
	return path;
}

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key, const char *name, X509 *issuer,
			      EVP_PKEY *issuer_key,
			      const struct rig_certificate *how)
{
	static long serial = 1;
	X509 *x = X509_new();
	char san[128];

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x),
			how != NULL && how->expired ? -3600 : 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(
		x, X509_get_subject_name(issuer == NULL ? x : issuer));
	if (how == NULL) {
		add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE");
	} else {
		bool address = ascii_is_digit(name[0]);

		snprintf(san, sizeof(san), "%s:%s", address ? "IP" : "DNS",
			 name);
		add_extension(x, x, NID_subject_alt_name, san);
		add_extension(x, x, NID_ext_key_usage,
			      how->for_clients ? "clientAuth" : "serverAuth");
	}
	assert_true(X509_sign(x, issuer_key == NULL ? key : issuer_key,
			      EVP_sha256()) > 0);
	return x;
}

static void write_pem(const char *path, X509 *x, EVP_PKEY *key)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	if (x != NULL) {
		PEM_write_X509(file, x);
	} else {
		PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	}
	fclose(file);
}

void rig_make(struct rig *rig, const char *file,
	      const struct rig_certificate *how)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = make_certificate(key, how->name, how->self_signed ? NULL : ca,
				   how->self_signed ? NULL : ca_key, how);

	write_pem(rig_path(rig, file, ".pem"), x, NULL);
	write_pem(rig_path(rig, file, ".key"), NULL, key);
	X509_free(x);
	EVP_PKEY_free(key);
}

SSL_CTX *rig_server_context(struct rig *rig, const char *file)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	assert_int_equal(SSL_CTX_use_certificate_chain_file(
				 context, rig_path(rig, file, ".pem")),
			 1);
	assert_int_equal(
		SSL_CTX_use_PrivateKey_file(
			context, rig_path(rig, file, ".key"), SSL_FILETYPE_PEM),
		1);
	return context;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	assert_int_equal(getsockname(fd, (void *)&address, &len), 0);
	return ntohs(address.sin_port);
}

static int listen_loopback(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4096), 0);
	return fd;
}

static void fill_settings(struct rig *rig)
{
	struct settings *s = &rig->settings;

	rig->listener = (struct listener_settings){
		.name = (char *)"test",
		.protocol = PROTOCOL_IMAP,
		.address = (char *)"127.0.0.1",
		.tls = TLS_IMPLICIT,
		.provider = (char *)"provider",
	};
	rig->certificate = (struct certificate){
		.chain_file = strdup(rig_path(rig, "gateway", ".pem")),
		.key_file = strdup(rig_path(rig, "gateway", ".key")),
	};
	rig->provider = (struct provider){
		.name = (char *)"provider",
		.preset = (char *)"generic",
		.imap = { .host = (char *)"127.0.0.1",
			  .port = rig->provider_port,
			  .tls = TLS_IMPLICIT },
		.ca_file = strdup(rig_path(rig, "ca", ".pem")),
		.tls_name = (char *)"imap.provider.test",
	};
	*s = (struct settings){
		/* Never freed by the last session. */
		.references = 1u << 20,
		.certificates = &rig->certificate,
		.certificate_count = 1,
		.listeners = &rig->listener,
		.listener_count = 1,
		.providers = &rig->provider,
		.provider_count = 1,
		.limits = { .preauth_timeout_s = 60,
			    .auth_window_s = 60,
			    .connect_timeout_s = 3 },
	};
}

void rig_init(struct rig *rig)
{
	static const struct rig_certificate gateway = {
		.name = "gateway.test"
	};
	static const struct rig_certificate provider = {
		.name = "imap.provider.test"
	};

	memset(rig, 0, sizeof(*rig));
	/* The peers write through OpenSSL, which knows no MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	strcpy(rig->dir, "/tmp/postern-proxy-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	if (ca == NULL) {
		ca_key = EVP_EC_gen("P-256");
		ca = make_certificate(ca_key, "Test CA", NULL, NULL, NULL);
	}
	write_pem(rig_path(rig, "ca", ".pem"), ca, NULL);
	rig_make(rig, "gateway", &gateway);
	rig_make(rig, "provider", &provider);
	rig->provider_fd = listen_loopback();
	rig->provider_port = port_of(rig->provider_fd);
	rig->provider_context = rig_server_context(rig, "provider");
	rig->client_context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_load_verify_locations(rig->client_context,
				      rig_path(rig, "ca", ".pem"), NULL);
	SSL_CTX_set_verify(rig->client_context, SSL_VERIFY_PEER, NULL);
	fill_settings(rig);
}

void rig_start(struct rig *rig, const struct protocol *protocol)
{
	struct error err = { "" };
	int fd;

	log_init("test",
		 getenv("RIG_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	rig->base = event_base_new();
	rig->limits = limits_create(1024, 1);
	rig->worker = proxy_worker_create(rig->base, &rig->settings,
					  rig->limits, 0, &rig->hooks, &err);
	if (rig->worker == NULL) {
		fail_msg("%s", err.text);
	}
	fd = listener_open(&rig->listener, &err);
	if (fd < 0) {
		fail_msg("%s", err.text);
	}
	rig->port = port_of(fd);
	assert_int_equal(
		listener_start(rig->worker, fd, "test", protocol, &err), 0);
}

void rig_finish(struct rig *rig)
{
	char command[128];

	proxy_worker_destroy(&rig->worker);
	limits_destroy(&rig->limits);
	if (rig->base != NULL) {
		event_base_free(rig->base);
	}
	close(rig->provider_fd);
	SSL_CTX_free(rig->client_context);
	SSL_CTX_free(rig->provider_context);
	free(rig->certificate.chain_file);
	free(rig->certificate.key_file);
	free(rig->provider.ca_file);
	snprintf(command, sizeof(command), "rm -rf '%s'", rig->dir);
	assert_int_equal(system(command), 0);
}

static void on_tick(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
}

static bool run_until(struct rig *rig, const volatile int *done,
		      unsigned int seconds)
{
	static const struct timeval tick = { .tv_usec = 2000 };
	struct event *ticker =
		event_new(rig->base, -1, EV_PERSIST, on_tick, NULL);
	time_t end = time(NULL) + (time_t)seconds + 1;

	event_add(ticker, &tick);
	while ((done == NULL ? rig->worker->session_count > 0 : !*done) &&
	       time(NULL) < end) {
		event_base_loop(rig->base, EVLOOP_ONCE);
	}
	event_free(ticker);
	return done == NULL ? rig->worker->session_count == 0 : *done != 0;
}

bool rig_run(struct rig *rig, const volatile int *done, unsigned int seconds)
{
	return run_until(rig, done, seconds);
}

bool rig_run_empty(struct rig *rig, unsigned int seconds)
{
	return run_until(rig, NULL, seconds);
}

/* -- peers -- */

static void set_times(int fd)
{
	static const struct timeval wait = { .tv_sec = 20 };
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int peer_start_tls(struct peer *peer, SSL_CTX *context, bool server,
		   const char *name)
{
	peer->ssl = SSL_new(context);
	SSL_set_fd(peer->ssl, peer->fd);
	if (name != NULL) {
		SSL_set_tlsext_host_name(peer->ssl, name);
		SSL_set1_host(peer->ssl, name);
	}
	return (server ? SSL_accept(peer->ssl) : SSL_connect(peer->ssl)) == 1
		       ? 0
		       : -1;
}

int peer_connect(struct peer *peer, uint16_t port, SSL_CTX *context,
		 const char *name)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port) };

	peer->ssl = NULL;
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	set_times(peer->fd);
	if (connect(peer->fd, (void *)&address, sizeof(address)) < 0) {
		return -1;
	}
	return context == NULL ? 0 : peer_start_tls(peer, context, false, name);
}

int peer_accept(struct peer *peer, int listen_fd, SSL_CTX *context)
{
	peer->ssl = NULL;
	peer->fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer->fd < 0) {
		return -1;
	}
	set_times(peer->fd);
	return context == NULL ? 0 : peer_start_tls(peer, context, true, NULL);
}

ssize_t peer_read(struct peer *peer, void *out, size_t size)
{
	return peer->ssl == NULL ? recv(peer->fd, out, size, 0)
				 : SSL_read(peer->ssl, out, (int)size);
}

ssize_t peer_line(struct peer *peer, char *out, size_t size)
{
	size_t len = 0;

	while (len + 1 < size) {
		if (peer_read(peer, out + len, 1) != 1) {
			break;
		}
		if (out[len++] == '\n') {
			break;
		}
	}
	out[len] = '\0';
	return len > 0 && out[len - 1] == '\n' ? (ssize_t)len : -1;
}

int peer_write(struct peer *peer, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t sent = peer->ssl == NULL
				       ? send(peer->fd, at, len, MSG_NOSIGNAL)
				       : SSL_write(peer->ssl, at, (int)len);

		if (sent <= 0) {
			return -1;
		}
		at += sent;
		len -= (size_t)sent;
	}
	return 0;
}

void peer_close(struct peer *peer)
{
	if (peer->ssl != NULL) {
		SSL_shutdown(peer->ssl);
	}
	peer_drop(peer);
}

void peer_drop(struct peer *peer)
{
	SSL_free(peer->ssl);
	peer->ssl = NULL;
	if (peer->fd >= 0) {
		close(peer->fd);
	}
	peer->fd = -1;
}

/* -- blind -- */

char blind_connect_error[ERROR_TEXT_SIZE];
int blind_eof_truncated;

static void *blind_create(struct session *s)
{
	(void)s;
	return malloc(1);
}

static void blind_destroy(void *state)
{
	free(state);
}

static void blind_start(struct session *s)
{
	struct error err = { "" };

	relay_pause(s, SIDE_CLIENT);
	if (session_connect(s, NULL, &err) < 0) {
		snprintf(blind_connect_error, sizeof(blind_connect_error), "%s",
			 err.text);
		session_close(s, err.text);
	}
}

static size_t blind_on_bytes(struct session *s, enum side from, struct span in)
{
	relay_forward(s, from, in);
	return in.len;
}

static void blind_on_connected(struct session *s)
{
	session_authenticated(s);
	relay_resume(s, SIDE_CLIENT);
}

static void blind_on_connect_failed(struct session *s, const char *why)
{
	snprintf(blind_connect_error, sizeof(blind_connect_error), "%s", why);
	session_close(s, why);
}

static void blind_on_tls(struct session *s, enum side side)
{
	(void)s;
	(void)side;
}

static void blind_on_eof(struct session *s, enum side from)
{
	blind_eof_truncated = relay_was_truncated(s, from);
	session_close(s,
		      from == SIDE_CLIENT ? "client closed" : "server closed");
}

static void blind_on_timeout(struct session *s)
{
	session_close(s, "timeout");
}

const struct protocol blind_protocol = {
	.name = "blind",
	.create = blind_create,
	.destroy = blind_destroy,
	.start = blind_start,
	.on_bytes = blind_on_bytes,
	.on_connected = blind_on_connected,
	.on_connect_failed = blind_on_connect_failed,
	.on_tls = blind_on_tls,
	.on_eof = blind_on_eof,
	.on_timeout = blind_on_timeout,
	.on_drain = blind_on_timeout,
};
