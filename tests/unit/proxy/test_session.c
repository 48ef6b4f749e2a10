/* Sessions: STARTTLS and what is injected before it, the end of a session,
   limits, the PROXY header, drain. */
#include "rig.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- a small protocol of lines --
   STARTTLS: go, then TLS. LOGIN: connect to the provider, whose greeting is
   answered with STARTTLS when the provider is plain; then everything passes.
   FAIL: a failed login. BYE: a last line and the end. EARLY: closes while the
   answer of 200 KiB is under way. */

static volatile int closed_count;
static char closed_eof[64];

struct lines {
	bool passing;
};

static void *lines_create(struct session *s)
{
	(void)s;
	return calloc(1, sizeof(struct lines));
}

static void lines_destroy(void *state)
{
	closed_count++;
	free(state);
}

static void lines_start(struct session *s)
{
	relay_sendf(s, SIDE_CLIENT, "hello %s\r\n", session_client_address(s));
}

static void login(struct session *s)
{
	struct error err = { "" };

	if (!session_login_allowed(s, SPAN("ann@acme.test"))) {
		relay_sendf(s, SIDE_CLIENT, "limit\r\n");
		return;
	}
	relay_pause(s, SIDE_CLIENT);
	if (session_connect(s, NULL, &err) < 0) {
		session_close(s, err.text);
	}
}

static void early(struct session *s)
{
	static char line[200 * 1024];

	memset(line, 'e', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 40; i++) {
		relay_send(s, SIDE_CLIENT, span_of(line, sizeof(line)));
	}
	session_close(s, "early");
}

static void take_client_line(struct session *s, struct span line)
{
	if (span_eq(line, SPAN("STARTTLS\r\n"))) {
		relay_sendf(s, SIDE_CLIENT, "go\r\n");
		session_start_tls(s, SIDE_CLIENT);
	} else if (span_eq(line, SPAN("LOGIN\r\n"))) {
		login(s);
	} else if (span_eq(line, SPAN("FAIL\r\n"))) {
		session_login_failed(s, SPAN("Ann@acme.test"));
		relay_sendf(s, SIDE_CLIENT, "failed\r\n");
	} else if (span_eq(line, SPAN("BYE\r\n"))) {
		relay_sendf(s, SIDE_CLIENT, "bye\r\n");
		session_close(s, "bye");
	} else if (span_eq(line, SPAN("EARLY\r\n"))) {
		early(s);
	} else if (span_eq(line, SPAN("MAY\r\n"))) {
		relay_sendf(s, SIDE_CLIENT, "%s\r\n",
			    session_may_authenticate(s) ? "yes" : "no");
	} else {
		relay_sendf(s, SIDE_CLIENT, "what\r\n");
	}
}

static void connected(struct session *s)
{
	struct lines *lines = session_state(s);

	lines->passing = true;
	session_set_mailbox(s, SPAN("Ann@Acme.test"));
	session_authenticated(s);
	relay_sendf(s, SIDE_CLIENT, "connected\r\n");
	relay_resume(s, SIDE_CLIENT);
}

static void take_server_line(struct session *s, struct span line)
{
	if (span_eq(line, SPAN("go\r\n"))) {
		session_start_tls(s, SIDE_SERVER);
	} else {
		relay_sendf(s, SIDE_SERVER, "STARTTLS\r\n");
	}
}

static size_t lines_on_bytes(struct session *s, enum side from, struct span in)
{
	struct lines *lines = session_state(s);
	ptrdiff_t lf = span_find(in, '\n');

	if (lines->passing) {
		relay_forward(s, from, in);
		return in.len;
	}
	if (lf < 0) {
		return 0;
	}
	if (from == SIDE_CLIENT) {
		take_client_line(s, span_first(in, (size_t)lf + 1));
	} else {
		take_server_line(s, span_first(in, (size_t)lf + 1));
	}
	return (size_t)lf + 1;
}

static void lines_on_connected(struct session *s)
{
	if (session_has_tls(s, SIDE_SERVER)) {
		connected(s);
	}
}

