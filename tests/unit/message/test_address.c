/* Address headers as the grammar has them and as mail programs write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/strbuf.h"
#include "message/address.h"

/* expected: "name|email" separated by LF; a group stands behind "|".
   "!" in front: not all could be read. */
static const struct {
	const char *header;
	const char *expected;
} rows[] = {
	/* RFC 5322 3.4 and appendix A. */
	{ "john@example.com", "|john@example.com" },
	{ "John Doe <jdoe@machine.example>", "John Doe|jdoe@machine.example" },
	{ "\"Joe Q. Public\" <john.q.public@example.com>",
	  "Joe Q. Public|john.q.public@example.com" },
	{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
	  "Mary Smith|mary@x.test\n|jdoe@example.org\nWho?|one@y.test" },
	{ "\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
	  "Giant; \"Big\" Box|sysservices@example.net" },
	{ "A Group:Ed Jones <joe@where.test>,joe@where.test;",
	  "Ed Jones|joe@where.test|A Group\n|joe@where.test|A Group" },
	{ "Undisclosed recipients:;", "" },
	{ "undisclosed-recipients: ;, a@b.example", "|a@b.example" },
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
	  "Pete|pete@silly.test" },
	/* RFC 5322 4.4: routes and white space. */
	{ "Mary <@node.test,@relay.test:mary@example.net>",
	  "Mary|mary@example.net" },
	{ "john . doe @ example . com", "|john.doe@example.com" },
	{ ", , a@b.example, ,", "|a@b.example" },
	/* Comments as names, and nested ones. */
	{ "a@b.example (Anna Weber)", "Anna Weber|a@b.example" },
	{ "a@b.example (Anna (Ann) Weber)", "Anna (Ann) Weber|a@b.example" },
	/* What mail programs write. */
	{ "Weber, Anna <anna@b.example>", "Weber, Anna|anna@b.example" },
	{ "Hartley, James, Jr. <j@b.example>, x@y.example",
	  "Hartley, James, Jr.|j@b.example\n|x@y.example" },
	{ "Joe Foo, PhD <joe@b.example>", "Joe Foo, PhD|joe@b.example" },
	{ "a@b.example; Anna <c@d.example>", "|a@b.example\nAnna|c@d.example" },
	{ "Anna Weber anna@b.example", "Anna Weber|anna@b.example" },
	{ "<mailto:a@b.example>", "|a@b.example" },
	{ "mailto:a@b.example", "|a@b.example" },
	{ "'a@b.example'", "|a@b.example" },
	{ "<<a@b.example>>", "|a@b.example" },
	{ "Anna <a@b.example", "Anna|a@b.example" },
	{ "Anna <a@b.example, Otto <c@d.example>",
	  "Anna|a@b.example\nOtto|c@d.example" },
	{ "Anna <a@b.example> Otto <c@d.example>",
	  "Anna|a@b.example\nOtto|c@d.example" },
	{ "\"Anna <a@b.example>\" <c@d.example>",
	  "Anna <a@b.example>|c@d.example" },
	{ "\"unclosed <a@b.example>", "" },
	/* Folding, case, final dots, address literals. */
	{ "Anna\r\n Weber\r\n\t<ANNA@B.Example.>",
	  "Anna Weber|anna@b.example" },
	{ "a@[192.0.2.1]", "|a@[192.0.2.1]" },
	/* Quoted local parts. */
	{ "\"john doe\"@b.example", "|\"john doe\"@b.example" },
	{ "\"john.doe\"@b.example", "|john.doe@b.example" },
	{ "X <\"a@b\"@c.example>", "X|\"a@b\"@c.example" },
	{ "X <\"a,b\"@c.example>, y@z.example",
	  "X|\"a,b\"@c.example\n|y@z.example" },
	/* Encoded words: structure first. */
	{ "=?utf-8?Q?M=C3=BCller=2C_Karin?= <k@b.example>",
	  "M\xc3\xbcller, Karin|k@b.example" },
	{ "=?utf-8?Q?Weber,_Anna?= <k@b.example>", "Weber, Anna|k@b.example" },
	{ "=?utf-8?Q?x=40evil=2Eexample?= <k@b.example>",
	  "x@evil.example|k@b.example" },
	{ "=?utf-8?Q?=3Cx=40evil=2Eexample=3E?=", "" },
	{ "\"=?utf-8?Q?Zo=C3=AB?=\" <z@b.example>", "Zo\xc3\xab|z@b.example" },
	{ "=?iso-8859-1*de?q?J=FCrgen?= <j@b.example>",
	  "J\xc3\xbcrgen|j@b.example" },
	/* Raw 8-bit names and international addresses (RFC 6531, 6532). */
	{ "J\xfcrgen <j@b.example>", "J\xc3\xbcrgen|j@b.example" },
	{ "J\xc3\xbcrgen <j\xc3\xbc@b\xc3\xbc"
	  "cher.example>",
	  "J\xc3\xbcrgen|j\xc3\xbc@xn--bcher-kva.example" },
	/* No address. */
	{ "", "" },
	{ "Anna Weber", "" },
	{ "Anna Weber <>", "" },
	{ "a@", "!" },
	{ "@b.example", "!" },
	{ "a@@b.example", "!" },
	{ "Anna <a b@c.example>", "!" },
	{ "Anna <a@b..example>, c@d.example", "!|c@d.example" },
	{ "a@b.example\x01", "!" },
	{ "((((((a@b.example", "" },
};

