/* Any bytes as an address header: each address is the canonical form of
   itself, and parsing it again gives it again. */
#include <stdlib.h>

#include "message/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool sound)
{
	if (!sound) {
		abort();
	}
}

static void check_again(struct span email)
{
	struct address_list list = { 0 };
	struct arena arena = { 0 };

	address_parse(email, &arena, &list);
	check(list.count == 1 && span_eq(list.items[0].email, email));
	address_list_finish(&list);
	arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address_list list = { 0 };
	struct arena arena = { 0 };

	address_parse(span_of(data, size), &arena, &list);
	check(list.count <= ADDRESS_MAX);
	for (size_t i = 0; i < list.count; i++) {
		char email[ADDRESS_EMAIL_MAX + 1];

		check(address_canonical(list.items[i].email, email) == 0);
		check(span_eq(list.items[i].email, span_str(email)));
		check(span_is_utf8(list.items[i].name));
		check_again(list.items[i].email);
	}
	address_list_finish(&list);
	arena_finish(&arena);
	return 0;
}
