// SPDX-License-Identifier: Apache-2.0
// The OpenFlow agent of one bridge: what it listens on, whom it connects to, who hears of what
// happens.
//
// Owns listeners, controllers (controller.c) and connections (conn.c). Told of flows by the
// pipeline's events, of ports by the bridge's owner, of packets by handlers (packet_in.c). Loop's
// thread.

#include "slowpath/openflow/connmgr.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "slowpath/openflow/controller.h"
#include "slowpath/openflow/flow_change.h"
#include "slowpath/pipeline/pipeline.h"

struct connmgr *connmgr_new(struct loop *loop, struct pipeline *pipeline,
                            const struct of_bridge_ops *ops, void *aux)
{
    struct connmgr *mgr = xcalloc(1, sizeof(*mgr));
    mgr->loop = loop;
    mgr->pipeline = pipeline;
    mgr->ops = ops;
    mgr->aux = aux;
    mgr->versions = OF_VERSIONS_OFFERED;
    mgr->packet_ins = packet_in_queue_new(mgr);
    struct pipeline_events events = {.rule = connmgr_rule_event, .aux = mgr};
    pipeline_set_events(pipeline, &events);
    return mgr;
}

static void run_status_hook(void *arg)
{
    struct connmgr *mgr = arg;
    if (mgr->status_fn)
        mgr->status_fn(mgr->status_aux);
}

void connmgr_free(struct connmgr *mgr)
{
    if (!mgr)
        return;
    pipeline_set_events(mgr->pipeline, NULL);
    for (size_t i = 0; i < mgr->n_listeners; i++)
        listener_free(mgr->listeners[i]);
    free(mgr->listeners);
    while (mgr->controllers) {
        struct of_controller *ctl = mgr->controllers;
        DL_DELETE(mgr->controllers, ctl);
        controller_free(ctl);
    }
    while (mgr->conns)
        conn_free(mgr->conns);
    packet_in_queue_free(mgr->packet_ins);
    loop_unpost(mgr->loop, run_status_hook, mgr);
    free(mgr);
}

void connmgr_set_versions(struct connmgr *mgr, uint32_t versions)
{
    struct of_conn *c;
    mgr->versions = versions & OF_VERSIONS_OFFERED;
    DL_FOREACH (mgr->conns, c) {
        if (c->version && !(mgr->versions & OF_VERSION_BIT(c->version)))
            conn_close(c, "its OpenFlow version is no longer allowed");
    }
}

static void on_accept(struct listener *l, struct stream *s, void *arg)
{
    struct connmgr *mgr = arg;
    struct of_conn *c = conn_new(mgr, NULL);
    c->stream = s;
    stream_set_owner(s, &conn_stream_cb, c);
    conn_connected(c);
}

int connmgr_listen(struct connmgr *mgr, const char *target, struct err *err)
{
    struct listener *l;
    int r = stream_listen(mgr->loop, target, STREAM_OPENFLOW_PORT, on_accept, mgr, &l, err);
    if (r)
        return r;
    mgr->listeners = xreallocarray(mgr->listeners, mgr->n_listeners + 1, sizeof(*mgr->listeners));
    mgr->listeners[mgr->n_listeners++] = l;
    return 0;
}

// --- Controllers ---

static struct of_controller *find(struct connmgr *mgr, const char *target)
{
    struct of_controller *ctl;
    DL_FOREACH (mgr->controllers, ctl) {
        if (!strcmp(ctl->target, target))
            return ctl;
    }
    return NULL;
}

void connmgr_set_controllers(struct connmgr *mgr, const struct of_controller_config *v, size_t n)
{
    struct of_controller *ctl, *next;
    DL_FOREACH (mgr->controllers, ctl) {
        ctl->keep = false;
    }
    for (size_t i = 0; i < n; i++) {
        ctl = find(mgr, v[i].target);
        if (ctl) {
            controller_set_config(ctl, &v[i]);
        } else {
            ctl = controller_new(mgr, &v[i]);
            DL_APPEND(mgr->controllers, ctl);
            controller_start(ctl);
        }
        ctl->keep = true;
    }
    DL_FOREACH_SAFE(mgr->controllers, ctl, next)
    {
        if (!ctl->keep) {
            DL_DELETE(mgr->controllers, ctl);
            controller_free(ctl);
        }
    }
    connmgr_status_changed(mgr);
}

void connmgr_controllers_each(const struct connmgr *mgr,
                              void (*cb)(void *aux, const struct of_controller_status *), void *aux)
{
    const struct of_controller *ctl;
    DL_FOREACH (mgr->controllers, ctl) {
        struct of_controller_status s;
        controller_status(ctl, &s);
        cb(aux, &s);
    }
}

static size_t count(const struct connmgr *mgr, bool connected)
{
    const struct of_controller *ctl;
    size_t n = 0;
    DL_FOREACH (mgr->controllers, ctl) {
        n += !stream_is_passive(ctl->target) && (!connected || controller_is_connected(ctl));
    }
    return n;
}

size_t connmgr_n_controllers(const struct connmgr *mgr)
{
    return count(mgr, false);
}

size_t connmgr_n_connected(const struct connmgr *mgr)
{
    return count(mgr, true);
}

int64_t connmgr_alone_since(const struct connmgr *mgr)
{
    return mgr->alone_since;
}

void connmgr_set_status_hook(struct connmgr *mgr, void (*fn)(void *aux), void *aux)
{
    mgr->status_fn = fn;
    mgr->status_aux = aux;
}

// Something that connmgr_controllers_each() tells may have changed.
void connmgr_status_changed(struct connmgr *mgr)
{
    struct of_controller *ctl;
    DL_FOREACH (mgr->controllers, ctl) {
        if (controller_is_connected(ctl) && !ctl->was_connected)
            ctl->changed = clock_now();
        ctl->was_connected = controller_is_connected(ctl);
    }
    bool alone = connmgr_n_controllers(mgr) && !connmgr_n_connected(mgr);
    if (!alone)
        mgr->alone_since = 0;
    else if (!mgr->alone_since)
        mgr->alone_since = clock_now();
    loop_unpost(mgr->loop, run_status_hook, mgr);
    loop_post(mgr->loop, run_status_hook, mgr);
}

void connmgr_conn_gone(struct of_conn *c, const char *why)
{
    connmgr_wants_changed(c->mgr);
    if (c->controller) {
        controller_conn_gone(c->controller, why);
        connmgr_status_changed(c->mgr);
    }
}

// --- What happens ---

// Packets that match nothing go to controllers that speak 1.0 and want them, if there are any.
void connmgr_wants_changed(struct connmgr *mgr)
{
    struct of_conn *c;
    bool wanted = false;
    DL_FOREACH (mgr->conns, c) {
        wanted |= c->version == OF10 && !c->controller_id &&
                  conn_wants(c, ASYNC_PACKET_IN, OFPR_NO_MATCH);
    }
    if (wanted != mgr->miss_wanted)
        pipeline_set_miss_to_controller(mgr->pipeline, wanted);
    mgr->miss_wanted = wanted;
}

void connmgr_port_status(struct connmgr *mgr, uint8_t reason, const struct of_port *port)
{
    struct of_conn *c;
    DL_FOREACH (mgr->conns, c) {
        if (!conn_wants(c, ASYNC_PORT_STATUS, reason))
            continue;
        struct buf b;
        buf_init(&b, 0, 128);
        of_port_status_put(&b, c->version, reason, port);
        conn_send(c, b.data, b.size);
        buf_done(&b);
    }
}