static void print_list(const struct address_list *list, struct strbuf *out)
{
	strbuf_add_str(out, list->unreadable ? "!" : "");
	for (size_t i = 0; i < list->count; i++) {
		const struct address *a = &list->items[i];

		strbuf_add_str(out, i == 0 ? "" : "\n");
		strbuf_add(out, a->name);
		strbuf_add_str(out, "|");
		strbuf_add(out, a->email);
		if (a->group.len > 0) {
			strbuf_add_str(out, "|");
			strbuf_add(out, a->group);
		}
		assert_true(span_iends(a->email, a->domain));
	}
}

static void headers_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct address_list list = { 0 };
		struct arena arena = { 0 };
		struct strbuf text = STRBUF_INIT(4096);

		address_parse(span_str(rows[i].header), &arena, &list);
		print_list(&list, &text);
		if (strcmp(strbuf_cstr(&text), rows[i].expected) != 0) {
			print_error("row %zu: [%s]\n", i, rows[i].header);
		}
		assert_string_equal(strbuf_cstr(&text), rows[i].expected);
		strbuf_finish(&text);
		address_list_finish(&list);
		arena_finish(&arena);
	}
}

/* Cut anywhere, a header gives sound addresses or none. */
static void every_beginning_is_safe(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct span header = span_str(rows[i].header);

		for (size_t n = 0; n <= header.len; n++) {
			struct address_list list = { 0 };
			struct arena arena = { 0 };

			address_parse(span_first(header, n), &arena, &list);
			for (size_t a = 0; a < list.count; a++) {
				char email[ADDRESS_EMAIL_MAX + 1];

				assert_int_equal(
					address_canonical(list.items[a].email,
							  email),
					0);
				assert_true(span_eq(list.items[a].email,
						    span_str(email)));
				assert_true(span_is_utf8(list.items[a].name));
			}
			address_list_finish(&list);
			arena_finish(&arena);
		}
	}
}

static void too_many_addresses_are_not_all_known(void **state)
{
	struct strbuf text = STRBUF_INIT(1u << 20);
	struct address_list list = { 0 };
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < ADDRESS_MAX + 1; i++) {
		strbuf_addf(&text, "a%zu@b.example, ", i);
	}
	address_parse(strbuf_span(&text), &arena, &list);
	assert_int_equal(list.count, ADDRESS_MAX);
	assert_true(list.unreadable);
	strbuf_finish(&text);
	address_list_finish(&list);
	arena_finish(&arena);
}

static void canonical_form_has_one_spelling(void **state)
{
	static const struct {
		const char *email;
		const char *canonical;
	} forms[] = {
		{ "A.B@Example.COM", "a.b@example.com" },
		{ "a@b\xc3\xbc"
		  "cher.example",
		  "a@xn--bcher-kva.example" },
		{ "\"a\"@b.example", "a@b.example" },
		{ "A@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]" },
		{ "a@[.,&]", NULL },
		{ "a@[", NULL },
		{ "\"a b@c.example", NULL },
		{ "a b@c.example", NULL },
		{ "a@b@c.example", NULL },
		{ "a@", NULL },
		{ "a", NULL },
		{ "", NULL },
		{ "a\r\n@b.example", NULL },
		{ "a\xff@b.example", NULL },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(forms); i++) {
		char out[ADDRESS_EMAIL_MAX + 1];
		int status = address_canonical(span_str(forms[i].email), out);

		assert_int_equal(status, forms[i].canonical == NULL ? -1 : 0);
		if (status == 0) {
			assert_string_equal(out, forms[i].canonical);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_read),
		cmocka_unit_test(every_beginning_is_safe),
		cmocka_unit_test(too_many_addresses_are_not_all_known),
		cmocka_unit_test(canonical_form_has_one_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
