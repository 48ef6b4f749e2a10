/* The sandbox: a process inside tries what a taken-over parser would try, and
   comes to nothing each time. Every attempt is a child of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "inspect/sandbox.h"
#include "lib/span.h"

#define MEMORY_BYTES (256u * 1024 * 1024)

/* How a child ended. */
enum end {
	/* By the kernel, with SIGSYS. */
	END_KILLED,
	/* The attempt failed, or the child was stopped by a limit. */
	END_CONTAINED,
	/* The attempt succeeded. */
	END_ESCAPED,
	/* It did honest work. */
	END_WORKED,
};

#define STATUS_CONTAINED 42
#define STATUS_WORKED	 43

/* The socket the child may use, and files it has from before. */
static int peer[2];
static int other_fd;

static void ended(bool worked)
{
	_exit(worked ? STATUS_WORKED : STATUS_CONTAINED);
}

static void try_open(void)
{
	ended(open("/etc/passwd", O_RDONLY) >= 0);
}

static void try_openat(void)
{
	ended(syscall(SYS_openat, AT_FDCWD, "/tmp", O_RDONLY) >= 0);
}

static void try_create(void)
{
	ended(creat("/tmp/postern-escaped", 0600) >= 0);
}

static void try_unlink(void)
{
	ended(unlink("/tmp/postern-escaped") == 0);
}

static void try_socket(void)
{
	ended(socket(AF_INET, SOCK_STREAM, 0) >= 0);
}

static void try_unix_socket(void)
{
	ended(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
}

static void try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	ended(connect(peer[1], (struct sockaddr *)&to, sizeof(to)) == 0);
}

static void try_bind(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	ended(bind(peer[1], (struct sockaddr *)&to, sizeof(to)) == 0);
}

static void try_send_descriptor(void)
{
	struct msghdr message = { 0 };

	ended(sendmsg(peer[1], &message, 0) >= 0);
}

static void try_receive_descriptor(void)
{
	struct msghdr message = { 0 };

	ended(recvmsg(peer[1], &message, MSG_DONTWAIT) >= 0);
}

static void try_fork(void)
{
	ended(fork() >= 0);
}

static void try_vfork(void)
{
	ended(syscall(SYS_vfork) >= 0);
}

static void try_clone(void)
{
	ended(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0);
}

static void try_execve(void)
{
	char *argv[] = { (char *)"/bin/true", NULL };

	execve(argv[0], argv, NULL);
	ended(false);
}

static void try_ptrace(void)
{
	ended(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0);
}

static void try_read_other_memory(void)
{
	ended(process_vm_readv(1, NULL, 0, NULL, 0, 0) >= 0);
}

static void try_kill_parent(void)
{
	ended(syscall(SYS_kill, 1, SIGTERM) == 0);
}

static void try_kill_all(void)
{
	ended(syscall(SYS_kill, -1, 0) == 0);
}

static void try_tgkill(void)
{
	ended(syscall(SYS_tgkill, 1, 1, 0) == 0);
}

static void try_other_descriptor(void)
{
	ended(write(other_fd, "x", 1) == 1);
}

static void try_read_other_descriptor(void)
{
	char c;

	ended(read(other_fd, &c, 1) >= 0);
}

static void try_stderr(void)
{
	ended(write(2, "", 0) >= 0);
}

static void try_dup(void)
{
	ended(dup(peer[1]) >= 0);
}

