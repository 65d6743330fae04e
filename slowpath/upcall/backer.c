// SPDX-License-Identifier: Apache-2.0
// A backer as a whole: creation, end, ports, limits, statistics.
//
// Order of creation: the datapath's leftovers are swept, offload starts, keepers and handlers are
// made, the pipelines learn of the observer, threads start. The end goes the other way: handlers
// stop (no more births), keepers stop (no more changes), inserters stop, and only then are
// megaflows, tiers and memory let go. A hung inserter may still touch megaflows: then they are left
// to the process's end.
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/str.h"
#include "slowpath/upcall/private.h"

LOG_MODULE(upcall);

static void changed(void *aux, const dep_t *deps, size_t n)
{
    struct backer *b = aux;
    for (unsigned i = 0; i < b->n_keepers; i++)
        keeper_changed(&b->keepers[i], deps, n);
}

static void counter_lag_set(struct backer *b)
{
    // A counter waits for two rounds at most: the hardware readers' and the keepers'.
    int64_t lag = 2 * (int64_t)atomic_load(&b->max_revalidator_ms) * NSEC_PER_MSEC;
    pipelines_set_counter_lag(b->pipelines, lag + (b->n_hardware ? 1 : 0) * NSEC_PER_SEC);
}

static void defaults_set(struct backer *b)
{
    unsigned cpus = thread_cpu_count();
    b->n_handlers = b->options.n_handlers ? b->options.n_handlers : cpus;
    b->n_keepers = b->options.n_keepers ? b->options.n_keepers
                   : cpus > 1           ? MAX_OF(cpus / 4, 2u)
                                        : 1;
    b->n_keepers = MIN_OF(b->n_keepers, (unsigned)KEEPERS_MAX);
    b->max_idle_ms = 10000;
    b->flow_limit = 200000;
    b->max_revalidator_ms = 500;
    b->slow_rate = 20000;
}

// The software tier's side: leftovers go, channels for main, handlers and keepers.
static int software_prepare(struct backer *b, struct err *err)
{
    const struct tier_ops *ops = b->software->ops;
    int error = ops->channel_open(b->software, &b->channel, err);
    if (error < 0)
        return error;
    error = place_sweep(b->channel, b->options.instance);
    if (error < 0)
        return err_set_errno(err, error, "cannot remove old flows of %s", ops->name);
    for (unsigned i = 0; i < b->n_handlers; i++) {
        error = ops->channel_open(b->software, &b->handlers[i].channel, err);
        if (error < 0)
            return error;
    }
    for (unsigned i = 0; i < b->n_keepers; i++) {
        error = ops->channel_open(b->software, &b->keepers[i].channel, err);
        if (error < 0)
            return error;
    }
    return b->datapath->ops->handlers_set(b->datapath, b->n_handlers, err);
}

static void channels_close(struct backer *b)
{
    const struct tier_ops *ops = b->software->ops;
    for (unsigned i = 0; i < b->n_handlers; i++)
        ops->channel_close(b->handlers[i].channel);
    for (unsigned i = 0; i < b->n_keepers; i++)
        ops->channel_close(b->keepers[i].channel);
    ops->channel_close(b->channel);
}

static void memory_free(struct backer *b)
{
    store_free(b->store);
    pthread_mutex_destroy(&b->refresh_lock);
    pthread_cond_destroy(&b->refresh_cond);
    free(b->handlers);
    free(b->keepers);
    free(b->hardware);
    free(b);
}

static void threads_stop(struct backer *b)
{
    struct datapath *d = b->datapath;
    atomic_store(&b->stopping, true);
    for (unsigned i = 0; i < b->n_handlers; i++) {
        if (b->handlers[i].thread)
            d->ops->upcall_wake(d, i);
    }
    for (unsigned i = 0; i < b->n_handlers; i++)
        thread_join(STEAL_PTR(b->handlers[i].thread));
    for (unsigned i = 0; i < b->n_keepers; i++) {
        struct keeper *k = &b->keepers[i];
        pthread_mutex_lock(&k->lock);
        k->stop = true;
        pthread_cond_signal(&k->cond);
        pthread_mutex_unlock(&k->lock);
    }
    for (unsigned i = 0; i < b->n_keepers; i++)
        thread_join(STEAL_PTR(b->keepers[i].thread));
}

static int threads_start(struct backer *b, struct err *err)
{
    char name[32];
    int error = 0;
    for (unsigned i = 0; i < b->n_keepers && !error; i++) {
        snprintf(name, sizeof(name), "keeper%u", i);
        error = thread_start(&b->keepers[i].thread, name, keeper_main, &b->keepers[i], err);
    }
    for (unsigned i = 0; i < b->n_handlers && !error; i++) {
        snprintf(name, sizeof(name), "handler%u", i);
        error = thread_start(&b->handlers[i].thread, name, handler_main, &b->handlers[i], err);
    }
    return error;
}

// Everything but the tiers. False: a hung thread keeps megaflows and hardware tiers from being let
// go.
static bool unmake(struct backer *b)
{
    struct dep_observer none = {NULL, NULL};
    threads_stop(b);
    refresh_flush(b);
    pipelines_set_observer(b->pipelines, &none);
    pipeline_set_refresh_hook(b->pipelines, NULL, NULL);
    bool clean = !b->offload || offload_stop(b->offload);
    if (!clean)
        return false;
    for (unsigned i = 0; i < b->n_keepers && b->offload; i++)
        keeper_done(&b->keepers[i]);
    channels_close(b);
    offload_free(b->offload);
    return true;
}

