/* hash: SHA-256, HMAC-SHA-256, random bytes and base64; the only file that
   knows OpenSSL's EVP. */
#ifndef POSTERN_LIB_HASH_H
#define POSTERN_LIB_HASH_H

#include "lib/span.h"
#include "lib/strbuf.h"

#define HASH_SHA256_SIZE 32
#define HASH_HEX_SIZE	 (HASH_SHA256_SIZE * 2 + 1)

struct hash_sha256 {
	/* An EVP_MD_CTX. */
	void *context;
};

/* Incremental SHA-256. finish may be called once, and frees; destroy without
   finish is allowed. */
void hash_sha256_init(struct hash_sha256 *hash);
void hash_sha256_update(struct hash_sha256 *hash, struct span bytes);
void hash_sha256_final(struct hash_sha256 *hash,
		       unsigned char digest_r[HASH_SHA256_SIZE]);
void hash_sha256_finish(struct hash_sha256 *hash);

/* Of the whole at once. */
void hash_sha256(struct span bytes, unsigned char digest_r[HASH_SHA256_SIZE]);
void hash_hmac_sha256(struct span key, struct span bytes,
		      unsigned char digest_r[HASH_SHA256_SIZE]);

/* SHA-1, for version 5 UUIDs alone (RFC 9562 5.5): it resists nobody. */
#define HASH_SHA1_SIZE 20
void hash_sha1(struct span bytes, unsigned char digest_r[HASH_SHA1_SIZE]);

/* Lower case hexadecimal with a NUL; text_r has 2 * bytes.len + 1 bytes. */
void hash_hex(struct span bytes, char *text_r);

/* Fill with random bytes of cryptographic quality, or end the program: no
   caller can go on without. */
void hash_random(void *out, size_t len);

/* Append the base64 of bytes (RFC 4648 section 4, padded, no line ends). */
void base64_encode(struct span bytes, struct strbuf *out);

/* Append the decoded bytes. Return 0, or -1 (out as before) when text is not
   exactly padded base64: SASL must not be guessed at. */
int base64_decode(struct span text, struct strbuf *out);

#endif
