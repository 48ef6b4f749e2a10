/* smtp_load: sending messages one after the other over one connection each. */
#include <stdlib.h>

#include <openssl/evp.h>
#include <stdio.h>

#include "bench/load.h"
#include "bench/mail.h"
#include "lib/span.h"
#include "lib/xalloc.h"

static const struct channel_type smtp_type;
static uint64_t next_number;

static void smtp_open(struct user *user)
{
	if (next_number == 0) {
		next_number = (uint64_t)options.base * 100000;
	}
	user->mail = xcalloc(1, sizeof(*user->mail));
	user->state = USER_GREETING;
	user->ch = channel_connect(loop, (uint16_t)options.port, client_context,
				   NULL, &smtp_type, user);
}

static void send_auth(struct user *user)
{
	unsigned char plain[128], encoded[256];
	int len;

	len = snprintf((char *)plain, sizeof(plain),
		       "%cs%u.u%u@bench.example%cbench-password", 0,
		       options.size, options.base + user->index, 0);
	EVP_EncodeBlock(encoded, plain, len);
	channel_sendf(user->ch, "AUTH PLAIN %s\r\n", (const char *)encoded);
	user->state = USER_LOGIN;
}

static void smtp_go(struct user *user)
{
	uint64_t number = next_number++;

	mail_make(user->mail, MAIL_OUT, number, options.size);
	user->state = USER_ENVELOPE;
	user->replies = 0;
	channel_sendf(user->ch,
		      "MAIL FROM:<s%u.u%u@bench.example> SIZE=%u\r\n"
		      "RCPT TO:<person%u@firm%02u.example>\r\n"
		      "DATA\r\n",
		      options.size, options.base + user->index, options.size,
		      (unsigned int)(number % 1000000),
		      (unsigned int)(number % 100));
	channel_flush(user->ch);
}

static void send_content(struct user *user)
{
	user->state = USER_TAIL;
	channel_send(user->ch, span_of(user->mail->head, user->mail->head_len));
	channel_send_borrowed(user->ch, user->mail->rest);
	channel_send(user->ch, SPAN(".\r\n"));
}

static void want_code(struct user *user, struct span line, const char *code)
{
	if (!span_starts(line, span_str(code))) {
		user_fail(user, "refused", line);
	}
}

/* One whole reply; line is its last. */
static void take_reply(struct user *user, struct span line)
{
	switch (user->state) {
	case USER_GREETING:
		want_code(user, line, "220");
		user->state = USER_EHLO;
		channel_send(user->ch, SPAN("EHLO load.bench.example\r\n"));
		break;
	case USER_EHLO:
		want_code(user, line, "250");
		send_auth(user);
		break;
	case USER_LOGIN:
		want_code(user, line, "235");
		user_ready(user);
		break;
	case USER_ENVELOPE:
		want_code(user, line, user->replies < 2 ? "250" : "354");
		if (++user->replies == 3) {
			send_content(user);
		}
		break;
	case USER_TAIL:
		want_code(user, line, "250");
		user_done(user, options.size);
		break;
	default:
		user_fail(user, "unexpected reply", line);
	}
}

static size_t smtp_input(struct channel *ch, struct span in)
{
	struct user *user = channel_owner(ch);
	struct span line;
	size_t used = 0;
	ptrdiff_t end;

	while ((end = span_find(span_from(in, used), '\n')) >= 0) {
		line = span_trim(span_of(in.ptr + used, (size_t)end));
		used += (size_t)end + 1;
		if (line.len == 3 || (line.len > 3 && line.ptr[3] == ' ')) {
			take_reply(user, line);
		}
	}
	return used;
}

static void smtp_closed(struct channel *ch, const char *why)
{
	user_fail(channel_owner(ch), why != NULL ? why : "closed early",
		  span_of("", 0));
}

static const struct channel_type smtp_type = {
	.input = smtp_input,
	.closed = smtp_closed,
};

const struct load_kind smtp_kind = {
	.name = "smtp",
	.open = smtp_open,
	.go = smtp_go,
};