int backer_create(struct pipelines *pipelines, struct datapath *datapath,
                  struct tier *const *hardware, size_t n_hardware,
                  const struct backer_options *options, struct backer **ret_backer, struct err *err)
{
    struct backer *b = NEW(struct backer);
    b->pipelines = pipelines;
    b->datapath = datapath;
    b->software = datapath->tier;
    b->n_hardware = n_hardware;
    b->hardware = xmemdup(n_hardware ? hardware : &datapath->tier,
                          (n_hardware ? n_hardware : 1) * sizeof(*hardware));
    b->options = *options;
    defaults_set(b);
    b->handlers = NEW_ARRAY(struct handler, b->n_handlers);
    b->keepers = NEW_ARRAY(struct keeper, b->n_keepers);
    b->store = store_new();
    pthread_mutex_init(&b->refresh_lock, NULL);
    clock_cond_init(&b->refresh_cond);
    struct offload_options oo = {.instance = options->instance,
                                 .hang_ms = options->hang_ms,
                                 .queue_max = options->queue_max,
                                 .manual = options->manual};
    int error = software_prepare(b, err);
    if (!error)
        error = offload_create(b->software, hardware, n_hardware, &oo, &b->offload, err);
    if (error) {
        channels_close(b);
        memory_free(b);
        return error;
    }
    for (unsigned i = 0; i < b->n_handlers; i++) {
        b->handlers[i].backer = b;
        b->handlers[i].id = i;
    }
    for (unsigned i = 0; i < b->n_keepers; i++)
        keeper_init(&b->keepers[i], b, i);
    struct dep_observer observer = {changed, b};
    pipelines_set_observer(pipelines, &observer);
    pipeline_set_refresh_hook(pipelines, refresh_hook, b);
    counter_lag_set(b);
    error = options->manual ? 0 : threads_start(b, err);
    if (error) {
        unmake(b);
        memory_free(b);
        return error;
    }
    *ret_backer = b;
    return 0;
}

void backer_close(struct backer *b, bool keep_flows)
{
    if (!b)
        return;
    bool clean = unmake(b);
    for (size_t i = 0; i < b->n_hardware && clean; i++)
        b->hardware[i]->ops->close(b->hardware[i], keep_flows);
    b->datapath->ops->close(b->datapath, keep_flows);
    if (clean)
        memory_free(b);
    else
        log_warn("a hardware tier doesn't answer and is left as it is");
}

struct datapath *backer_datapath(struct backer *b)
{
    return b->datapath;
}

struct offload *backer_offload(struct backer *b)
{
    return b->offload;
}

void backer_port_adopt(struct backer *b, const struct dp_port_info *info)
{
    struct tier_port port = {.dp_port = info->number, .name = info->name, .ifindex = info->ifindex};

    if (info->type != DP_PORT_SYSTEM)
        return; // made by the datapath itself: no NIC has it
    offload_port_attach(b->offload, &port);
}

int backer_port_add(struct backer *b, const char *name, enum dp_port_type type, dp_port_t *number,
                    struct err *err)
{
    int error = b->datapath->ops->port_add(b->datapath, name, type, number, err);
    if (error < 0)
        return error;
    struct dp_port_info info = {
        .number = *number, .type = type, .ifindex = (int)if_nametoindex(name)};
    str_copy(info.name, sizeof(info.name), name);
    backer_port_adopt(b, &info);
    return 0;
}

int backer_port_del(struct backer *b, dp_port_t number, struct err *err)
{
    offload_port_detach(b->offload, number);
    return b->datapath->ops->port_del(b->datapath, number, err);
}

int backer_execute(struct backer *b, struct packet *p, const struct flow_key *key,
                   const struct act_list *actions, struct err *err)
{
    return b->datapath->ops->execute(b->channel, p, key, actions, err);
}

void backer_set_hw_offload(struct backer *b, bool on)
{
    offload_set_policy(b->offload, on ? PLACE_ALL : PLACE_OFF);
    backer_round(b);
}

void backer_set_max_idle(struct backer *b, unsigned ms)
{
    atomic_store(&b->max_idle_ms, ms);
}

void backer_set_flow_limit(struct backer *b, unsigned n)
{
    atomic_store(&b->flow_limit, n);
}

void backer_set_max_revalidator(struct backer *b, unsigned ms)
{
    atomic_store(&b->max_revalidator_ms, MAX_OF(ms, 1u));
    counter_lag_set(b);
    backer_round(b);
}

void backer_set_slow_rate(struct backer *b, unsigned per_second)
{
    atomic_store(&b->slow_rate, per_second);
}

void backer_round(struct backer *b)
{
    for (unsigned i = 0; i < b->n_keepers; i++)
        keeper_ask_round(&b->keepers[i]);
}

void backer_revalidate(struct backer *b)
{
    for (unsigned i = 0; i < b->n_keepers; i++) {
        struct keeper *k = &b->keepers[i];
        pthread_mutex_lock(&k->lock);
        k->all_dirty = k->woken = true;
        k->n_keys = 0;
        pthread_cond_signal(&k->cond);
        pthread_mutex_unlock(&k->lock);
    }
}
