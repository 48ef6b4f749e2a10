/* sandbox: what keeps a parser of hostile bytes from being of use to their
   author. The only file that knows libseccomp. */
#include "inspect/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/span.h"

static int set_limit(int which, const char *name, rlim_t value,
		     struct error *err_r)
{
	struct rlimit limit = { .rlim_cur = value, .rlim_max = value };

	if (setrlimit(which, &limit) < 0) {
		return error_set(err_r, "sandbox: %s: %s", name,
				 strerror(errno));
	}
	return 0;
}

static int set_limits(const struct sandbox_limits *limits, struct error *err_r)
{
	const struct {
		int which;
		const char *name;
		rlim_t value;
	} rows[] = {
		{ RLIMIT_AS, "RLIMIT_AS", limits->memory_bytes },
		{ RLIMIT_CPU, "RLIMIT_CPU", limits->cpu_s },
		{ RLIMIT_CORE, "RLIMIT_CORE", 0 },
		/* What is open stays open; nothing is added. */
		{ RLIMIT_NOFILE, "RLIMIT_NOFILE", 0 },
		{ RLIMIT_FSIZE, "RLIMIT_FSIZE", 0 },
		{ RLIMIT_NPROC, "RLIMIT_NPROC", 0 },
		{ RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", 0 },
		{ RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE", 0 },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (set_limit(rows[i].which, rows[i].name, rows[i].value,
			      err_r) < 0) {
			return -1;
		}
	}
	return 0;
}

/* A kernel or a container may forbid these; seccomp alone already refuses
   every call they would matter for. */
static void leave_namespaces(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) < 0) {
		/* Root may have the others without a user namespace. */
		(void)unshare(CLONE_NEWNET | CLONE_NEWIPC);
	}
}

/* What malloc, a mutex and the end of a process need, whatever the
   arguments. */
static const int free_calls[] = {
	SCMP_SYS(brk),		 SCMP_SYS(munmap),
	SCMP_SYS(mremap),	 SCMP_SYS(madvise),
	SCMP_SYS(futex),	 SCMP_SYS(exit),
	SCMP_SYS(exit_group),	 SCMP_SYS(rt_sigreturn),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(getrandom),	 SCMP_SYS(restart_syscall),
};

static int add_rules(scmp_filter_ctx filter, int fd)
{
	int status = 0;

	for (size_t i = 0; i < N_ELEMENTS(free_calls); i++) {
		status |= seccomp_rule_add(filter, SCMP_ACT_ALLOW,
					   free_calls[i], 0);
	}
	status |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
				   SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd));
	status |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
				   SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd));
	/* Memory, but no file in it and nothing to execute. */
	status |= seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
		SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
	status |=
		seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return status;
}

static int load_filter(int fd, struct error *err_r)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int status;

	if (filter == NULL) {
		return error_set(err_r, "sandbox: seccomp_init failed");
	}
	status = add_rules(filter, fd);
	if (status == 0) {
		status = seccomp_load(filter);
	}
	seccomp_release(filter);
	if (status != 0) {
		return error_set(err_r, "sandbox: the kernel takes no seccomp "
					"filter");
	}
	return 0;
}

int sandbox_enter(const struct sandbox_limits *limits, int fd,
		  struct error *err_r)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		return error_set(err_r, "sandbox: no_new_privs: %s",
				 strerror(errno));
	}
	/* Neither a core dump nor another process of ours may show mail. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		return error_set(err_r, "sandbox: dumpable: %s",
				 strerror(errno));
	}
	leave_namespaces();
	if (set_limits(limits, err_r) < 0) {
		return -1;
	}
	return load_filter(fd, err_r);
}
