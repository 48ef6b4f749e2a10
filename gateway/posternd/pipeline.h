/* pipeline: the only file that knows every part. Login to provider; message
   to inspector to record; transaction to verdict. */
#ifndef POSTERN_POSTERND_PIPELINE_H
#define POSTERN_POSTERND_PIPELINE_H

#include "config/settings.h"
#include "lib/error.h"
#include "proxy/session.h"

struct event_base;
struct pipeline;
struct publisher_stats;

/* Start the inspectors and the publisher of one worker. settings is
   referenced; stats is what the publisher counts into and outlives the
   pipeline. Return NULL with the reason. */
struct pipeline *pipeline_create(struct event_base *base,
				 struct settings *settings,
				 struct publisher_stats *stats,
				 struct error *err_r);
void pipeline_destroy(struct pipeline **pipeline);

/* Can a pipeline be made of these settings? Reads the event key. */
int pipeline_check(const struct settings *settings, struct error *err_r);

/* What sessions call. There is one pipeline in a process. */
const struct session_hooks *pipeline_hooks(void);

/* Use new settings from now on. */
void pipeline_reload(struct pipeline *pipeline, struct settings *settings);

/* Call done, once, when no message is with an inspector and no record on its
   way; or after a few seconds, the rest being journaled by then. */
void pipeline_drain(struct pipeline *pipeline, void (*done)(void *context),
		    void *context);

#endif
