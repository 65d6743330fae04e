// SPDX-License-Identifier: Apache-2.0
// One datapath type with all that stands on it: the software datapath, the hardware tiers above, the pipelines of its
// bridges and the backer that joins them. A stack is made for the first bridge that needs it. Main thread.
#include "slowpath/config/commands.h"

#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "drivers/nicsim/inproc/inproc.h"
#include "drivers/tc/tc.h"
#include "kdp/client/kdp.h"
#include "slowpath/softdp/softdp.h"

LOG_MODULE(stack);

#define UFID_INSTANCE 0
#define SIMULATED_CACHE_AGE_MS 1000 // as a ConnectX

const char *const stack_types[] = {"system", "netdev", NULL};

// What a type brings: a datapath and perhaps a hardware tier.
struct parts {
    struct datapath *dp;
    struct tier *hardware[1];
    size_t n_hardware;
    const char *hardware_name;
};

static int netdev_parts(struct sw *sw, struct parts *ret, struct err *err)
{
    struct softdp_config config = {0};
    struct nicsim_inproc_config nic = {.cache_age_ms = SIMULATED_CACHE_AGE_MS};
    int r = softdp_open(&config, &ret->dp, err);

    ret->hardware_name = "none";
    if (r || !sw->simulated_nic)
        return r;
    r = nicsim_inproc_open(&nic, &ret->hardware[0], err);
    if (r) {
        ret->dp->ops->close(ret->dp, false);
        return r;
    }
    softdp_set_nic(ret->dp, &(struct softdp_nic){nicsim_inproc_rx, ret->hardware[0]});
    ret->n_hardware = 1;
    ret->hardware_name = "simulated";
    return 0;
}

static int system_parts(struct sw *sw, struct parts *ret, struct err *err)
{
    struct kdp_config kdp = {0};
    struct tc_config tc = {.instance = UFID_INSTANCE};
    int r = kdp_open(&kdp, &ret->dp, err);

    if (r)
        return r;
    if (sw->tc_policy && !strcmp(sw->tc_policy, "skip_hw"))
        tc.policy = TC_POLICY_SKIP_HW;
    r = tc_open(&tc, &ret->hardware[0], err);
    if (r) {
        ret->dp->ops->close(ret->dp, true);
        return r;
    }
    ret->n_hardware = 1;
    ret->hardware_name = "tc";
    return 0;
}

static const struct {
    const char *type;
    int (*parts)(struct sw *, struct parts *ret, struct err *);
} makers[] = {{"system", system_parts}, {"netdev", netdev_parts}};

static void packet_in(void *aux, struct xlate_packet_in *in)
{
    bridge_packet_in(aux, in);
}

static void post(void *aux, void (*fn)(void *arg), void *arg)
{
    struct stack *stack = aux;

    loop_post(stack->sw->loop, fn, arg);
}

static void run_pipelines(void *aux)
{
    struct stack *stack = aux;

    loop_timer_at(stack->timer, pipelines_run(stack->pipelines, clock_now()));
}

static void close_parts(struct parts *parts)
{
    for (size_t i = 0; i < parts->n_hardware; i++)
        parts->hardware[i]->ops->close(parts->hardware[i], false);
    parts->dp->ops->close(parts->dp, false);
}

static int stack_new(struct sw *sw, unsigned index, struct stack **ret, struct err *err)
{
    struct parts parts = {0};
    int r = makers[index].parts(sw, &parts, err);

    if (r)
        return r;
    struct stack *stack = NEW(struct stack);
    struct backer_options options = {
        .instance = UFID_INSTANCE, .packet_in = packet_in, .post = post, .aux = stack};

    stack->sw = sw;
    stack->type = makers[index].type;
    stack->dp = parts.dp;
    stack->hardware = parts.hardware_name;
    stack->pipelines = pipelines_new();
    r = backer_create(stack->pipelines, parts.dp, parts.hardware, parts.n_hardware, &options, &stack->backer, err);
    if (r) {
        close_parts(&parts);
        pipelines_free(stack->pipelines);
        free(stack);
        return r;
    }
    stack->timer = loop_timer_new(sw->loop, run_pipelines, stack);
    loop_timer_after(stack->timer, NSEC_PER_SEC);
    log_info("datapath type %s is in use, hardware: %s", stack->type, stack->hardware);
    *ret = stack;
    return 0;
}

