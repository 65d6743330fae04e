// SPDX-License-Identifier: Apache-2.0
// The log: where lines are made and written. What the levels are set to is in log_set.c.
//
// A line is formatted by the calling thread and written under one lock, so lines of several threads
// don't mix and a reopened file takes effect between lines. Modules put themselves on a list from
// constructors, before main(), which is why reading that list needs no lock. Invariant: a module's
// max_level is the highest of its levels among the facilities that are open.
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log_private.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/thread.h"

LOG_MODULE(vlog);

struct log_state log_state = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .program = "sluice",
    .console_open = true,
    .file = -1,
    .syslog_socket = -1,
    .syslog_facility = LOG_DAEMON,
};

static __thread unsigned serial; // of this thread's lines

static const char *const level_names[LOG_N_LEVELS] = {"OFF", "EMER", "ERR", "WARN", "INFO", "DBG"};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

void log_module_refresh(struct log_module *m)
{
    bool open[LOG_N_FACILITIES] = {
        [LOG_TO_SYSLOG] = true,
        [LOG_TO_CONSOLE] = log_state.console_open,
        [LOG_TO_FILE] = log_state.file >= 0,
    };
    unsigned char max = LOG_LEVEL_OFF;
    for (unsigned i = 0; i < LOG_N_FACILITIES; i++) {
        unsigned char level = atomic_load_explicit(&m->level[i], memory_order_relaxed);
        if (open[i])
            max = MAX_OF(max, level);
    }
    atomic_store_explicit(&m->max_level, max, memory_order_relaxed);
}

void log_refresh_all(void)
{
    for (struct log_module *m = log_state.modules; m; m = m->next)
        log_module_refresh(m);
}

void log_register(struct log_module *m)
{
    for (unsigned i = 0; i < LOG_N_FACILITIES; i++)
        atomic_store_explicit(&m->level[i], LOG_LEVEL_INFO, memory_order_relaxed);
    m->next = log_state.modules;
    log_state.modules = m;
    log_module_refresh(m);
}

void log_set_program(const char *name)
{
    pthread_mutex_lock(&log_state.lock);
    log_state.program = name;
    if (log_state.syslog_method == LOG_SYSLOG_LIBC)
        openlog(name, LOG_NDELAY, log_state.syslog_facility);
    pthread_mutex_unlock(&log_state.lock);
}

static void put_time(struct str *s, int64_t wall, bool milliseconds)
{
    time_t seconds = wall / NSEC_PER_SEC;
    struct tm tm;
    char text[40];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    str_put(s, text);
    if (milliseconds)
        str_printf(s, ".%03d", (int)(wall / NSEC_PER_MSEC % 1000));
    str_putc(s, 'Z');
}

