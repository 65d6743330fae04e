// SPDX-License-Identifier: Apache-2.0
// A daemon's life as a process: detaching, supervising, being ready, ending.
//
// With --detach and --monitor there are three processes: the one the shell started waits on a pipe
// until the third says that it is ready; the second supervises the third and starts it again when
// it dies of a programming error; the third is the daemon. The pipe's writing end is in the last
// two only, so the first notices when they all end early. Main thread; daemon_start() runs before
// any other thread exists. Invariant: the pid file belongs to the process that returns from
// daemon_start().
#include "lib/io/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/dirs.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/thread.h"
#include "lib/io/daemon_private.h"

LOG_MODULE(daemon);

#define RESTART_INTERVAL (10 * NSEC_PER_SEC)

struct daemon *daemon_new(const struct daemon_info *info)
{
    struct daemon *d = NEW(struct daemon);
    d->info = *info;
    d->pid_file_fd = d->ready_fd = -1;
    log_set_program(info->name);
    return d;
}

void daemon_free(struct daemon *d)
{
    if (!d)
        return;
    control_close(d->control);
    if (d->pid_file_fd >= 0) {
        // Only while the file is still ours: another process may have overwritten it.
        struct stat ours, there;
        if (!fstat(d->pid_file_fd, &ours) && !stat(d->pid_file, &there) &&
            ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
            unlink(d->pid_file);
        close(d->pid_file_fd);
    }
    if (d->ready_fd >= 0)
        close(d->ready_fd);
    const char *texts[] = {
        d->pid_file,        d->user,        d->log_file,      d->unixctl,    d->tls.private_key,
        d->tls.certificate, d->tls.ca_cert, d->tls.protocols, d->tls.ciphers};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free((char *)texts[i]);
    free(d);
}

// "exit status 1", "killed (Segmentation fault)".
static char *describe_status(int status)
{
    if (WIFEXITED(status))
        return xasprintf("exit status %d", WEXITSTATUS(status));
    if (WIFSIGNALED(status))
        return xasprintf("killed (%s)%s", strsignal(WTERMSIG(status)),
                         WCOREDUMP(status) ? ", core dumped" : "");
    return xasprintf("status %d", status);
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

// In the process that the shell started: waits until the daemon is ready, and ends.
static NORETURN void wait_until_ready(int fd, pid_t child)
{
    char byte;
    ssize_t n;
    while ((n = read(fd, &byte, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1)
        _exit(0);
    int status = wait_for(child);
    AUTO_FREE char *how = describe_status(status);
    fprintf(stderr, "the daemon ended before it was ready: %s\n", how);
    _exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
}

static int detach(struct daemon *d, struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set_errno(err, -errno, "pipe");
    pid_t child = fork();
    if (child < 0) {
        int error = -errno;
        close(fds[0]);
        close(fds[1]);
        return err_set_errno(err, error, "fork");
    }
    if (child) {
        close(fds[1]);
        wait_until_ready(fds[0], child);
    }
    close(fds[0]);
    d->ready_fd = fds[1];
    setsid();
    return 0;
}

static void leave_terminal(const struct daemon *d)
{
    AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        dup2(null, fd);
    log_close_console();
    if (!d->no_chdir && chdir("/") < 0)
        log_warn("cannot change to the root directory: %s, ignoring", strerror(errno));
}

// The signals that ovs-vswitchd(8) counts as programming errors.
static bool should_restart(int status)
{
    static const int crashes[] = {SIGABRT, SIGALRM, SIGBUS,  SIGFPE, SIGILL,
                                  SIGPIPE, SIGSEGV, SIGXCPU, SIGXFSZ};
    if (!WIFSIGNALED(status))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(crashes); i++) {
        if (WTERMSIG(status) == crashes[i])
            return true;
    }
    return false;
}

// Returns in each new daemon process; the supervisor itself ends with the last one.
static int supervise(struct daemon *d, struct err *err)
{
    int64_t restarted = 0; // the first restart is at once, later ones keep a distance
    for (unsigned crashes = 0;; crashes++) {
        int64_t left = restarted ? restarted + RESTART_INTERVAL - clock_real() : 0;
        if (left > 0) {
            struct timespec ts = {left / NSEC_PER_SEC, left % NSEC_PER_SEC};
            nanosleep(&ts, NULL);
        }
        if (crashes)
            restarted = clock_real();
        pid_t child = fork();
        if (child < 0)
            return err_set_errno(err, -errno, "fork");
        if (!child) {
            thread_set_name("");
            return 0;
        }
        thread_set_name("monitor");
        if (d->detach && !crashes)
            leave_terminal(d);
        int status = wait_for(child);
        AUTO_FREE char *how = describe_status(status);
        if (!should_restart(status)) {
            log_info("pid %d ended, %s, exiting", (int)child, how);
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
        }
        log_err("%u crashes: pid %d died, %s, restarting", crashes + 1, (int)child, how);
    }
}

static int apply_tls(const struct daemon *d, struct err *err)
{
    const struct stream_tls *t = &d->tls;
    if (!t->private_key && !t->certificate && !t->ca_cert)
        return 0;
    const char *values[] = {t->private_key, t->certificate, t->ca_cert};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        if (values[i] && str_starts(values[i], "db:"))
            return 0;
    }
    return stream_set_tls(t, err);
}

int daemon_start(struct daemon *d, struct err *err)
{
    int error = 0;
    if (d->allow_tests)
        clock_tests_enable();
    if (d->pid_file && !d->overwrite_pid_file)
        error = pidfile_check(d->pid_file, err);
    if (!error && d->log_file)
        error = log_open_file(d->log_file, err);
    if (!error && d->detach)
        error = detach(d, err);
    if (!error && d->monitor)
        error = supervise(d, err);
    if (!error && d->pid_file)
        error =
            pidfile_create(d->pid_file, d->overwrite_pid_file || d->monitor, &d->pid_file_fd, err);
    if (!error && d->user)
        error = daemon_become_user(d->user, d->log_file, err);
    if (!error)
        error = apply_tls(d, err);
    signal(SIGPIPE, SIG_IGN);
    return error;
}

int daemon_control(struct daemon *d, struct loop *loop, struct control **ret_control,
                   struct err *err)
{
    if (d->unixctl && !strcmp(d->unixctl, "none")) {
        *ret_control = NULL;
        return 0;
    }
    AUTO_FREE char *usual = xasprintf("%s.%d.ctl", d->info.name, (int)getpid());
    AUTO_FREE char *path = dirs_path(dirs_run(), d->unixctl ? d->unixctl : usual);
    int error = control_open(loop, path, &d->control, err);
    if (error)
        return error;
    control_add_standard(d->control, d->info.version);
    *ret_control = d->control;
    return 0;
}

void daemon_ready(struct daemon *d)
{
    if (d->ready_fd >= 0) {
        // A supervisor's restarted daemon writes where nobody reads any more.
        ssize_t ignored = write(d->ready_fd, "", 1);
        (void)ignored;
        close(STEAL_FD(d->ready_fd));
    }
    if (d->detach)
        leave_terminal(d);
}

const struct stream_tls *daemon_tls(const struct daemon *d)
{
    return &d->tls;
}

bool daemon_tests_allowed(const struct daemon *d)
{
    return d->allow_tests;
}

bool daemon_detached(const struct daemon *d)
{
    return d->detach;
}
