/* xalloc: allocation that succeeds or ends the program. A size that a peer
   named is checked against a limit before it gets here. */
#ifndef POSTERN_LIB_XALLOC_H
#define POSTERN_LIB_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size)
	__attribute__((malloc, returns_nonnull));

/* As realloc for count elements; the product is checked for overflow. */
void *xreallocarray(void *ptr, size_t count, size_t size)
	__attribute__((returns_nonnull));

/* NULL gives NULL. */
char *xstrdup(const char *str);

/* Return a new formatted string; free with free(). */
char *xasprintf(const char *format, ...)
	__attribute__((format(printf, 1, 2), returns_nonnull));

#endif
