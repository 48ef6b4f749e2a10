/* PROXY headers: whole and byte by byte, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>

#include "proxy/proxy_header.h"

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_ADDRESSES "\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x03\xe1"
#define V6_ADDRESSES                                                           \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                           \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x30\x39\x03\xe1"

/* Made with another implementation of CRC-32C. */
#define RIGHT_CRC "\x29\xf5\x1a\x5c"

static const struct {
	struct span in;
	int status;
	/* NULL: none. */
	const char *source;
	uint16_t port;
} rows[] = {
	{ SPAN("PROXY TCP4 192.0.2.1 127.0.0.1 12345 993\r\n"), 1,
	  "::ffff:192.0.2.1", 12345 },
	{ SPAN("PROXY TCP6 2001:db8::1 ::1 12345 993\r\n"), 1, "2001:db8::1",
	  12345 },
	{ SPAN("PROXY UNKNOWN\r\n"), 1, NULL, 0 },
	{ SPAN("PROXY UNKNOWN ff:ff ff:ff 1 2\r\n"), 1, NULL, 0 },
	{ SPAN("PROXY TCP4 192.0.2.1 127.0.0.1 12345 993\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP4 192.0.2.1 127.0.0.1 12345\r\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP4 192.0.2.1 127.0.0.1 12345 993 x\r\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP4 192.0.2.1 127.0.0.1 12345 993 \r\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP4  192.0.2.1 127.0.0.1 12345 993\r\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP4 192.0.2.256 127.0.0.1 12345 993\r\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP4 192.0.2.1 127.0.0.1 65536 993\r\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP4 192.0.2.1 127.0.0.1 012 993\r\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP4 2001:db8::1 ::1 12345 993\r\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP5 192.0.2.1 127.0.0.1 12345 993\r\n"), -1, NULL, 0 },
	{ SPAN("PROXY TCP4 192.0.2.1\0 127.0.0.1 12345 993\r\n"), -1, NULL, 0 },
	{ SPAN("PROXY UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	       "\r\n"),
	  -1, NULL, 0 },
	{ SPAN("\x16\x03\x01\x02\x00\x01"), -1, NULL, 0 },
	{ SPAN("EHLO x\r\n"), -1, NULL, 0 },
	{ SPAN("proxy TCP4 192.0.2.1 127.0.0.1 1 2\r\n"), -1, NULL, 0 },
	{ SPAN(V2_SIGNATURE "\x21\x11\x00\x0c" V4_ADDRESSES), 1,
	  "::ffff:192.0.2.1", 12345 },
	{ SPAN(V2_SIGNATURE "\x21\x21\x00\x24" V6_ADDRESSES), 1, "2001:db8::1",
	  12345 },
	/* LOCAL, with and without addresses. */
	{ SPAN(V2_SIGNATURE "\x20\x00\x00\x00"), 1, NULL, 0 },
	{ SPAN(V2_SIGNATURE "\x20\x11\x00\x0c" V4_ADDRESSES), 1, NULL, 0 },
	/* A family not named, and what follows. */
	{ SPAN(V2_SIGNATURE "\x21\x00\x00\x03"
			    "xyz"),
	  1, NULL, 0 },
	/* TLVs: an authority; cut; too long. */
	{ SPAN(V2_SIGNATURE "\x21\x11\x00\x10" V4_ADDRESSES "\x02\x00\x01"
			    "a"),
	  1, "::ffff:192.0.2.1", 12345 },
	{ SPAN(V2_SIGNATURE "\x21\x11\x00\x0e" V4_ADDRESSES "\x02\x00"), -1,
	  NULL, 0 },
	{ SPAN(V2_SIGNATURE "\x21\x11\x00\x0f" V4_ADDRESSES "\x02\x00\x01"), -1,
	  NULL, 0 },
	/* A checksum that is right, and one that is not. */
	{ SPAN(V2_SIGNATURE "\x21\x11\x00\x13" V4_ADDRESSES
			    "\x03\x00\x04" RIGHT_CRC),
	  1, "::ffff:192.0.2.1", 12345 },
	{ SPAN(V2_SIGNATURE "\x21\x11\x00\x13" V4_ADDRESSES
			    "\x03\x00\x04\x00\x00\x00\x00"),
	  -1, NULL, 0 },
	/* Addresses cut, wrong version, wrong command, datagrams, unknown
	   family, too long. */
	{ SPAN(V2_SIGNATURE "\x21\x11\x00\x0b\xc0\x00\x02\x01\x7f\x00\x00\x01"
			    "\x30\x39\x03"),
	  -1, NULL, 0 },
	{ SPAN(V2_SIGNATURE "\x11\x11\x00\x0c" V4_ADDRESSES), -1, NULL, 0 },
	{ SPAN(V2_SIGNATURE "\x22\x11\x00\x0c" V4_ADDRESSES), -1, NULL, 0 },
	{ SPAN(V2_SIGNATURE "\x21\x12\x00\x0c" V4_ADDRESSES), -1, NULL, 0 },
	{ SPAN(V2_SIGNATURE "\x21\x41\x00\x0c" V4_ADDRESSES), -1, NULL, 0 },
	{ SPAN(V2_SIGNATURE "\x21\x11\xff\xff" V4_ADDRESSES), -1, NULL, 0 },
};

static void check(size_t i, int status, const struct proxy_header *header)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (status != rows[i].status) {
		fail_msg("row %zu: %d instead of %d", i, status,
			 rows[i].status);
	}
	if (status < 1) {
		return;
	}
	assert_int_equal(header->has_source, rows[i].source != NULL);
	if (header->has_source) {
		inet_ntop(AF_INET6, header->source, text, sizeof(text));
		assert_string_equal(text, rows[i].source);
		assert_int_equal(header->source_port, rows[i].port);
	}
}

static void headers_are_read_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct proxy_header header;
		struct error err = { "" };
		size_t used;
		int status =
			proxy_header_next(rows[i].in, &header, &used, &err);

		check(i, status, &header);
		if (status == 1) {
			assert_int_equal(used, rows[i].in.len);
		} else {
			assert_true(err.text[0] != '\0');
		}
	}
}

static void headers_are_read_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct proxy_header header;
		int status = 0;
		size_t used;
		size_t len = 0;

		while (status == 0 && len < rows[i].in.len) {
			status =
				proxy_header_next(span_first(rows[i].in, ++len),
						  &header, &used, NULL);
		}
		check(i, status, &header);
		if (status == 1) {
			assert_int_equal(len, rows[i].in.len);
		}
	}
}

static void what_follows_is_left(void **state)
{
	static const struct span in =
		SPAN("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n\x16\x03\x01");
	struct proxy_header header;
	size_t used;

	(void)state;
	assert_int_equal(proxy_header_next(in, &header, &used, NULL), 1);
	assert_int_equal(used, in.len - 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_read_whole),
		cmocka_unit_test(headers_are_read_byte_by_byte),
		cmocka_unit_test(what_follows_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
