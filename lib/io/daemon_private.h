// SPDX-License-Identifier: Apache-2.0
// What the files of the daemon's start share: options (daemon_options.c), processes (daemon.c), the
// pid file (pidfile.c), users (daemon_user.c). Not for others.
#pragma once

#include <sys/types.h>

#include "lib/io/daemon.h"

struct daemon {
    struct daemon_info info;

    // Options. Texts are owned.
    char *pid_file; // absolute; NULL: none
    bool overwrite_pid_file;
    bool detach, monitor, no_chdir, allow_tests;
    char *user;     // "user:group"
    char *log_file; // absolute; NULL: none
    char *unixctl;
    struct stream_tls tls;

    // State.
    int pid_file_fd; // holds the lock; -1: none
    int ready_fd;    // the parent of --detach waits on its other end; -1: nobody does
    struct control *control;
};

// Creates the pid file of this process and locks it; the descriptor must stay open.
int pidfile_create(const char *path, bool overwrite, int *ret_fd, struct err *err);
// -EALREADY if a live process holds the file.
int pidfile_check(const char *path, struct err *err);

// Becomes "user", "user:group" or ":group", keeping the capabilities that a datapath needs, after
// giving it 'log_file' (may be NULL).
int daemon_become_user(const char *user, const char *log_file, struct err *err);
