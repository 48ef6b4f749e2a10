/* The ground: bytes, numbers, base64, frames, domains, patterns, quoting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/domain.h"
#include "lib/folder.h"
#include "lib/frame.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/pattern.h"
#include "lib/strbuf.h"

static void numbers_are_whole_and_bounded(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int status;
		uint64_t value;
	} rows[] = {
		{ "0", 10, 0, 0 },
		{ "10", 10, 0, 10 },
		{ "11", 10, -1, 0 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, -1, 0 },
		{ "99999999999999999999999", UINT64_MAX, -1, 0 },
		{ "", 10, -1, 0 },
		{ "-1", 10, -1, 0 },
		{ "1 ", 10, -1, 0 },
		{ "9", 5, -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint64_t value = 0;

		assert_int_equal(span_to_u64(span_str(rows[i].text),
					     rows[i].max, &value),
				 rows[i].status);
		assert_int_equal(value, rows[i].value);
	}
}

static void utf8_is_checked(void **state)
{
	static const struct {
		struct span text;
		bool valid;
	} rows[] = {
		{ SPAN(""), true },
		{ SPAN("plain"), true },
		{ SPAN("Zo\xc3\xab"), true },
		{ SPAN("\xe2\x82\xac \xf0\x9f\x93\xae"), true },
		{ SPAN("\xc0\xaf"), false },
		{ SPAN("\xe0\x80\xaf"), false },
		{ SPAN("\xed\xa0\x80"), false },
		{ SPAN("\xf4\x90\x80\x80"), false },
		{ SPAN("\xf5\x80\x80\x80"), false },
		{ SPAN("\xc3"), false },
		{ SPAN("\xe2\x82"), false },
		{ SPAN("\xe2\x28\xa1"), false },
		{ SPAN("Zo\xeb"), false },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(span_is_utf8(rows[i].text), rows[i].valid);
	}
}

static void lines_and_words_are_cut(void **state)
{
	struct span rest = SPAN("one\r\n\ntwo");
	struct span piece;

	(void)state;
	assert_true(span_next_line(&rest, &piece));
	assert_true(span_eq(piece, SPAN("one")));
	assert_true(span_next_line(&rest, &piece));
	assert_int_equal(piece.len, 0);
	assert_true(span_next_line(&rest, &piece));
	assert_true(span_eq(piece, SPAN("two")));
	assert_false(span_next_line(&rest, &piece));

	rest = SPAN("  a, b ");
	assert_true(span_next_word(&rest, " ,", &piece));
	assert_true(span_eq(piece, SPAN("a")));
	assert_true(span_next_word(&rest, " ,", &piece));
	assert_true(span_eq(piece, SPAN("b")));
	assert_false(span_next_word(&rest, " ,", &piece));
	assert_int_equal(span_isearch(SPAN("abCd"), SPAN("cD")), 2);
	assert_int_equal(span_search(SPAN("abCd"), SPAN("cD")), -1);
}

static void a_strbuf_never_passes_its_cap(void **state)
{
	struct strbuf buf = STRBUF_INIT(5);

	(void)state;
	strbuf_add(&buf, SPAN("abc"));
	assert_false(buf.overflow);
	strbuf_add(&buf, SPAN("defg"));
	assert_true(buf.overflow);
	assert_string_equal(strbuf_cstr(&buf), "abcde");
	strbuf_shift(&buf, 2);
	assert_string_equal(strbuf_cstr(&buf), "cde");
	strbuf_wipe(&buf);
	assert_null(buf.ptr);
}

static void base64_takes_only_base64(void **state)
{
	static const struct {
		const char *text;
		const char *bytes;
	} rows[] = {
		{ "", "" },	   { "Zg==", "f" },	   { "Zm8=", "fo" },
		{ "Zm9v", "foo" }, { "Zm9vYg==", "foob" }, { "Zg=", NULL },
		{ "Zg", NULL },	   { "Z===", NULL },	   { "====", NULL },
		{ "Zm 9", NULL },  { "Zg==Zg==", NULL },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(100);
		struct strbuf text = STRBUF_INIT(100);
		int status = base64_decode(span_str(rows[i].text), &out);

		assert_int_equal(status, rows[i].bytes == NULL ? -1 : 0);
		if (rows[i].bytes != NULL) {
			assert_string_equal(strbuf_cstr(&out), rows[i].bytes);
			base64_encode(span_str(rows[i].bytes), &text);
			assert_string_equal(strbuf_cstr(&text), rows[i].text);
		}
		strbuf_finish(&out);
		strbuf_finish(&text);
	}
}

static void frames_come_back_whole_or_not_at_all(void **state)
{
	struct strbuf out = STRBUF_INIT(1000);
	size_t start = frame_begin(&out);
	struct span in, body;

	(void)state;
	frame_put_u8(&out, 7);
	frame_put_u64(&out, 1ull << 40);
	frame_put_bytes(&out, SPAN("hello"));
	assert_int_equal(frame_end(&out, start), 0);
	for (size_t len = 0; len < out.len; len++) {
		in = span_of(out.ptr, len);
		assert_int_equal(frame_next(&in, 100, &body), 0);
	}
	in = strbuf_span(&out);
	assert_int_equal(frame_next(&in, 5, &body), -1);
	assert_int_equal(frame_next(&in, 100, &body), 1);
	assert_int_equal(in.len, 0);
	/* Every cut of the body fails, none reads outside it. */
	for (size_t len = 0; len <= body.len; len++) {
		struct frame_reader reader =
			frame_reader(span_of(body.ptr, len));

		frame_get_u8(&reader);
		frame_get_u64(&reader);
		frame_get_bytes(&reader, 10);
		assert_int_equal(frame_reader_done(&reader), len == body.len);
	}
	strbuf_finish(&out);
}

