// SPDX-License-Identifier: Apache-2.0
// Setting and listing log levels, and the ways to reach syslog.
//
// The texts are those that ovs-appctl(8) describes for vlog/set and vlog/list and that daemons take
// after -v. Any thread: changes are made under the log's lock (log_private.h), and a specification
// with an error changes nothing.
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/log_private.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

static const char *const facility_names[LOG_N_FACILITIES] = {"SYSLOG", "CONSOLE", "FILE"};

// RFC 5424 section 6.2.1, by number; the names that ovs-appctl(8) lists.
static const char *const syslog_names[] = {
    "kern",   "user",   "mail",   "daemon", "auth",   "syslog", "lpr",    "news",
    "uucp",   "clock",  "ftp",    NULL,     "ntp",    "audit",  "alert",  "clock2",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"};

static bool find_level(const char *word, enum log_level *ret)
{
    for (unsigned i = 0; i < LOG_N_LEVELS; i++) {
        if (!strcasecmp(word, log_level_name(i))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool find_facility(const char *word, enum log_facility *ret)
{
    for (unsigned i = 0; i < LOG_N_FACILITIES; i++) {
        if (!strcasecmp(word, facility_names[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static const struct log_module *find_module(const char *word)
{
    for (const struct log_module *m = log_state.modules; m; m = m->next) {
        if (!strcasecmp(m->name, word))
            return m;
    }
    return NULL;
}

static int set_syslog_facility(const char *name, struct err *err)
{
    for (unsigned i = 0; i < ARRAY_SIZE(syslog_names); i++) {
        if (syslog_names[i] && !strcasecmp(name, syslog_names[i])) {
            pthread_mutex_lock(&log_state.lock);
            log_state.syslog_facility = (int)i << 3;
            if (log_state.syslog_method == LOG_SYSLOG_LIBC)
                openlog(log_state.program, LOG_NDELAY, log_state.syslog_facility);
            pthread_mutex_unlock(&log_state.lock);
            return 0;
        }
    }
    return err_set(err, -EINVAL, "invalid facility: %s", name);
}

static void apply(const char *module, bool one_facility, enum log_facility facility,
                  enum log_level level)
{
    pthread_mutex_lock(&log_state.lock);
    for (struct log_module *m = log_state.modules; m; m = m->next) {
        if (module && strcasecmp(m->name, module))
            continue;
        for (unsigned i = 0; i < LOG_N_FACILITIES; i++) {
            if (!one_facility || i == facility)
                atomic_store_explicit(&m->level[i], level, memory_order_relaxed);
        }
        log_module_refresh(m);
    }
    pthread_mutex_unlock(&log_state.lock);
}

int log_set(const char *spec, struct err *err)
{
    if (!strncasecmp(spec, "PATTERN:", 8))
        return err_set(err, -EOPNOTSUPP, "log patterns are fixed in this daemon");
    if (!strncasecmp(spec, "FACILITY:", 9))
        return set_syslog_facility(spec + 9, err);

    AUTO_FREE char *words = xstrdup(spec);
    const char *module = NULL;
    bool any_module = false, have_facility = false, any_facility = false, have_level = false;
    enum log_facility facility = LOG_TO_SYSLOG;
    enum log_level level = LOG_LEVEL_DBG;
    char *saved = NULL;
    for (char *w = strtok_r(words, " ,:", &saved); w; w = strtok_r(NULL, " ,:", &saved)) {
        const struct log_module *m;
        enum log_facility f;
        enum log_level l;
        if (!strcasecmp(w, "any")) {
            if (any_module && any_facility)
                return err_set(err, -EINVAL, "cannot specify \"any\" more than twice");
            // The first one stands for the modules unless one was named.
            if (module || any_module)
                any_facility = true;
            else
                any_module = true;
        } else if (find_level(w, &l)) {
            if (have_level)
                return err_set(err, -EINVAL, "cannot specify multiple levels");
            have_level = true;
            level = l;
        } else if (find_facility(w, &f)) {
            if (have_facility)
                return err_set(err, -EINVAL, "cannot specify multiple destinations");
            have_facility = true;
            facility = f;
        } else if ((m = find_module(w))) {
            if (module)
                return err_set(err, -EINVAL, "cannot specify multiple modules");
            module = m->name;
        } else {
            return err_set(err, -EINVAL, "no destination, level, or module \"%s\"", w);
        }
    }
    apply(module, have_facility, facility, level);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct log_module *const *)a)->name,
                  (*(const struct log_module *const *)b)->name);
}

char *log_list(void)
{
    AUTO_FREE const struct log_module **sorted = NULL;
    size_t n = 0, capacity = 0;
    for (const struct log_module *m = log_state.modules; m; m = m->next) {
        GROW_ARRAY(sorted, capacity, n + 1);
        sorted[n++] = m;
    }
    if (n)
        qsort(sorted, n, sizeof(*sorted), by_name);
    struct str s = STR_INIT;
    str_put(&s, "                 console    syslog    file\n");
    str_put(&s, "                 -------    ------    ------\n");
    for (size_t i = 0; i < n; i++) {
        const struct log_module *m = sorted[i];
        if (i && !strcmp(m->name, sorted[i - 1]->name))
            continue; // files that share a name share its levels
        const char *levels[LOG_N_FACILITIES];
        for (unsigned f = 0; f < LOG_N_FACILITIES; f++)
            levels[f] = log_level_name(atomic_load_explicit(&m->level[f], memory_order_relaxed));
        str_printf(&s, "%-16s  %4s       %4s       %4s\n", m->name, levels[LOG_TO_CONSOLE],
                   levels[LOG_TO_SYSLOG], levels[LOG_TO_FILE]);
    }
    return str_steal(&s);
}

char *log_list_patterns(void)
{
    return xstrdup("         prefix                            format\n"
                   "         ------                            ------\n"
                   "SYSLOG   <%B> %D{%h %e %T} %E %A:          ovs|%05N|%c%T|%p|%m\n"
                   "CONSOLE  none                              "
                   "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m\n"
                   "FILE     none                              "
                   "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m\n");
}

int log_set_limits(const char *module, bool limited, struct err *err)
{
    if (module && strcasecmp(module, "any") && !find_module(module))
        return err_set(err, -ENOENT, "no module \"%s\"", module);
    for (struct log_module *m = log_state.modules; m; m = m->next) {
        if (!module || !strcasecmp(module, "any") || !strcasecmp(module, m->name))
            atomic_store_explicit(&m->unlimited, !limited, memory_order_relaxed);
    }
    return 0;
}

static int open_unix_syslog(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (!str_copy(un.sun_path, sizeof(un.sun_path), path))
        return -ENAMETOOLONG;
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
        return -errno;
    return STEAL_FD(fd);
}

// "IPv4:PORT"
static int open_udp_syslog(const char *target)
{
    AUTO_FREE char *ip = xstrdup(target);
    char *colon = strrchr(ip, ':');
    struct sockaddr_in in = {.sin_family = AF_INET};
    uint64_t port;
    if (!colon || !str_to_u64(colon + 1, 10, UINT16_MAX, &port))
        return -EINVAL;
    *colon = '\0';
    in.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, ip, &in.sin_addr) != 1)
        return -EINVAL;
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
        return -errno;
    return STEAL_FD(fd);
}

int log_set_syslog_method(const char *method, struct err *err)
{
    enum log_syslog_method kind = LOG_SYSLOG_SOCKET;
    int fd = -1;
    if (!strcmp(method, "libc"))
        kind = LOG_SYSLOG_LIBC;
    else if (!strcmp(method, "null"))
        kind = LOG_SYSLOG_NULL;
    else if (str_starts(method, "unix:"))
        fd = open_unix_syslog(method + 5);
    else if (str_starts(method, "udp:"))
        fd = open_udp_syslog(method + 4);
    else
        return err_set(err, -EINVAL,
                       "syslog method \"%s\" is none of libc, null, unix:, udp:", method);
    if (kind == LOG_SYSLOG_SOCKET && fd < 0)
        return err_set_errno(err, fd, "syslog method %s", method);
    AUTO_CLOSE int old = -1;
    pthread_mutex_lock(&log_state.lock);
    old = log_state.syslog_socket;
    log_state.syslog_socket = fd;
    log_state.syslog_method = kind;
    pthread_mutex_unlock(&log_state.lock);
    return 0;
}
