/* Any bytes as a provider: during the login, or after it with INBOX selected
   and commands under way. What the client gets is what the provider sent, and
   the taps do not depend on how the bytes came. */
#include <stdlib.h>

#include "../unit/imap/fake_proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void play_login(struct session *s, struct span in)
{
	fake_feed(s, SIDE_CLIENT, SPAN("x LOGIN u p\r\n"));
	fake_connected(s);
	fake_feed(s, SIDE_SERVER, in);
}

static void play_relay(struct session *s, struct span in)
{
	play_login(s, SPAN("* OK [CAPABILITY IMAP4rev1] x\r\n"));
	fake_feed(s, SIDE_SERVER,
		  SPAN("P1 OK [CAPABILITY IMAP4rev1 IDLE] x\r\n"));
	fake_feed(s, SIDE_CLIENT, SPAN("s SELECT INBOX\r\n"));
	fake_feed(s, SIDE_SERVER, SPAN("* OK [UIDVALIDITY 7]\r\ns OK x\r\n"));
	fake_feed(s, SIDE_CLIENT,
		  SPAN("a FETCH 1:* (BODY.PEEK[])\r\nb APPEND Sent {5+}\r\n"
		       "hello\r\nc SELECT Sent\r\nd CLOSE\r\ne NOOP\r\n"));
	strbuf_clear(&s->out[SIDE_CLIENT]);
	fake_feed(s, SIDE_SERVER, in);
}

static void play(struct session *s, struct span in, size_t step)
{
	fake_init(s, step);
	s->settings.message.max_tap_bytes = 4096;
	fake_start(s);
	if (in.ptr[0] % 4 == 0) {
		play_login(s, span_from(in, 1));
	} else {
		play_relay(s, span_from(in, 1));
	}
}

/* Nothing that we rewrite is in the bytes: then they pass as they are, but
   for a tail that is not understood yet. */
static void check_identity(struct session *s, struct span in)
{
	struct span out = strbuf_span(&s->out[SIDE_CLIENT]);

	if (in.ptr[0] % 4 == 0 || span_isearch(in, SPAN("CAPABILITY")) >= 0 ||
	    span_isearch(in, SPAN("REFERRAL")) >= 0) {
		return;
	}
	in = span_from(in, 1);
	if (!span_starts(in, out)) {
		abort();
	}
	if (!s->closing && out.len + s->held[SIDE_SERVER].len != in.len) {
		abort();
	}
	if (!s->closing && s->held[SIDE_SERVER].len > 16384) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct session whole;
	static struct session bytes;

	if (size < 2 || size > 20000) {
		return 0;
	}
	play(&whole, span_of(data, size), 0);
	play(&bytes, span_of(data, size), 1);
	check_identity(&whole, span_of(data, size));
	check_identity(&bytes, span_of(data, size));
	if (whole.closing != bytes.closing ||
	    whole.tap_digest != bytes.tap_digest ||
	    !span_eq(strbuf_span(&whole.out[SIDE_CLIENT]),
		     strbuf_span(&bytes.out[SIDE_CLIENT]))) {
		abort();
	}
	if (!whole.closing) {
		whole.protocol->on_eof(&whole, SIDE_SERVER);
	}
	fake_finish(&whole);
	fake_finish(&bytes);
	return 0;
}