static void lines_on_connect_failed(struct session *s, const char *why)
{
	relay_sendf(s, SIDE_CLIENT, "unavailable: %s\r\n", why);
	relay_resume(s, SIDE_CLIENT);
}

static void lines_on_tls(struct session *s, enum side side)
{
	if (side == SIDE_SERVER) {
		connected(s);
	} else {
		relay_sendf(s, SIDE_CLIENT, "secure\r\n");
	}
}

static void lines_on_eof(struct session *s, enum side from)
{
	snprintf(closed_eof, sizeof(closed_eof), "%s%s",
		 from == SIDE_CLIENT ? "client" : "server",
		 relay_was_truncated(s, from) ? " truncated" : "");
	session_close(s, "eof");
}

static void lines_on_timeout(struct session *s)
{
	relay_sendf(s, SIDE_CLIENT, "timeout\r\n");
	session_close(s, "timeout");
}

static void lines_on_drain(struct session *s)
{
	relay_sendf(s, SIDE_CLIENT, "drain\r\n");
	session_close(s, "drain");
}

static const struct protocol lines_protocol = {
	.name = "lines",
	.create = lines_create,
	.destroy = lines_destroy,
	.start = lines_start,
	.on_bytes = lines_on_bytes,
	.on_connected = lines_on_connected,
	.on_connect_failed = lines_on_connect_failed,
	.on_tls = lines_on_tls,
	.on_eof = lines_on_eof,
	.on_timeout = lines_on_timeout,
	.on_drain = lines_on_drain,
};

/* -- scripts: what a peer says and wants to hear, step by step -- */

enum action {
	END,
	/* Send these bytes. */
	SAY,
	/* Read a line that begins so. */
	HEAR,
	/* Shake hands. */
	SECURE,
	/* Read the end, and nothing before it. */
	HEAR_END,
	/* Read to the end, whatever comes before it. */
	HEAR_OUT,
	/* Read to the end: at least 8,000,000 bytes. */
	HEAR_MUCH,
	/* Close without close_notify. */
	DROP,
};

struct step {
	enum action action;
	struct span text;
};

struct script {
	struct rig *rig;
	const struct step *steps;
	bool is_provider;
	/* The step that went wrong, or -1. */
	int wrong;
	char heard[256];
	volatile int done;
	pthread_t thread;
};

static bool hear(struct script *script, struct peer *peer, struct span begin)
{
	char *line = script->heard;

	return peer_line(peer, line, sizeof(script->heard)) > 0 &&
	       span_starts(span_str(line), begin);
}

static bool hear_much(struct peer *peer)
{
	static char buf[65536];
	size_t total = 0;
	ssize_t len;

	while ((len = peer_read(peer, buf, sizeof(buf))) > 0) {
		total += (size_t)len;
		usleep(200);
	}
	return total >= 8000000;
}

static bool do_step(struct script *script, struct peer *peer,
		    const struct step *step)
{
	struct rig *rig = script->rig;
	char byte;

	switch (step->action) {
	case SAY:
		return peer_write(peer, step->text.ptr, step->text.len) == 0;
	case HEAR:
		return hear(script, peer, step->text);
	case SECURE:
		return peer_start_tls(peer,
				      script->is_provider
					      ? rig->provider_context
					      : rig->client_context,
				      script->is_provider, NULL) == 0;
	case HEAR_END:
		return peer_read(peer, &byte, 1) <= 0;
	case HEAR_OUT:
		while (peer_read(peer, &byte, 1) > 0) {
		}
		return true;
	case HEAR_MUCH:
		return hear_much(peer);
	case DROP:
		peer_drop(peer);
		return true;
	default:
		return false;
	}
}

static void *run_script(void *context)
{
	struct script *script = context;
	struct peer peer = { .fd = -1 };
	int status;

	status = script->is_provider
			 ? peer_accept(&peer, script->rig->provider_fd, NULL)
			 : peer_connect(&peer, script->rig->port, NULL, NULL);
	script->wrong = status < 0 ? 0 : -1;
	for (int i = 0; script->wrong < 0 && script->steps[i].action != END;
	     i++) {
		if (!do_step(script, &peer, &script->steps[i])) {
			script->wrong = i;
		}
	}
	if (peer.fd >= 0) {
		peer_close(&peer);
	}
	script->done = 1;
	return NULL;
}

