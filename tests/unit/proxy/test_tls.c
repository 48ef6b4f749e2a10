/* TLS on both legs: who is refused and why, which certificate is shown, what
   a reload changes, what is resumed. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/metrics.h"

/* One login-like exchange: the client sends a line, the provider answers. */
struct exchange {
	struct rig *rig;
	SSL_CTX *client_context;
	const char *name;
	SSL_SESSION *resume;
	/* What happened. */
	bool shook_hands;
	bool resumed;
	bool answered;
	char subject[128];
	char version[32];
	char cipher[64];
	SSL_SESSION *session;
	bool provider_shook_hands;
	bool provider_resumed;
	char sni[64];
	volatile int done;
};

static void *run_provider(void *context)
{
	struct exchange *x = context;
	const char *sni;
	struct peer peer;
	char line[64];

	if (peer_accept(&peer, x->rig->provider_fd, x->rig->provider_context) ==
	    0) {
		x->provider_shook_hands = true;
		x->provider_resumed = SSL_session_reused(peer.ssl) == 1;
		sni = SSL_get_servername(peer.ssl, TLSEXT_NAMETYPE_host_name);
		snprintf(x->sni, sizeof(x->sni), "%s", sni == NULL ? "" : sni);
		if (peer_line(&peer, line, sizeof(line)) > 0) {
			peer_write(&peer, "ok\r\n", 4);
		}
	}
	peer_close(&peer);
	return NULL;
}

static void look_at(struct exchange *x, SSL *ssl)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);

	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName,
				  x->subject, sizeof(x->subject));
	snprintf(x->version, sizeof(x->version), "%s", SSL_get_version(ssl));
	snprintf(x->cipher, sizeof(x->cipher), "%s", SSL_get_cipher_name(ssl));
	x->resumed = SSL_session_reused(ssl) == 1;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct exchange *x = SSL_get_app_data(ssl);

	SSL_SESSION_free(x->session);
	x->session = session;
	return 1;
}

static void *run_client(void *context)
{
	struct exchange *x = context;
	struct peer peer;
	char line[64];

	SSL_CTX_set_session_cache_mode(x->client_context,
				       SSL_SESS_CACHE_CLIENT |
					       SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(x->client_context, on_session);
	assert_int_equal(peer_connect(&peer, x->rig->port, NULL, NULL), 0);
	peer.ssl = SSL_new(x->client_context);
	SSL_set_app_data(peer.ssl, (char *)x);
	SSL_set_fd(peer.ssl, peer.fd);
	if (x->name != NULL) {
		SSL_set_tlsext_host_name(peer.ssl, x->name);
	}
	if (x->resume != NULL) {
		SSL_set_session(peer.ssl, x->resume);
	}
	if (SSL_connect(peer.ssl) == 1) {
		x->shook_hands = true;
		look_at(x, peer.ssl);
		peer_write(&peer, "hello\r\n", 7);
		x->answered = peer_line(&peer, line, sizeof(line)) == 4;
	}
	peer_close(&peer);
	x->done = 1;
	return NULL;
}

/* expect_provider: does the worker connect at all? */
static void run_exchange(struct exchange *x, bool expect_provider)
{
	pthread_t client, provider;

	if (x->client_context == NULL) {
		x->client_context = x->rig->client_context;
	}
	if (expect_provider) {
		pthread_create(&provider, NULL, run_provider, x);
	}
	pthread_create(&client, NULL, run_client, x);
	assert_true(rig_run(x->rig, &x->done, 20));
	assert_true(rig_run_empty(x->rig, 10));
	pthread_join(client, NULL);
	if (expect_provider) {
		pthread_join(provider, NULL);
	}
}

static void the_fast_cipher_and_13_are_chosen(void **state)
{
	struct rig rig;
	struct exchange x = { .rig = &rig, .name = "gateway.test" };

	(void)state;
	rig_init(&rig);
	rig_start(&rig, &blind_protocol);
	run_exchange(&x, true);
	assert_true(x.answered);
	assert_string_equal(x.version, "TLSv1.3");
	assert_string_equal(x.cipher, "TLS_AES_128_GCM_SHA256");
	assert_string_equal(x.sni, "imap.provider.test");
	SSL_SESSION_free(x.session);
	rig_finish(&rig);
}

static void old_versions_are_refused(void **state)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION,
					TLS1_2_VERSION };
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_start(&rig, &blind_protocol);
	for (size_t i = 0; i < N_ELEMENTS(versions); i++) {
		struct exchange x = { .rig = &rig };
		bool good = versions[i] == TLS1_2_VERSION;

		x.client_context = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_security_level(x.client_context, 0);
		SSL_CTX_set_min_proto_version(x.client_context, versions[i]);
		SSL_CTX_set_max_proto_version(x.client_context, versions[i]);
		run_exchange(&x, good);
		assert_int_equal(x.shook_hands, good);
		assert_int_equal(x.answered, good);
		SSL_SESSION_free(x.session);
		SSL_CTX_free(x.client_context);
	}
	rig_finish(&rig);
}

