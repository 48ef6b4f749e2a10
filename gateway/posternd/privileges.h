/* privileges: from root to the configured user, once ports are bound. */
#ifndef POSTERN_POSTERND_PRIVILEGES_H
#define POSTERN_POSTERND_PRIVILEGES_H

#include <stddef.h>

#include "lib/error.h"

/* When running as root and user is not empty: make dir belong to user (when
   it exists), then become user for good. Otherwise do nothing. */
int privileges_drop(const char *user, const char *const *dirs, size_t dir_count,
		    struct error *err_r);

#endif
