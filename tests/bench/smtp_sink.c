/* smtp_sink: a submission server that takes any login and recipient, and looks
   at every byte of every message. */
#include <stdlib.h>
#include <string.h>

#include "bench/mail.h"
#include "bench/sink.h"
#include "lib/span.h"
#include "lib/strbuf.h"
#include "lib/xalloc.h"

/* Headers that a relay may put in front. */
#define MAX_TRACE 16384

struct smtp_sink {
	struct channel *ch;
	bool in_auth;
	bool in_data;
	/* The message so far, dots still stuffed. */
	struct strbuf data;
};

static struct mail expected;

/* The message of data is one of ours, unchanged; *exact_r: with nothing put in
   front of it. data ends before the dot line. */
static bool is_intact(struct span data, bool *exact_r)
{
	ptrdiff_t mark =
		span_search(span_first(data, MAX_TRACE), SPAN(MAIL_MARK));
	enum mail_direction direction;
	uint64_t number;
	size_t size;

	if (mark < 0) {
		return false;
	}
	*exact_r = mark == 0;
	data = span_from(data, (size_t)mark);
	if (mail_read_mark(data, &direction, &number, &size) < 0 ||
	    data.len != size) {
		return false;
	}
	mail_make(&expected, direction, number, size);
	return mail_has(&expected, 0, data);
}

static void take_message(struct smtp_sink *s)
{
	bool exact;

	if (!is_intact(strbuf_span(&s->data), &exact)) {
		sink_counts.messages_wrong++;
		channel_send(s->ch,
			     SPAN("554 5.6.0 not the message it was\r\n"));
		return;
	}
	if (exact) {
		sink_counts.messages_exact++;
	} else {
		sink_counts.messages_prefixed++;
	}
	channel_send(s->ch, SPAN("250 2.0.0 taken\r\n"));
}

static void do_ehlo(struct smtp_sink *s)
{
	channel_send(s->ch, SPAN("250-sink.bench.example\r\n"
				 "250-PIPELINING\r\n"
				 "250-SIZE 104857600\r\n"
				 "250-8BITMIME\r\n"
				 "250-ENHANCEDSTATUSCODES\r\n"
				 "250 AUTH PLAIN\r\n"));
}

static void do_auth(struct smtp_sink *s)
{
	sink_counts.logins++;
	channel_send(s->ch, SPAN("235 2.7.0 welcome\r\n"));
}

static void do_data(struct smtp_sink *s)
{
	s->in_data = true;
	strbuf_clear(&s->data);
	channel_send(s->ch, SPAN("354 go on\r\n"));
}

static void do_quit(struct smtp_sink *s)
{
	channel_send(s->ch, SPAN("221 2.0.0 bye\r\n"));
	channel_close(s->ch);
}

static void do_ok(struct smtp_sink *s)
{
	channel_send(s->ch, SPAN("250 2.0.0 fine\r\n"));
}

static const struct {
	const char *name;
	void (*run)(struct smtp_sink *s);
} commands[] = {
	{ "MAIL FROM:", do_ok }, { "RCPT TO:", do_ok }, { "DATA", do_data },
	{ "EHLO ", do_ehlo },	 { "HELO ", do_ok },	{ "RSET", do_ok },
	{ "NOOP", do_ok },	 { "QUIT", do_quit },
};

static void run_line(struct smtp_sink *s, struct span line)
{
	size_t i;

	if (s->in_auth) {
		s->in_auth = false;
		do_auth(s);
		return;
	}
	if (span_istarts(line, SPAN("AUTH PLAIN"))) {
		if (line.len > 11) {
			do_auth(s);
		} else {
			s->in_auth = true;
			channel_send(s->ch, SPAN("334 \r\n"));
		}
		return;
	}
	for (i = 0; i < N_ELEMENTS(commands); i++) {
		if (span_istarts(line, span_str(commands[i].name))) {
			commands[i].run(s);
			return;
		}
	}
	channel_send(s->ch, SPAN("500 5.5.1 what?\r\n"));
}

/* Add in up to the end of data. Return bytes used. */
static size_t collect(struct smtp_sink *s, struct span in)
{
	size_t had = s->data.len;
	size_t from = had > 4 ? had - 4 : 0;
	struct span dot = SPAN("\r\n.\r\n");
	const char *end;

	if (had + in.len > MAIL_SIZE_MAX) {
		channel_close(s->ch);
		return in.len;
	}
	strbuf_add(&s->data, in);
	end = memmem(s->data.ptr + from, s->data.len - from, dot.ptr, dot.len);
	if (end == NULL) {
		return in.len;
	}
	/* The CRLF before the dot belongs to the message. */
	s->data.len = (size_t)(end - s->data.ptr) + 2;
	s->in_data = false;
	take_message(s);
	return s->data.len + 3 - had;
}

static size_t smtp_sink_input(struct channel *ch, struct span in)
{
	struct smtp_sink *s = channel_owner(ch);
	size_t used = 0;
	ptrdiff_t end;

	while (used < in.len) {
		if (s->in_data) {
			used += collect(s, span_from(in, used));
			continue;
		}
		end = span_find(span_from(in, used), '\n');
		if (end < 0) {
			break;
		}
		run_line(s, span_trim(span_of(in.ptr + used, (size_t)end)));
		used += (size_t)end + 1;
	}
	return used;
}

static void smtp_sink_opened(struct channel *ch)
{
	sink_count_handshake(ch);
	channel_send(ch, SPAN("220 sink.bench.example ESMTP\r\n"));
}

static void smtp_sink_closed(struct channel *ch, const char *why)
{
	struct smtp_sink *s = channel_owner(ch);

	(void)why;
	strbuf_finish(&s->data);
	free(s);
}

void *smtp_sink_accepted(struct channel *ch)
{
	struct smtp_sink *s = xcalloc(1, sizeof(*s));

	s->ch = ch;
	strbuf_init(&s->data, MAIL_SIZE_MAX);
	return s;
}

const struct channel_type smtp_sink_type = {
	.opened = smtp_sink_opened,
	.input = smtp_sink_input,
	.closed = smtp_sink_closed,
};
