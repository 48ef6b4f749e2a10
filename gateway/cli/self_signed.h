/* self_signed: a certificate to begin with (libcrypto). */
#ifndef POSTERN_CLI_SELF_SIGNED_H
#define POSTERN_CLI_SELF_SIGNED_H

#include "lib/error.h"

/* Make a P-256 key and a certificate for host_name and "localhost", valid for
   days, and write both as PEM: the key with mode 0640. Existing files are
   never overwritten. Return 0 or -1. */
int self_signed_write(const char *host_name, unsigned int days,
		      const char *chain_file, const char *key_file,
		      struct error *err_r);

#endif
