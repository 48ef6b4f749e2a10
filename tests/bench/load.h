/* load: the mail programs of the benchmark. A load is a number of users who
   each do one unit of work after the other: fetch a message, log in, send a
   message. Every byte that comes back is compared; anything unexpected ends
   the program. */
#ifndef POSTERN_BENCH_LOAD_H
#define POSTERN_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/channel.h"

struct load_options {
	const char *ca_file;
	/* The proxy under test, and the sink itself (for X-PUSH). */
	unsigned int port;
	unsigned int sink_port;
	unsigned int users;
	/* Bytes of a message. */
	unsigned int size;
	/* First mailbox or message number: other runs use others, so that no
	   message is seen twice. */
	unsigned int base;
	/* Units each user does before the measured part. */
	unsigned int warm;
	/* Fetch the messages of the warming again, and no others. */
	unsigned int again;
	unsigned int milliseconds;
	/* Units per second of all users together; 0: as many as go. */
	unsigned int rate;
	unsigned int pushes;
	/* Offer the TLS session of the login before. */
	bool resume;
};

struct user;

/* One kind of load. */
struct load_kind {
	const char *name;
	/* Connect and log in, as far as it is not measured; calls user_ready
	   when done. */
	void (*open)(struct user *user);
	/* Begin one unit; calls user_done when it is done. NULL: the load
	   runs itself, see run. */
	void (*go)(struct user *user);
	/* The measured part of a load without go; returns when done. */
	void (*run)(void);
};

enum user_state {
	USER_GREETING,
	USER_EHLO,
	USER_LOGIN,
	USER_SELECT,
	USER_READY,
	/* A unit: awaiting the line before the message, inside the message,
	   awaiting what follows it. */
	USER_HEAD,
	USER_BODY,
	USER_TAIL,
	/* Awaiting the three replies to the envelope. */
	USER_ENVELOPE,
	USER_IDLE,
	USER_LOGOUT,
};

struct user {
	unsigned int index;
	enum user_state state;
	struct channel *ch;
	struct mail *mail;
	SSL_SESSION *session;
	/* UID of this user's next message. */
	unsigned int uid;
	unsigned int replies;
	/* Bytes of the message in hand that came. */
	size_t position;
	unsigned int warm_left;
	bool parked;
	/* Nanoseconds: the unit began; with a rate, it may begin. */
	uint64_t began;
	uint64_t due;
};

extern struct load_options options;
extern struct loop *loop;
extern SSL_CTX *client_context;

extern const struct load_kind fetch_kind;
extern const struct load_kind login_kind;
extern const struct load_kind idle_kind;
extern const struct load_kind smtp_kind;

uint64_t now_ns(void);

/* The user is logged in and waits for work. */
void user_ready(struct user *user);
/* A unit of so many bytes is done. Its latency is from user->began. */
void user_done(struct user *user, size_t bytes);
/* Count a unit and its latency, for loads that run themselves. */
void load_count(uint64_t latency_ns, size_t bytes);
/* A connection ended; was its TLS session resumed? */
void load_count_resumed(bool was_resumed);
/* The load cannot go on: say what came and exit. */
void user_fail(const struct user *user, const char *what, struct span came)
	__attribute__((noreturn));

#endif
