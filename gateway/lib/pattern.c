/* pattern: PCRE2 with limits, interpreted (a sandbox that forbids writable
   and executable memory cannot run its JIT). */
#include "lib/pattern.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/xalloc.h"

#define MATCH_LIMIT    100000
#define DEPTH_LIMIT    250
#define HEAP_LIMIT_KIB 8192

struct pattern {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

static uint32_t compile_options(unsigned int flags)
{
	uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;

	if ((flags & PATTERN_IGNORE_CASE) != 0) {
		options |= PCRE2_CASELESS;
	}
	if ((flags & PATTERN_MULTILINE) != 0) {
		options |= PCRE2_MULTILINE;
	}
	return options;
}

struct pattern *pattern_create(const char *source, unsigned int flags,
			       struct error *err_r)
{
	struct pattern *pattern;
	pcre2_code *code;
	PCRE2_SIZE offset;
	int number;

	code = pcre2_compile((PCRE2_SPTR)source, PCRE2_ZERO_TERMINATED,
			     compile_options(flags), &number, &offset, NULL);
	if (code == NULL) {
		char text[128];

		pcre2_get_error_message(number, (PCRE2_UCHAR *)text,
					sizeof(text));
		error_set(err_r, "pattern: %s at position %zu", text, offset);
		return NULL;
	}
	pattern = xcalloc(1, sizeof(*pattern));
	pattern->code = code;
	pattern->data = pcre2_match_data_create(PATTERN_GROUPS, NULL);
	pattern->limits = pcre2_match_context_create(NULL);
	if (pattern->data == NULL || pattern->limits == NULL) {
		abort();
	}
	pcre2_set_match_limit(pattern->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(pattern->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(pattern->limits, HEAP_LIMIT_KIB);
	return pattern;
}

void pattern_destroy(struct pattern **pattern)
{
	if (*pattern == NULL) {
		return;
	}
	pcre2_match_context_free((*pattern)->limits);
	pcre2_match_data_free((*pattern)->data);
	pcre2_code_free((*pattern)->code);
	free(*pattern);
	*pattern = NULL;
}

int pattern_find(const struct pattern *pattern, struct span subject,
		 size_t from, struct pattern_match *match_r)
{
	const PCRE2_SIZE *ends;
	int count;

	if (from > subject.len) {
		return 0;
	}
	count = pcre2_match(pattern->code,
			    (PCRE2_SPTR)(subject.len == 0 ? "" : subject.ptr),
			    subject.len, from, 0, pattern->data,
			    pattern->limits);
	if (count == PCRE2_ERROR_NOMATCH) {
		return 0;
	}
	if (count < 0) {
		return -1;
	}
	ends = pcre2_get_ovector_pointer(pattern->data);
	*match_r = (struct pattern_match){ 0 };
	for (size_t i = 0; i < PATTERN_GROUPS; i++) {
		/* count 0: more groups than we keep; those kept are valid. */
		if ((count > 0 && i >= (size_t)count) ||
		    ends[2 * i] == PCRE2_UNSET) {
			continue;
		}
		match_r->group[i] = span_of(subject.ptr + ends[2 * i],
					    ends[2 * i + 1] - ends[2 * i]);
	}
	return 1;
}