static void domains_are_compared_as_people_own_them(void **state)
{
	struct domain_set set = { 0 };
	char out[DOMAIN_MAX + 1];

	(void)state;
	assert_int_equal(domain_canonical(SPAN("M\xc3\xbcnchen.Example."), out),
			 0);
	assert_string_equal(out, "xn--mnchen-3ya.example");
	assert_int_equal(domain_canonical(SPAN("a..b"), out), -1);
	assert_int_equal(domain_canonical(SPAN(""), out), -1);
	assert_int_equal(domain_canonical(span_of("a\0b", 3), out), -1);
	domain_registrable("mail.acme.co.uk", out);
	assert_string_equal(out, "acme.co.uk");
	domain_registrable("localhost", out);
	assert_string_equal(out, "localhost");
	assert_int_equal(domain_set_add(&set, SPAN("acme.co.uk")), 0);
	assert_true(domain_set_has(&set, SPAN("Mail.ACME.co.uk")));
	assert_false(domain_set_has(&set, SPAN("other.co.uk")));
	assert_false(domain_set_has(&set, SPAN("notacme.co.uk")));
	domain_set_finish(&set);
}

static void patterns_stop_at_their_limits(void **state)
{
	struct error err = { "" };
	struct pattern_match match;
	struct pattern *pattern = pattern_create("(a+)+$", 0, &err);
	char subject[64];

	(void)state;
	assert_non_null(pattern);
	assert_int_equal(pattern_find(pattern, SPAN("xaa"), 0, &match), 1);
	assert_true(span_eq(match.group[0], SPAN("aa")));
	assert_int_equal(pattern_find(pattern, SPAN("xyz"), 0, &match), 0);
	memset(subject, 'a', sizeof(subject));
	subject[63] = 'b';
	assert_int_equal(pattern_find(pattern, span_of(subject, 64), 0, &match),
			 -1);
	assert_int_equal(pattern_find(pattern, SPAN("\xff"), 0, &match), -1);
	pattern_destroy(&pattern);
	assert_null(pattern);
	assert_null(pattern_create("(", 0, &err));
	assert_true(strlen(err.text) > 0);
}

static void a_peers_text_cannot_forge_a_log_line(void **state)
{
	struct log_quote quote;
	char longer[400];

	(void)state;
	assert_string_equal(log_quote(SPAN("a\r\n\x1b\"\\\xff"), &quote),
			    "\"a\\x0d\\x0a\\x1b\\x22\\x5c\\xff\"");
	memset(longer, 'x', sizeof(longer));
	log_quote(span_of(longer, sizeof(longer)), &quote);
	assert_true(strlen(quote.text) < sizeof(quote.text));
	assert_non_null(strstr(quote.text, "...\""));
}

static void roles_have_names(void **state)
{
	enum folder_role role;

	(void)state;
	assert_int_equal(folder_role_parse(SPAN("Junk"), &role), 0);
	assert_int_equal(role, FOLDER_JUNK);
	assert_string_equal(folder_role_name(role), "junk");
	assert_int_equal(folder_role_parse(SPAN("nothing"), &role), -1);
}

/* RFC 4231 case 1, and no key that is left from the call before. */
static void hmac_uses_the_key_it_is_given(void **state)
{
	static const char first[] = "b0344c61d8db38535ca8afceaf0bf12b"
				    "881dc200c9833da726e9376c2e32cff7";
	static const char empty[] = "b613679a0814d9ec772f95d778c35fc5"
				    "ff1697c493715653c6c712144292c5ad";
	unsigned char digest[HASH_SHA256_SIZE];
	char key[20];
	char hex[HASH_HEX_SIZE];

	(void)state;
	memset(key, 0x0b, sizeof(key));
	for (int i = 0; i < 2; i++) {
		hash_hmac_sha256(span_of(key, sizeof(key)), SPAN("Hi There"),
				 digest);
		hash_hex(span_of(digest, sizeof(digest)), hex);
		assert_string_equal(hex, first);
		hash_hmac_sha256(span_of(NULL, 0), span_of(NULL, 0), digest);
		hash_hex(span_of(digest, sizeof(digest)), hex);
		assert_string_equal(hex, empty);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_uses_the_key_it_is_given),
		cmocka_unit_test(numbers_are_whole_and_bounded),
		cmocka_unit_test(utf8_is_checked),
		cmocka_unit_test(lines_and_words_are_cut),
		cmocka_unit_test(a_strbuf_never_passes_its_cap),
		cmocka_unit_test(base64_takes_only_base64),
		cmocka_unit_test(frames_come_back_whole_or_not_at_all),
		cmocka_unit_test(domains_are_compared_as_people_own_them),
		cmocka_unit_test(patterns_stop_at_their_limits),
		cmocka_unit_test(a_peers_text_cannot_forge_a_log_line),
		cmocka_unit_test(roles_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
