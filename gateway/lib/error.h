/* error: the text of a failure, travelling with the -1 that reports it. */
#ifndef POSTERN_LIB_ERROR_H
#define POSTERN_LIB_ERROR_H

#define ERROR_TEXT_SIZE 512

struct error {
	/* One line without its end, no secrets; empty when nothing failed. */
	char text[ERROR_TEXT_SIZE];
};

/* Write the text (cut to fit) and return -1, so that a function can end with
   `return error_set(...)`. err_r may be NULL. */
int error_set(struct error *err_r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Put "format: " before the text already there; return -1. */
int error_prefix(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
