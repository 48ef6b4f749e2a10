/* proxy_header: PROXY protocol v1 (text) and v2 (binary), strictly: a balancer
   that says it otherwise is not one we were told of. */
#include "proxy/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* Longest v1 line with its CRLF (section 2.1). */
#define V1_MAX 107

#define V2_HEAD_SIZE 16

/* TLV that holds a CRC32c of the whole header (section 2.2.3). */
#define TLV_CRC32C 0x03

/* -- v1 -- */

static int v1_port(struct span text, uint16_t *port_r)
{
	uint64_t port;

	if ((text.len > 1 && text.ptr[0] == '0') ||
	    span_to_u64(text, UINT16_MAX, &port) < 0) {
		return -1;
	}
	*port_r = (uint16_t)port;
	return 0;
}

static int v1_address(int family, struct span text, unsigned char out_r[16])
{
	char buf[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(buf) || span_find(text, '\0') >= 0) {
		return -1;
	}
	memcpy(buf, text.ptr, text.len);
	buf[text.len] = '\0';
	memset(out_r, 0, 16);
	if (family == AF_INET) {
		memset(out_r + 10, 0xff, 2);
		return inet_pton(AF_INET, buf, out_r + 12) == 1 ? 0 : -1;
	}
	return inet_pton(AF_INET6, buf, out_r) == 1 ? 0 : -1;
}

/* Cut the next word off; words are separated by exactly one SP. */
static struct span v1_word(struct span *rest)
{
	ptrdiff_t space = span_find(*rest, ' ');
	struct span word = space < 0 ? *rest : span_first(*rest, (size_t)space);

	*rest = span_from(*rest, word.len + (space < 0 ? 0 : 1));
	return word;
}

/* "PROXY TCP4 SOURCE DESTINATION PORT PORT", without its CRLF. */
static int v1_line(struct span line, struct proxy_header *header_r,
		   struct error *err_r)
{
	unsigned char destination[16];
	struct span rest = line;
	uint16_t port;
	struct span word;
	int family;

	v1_word(&rest);
	word = v1_word(&rest);
	if (span_eq(word, SPAN("UNKNOWN"))) {
		return 1;
	}
	if (span_eq(word, SPAN("TCP4"))) {
		family = AF_INET;
	} else if (span_eq(word, SPAN("TCP6"))) {
		family = AF_INET6;
	} else {
		return error_set(err_r, "PROXY header of unknown family");
	}
	if (v1_address(family, v1_word(&rest), header_r->source) < 0 ||
	    v1_address(family, v1_word(&rest), destination) < 0 ||
	    v1_port(v1_word(&rest), &header_r->source_port) < 0 ||
	    v1_port(v1_word(&rest), &port) < 0 || rest.len > 0 ||
	    line.ptr[line.len - 1] == ' ') {
		return error_set(err_r, "malformed PROXY header");
	}
	header_r->has_source = true;
	return 1;
}

static int v1_next(struct span in, struct proxy_header *header_r,
		   size_t *used_r, struct error *err_r)
{
	struct span head = span_first(in, V1_MAX);
	ptrdiff_t lf = span_find(head, '\n');

	if (lf < 0) {
		return head.len < V1_MAX
			       ? 0
			       : error_set(err_r, "PROXY header without end");
	}
	if (lf == 0 || in.ptr[lf - 1] != '\r') {
		return error_set(err_r, "PROXY header without CRLF");
	}
	*used_r = (size_t)lf + 1;
	return v1_line(span_first(in, (size_t)lf - 1), header_r, err_r);
}

/* -- v2 -- */

static unsigned int u8_at(struct span s, size_t at)
{
	return (unsigned char)s.ptr[at];
}

static unsigned int u16_at(struct span s, size_t at)
{
	return u8_at(s, at) << 8 | u8_at(s, at + 1);
}

static uint32_t u32_at(struct span s, size_t at)
{
	return (uint32_t)u16_at(s, at) << 16 | u16_at(s, at + 2);
}

/* CRC-32C (RFC 3720 appendix B.4) over the header with its own four bytes as
   zeros. */
