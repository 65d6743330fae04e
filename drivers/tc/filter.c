// SPDX-License-Identifier: Apache-2.0
// Whole filter messages: the header that names a filter, and what the kernel tells of one (identity, counters, last use,
// actions), for statistics, last counters and dumps. Pure; any thread. Format: linux/rtnetlink.h, linux/pkt_cls.h,
// linux/gen_stats.h.
#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_vlan.h>
#include <string.h>
#include <unistd.h>

#include "drivers/tc/internal.h"
#include "lib/base/clock.h"
#include "lib/base/compiler.h"

#define CACHE_AGE_MS 1000 // how old counters may be that a driver says it reports with delay (mlx5: about a second)
#define TM_ATTR 1 // TCA_*_TM of gact, mirred, vlan and pedit alike

void tc_filter_msg(struct nlk_msg *m, uint16_t type, uint16_t flags, const struct tc_filter_id *id)
{
    nlk_msg_init(m, type, flags);
    struct tcmsg *tcm = nlk_put_header(m, sizeof *tcm);

    tcm->tcm_ifindex = id->ifindex;
    tcm->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    tcm->tcm_handle = id->handle;
    tcm->tcm_info = TC_H_MAKE((uint32_t)id->prio << 16, id->protocol);
    nlk_put_str(m, TCA_KIND, "flower"); // without it the kernel takes rtnl
}

int tc_parse_all(const struct nlattr *nest, const struct nlattr *tb[], size_t n_tb, struct err *err)
{
    const struct nlattr *a;
    bool bad = false;

    memset(tb, 0, n_tb * sizeof tb[0]);
    NLK_FOR_EACH(a, nlk_data(nest), nlk_size(nest), pos, &bad)
    {
        if (nlk_type(a) < n_tb)
            tb[nlk_type(a)] = a;
    }
    return bad ? err_set(err, -EPROTO, "a filter from the kernel is malformed") : 0;
}

// --- Counters ---

struct counts {
    uint64_t packets, bytes, hw_packets, hw_bytes;
};

static uint64_t packets_of(const struct nlattr *basic, const struct nlattr *wide)
{
    struct gnet_stats_basic b;

    if (wide && nlk_size(wide) >= sizeof(uint64_t)) { // beyond 32 bits
        uint64_t v;
        memcpy(&v, nlk_data(wide), sizeof v);
        return v;
    }
    memcpy(&b, nlk_data(basic), sizeof(uint64_t) + sizeof(uint32_t));
    return b.packets;
}

static bool big_enough(const struct nlattr *a)
{
    return a && nlk_size(a) >= sizeof(uint64_t) + sizeof(uint32_t);
}

static uint64_t bytes_of(const struct nlattr *basic)
{
    uint64_t v;

    memcpy(&v, nlk_data(basic), sizeof v);
    return v;
}

// PKT64 follows the block it belongs to: the sum's or the hardware's.
static void get_counts(const struct nlattr *stats, struct counts *c)
{
    const struct nlattr *a, *basic = NULL, *hw = NULL, *wide[2] = {NULL, NULL};
    bool after_hw = false;

    NLK_FOR_EACH(a, nlk_data(stats), nlk_size(stats), pos, NULL)
    {
        switch (nlk_type(a)) {
        case TCA_STATS_BASIC:
            basic = a;
            after_hw = false;
            break;
        case TCA_STATS_BASIC_HW:
            hw = a;
            after_hw = true;
            break;
        case TCA_STATS_PKT64:
            wide[after_hw] = a;
            break;
        }
    }
    memset(c, 0, sizeof *c);
    if (big_enough(basic)) {
        c->packets = packets_of(basic, wide[0]);
        c->bytes = bytes_of(basic);
    }
    if (big_enough(hw)) {
        c->hw_packets = packets_of(hw, wide[1]);
        c->hw_bytes = bytes_of(hw);
    }
}

