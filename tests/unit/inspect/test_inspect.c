/* Frames survive the journey and nothing unsound does; the real inspector, in
   its sandbox, says of every sample what the library says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <event2/event.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "inspect/inspect.h"
#include "lib/frame.h"
#include "lib/log.h"
#include "lib/xalloc.h"

static void fill_answer(struct inspect_answer *answer)
{
	struct contact *contact;

	*answer = (struct inspect_answer){ .id = 7, .date = 1780300800 };
	memcpy(answer->message_id, "1@x.example", 12);
	memcpy(answer->note.text, "nothing speaks against it", 26);
	contact = contact_list_get(&answer->contacts, SPAN("a@x.example"));
	assert_non_null(contact);
	contact_set(&contact->name, SPAN("Zo\xc3\xab Weber"));
	contact_set(&contact->title, SPAN("Leiterin"));
	contact_set(&contact->company, SPAN("X GmbH"));
	contact_set(&contact->postal_address, SPAN("Weg 1, 80331 M"));
	contact->sources = CONTACT_SOURCE_HEADER | CONTACT_SOURCE_SIGNATURE;
	contact->name_source = CONTACT_SOURCE_SIGNATURE;
	contact->confidence = 0.875;
	contact->role = CONTACT_ROLE_RECIPIENT;
	contact_add_phone(contact, SPAN("+498920300"), SPAN("12"),
			  SPAN("089 / 203 00-12"), PHONE_FAX);
	contact_add_url(contact, SPAN("https://x.example"));
	contact = contact_list_get(&answer->contacts, SPAN("b@x.example"));
	assert_non_null(contact);
}

/* The body of the frame that holds the answer; out owns it. */
static struct span encode(const struct inspect_answer *answer,
			  struct strbuf *out)
{
	struct span rest;
	struct span body;

	assert_int_equal(inspect_answer_encode(answer, out), 0);
	rest = strbuf_span(out);
	assert_int_equal(frame_next(&rest, INSPECT_MAX_ANSWER, &body), 1);
	assert_int_equal(rest.len, 0);
	return body;
}

static void an_answer_survives_the_journey(void **state)
{
	struct strbuf out = STRBUF_INIT(INSPECT_MAX_ANSWER);
	struct inspect_answer sent;
	struct inspect_answer got;
	struct error err;

	(void)state;
	fill_answer(&sent);
	assert_int_equal(inspect_answer_decode(encode(&sent, &out), &got, &err),
			 0);
	assert_int_equal(got.id, 7);
	assert_int_equal(got.date, 1780300800);
	assert_string_equal(got.message_id, "1@x.example");
	assert_string_equal(got.note.text, "nothing speaks against it");
	assert_int_equal(got.contacts.count, 2);
	for (size_t i = 0; i < 2; i++) {
		char *a = contact_to_json(&sent.contacts.items[i]);
		char *b = contact_to_json(&got.contacts.items[i]);

		assert_string_equal(a, b);
		free(a);
		free(b);
	}
	assert_int_equal(got.contacts.items[0].role, CONTACT_ROLE_RECIPIENT);
	inspect_answer_finish(&got);
	inspect_answer_finish(&sent);
	strbuf_finish(&out);
}

/* Every beginning of it, and it with one byte more, is refused. */
static void a_cut_answer_is_refused(void **state)
{
	struct strbuf out = STRBUF_INIT(INSPECT_MAX_ANSWER);
	struct inspect_answer sent;
	struct inspect_answer got;
	struct span body;

	(void)state;
	fill_answer(&sent);
	body = encode(&sent, &out);
	for (size_t n = 0; n < body.len; n++) {
		assert_int_equal(
			inspect_answer_decode(span_first(body, n), &got, NULL),
			-1);
	}
	strbuf_add_char(&out, '\0');
	body = span_of(out.ptr + FRAME_HEADER_SIZE,
		       out.len - FRAME_HEADER_SIZE);
	assert_int_equal(inspect_answer_decode(body, &got, NULL), -1);
	inspect_answer_finish(&sent);
	strbuf_finish(&out);
}

