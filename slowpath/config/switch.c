// SPDX-License-Identifier: Apache-2.0
// The switch as a whole: follows the database and the kernel's devices, and makes what runs equal to what is asked for.
// See switch.h for the files beside this one. Main thread.
#include "slowpath/config/switch.h"

#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "slowpath/config/commands.h"

LOG_MODULE(bridge);

static void apply_settings(struct sw *sw)
{
    const struct conf *conf = &sw->conf;

    sw->hw_offload = conf->hw_offload;
    sw->stats_interval_ms = conf->stats_interval_ms;
    if (strcmp(sw->tc_policy ? sw->tc_policy : "", conf->tc_policy)) {
        free(sw->tc_policy);
        sw->tc_policy = xstrdup(conf->tc_policy);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i])
            stack_apply_settings(sw->stacks[i], conf);
    }
}

// The simulated NIC is part of what a stack is made of: turning it on or off makes the stack anew, flow tables and all.
static void apply_simulated_nic(struct sw *sw)
{
    if (sw->simulated_nic == sw->conf.simulated_nic)
        return;
    sw->simulated_nic = sw->conf.simulated_nic;
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (!sw->stacks[i] || strcmp(sw->stacks[i]->type, "netdev"))
            continue;
        log_info("the simulated NIC is turned %s: bridges of type netdev start anew", sw->simulated_nic ? "on" : "off");
        for (struct bridge *b = sw->bridges; b; b = b->hh.next) {
            if (b->stack == sw->stacks[i])
                bridge_take_down(b);
        }
        stack_free(sw->stacks[i]);
        sw->stacks[i] = NULL;
    }
}

static void drop_unwanted(struct sw *sw)
{
    struct bridge *bridge, *next;

    for (bridge = sw->bridges; bridge; bridge = bridge->hh.next)
        bridge->wanted = false;
    for (unsigned i = 0; i < sw->conf.n_bridges; i++) {
        bridge = bridge_find(sw, sw->conf.bridges[i].name);
        if (bridge)
            bridge->wanted = true;
    }
    HASH_ITER(hh, sw->bridges, bridge, next)
    {
        if (!bridge->wanted)
            bridge_free(bridge);
    }
}

static void drop_leftovers(struct sw *sw)
{
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i])
            stack_drop_leftovers(sw->stacks[i]);
    }
}

static void reconcile(struct sw *sw)
{
    conf_read(&sw->db, &sw->conf);
    if (sw->conf.root) {
        apply_settings(sw); // before bridges, for what a new stack is made of
        drop_unwanted(sw);
        apply_simulated_nic(sw);
        for (unsigned i = 0; i < sw->conf.n_bridges; i++)
            bridge_reconcile(sw, &sw->conf.bridges[i]);
        apply_settings(sw);
        if (!sw->running)
            drop_leftovers(sw);
        sw->cur_cfg = sw->conf.next_cfg;
        sw->running = true;
        status_write(sw, false);
    }
    conf_done(&sw->conf);
}

void sw_ports_changed(struct sw *sw)
{
    conf_read(&sw->db, &sw->conf);
    for (unsigned i = 0; i < sw->conf.n_bridges; i++) {
        struct bridge *bridge = bridge_find(sw, sw->conf.bridges[i].name);

        if (bridge && bridge->pipeline)
            bridge_publish_ports(bridge, &sw->conf.bridges[i]);
    }
    conf_done(&sw->conf);
}

static void db_changed(struct replica *replica, void *arg)
{
    struct sw *sw = arg;
    static struct log_limit rl = LOG_LIMIT(1, 1);

    if (replica_lock_contended(replica)) {
        log_err_rl(&rl, "another ovs-vswitchd process is running, disabling this process until it goes away");
        return;
    }
    if (replica_is_ready(replica) && replica_has_lock(replica))
        reconcile(sw);
}

// --- Devices ---

static struct iface *find_iface(struct sw *sw, const struct rtnl_link *link)
{
    for (struct bridge *bridge = sw->bridges; bridge; bridge = bridge->hh.next) {
        struct iface *iface;

        HASH_FIND_STR(bridge->ifaces, link->name, iface);
        if (iface && iface->kind != CONF_IFACE_PATCH)
            return iface;
    }
    return NULL;
}

