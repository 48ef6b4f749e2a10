/* fuzz_calendar: any bytes as a text/calendar part. */
#include <stdint.h>
#include <stdlib.h>

#include "filters/calendar.h"
#include "filters/contact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void found(void *context, struct span name, struct span email,
		  bool is_organizer)
{
	struct contact *contact = contact_list_get(context, email);

	if (contact != NULL) {
		contact_set(&contact->name, name);
		contact->confidence = is_organizer;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct contact_list list = { 0 };

	calendar_read(span_of(data, size), found, &list);
	contact_list_finish(&list);
	return 0;
}