static int stack_get(struct sw *sw, unsigned index, struct err *err)
{
    return sw->stacks[index] ? 0 : stack_new(sw, index, &sw->stacks[index], err);
}

struct stack *stack_for(struct sw *sw, const char *datapath_type, struct err *err)
{
    AUTO_ERR(why);

    for (unsigned i = 0; i < ARRAY_SIZE(makers); i++) {
        if (*datapath_type ? !strcmp(datapath_type, makers[i].type) : true) {
            if (!stack_get(sw, i, *datapath_type ? err : &why))
                return sw->stacks[i];
            if (*datapath_type)
                return NULL;
            free(sw->fallback_reason);
            sw->fallback_reason = xstrdup(err_text(&why));
            log_info("datapath type %s is not used: %s", makers[i].type, err_text(&why));
        }
    }
    err_set(err, -EINVAL, "unknown datapath type %s", datapath_type);
    return NULL;
}

// --- Ports that an earlier process left in a kernel datapath ---

#define DATAPATH_OWN_PORT 0 // the device that stands for the datapath itself

struct leftovers {
    const struct sw *sw;
    const struct stack *stack;
    size_t n, allocated;
    struct dp_port_info *ports;
};

static bool in_use(const struct leftovers *l, dp_port_t number)
{
    for (const struct bridge *b = l->sw->bridges; b; b = b->hh.next) {
        for (const struct iface *i = b->stack == l->stack ? b->ifaces : NULL; i; i = i->hh.next) {
            if (i->dp_port == number)
                return true;
        }
    }
    return false;
}

static void find_leftover(void *aux, const struct dp_port_info *info)
{
    struct leftovers *l = aux;

    if (info->number == DATAPATH_OWN_PORT || in_use(l, info->number))
        return;
    GROW_ARRAY(l->ports, l->allocated, l->n + 1);
    l->ports[l->n++] = *info;
}

void stack_drop_leftovers(struct stack *stack)
{
    struct leftovers l = {.sw = stack->sw, .stack = stack};

    stack->dp->ops->port_dump(stack->dp, find_leftover, &l);
    for (size_t i = 0; i < l.n; i++) {
        AUTO_ERR(err);

        if (backer_port_del(stack->backer, l.ports[i].number, &err))
            log_warn("removing %s, which an earlier process left: %s", l.ports[i].name, err_text(&err));
        else
            log_info("removed %s, which an earlier process left in the datapath", l.ports[i].name);
    }
    free(l.ports);
}

void stack_stop(struct stack *stack, bool keep)
{
    if (!stack || !stack->backer)
        return;
    dumps_forget_stack(stack->sw, stack);
    loop_timer_free(stack->timer);
    if (!strcmp(stack->hardware, "simulated"))
        softdp_set_nic(stack->dp, NULL); // before its tier goes
    backer_close(stack->backer, keep);
    stack->backer = NULL;
    stack->dp = NULL;
}

void stack_free(struct stack *stack)
{
    if (!stack)
        return;
    stack_stop(stack, false);
    pipelines_free(stack->pipelines);
    free(stack);
}

void stack_apply_settings(struct stack *stack, const struct conf *conf)
{
    backer_set_hw_offload(stack->backer, conf->hw_offload);
    backer_set_max_idle(stack->backer, conf->max_idle_ms);
    backer_set_flow_limit(stack->backer, conf->flow_limit);
    backer_set_max_revalidator(stack->backer, conf->max_revalidator_ms);
}
