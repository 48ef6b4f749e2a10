/* script: plays rows against a fake session. */
#include "script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

static void check_tap(struct session *s, size_t i, const char *expected)
{
	struct strbuf seen = STRBUF_INIT(1 << 20);
	struct fake_tap *tap = &s->taps[i];

	assert_true(i < s->tap_count);
	strbuf_addf(&seen, "%s %u [%s] %s%s%s|", strbuf_cstr(&tap->folder),
		    tap->source.uid, strbuf_cstr(&tap->flags),
		    tap->source.outgoing ? "out" : "in",
		    tap->source.headers_only ? " headers" : "",
		    tap->source.truncated ? " cut" : "");
	strbuf_add(&seen, strbuf_span(&tap->message));
	assert_string_equal(strbuf_cstr(&seen), expected);
	strbuf_finish(&seen);
}

void script_play(struct session *s, const struct line *rows, size_t count)
{
	size_t tap = 0;

	for (size_t i = 0; i < count; i++) {
		const char *text = rows[i].text;

		switch (rows[i].act) {
		case CLIENT:
			fake_feed(s, SIDE_CLIENT, span_str(text));
			break;
		case SERVER:
			fake_feed(s, SIDE_SERVER, span_str(text));
			break;
		case TO_CLIENT:
			assert_string_equal(fake_sent(s, SIDE_CLIENT), text);
			break;
		case TO_SERVER:
			assert_string_equal(fake_sent(s, SIDE_SERVER), text);
			break;
		case CONNECT:
			fake_connected(s);
			break;
		case CONNECT_FAILS:
			fake_connect_failed(s);
			break;
		case CLIENT_EOF:
			s->hung_up[SIDE_CLIENT] = true;
			/* While it is not read nobody knows. */
			if (!s->paused[SIDE_CLIENT]) {
				s->protocol->on_eof(s, SIDE_CLIENT);
			}
			break;
		case SERVER_EOF:
			s->protocol->on_eof(s, SIDE_SERVER);
			break;
		case DRAIN:
			s->protocol->on_drain(s);
			break;
		case TIMEOUT:
			s->protocol->on_timeout(s);
			break;
		case CLOSED:
			assert_true(s->closing);
			assert_string_equal(s->why, text);
			break;
		case OPEN:
			assert_false(s->closing);
			break;
		case TAP:
			check_tap(s, tap++, text);
			break;
		case NO_TAP:
			assert_int_equal(s->tap_count, tap);
			break;
		}
	}
	assert_int_equal(s->tap_count, tap);
}

void script_run(void (*prepare)(struct session *s), const struct line *rows,
		size_t count)
{
	static const size_t steps[] = { 0, 1, 3, 7 };

	for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
		struct session s;

		fake_init(&s, steps[i]);
		if (prepare != NULL) {
			prepare(&s);
		}
		fake_start(&s);
		script_play(&s, rows, count);
		fake_finish(&s);
	}
}