static uint32_t crc32c(struct span header, size_t crc_at)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < header.len; i++) {
		bool zero = i >= crc_at && i < crc_at + 4;

		crc ^= zero ? 0 : u8_at(header, i);
		for (int bit = 0; bit < 8; bit++) {
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
		}
	}
	return ~crc;
}

/* The TLVs must fill the header exactly. */
static int v2_tlvs(struct span header, size_t at, struct error *err_r)
{
	while (at < header.len) {
		unsigned int len;

		if (header.len - at < 3) {
			return error_set(err_r, "PROXY header: cut TLV");
		}
		len = u16_at(header, at + 1);
		if (header.len - at - 3 < len) {
			return error_set(err_r, "PROXY header: long TLV");
		}
		if (u8_at(header, at) == TLV_CRC32C &&
		    (len != 4 ||
		     crc32c(header, at + 3) != u32_at(header, at + 3))) {
			return error_set(err_r, "PROXY header: wrong checksum");
		}
		at += 3 + len;
	}
	return 0;
}

/* Size of the addresses of each family (section 2.2). */
static int v2_addresses(unsigned int family, struct span header,
			struct proxy_header *header_r, size_t *size_r)
{
	switch (family) {
	case 0x0:
		*size_r = 0;
		return 0;
	case 0x1:
		*size_r = 12;
		break;
	case 0x2:
		*size_r = 36;
		break;
	case 0x3:
		*size_r = 216;
		break;
	default:
		return -1;
	}
	if (header.len < V2_HEAD_SIZE + *size_r) {
		return -1;
	}
	if (family == 0x1) {
		memset(header_r->source + 10, 0xff, 2);
		memcpy(header_r->source + 12, header.ptr + V2_HEAD_SIZE, 4);
		header_r->source_port = (uint16_t)u16_at(header, 24);
	} else if (family == 0x2) {
		memcpy(header_r->source, header.ptr + V2_HEAD_SIZE, 16);
		header_r->source_port = (uint16_t)u16_at(header, 48);
	}
	header_r->has_source = family == 0x1 || family == 0x2;
	return 0;
}

static int v2_next(struct span in, struct proxy_header *header_r,
		   size_t *used_r, struct error *err_r)
{
	unsigned int command;
	size_t addresses;
	size_t len;

	if (in.len < V2_HEAD_SIZE) {
		return 0;
	}
	command = u8_at(in, 12);
	len = V2_HEAD_SIZE + u16_at(in, 14);
	if (command != 0x20 && command != 0x21) {
		return error_set(err_r, "PROXY header of unknown command");
	}
	if (len > PROXY_HEADER_MAX) {
		return error_set(err_r, "PROXY header over %d bytes",
				 PROXY_HEADER_MAX);
	}
	if (in.len < len) {
		return 0;
	}
	*used_r = len;
	/* LOCAL: the balancer itself, whatever else it says. */
	if (command == 0x20) {
		return 1;
	}
	in = span_first(in, len);
	if (v2_addresses(u8_at(in, 13) >> 4, in, header_r, &addresses) < 0) {
		return error_set(err_r, "PROXY header: wrong addresses");
	}
	/* Of a family it does not name nothing more is defined. */
	if (u8_at(in, 13) >> 4 == 0) {
		return 1;
	}
	if ((u8_at(in, 13) & 15) != 1) {
		return error_set(err_r, "PROXY header not of a stream");
	}
	return v2_tlvs(in, V2_HEAD_SIZE + addresses, err_r) < 0 ? -1 : 1;
}

int proxy_header_next(struct span in, struct proxy_header *header_r,
		      size_t *used_r, struct error *err_r)
{
	static const struct span v1 = { "PROXY ", 6 };
	static const struct span v2 = { "\r\n\r\n\0\r\nQUIT\n", 12 };

	memset(header_r, 0, sizeof(*header_r));
	*used_r = 0;
	if (span_starts(in, v1)) {
		return v1_next(in, header_r, used_r, err_r);
	}
	if (span_starts(in, v2)) {
		return v2_next(in, header_r, used_r, err_r);
	}
	if (span_starts(v1, in) || span_starts(v2, in)) {
		return 0;
	}
	return error_set(err_r, "no PROXY header");
}
