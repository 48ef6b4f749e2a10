/* xalloc: out of memory ends this process; its parent starts another. */
#include "lib/xalloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *ptr)
{
	if (ptr == NULL) {
		static const char text[] = "postern: out of memory\n";

		fputs(text, stderr);
		abort();
	}
	return ptr;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size == 0 ? 1 : size));
}

void *xcalloc(size_t count, size_t size)
{
	return checked(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *xreallocarray(void *ptr, size_t count, size_t size)
{
	return checked(reallocarray(ptr, count == 0 ? 1 : count,
				    size == 0 ? 1 : size));
}

char *xstrdup(const char *str)
{
	return str == NULL ? NULL : checked(strdup(str));
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	return checked(len < 0 ? NULL : text);
}
