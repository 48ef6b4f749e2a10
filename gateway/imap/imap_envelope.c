/* imap_envelope: ten values in fixed order become header fields. Strings come
   from senders by way of the server: line ends are taken out. */
#include "imap/imap_envelope.h"

#include "imap/imap_value.h"

#define ADDRESSES_MAX 2000

static const struct {
	const char *name;
	bool is_addresses;
} fields[] = {
	{ "Date", false },	 { "Subject", false }, { "From", true },
	{ "Sender", true },	 { "Reply-To", true }, { "To", true },
	{ "Cc", true },		 { "Bcc", true },      { "In-Reply-To", false },
	{ "Message-ID", false },
};

bool imap_envelope_has_field(struct span name)
{
	for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
		if (span_ieq(name, span_str(fields[i].name))) {
			return true;
		}
	}
	return false;
}

/* The bytes of a string, control bytes as spaces; nothing for NIL. */
static void add_text(struct strbuf *out, const struct imap_value *value)
{
	size_t start = out->len;

	if (!imap_value_is_text(value)) {
		return;
	}
	imap_value_decode(value, out);
	for (size_t i = start; i < out->len; i++) {
		unsigned char c = (unsigned char)out->ptr[i];

		if (c < 0x20 || c == 0x7f) {
			out->ptr[i] = ' ';
		}
	}
}

/* A display name as a quoted string, so that no byte of it is syntax; encoded
   words stay bare, or they would be text. */
static void add_phrase(struct strbuf *out, const struct imap_value *value)
{
	struct strbuf name = STRBUF_INIT(1024);

	add_text(&name, value);
	if (span_search(strbuf_span(&name), SPAN("=?")) >= 0) {
		strbuf_add(out, strbuf_span(&name));
		strbuf_finish(&name);
		return;
	}
	strbuf_add_char(out, '"');
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '"' || name.ptr[i] == '\\') {
			strbuf_add_char(out, '\\');
		}
		strbuf_add_char(out, name.ptr[i]);
	}
	strbuf_add_char(out, '"');
	strbuf_finish(&name);
}

struct address_writer {
	struct strbuf *out;
	bool needs_comma;
	bool in_group;
};

/* (name route mailbox host): with host NIL it begins or ends a group. */
static int add_address(struct address_writer *writer, struct span address)
{
	struct strbuf *out = writer->out;
	struct imap_value part[4];

	for (size_t i = 0; i < N_ELEMENTS(part); i++) {
		if (imap_value_next(&address, &part[i]) <= 0) {
			return -1;
		}
	}
	if (part[3].type == IMAP_NIL && part[2].type == IMAP_NIL) {
		if (writer->in_group) {
			strbuf_add_char(out, ';');
		}
		writer->in_group = false;
		writer->needs_comma = true;
		return 0;
	}
	if (writer->needs_comma) {
		strbuf_add_str(out, ",\r\n ");
	}
	if (part[3].type == IMAP_NIL) {
		add_phrase(out, &part[2]);
		strbuf_add_str(out, ": ");
		writer->in_group = true;
		writer->needs_comma = false;
		return 0;
	}
	if (part[0].type != IMAP_NIL) {
		add_phrase(out, &part[0]);
		strbuf_add_char(out, ' ');
	}
	strbuf_add_char(out, '<');
	add_text(out, &part[2]);
	strbuf_add_char(out, '@');
	add_text(out, &part[3]);
	strbuf_add_char(out, '>');
	writer->needs_comma = true;
	return 0;
}

static int add_addresses(struct strbuf *out, struct span list)
{
	struct address_writer writer = { .out = out };
	struct imap_value value;
	int more;

	for (size_t i = 0; i < ADDRESSES_MAX; i++) {
		more = imap_value_next(&list, &value);
		if (more == 0) {
			break;
		}
		if (more < 0 || value.type != IMAP_LIST ||
		    add_address(&writer, value.text) < 0) {
			return -1;
		}
	}
	if (writer.in_group) {
		strbuf_add_char(out, ';');
	}
	return 0;
}

int imap_envelope_header(struct span envelope, struct strbuf *out)
{
	size_t before = out->len;

	for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
		struct imap_value value;

		if (imap_value_next(&envelope, &value) <= 0) {
			out->len = before;
			return -1;
		}
		if (value.type == IMAP_NIL) {
			continue;
		}
		if ((value.type == IMAP_LIST) != fields[i].is_addresses) {
			out->len = before;
			return -1;
		}
		strbuf_addf(out, "%s: ", fields[i].name);
		if (!fields[i].is_addresses) {
			add_text(out, &value);
		} else if (add_addresses(out, value.text) < 0) {
			out->len = before;
			return -1;
		}
		strbuf_add_str(out, "\r\n");
	}
	return 0;
}
