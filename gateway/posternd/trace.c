/* trace: a log listener with a handful of readers. While somebody reads,
   debug lines are made too; they go to the reader, not to the log. */
#include "posternd/trace.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"

#define READERS_MAX 8

struct reader {
	int fd;
	/* 'mailbox="A" ' or "". */
	char wanted[400];
};

static struct reader readers[READERS_MAX];
static size_t reader_count;

static void on_line(void *context, enum log_level level, const char *line);

static void remove_reader(size_t index)
{
	close(readers[index].fd);
	readers[index] = readers[--reader_count];
	if (reader_count == 0) {
		log_set_listener(NULL, NULL);
	}
}

/* A reader that is too slow loses lines, never slows mail. */
static void on_line(void *context, enum log_level level, const char *line)
{
	char text[LOG_LINE_MAX + 2];
	int len = snprintf(text, sizeof(text), "%s\n", line);

	(void)context;
	(void)level;
	for (size_t i = reader_count; i-- > 0;) {
		ssize_t sent;

		if (strstr(line, readers[i].wanted) == NULL) {
			continue;
		}
		sent = send(readers[i].fd, text, (size_t)len,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && !(errno == EAGAIN || errno == EWOULDBLOCK)) {
			remove_reader(i);
		}
	}
}

void trace_add(const char *mailbox, int fd)
{
	struct reader *reader;

	if (reader_count == READERS_MAX) {
		close(fd);
		return;
	}
	reader = &readers[reader_count++];
	reader->fd = fd;
	if (mailbox[0] != '\0') {
		snprintf(reader->wanted, sizeof(reader->wanted),
			 "mailbox=\"%s\" ", mailbox);
	} else {
		reader->wanted[0] = '\0';
	}
	log_set_listener(on_line, NULL);
}

void trace_finish(void)
{
	while (reader_count > 0) {
		remove_reader(0);
	}
}