/* Run both; provider may be NULL. */
static void run_scripts(struct rig *rig, const struct step *client_steps,
			const struct step *provider_steps)
{
	struct script client = { .rig = rig, .steps = client_steps };
	struct script provider = { .rig = rig,
				   .steps = provider_steps,
				   .is_provider = true };

	if (provider_steps != NULL) {
		pthread_create(&provider.thread, NULL, run_script, &provider);
	}
	pthread_create(&client.thread, NULL, run_script, &client);
	assert_true(rig_run(rig, &client.done, 30));
	assert_true(rig_run_empty(rig, 10));
	pthread_join(client.thread, NULL);
	if (client.wrong >= 0) {
		fail_msg("client went wrong at step %d, heard \"%s\"",
			 client.wrong, client.heard);
	}
	if (provider_steps != NULL) {
		pthread_join(provider.thread, NULL);
		if (provider.wrong >= 0) {
			fail_msg("provider went wrong at step %d, heard \"%s\"",
				 provider.wrong, provider.heard);
		}
	}
}

static void begin(struct rig *rig, enum tls_mode client, enum tls_mode server)
{
	rig_init(rig);
	rig->listener.tls = client;
	rig->provider.imap.tls = server;
}

#define STEPS(...) ((const struct step[]){ __VA_ARGS__, { END, { NULL, 0 } } })
#define S(text)	   SPAN(text)

/* -- STARTTLS -- */

static void starttls_works_on_both_legs(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_STARTTLS, TLS_STARTTLS);
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ HEAR, S("hello 127.0.0.1\r\n") },
			  { SAY, S("MAY\r\n") }, { HEAR, S("no") },
			  { SAY, S("STARTTLS\r\n") }, { HEAR, S("go") },
			  { SECURE, S("") }, { HEAR, S("secure") },
			  { SAY, S("MAY\r\n") }, { HEAR, S("yes") },
			  { SAY, S("LOGIN\r\n") }, { HEAR, S("connected") },
			  { SAY, S("ping\r\n") }, { HEAR, S("pong") }),
		    STEPS({ SAY, S("greetings\r\n") }, { HEAR, S("STARTTLS") },
			  { SAY, S("go\r\n") }, { SECURE, S("") },
			  { HEAR, S("ping") }, { SAY, S("pong\r\n") },
			  { HEAR_END, S("") }));
	rig_finish(&rig);
}

static void injection_by_the_client_ends_the_session(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_STARTTLS, TLS_STARTTLS);
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ HEAR, S("hello") },
			  { SAY, S("STARTTLS\r\nMAY\r\n") }, { HEAR, S("go") },
			  { HEAR_END, S("") }),
		    NULL);
	/* What comes later is no handshake either. */
	run_scripts(&rig,
		    STEPS({ HEAR, S("hello") }, { SAY, S("STARTTLS\r\n") },
			  { HEAR, S("go") }, { SAY, S("MAY\r\n") },
			  { HEAR_END, S("") }),
		    NULL);
	rig_finish(&rig);
}

static void injection_by_the_provider_is_unavailable(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_STARTTLS);
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("LOGIN\r\n") },
			  { HEAR, S("unavailable: data before the TLS") },
			  { SAY, S("MAY\r\n") }, { HEAR, S("yes") }),
		    STEPS({ SAY, S("greetings\r\n") }, { HEAR, S("STARTTLS") },
			  { SAY, S("go\r\nok you are in\r\n") },
			  { HEAR_END, S("") }));
	rig_finish(&rig);
}

