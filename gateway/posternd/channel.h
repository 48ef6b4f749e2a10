/* channel: the master's orders to a worker, over one SOCK_SEQPACKET pair. An
   order is one packet: a byte that says what, then its text. */
#ifndef POSTERN_POSTERND_CHANNEL_H
#define POSTERN_POSTERND_CHANNEL_H

#include "lib/span.h"

enum channel_order {
	/* Read the configuration again. */
	CHANNEL_RELOAD = 'R',
	/* Stop accepting, end sessions between commands, exit. */
	CHANNEL_DRAIN = 'D',
	/* Write log lines of the mailbox in the text to the file descriptor
	   that comes along, until it breaks. */
	CHANNEL_TRACE = 'T',
};

#define CHANNEL_TEXT_MAX 512

struct channel_packet {
	enum channel_order order;
	char text[CHANNEL_TEXT_MAX + 1];
	/* -1: none. The receiver owns it. */
	int fd;
};

/* Make a pair, both close-on-exec and non-blocking. Return 0 or -1. */
int channel_open(int fds_r[2]);

/* Send an order; fd -1: none (the caller keeps its own). Return 0, or -1 when
   the worker is gone or does not read. */
int channel_send(int channel, enum channel_order order, struct span text,
		 int fd);

/* Take one packet: 1 and *packet_r, 0 when there is none now, -1 when the
   other end is gone. */
int channel_receive(int channel, struct channel_packet *packet_r);

#endif
