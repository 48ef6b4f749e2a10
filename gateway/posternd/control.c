/* control: small requests, each on its own connection. Clients are local and
   few, so their number and time are bounded rather than served in style. */
#include "posternd/control.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/xalloc.h"

#define CLIENTS_MAX    32
#define CLIENT_TIME_S  10
#define ANSWER_MAX     (1024 * 1024)
#define LISTEN_BACKLOG 16

struct control {
	struct event_base *base;
	char *path;
	int fd;
	struct event *accept_event;
	control_answer *answer;
	void *context;
	unsigned int clients;
};

struct control_client {
	struct control *control;
	int fd;
	struct event *event;
	struct strbuf in;
	struct strbuf out;
	size_t sent;
};

static void client_finish(struct control_client *client, bool close_fd)
{
	client->control->clients--;
	event_free(client->event);
	if (close_fd) {
		close(client->fd);
	}
	strbuf_finish(&client->in);
	strbuf_finish(&client->out);
	free(client);
}

static void client_on_writable(evutil_socket_t fd, short what, void *context)
{
	struct control_client *client = context;
	ssize_t len;

	if ((what & EV_TIMEOUT) != 0) {
		client_finish(client, true);
		return;
	}
	len = send(fd, client->out.ptr + client->sent,
		   client->out.len - client->sent, MSG_NOSIGNAL);
	if (len > 0) {
		client->sent += (size_t)len;
	}
	if ((len < 0 && errno != EAGAIN) || client->sent == client->out.len) {
		client_finish(client, true);
	}
}

static void client_watch(struct control_client *client, short what,
			 event_callback_fn callback)
{
	static const struct timeval patience = { CLIENT_TIME_S, 0 };

	if (client->event != NULL) {
		event_free(client->event);
	}
	client->event = event_new(client->control->base, client->fd,
				  (short)(what | EV_PERSIST), callback, client);
	event_add(client->event, &patience);
}

static void client_answer(struct control_client *client, struct span request)
{
	struct control *control = client->control;
	int status = control->answer(control->context, request, client->fd,
				     &client->out);

	if (status > 0) {
		client_finish(client, false);
		return;
	}
	if (status < 0) {
		strbuf_add_str(&client->out, "error: unknown request\n");
	}
	if (client->out.len == 0) {
		client_finish(client, true);
		return;
	}
	client_watch(client, EV_WRITE, client_on_writable);
}

static void client_on_readable(evutil_socket_t fd, short what, void *context)
{
	struct control_client *client = context;
	char block[CONTROL_REQUEST_MAX];
	struct span rest, line;
	ssize_t len;

	if ((what & EV_TIMEOUT) != 0) {
		client_finish(client, true);
		return;
	}
	len = recv(fd, block, sizeof(block), 0);
	if (len < 0 && errno == EAGAIN) {
		return;
	}
	if (len <= 0) {
		client_finish(client, true);
		return;
	}
	strbuf_add(&client->in, span_of(block, (size_t)len));
	rest = strbuf_span(&client->in);
	if (client->in.overflow) {
		client_finish(client, true);
	} else if (span_find(rest, '\n') >= 0 && span_next_line(&rest, &line)) {
		client_answer(client, line);
	}
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;
	struct control_client *client;
	int client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (client_fd < 0) {
		return;
	}
	if (control->clients >= CLIENTS_MAX) {
		close(client_fd);
		return;
	}
	client = xcalloc(1, sizeof(*client));
	client->control = control;
	client->fd = client_fd;
	strbuf_init(&client->in, CONTROL_REQUEST_MAX);
	strbuf_init(&client->out, ANSWER_MAX);
	control->clients++;
	client_watch(client, EV_READ, client_on_readable);
}

static bool somebody_answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = fd >= 0 && connect(fd, (const struct sockaddr *)address,
					  sizeof(*address)) == 0;

	if (fd >= 0) {
		close(fd);
	}
	return answers;
}

static int open_socket(const char *path, struct error *err_r)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, status;

	if (strlen(path) >= sizeof(address.sun_path)) {
		return error_set(err_r,
				 "%s: longer than a unix socket's name "
				 "can be (%zu bytes): choose a shorter "
				 "run_dir",
				 path, sizeof(address.sun_path) - 1);
	}
	memcpy(address.sun_path, path, strlen(path));
	if (somebody_answers(&address)) {
		return error_set(err_r, "%s: another posternd runs there",
				 path);
	}
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0117);
	status =
		fd < 0 ? -1
		       : bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (status < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		error_set(err_r, "%s: %s", path, strerror(errno));
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	return fd;
}

struct control *control_create(struct event_base *base, const char *path,
			       control_answer *answer, void *context,
			       struct error *err_r)
{
	struct control *control;
	int fd = open_socket(path, err_r);

	if (fd < 0) {
		return NULL;
	}
	control = xcalloc(1, sizeof(*control));
	control->base = base;
	control->path = xstrdup(path);
	control->fd = fd;
	control->answer = answer;
	control->context = context;
	control->accept_event =
		event_new(base, fd, EV_READ | EV_PERSIST, on_accept, control);
	event_add(control->accept_event, NULL);
	return control;
}

void control_destroy(struct control **control, bool unlink_path)
{
	struct control *c = *control;

	*control = NULL;
	if (c == NULL) {
		return;
	}
	event_free(c->accept_event);
	close(c->fd);
	if (unlink_path) {
		unlink(c->path);
	}
	free(c->path);
	free(c);
}