static void a_provider_without_tls_is_unavailable(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig_start(&rig, &lines_protocol);
	run_scripts(
		&rig,
		STEPS({ SECURE, S("") }, { HEAR, S("hello") },
		      { SAY, S("LOGIN\r\n") },
		      { HEAR, S("unavailable: TLS handshake: ") }),
		STEPS({ SAY, S("* OK hello there\r\n") }, { HEAR_OUT, S("") }));
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("LOGIN\r\n") },
			  { HEAR, S("unavailable: ") }),
		    STEPS({ DROP, S("") }));
	rig_finish(&rig);
}

static void a_silent_provider_times_out(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig.settings.limits.connect_timeout_s = 1;
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("LOGIN\r\n") },
			  { HEAR, S("unavailable: TLS handshake timed out") }),
		    STEPS({ HEAR_OUT, S("") }));
	/* Nor may it stop in the middle of STARTTLS. */
	rig.provider.imap.tls = TLS_STARTTLS;
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("LOGIN\r\n") },
			  { HEAR, S("unavailable: TLS handshake timed out") }),
		    STEPS({ SAY, S("hi\r\n") }, { HEAR, S("STARTTLS") },
			  { SAY, S("go\r\n") }, { HEAR_OUT, S("") }));
	rig_finish(&rig);
}

static void nobody_listening_is_unavailable(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig.provider.imap.port = 1;
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("LOGIN\r\n") },
			  { HEAR, S("unavailable: 127.0.0.1 [127.0.0.1]:1: "
				    "Connection refused") }),
		    NULL);
	rig_finish(&rig);
}

/* -- ends -- */

static void the_last_line_arrives(void **state)
{
	struct rig rig;
	int before = closed_count;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig_start(&rig, &lines_protocol);
	/* With bytes behind it that nobody will read. */
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("BYE\r\nmore\r\nmore\r\n") },
			  { SAY, S("more\r\n") }, { HEAR, S("bye") },
			  { HEAR_END, S("") }),
		    NULL);
	assert_int_equal(closed_count, before + 1);
	rig_finish(&rig);
}

static void what_was_sent_before_the_close_arrives(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("EARLY\r\n") }, { HEAR_MUCH, S("") }),
		    NULL);
	rig_finish(&rig);
}

static void an_end_without_close_notify_is_seen(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_STARTTLS);
	rig_start(&rig, &lines_protocol);
	run_scripts(
		&rig,
		STEPS({ SECURE, S("") }, { HEAR, S("hello") }, { DROP, S("") }),
		NULL);
	assert_string_equal(closed_eof, "client truncated");
	run_scripts(&rig, STEPS({ SECURE, S("") }, { HEAR, S("hello") }), NULL);
	assert_string_equal(closed_eof, "client");
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("LOGIN\r\n") }, { HEAR, S("connected") },
			  { HEAR, S("half") }, { HEAR_END, S("") }),
		    STEPS({ SAY, S("hi\r\n") }, { HEAR, S("STARTTLS") },
			  { SAY, S("go\r\n") }, { SECURE, S("") },
			  { SAY, S("half\r\n") }, { DROP, S("") }));
	assert_string_equal(closed_eof, "server truncated");
	rig_finish(&rig);
}

static void nobody_may_wait_for_ever_before_login(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig.settings.limits.preauth_timeout_s = 1;
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { HEAR, S("timeout") }, { HEAR_END, S("") }),
		    NULL);
	/* Not even a handshake. */
	run_scripts(&rig, STEPS({ HEAR_END, S("") }), NULL);
	rig_finish(&rig);
}

static void more_than_may_be_kept_ends_the_session(void **state)
{
	static char line[RELAY_HELD_MAX + 100000];
	struct rig rig;

	(void)state;
	memset(line, 'x', sizeof(line));
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, { line, sizeof(line) } }, { HEAR_END, S("") }),
		    NULL);
	rig_finish(&rig);
}

static volatile int drained;

static void on_drained(void *context)
{
	(void)context;
	drained = 1;
}