// How long the action has been idle, in ns; from struct tcf_t, in USER_HZ ticks.
static int64_t idle_of(const struct nlattr *options)
{
    const struct nlattr *tb[TM_ATTR + 1];
    struct tcf_t t;

    if (!options || tc_parse_all(options, tb, ARRAY_SIZE(tb), NULL) || !tb[TM_ATTR] || nlk_size(tb[TM_ATTR]) < sizeof t)
        return 0;
    memcpy(&t, nlk_data(tb[TM_ATTR]), sizeof t);
    return (int64_t)t.lastuse * (NSEC_PER_SEC / sysconf(_SC_CLK_TCK));
}

static void get_first_action(const struct nlattr *action, struct tc_filter_info *info)
{
    const struct nlattr *tb[TCA_ACT_MAX + 1];
    struct counts c;

    if (tc_parse_all(action, tb, ARRAY_SIZE(tb), NULL))
        return;
    if (tb[TCA_ACT_COOKIE] && nlk_size(tb[TCA_ACT_COOKIE]) == sizeof info->ufid.b) {
        memcpy(info->ufid.b, nlk_data(tb[TCA_ACT_COOKIE]), sizeof info->ufid.b);
        info->has_ufid = true;
    }
    if (tb[TCA_ACT_USED_HW_STATS] && nlk_size(tb[TCA_ACT_USED_HW_STATS]) == sizeof(struct nla_bitfield32)) {
        struct nla_bitfield32 used;

        memcpy(&used, nlk_data(tb[TCA_ACT_USED_HW_STATS]), sizeof used);
        if (used.value & TCA_ACT_HW_STATS_DELAYED)
            info->stats.age_ms = CACHE_AGE_MS;
    }
    if (!tb[TCA_ACT_STATS])
        return;
    get_counts(tb[TCA_ACT_STATS], &c);
    info->stats.packets = c.packets;
    // tc's software path counts from the network header on, the NIC whole frames.
    info->stats.bytes = c.bytes + ETH_HLEN * (c.packets - MIN_OF(c.packets, c.hw_packets));
    info->stats.used = c.packets ? clock_now() - idle_of(tb[TCA_ACT_OPTIONS]) : 0;
    info->stats.wire = true;
}

int tc_filter_parse(const struct nlmsghdr *nlh, struct tc_filter_info *ret, struct err *err)
{
    static const struct nlk_policy policy[] = {NLK_TEXT(TCA_KIND), NLK_NEST(TCA_OPTIONS)};
    const struct nlattr *tb[TCA_MAX + 1], *ftb[TCA_FLOWER_MAX + 1];
    struct tc_filter_info info = {0};
    struct tcmsg tcm;
    size_t pos = 0;
    int r = nlk_parse_msg(nlh, sizeof tcm, policy, ARRAY_SIZE(policy), tb, ARRAY_SIZE(tb), err);

    if (r)
        return r;
    if (!tb[TCA_KIND] || strcmp(nlk_str(tb[TCA_KIND]), "flower") || !tb[TCA_OPTIONS])
        return -ENOENT;
    memcpy(&tcm, nlh + 1, sizeof tcm);
    info.id = (struct tc_filter_id){tcm.tcm_ifindex, (be16_t)TC_H_MIN(tcm.tcm_info), (uint16_t)(TC_H_MAJ(tcm.tcm_info) >> 16),
                                    tcm.tcm_handle};
    info.options = tb[TCA_OPTIONS];
    r = tc_parse_all(info.options, ftb, ARRAY_SIZE(ftb), err);
    if (r)
        return r;
    if (ftb[TCA_FLOWER_FLAGS] && nlk_size(ftb[TCA_FLOWER_FLAGS]) == 4)
        info.in_hw = nlk_u32(ftb[TCA_FLOWER_FLAGS]) & TCA_CLS_FLAGS_IN_HW;
    info.actions = ftb[TCA_FLOWER_ACT];
    if (info.actions) {
        const struct nlattr *first = nlk_next(nlk_data(info.actions), nlk_size(info.actions), &pos, NULL);

        if (first)
            get_first_action(first, &info);
    }
    *ret = info;
    return 0;
}

