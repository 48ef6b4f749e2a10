/* phone: telephone numbers in text: found by a scan that leaves out what is
   none, then read by libphonenumber (phone_shim.cc is the only file that
   knows it). */
#ifndef POSTERN_FILTERS_PHONE_H
#define POSTERN_FILTERS_PHONE_H

#include "filters/contact.h"
#include "filters/phone_shim.h"

#define PHONE_EXT_SIZE 12

/* A run of digits in a line that could be a number. */
struct phone_candidate {
	/* As written, without label and extension; borrows from the line. */
	struct span raw;
	/* "+4930123", "0049...", "030123": digits only, with a leading '+'. */
	char digits[24];
	/* Digits of the extension, or empty. */
	char ext[PHONE_EXT_SIZE];
	/* Where it began and where its extension ended, in the line. */
	size_t start;
	size_t end;
};

/* Find the next candidate in line at or after *from and move *from behind it.
   Return false when there is none. Dates, decimals, times, long references
   and numbers joined to letters are none. */
bool phone_scan(struct span line, size_t *from,
		struct phone_candidate *candidate_r);

/* Read digits (as in a candidate) as a number of region (ISO 3166 alpha-2;
   empty: only international ones are read). Return 0, or -1 when it is not a
   valid number. */
int phone_parse(const char *digits, const char *region,
		struct phone_number *number_r);

/* The region of an E.164 number, "DE", or "" when it has none. */
void phone_region(const char *e164, char region_r[3]);

#endif
