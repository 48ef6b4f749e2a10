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

int error_prefix(struct error *err, const char *format, ...)
{
	char before[ERROR_TEXT_SIZE];
	char after[ERROR_TEXT_SIZE];
	va_list args;
	size_t len;

	if (err == NULL) {
		return -1;
	}
	memcpy(after, err->text, sizeof(after));
	va_start(args, format);
	vsnprintf(before, sizeof(before), format, args);
	va_end(args);
	len = strlen(before);
	memcpy(err->text, before, len + 1);
	strncat(err->text, ": ", sizeof(err->text) - len - 1);
	strncat(err->text, after, sizeof(err->text) - strlen(err->text) - 1);
	return -1;
}
