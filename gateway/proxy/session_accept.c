/* session_accept: from an accepted socket to a session: who it is, whether
   it may, its PROXY header; and how often it may try to log in. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/metrics.h"
#include "proxy/proxy_header.h"
#include "proxy/session_impl.h"

/* A peer that vanished is noticed after about five minutes of silence. */
#define KEEPALIVE_IDLE_S     120
#define KEEPALIVE_INTERVAL_S 30
#define KEEPALIVE_PROBES     6

/* Longest delay after failed logins. */
#define LOGIN_DELAY_MAX_S 8

void socket_set_options(int fd)
{
	static const struct {
		int level;
		int name;
		int value;
	} rows[] = {
		/* A small write behind a small write never waits for an ACK. */
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		/* Not a TCP socket in tests: then there is nothing to set. */
		(void)setsockopt(fd, rows[i].level, rows[i].name,
				 &rows[i].value, sizeof(rows[i].value));
	}
}

/* IPv4 as ::ffff:a.b.c.d; zeros for what has no address. */
static void address_bytes(const struct sockaddr *address,
			  unsigned char out_r[16])
{
	memset(out_r, 0, 16);
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;

		memset(out_r + 10, 0xff, 2);
		memcpy(out_r + 12, &in->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;

		memcpy(out_r, &in6->sin6_addr, 16);
	}
}

static void address_as_sockaddr(const unsigned char address[16],
				struct sockaddr_in6 *out_r)
{
	*out_r = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	memcpy(&out_r->sin6_addr, address, 16);
}

