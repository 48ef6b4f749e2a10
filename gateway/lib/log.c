/* log: one write per line, so that lines of many processes never mix. */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *program = "postern";
static enum log_level least = LOG_LEVEL_INFO;
static log_listener *listener_fn;
static void *listener_context;

static const char *const level_names[] = { "error", "warning", "info",
					   "debug" };
/* sd-daemon(3): the journal reads the priority from "<N>". */
static const char *const journal_prefixes[] = { "<3>", "<4>", "<6>", "<7>" };

void log_init(const char *name, enum log_level level)
{
	program = name;
	least = level;
}

void log_set_level(enum log_level level)
{
	least = level;
}

bool log_wants(enum log_level level)
{
	return level <= least || listener_fn != NULL;
}

void log_set_listener(log_listener *listener, void *context)
{
	listener_fn = listener;
	listener_context = context;
}

/* Replace what could end the line or move the reader's cursor. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f) {
			*text = '?';
		}
	}
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	char out[LOG_LINE_MAX + 64];
	const char *prefix = "";
	va_list args;
	int len;

	if (!log_wants(level)) {
		return;
	}
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	make_printable(line);
	if (getenv("JOURNAL_STREAM") != NULL) {
		prefix = journal_prefixes[level];
	}
	len = snprintf(out, sizeof(out), "%s%s[%d]: %s: %s\n", prefix, program,
		       (int)getpid(), level_names[level], line);
	if (len >= (int)sizeof(out)) {
		len = (int)sizeof(out) - 1;
		out[len - 1] = '\n';
	}
	if (level <= least && write(STDERR_FILENO, out, (size_t)len) < 0) {
		/* Nowhere left to say it. */
	}
	if (listener_fn != NULL) {
		listener_fn(listener_context, level, line);
	}
}

const char *log_quote(struct span peer_text, struct log_quote *buf)
{
	size_t at = 0;

	buf->text[at++] = '"';
	for (size_t i = 0; i < peer_text.len; i++) {
		unsigned char c = (unsigned char)peer_text.ptr[i];

		/* Room for one escape, "...", the quote and the NUL. */
		if (at + 4 + 3 + 2 > sizeof(buf->text)) {
			memcpy(buf->text + at, "...", 3);
			at += 3;
			break;
		}
		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
			snprintf(buf->text + at, 5, "\\x%02x", c);
			at += 4;
		} else {
			buf->text[at++] = (char)c;
		}
	}
	buf->text[at++] = '"';
	buf->text[at] = '\0';
	return buf->text;
}