static void drain_says_so_and_ends(void **state)
{
	struct rig rig;
	struct script client = {
		.rig = &rig,
		.steps = STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			       { HEAR, S("drain") }, { HEAR_END, S("") })
	};

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig_start(&rig, &lines_protocol);
	drained = 0;
	pthread_create(&client.thread, NULL, run_script, &client);
	while (rig.worker->session_count == 0 ||
	       !TAILQ_FIRST(&rig.worker->sessions)->started) {
		event_base_loop(rig.base, EVLOOP_ONCE);
	}
	proxy_drain(rig.worker, 5, on_drained, NULL);
	assert_true(rig_run(&rig, &drained, 10));
	pthread_join(client.thread, NULL);
	assert_int_equal(client.wrong, -1);
	rig_finish(&rig);
}

static void a_mailbox_is_cut(void **state)
{
	struct rig rig;
	struct script client = {
		.rig = &rig,
		.steps = STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			       { SAY, S("LOGIN\r\n") },
			       { HEAR, S("connected") }, { HEAR_END, S("") })
	};
	struct script provider = { .rig = &rig,
				   .is_provider = true,
				   .steps = STEPS({ SECURE, S("") },
						  { HEAR_END, S("") }) };

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig_start(&rig, &lines_protocol);
	pthread_create(&provider.thread, NULL, run_script, &provider);
	pthread_create(&client.thread, NULL, run_script, &client);
	while (rig.worker->session_count == 0 ||
	       !TAILQ_FIRST(&rig.worker->sessions)->authenticated) {
		event_base_loop(rig.base, EVLOOP_ONCE);
	}
	assert_string_equal(session_mailbox(TAILQ_FIRST(&rig.worker->sessions)),
			    "ann@acme.test");
	assert_int_equal(
		proxy_cut_mailbox(rig.worker, SPAN("bob@acme.test"), "cut"), 0);
	assert_int_equal(
		proxy_cut_mailbox(rig.worker, SPAN("ANN@acme.test"), "cut"), 1);
	assert_true(rig_run_empty(&rig, 10));
	pthread_join(client.thread, NULL);
	pthread_join(provider.thread, NULL);
	assert_int_equal(client.wrong, -1);
	assert_int_equal(provider.wrong, -1);
	rig_finish(&rig);
}

/* -- limits and networks -- */

static void failures_are_slowed_then_refused(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig.settings.limits.max_auth_failures_per_account = 3;
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("FAIL\r\n") }, { HEAR, S("failed") },
			  { SAY, S("FAIL\r\n") }, { HEAR, S("failed") },
			  { SAY, S("LOGIN\r\n") }, { HEAR, S("connected") }),
		    STEPS({ SECURE, S("") }, { HEAR_END, S("") }));
	/* That login worked: the count begins anew. */
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("FAIL\r\n") }, { HEAR, S("failed") },
			  { SAY, S("FAIL\r\n") }, { HEAR, S("failed") },
			  { SAY, S("FAIL\r\n") }, { HEAR, S("failed") },
			  { SAY, S("LOGIN\r\n") }, { HEAR, S("limit") }),
		    NULL);
	rig_finish(&rig);
}

static void failures_of_an_address_delay_it(void **state)
{
	uint64_t before = worker_now_ms();
	struct rig rig;

	(void)state;
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig.settings.limits.max_auth_failures_per_address = 2;
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ SECURE, S("") }, { HEAR, S("hello") },
			  { SAY, S("FAIL\r\n") }, { HEAR, S("failed") },
			  { SAY, S("FAIL\r\n") }, { HEAR, S("failed") },
			  { SAY, S("LOGIN\r\n") }, { HEAR, S("limit") }),
		    NULL);
	assert_true(worker_now_ms() - before >= 900);
	rig_finish(&rig);
}

