// SPDX-License-Identifier: Apache-2.0
// What both daemons do alike at start and end: options in the field's form, directories, detaching,
// pid file, supervision, log, control socket. See ovs-vswitchd(8) and ovsdb-server(1).
//
// The order of a program:
//     daemon_new(), daemon_parse()      options
//     daemon_start()                    forks; before any thread, loop or lock exists
//     … loop, daemon_control(), own set-up …
//     daemon_ready()                    --detach: the shell gets its prompt back
//     loop_run() …
//     daemon_free()                     removes the pid file
// Thread: main only. daemon_start() blocks in the parent of --detach until daemon_ready(), and in
// the supervisor of --monitor for good; the rest doesn't block.
#pragma once

#include "lib/io/control.h"
#include "lib/io/stream.h"

struct daemon;

struct daemon_info {
    const char *program;  // what we call it: "sluiced"
    const char *name;     // what tools look for: "ovs-vswitchd"; pid file, .ctl and .log
    const char *version;  // lines that -V and the version command show
    const char *synopsis; // for --help: "[OPTIONS] [DATABASE]"
    const char *about;    // for --help: text before the options
};

// An option of the program's own. 'id' is given to the callback; a printable id is also its short
// form. arg: 0 none, 1 required, 2 optional.
struct daemon_option {
    const char *name;
    int id;
    int arg;
    const char *arg_name; // "FILE"
    const char *help;
};
// 'value' may be NULL. Returns 0 or a negative errno with a sentence, which ends daemon_parse().
typedef int daemon_option_fn(int id, const char *value, void *aux, struct err *err);

struct daemon *daemon_new(const struct daemon_info *info);
// Removes the pid file and closes the control socket. NULL is accepted.
void daemon_free(struct daemon *d);

// Parses argv. 'options' ends with a NULL name and may be NULL. *ret_first is the index of the
// first argument that is no option. Returns 0; -ECANCELED after --help or --version, which were
// printed: the program ends with 0; or -EINVAL with a sentence.
int daemon_parse(struct daemon *d, int argc, char *argv[], const struct daemon_option *options,
                 daemon_option_fn *fn, void *aux, int *ret_first, struct err *err);

// Log file, --detach, --monitor, pid file, --user, TLS identity (if -p, -c, -C were all given).
// Returns in the process that goes on. -EALREADY: a live process owns the pid file (its number in
// the sentence).
int daemon_start(struct daemon *d, struct err *err);
// Opens the control socket (--unixctl, or NAME.PID.ctl in dirs_run(); "none" opens none and returns
// 0 with *ret NULL) with the standard commands. Owned by 'd'.
int daemon_control(struct daemon *d, struct loop *loop, struct control **ret_control,
                   struct err *err);
// Initialisation is done: the parent of --detach ends with 0. If the process ends without it, the
// parent ends with 1 and says so.
void daemon_ready(struct daemon *d);

// -p, -c, -C and their like as they were given; members NULL where not. Values that begin with
// "db:" name database columns: daemon_start() leaves them, and with them the whole identity, to the
// program.
const struct stream_tls *daemon_tls(const struct daemon *d);
bool daemon_tests_allowed(const struct daemon *d); // --allow-time-commands was given
bool daemon_detached(const struct daemon *d);
