/* message_date: the Date field (RFC 5322 3.3 and 4.3). Pure. */
#ifndef POSTERN_MESSAGE_MESSAGE_DATE_H
#define POSTERN_MESSAGE_MESSAGE_DATE_H

#include "lib/span.h"

/* Seconds since 1970 UTC, or 0 when text is no date between 1970 and 9999.
   Comments, a missing day name and missing seconds are fine; an unknown zone
   counts as UTC (RFC 5322 4.3). */
int64_t message_date_parse(struct span text);

#endif
