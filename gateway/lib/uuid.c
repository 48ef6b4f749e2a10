/* uuid: text forms of organization ids. Knows nothing of organizations but
   that they have a name. */
#include "lib/uuid.h"

#include <stdio.h>

#include "lib/hash.h"
#include "lib/strbuf.h"

/* RFC 9562 6.6: a name space of our own, chosen at random once and for ever.
   Changing it would file every organization anew. */
static const unsigned char organization_space[16] = {
	0xb6, 0xa8, 0x02, 0x50, 0x4c, 0x5f, 0x4b, 0x81,
	0x9e, 0x7d, 0x51, 0xc1, 0xda, 0x0a, 0x29, 0x07,
};

/* Where the text form has its hyphens. */
static bool hyphen_at(size_t position)
{
	return position == 8 || position == 13 || position == 18 ||
	       position == 23;
}

void uuid_v5(const unsigned char name_space[16], struct span name,
	     char text_r[UUID_TEXT_SIZE])
{
	unsigned char digest[HASH_SHA1_SIZE];
	char hex[2 * 16 + 1];
	struct strbuf seed = STRBUF_INIT(16 + name.len);

	strbuf_add(&seed, span_of(name_space, 16));
	strbuf_add(&seed, name);
	hash_sha1(strbuf_span(&seed), digest);
	strbuf_finish(&seed);
	digest[6] = (unsigned char)((digest[6] & 0x0f) | 0x50);
	digest[8] = (unsigned char)((digest[8] & 0x3f) | 0x80);
	hash_hex(span_of(digest, 16), hex);
	snprintf(text_r, UUID_TEXT_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex,
		 hex + 8, hex + 12, hex + 16, hex + 20);
}

void uuid_of_organization(struct span name, char text_r[UUID_TEXT_SIZE])
{
	uuid_v5(organization_space, name, text_r);
}

static bool is_hex(char c)
{
	return ascii_is_digit(c) || (c >= 'a' && c <= 'f');
}

int uuid_parse(struct span text, char text_r[UUID_TEXT_SIZE])
{
	if (text.len != UUID_TEXT_SIZE - 1) {
		return -1;
	}
	for (size_t i = 0; i < text.len; i++) {
		char c = ascii_lower(text.ptr[i]);

		if (hyphen_at(i) ? c != '-' : !is_hex(c)) {
			return -1;
		}
		text_r[i] = c;
	}
	text_r[text.len] = '\0';
	return 0;
}
