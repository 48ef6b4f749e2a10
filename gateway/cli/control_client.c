/* control_client: a blocking unix socket. */
#include "cli/control_client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/strbuf.h"

static int connect_to(const char *path, struct error *err_r)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		return error_set(err_r, "%s: name too long for a socket", path);
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		return fd;
	}
	error_set(err_r, "%s: %s%s", path, strerror(errno),
		  errno == EACCES ? ": run it as root or as posternd's user"
				  : ": is posternd running with this "
				    "configuration?");
	if (fd >= 0) {
		close(fd);
	}
	return -1;
}

int control_ask(const struct settings *settings, const char *request,
		struct error *err_r)
{
	struct strbuf text = STRBUF_INIT(4096);
	int fd;

	strbuf_addf(&text, "%s/posternd.sock", settings->run_dir);
	fd = connect_to(strbuf_cstr(&text), err_r);
	strbuf_clear(&text);
	strbuf_addf(&text, "%s\n", request);
	if (fd >= 0 && send(fd, text.ptr, text.len, MSG_NOSIGNAL) < 0) {
		error_set(err_r, "posternd hung up: %s", strerror(errno));
		close(fd);
		fd = -1;
	}
	strbuf_finish(&text);
	return fd;
}
