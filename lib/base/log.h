// SPDX-License-Identifier: Apache-2.0
// The log: modules with a level per facility, switchable while the program runs.
//
// A file names its module once with LOG_MODULE(name) and then calls log_err() … log_dbg(). Several
// files may share a name; they are one module to whoever sets levels. Lines have the form
//
//     2026-01-01T00:00:00.000Z|00001|module|WARN|text            (main thread)
//     2026-01-01T00:00:00.000Z|00001|module(handler1)|WARN|text  (any other)
//
// as Open vSwitch daemons write it, so that its users' log readers keep working: UTC time (whole
// seconds on the console), a serial number per thread, module, thread, level, text. A text of
// several lines becomes several lines with the same head.
//
// Libraries return errors, programs log: below slowpath/ and ovsdb/server/ use it for what nobody
// can be told otherwise. Level by consequence: emer, the process goes down; err, an operation of
// the user failed; warn, something failed that the switch copes with; info, of interest in
// retrospect; dbg, of interest to a developer, off by default.
//
// Thread: any. A disabled level costs one relaxed load; an enabled one formats, takes a lock and
// writes, so it may block: hot paths don't log.
#pragma once

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "lib/base/err.h"

enum log_level {
    LOG_LEVEL_OFF,
    LOG_LEVEL_EMER,
    LOG_LEVEL_ERR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DBG,
    LOG_N_LEVELS
};
enum log_facility { LOG_TO_SYSLOG, LOG_TO_CONSOLE, LOG_TO_FILE, LOG_N_FACILITIES };

struct log_module {
    const char *name;
    atomic_uchar max_level;               // highest level that any facility wants
    atomic_uchar level[LOG_N_FACILITIES]; // written under the log's lock
    atomic_bool unlimited;                // its rate limits are off
    struct log_module *next;              // the registry; written before main() only
};

#define LOG_MODULE(module_name)                                                                    \
    static struct log_module log_module_ = {.name = #module_name};                                 \
    __attribute__((constructor)) static void log_module_register_(void)                            \
    {                                                                                              \
        log_register(&log_module_);                                                                \
    }                                                                                              \
    static_assert(1, "")

// A token bucket for messages that may repeat: at most 'per_minute' on average and 'burst' at
// once; the next message that passes is preceded by one that says how many were dropped.
// `static struct log_limit rl = LOG_LIMIT(10, 5);` at the call or at file scope.
struct log_limit {
    pthread_mutex_t lock;
    unsigned per_minute, burst;
    bool started;
    int64_t tokens, filled_at; // tokens in ns of the refill interval
    int64_t first_dropped, last_dropped;
    unsigned dropped;
};
#define LOG_LIMIT(per_minute_, burst_)                                                             \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .per_minute = (per_minute_), .burst = (burst_)          \
    }

static inline bool log_wants(struct log_module *m, enum log_level level)
{
    return atomic_load_explicit(&m->max_level, memory_order_relaxed) >= level;
}
void log_write(struct log_module *m, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);
void log_vwrite(struct log_module *m, enum log_level level, const char *fmt, va_list args)
    PRINTF_LIKE(3, 0);
// True if the caller may log now; writes the line about dropped ones itself.
bool log_limit_pass(struct log_limit *limit, struct log_module *m, enum log_level level);

#define LOG_AT_(level, ...)                                                                        \
    do {                                                                                           \
        if (UNLIKELY(log_wants(&log_module_, level)))                                              \
            log_write(&log_module_, level, __VA_ARGS__);                                           \
    } while (0)
#define LOG_AT_RL_(limit, level, ...)                                                              \
    do {                                                                                           \
        if (UNLIKELY(log_wants(&log_module_, level)) &&                                            \
            log_limit_pass((limit), &log_module_, level))                                          \
            log_write(&log_module_, level, __VA_ARGS__);                                           \
    } while (0)

#define log_emer(...) LOG_AT_(LOG_LEVEL_EMER, __VA_ARGS__)
#define log_err(...) LOG_AT_(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...) LOG_AT_(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) LOG_AT_(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_dbg(...) LOG_AT_(LOG_LEVEL_DBG, __VA_ARGS__)
#define log_err_rl(limit, ...) LOG_AT_RL_(limit, LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn_rl(limit, ...) LOG_AT_RL_(limit, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info_rl(limit, ...) LOG_AT_RL_(limit, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_dbg_rl(limit, ...) LOG_AT_RL_(limit, LOG_LEVEL_DBG, __VA_ARGS__)

void log_register(struct log_module *m); // from a constructor only

// The program's name, for syslog lines and as the log file's default; a literal or never freed.
void log_set_program(const char *name);

// Sets levels from a specification as ovs-appctl(8) describes for vlog/set: words parted by blanks,
// commas or colons, at most one each of a module, a facility (syslog, console, file), a level (off,
// emer, err, warn, info, dbg); "any" stands for all; case doesn't matter; a missing level, and an
// empty text, is dbg. "PATTERN:…" is refused with -EOPNOTSUPP, "FACILITY:name" sets the syslog
// facility. Errors: -EINVAL with a sentence, nothing changed.
int log_set(const char *spec, struct err *err);
// The table that vlog/list shows. The caller frees it.
char *log_list(void);
char *log_list_patterns(void);
// Rate limits of all modules, or of 'module', off or on (vlog/disable-rate-limit). -ENOENT.
int log_set_limits(const char *module, bool limited, struct err *err);

// Opens (creates, appends to) the log file and starts writing to it. Errors: those of open(2).
int log_open_file(const char *path, struct err *err);
// Closes and opens the same path again, after rotation; nothing to do without a log file.
int log_reopen(struct err *err);
void log_close(void);
// How lines reach syslog: "libc" (default), "null", "unix:PATH" or "udp:IP:PORT".
int log_set_syslog_method(const char *method, struct err *err);
// The console facility ends (a detached daemon has no standard error).
void log_close_console(void);