// --- Actions back into a list: those that act_*.c put, but for pedit, of which a dump says only that it is there ---

typedef dp_port_t port_by_ifindex_fn(const void *aux, int ifindex);

static int get_action(const char *kind, const struct nlattr *options, port_by_ifindex_fn *port, const void *aux,
                      struct act_list *list, struct err *err)
{
    const struct nlattr *tb[16];
    int r = tc_parse_all(options, tb, ARRAY_SIZE(tb), err);

    if (r)
        return r;
    if (!strcmp(kind, "mirred") && tb[TCA_MIRRED_PARMS] && nlk_size(tb[TCA_MIRRED_PARMS]) >= sizeof(struct tc_mirred)) {
        struct tc_mirred mirred;

        memcpy(&mirred, nlk_data(tb[TCA_MIRRED_PARMS]), sizeof mirred);
        act_list_add(list, ACT_OUTPUT)->port = port(aux, (int)mirred.ifindex);
        return 0;
    }
    if (!strcmp(kind, "vlan") && tb[TCA_VLAN_PARMS] && nlk_size(tb[TCA_VLAN_PARMS]) >= sizeof(struct tc_vlan)) {
        struct tc_vlan vlan;

        memcpy(&vlan, nlk_data(tb[TCA_VLAN_PARMS]), sizeof vlan);
        if (vlan.v_action == TCA_VLAN_ACT_POP) {
            act_list_add(list, ACT_POP_VLAN);
            return 0;
        }
        const struct nlattr *vid = tb[TCA_VLAN_PUSH_VLAN_ID], *tpid = tb[TCA_VLAN_PUSH_VLAN_PROTOCOL],
                            *prio = tb[TCA_VLAN_PUSH_VLAN_PRIORITY];
        if (vlan.v_action == TCA_VLAN_ACT_PUSH && vid && nlk_size(vid) == 2 && tpid && nlk_size(tpid) == 2) {
            struct act *a = act_list_add(list, ACT_PUSH_VLAN);
            uint16_t pcp = prio && nlk_size(prio) == 1 ? nlk_u8(prio) : 0;

            memcpy(&a->push_vlan.tpid, nlk_data(tpid), sizeof a->push_vlan.tpid);
            a->push_vlan.tci = htons((uint16_t)(VLAN_PRESENT | pcp << 13 | (nlk_u16(vid) & 0xfff)));
            return 0;
        }
    }
    if (!strcmp(kind, "gact"))
        return 0; // drop: an empty list
    return err_set(err, -EOPNOTSUPP, "the tc action %s is not read back", kind);
}

int tc_get_actions(const struct nlattr *actions, port_by_ifindex_fn *port, const void *aux, struct act_list *ret_list,
                   struct err *err)
{
    struct act_list list;
    const struct nlattr *a;
    int r = 0;

    act_list_init(&list);
    NLK_FOR_EACH(a, nlk_data(actions), nlk_size(actions), pos, NULL)
    {
        static const struct nlk_policy policy[] = {NLK_TEXT(TCA_ACT_KIND), NLK_NEST(TCA_ACT_OPTIONS)};
        const struct nlattr *tb[TCA_ACT_MAX + 1];

        r = nlk_parse_nest(a, policy, ARRAY_SIZE(policy), tb, ARRAY_SIZE(tb), err);
        if (!r && tb[TCA_ACT_KIND] && tb[TCA_ACT_OPTIONS])
            r = get_action(nlk_str(tb[TCA_ACT_KIND]), tb[TCA_ACT_OPTIONS], port, aux, &list, err);
        if (r) {
            act_list_done(&list);
            return r;
        }
    }
    *ret_list = list;
    return 0;
}