static bool is_v4(const unsigned char address[16])
{
	static const unsigned char prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

static bool is_loopback(const unsigned char address[16])
{
	static const unsigned char v6[16] = { [15] = 1 };

	return (is_v4(address) && address[12] == 127) ||
	       memcmp(address, v6, sizeof(v6)) == 0;
}

static bool in_networks(const struct network *networks, size_t count,
			const unsigned char address[16])
{
	struct sockaddr_in6 sockaddr;

	address_as_sockaddr(address, &sockaddr);
	return networks_have(networks, count, (const void *)&sockaddr);
}

static void set_address(struct session *s, const unsigned char address[16])
{
	memcpy(s->address, address, 16);
	if (is_v4(address)) {
		inet_ntop(AF_INET, address + 12, s->address_text,
			  sizeof(s->address_text));
	} else {
		inet_ntop(AF_INET6, address, s->address_text,
			  sizeof(s->address_text));
	}
}

/* -- limits -- */

static bool is_exempt(const struct session *s)
{
	const struct limits_settings *l = &s->settings->limits;

	return in_networks(l->exempt_networks, l->exempt_network_count,
			   s->address);
}

/* Count the client's address; false when it has too many connections. */
static bool count_address(struct session *s)
{
	unsigned int max = s->settings->limits.max_connections_per_address;

	if (max == 0 || is_exempt(s)) {
		return true;
	}
	s->address_counted = limits_acquire(
		s->worker->limits, s->worker->index, LIMITS_ADDRESS,
		span_of(s->address, sizeof(s->address)), max);
	return s->address_counted;
}

static void release_account(struct session *s)
{
	if (s->account != NULL) {
		limits_release(s->worker->limits, s->worker->index,
			       LIMITS_ACCOUNT, span_str(s->account));
		free(s->account);
		s->account = NULL;
	}
}

void session_forget_limits(struct session *s)
{
	release_account(s);
	if (s->address_counted) {
		limits_release(s->worker->limits, s->worker->index,
			       LIMITS_ADDRESS,
			       span_of(s->address, sizeof(s->address)));
		s->address_counted = false;
	}
	if (s->total_counted) {
		limits_release(s->worker->limits, s->worker->index,
			       LIMITS_TOTAL, SPAN(""));
		s->total_counted = false;
	}
}

static unsigned int failures(const struct session *s, enum limits_kind kind,
			     struct span key)
{
	return limits_failures(s->worker->limits, kind, key,
			       worker_now_ms() / 1000,
			       s->settings->limits.auth_window_s);
}

static bool over(unsigned int count, unsigned int max)
{
	return max != 0 && count >= max;
}

static bool account_allowed(struct session *s, const char *account)
{
	const struct limits_settings *l = &s->settings->limits;
	unsigned int max = l->max_connections_per_account;

	if (over(failures(s, LIMITS_ACCOUNT, span_str(account)),
		 l->max_auth_failures_per_account)) {
		session_log(s, LOG_LEVEL_WARNING,
			    "login refused: too many failures of the account");
		return false;
	}
	if (!limits_acquire(s->worker->limits, s->worker->index, LIMITS_ACCOUNT,
			    span_str(account), max == 0 ? UINT32_MAX : max)) {
		session_log(s, LOG_LEVEL_WARNING,
			    "login refused: too many sessions of the account");
		return false;
	}
	return true;
}

bool session_login_allowed(struct session *s, struct span login)
{
	const struct limits_settings *l = &s->settings->limits;
	char *account;

	release_account(s);
	if (!is_exempt(s) &&
	    over(failures(s, LIMITS_ADDRESS,
			  span_of(s->address, sizeof(s->address))),
		 l->max_auth_failures_per_address)) {
		session_log(s, LOG_LEVEL_WARNING,
			    "login refused: too many failures from %s",
			    s->address_text);
		metric_add(METRIC_REFUSED_BY_LIMIT, 1);
		return false;
	}
	account = session_lower_copy(login);
	if (!account_allowed(s, account)) {
		metric_add(METRIC_REFUSED_BY_LIMIT, 1);
		free(account);
		return false;
	}
	s->account = account;
	return true;
}

/* From half of what is allowed on, answer slower and slower. */
static void delay_client(struct session *s, unsigned int count)
{
	unsigned int max = s->settings->limits.max_auth_failures_per_address;
	unsigned int over_half = count > max / 2 ? count - max / 2 : 0;
	unsigned int delay_s;

	if (max == 0 || over_half == 0 || is_exempt(s)) {
		return;
	}
	delay_s = over_half > 3 ? LOGIN_DELAY_MAX_S : 1u << (over_half - 1);
	s->client.delayed = true;
	endpoint_update(&s->client);
	session_set_deadline(s, DEADLINE_DELAY, (uint64_t)delay_s * 1000);
}

void session_login_failed(struct session *s, struct span login)
{
	unsigned int window = s->settings->limits.auth_window_s;
	uint64_t now = worker_now_ms() / 1000;
	char *account = session_lower_copy(login);
	unsigned int count;

	metric_add(METRIC_LOGIN_FAILURES, 1);
	limits_fail(s->worker->limits, LIMITS_ACCOUNT, span_str(account), now,
		    window);
	free(account);
	release_account(s);
	count = limits_fail(s->worker->limits, LIMITS_ADDRESS,
			    span_of(s->address, sizeof(s->address)), now,
			    window);
	delay_client(s, count);
}

void session_authenticated(struct session *s)
{
	const struct session_hooks *hooks = s->worker->hooks;

	s->authenticated = true;
	session_set_deadline(s, DEADLINE_PREAUTH, 0);
	if (tls_is_on(&s->client.tls)) {
		tls_set_wipe(&s->client.tls, false);
	}
	metric_add(METRIC_LOGINS, 1);
	if (s->account != NULL) {
		limits_forgive(s->worker->limits, LIMITS_ACCOUNT,
			       span_str(s->account));
	}
	if (hooks != NULL && hooks->on_login != NULL) {
		hooks->on_login(s);
	}
}

/* -- accepting -- */

static void refuse(struct session *s, const char *why)
{
	metric_add(METRIC_REFUSED_BY_LIMIT, 1);
	session_close(s, why);
}

bool session_take_proxy_header(struct session *s, struct span *in)
{
	struct strbuf *held = &s->client.held;
	struct proxy_header header;
	struct error err = { "" };
	size_t before = held->len;
	size_t used;
	int status;

	strbuf_add(held, span_first(*in, PROXY_HEADER_MAX));
	status = proxy_header_next(strbuf_span(held), &header, &used, &err);
	if (status < 0) {
		refuse(s, err.text);
		return false;
	}
	if (status == 0) {
		/* All of it was taken: more than the longest is an error. */
		*in = span_from(*in, in->len);
		return true;
	}
	*in = span_from(*in, used - before);
	strbuf_wipe(held);
	if (header.has_source) {
		set_address(s, header.source);
	}
	if (!count_address(s)) {
		refuse(s, "too many connections from this address");
		return false;
	}
	session_begin(s);
	return !s->closing;
}

static bool count_total(struct session *s)
{
	unsigned int max = s->settings->limits.max_connections;

	s->total_counted = limits_acquire(s->worker->limits, s->worker->index,
					  LIMITS_TOTAL, SPAN(""),
					  max == 0 ? UINT32_MAX : max);
	return s->total_counted;
}

/* Why this client may not even begin; NULL when it may. */
static const char *refusal(struct session *s)
{
	if (!count_total(s)) {
		return "too many connections";
	}
	if (s->listener->proxy_protocol) {
		return s->peer_listed ? NULL
				      : "PROXY header not accepted from here";
	}
	if (s->listener->tls == TLS_NONE && !s->peer_trusted) {
		return "plain text not accepted from here";
	}
	return count_address(s) ? NULL
				: "too many connections from this address";
}

void session_accept(struct proxy_worker *worker, int fd,
		    const struct listener_settings *listener,
		    const struct protocol *protocol,
		    const struct sockaddr *peer)
{
	struct session *s = session_create(worker, listener, protocol);
	unsigned char address[16];
	const char *why;

	socket_set_options(fd);
	address_bytes(peer, address);
	set_address(s, address);
	s->peer_listed =
		in_networks(s->settings->trusted_networks,
			    s->settings->trusted_network_count, address);
	s->peer_trusted = s->peer_listed || is_loopback(address);
	why = refusal(s);
	if (why != NULL) {
		close(fd);
		refuse(s, why);
		return;
	}
	endpoint_open(&s->client, fd, ENDPOINT_PROXY_HEADER);
	if (!listener->proxy_protocol) {
		session_begin(s);
	}
}
