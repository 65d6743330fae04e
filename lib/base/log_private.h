// SPDX-License-Identifier: Apache-2.0
// What log.c (writing lines) and log_set.c (levels and methods) share. Not for others.
#pragma once

#include "lib/base/log.h"

enum log_syslog_method { LOG_SYSLOG_LIBC, LOG_SYSLOG_NULL, LOG_SYSLOG_SOCKET };

struct log_state {
    pthread_mutex_t lock;       // guards all below; module levels are written under it too
    struct log_module *modules; // complete before main()
    const char *program;
    bool console_open;
    int file;        // -1: not open
    char *file_path; // kept when the file is closed, for log_reopen()
    enum log_syslog_method syslog_method;
    int syslog_socket;   // for LOG_SYSLOG_SOCKET
    int syslog_facility; // LOG_DAEMON …, as syslog(3)
};
extern struct log_state log_state;

// Under the lock: recompute what modules want after levels or facilities changed.
void log_module_refresh(struct log_module *m);
void log_refresh_all(void);
const char *log_level_name(enum log_level level);