/* A certificate of the provider and what is said of it. */
static const struct {
	struct rig_certificate how;
	const char *why;
} provider_rows[] = {
	{ { .name = "imap.provider.test" }, NULL },
	{ { .name = "*.provider.test" }, NULL },
	{ { .name = "*.imap.provider.test" }, "hostname mismatch" },
	{ { .name = "im*.provider.test" }, "hostname mismatch" },
	{ { .name = "127.0.0.1" }, "hostname mismatch" },
	{ { .name = "imap.provider.test", .expired = true }, "expired" },
	{ { .name = "imap.provider.test", .self_signed = true },
	  "self-signed" },
	{ { .name = "imap.provider.test", .for_clients = true }, "purpose" },
};

static void a_wrong_provider_is_never_used(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(provider_rows); i++) {
		bool good = provider_rows[i].why == NULL;
		struct rig rig;
		struct exchange x = { .rig = &rig };

		rig_init(&rig);
		rig_make(&rig, "odd", &provider_rows[i].how);
		SSL_CTX_free(rig.provider_context);
		rig.provider_context = rig_server_context(&rig, "odd");
		rig_start(&rig, &blind_protocol);
		blind_connect_error[0] = '\0';
		run_exchange(&x, true);
		assert_int_equal(x.answered, good);
		if (good) {
			assert_string_equal(blind_connect_error, "");
		} else {
			assert_non_null(strstr(blind_connect_error,
					       provider_rows[i].why));
		}
		SSL_SESSION_free(x.session);
		rig_finish(&rig);
	}
}

static void an_address_is_verified_as_one(void **state)
{
	static const struct rig_certificate how = { .name = "127.0.0.1" };
	struct rig rig;
	struct exchange x = { .rig = &rig };

	(void)state;
	rig_init(&rig);
	rig_make(&rig, "address", &how);
	SSL_CTX_free(rig.provider_context);
	rig.provider_context = rig_server_context(&rig, "address");
	rig.provider.tls_name = NULL;
	rig_start(&rig, &blind_protocol);
	run_exchange(&x, true);
	assert_true(x.answered);
	assert_string_equal(x.sni, "");
	SSL_SESSION_free(x.session);
	rig_finish(&rig);
}

static void provider_sessions_are_resumed(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (size_t v = 0; v < N_ELEMENTS(versions); v++) {
		struct rig rig;

		rig_init(&rig);
		SSL_CTX_set_max_proto_version(rig.provider_context,
					      versions[v]);
		rig_start(&rig, &blind_protocol);
		for (int i = 0; i < 5; i++) {
			struct exchange x = { .rig = &rig };

			run_exchange(&x, true);
			assert_true(x.answered);
			assert_int_equal(x.provider_resumed, i > 0);
			SSL_SESSION_free(x.session);
		}
		rig_finish(&rig);
	}
}

static void client_sessions_are_resumed_over_rotation(void **state)
{
	unsigned char keys[3][PROXY_TICKET_KEY_SIZE];
	SSL_SESSION *session = NULL;
	struct rig rig;

	(void)state;
	for (int i = 0; i < 3; i++) {
		memset(keys[i], 'a' + i, sizeof(keys[i]));
	}
	rig_init(&rig);
	rig_start(&rig, &blind_protocol);
	proxy_worker_set_ticket_keys(rig.worker, keys[0], NULL);
	for (int i = 0; i < 5; i++) {
		/* Rotated once: still good. Twice at once: not. */
		static const int current[] = { 0, 0, 1, 1, 0 };
		static const int previous[] = { -1, -1, 0, 0, 2 };
		static const bool expect[] = { false, true, true, true, false };
		struct exchange x = { .rig = &rig, .resume = session };

		proxy_worker_set_ticket_keys(
			rig.worker, keys[current[i]],
			previous[i] < 0 ? NULL : keys[previous[i]]);
		run_exchange(&x, true);
		assert_true(x.answered);
		assert_int_equal(x.resumed, expect[i]);
		SSL_SESSION_free(session);
		session = x.session;
		assert_non_null(session);
	}
	SSL_SESSION_free(session);
	rig_finish(&rig);
}