static void write_all(int fd, const struct str *s)
{
    const char *at = s->text;
    size_t left = s->size;
    while (left) {
        ssize_t n = write(fd, at, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; // a full disk must not stop the switch
        at += n;
        left -= (size_t)n;
    }
}

static const int syslog_priority[LOG_N_LEVELS] = {LOG_DEBUG,   LOG_ALERT,  LOG_ERR,
                                                  LOG_WARNING, LOG_NOTICE, LOG_DEBUG};

static void to_syslog(enum log_level level, const char *head, const char *line, int64_t wall)
{
    if (log_state.syslog_method == LOG_SYSLOG_NULL)
        return;
    if (log_state.syslog_method == LOG_SYSLOG_LIBC) {
        syslog(syslog_priority[level], "ovs|%s%s", head, line);
        return;
    }
    // RFC 3164: priority, local time, host, tag.
    time_t seconds = wall / NSEC_PER_SEC;
    struct tm tm;
    char stamp[32], host[64] = "localhost";
    localtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%h %e %T", &tm);
    gethostname(host, sizeof(host) - 1);
    AUTO_FREE char *text =
        xasprintf("<%d>%s %s %s: ovs|%s%s", log_state.syslog_facility | syslog_priority[level],
                  stamp, host, log_state.program, head, line);
    ssize_t ignored =
        send(log_state.syslog_socket, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored;
}

// Under the lock: one line without its newline to the facilities that want it.
static void emit(struct log_module *m, enum log_level level, const char *head, const char *line,
                 int64_t wall)
{
    AUTO(str_done) struct str out = STR_INIT;
    if (log_state.console_open &&
        atomic_load_explicit(&m->level[LOG_TO_CONSOLE], memory_order_relaxed) >= level) {
        put_time(&out, wall, false);
        str_printf(&out, "|%s%s\n", head, line);
        write_all(STDERR_FILENO, &out);
    }
    if (log_state.file >= 0 &&
        atomic_load_explicit(&m->level[LOG_TO_FILE], memory_order_relaxed) >= level) {
        str_clear(&out);
        put_time(&out, wall, true);
        str_printf(&out, "|%s%s\n", head, line);
        write_all(log_state.file, &out);
    }
    if (atomic_load_explicit(&m->level[LOG_TO_SYSLOG], memory_order_relaxed) >= level)
        to_syslog(level, head, line, wall);
}

void log_vwrite(struct log_module *m, enum log_level level, const char *fmt, va_list args)
{
    int saved_errno = errno;
    int64_t wall = clock_wall();
    AUTO_FREE char *text = xvasprintf(fmt, args);
    const char *thread = thread_name();
    AUTO_FREE char *head = xasprintf("%05u|%s%s%s%s|%s|", ++serial, m->name, *thread ? "(" : "",
                                     thread, *thread ? ")" : "", level_names[level]);

    pthread_mutex_lock(&log_state.lock);
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n"))) {
        if (*line || line == text)
            emit(m, level, head, line, wall);
    }
    pthread_mutex_unlock(&log_state.lock);
    errno = saved_errno;
}

void log_write(struct log_module *m, enum log_level level, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_vwrite(m, level, fmt, args);
    va_end(args);
}

bool log_limit_pass(struct log_limit *limit, struct log_module *m, enum log_level level)
{
    if (!limit->per_minute || atomic_load_explicit(&m->unlimited, memory_order_relaxed))
        return true;
    int64_t now = clock_now();
    int64_t cost = 60 * NSEC_PER_SEC / limit->per_minute;
    int64_t full = cost * MAX_OF(limit->burst, 1U);

    pthread_mutex_lock(&limit->lock);
    if (!limit->started) {
        limit->started = true;
        limit->tokens = full;
    } else {
        limit->tokens = MIN_OF(full, limit->tokens + MAX_OF(now - limit->filled_at, (int64_t)0));
    }
    limit->filled_at = now;
    bool pass = limit->tokens >= cost;
    unsigned dropped = 0;
    int64_t first = limit->first_dropped, last = limit->last_dropped;
    if (pass) {
        limit->tokens -= cost;
        dropped = limit->dropped;
        limit->dropped = 0;
    } else {
        if (!limit->dropped++)
            limit->first_dropped = now;
        limit->last_dropped = now;
    }
    pthread_mutex_unlock(&limit->lock);

    if (dropped)
        log_write(m, level,
                  "dropped %u messages like the next one in the last %d seconds (most recently %d "
                  "seconds ago)",
                  dropped, (int)((now - first) / NSEC_PER_SEC), (int)((now - last) / NSEC_PER_SEC));
    return pass;
}

// Opens 'path' for appending; the new descriptor or a negative errno.
static int open_log(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return fd < 0 ? -errno : fd;
}

int log_open_file(const char *path, struct err *err)
{
    int fd = open_log(path);
    if (fd < 0)
        return err_set_errno(err, fd, "failed to open log file %s", path);
    AUTO_FREE char *old_path = NULL;
    AUTO_CLOSE int old_fd = -1;
    pthread_mutex_lock(&log_state.lock);
    old_fd = log_state.file;
    old_path = log_state.file_path;
    log_state.file = fd;
    log_state.file_path = xstrdup(path);
    log_refresh_all();
    pthread_mutex_unlock(&log_state.lock);
    log_info("opened log file %s", path);
    return 0;
}

int log_reopen(struct err *err)
{
    pthread_mutex_lock(&log_state.lock);
    AUTO_FREE char *path = log_state.file_path ? xstrdup(log_state.file_path) : NULL;
    pthread_mutex_unlock(&log_state.lock);
    return path ? log_open_file(path, err) : 0;
}

void log_close(void)
{
    pthread_mutex_lock(&log_state.lock);
    if (log_state.file >= 0)
        close(STEAL_FD(log_state.file));
    log_refresh_all();
    pthread_mutex_unlock(&log_state.lock);
}

void log_close_console(void)
{
    pthread_mutex_lock(&log_state.lock);
    log_state.console_open = false;
    log_refresh_all();
    pthread_mutex_unlock(&log_state.lock);
}
