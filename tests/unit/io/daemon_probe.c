// SPDX-License-Identifier: Apache-2.0
// A daemon that does nothing but be one: tests/net/control_test.py starts it in every way that the
// common options offer and talks to it with the unmodified ovs-appctl.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/counter.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/io/daemon.h"

LOG_MODULE(probe);
COUNTER_DEFINE(probe_commands);

enum { OPT_FAIL = 1000, OPT_WORD };

static const struct daemon_option options[] = {
    {"fail", OPT_FAIL, 0, NULL, "fail after the start"},
    {"word", OPT_WORD, 1, "WORD", "a word that the command \"word\" answers"},
    {"xray", 'x', 0, NULL, "has a short form"},
    {NULL, 0, 0, NULL, NULL},
};

static bool fails;
static char word[32] = "none";

static int take_option(int id, const char *value, void *aux, struct err *err)
{
    if (id == OPT_FAIL)
        fails = true;
    else if (id == OPT_WORD && strlen(value) >= sizeof(word))
        return err_set(err, -EINVAL, "--word: %s is too long", value);
    else
        snprintf(word, sizeof(word), "%s", id == 'x' ? "xray" : value);
    return 0;
}

static void cmd_word(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    char here[256];
    counter_inc(probe_commands);
    AUTO_FREE char *text =
        xasprintf("%s uid=%d in %s", word, (int)getuid(), getcwd(here, sizeof(here)));
    control_reply(call, text);
}

static void cmd_crash(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    signal(SIGSEGV, SIG_DFL); // without a sanitizer's report
    raise(SIGSEGV);
}

static void cmd_exit(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    control_reply(call, NULL);
    loop_stop(aux);
}

static void on_signal(int signo, void *arg)
{
    log_info("terminating on signal %d", signo);
    loop_stop(arg);
}

static int serve(struct daemon *d, struct loop *loop, struct err *err)
{
    struct control *control;
    int error = daemon_control(d, loop, &control, err);
    if (!error && fails)
        error = err_set(err, -EIO, "asked to fail");
    if (error)
        return error;
    if (control) {
        control_register(control, "word", "", 0, 0, cmd_word, NULL);
        control_register(control, "crash", "", 0, 0, cmd_crash, NULL);
        control_register(control, "exit", "", 0, 0, cmd_exit, loop);
    }
    struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_signal, loop);
    log_info("ready");
    daemon_ready(d);
    loop_run(loop);
    loop_signal_free(term);
    return 0;
}

int main(int argc, char *argv[])
{
    static const struct daemon_info info = {
        .program = "daemon_probe",
        .name = "ovs-probe",
        .version = "ovs-probe (Open vSwitch) 3.1.0\nprobe 1",
        .synopsis = "[OPTIONS]",
        .about = "a daemon for tests",
    };
    AUTO_ERR(err);
    struct daemon *d = daemon_new(&info);
    int first;
    int error = daemon_parse(d, argc, argv, options, take_option, NULL, &first, &err);
    if (!error && first < argc)
        error = err_set(&err, -EINVAL, "%s: no arguments are taken", argv[first]);
    if (!error) {
        struct loop *loop = NULL;
        // The loop is made after the forks.
        error = daemon_start(d, &err);
        if (!error)
            loop = loop_new();
        if (!error)
            error = serve(d, loop, &err);
        daemon_free(STEAL_PTR(d));
        loop_free(loop);
    }
    daemon_free(d);
    if (error && error != -ECANCELED) {
        fprintf(stderr, "daemon_probe: %s\n", err_text(&err));
        return 1;
    }
    return 0;
}