/* Every byte changed: refused, or an answer that is as sound as any. */
static void a_changed_answer_is_refused_or_sound(void **state)
{
	struct strbuf out = STRBUF_INIT(INSPECT_MAX_ANSWER);
	struct inspect_answer sent;
	size_t refused = 0;
	struct span body;

	(void)state;
	fill_answer(&sent);
	body = encode(&sent, &out);
	for (size_t i = 0; i < body.len; i++) {
		char *byte = out.ptr + FRAME_HEADER_SIZE + i;
		char before = *byte;

		for (int value = 0; value < 256; value++) {
			struct inspect_answer got;

			*byte = (char)value;
			if (inspect_answer_decode(body, &got, NULL) < 0) {
				refused++;
				continue;
			}
			assert_in_range(got.reason, 0, SKIP_REASON_COUNT - 1);
			assert_true(got.contacts.count <= CONTACTS_MAX);
			for (size_t c = 0; c < got.contacts.count; c++) {
				char *json =
					contact_to_json(&got.contacts.items[c]);

				assert_true(span_is_utf8(span_str(json)));
				free(json);
			}
			inspect_answer_finish(&got);
		}
		*byte = before;
	}
	assert_true(refused > body.len * 100);
	inspect_answer_finish(&sent);
	strbuf_finish(&out);
}

/* What a taken-over inspector might send, field by field. */
static void unsound_fields_are_refused(void **state)
{
	static const struct {
		const char *email;
		const char *name;
		const char *e164;
		const char *ext;
		const char *url;
		unsigned int kind;
		uint32_t confidence;
		bool sound;
	} rows[] = {
		{ "a@x.example", "A", "+4989", "1", "https://x", 0, 1, true },
		{ "A@x.example", "A", "+4989", "1", "https://x", 0, 1, false },
		{ "a@X.example", "A", "+4989", "1", "https://x", 0, 1, false },
		{ "ax.example", "A", "+4989", "1", "https://x", 0, 1, false },
		{ "", "A", "+4989", "1", "https://x", 0, 1, false },
		{ "a@x.example", "A\n", "+4989", "1", "https://x", 0, 1,
		  false },
		{ "a@x.example", "\xc2\x9b", "+4989", "1", "https://x", 0, 1,
		  false },
		{ "a@x.example", "\xff", "+4989", "1", "https://x", 0, 1,
		  false },
		{ "a@x.example", "A", "4989", "1", "https://x", 0, 1, false },
		{ "a@x.example", "A", "+0989", "1", "https://x", 0, 1, false },
		{ "a@x.example", "A", "+49a", "1", "https://x", 0, 1, false },
		{ "a@x.example", "A", "+", "1", "https://x", 0, 1, false },
		{ "a@x.example", "A", "+4989123456789012", "1", "https://x", 0,
		  1, false },
		{ "a@x.example", "A", "+4989", "x", "https://x", 0, 1, false },
		{ "a@x.example", "A", "+4989", "1", "javascript:x", 0, 1,
		  false },
		{ "a@x.example", "A", "+4989", "1", "", 0, 1, false },
		{ "a@x.example", "A", "+4989", "1", "https://x", 9, 1, false },
		{ "a@x.example", "A", "+4989", "1", "https://x", 0, 1001,
		  false },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct strbuf out = STRBUF_INIT(4096);
		struct inspect_answer got;

		frame_put_u8(&out, INSPECT_VERSION);
		frame_put_u64(&out, 1);
		frame_put_u8(&out, SKIP_NONE);
		frame_put_bytes(&out, SPAN("note"));
		frame_put_bytes(&out, SPAN("id"));
		frame_put_u64(&out, 0);
		frame_put_u8(&out, MESSAGE_INCOMING);
		frame_put_u32(&out, 1);
		frame_put_bytes(&out, span_str(rows[i].email));
		frame_put_bytes(&out, span_str(rows[i].name));
		frame_put_bytes(&out, SPAN(""));
		frame_put_bytes(&out, SPAN(""));
		frame_put_bytes(&out, SPAN(""));
		frame_put_u8(&out, (uint8_t)rows[i].kind);
		frame_put_u8(&out, CONTACT_ROLE_AUTHOR);
		frame_put_u8(&out, CONTACT_SOURCE_HEADER);
		frame_put_u8(&out, CONTACT_SOURCE_HEADER);
		frame_put_u32(&out, rows[i].confidence);
		frame_put_u8(&out, 1);
		frame_put_bytes(&out, span_str(rows[i].e164));
		frame_put_bytes(&out, span_str(rows[i].ext));
		frame_put_bytes(&out, SPAN("raw"));
		frame_put_u8(&out, PHONE_WORK);
		frame_put_u8(&out, 1);
		frame_put_bytes(&out, span_str(rows[i].url));
		if (inspect_answer_decode(strbuf_span(&out), &got, NULL) == 0) {
			assert_true(rows[i].sound);
			inspect_answer_finish(&got);
		} else {
			assert_false(rows[i].sound);
		}
		strbuf_finish(&out);
	}
}

