/* privileges: giving up root is checked by trying to get it back. */
#include "posternd/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int become(const struct passwd *user, struct error *err_r)
{
	if (initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0) {
		return error_set(err_r, "cannot become user %s: %s",
				 user->pw_name, strerror(errno));
	}
	if (user->pw_uid != 0 && setuid(0) == 0) {
		return error_set(err_r, "still root after becoming %s",
				 user->pw_name);
	}
	return 0;
}

int privileges_drop(const char *user, const char *const *dirs, size_t dir_count,
		    struct error *err_r)
{
	const struct passwd *entry;

	/* Whatever we exec later gains nothing from its file's mode. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (geteuid() != 0 || user[0] == '\0') {
		return 0;
	}
	entry = getpwnam(user);
	if (entry == NULL) {
		return error_set(err_r,
				 "no user \"%s\" on this machine: create it, "
				 "or set user in the configuration",
				 user);
	}
	for (size_t i = 0; i < dir_count; i++) {
		if (chown(dirs[i], entry->pw_uid, entry->pw_gid) < 0 &&
		    errno != ENOENT) {
			return error_set(err_r, "%s: cannot give to %s: %s",
					 dirs[i], user, strerror(errno));
		}
	}
	return become(entry, err_r);
}
