// SPDX-License-Identifier: Apache-2.0
//
// sluice-ovsdb [OPTIONS] [FILE]...: serves OVSDB files to clients. It answers to the name
// ovsdb-server: pid file, control socket and log are where the field's tools look for them.
//
// Start: options, daemon, databases (a missing file is created with the Open_vSwitch schema), then
// remotes, so that nobody is served before all is loaded. One thread, one loop.

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/dirs.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/io/daemon.h"
#include "ovsdb/server/commands.h"
#include "ovsdb/server/file.h"
#include "ovsdb/server/remote.h"
#include "ovsdb/server/server.h"

LOG_MODULE(ovsdb_main);

enum { OPT_REMOTE = 256, LAST_PASSES = 3 };

static const struct daemon_option options[] = {
    {"remote", OPT_REMOTE, 1, "REMOTE",
     "listen or connect to REMOTE: punix:FILE, ptcp:[PORT][:IP], pssl:[PORT][:IP], unix:, tcp:, "
     "ssl:, or db:DB,TABLE,COLUMN"},
    {NULL, 0, 0, NULL, NULL},
};

struct args {
    const char **remotes;
    unsigned n_remotes;
};

static int parse_option(int id, const char *value, void *args_, struct err *err)
{
    struct args *args = args_;

    args->remotes = xreallocarray(args->remotes, args->n_remotes + 1, sizeof *args->remotes);
    args->remotes[args->n_remotes++] = value;
    return 0;
}

static int open_db(struct ovsdb_server *server, const char *path, struct err *err)
{
    struct ovsdb_file_report report;
    struct ovsdb_db *db;

    if (access(path, F_OK) < 0 && errno == ENOENT) {
        int r = ovsdb_file_create(path, ovsdb_vswitch_schema_text, ovsdb_vswitch_schema_len, err);
        if (r < 0 && r != -EEXIST)
            return r;
        log_info("%s: created with the Open_vSwitch schema", path);
    }
    int r = ovsdb_file_open(path, &db, &report, err);
    if (!r) {
        log_info("%s: loaded %u records", path, report.n_records);
        if (report.damage)
            log_warn("%s; the file ends there for us and is cut off at the next write",
                     report.damage);
        if (report.rescue)
            log_warn("%s: what is cut off seems to hold more records and was copied to %s", path,
                     report.rescue);
        r = ovsdb_server_add_db(server, db, err);
    }
    ovsdb_file_report_done(&report);
    return r;
}

static int open_all(struct ovsdb_server *server, const struct args *args, char *const files[],
                    struct err *err)
{
    int r = 0;

    if (!*files) {
        AUTO_FREE char *path = dirs_path(dirs_db(), "conf.db");
        r = open_db(server, path, err);
    }
    for (; *files && !r; files++)
        r = open_db(server, *files, err);
    for (unsigned i = 0; i < args->n_remotes && !r; i++) {
        r = ovsdb_remotes_add(server, args->remotes[i], err);
        if (r == -EEXIST)
            r = 0;
    }
    return r;
}

static void on_signal(int signo, void *loop)
{
    log_info("ending on signal %d", signo);
    loop_stop(loop);
}

static int serve(struct daemon *daemon, const struct args *args, char *const files[],
                 struct err *err)
{
    struct loop *loop = loop_new();
    struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_signal, loop);
    struct loop_signal *intr = loop_signal_new(loop, SIGINT, on_signal, loop);
    struct ovsdb_server *server = ovsdb_server_new(loop);
    struct control *control;

    int r = open_all(server, args, files, err);
    if (!r)
        r = daemon_control(daemon, loop, &control, err);
    if (!r) {
        ovsdb_commands_register(control, server);
        daemon_ready(daemon);
        log_info("sluice-ovsdb %s", SLUICE_VERSION);
        loop_run(loop);
    }
    ovsdb_server_free(server);
    daemon_free(daemon);
    for (int i = 0; i < LAST_PASSES; i++) // the answer to "exit" is still on its way
        loop_once(loop, false);
    loop_signal_free(term);
    loop_signal_free(intr);
    loop_free(loop);
    return r;
}

// A daemon leaves the directory that its arguments are relative to. They live as long as the
// process.
static int make_absolute(char *files[], struct err *err)
{
    AUTO_FREE char *cwd = getcwd(NULL, 0);

    for (; *files; files++) {
        if (**files == '/')
            continue;
        if (!cwd)
            return err_set(err, -ENOENT, "%s: the current directory is unknown", *files);
        *files = dirs_path(cwd, *files);
    }
    return 0;
}

int main(int argc, char *argv[])
{
    static const struct daemon_info info = {
        .program = "sluice-ovsdb",
        .name = "ovsdb-server",
        .version = "ovsdb-server (Open vSwitch) 3.1.0\nsluice-ovsdb " SLUICE_VERSION,
        .synopsis = "[OPTIONS] [FILE]...",
        .about = "Serves OVSDB databases. A missing FILE is created with the Open_vSwitch schema;\n"
                 "without any FILE it is conf.db in the database directory.",
    };
    struct daemon *daemon = daemon_new(&info);
    struct args args = {0};
    AUTO_ERR(err);
    int first;

    int r = daemon_parse(daemon, argc, argv, options, parse_option, &args, &first, &err);
    if (!r)
        r = make_absolute(argv + first, &err);
    if (!r)
        r = daemon_start(daemon, &err);
    if (!r)
        r = serve(daemon, &args, argv + first, &err);
    else
        daemon_free(daemon);
    free(args.remotes);
    if (r && r != -ECANCELED) {
        log_emer("%s", err_text(&err));
        fprintf(stderr, "sluice-ovsdb: %s\n", err_text(&err));
        return 1;
    }
    return 0;
}
