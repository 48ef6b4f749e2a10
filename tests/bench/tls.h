/* tls: TLS contexts for the load generator and the sink, and their way to
   give up. */
#ifndef POSTERN_BENCH_TLS_H
#define POSTERN_BENCH_TLS_H

#include <openssl/ssl.h>

/* TLS 1.3 with AES-128-GCM and P-256, as all figures are measured. The client
   trusts ca_file and wants the name localhost. Exit with a message when a file
   cannot be read. */
SSL_CTX *tls_server_context(const char *chain_file, const char *key_file);
/* The context keeps nothing: a client's SSL names, as its app data, the
   SSL_SESSION pointer in which its newest session is to be put. */
SSL_CTX *tls_client_context(const char *ca_file);

/* Print "program: ..." and exit with status 1. */
void fatal(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

#endif
