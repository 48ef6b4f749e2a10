/* Any bytes as a message: refused, or texts that are UTF-8 and within their
   limits. */
#include <stdlib.h>

#include "message/html_text.h"
#include "message/message.h"
#include "message/mime_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool sound)
{
	if (!sound) {
		abort();
	}
}

static void check_text(struct span text)
{
	check(span_is_utf8(text));
	check(text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
}

static void check_addresses(const struct message *msg)
{
	for (int h = 0; h < MESSAGE_ADDRESS_HEADER_COUNT; h++) {
		size_t count;
		const struct address *list = message_addresses(
			msg, (enum message_address_header)h, &count);

		for (size_t i = 0; i < count; i++) {
			check_text(list[i].name);
			check_text(list[i].group);
			check(list[i].email.len > list[i].domain.len + 1);
		}
	}
}

static void check_parts(const struct message *msg)
{
	size_t total = 0;
	size_t count;
	const struct message_part *parts = message_parts(msg, &count);

	check(count <= MIME_SCAN_MAX_PARTS);
	for (size_t i = 0; i < count; i++) {
		struct strbuf out = STRBUF_INIT(1u << 20);

		check_text(parts[i].text);
		check_text(parts[i].media_type);
		total += parts[i].text.len;
		if (parts[i].kind == MESSAGE_PART_HTML) {
			html_text(parts[i].text, &out);
			check_text(strbuf_span(&out));
		}
		strbuf_finish(&out);
	}
	check(total <= MESSAGE_MAX_TEXT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = { .text = "" };
	struct message *msg = message_create(span_of(data, size), &err);
	struct span name;
	struct span value;

	if (msg == NULL) {
		check(err.text[0] != '\0');
		return 0;
	}
	for (size_t i = 0; message_header_at(msg, i, &name, &value); i++) {
		check_text(value);
		check(span_find(value, '\n') < 0);
	}
	check_addresses(msg);
	check_parts(msg);
	check(message_date(msg) >= 0);
	message_destroy(&msg);
	return 0;
}
