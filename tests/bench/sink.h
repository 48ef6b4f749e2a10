/* sink: the provider of the benchmark, as fast as it can be. Two protocols on
   the loop of one process. */
#ifndef POSTERN_BENCH_SINK_H
#define POSTERN_BENCH_SINK_H

#include <stdint.h>

#include "bench/channel.h"

/* What the sink saw, for a look from outside (X-STATS). */
struct sink_counts {
	uint64_t handshakes_full;
	uint64_t handshakes_resumed;
	uint64_t logins;
	uint64_t fetches;
	/* Arrived with nothing in front and every byte right. */
	uint64_t messages_exact;
	/* Every byte right, trace headers added in front. */
	uint64_t messages_prefixed;
	uint64_t messages_wrong;
};

extern struct sink_counts sink_counts;

/* Count one handshake; the opened callback of both protocols begins so. */
void sink_count_handshake(const struct channel *ch);

/* An IMAP server whose INBOX holds IMAP_SINK_MESSAGES messages. The login name
   says which: "s4096.u17@..." is mailbox 17 with messages of 4096 bytes. */
#define IMAP_SINK_MESSAGES 50000u

extern const struct channel_type imap_sink_type;
void *imap_sink_accepted(struct channel *ch);

/* A submission server that takes only messages made by mail.h, and refuses one
   that changed on its way with 554. */
extern const struct channel_type smtp_sink_type;
void *smtp_sink_accepted(struct channel *ch);

#endif
