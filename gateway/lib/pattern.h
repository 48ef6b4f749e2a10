/* pattern: regular expressions under limits; the only file that knows PCRE2.
   Every match is bounded (match, depth and heap limits) and checks its UTF-8,
   because the subject is mail. */
#ifndef POSTERN_LIB_PATTERN_H
#define POSTERN_LIB_PATTERN_H

#include "lib/error.h"
#include "lib/span.h"

struct pattern;

#define PATTERN_IGNORE_CASE 1u
/* ^ and $ match at line ends. */
#define PATTERN_MULTILINE 2u

/* Capture groups reported, with group 0 for the whole match. */
#define PATTERN_GROUPS 10

struct pattern_match {
	/* Borrowed from the subject; ptr NULL where a group took no part. */
	struct span group[PATTERN_GROUPS];
};

/* Compile source (UTF-8). Return NULL with the reason and position in err_r.
   Compile once, at start: compiling allocates. */
struct pattern *pattern_create(const char *source, unsigned int flags,
			       struct error *err_r);
void pattern_destroy(struct pattern **pattern);

/* Find the first match at or after from. Return 1 with *match_r filled, 0
   when there is none, -1 when a limit was hit or the subject is not UTF-8:
   undecided, which is never the same as no match. */
int pattern_find(const struct pattern *pattern, struct span subject,
		 size_t from, struct pattern_match *match_r);

#endif
