// SPDX-License-Identifier: Apache-2.0
// What is in the kernel, whoever put it there: dumps of a port's filters, for adoption, for taking away what an earlier process
// left, and to see whether others use the port's ingress or egress.
#include <errno.h>
#include <string.h>

#include "drivers/tc/internal.h"
#include "lib/base/mem.h"

static int dump_filters(struct nlk_sock *sock, int ifindex, uint32_t parent, nlk_msg_fn *entry, void *arg)
{
    struct nlk_msg m;

    nlk_msg_init(&m, RTM_GETTFILTER, 0);
    struct tcmsg *tcm = nlk_put_header(&m, sizeof *tcm);
    tcm->tcm_ifindex = ifindex;
    tcm->tcm_parent = parent;
    int r = nlk_dump(sock, &m, entry, NULL, arg, NULL);
    nlk_msg_done(&m);
    return r;
}

#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

// --- Dump ---

struct port_id {
    int ifindex;
    dp_port_t dp_port;
};

struct dump {
    uint8_t instance;
    dp_port_t in_port;
    const struct port_id *ports;
    size_t n_ports;
    tier_dump_fn *cb;
    void *aux;
};

static dp_port_t port_by_ifindex(const void *aux, int ifindex)
{
    const struct dump *d = aux;

    for (size_t i = 0; i < d->n_ports; i++) {
        if (d->ports[i].ifindex == ifindex)
            return d->ports[i].dp_port;
    }
    return DP_PORT_NONE;
}

static int on_dumped(const struct nlmsghdr *nlh, void *arg)
{
    struct dump *d = arg;
    struct tc_filter_info info;
    struct flow_desc desc = {0};
    struct tier_dumped dumped = {.desc = &desc};

    if (tc_filter_parse(nlh, &info, NULL) || !info.has_ufid || !ufid_is_ours(&info.ufid, d->instance))
        return 0;
    desc.ufid = info.ufid;
    tc_get_match(info.options, info.id.protocol, &desc.key, &desc.mask, NULL);
    desc.key.in_port = d->in_port;
    desc.mask.in_port = UINT32_MAX;
    if (info.actions)
        tc_get_actions(info.actions, port_by_ifindex, d, &desc.actions, NULL);
    dumped.handle = tc_handle(&info.id);
    dumped.stats = info.stats;
    d->cb(d->aux, &dumped);
    flow_desc_done(&desc);
    return 0;
}

int tc_dump(struct tier_channel *channel, uint8_t instance, tier_dump_fn *cb, void *aux)
{
    struct tc_channel *c = (struct tc_channel *)channel;
    struct tc_tier *t = tc_from_tier(c->base.tier);
    size_t n = 0;
    int r = 0;

    pthread_mutex_lock(&t->lock);
    AUTO_FREE struct port_id *ports = NEW_ARRAY(struct port_id, HASH_COUNT(t->ports) + 1);
    for (const struct tc_port *p = t->ports; p; p = p->hh.next)
        ports[n++] = (struct port_id){p->ifindex, p->dp_port};
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < n && !r; i++) {
        struct dump d = {instance, ports[i].dp_port, ports, n, cb, aux};

        r = dump_filters(c->sock, ports[i].ifindex, INGRESS, on_dumped, &d);
    }
    return r;
}

// --- Ours and others' ---

struct found {
    uint8_t instance;
    bool foreign;
    size_t n, allocated;
    struct tc_filter_id *ids;
};

static int on_found(const struct nlmsghdr *nlh, void *arg)
{
    struct found *found = arg;
    struct tc_filter_info info;
    int r = tc_filter_parse(nlh, &info, NULL);
    struct tcmsg tcm;

    if (r == -EPROTO)
        return 0;
    memcpy(&tcm, nlh + 1, sizeof tcm);
    if (!r && info.has_ufid && ufid_is_ours(&info.ufid, found->instance) && tc_prio_is_ours(info.id.prio)) {
        GROW_ARRAY(found->ids, found->allocated, found->n + 1);
        found->ids[found->n++] = info.id;
    } else if (tcm.tcm_handle) { // a priority has an entry of its own, without a handle
        found->foreign = true;
    }
    return 0;
}

int tc_delete_ours(struct nlk_sock *sock, int ifindex, uint8_t instance)
{
    struct found found = {.instance = instance};
    int r = dump_filters(sock, ifindex, INGRESS, on_found, &found);

    for (size_t i = 0; i < found.n; i++) {
        struct nlk_msg m;

        tc_filter_msg(&m, RTM_DELTFILTER, 0, &found.ids[i]);
        nlk_transact(sock, &m, NULL, NULL, NULL);
        nlk_msg_done(&m);
    }
    free(found.ids);
    return r;
}

bool tc_has_foreign(struct nlk_sock *sock, int ifindex, uint8_t instance)
{
    struct found found = {.instance = instance};

    dump_filters(sock, ifindex, INGRESS, on_found, &found);
    dump_filters(sock, ifindex, EGRESS, on_found, &found);
    free(found.ids);
    return found.foreign;
}