static void link_event(const struct rtnl_link *link, void *arg)
{
    struct sw *sw = arg;
    struct iface *iface = find_iface(sw, link);

    if (!iface || !sw->running)
        return;
    if (!link->deleted && iface->dp_port == DP_PORT_NONE)
        reconcile(sw); // it was missing and has come
    else
        iface_link(iface, link);
    sw_ports_changed(sw);
    status_write(sw, false);
}

static bool is_listed(const struct rtnl_link *links, size_t n, int ifindex)
{
    for (size_t i = 0; i < n; i++) {
        if (links[i].ifindex == ifindex)
            return true;
    }
    return false;
}

// Events were lost, so that also a device's end may have been.
static void forget_missing(struct sw *sw, const struct rtnl_link *links, size_t n)
{
    for (struct bridge *b = sw->bridges; b; b = b->hh.next) {
        for (struct iface *i = b->ifaces; i; i = i->hh.next) {
            struct rtnl_link gone = i->link;

            gone.deleted = true;
            if (gone.ifindex && !is_listed(links, n, gone.ifindex))
                iface_link(i, &gone);
        }
    }
}

static void links_lost(void *arg)
{
    struct sw *sw = arg;
    struct rtnl_link *links = NULL;
    size_t n = 0;
    AUTO_ERR(err);

    if (rtnl_link_list(sw->rtnl, &links, &n, &err)) {
        log_warn("listing network devices: %s", err_text(&err));
        return;
    }
    if (sw->running) {
        forget_missing(sw, links, n);
        sw_ports_changed(sw);
        status_write(sw, false);
    }
    for (size_t i = 0; i < n; i++)
        link_event(&links[i], sw);
    free(links);
}

static void links_ready(int fd, unsigned events, void *arg)
{
    struct sw *sw = arg;
    AUTO_ERR(err);

    if (rtnl_events_receive(sw->links, &err))
        log_warn("watching network devices: %s", err_text(&err));
}

static int watch_links(struct sw *sw, struct err *err)
{
    static const struct rtnl_events_cb cb = {.event = link_event, .lost = links_lost};
    int r = nlk_open(NETLINK_ROUTE, 0, &sw->rtnl, err);

    if (!r)
        r = rtnl_events_open(&cb, sw, &sw->links, err);
    if (!r)
        sw->links_watch = loop_watch_new(sw->loop, rtnl_events_fd(sw->links), LOOP_READ, links_ready, sw);
    return r;
}

// --- Life ---

static void status_due(void *arg)
{
    struct sw *sw = arg;

    for (struct bridge *b = sw->bridges; b; b = b->hh.next)
        bridge_check_fail_open(b);
    if (sw->running)
        status_write(sw, true);
    loop_timer_after(sw->status_timer, (int64_t)sw->stats_interval_ms * NSEC_PER_MSEC);
}

int sw_open(struct loop *loop, struct control *control, const char *db_target, struct sw **ret_sw, struct err *err)
{
    struct sw *sw = NEW(struct sw);
    int r;

    sw->loop = loop;
    sw->control = control;
    sw->stats_interval_ms = 5000;
    r = watch_links(sw, err);
    if (!r)
        r = db_open(loop, db_target, db_changed, sw, &sw->db, err);
    if (r) {
        sw_close(sw, false);
        return r;
    }
    sw->status_timer = loop_timer_new(loop, status_due, sw);
    loop_timer_after(sw->status_timer, (int64_t)sw->stats_interval_ms * NSEC_PER_MSEC);
    if (control)
        commands_register(sw);
    *ret_sw = sw;
    return 0;
}

void sw_close(struct sw *sw, bool cleanup)
{
    struct bridge *bridge, *next;

    if (!sw)
        return;
    loop_timer_free(sw->status_timer);
    dumps_end(sw);
    // Before the bridges: without rules, keepers would take the flows out of what shall go on forwarding.
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++)
        stack_stop(sw->stacks[i], !cleanup);
    HASH_ITER(hh, sw->bridges, bridge, next)
    {
        bridge_free(bridge);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++)
        stack_free(sw->stacks[i]);
    db_close(&sw->db);
    if (sw->links_watch)
        loop_watch_free(sw->links_watch);
    rtnl_events_close(sw->links);
    nlk_close(sw->rtnl);
    free(sw->tc_policy);
    free(sw->fallback_reason);
    free(sw);
}
