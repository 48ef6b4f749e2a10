/* inspector_child: one child process behind one socket: start, send, receive,
   end. Knows nothing of queues and deadlines. Part of inspector. */
#ifndef POSTERN_INSPECT_INSPECTOR_CHILD_H
#define POSTERN_INSPECT_INSPECTOR_CHILD_H

#include <sys/types.h>

#include "inspect/inspect_frame.h"

/* One request on its way. */
struct inspector_job {
	struct inspector_job *next;
	uint64_t id;
	inspector_callback *callback;
	void *context;
	/* The whole frame, kept until the answer is there. */
	char *frame;
	size_t frame_len;
	/* The message is the last field of the frame. */
	size_t message_len;
	uint64_t queued_ms;
	/* A child died with this and others in hand: find out which. */
	bool alone;
};

struct inspector_jobs {
	struct inspector_job *head;
	struct inspector_job *tail;
	size_t count;
	size_t bytes;
};

void inspector_jobs_push(struct inspector_jobs *jobs,
			 struct inspector_job *job);
/* Put others, in their order, in front of jobs; others is empty after. */
void inspector_jobs_prepend(struct inspector_jobs *jobs,
			    struct inspector_jobs *others);
struct inspector_job *inspector_jobs_pop(struct inspector_jobs *jobs);
/* Overwrite the message and free it. */
void inspector_job_destroy(struct inspector_job *job);

struct inspector_child {
	/* 0: none. */
	pid_t pid;
	int fd;
	/* It has said hello: the sandbox is closed. */
	bool ready;
	/* Handed over, not yet answered; in order. */
	struct inspector_jobs jobs;
	/* The first job not wholly written, and how much of it is. */
	struct inspector_job *unsent;
	size_t unsent_from;
	struct strbuf in;
	/* Answers since it started. */
	size_t answered;
	/* Last sign of progress, in milliseconds. */
	uint64_t since_ms;
};

/* Start program with one end of a new socket as its descriptor 3 and nothing
   else open but standard error. Return 0 or -1. */
int inspector_child_start(struct inspector_child *child, const char *program,
			  struct error *err_r);

/* Kill it, wait for its end, close the socket. Its jobs stay. */
void inspector_child_stop(struct inspector_child *child);

/* Hand a job over; it is written by inspector_child_write. */
void inspector_child_give(struct inspector_child *child,
			  struct inspector_job *job);

/* Write what the socket takes, many frames in one call. Return 1 all is
   written, 0 the socket is full, -1 the child is gone. */
int inspector_child_write(struct inspector_child *child);

/* Read what is there. Return 1, or -1 when the child is gone. */
int inspector_child_read(struct inspector_child *child);

/* Take the next answer from what was read: 1 with *answer_r to finish and
   *job_r to destroy; 0 when there is none; -1 when the child lies. A hello is
   taken on the way. */
int inspector_child_answer(struct inspector_child *child,
			   struct inspect_answer *answer_r,
			   struct inspector_job **job_r, struct error *err_r);

#endif
