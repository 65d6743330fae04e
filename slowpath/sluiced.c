// SPDX-License-Identifier: Apache-2.0
// sluiced: the slow-path daemon. Starts what config/ describes and runs the loop. Where everything lies, which thread does
// what and in which order things start and stop is in docs/architecture.md.
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "lib/base/dirs.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/rcu.h"
#include "lib/io/daemon.h"
#include "slowpath/config/switch.h"

LOG_MODULE(sluiced);

struct run {
    struct loop *loop;
    bool cleanup;
};

static void stop(void *aux, bool cleanup)
{
    struct run *run = aux;

    run->cleanup = cleanup;
    loop_stop(run->loop);
}

static void on_signal(int signo, void *arg)
{
    log_info("signal %d: exiting", signo);
    stop(arg, false);
}

static int serve(struct daemon *daemon, const char *target, struct err *err)
{
    struct run run = {.loop = loop_new()};
    struct control *control = NULL;
    struct sw *sw = NULL;
    int r;

    rcu_thread_join();
    struct loop_signal *term = loop_signal_new(run.loop, SIGTERM, on_signal, &run);
    struct loop_signal *intr = loop_signal_new(run.loop, SIGINT, on_signal, &run);
    r = daemon_control(daemon, run.loop, &control, err);
    if (!r)
        r = sw_open(run.loop, control, target, &sw, err);
    if (!r) {
        sw->stop = stop;
        sw->stop_aux = &run;
        daemon_ready(daemon);
        r = loop_run(run.loop);
    }
    sw_close(sw, run.cleanup);
    loop_signal_free(term);
    loop_signal_free(intr);
    daemon_free(daemon); // its control socket is on the loop
    loop_free(run.loop);
    rcu_flush();
    return r;
}

static char *database(int argc, char *argv[], int first)
{
    if (first < argc)
        return xstrdup(argv[first]);
    AUTO_FREE char *path = dirs_path(dirs_run(), "db.sock");
    return xasprintf("unix:%s", path);
}

int main(int argc, char *argv[])
{
    static const struct daemon_info info = {
        .program = "sluiced",
        .name = "ovs-vswitchd",
        .version = "ovs-vswitchd (Open vSwitch) 3.1.0\nsluiced (Sluice) " SLUICE_VERSION,
        .synopsis = "[OPTIONS] [DATABASE]",
        .about = "The switch. DATABASE is where its configuration lies, by default\nunix:/var/run/openvswitch/db.sock.",
    };
    struct daemon *daemon = daemon_new(&info);
    AUTO_ERR(err);
    int first, r;

    r = daemon_parse(daemon, argc, argv, NULL, NULL, NULL, &first, &err);
    if (!r && argc - first > 1)
        r = err_set(&err, -EINVAL, "at most one database may be named");
    if (r) {
        daemon_free(daemon);
        if (r == -ECANCELED)
            return 0;
        fprintf(stderr, "sluiced: %s\n", err_text(&err));
        return 1;
    }
    AUTO_FREE char *target = database(argc, argv, first);
    r = daemon_start(daemon, &err);
    if (!r) {
        r = serve(daemon, target, &err);
    } else {
        daemon_free(daemon);
    }
    if (r) {
        log_emer("%s", err_text(&err));
        fprintf(stderr, "sluiced: %s\n", err_text(&err));
    }
    return r ? 1 : 0;
}
