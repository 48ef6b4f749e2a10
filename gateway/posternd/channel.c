/* channel: packets with a file descriptor along (unix(7), SCM_RIGHTS). */
#include "posternd/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

union fd_message {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int channel_open(int fds_r[2])
{
	return socketpair(AF_UNIX,
			  SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			  fds_r);
}

int channel_send(int channel, enum channel_order order, struct span text,
		 int fd)
{
	char what = (char)order;
	struct iovec parts[2] = {
		{ .iov_base = &what, .iov_len = 1 },
		{ .iov_base = (char *)(uintptr_t)text.ptr,
		  .iov_len = text.len },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	union fd_message control = { 0 };

	if (text.len > CHANNEL_TEXT_MAX) {
		return -1;
	}
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(channel, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int received_fd(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd;

	if (header == NULL || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int))) {
		return -1;
	}
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

int channel_receive(int channel, struct channel_packet *packet_r)
{
	char what;
	struct iovec parts[2] = {
		{ .iov_base = &what, .iov_len = 1 },
		{ .iov_base = packet_r->text, .iov_len = CHANNEL_TEXT_MAX },
	};
	union fd_message control = { 0 };
	struct msghdr message = { .msg_iov = parts,
				  .msg_iovlen = 2,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);

	if (len < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	if (len == 0) {
		return -1;
	}
	packet_r->order = (enum channel_order)what;
	packet_r->text[len - 1] = '\0';
	packet_r->fd = received_fd(&message);
	return 1;
}
