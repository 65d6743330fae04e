// SPDX-License-Identifier: Apache-2.0
// The commands that every daemon answers: version, the log's, the counters', and for tests the
// clock's.
//
// Names, arguments and texts are those of ovs-appctl(8), so that scripts written for it work. Runs
// in the loop's thread. A warp in steps is worked off one step per pass of the loop, so that what
// became due runs in between; the answer comes after the last step.
#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/counter.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/io/control_private.h"

struct control_std {
    struct loop *loop;
    char *version;
    struct loop_timer *tick;
    // A warp under way.
    struct control_call *warping;
    int64_t warp_left, warp_step;
};

static void cmd_version(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct control_std *s = aux;
    control_reply(call, s->version);
}

static void cmd_log_list(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    AUTO_FREE char *text = log_list();
    control_reply(call, text);
}

static void cmd_log_patterns(struct control_call *call, int argc, const char *const argv[],
                             void *aux)
{
    AUTO_FREE char *text = log_list_patterns();
    control_reply(call, text);
}

static void cmd_log_set(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    AUTO_ERR(err);
    // Without an argument everything goes to dbg, which is what an empty specification means.
    for (int i = 1; i < argc || i == 1; i++) {
        if (log_set(i < argc ? argv[i] : "", &err)) {
            control_reply_err(call, &err);
            return;
        }
    }
    control_reply(call, NULL);
}

static void cmd_log_close(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    log_close();
    control_reply(call, NULL);
}

static void cmd_log_reopen(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    AUTO_ERR(err);
    if (log_reopen(&err))
        control_reply_err(call, &err);
    else
        control_reply(call, NULL);
}

static void set_limits(struct control_call *call, int argc, const char *const argv[], bool limited)
{
    AUTO_ERR(err);
    for (int i = 1; i < argc || i == 1; i++) {
        if (log_set_limits(i < argc ? argv[i] : NULL, limited, &err)) {
            control_reply_err(call, &err);
            return;
        }
    }
    control_reply(call, NULL);
}

static void cmd_limits_on(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    set_limits(call, argc, argv, true);
}

static void cmd_limits_off(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    set_limits(call, argc, argv, false);
}

static void cmd_coverage(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    AUTO_FREE char *text = counter_show();
    control_reply(call, text);
}

static void cmd_counter(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    uint64_t total;
    if (!counter_read(argv[1], &total)) {
        control_reply_error(call, "No such counter");
        return;
    }
    AUTO_FREE char *text = xasprintf("%llu", (unsigned long long)total);
    control_reply(call, text);
}

static void cmd_time_stop(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    clock_stop();
    control_reply(call, NULL);
}

static void warp_some(void *arg)
{
    struct control_std *s = arg;
    int64_t step = MIN_OF(s->warp_step, s->warp_left);
    s->warp_left -= step;
    clock_warp(step);
    if (s->warp_left)
        loop_post(s->loop, warp_some, s);
    else
        control_reply(STEAL_PTR(s->warping), "warped");
}

// time/warp MSECS, or time/warp TOTAL STEP: as if TOTAL ms passed, STEP at a time.
static void cmd_time_warp(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct control_std *s = aux;
    uint32_t total, step;
    if (!str_to_u32(argv[1], 10, &total) || !str_to_u32(argv[argc - 1], 10, &step) || !total ||
        !step) {
        control_reply_error(call, "invalid MSECS");
        return;
    }
    if (s->warping) {
        control_reply_error(call, "another warp is under way");
        return;
    }
    s->warping = call;
    s->warp_left = total * NSEC_PER_MSEC;
    s->warp_step = step * NSEC_PER_MSEC;
    loop_post(s->loop, warp_some, s);
}

static void on_tick(void *arg)
{
    struct control_std *s = arg;
    counter_tick();
    loop_timer_after(s->tick, COUNTER_TICK);
}

static const struct {
    const char *name, *usage;
    unsigned min, max;
    control_fn *fn;
    bool for_tests;
} commands[] = {
    {"version", "", 0, 0, cmd_version, false},
    {"vlog/list", "", 0, 0, cmd_log_list, false},
    {"vlog/list-pattern", "", 0, 0, cmd_log_patterns, false},
    {"vlog/set", "{spec | PATTERN:destination:pattern}", 0, 1000, cmd_log_set, false},
    {"vlog/close", "", 0, 0, cmd_log_close, false},
    {"vlog/reopen", "", 0, 0, cmd_log_reopen, false},
    {"vlog/enable-rate-limit", "[module]...", 0, 1000, cmd_limits_on, false},
    {"vlog/disable-rate-limit", "[module]...", 0, 1000, cmd_limits_off, false},
    {"coverage/show", "", 0, 0, cmd_coverage, false},
    {"coverage/read-counter", "COUNTER", 1, 1, cmd_counter, false},
    {"time/stop", "", 0, 0, cmd_time_stop, true},
    {"time/warp", "[large_msecs] msecs", 1, 2, cmd_time_warp, true},
};

struct control_std *control_std_new(struct control *c, struct loop *loop, const char *version)
{
    struct control_std *s = NEW(struct control_std);
    s->loop = loop;
    s->version = xstrdup(version);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!commands[i].for_tests || clock_tests_enabled())
            control_register(c, commands[i].name, commands[i].usage, commands[i].min,
                             commands[i].max, commands[i].fn, s);
    }
    s->tick = loop_timer_new(loop, on_tick, s);
    loop_timer_after(s->tick, COUNTER_TICK);
    return s;
}

void control_std_free(struct control_std *s)
{
    if (!s)
        return;
    loop_unpost(s->loop, warp_some, s);
    if (s->warping)
        control_reply_error(s->warping, "the daemon ends");
    loop_timer_free(s->tick);
    free(s->version);
    free(s);
}
