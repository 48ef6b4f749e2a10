/* milter: a mail filter that lets everything pass, for measuring what asking
   one costs Postfix. Speaks as much of the milter protocol (version 6) as it
   takes to say "continue". One process for each connection.

   Usage: milter SOCKET */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Commands (libmilter's mfdef.h names them SMFIC_*). */
#define COMMAND_OPTIONS 'O'
#define COMMAND_MACROS	'D'
#define COMMAND_ABORT	'A'
#define COMMAND_QUIT	'Q'
#define COMMAND_NEXT	'K'
#define REPLY_CONTINUE	'c'

#define MAX_PACKET (1024 * 1024)

static char packet[MAX_PACKET];

static bool read_all(int fd, char *to, size_t len)
{
	ssize_t got;

	while (len > 0) {
		got = read(fd, to, len);
		if (got <= 0) {
			return false;
		}
		to += got;
		len -= (size_t)got;
	}
	return true;
}

static bool reply(int fd, char command, const void *data, uint32_t len)
{
	char out[64];
	uint32_t size = htonl(len + 1);

	memcpy(out, &size, 4);
	out[4] = command;
	memcpy(out + 5, data, len);
	return write(fd, out, len + 5) == (ssize_t)len + 5;
}

static bool answer(int fd)
{
	/* Version 6, no changes wanted, no step skipped: it is to cost what a
	   milter that looks at everything costs Postfix. */
	const uint32_t options[3] = { htonl(6), 0, 0 };

	switch (packet[0]) {
	case COMMAND_OPTIONS:
		return reply(fd, COMMAND_OPTIONS, options, sizeof(options));
	case COMMAND_MACROS:
	case COMMAND_ABORT:
	case COMMAND_NEXT:
		return true;
	case COMMAND_QUIT:
		return false;
	default:
		return reply(fd, REPLY_CONTINUE, "", 0);
	}
}

static void serve(int fd)
{
	uint32_t len;

	while (read_all(fd, (char *)&len, sizeof(len))) {
		len = ntohl(len);
		if (len == 0 || len > sizeof(packet) ||
		    !read_all(fd, packet, len) || !answer(fd)) {
			return;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: milter SOCKET\n");
		return 2;
	}
	strcpy(address.sun_path, argv[1]);
	signal(SIGCHLD, SIG_IGN);
	umask(0);
	if (listening < 0 ||
	    bind(listening, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listening, 64) < 0) {
		fprintf(stderr, "milter: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	while ((fd = accept(listening, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			serve(fd);
			_exit(0);
		}
		close(fd);
	}
	return 1;
}