static void what_would_be_refused_is_not_sent(void **state)
{
	struct strbuf out = STRBUF_INIT(INSPECT_MAX_ANSWER);
	struct inspect_answer sent;
	struct inspect_answer got;
	struct contact *contact;

	(void)state;
	fill_answer(&sent);
	contact = &sent.contacts.items[0];
	free(contact->phones[0].e164);
	contact->phones[0].e164 = xstrdup("089");
	free(contact->urls[0]);
	contact->urls[0] = xstrdup("javascript:x");
	free(contact->name);
	contact->name = xstrdup("a\x01");
	free(sent.contacts.items[1].email);
	sent.contacts.items[1].email = xstrdup("Not An Address");
	assert_int_equal(inspect_answer_decode(encode(&sent, &out), &got, NULL),
			 0);
	assert_int_equal(got.contacts.count, 1);
	assert_int_equal(got.contacts.items[0].phone_count, 0);
	assert_int_equal(got.contacts.items[0].url_count, 0);
	assert_null(got.contacts.items[0].name);
	assert_non_null(got.contacts.items[0].title);
	inspect_answer_finish(&got);
	inspect_answer_finish(&sent);
	strbuf_finish(&out);
}

/* As many contacts as there can be, each with all that it can have. */
static void the_fullest_answer_fits(void **state)
{
	struct strbuf out = STRBUF_INIT(INSPECT_MAX_ANSWER + FRAME_HEADER_SIZE);
	struct inspect_answer sent = { .id = 1 };
	struct inspect_answer got;
	char text[CONTACT_FIELD_MAX];
	char name[64];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < CONTACTS_MAX; i++) {
		struct contact *contact;

		snprintf(name, sizeof(name), "a%zu@x.example", i);
		contact = contact_list_get(&sent.contacts, span_str(name));
		assert_non_null(contact);
		contact_set(&contact->name, span_of(text, sizeof(text)));
		contact_set(&contact->title, span_of(text, sizeof(text)));
		contact_set(&contact->company, span_of(text, sizeof(text)));
		contact_set(&contact->postal_address,
			    span_of(text, sizeof(text)));
		for (size_t p = 0; p < CONTACT_PHONES_MAX; p++) {
			snprintf(name, sizeof(name), "+4989%06zu", p);
			contact_add_phone(contact, span_str(name), SPAN(""),
					  span_of(text, sizeof(text)),
					  PHONE_WORK);
		}
		for (size_t u = 0; u < CONTACT_URLS_MAX; u++) {
			memcpy(text, "https://", 8);
			text[8] = (char)('a' + u);
			contact_add_url(contact, span_of(text, sizeof(text)));
		}
	}
	assert_int_equal(inspect_answer_decode(encode(&sent, &out), &got, NULL),
			 0);
	assert_int_equal(got.contacts.count, CONTACTS_MAX);
	inspect_answer_finish(&got);
	inspect_answer_finish(&sent);
	strbuf_finish(&out);
}

