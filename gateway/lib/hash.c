/* hash: digests, random bytes and base64 through OpenSSL. A failure here is
   a broken library, so it ends the program. */
#include "lib/hash.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

static void must(int ok, const char *what)
{
	if (ok <= 0) {
		fprintf(stderr, "postern: %s failed in OpenSSL\n", what);
		abort();
	}
}

/* Looked up once: with EVP_sha256() OpenSSL 3 searches its providers at each
   use, which costs more than the digest of a short text. No program of ours
   has threads. */
static const EVP_MD *sha256(void)
{
	static EVP_MD *digest;

	if (digest == NULL) {
		digest = EVP_MD_fetch(NULL, "SHA256", NULL);
		must(digest != NULL, "SHA-256");
	}
	return digest;
}

void hash_sha256_init(struct hash_sha256 *hash)
{
	hash->context = EVP_MD_CTX_new();
	must(hash->context != NULL, "EVP_MD_CTX_new");
	must(EVP_DigestInit_ex(hash->context, sha256(), NULL), "SHA-256");
}

void hash_sha256_update(struct hash_sha256 *hash, struct span bytes)
{
	must(EVP_DigestUpdate(hash->context, bytes.ptr, bytes.len), "SHA-256");
}

void hash_sha256_final(struct hash_sha256 *hash,
		       unsigned char digest_r[HASH_SHA256_SIZE])
{
	must(EVP_DigestFinal_ex(hash->context, digest_r, NULL), "SHA-256");
	hash_sha256_finish(hash);
}

void hash_sha256_finish(struct hash_sha256 *hash)
{
	EVP_MD_CTX_free(hash->context);
	hash->context = NULL;
}

void hash_sha256(struct span bytes, unsigned char digest_r[HASH_SHA256_SIZE])
{
	static EVP_MD_CTX *context;

	if (context == NULL) {
		context = EVP_MD_CTX_new();
		must(context != NULL, "EVP_MD_CTX_new");
	}
	must(EVP_DigestInit_ex(context, sha256(), NULL) > 0 &&
		     EVP_DigestUpdate(context, bytes.ptr, bytes.len) > 0 &&
		     EVP_DigestFinal_ex(context, digest_r, NULL) > 0,
	     "SHA-256");
}

void hash_sha1(struct span bytes, unsigned char digest_r[HASH_SHA1_SIZE])
{
	must(EVP_Digest(bytes.ptr, bytes.len, digest_r, NULL, EVP_sha1(), NULL),
	     "SHA-1");
}

/* Made once: HMAC() looks the algorithm up in the provider each time, which
   costs more than the digest. No program of ours has threads. */
static EVP_MAC_CTX *hmac_context(void)
{
	static EVP_MAC_CTX *context;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
						 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac;

	if (context == NULL) {
		mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
		must(mac != NULL, "HMAC");
		context = EVP_MAC_CTX_new(mac);
		EVP_MAC_free(mac);
		must(context != NULL && EVP_MAC_CTX_set_params(context, params),
		     "HMAC");
	}
	return context;
}

/* Give the context its key, unless it has it from the call before: setting
   up a key costs as much as the HMAC of a short text, and mostly there is one
   key for all. */
static void set_key(EVP_MAC_CTX *context, struct span key)
{
	/* Longer keys are set each time. */
	static unsigned char kept[HASH_SHA256_SIZE];
	static size_t kept_len = SIZE_MAX;
	bool same = key.len == kept_len &&
		    (key.len == 0 || memcmp(key.ptr, kept, key.len) == 0);
	/* NULL means the key of the call before. */
	const char *bytes = same ? NULL : key.len == 0 ? "" : key.ptr;

	must(EVP_MAC_init(context, (const unsigned char *)bytes,
			  same ? 0 : key.len, NULL),
	     "HMAC");
	if (same) {
		return;
	}
	kept_len = SIZE_MAX;
	explicit_bzero(kept, sizeof(kept));
	if (key.len <= sizeof(kept)) {
		if (key.len > 0) {
			memcpy(kept, key.ptr, key.len);
		}
		kept_len = key.len;
	}
}

void hash_hmac_sha256(struct span key, struct span bytes,
		      unsigned char digest_r[HASH_SHA256_SIZE])
{
	EVP_MAC_CTX *context = hmac_context();
	size_t len = 0;

	set_key(context, key);
	must(EVP_MAC_update(context, (const unsigned char *)bytes.ptr,
			    bytes.len),
	     "HMAC");
	must(EVP_MAC_final(context, digest_r, &len, HASH_SHA256_SIZE), "HMAC");
	assert(len == HASH_SHA256_SIZE);
}

void hash_hex(struct span bytes, char *text_r)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];

		*text_r++ = digits[c >> 4];
		*text_r++ = digits[c & 15];
	}
	*text_r = '\0';
}

void hash_random(void *out, size_t len)
{
	assert(len <= INT32_MAX);
	must(RAND_bytes(out, (int)len), "RAND_bytes");
}

void base64_encode(struct span bytes, struct strbuf *out)
{
	char *at;

	assert(bytes.len <= INT32_MAX / 2);
	/* EVP_EncodeBlock ends with a NUL that is not part of the text. */
	at = strbuf_reserve(out, (bytes.len + 2) / 3 * 4 + 1);
	if (at == NULL) {
		return;
	}
	out->len += (size_t)EVP_EncodeBlock((unsigned char *)at,
					    (const unsigned char *)bytes.ptr,
					    (int)bytes.len);
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (ascii_is_digit(c)) {
		return c - '0' + 52;
	}
	if (c == '+') {
		return 62;
	}
	return c == '/' ? 63 : -1;
}

/* How many '=' end the text, 0 to 2; -1 when its form is wrong. */
static int base64_padding(struct span text)
{
	size_t padding = 0;

	if (text.len % 4 != 0) {
		return -1;
	}
	while (padding < 2 && padding < text.len &&
	       text.ptr[text.len - 1 - padding] == '=') {
		padding++;
	}
	for (size_t i = 0; i < text.len - padding; i++) {
		if (base64_value(text.ptr[i]) < 0) {
			return -1;
		}
	}
	return (int)padding;
}

int base64_decode(struct span text, struct strbuf *out)
{
	int padding = base64_padding(text);
	unsigned char *at;
	size_t size;

	if (padding < 0) {
		return -1;
	}
	size = text.len / 4 * 3;
	at = (unsigned char *)strbuf_reserve(out, size);
	if (at == NULL) {
		return -1;
	}
	for (size_t i = 0; i < text.len; i += 4) {
		uint32_t group = 0;

		for (size_t k = 0; k < 4; k++) {
			char c = text.ptr[i + k];
			int value = c == '=' ? 0 : base64_value(c);

			group = group << 6 | (uint32_t)value;
		}
		*at++ = (unsigned char)(group >> 16);
		*at++ = (unsigned char)(group >> 8);
		*at++ = (unsigned char)group;
	}
	out->len += size - (size_t)padding;
	return 0;
}
