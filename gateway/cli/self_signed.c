/* self_signed: X.509 by hand, as far as one certificate needs it. */
#include "cli/self_signed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

static int add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	int ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ok = extension != NULL && X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return ok;
}

static int set_serial(X509 *cert)
{
	unsigned char bytes[8];
	uint64_t serial;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
		return 0;
	}
	memcpy(&serial, bytes, sizeof(serial));
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert),
				       serial >> 1);
}

static int fill(X509 *cert, EVP_PKEY *key, const char *host_name,
		unsigned int days)
{
	X509_NAME *name = X509_get_subject_name(cert);
	char names[600];

	snprintf(names, sizeof(names), "DNS:%s,DNS:localhost", host_name);
	return X509_set_version(cert, 2) && set_serial(cert) &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(cert),
			       (long)days * 24 * 3600) != NULL &&
	       X509_set_pubkey(cert, key) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					  (const unsigned char *)host_name, -1,
					  -1, 0) &&
	       X509_set_issuer_name(cert, name) &&
	       add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") &&
	       add_extension(cert, NID_ext_key_usage, "serverAuth") &&
	       add_extension(cert, NID_subject_alt_name, names) &&
	       X509_sign(cert, key, EVP_sha256());
}

static FILE *create_file(const char *path, mode_t mode, struct error *err_r)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0) {
		error_set(err_r, "%s: %s", path, strerror(errno));
		return NULL;
	}
	return fdopen(fd, "w");
}

static int write_files(X509 *cert, EVP_PKEY *key, const char *chain_file,
		       const char *key_file, struct error *err_r)
{
	FILE *file = create_file(key_file, 0640, err_r);
	int ok;

	if (file == NULL) {
		return -1;
	}
	ok = PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	if (fclose(file) != 0 || !ok) {
		return error_set(err_r, "%s: cannot be written", key_file);
	}
	file = create_file(chain_file, 0644, err_r);
	if (file == NULL) {
		return -1;
	}
	ok = PEM_write_X509(file, cert);
	if (fclose(file) != 0 || !ok) {
		return error_set(err_r, "%s: cannot be written", chain_file);
	}
	return 0;
}

int self_signed_write(const char *host_name, unsigned int days,
		      const char *chain_file, const char *key_file,
		      struct error *err_r)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	int status;

	if (key == NULL || cert == NULL || !fill(cert, key, host_name, days)) {
		status = error_set(err_r,
				   "no certificate for \"%s\": is it a "
				   "host name?",
				   host_name);
	} else {
		status = write_files(cert, key, chain_file, key_file, err_r);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return status;
}
