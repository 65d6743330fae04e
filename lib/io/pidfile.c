// SPDX-License-Identifier: Apache-2.0
// Pid files: a number for tools to read and a lock that says whether its owner lives.
//
// The lock is a POSIX record lock on the whole file, which the kernel drops when the owner ends, so
// a stale file is told apart from a live one whatever number it holds. The file is written under
// another name and renamed, so that a reader never sees it empty. Main thread, at the start.
// Invariant: whoever holds the lock wrote the file.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/io/daemon_private.h"

int pidfile_check(const char *path, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set_errno(err, -errno, "%s", path);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &lock) < 0)
        return err_set_errno(err, -errno, "%s: cannot test lock", path);
    if (lock.l_type == F_UNLCK)
        return 0; // stale
    return err_set(err, -EALREADY, "%s: already running as pid %d", path, (int)lock.l_pid);
}

int pidfile_create(const char *path, bool overwrite, int *ret_fd, struct err *err)
{
    int error = overwrite ? 0 : pidfile_check(path, err);
    if (error)
        return error;
    AUTO_FREE char *temporary = xasprintf("%s.tmp%d", path, (int)getpid());
    AUTO_CLOSE int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set_errno(err, -errno, "%s: cannot create pid file", path);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    AUTO_FREE char *line = xasprintf("%d\n", (int)getpid());
    size_t n = strlen(line);
    if (fcntl(fd, F_SETLK, &lock) < 0 || write(fd, line, n) != (ssize_t)n ||
        rename(temporary, path) < 0) {
        error = -errno;
        unlink(temporary);
        return err_set_errno(err, error, "%s: cannot write pid file", path);
    }
    *ret_fd = STEAL_FD(fd);
    return 0;
}