static void one_address_has_so_many_connections(void **state)
{
	struct network exempt;
	struct rig rig;
	struct peer first, second, third;
	char line[64];

	(void)state;
	begin(&rig, TLS_NONE, TLS_IMPLICIT);
	rig.settings.limits.max_connections_per_address = 2;
	network_parse("127.0.0.0/8", &exempt, NULL);
	for (int round = 0; round < 2; round++) {
		rig.settings.limits.exempt_networks = &exempt;
		rig.settings.limits.exempt_network_count = (size_t)round;
		rig_start(&rig, &lines_protocol);
		peer_connect(&first, rig.port, NULL, NULL);
		peer_connect(&second, rig.port, NULL, NULL);
		peer_connect(&third, rig.port, NULL, NULL);
		for (int i = 0; i < 50; i++) {
			event_base_loop(rig.base, EVLOOP_NONBLOCK);
		}
		assert_true(peer_line(&first, line, sizeof(line)) > 0);
		assert_true(peer_line(&second, line, sizeof(line)) > 0);
		assert_int_equal(peer_line(&third, line, sizeof(line)) > 0,
				 round);
		peer_drop(&first);
		peer_drop(&third);
		assert_int_equal(event_base_loop(rig.base, EVLOOP_ONCE), 0);
		for (int i = 0; i < 50; i++) {
			event_base_loop(rig.base, EVLOOP_NONBLOCK);
		}
		peer_connect(&third, rig.port, NULL, NULL);
		for (int i = 0; i < 50; i++) {
			event_base_loop(rig.base, EVLOOP_NONBLOCK);
		}
		assert_true(peer_line(&third, line, sizeof(line)) > 0);
		peer_drop(&second);
		peer_drop(&third);
		assert_true(rig_run_empty(&rig, 10));
		proxy_worker_destroy(&rig.worker);
		limits_destroy(&rig.limits);
		event_base_free(rig.base);
		rig.base = NULL;
	}
	rig_finish(&rig);
}

static void the_proxy_header_names_the_client(void **state)
{
	struct network loopback;
	struct rig rig;

	(void)state;
	network_parse("127.0.0.1", &loopback, NULL);
	begin(&rig, TLS_IMPLICIT, TLS_IMPLICIT);
	rig.listener.proxy_protocol = true;
	rig.settings.trusted_networks = &loopback;
	rig.settings.trusted_network_count = 1;
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig,
		    STEPS({ SAY, S("PROXY TCP4 192.0.2.9 127.0.0.1 5 6\r\n") },
			  { SECURE, S("") }, { HEAR, S("hello 192.0.2.9\r") }),
		    NULL);
	run_scripts(&rig,
		    STEPS({ SAY, S("\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24"
				   "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
				   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
				   "\0\x05\0\x06") },
			  { SECURE, S("") },
			  { HEAR, S("hello 2001:db8::1\r") }),
		    NULL);
	/* None is no client. */
	run_scripts(&rig,
		    STEPS({ SAY, S("\x16\x03\x01") }, { HEAR_END, S("") }),
		    NULL);
	run_scripts(&rig, STEPS({ DROP, S("") }), NULL);
	proxy_worker_destroy(&rig.worker);
	event_base_free(rig.base);
	limits_destroy(&rig.limits);
	/* From anywhere else it is no header. */
	rig.settings.trusted_network_count = 0;
	rig_start(&rig, &lines_protocol);
	run_scripts(&rig, STEPS({ HEAR_END, S("") }), NULL);
	rig_finish(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starttls_works_on_both_legs),
		cmocka_unit_test(injection_by_the_client_ends_the_session),
		cmocka_unit_test(injection_by_the_provider_is_unavailable),
		cmocka_unit_test(a_provider_without_tls_is_unavailable),
		cmocka_unit_test(a_silent_provider_times_out),
		cmocka_unit_test(nobody_listening_is_unavailable),
		cmocka_unit_test(the_last_line_arrives),
		cmocka_unit_test(what_was_sent_before_the_close_arrives),
		cmocka_unit_test(an_end_without_close_notify_is_seen),
		cmocka_unit_test(nobody_may_wait_for_ever_before_login),
		cmocka_unit_test(more_than_may_be_kept_ends_the_session),
		cmocka_unit_test(drain_says_so_and_ends),
		cmocka_unit_test(a_mailbox_is_cut),
		cmocka_unit_test(failures_are_slowed_then_refused),
		cmocka_unit_test(failures_of_an_address_delay_it),
		cmocka_unit_test(one_address_has_so_many_connections),
		cmocka_unit_test(the_proxy_header_names_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
