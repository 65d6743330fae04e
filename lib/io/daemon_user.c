// SPDX-License-Identifier: Apache-2.0
// --user: becoming another user with the few capabilities that a switch needs.
//
// The set is the one that ovs-vswitchd(8) names. Main thread, at the start, before other threads
// exist: user and group ids belong to the process as a whole only if every thread changes them.
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/io/daemon_private.h"

static int keep_capabilities(void)
{
    static const unsigned wanted[] = {CAP_IPC_LOCK, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN,
                                      CAP_NET_BROADCAST, CAP_NET_RAW};
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        data[wanted[i] / 32].effective |= 1U << wanted[i] % 32;
        data[wanted[i] / 32].permitted |= 1U << wanted[i] % 32;
    }
    return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

// "user:group" into numbers; a missing part is the present one, or the user's own group.
static int look_up(const char *text, uid_t *uid, gid_t *gid, char **ret_name, struct err *err)
{
    AUTO_FREE char *user = xstrdup(text);
    char *group = strchr(user, ':');
    if (group)
        *group++ = '\0';
    *uid = getuid();
    *gid = getgid();
    if (*user) {
        errno = 0;
        const struct passwd *pw = getpwnam(user);
        if (!pw)
            return err_set(err, errno ? -errno : -ENOENT, "--user: no user %s", user);
        *uid = pw->pw_uid;
        *gid = pw->pw_gid;
        *ret_name = xstrdup(user);
    }
    if (group && *group) {
        errno = 0;
        const struct group *gr = getgrnam(group);
        if (!gr)
            return err_set(err, errno ? -errno : -ENOENT, "--user: no group %s", group);
        *gid = gr->gr_gid;
    }
    return 0;
}

int daemon_become_user(const char *user, const char *log_file, struct err *err)
{
    AUTO_FREE char *name = NULL;
    uid_t uid;
    gid_t gid;
    int error = look_up(user, &uid, &gid, &name, err);
    if (error)
        return error;
    if (getuid())
        return err_set(err, -EPERM, "--user: only root may use it");
    if (log_file && chown(log_file, uid, gid) < 0)
        return err_set_errno(err, -errno, "--user: %s", log_file);
    if (setgid(gid) < 0 || (name && initgroups(name, gid) < 0) || prctl(PR_SET_KEEPCAPS, 1) < 0 ||
        setuid(uid) < 0)
        return err_set_errno(err, -errno, "--user %s", user);
    error = keep_capabilities();
    return error ? err_set_errno(err, error, "--user: capabilities") : 0;
}
