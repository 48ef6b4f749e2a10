/* provider_presets: hosts, ports and quirks of providers we know. */
#ifndef POSTERN_CONFIG_PROVIDER_PRESETS_H
#define POSTERN_CONFIG_PROVIDER_PRESETS_H

#include "config/settings.h"

/* Fill in what the file did not say: hosts of the preset, then ports by TLS
   mode. Unknown presets count as "generic". */
void provider_apply_preset(struct provider *provider);

#endif