static void try_executable_memory(void)
{
	ended(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void try_make_executable(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	ended(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
}

static void try_map_file(void)
{
	ended(mmap(NULL, 4096, PROT_READ, MAP_SHARED, other_fd, 0) !=
	      MAP_FAILED);
}

static void try_raise_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	ended(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void try_become_dumpable(void)
{
	ended(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

static void try_unshare(void)
{
	ended(unshare(CLONE_NEWUSER) == 0);
}

static void try_setuid(void)
{
	ended(setuid(0) == 0);
}

static void try_ioctl(void)
{
	int n;

	ended(ioctl(peer[1], FIONREAD, &n) == 0);
}

static void try_memfd(void)
{
	ended(memfd_create("x", 0) >= 0);
}

static void try_io_uring(void)
{
	ended(syscall(SYS_io_uring_setup, 1, NULL) >= 0);
}

static void try_bpf(void)
{
	ended(syscall(SYS_bpf, 0, NULL, 0) >= 0);
}

/* 32-bit system calls have other numbers. */
static void try_other_architecture(void)
{
#ifdef __x86_64__
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
	ended(result > 0);
#else
	ended(open("/etc/passwd", O_RDONLY) >= 0);
#endif
}

static void try_10_gib(void)
{
	void *volatile memory = malloc(10ull * 1024 * 1024 * 1024);

	ended(memory != NULL);
}

static void try_many_mallocs(void)
{
	size_t total = 0;

	for (;;) {
		char *volatile block = malloc(1024 * 1024);

		if (block == NULL) {
			break;
		}
		block[0] = 1;
		total += 1024 * 1024;
	}
	ended(total > MEMORY_BYTES);
}

static void try_spin(void)
{
	for (volatile unsigned int i = 0;; i++) {
	}
}

static void try_recurse(volatile char *above)
{
	/* Never true, but the compiler does not know. */
	if (above != NULL && above[0] == 1) {
		return;
	}

	volatile char frame[65536];

	frame[0] = above == NULL ? 0 : above[0];
	try_recurse(frame);
	frame[1] = frame[0];
}

static void try_stack(void)
{
	try_recurse(NULL);
}

static void work_honestly(void)
{
	char c = 0;
	char *volatile memory = malloc(50 * 1024 * 1024);
	struct timespec now;

	memset(memory, 1, 50 * 1024 * 1024);
	free(memory);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ended(read(peer[1], &c, 1) == 1 && c == '?' &&
	      write(peer[1], "!", 1) == 1);
}

static const struct {
	const char *name;
	void (*attempt)(void);
	enum end end;
} attempts[] = {
	{ "honest work", work_honestly, END_WORKED },
	{ "open", try_open, END_KILLED },
	{ "openat", try_openat, END_KILLED },
	{ "creat", try_create, END_KILLED },
	{ "unlink", try_unlink, END_KILLED },
	{ "socket", try_socket, END_KILLED },
	{ "unix socket", try_unix_socket, END_KILLED },
	{ "connect", try_connect, END_KILLED },
	{ "bind", try_bind, END_KILLED },
	{ "sendmsg", try_send_descriptor, END_KILLED },
	{ "recvmsg", try_receive_descriptor, END_KILLED },
	{ "fork", try_fork, END_KILLED },
	{ "vfork", try_vfork, END_KILLED },
	{ "clone", try_clone, END_KILLED },
	{ "execve", try_execve, END_KILLED },
	{ "ptrace", try_ptrace, END_KILLED },
	{ "process_vm_readv", try_read_other_memory, END_KILLED },
	{ "kill", try_kill_parent, END_KILLED },
	{ "kill all", try_kill_all, END_KILLED },
	{ "tgkill", try_tgkill, END_KILLED },
	{ "write elsewhere", try_other_descriptor, END_KILLED },
	{ "read elsewhere", try_read_other_descriptor, END_KILLED },
	{ "standard error", try_stderr, END_KILLED },
	{ "dup", try_dup, END_KILLED },
	{ "mmap for execution", try_executable_memory, END_KILLED },
	{ "mprotect for execution", try_make_executable, END_KILLED },
	{ "mmap of a file", try_map_file, END_KILLED },
	{ "setrlimit", try_raise_limit, END_KILLED },
	{ "prctl", try_become_dumpable, END_KILLED },
	{ "unshare", try_unshare, END_KILLED },
	{ "setuid", try_setuid, END_KILLED },
	{ "ioctl", try_ioctl, END_KILLED },
	{ "memfd_create", try_memfd, END_KILLED },
	{ "io_uring_setup", try_io_uring, END_KILLED },
	{ "bpf", try_bpf, END_KILLED },
	{ "another architecture", try_other_architecture, END_KILLED },
	{ "10 GiB at once", try_10_gib, END_CONTAINED },
	{ "malloc until it fails", try_many_mallocs, END_CONTAINED },
	{ "spin", try_spin, END_CONTAINED },
	{ "endless recursion", try_stack, END_CONTAINED },
};

static enum end run(void (*attempt)(void))
{
	int status;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, peer), 0);
	assert_int_equal(write(peer[0], "?", 1), 1);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct sandbox_limits limits = { .memory_bytes = MEMORY_BYTES,
						 .cpu_s = 1 };
		struct error err;

		if (sandbox_enter(&limits, peer[1], &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			_exit(1);
		}
		attempt();
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(peer[0]);
	close(peer[1]);
	if (WIFSIGNALED(status)) {
		return WTERMSIG(status) == SIGSYS ? END_KILLED : END_CONTAINED;
	}
	if (WEXITSTATUS(status) == STATUS_CONTAINED) {
		return END_CONTAINED;
	}
	/* Status 1: the sandbox was never closed. */
	assert_int_equal(WEXITSTATUS(status), STATUS_WORKED);
	return attempt == work_honestly ? END_WORKED : END_ESCAPED;
}

static void every_attempt_is_contained(void **state)
{
	size_t contained = 0;

	(void)state;
	other_fd = open("/dev/zero", O_RDWR);
	assert_true(other_fd >= 0);
	for (size_t i = 0; i < N_ELEMENTS(attempts); i++) {
		enum end end = run(attempts[i].attempt);

		if (end != attempts[i].end) {
			print_error("%s ended as %d\n", attempts[i].name, end);
		}
		assert_int_equal(end, attempts[i].end);
		contained += end == END_KILLED || end == END_CONTAINED;
	}
	close(other_fd);
	print_message("%zu attempts, %zu contained\n", N_ELEMENTS(attempts) - 1,
		      contained);
	assert_int_equal(contained, N_ELEMENTS(attempts) - 1);
}

static void a_layer_that_cannot_be_set_is_an_error(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		/* A hard limit below what is asked for, and no right to raise
		   it: the sandbox cannot be what it promises. */
		struct rlimit little = { 1, 1 };
		struct sandbox_limits limits = { .memory_bytes = MEMORY_BYTES,
						 .cpu_s = 3600 };
		struct error err;

		setrlimit(RLIMIT_CPU, &little);
		if (getuid() == 0) {
			assert_int_equal(setgid(65534), 0);
			assert_int_equal(setuid(65534), 0);
		}
		_exit(sandbox_enter(&limits, 3, &err) < 0 ? STATUS_CONTAINED
							  : STATUS_WORKED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), STATUS_CONTAINED);
}

int main(void)
{
#ifdef POSTERN_ASAN
	/* AddressSanitizer's own system calls would be killed. */
	return 77;
#endif
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attempt_is_contained),
		cmocka_unit_test(a_layer_that_cannot_be_set_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
