/* fake_relay: session.h and relay.h without sockets, for tests of a protocol:
   what it sends to a side is gathered, what a side sends is handed to it, and
   what it asks for (connect, TLS, resume) happens when the test says so. */
#ifndef POSTERN_TESTS_FAKE_RELAY_H
#define POSTERN_TESTS_FAKE_RELAY_H

#include "proxy/relay.h"
#include "proxy/session.h"

#define FAKE_OUT_MAX (8 * 1024 * 1024)

struct fake_side {
	struct strbuf out;
	struct strbuf held;
	bool has_tls;
	bool paused;
	bool resumed;
	bool wants_tls;
	/* What relay_backlog says. */
	size_t backlog;
	void (*when_writable)(struct session *s);
};

struct session {
	const struct protocol *protocol;
	void *state;
	struct settings settings;
	struct listener_settings listener;
	struct provider provider;
	struct session_route route;
	struct session_hooks hooks;
	struct fake_side sides[2];
	bool may_authenticate;
	bool login_refused_by_limit;
	bool route_refused;
	bool connecting;
	bool connected;
	bool authenticated;
	bool closed;
	unsigned int failed_logins;
	unsigned int timeout_s;
	char why[200];
	char mailbox[SASL_USER_MAX + 1];
};

/* A session with one provider, a listener with implicit TLS, and defaults
   that a test may change before fake_start. */
void fake_init(struct session *s, const struct protocol *protocol);
void fake_start(struct session *s);
void fake_finish(struct session *s);

/* Deliver bytes in pieces of at most piece bytes, and do what follows. */
void fake_receive(struct session *s, enum side from, struct span bytes,
		  size_t piece);
/* Do what the protocol asked for: resumed deliveries, TLS, connections. */
void fake_work(struct session *s);
/* The backlog of a side went down. */
void fake_drain_backlog(struct session *s, enum side side);

#endif