static void the_name_chooses_the_certificate(void **state)
{
	static const struct rig_certificate made[] = {
		{ .name = "gateway.test" },
		{ .name = "imap.acme.test" },
		{ .name = "*.wild.test" },
	};
	static const struct {
		const char *sni;
		const char *shown;
	} rows[] = {
		{ NULL, "gateway.test" },
		{ "gateway.test", "gateway.test" },
		{ "unknown.test", "gateway.test" },
		/* By the certificate's own name. */
		{ "IMAP.acme.test", "imap.acme.test" },
		{ "a.wild.test", "*.wild.test" },
		{ "a.b.wild.test", "gateway.test" },
		/* By the names configured. */
		{ "mail.other.test", "imap.acme.test" },
		{ "x.y.other.test", "gateway.test" },
	};
	static char *names[] = { (char *)"*.other.test" };
	struct certificate certificates[3];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	for (size_t i = 0; i < 3; i++) {
		char file[8];

		snprintf(file, sizeof(file), "c%zu", i);
		rig_make(&rig, file, &made[i]);
		certificates[i] = (struct certificate){
			.chain_file = strdup(rig_path(&rig, file, ".pem")),
			.key_file = strdup(rig_path(&rig, file, ".key")),
		};
	}
	certificates[1].names = names;
	certificates[1].name_count = 1;
	rig.settings.certificates = certificates;
	rig.settings.certificate_count = 3;
	rig_start(&rig, &blind_protocol);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct exchange x = { .rig = &rig, .name = rows[i].sni };

		run_exchange(&x, true);
		assert_true(x.answered);
		assert_string_equal(x.subject, rows[i].shown);
		SSL_SESSION_free(x.session);
	}
	for (size_t i = 0; i < 3; i++) {
		free(certificates[i].chain_file);
		free(certificates[i].key_file);
	}
	rig_finish(&rig);
}

static void reload_shows_the_new_certificate_or_keeps_the_old(void **state)
{
	static const struct rig_certificate how = { .name = "new.test" };
	struct error err = { "" };
	struct settings settings;
	struct certificate certificate;
	struct rig rig;
	struct exchange before = { .rig = &rig };
	struct exchange after = { .rig = &rig };
	struct exchange kept = { .rig = &rig };

	(void)state;
	rig_init(&rig);
	rig_make(&rig, "new", &how);
	rig_start(&rig, &blind_protocol);
	run_exchange(&before, true);
	assert_string_equal(before.subject, "gateway.test");

	settings = rig.settings;
	certificate = (struct certificate){
		.chain_file = strdup(rig_path(&rig, "new", ".pem")),
		.key_file = strdup(rig_path(&rig, "gateway", ".key")),
	};
	settings.certificates = &certificate;
	settings.references = 100;
	assert_int_equal(proxy_worker_reload(rig.worker, &settings, &err), -1);
	assert_true(err.text[0] != '\0');
	assert_int_equal(settings.references, 100);
	run_exchange(&kept, true);
	assert_string_equal(kept.subject, "gateway.test");

	free(certificate.key_file);
	certificate.key_file = strdup(rig_path(&rig, "new", ".key"));
	assert_int_equal(proxy_worker_reload(rig.worker, &settings, &err), 0);
	run_exchange(&after, true);
	assert_true(after.answered);
	assert_string_equal(after.subject, "new.test");

	SSL_SESSION_free(before.session);
	SSL_SESSION_free(kept.session);
	SSL_SESSION_free(after.session);
	free(certificate.chain_file);
	free(certificate.key_file);
	rig_finish(&rig);
}

static void *run_garbage(void *context)
{
	struct exchange *x = context;
	static char garbage[70000];
	struct peer peer;

	memset(garbage, 'G', sizeof(garbage));
	assert_int_equal(peer_connect(&peer, x->rig->port, NULL, NULL), 0);
	peer_write(&peer, garbage, sizeof(garbage));
	peer_read(&peer, garbage, sizeof(garbage));
	peer_drop(&peer);
	x->done = 1;
	return NULL;
}

static void garbage_for_a_handshake_is_counted(void **state)
{
	uint64_t before = metric_get(METRIC_TLS_FAILURES);
	pthread_t thread;
	struct rig rig;
	struct exchange x = { .rig = &rig };

	(void)state;
	rig_init(&rig);
	rig_start(&rig, &blind_protocol);
	pthread_create(&thread, NULL, run_garbage, &x);
	assert_true(rig_run(&rig, &x.done, 20));
	assert_true(rig_run_empty(&rig, 10));
	pthread_join(thread, NULL);
	assert_int_equal(metric_get(METRIC_TLS_FAILURES), before + 1);
	rig_finish(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fast_cipher_and_13_are_chosen),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(a_wrong_provider_is_never_used),
		cmocka_unit_test(an_address_is_verified_as_one),
		cmocka_unit_test(provider_sessions_are_resumed),
		cmocka_unit_test(client_sessions_are_resumed_over_rotation),
		cmocka_unit_test(the_name_chooses_the_certificate),
		cmocka_unit_test(
			reload_shows_the_new_certificate_or_keeps_the_old),
		cmocka_unit_test(garbage_for_a_handshake_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
