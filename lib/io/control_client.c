// SPDX-License-Identifier: Apache-2.0
// The control socket's client side, for our own commands.
//
// Finds a daemon's socket as ovs-appctl(8) does and runs one command in a loop of its own, so it
// blocks and is not for daemons. Any thread that has no loop running.
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/dirs.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/io/control.h"
#include "lib/io/jsonrpc.h"

static int read_pid(const char *path, pid_t *ret_pid, struct err *err)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return err_set_errno(err, -errno, "cannot read pidfile %s", path);
    char line[32] = "";
    char *got = fgets(line, sizeof(line), f);
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    uint64_t pid;
    if (!got || !str_to_u64(line, 10, INT32_MAX, &pid) || !pid)
        return err_set(err, -ESRCH, "pidfile %s doesn't hold a process id", path);
    if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
        return err_set(err, -ESRCH, "pidfile %s is stale: no process %d", path, (int)pid);
    *ret_pid = (pid_t)pid;
    return 0;
}

int control_find(const char *target, char **ret_path, struct err *err)
{
    if (*target == '/') {
        *ret_path = xstrdup(target);
        return 0;
    }
    AUTO_FREE char *pid_file = xasprintf("%s/%s.pid", dirs_run(), target);
    pid_t pid = 0;
    int error = read_pid(pid_file, &pid, err);
    if (error)
        return error;
    *ret_path = xasprintf("%s/%s.%d.ctl", dirs_run(), target, (int)pid);
    return 0;
}

struct exchange {
    bool done;
    int error;
    char *text;
    struct err why;
};

static void on_message(struct jsonrpc *rpc, struct jsonrpc_msg *m, void *arg)
{
    struct exchange *x = arg;
    const char *text = json_string_value(m->type == JSONRPC_REPLY ? m->result : m->error);
    x->done = true;
    if (m->type == JSONRPC_REPLY && text) {
        x->text = xstrdup(text);
    } else if (m->type == JSONRPC_ERROR && text) {
        AUTO_FREE char *line = xstrdup(text);
        size_t n = strlen(line);
        if (n && line[n - 1] == '\n')
            line[n - 1] = '\0';
        x->error = err_set(&x->why, -EREMOTEIO, "%s", line);
    } else {
        x->error = err_set(&x->why, -EPROTO, "the daemon's answer is not text");
    }
}

static void on_closed(struct jsonrpc *rpc, const struct err *err, void *arg)
{
    struct exchange *x = arg;
    if (x->done)
        return;
    x->done = true;
    x->why = err_clone(err);
    x->error =
        err->code ? err->code : err_set(&x->why, -ECONNRESET, "the daemon closed the connection");
}

static bool is_done(void *arg)
{
    return ((struct exchange *)arg)->done;
}

// One request and its answer over 'rpc'.
static int exchange(struct loop *loop, struct jsonrpc *rpc, struct exchange *x, const char *command,
                    int argc, const char *const argv[], int64_t timeout, struct err *err)
{
    json_t *params = json_array();
    for (int i = 0; i < argc; i++)
        json_array_append_new(params, json_string(argv[i]));
    jsonrpc_request(rpc, command, params, NULL);
    if (loop_until(loop, is_done, x, timeout ? timeout : INT32_MAX * NSEC_PER_SEC))
        return err_set(err, -ETIMEDOUT, "no answer to %s for %lld ms", command,
                       (long long)(timeout / NSEC_PER_MSEC));
    return x->error ? err_move(err, &x->why) : 0;
}

int control_call(const char *target, const char *command, int argc, const char *const argv[],
                 int64_t timeout, char **ret_text, struct err *err)
{
    static const struct jsonrpc_cb callbacks = {.message = on_message, .closed = on_closed};
    AUTO_FREE char *path = NULL, *name = NULL;
    int error = control_find(target, &path, err);
    if (error)
        return error;
    struct loop *loop = loop_new();
    if (!loop)
        return err_set(err, -EMFILE, "no descriptors left");
    name = xasprintf("unix:%s", path);
    struct stream *s;
    struct exchange x = {.why = ERR_INIT};
    error = stream_connect(loop, name, 0, NULL, NULL, &s, err);
    if (!error) {
        struct jsonrpc *rpc = jsonrpc_new(loop, s, &callbacks, &x, NULL);
        error = exchange(loop, rpc, &x, command, argc, argv, timeout, err);
        jsonrpc_free(rpc);
    }
    if (!error)
        *ret_text = STEAL_PTR(x.text);
    free(x.text);
    err_done(&x.why);
    loop_free(loop);
    return error;
}
