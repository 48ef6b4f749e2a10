/* sink: a fake provider for the benchmark: IMAP and submission over TLS on
   loopback, answering with canned mail and checking what it is sent.

   Usage: sink CHAIN KEY IMAP_PORT SMTP_PORT. Prints "ready" and serves until
   it is killed. */
#include "bench/sink.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/tls.h"

struct sink_counts sink_counts;

void sink_count_handshake(const struct channel *ch)
{
	if (channel_was_resumed(ch)) {
		sink_counts.handshakes_resumed++;
	} else {
		sink_counts.handshakes_full++;
	}
}

int main(int argc, char **argv)
{
	struct loop *loop = loop_create();
	SSL_CTX *context;

	if (argc != 5) {
		fatal("usage: sink CHAIN KEY IMAP_PORT SMTP_PORT");
	}
	signal(SIGPIPE, SIG_IGN);
	context = tls_server_context(argv[1], argv[2]);
	loop_listen(loop, (uint16_t)atoi(argv[3]), context, &imap_sink_type,
		    imap_sink_accepted);
	loop_listen(loop, (uint16_t)atoi(argv[4]), context, &smtp_sink_type,
		    smtp_sink_accepted);
	puts("ready");
	fflush(stdout);
	for (;;) {
		loop_turn(loop, -1);
	}
}
