/* network: CIDR networks and whether an address is in one. */
#include "config/settings.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const unsigned char v4_prefix[12] = { 0, 0, 0, 0, 0,    0,
					     0, 0, 0, 0, 0xff, 0xff };

static void set_v4(unsigned char out_r[16], const struct in_addr *address)
{
	memcpy(out_r, v4_prefix, sizeof(v4_prefix));
	memcpy(out_r + sizeof(v4_prefix), address, 4);
}

int network_parse(const char *text, struct network *network_r,
		  struct error *err_r)
{
	struct span whole = span_str(text);
	ptrdiff_t slash = span_find(whole, '/');
	struct span host = slash < 0 ? whole : span_first(whole, (size_t)slash);
	char address[INET6_ADDRSTRLEN];
	struct in_addr v4;
	unsigned int bits;
	uint64_t prefix;

	if (host.len >= sizeof(address)) {
		return error_set(err_r, "no network: %s", text);
	}
	memcpy(address, host.ptr, host.len);
	address[host.len] = '\0';
	if (inet_pton(AF_INET, address, &v4) == 1) {
		set_v4(network_r->address, &v4);
		bits = 32;
	} else if (inet_pton(AF_INET6, address, network_r->address) == 1) {
		bits = 128;
	} else {
		return error_set(err_r, "no network: %s", text);
	}
	prefix = bits;
	if (slash >= 0 && span_to_u64(span_from(whole, (size_t)slash + 1), bits,
				      &prefix) < 0) {
		return error_set(err_r, "no network: %s (prefix 0 to %u)", text,
				 bits);
	}
	network_r->prefix_bits = (unsigned int)prefix + (128 - bits);
	return 0;
}

static bool same_prefix(const unsigned char *a, const unsigned char *b,
			unsigned int bits)
{
	unsigned int bytes = bits / 8;
	unsigned int mask = 0xff00u >> (bits % 8) & 0xff;

	return memcmp(a, b, bytes) == 0 &&
	       (mask == 0 || ((a[bytes] ^ b[bytes]) & mask) == 0);
}

bool networks_have(const struct network *networks, size_t count,
		   const struct sockaddr *address)
{
	unsigned char bytes[16];

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;

		set_v4(bytes, &in->sin_addr);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;

		memcpy(bytes, &in6->sin6_addr, sizeof(bytes));
	} else {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (same_prefix(bytes, networks[i].address,
				networks[i].prefix_bits)) {
			return true;
		}
	}
	return false;
}
