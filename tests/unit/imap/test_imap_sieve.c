/* imap_sieve: attachments are left out, whole and byte by byte; all else
   stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "imap/imap_sieve.h"
#include "lib/strbuf.h"

#define MIXED "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
#define TEXT  "--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n-- \r\nAnn\r\n"
#define DATA  "JVBERi0xLjQK\r\nAAAA+/==\r\n"

static void pass(struct span in, size_t step, bool at_header,
		 struct strbuf *out)
{
	struct imap_sieve sieve;

	imap_sieve_init(&sieve, at_header);
	for (size_t at = 0; at < in.len; at += step) {
		struct span chunk = span_first(span_from(in, at), step);

		while (chunk.len > 0) {
			struct span kept;
			size_t used = imap_sieve_next(&sieve, chunk, &kept);

			assert_true(used >= 1 && used <= chunk.len);
			strbuf_add(out, kept);
			chunk = span_from(chunk, used);
		}
	}
}

static void expect(const char *in, bool at_header, const char *expected)
{
	static const size_t steps[] = { 65536, 1, 2, 3, 7 };

	for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
		struct strbuf out = STRBUF_INIT(65536);

		pass(span_str(in), steps[i], at_header, &out);
		assert_string_equal(strbuf_cstr(&out), expected);
		strbuf_finish(&out);
	}
}

static void attachments_are_left_out(void **state)
{
	static const struct {
		const char *in;
		const char *kept;
	} rows[] = {
		{ MIXED TEXT "--b\r\nContent-Type: application/pdf\r\n\r\n" DATA
			     "--b--\r\n",
		  MIXED TEXT "--b\r\nContent-Type: application/pdf\r\n\r\n"
			     "--b--\r\n" },
		/* In any case, folded, and with what follows kept. */
		{ MIXED "--b\r\ncontent-type :\r\n\tIMAGE/png;name=x\r\n"
			"Content-Disposition: inline\r\n\r\n" DATA TEXT
			"--b--\r\n",
		  MIXED "--b\r\ncontent-type :\r\n\tIMAGE/png;name=x\r\n"
			"Content-Disposition: inline\r\n\r\n" TEXT
			"--b--\r\n" },
		/* A whole message, bare line feeds. */
		{ "Content-Type: video/mp4\n\nAA\n-A\n--", "Content-Type: "
							   "video/mp4\n\n--" },
		/* The end of parts within others. */
		{ MIXED TEXT
		  "--c--\r\n--b\r\nContent-Type: image/x\r\n\r\n" DATA
		  "--b--\r\n",
		  MIXED TEXT "--c--\r\n--b\r\nContent-Type: image/x\r\n\r\n"
			     "--b--\r\n" },
		/* A line that begins with one dash ends nothing. */
		{ "Content-Type: font/x;\r\n\r\n-\r\n-\n--b\r\n\r\nhello\r\n",
		  "Content-Type: font/x;\r\n\r\n--b\r\n\r\nhello\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		expect(rows[i].in, true, rows[i].kept);
	}
}

static void all_else_stays(void **state)
{
	static const char *const texts[] = {
		"",
		"Subject: x\r\n\r\nHello\r\n-- \r\nAnn\r\n\r\n--\r\nBob\r\n",
		MIXED TEXT TEXT "--b--\r\n",
		/* May hold a card or an invitation. */
		"Content-Type: application/octet-stream\r\n\r\n" DATA,
		"Content-Type: application/ics; x=y\r\n\r\n" DATA,
		"Content-Type: application/vcard\r\n\r\n" DATA,
		"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n" DATA,
		/* No type, or none that is whole. */
		"Content-Type: image\r\n\r\n" DATA,
		"Content-Type: image/\r\n\r\n" DATA,
		"Content-Type: (image) image/png\r\n\r\n" DATA,
		/* The first of two counts. */
		"Content-Type: text/plain\r\nContent-Type: "
		"image/x\r\n\r\n" DATA,
		/* No header. */
		"From me Mon\r\nContent-Type: image/png\r\n\r\n" DATA,
		"\r\n--\r\nHello there\r\nContent-Type: image/png\r\n\r\n" DATA,
		"\r\nContent-Type: image/png\r\n\r\n" DATA,
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		expect(texts[i], true, texts[i]);
	}
	expect("Content-Type: image/png\r\n\r\n" DATA, false,
	       "Content-Type: image/png\r\n\r\n" DATA);
}

static void a_body_without_its_header_is_sieved_too(void **state)
{
	(void)state;
	expect("Preamble\r\n--b\r\nContent-Type: image/gif;\r\n\r\n" DATA TEXT,
	       false,
	       "Preamble\r\n--b\r\nContent-Type: image/gif;\r\n\r\n" TEXT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attachments_are_left_out),
		cmocka_unit_test(all_else_stays),
		cmocka_unit_test(a_body_without_its_header_is_sieved_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
