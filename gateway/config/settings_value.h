/* settings_value: the text of one setting against its row. */
#ifndef POSTERN_CONFIG_SETTINGS_VALUE_H
#define POSTERN_CONFIG_SETTINGS_VALUE_H

#include "config/settings_table.h"

/* Check and store text into the field of row inside base (the struct its
   offset counts from); base NULL only checks. A list kind adds one element.
   Return 0, or -1 with what is wrong and a hint. */
int setting_store(const struct setting *row, void *base, const char *text,
		  struct error *err_r);

/* Free what the field owns. */
void setting_free(const struct setting *row, void *base);

/* Is this a list kind (many values)? */
bool setting_is_list(const struct setting *row);

#endif
