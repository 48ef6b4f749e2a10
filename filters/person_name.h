/* person_name: a display name as a business card has it, and whether two
   names can be of one person. */
#ifndef POSTERN_FILTERS_PERSON_NAME_H
#define POSTERN_FILTERS_PERSON_NAME_H

#include "lib/span.h"

#define PERSON_NAME_MAX 256

/* Write the name that raw (decoded, as in a header) gives to the owner of
   email: "Doe, John (Sales)" gives "John Doe", "Ann via List" gives "Ann";
   an address, a role or nothing gives "". Return the length. */
size_t person_name_clean(struct span raw, struct span email,
			 char name_r[PERSON_NAME_MAX + 1]);

/* How many words of two letters or more do the names share; do they share
   one? Accents, case, "ue" for "ü" and order do not matter. */
size_t person_name_shared(struct span a, struct span b);
bool person_name_same(struct span a, struct span b);

/* Is name written in the local part ("anna.weber", "aweber", "weber")? */
bool person_name_in_address(struct span name, struct span email);

/* Is one written in Latin letters and the other in none? Then words cannot
   tell whether they are of one person. */
bool person_name_other_script(struct span a, struct span b);

/* Could text be a person's name and nothing else: two to five words, each
   with a capital or without capitals at all, no digits, no words of titles,
   organizations or places? */
bool person_name_likely(struct span text);

/* Is a the fuller form of the same name: more words, fewer initials? */
bool person_name_is_fuller(struct span a, struct span b);

/* The local part is a function, not a person: "info", "einkauf". */
bool person_name_is_role_mailbox(struct span email);

#endif
