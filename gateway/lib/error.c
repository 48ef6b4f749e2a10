/* error: filling in struct error. */
#include "lib/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err_r, const char *format, ...)
{
	va_list args;

	if (err_r == NULL) {
		return -1;
	}
	va_start(args, format);
	vsnprintf(err_r->text, sizeof(err_r->text), format, args);
	va_end(args);
	return -1;
}

/* Append as much of more as fits. */
static void append(struct error *err, const char *more)
{
	size_t len = strlen(err->text);

	snprintf(err->text + len, sizeof(err->text) - len, "%s", more);
}

int error_prefix(struct error *err, const char *format, ...)
{
	char after[ERROR_TEXT_SIZE];
	va_list args;

	if (err == NULL) {
		return -1;
	}
	memcpy(after, err->text, sizeof(after));
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	append(err, ": ");
	append(err, after);
	return -1;
}
