/* calendar: the people of an invitation (RFC 5545): organizer and attendees.
   Rooms, equipment and groups are none. */
#ifndef POSTERN_FILTERS_CALENDAR_H
#define POSTERN_FILTERS_CALENDAR_H

#include "lib/span.h"

/* More attendees than this are not read. */
#define CALENDAR_PEOPLE_MAX 200

/* name (CN) may be empty; both borrow for the length of the call. */
typedef void calendar_found(void *context, struct span name, struct span email,
			    bool is_organizer);

void calendar_read(struct span text, calendar_found *found, void *context);

#endif
