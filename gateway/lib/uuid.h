/* uuid: organization ids. The same configured name gives the same id on
   every machine, without a database being asked. */
#ifndef POSTERN_LIB_UUID_H
#define POSTERN_LIB_UUID_H

#include <stdbool.h>

#include "lib/span.h"

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and a NUL. */
#define UUID_TEXT_SIZE 37

/* Write the id of the organization with this configured name: a UUID version
   5 (RFC 9562 5.5) in a name space of Postern's own. */
void uuid_of_organization(struct span name, char text_r[UUID_TEXT_SIZE]);

/* Write the version 5 UUID of name in the name space with these 16 bytes. */
void uuid_v5(const unsigned char name_space[16], struct span name,
	     char text_r[UUID_TEXT_SIZE]);

/* Read a UUID in its text form, either case; text_r gets it in lower case.
   Return 0, or -1 when text is no UUID (braces and "urn:" are refused: one
   id has one spelling). */
int uuid_parse(struct span text, char text_r[UUID_TEXT_SIZE]);

#endif