static void recipients_are_never_cut_in_two(void **state)
{
	static const char one[] = "somebody@own-domain.example\n";
	struct strbuf out = STRBUF_INIT(INSPECT_MAX_REQUEST);
	struct strbuf rcpts = STRBUF_INIT(1024 * 1024);
	struct inspect_request sent = { .origin.has_envelope = true,
					.message = SPAN("From: x\r\n\r\n") };
	struct inspect_request got;
	struct span body;
	struct span rest;

	(void)state;
	while (rcpts.len < 600 * 1024) {
		strbuf_add_str(&rcpts, one);
	}
	sent.origin.envelope_rcpts = strbuf_span(&rcpts);
	assert_int_equal(inspect_request_encode(&sent, &out), 0);
	rest = strbuf_span(&out);
	assert_int_equal(frame_next(&rest, INSPECT_MAX_REQUEST, &body), 1);
	assert_int_equal(inspect_request_decode(body, &got, NULL), 0);
	assert_true(got.origin.envelope_rcpts.len > 512 * 1024 - sizeof(one));
	assert_int_equal(got.origin.envelope_rcpts.len % (sizeof(one) - 1), 0);
	strbuf_finish(&rcpts);
	strbuf_finish(&out);
}

static void a_request_survives_the_journey(void **state)
{
	struct strbuf out = STRBUF_INIT(INSPECT_MAX_REQUEST);
	struct domain_set domains = { 0 };
	struct inspect_request got;
	struct inspect_request sent = {
		.id = 9,
		.origin = { .mailbox = SPAN("me@acme.com"),
			    .folder = FOLDER_SENT,
			    .folder_in_scope = true,
			    .direction = MESSAGE_OUTGOING,
			    .flags = SPAN("\\Seen"),
			    .has_envelope = true,
			    .envelope_from = SPAN("me@acme.com"),
			    .envelope_rcpts = SPAN("a@b.example\nc@d.example"),
			    .region = SPAN("DE") },
		.message = SPAN("From: x\r\n\r\n\0binary"),
	};
	struct span body;
	struct span rest;

	(void)state;
	domain_set_add(&domains, SPAN("acme.com"));
	domain_set_add(&domains, SPAN("acme.co.uk"));
	sent.origin.own_domains = &domains;
	assert_int_equal(inspect_request_encode(&sent, &out), 0);
	rest = strbuf_span(&out);
	assert_int_equal(frame_next(&rest, INSPECT_MAX_REQUEST, &body), 1);
	assert_int_equal(inspect_request_decode(body, &got, NULL), 0);
	assert_int_equal(got.id, 9);
	assert_true(span_eq(got.message, sent.message));
	assert_true(span_eq(got.origin.mailbox, sent.origin.mailbox));
	assert_true(
		span_eq(got.origin.envelope_rcpts, sent.origin.envelope_rcpts));
	assert_true(span_eq(got.own_domains, SPAN("acme.com\nacme.co.uk\n")));
	assert_int_equal(got.origin.folder, FOLDER_SENT);
	assert_int_equal(got.origin.direction, MESSAGE_OUTGOING);
	assert_true(got.origin.folder_in_scope);
	assert_true(got.origin.has_envelope);
	assert_false(got.origin.truncated);
	for (size_t n = 0; n < body.len; n++) {
		assert_int_equal(
			inspect_request_decode(span_first(body, n), &got, NULL),
			-1);
	}
	domain_set_finish(&domains);
	strbuf_finish(&out);
}

/* The program itself. */

static void read_file(const char *path, struct strbuf *out)
{
	FILE *file = fopen(path, "rb");
	char chunk[4096];
	size_t n;

	assert_non_null(file);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		strbuf_add(out, span_of(chunk, n));
	}
	fclose(file);
}

