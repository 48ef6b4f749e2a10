/* inspector_child: one child process behind one socket. Never forks: posternd
   is large, and what it holds is nothing a child may see. */
#include "inspect/inspector_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "lib/frame.h"
#include "lib/xalloc.h"

#define CHILD_FD 3
/* Frames in one call. */
#define WRITE_FRAMES 32
#define READ_CHUNK   65536

/* Jobs. */

void inspector_jobs_push(struct inspector_jobs *jobs, struct inspector_job *job)
{
	job->next = NULL;
	if (jobs->tail == NULL) {
		jobs->head = job;
	} else {
		jobs->tail->next = job;
	}
	jobs->tail = job;
	jobs->count++;
	jobs->bytes += job->frame_len;
}

void inspector_jobs_prepend(struct inspector_jobs *jobs,
			    struct inspector_jobs *others)
{
	if (others->head == NULL) {
		return;
	}
	others->tail->next = jobs->head;
	if (jobs->tail == NULL) {
		jobs->tail = others->tail;
	}
	jobs->head = others->head;
	jobs->count += others->count;
	jobs->bytes += others->bytes;
	*others = (struct inspector_jobs){ 0 };
}

struct inspector_job *inspector_jobs_pop(struct inspector_jobs *jobs)
{
	struct inspector_job *job = jobs->head;

	if (job == NULL) {
		return NULL;
	}
	jobs->head = job->next;
	if (jobs->head == NULL) {
		jobs->tail = NULL;
	}
	jobs->count--;
	jobs->bytes -= job->frame_len;
	job->next = NULL;
	return job;
}

void inspector_job_destroy(struct inspector_job *job)
{
	if (job != NULL) {
		explicit_bzero(job->frame, job->frame_len);
		free(job->frame);
		free(job);
	}
}

/* The process. */

static int spawn(const char *program, int socket, pid_t *pid_r)
{
	char *const argv[] = { (char *)(uintptr_t)program,
#ifdef POSTERN_ASAN
			       (char *)"--no-sandbox",
#endif
			       NULL };
	/* Nothing of posternd's environment is a parser's business. */
	char *const envp[] = { (char *)"PATH=/usr/bin:/bin",
#ifdef POSTERN_ASAN
			       (char *)"ASAN_OPTIONS=detect_leaks=0",
#endif
			       NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	sigset_t all;
	int status;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	/* First the socket: its number may be 0 or 1. */
	posix_spawn_file_actions_adddup2(&actions, socket, CHILD_FD);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_FD + 1);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	status = posix_spawn(pid_r, program, &actions, &attributes, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return status;
}

int inspector_child_start(struct inspector_child *child, const char *program,
			  struct error *err_r)
{
	int ends[2];
	int status;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		return error_set(err_r, "socketpair: %s", strerror(errno));
	}
	status = spawn(program, ends[1], &child->pid);
	close(ends[1]);
	if (status != 0) {
		close(ends[0]);
		child->pid = 0;
		return error_set(err_r, "%s: %s", program, strerror(status));
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	child->fd = ends[0];
	child->ready = false;
	child->answered = 0;
	strbuf_init(&child->in, INSPECT_MAX_ANSWER + READ_CHUNK);
	return 0;
}

void inspector_child_stop(struct inspector_child *child)
{
	if (child->pid == 0) {
		return;
	}
	kill(child->pid, SIGKILL);
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	close(child->fd);
	strbuf_wipe(&child->in);
	child->pid = 0;
	child->fd = -1;
	child->ready = false;
	child->unsent = NULL;
	child->unsent_from = 0;
}

/* Bytes. */

void inspector_child_give(struct inspector_child *child,
			  struct inspector_job *job)
{
	inspector_jobs_push(&child->jobs, job);
	if (child->unsent == NULL) {
		child->unsent = job;
		child->unsent_from = 0;
	}
}

static size_t gather(const struct inspector_child *child,
		     struct iovec iov[WRITE_FRAMES])
{
	const struct inspector_job *job = child->unsent;
	size_t from = child->unsent_from;
	size_t count = 0;

	for (; job != NULL && count < WRITE_FRAMES; job = job->next) {
		iov[count].iov_base = job->frame + from;
		iov[count].iov_len = job->frame_len - from;
		from = 0;
		count++;
	}
	return count;
}

static void advance(struct inspector_child *child, size_t written)
{
	while (written > 0) {
		size_t left = child->unsent->frame_len - child->unsent_from;

		if (written < left) {
			child->unsent_from += written;
			return;
		}
		written -= left;
		child->unsent = child->unsent->next;
		child->unsent_from = 0;
	}
}

int inspector_child_write(struct inspector_child *child)
{
	while (child->unsent != NULL) {
		struct iovec iov[WRITE_FRAMES];
		struct msghdr message = { .msg_iov = iov };
		ssize_t n;

		message.msg_iovlen = gather(child, iov);
		n = sendmsg(child->fd, &message, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return errno == EAGAIN ? 0 : -1;
		}
		advance(child, (size_t)n);
	}
	return 1;
}

int inspector_child_read(struct inspector_child *child)
{
	for (;;) {
		char *room = strbuf_reserve(&child->in, READ_CHUNK);
		ssize_t n;

		/* More than the longest answer without being one. */
		if (room == NULL) {
			return -1;
		}
		n = recv(child->fd, room, READ_CHUNK, 0);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return 1;
		}
		if (n <= 0) {
			return -1;
		}
		child->in.len += (size_t)n;
		if ((size_t)n < READ_CHUNK) {
			return 1;
		}
	}
}

int inspector_child_answer(struct inspector_child *child,
			   struct inspect_answer *answer_r,
			   struct inspector_job **job_r, struct error *err_r)
{
	struct span rest = strbuf_span(&child->in);
	struct span body;
	int more = frame_next(&rest, INSPECT_MAX_ANSWER, &body);

	if (more <= 0) {
		return more;
	}
	if (!child->ready) {
		if (!inspect_hello_is_right(body)) {
			return error_set(err_r, "no hello of this version");
		}
		child->ready = true;
		strbuf_shift(&child->in, child->in.len - rest.len);
		return inspector_child_answer(child, answer_r, job_r, err_r);
	}
	/* An answer to what was not wholly asked is no answer. */
	if (child->jobs.head == NULL || child->jobs.head == child->unsent) {
		return error_set(err_r, "an answer to nothing");
	}
	if (inspect_answer_decode(body, answer_r, err_r) < 0) {
		return -1;
	}
	if (answer_r->id != child->jobs.head->id) {
		inspect_answer_finish(answer_r);
		return error_set(err_r, "an answer to something else");
	}
	*job_r = inspector_jobs_pop(&child->jobs);
	child->answered++;
	strbuf_shift(&child->in, child->in.len - rest.len);
	return 1;
}
