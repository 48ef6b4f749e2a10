/* Any bytes as a client, before and after its login; the first byte says
   whether it begins logged in, the second how the provider answers. Whole and
   byte by byte must do the same. */
#include <stdlib.h>

#include "../unit/imap/fake_proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const answers[] = {
	"+ go\r\na OK x\r\n",
	"a NO x\r\nb OK x\r\nA1 OK x\r\n",
	"+ go\r\n+ go\r\n1 OK x\r\n2 OK x\r\n3 NO x\r\n",
	"* BYE x\r\n",
};

/* Let the provider take a login that is under way. */
static void serve_login(struct session *s)
{
	if (!s->connecting || s->closing) {
		return;
	}
	fake_connected(s);
	fake_feed(s, SIDE_SERVER,
		  SPAN("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 "
		       "AUTH=OAUTHBEARER SASL-IR] x\r\n"));
	fake_feed(s, SIDE_SERVER,
		  SPAN("P1 OK [CAPABILITY IMAP4rev1 IDLE] x\r\n"));
}

/* Line by line: a real server answers what it was sent. */
static void answer_lines(struct session *s, struct span lines)
{
	struct span line;

	while (span_next_line(&lines, &line)) {
		fake_feed(s, SIDE_SERVER, span_of(line.ptr, line.len + 2));
	}
}

static void play(struct session *s, struct span in, size_t step)
{
	const char *answer =
		answers[(unsigned char)in.ptr[1] % N_ELEMENTS(answers)];

	fake_init(s, step);
	fake_start(s);
	if (in.ptr[0] % 2 == 0) {
		fake_feed(s, SIDE_CLIENT, SPAN("x LOGIN u p\r\n"));
		serve_login(s);
	}
	fake_feed(s, SIDE_CLIENT, span_from(in, 2));
	for (int i = 0; i < 4; i++) {
		serve_login(s);
		if (s->authenticated) {
			answer_lines(s, span_str(answer));
		}
	}
	if (!s->closing) {
		s->protocol->on_drain(s);
	}
	if (!s->closing) {
		s->protocol->on_eof(s, SIDE_CLIENT);
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
	/* STARTTLS with bytes behind it, and what stands whole in the buffer
	   when a session ends, are told apart by packets. */
	if (!whole.closing && !bytes.closing &&
	    (!span_eq(strbuf_span(&whole.out[SIDE_SERVER]),
		      strbuf_span(&bytes.out[SIDE_SERVER])) ||
	     !span_eq(strbuf_span(&whole.out[SIDE_CLIENT]),
		      strbuf_span(&bytes.out[SIDE_CLIENT])) ||
	     whole.tap_digest != bytes.tap_digest)) {
		abort();
	}
	fake_finish(&whole);
	fake_finish(&bytes);
	return 0;
}