struct expected {
	enum skip_reason reason;
	struct strbuf contacts;
	bool answered;
};

static void print_contacts(const struct contact_list *list, struct strbuf *out)
{
	for (size_t i = 0; i < list->count; i++) {
		char *json = contact_to_json(&list->items[i]);

		strbuf_add_str(out, json);
		strbuf_add_char(out, '\n');
		free(json);
	}
}

static void compare(void *context, const struct inspector_answer *answer)
{
	struct expected *expected = context;
	struct strbuf contacts = STRBUF_INIT(1u << 20);

	expected->answered = true;
	assert_int_equal(answer->reason, expected->reason);
	print_contacts(answer->contacts, &contacts);
	assert_string_equal(strbuf_cstr(&contacts),
			    strbuf_cstr(&expected->contacts));
	strbuf_finish(&contacts);
}

static void expect(const struct message_origin *origin, struct span bytes,
		   struct expected *expected)
{
	struct inspect_answer answer;

	inspect_message(origin, bytes, &answer);
	expected->reason = answer.reason;
	strbuf_init(&expected->contacts, 1u << 20);
	print_contacts(&answer.contacts, &expected->contacts);
	inspect_answer_finish(&answer);
}

static struct inspector_pool *start(struct event_base *base)
{
	const char *top = getenv("top_builddir");
	char *program =
		xasprintf("%s/postern-inspect", top == NULL ? "." : top);
	struct inspector_options options = { .program = program,
					     .processes = 1,
					     .deadline_ms = 10000,
					     .max_messages = 100000 };
	struct error err = { .text = "" };
	struct inspector_pool *pool =
		inspector_pool_create(base, &options, &err);

	assert_string_equal(err.text, "");
	free(program);
	return pool;
}

static void the_sandboxed_program_says_the_same(void **state)
{
	const char *top = getenv("top_srcdir");
	char *pattern =
		xasprintf("%s/tests/data/mail/*.eml", top == NULL ? "." : top);
	struct event_base *base = event_base_new();
	struct inspector_pool *pool = start(base);
	struct domain_set domains = { 0 };
	struct message_origin origin = { .mailbox = SPAN("sales1@acme.com"),
					 .folder = FOLDER_INBOX,
					 .own_domains = &domains,
					 .region = SPAN("DE") };
	struct expected *expected;
	glob_t found;

	(void)state;
	domain_set_add(&domains, SPAN("acme.com"));
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	expected = xcalloc(found.gl_pathc, sizeof(*expected));
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct strbuf text = STRBUF_INIT(INSPECTOR_MESSAGE_MAX);

		read_file(found.gl_pathv[i], &text);
		expect(&origin, strbuf_span(&text), &expected[i]);
		assert_true(inspector_ask(pool, &origin, strbuf_span(&text),
					  compare, &expected[i]));
		strbuf_finish(&text);
	}
	while (!inspector_pool_is_idle(pool)) {
		event_base_loop(base, EVLOOP_ONCE);
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		assert_true(expected[i].answered);
		strbuf_finish(&expected[i].contacts);
	}
	print_message("%zu samples through the sandbox\n",
		      (size_t)found.gl_pathc);
	assert_true(found.gl_pathc >= 100);
	free(expected);
	globfree(&found);
	free(pattern);
	domain_set_finish(&domains);
	inspector_pool_destroy(&pool);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_survives_the_journey),
		cmocka_unit_test(a_cut_answer_is_refused),
		cmocka_unit_test(a_changed_answer_is_refused_or_sound),
		cmocka_unit_test(unsound_fields_are_refused),
		cmocka_unit_test(what_would_be_refused_is_not_sent),
		cmocka_unit_test(the_fullest_answer_fits),
		cmocka_unit_test(a_request_survives_the_journey),
		cmocka_unit_test(recipients_are_never_cut_in_two),
		cmocka_unit_test(the_sandboxed_program_says_the_same),
	};

	log_init("test_inspect", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
