/* settings_check: what one setting alone cannot say: names that must exist,
   ports that need a certificate, plain text that needs trust. */
#ifndef POSTERN_CONFIG_SETTINGS_CHECK_H
#define POSTERN_CONFIG_SETTINGS_CHECK_H

#include "config/settings.h"

/* Report every fault and doubt; return the number of errors. line_of gives
   the line of a repeated section's element (kind of section, index), 0 when
   not known. */
typedef unsigned int settings_line_of(void *context, int section, size_t index);

unsigned int settings_check(const struct settings *settings,
			    settings_report *report, void *report_context,
			    settings_line_of *line_of, void *line_context);

#endif
