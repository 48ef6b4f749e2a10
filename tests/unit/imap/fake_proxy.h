/* fake_proxy: a session without sockets. Bytes fed to it reach the protocol
   as the real relay would give them, whole or in steps; what the protocol
   sends is kept. Plays the rest of posternd too: route, wishes, taps. */
#ifndef POSTERN_TESTS_IMAP_FAKE_PROXY_H
#define POSTERN_TESTS_IMAP_FAKE_PROXY_H

#include "lib/strbuf.h"
#include "proxy/relay.h"
#include "proxy/session.h"

struct fake_tap {
	struct strbuf folder;
	struct strbuf flags;
	struct strbuf message;
	struct tap_source source;
};

#define FAKE_TAPS_MAX 64

struct session {
	const struct protocol *protocol;
	void *state;
	struct settings settings;
	struct provider provider;
	struct organization organization;
	struct session_route route;
	struct session_hooks hooks;
	struct listener_settings listener;
	/* Bytes at a time; 0: all there is. */
	size_t step;

	struct strbuf out[2];
	struct strbuf held[2];
	bool paused[2];
	bool resumed[2];
	bool hung_up[2];
	uint64_t bytes_in[2];
	bool has_tls[2];
	bool wants_tls[2];
	bool may_authenticate;
	bool connecting;
	bool connected;
	bool authenticated;
	bool closing;
	char why[200];
	char mailbox[400];
	unsigned int timeout;
	unsigned int failures;
	/* What the outside does. */
	bool refuse_route;
	bool refuse_login;
	bool unwanted;
	bool headers_unwanted;
	unsigned int asked;
	struct fake_tap taps[FAKE_TAPS_MAX];
	size_t tap_count;
	/* Over all taps, also those past FAKE_TAPS_MAX. */
	uint64_t tap_digest;
};

/* Make a session on TLS with an inspected organization; change it before
   fake_start. */
void fake_init(struct session *s, size_t step);
void fake_start(struct session *s);
void fake_finish(struct session *s);
void fake_feed(struct session *s, enum side from, struct span bytes);
/* The provider is there, or not. */
void fake_connected(struct session *s);
void fake_connect_failed(struct session *s);
/* What was sent to a side since the last call; valid until the next one. */
const char *fake_sent(struct session *s, enum side to);

#endif
