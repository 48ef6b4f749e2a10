/* master: keeps the workers alive, passes signals on, answers the control
   socket. Touches no mail. */
#ifndef POSTERN_POSTERND_MASTER_H
#define POSTERN_POSTERND_MASTER_H

#include "config/settings.h"

/* Run until told to stop. Takes over settings. Return the exit status. */
int master_run(struct settings *settings);

#endif
