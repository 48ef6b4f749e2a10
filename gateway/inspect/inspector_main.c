/* inspector_main: the program postern-inspect. Started by posternd with one
   socket; reads requests, answers them, ends when the socket does. Holds
   nothing, reaches nothing. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "inspect/inspect.h"
#include "inspect/sandbox.h"
#include "lib/frame.h"
#include "lib/log.h"

#define REQUEST_FD 3

#define MEMORY_BYTES (256u * 1024 * 1024)
/* Of a whole life; each message has two seconds, which posternd watches. */
#define CPU_S 3600

/* Answers are written together, but not kept longer than this many bytes. */
#define ANSWERS_FLUSH (64u * 1024)

struct inspector {
	/* Holds one whole request, or many small ones. */
	struct strbuf in;
	struct strbuf out;
	/* The domains of the last request: the next is mostly of the same
	   organization. */
	struct strbuf domain_text;
	struct domain_set domains;
};

static int write_all(struct strbuf *out)
{
	size_t done = 0;

	while (done < out->len) {
		ssize_t n = write(REQUEST_FD, out->ptr + done, out->len - done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return -1;
		}
		done += (size_t)n;
	}
	/* It was someone's mail. */
	if (out->len > 0) {
		explicit_bzero(out->ptr, out->len);
	}
	strbuf_clear(out);
	return 0;
}

static void use_domains(struct inspector *self, struct span text)
{
	struct span rest = text;
	struct span name;

	if (span_eq(strbuf_span(&self->domain_text), text)) {
		return;
	}
	domain_set_finish(&self->domains);
	while (span_next_line(&rest, &name)) {
		domain_set_add(&self->domains, name);
	}
	strbuf_clear(&self->domain_text);
	strbuf_add(&self->domain_text, text);
}

static int answer_request(struct inspector *self, struct span body,
			  struct error *err_r)
{
	struct inspect_request request;
	struct inspect_answer answer;

	if (inspect_request_decode(body, &request, err_r) < 0) {
		return -1;
	}
	use_domains(self, request.own_domains);
	request.origin.own_domains = &self->domains;
	inspect_message(&request.origin, request.message, &answer);
	answer.id = request.id;
	if (inspect_answer_encode(&answer, &self->out) < 0) {
		inspect_answer_finish(&answer);
		return error_set(err_r, "an answer too long");
	}
	inspect_answer_finish(&answer);
	return self->out.len >= ANSWERS_FLUSH ? write_all(&self->out) : 0;
}

/* Answer every request that is there whole. */
static int answer_all(struct inspector *self, struct error *err_r)
{
	struct span rest = strbuf_span(&self->in);
	struct span body;
	int more;

	while ((more = frame_next(&rest, INSPECT_MAX_REQUEST, &body)) == 1) {
		if (answer_request(self, body, err_r) < 0) {
			return -1;
		}
	}
	if (more < 0) {
		return error_set(err_r, "a request too long");
	}
	strbuf_shift(&self->in, self->in.len - rest.len);
	return write_all(&self->out);
}

/* 1 something was read, 0 posternd is gone or wants us gone, -1 failed. */
static int read_some(struct inspector *self, struct error *err_r)
{
	char *room = self->in.ptr + self->in.len;
	size_t space = self->in.size - self->in.len;
	ssize_t n;

	do {
		n = read(REQUEST_FD, room, space);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return error_set(err_r, "read: %s", strerror(errno));
	}
	self->in.len += (size_t)n;
	return n > 0;
}

static int serve(struct inspector *self, struct error *err_r)
{
	int status;

	while ((status = read_some(self, err_r)) > 0) {
		if (answer_all(self, err_r) < 0) {
			return -1;
		}
	}
	return status;
}

static int enter_sandbox(bool wanted, struct error *err_r)
{
	struct sandbox_limits limits = { .memory_bytes = MEMORY_BYTES,
					 .cpu_s = CPU_S };

	if (!wanted) {
		log_warning("inspector runs without its sandbox");
		return 0;
	}
	return sandbox_enter(&limits, REQUEST_FD, err_r);
}

/* Returns whether the sandbox is wanted: always, but for a build that no
   sandbox would let run. */
static bool sandbox_wanted(int argc, char **argv)
{
#ifdef POSTERN_ASAN
	if (argc == 2 && strcmp(argv[1], "--no-sandbox") == 0) {
		return false;
	}
#endif
	if (argc != 1) {
		fprintf(stderr, "%s: takes no arguments; posternd starts it\n",
			argv[0]);
		exit(2);
	}
	return true;
}

int main(int argc, char **argv)
{
	struct inspector self = {
		.in = STRBUF_INIT(INSPECT_MAX_REQUEST + FRAME_HEADER_SIZE),
		.out = STRBUF_INIT(INSPECT_MAX_ANSWER + ANSWERS_FLUSH),
		.domain_text = STRBUF_INIT(INSPECT_MAX_REQUEST),
	};
	struct error err = { .text = "" };
	bool sandboxed = sandbox_wanted(argc, argv);

	log_init("postern-inspect", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	strbuf_reserve(&self.in, self.in.cap);
	if (inspect_warm_up(&err) < 0 || enter_sandbox(sandboxed, &err) < 0) {
		log_error("%s", err.text);
		return 1;
	}
	inspect_hello_encode(&self.out);
	/* From here on nothing can be logged: the sandbox has one socket. An
	   error ends the process, and posternd counts that. */
	if (write_all(&self.out) < 0 || serve(&self, &err) < 0) {
		_exit(1);
	}
	_exit(0);
}
