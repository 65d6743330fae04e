// SPDX-License-Identifier: Apache-2.0
// The kernel module as a datapath (lib/contract/datapath.h): making or taking over, ports, execute, counters.
//
// Take-over: datapath, ports and flows outlive the process that made them. A port that is there already is adopted with its
// number; who uses the datapath removes what it doesn't want. Flows forward until then, and are deleted. Main thread, but execute and counters.
#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

#include "kdp/client/internal.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/thread.h"

#define DP_VERSION 2 // OVS_DATAPATH_VERSION; the other families are at 1

void kdp_msg_init(struct nlk_msg *m, const struct kdp *k, uint16_t family, uint8_t cmd, uint16_t flags)
{
    struct ovs_header *header;

    nlk_msg_init_genl(m, family, cmd, family == k->families.datapath ? DP_VERSION : 1, flags);
    header = nlk_put_header(m, sizeof *header);
    header->dp_ifindex = k->dp_ifindex;
}

int kdp_parse(const struct nlmsghdr *nlh, const struct nlk_policy *policy, size_t n_policy, const struct nlattr *tb[],
              size_t n_tb, struct err *err)
{
    return nlk_parse_msg(nlh, sizeof(struct genlmsghdr) + sizeof(struct ovs_header), policy, n_policy, tb, n_tb, err);
}

static int dp_ifindex_of(const struct nlmsghdr *nlh)
{
    const struct ovs_header *header = (const void *)((const char *)(nlh + 1) + sizeof(struct genlmsghdr));

    return nlh->nlmsg_len >= sizeof *nlh + sizeof(struct genlmsghdr) + sizeof *header ? header->dp_ifindex : 0;
}

// --- Ports ---

static int parse_vport(const struct nlmsghdr *nlh, struct dp_port_info *ret)
{
    static const struct nlk_policy policy[] = {
        {.type = OVS_VPORT_ATTR_PORT_NO, .min = 4, .max = 4, .required = true},
        {.type = OVS_VPORT_ATTR_TYPE, .min = 4, .max = 4, .required = true},
        {.type = OVS_VPORT_ATTR_NAME, .min = 1, .text = true, .required = true},
        NLK_U32(OVS_VPORT_ATTR_IFINDEX),
    };
    const struct nlattr *tb[__OVS_VPORT_ATTR_MAX];
    int r = kdp_parse(nlh, policy, ARRAY_SIZE(policy), tb, ARRAY_SIZE(tb), NULL);

    if (r)
        return r;
    memset(ret, 0, sizeof *ret);
    ret->number = nlk_u32(tb[OVS_VPORT_ATTR_PORT_NO]);
    ret->type = nlk_u32(tb[OVS_VPORT_ATTR_TYPE]) == OVS_VPORT_TYPE_INTERNAL ? DP_PORT_INTERNAL : DP_PORT_SYSTEM;
    str_copy(ret->name, sizeof ret->name, nlk_str(tb[OVS_VPORT_ATTR_NAME]));
    if (tb[OVS_VPORT_ATTR_IFINDEX])
        ret->ifindex = (int)nlk_u32(tb[OVS_VPORT_ATTR_IFINDEX]);
    return 0;
}

struct found_port {
    int dp_ifindex;
    struct dp_port_info info;
};

static int on_vport(const struct nlmsghdr *nlh, void *arg)
{
    struct found_port *found = arg;

    found->dp_ifindex = dp_ifindex_of(nlh);
    return parse_vport(nlh, &found->info);
}

// The port of this name, of whichever datapath has the device.
static int find_port(struct kdp *k, const char *name, struct found_port *ret, struct err *err)
{
    struct nlk_msg m;

    kdp_msg_init(&m, k, k->families.vport, OVS_VPORT_CMD_GET, 0);
    nlk_put_str(&m, OVS_VPORT_ATTR_NAME, name);
    int r = nlk_transact(k->sock, &m, on_vport, ret, err);
    nlk_msg_done(&m);
    return r;
}

static int adopt_port(struct kdp *k, const char *name, enum dp_port_type type, dp_port_t *number, struct err *err)
{
    struct found_port found = {0};

    if (find_port(k, name, &found, NULL))
        return -ENODEV;
    if (found.dp_ifindex != k->dp_ifindex)
        return err_set(err, -EBUSY, "%s belongs to another datapath", name);
    if (found.info.type != type)
        return err_set(err, -EEXIST, "%s is a port of the datapath already, of another type", name);
    *number = found.info.number;
    return 0;
}

static int port_add(struct datapath *dp, const char *name, enum dp_port_type type, dp_port_t *number, struct err *err)
{
    struct kdp *k = kdp_from_dp(dp);
    struct found_port made = {0};
    struct nlk_msg m;

    if (type != DP_PORT_SYSTEM && type != DP_PORT_INTERNAL)
        return err_set(err, -EOPNOTSUPP, "%s: ports of this type are not in use on the kernel datapath", name);
    if (strlen(name) >= sizeof made.info.name)
        return err_set(err, -ENAMETOOLONG, "%s: the name is too long for a network device", name);
    int r = adopt_port(k, name, type, number, err);
    if (r != -ENODEV)
        return r;
    kdp_msg_init(&m, k, k->families.vport, OVS_VPORT_CMD_NEW, NLM_F_ECHO);
    nlk_put_u32(&m, OVS_VPORT_ATTR_TYPE, type == DP_PORT_INTERNAL ? OVS_VPORT_TYPE_INTERNAL : OVS_VPORT_TYPE_NETDEV);
    nlk_put_str(&m, OVS_VPORT_ATTR_NAME, name);
    nlk_put_u32(&m, OVS_VPORT_ATTR_UPCALL_PID, 0); // dispatch is per CPU
    if (*number != DP_PORT_NONE)
        nlk_put_u32(&m, OVS_VPORT_ATTR_PORT_NO, *number);
    r = nlk_transact(k->sock, &m, on_vport, &made, err);
    nlk_msg_done(&m);
    if (!r)
        *number = made.info.number;
    return r;
}

static int port_del(struct datapath *dp, dp_port_t number, struct err *err)
{
    struct kdp *k = kdp_from_dp(dp);
    struct nlk_msg m;

    kdp_msg_init(&m, k, k->families.vport, OVS_VPORT_CMD_DEL, 0);
    nlk_put_u32(&m, OVS_VPORT_ATTR_PORT_NO, number);
    int r = nlk_transact(k->sock, &m, NULL, NULL, err);
    nlk_msg_done(&m);
    return r == -ENODEV ? err_set(err, -ENOENT, "there is no datapath port %u", number) : r;
}

struct port_list {
    void (*cb)(void *aux, const struct dp_port_info *);
    void *aux;
};

static int on_listed(const struct nlmsghdr *nlh, void *arg)
{
    struct port_list *list = arg;
    struct dp_port_info info;

    if (!parse_vport(nlh, &info))
        list->cb(list->aux, &info);
    return 0;
}

static int port_dump(struct datapath *dp, void (*cb)(void *aux, const struct dp_port_info *), void *aux)
{
    struct kdp *k = kdp_from_dp(dp);
    struct port_list list = {cb, aux};
    struct nlk_msg m;

    kdp_msg_init(&m, k, k->families.vport, OVS_VPORT_CMD_GET, 0);
    int r = nlk_dump(k->sock, &m, on_listed, NULL, &list, NULL);
    nlk_msg_done(&m);
    return r;
}

// --- Execute and counters ---

static int execute(struct tier_channel *channel, struct packet *packet, const struct flow_key *key,
                   const struct act_list *actions, struct err *err)
{
    struct kdp *k = kdp_from_tier(channel->tier);
    struct refusal why;
    struct nlk_msg m;
    int r = 0;

    if (actions->n) {
        kdp_msg_init(&m, k, k->families.packet, OVS_PACKET_CMD_EXECUTE, 0);
        nlk_put(&m, OVS_PACKET_ATTR_PACKET, packet_data(packet), packet->len);
        kdp_put_metadata(&m, OVS_PACKET_ATTR_KEY, key);
        r = kdp_put_actions(&m, OVS_PACKET_ATTR_ACTIONS, actions, key, &why);
        r = r ? err_set(err, r, "%s", why.sentence) : nlk_transact(kdp_channel_sock(channel), &m, NULL, NULL, err);
        nlk_msg_done(&m);
    }
    if (r)
        __atomic_fetch_add(&k->execute_failed, 1, __ATOMIC_RELAXED);
    packet_free(packet);
    return r;
}

struct dp_counts {
    struct ovs_dp_stats stats;
    struct ovs_dp_megaflow_stats megaflow;
};

static int on_counts(const struct nlmsghdr *nlh, void *arg)
{
    static const struct nlk_policy policy[] = {
        NLK_AT_LEAST(OVS_DP_ATTR_STATS, sizeof(struct ovs_dp_stats)),
        NLK_AT_LEAST(OVS_DP_ATTR_MEGAFLOW_STATS, sizeof(struct ovs_dp_megaflow_stats)),
    };
    const struct nlattr *tb[__OVS_DP_ATTR_MAX];
    struct dp_counts *c = arg;

    if (kdp_parse(nlh, policy, ARRAY_SIZE(policy), tb, ARRAY_SIZE(tb), NULL))
        return 0;
    if (tb[OVS_DP_ATTR_STATS])
        memcpy(&c->stats, nlk_data(tb[OVS_DP_ATTR_STATS]), sizeof c->stats);
    if (tb[OVS_DP_ATTR_MEGAFLOW_STATS])
        memcpy(&c->megaflow, nlk_data(tb[OVS_DP_ATTR_MEGAFLOW_STATS]), sizeof c->megaflow);
    return 0;
}

static void read_counts(struct kdp *k, struct dp_counts *ret)
{
    struct nlk_sock *sock = NULL;
    struct nlk_msg m;

    memset(ret, 0, sizeof *ret);
    if (nlk_open(NETLINK_GENERIC, 0, &sock, NULL))
        return;
    kdp_msg_init(&m, k, k->families.datapath, OVS_DP_CMD_GET, 0);
    nlk_transact(sock, &m, on_counts, ret, NULL);
    nlk_msg_done(&m);
    nlk_close(sock);
}

static uint64_t upcalls_lost(struct datapath *dp)
{
    struct kdp *k = kdp_from_dp(dp);
    struct dp_counts c;

    read_counts(k, &c);
    return c.stats.n_lost;
}

static void counters(struct datapath *dp, uint64_t *ret_hit, uint64_t *ret_missed, uint64_t *ret_lost, uint32_t *ret_masks)
{
    struct dp_counts c;

    read_counts(kdp_from_dp(dp), &c);
    *ret_hit = c.stats.n_hit;
    *ret_missed = c.stats.n_missed;
    *ret_lost = c.stats.n_lost;
    *ret_masks = c.megaflow.n_masks;
}

// --- Life ---

static void dp_delete(struct kdp *k)
{
    struct nlk_msg m;

    kdp_msg_init(&m, k, k->families.datapath, OVS_DP_CMD_DEL, 0);
    nlk_transact(k->sock, &m, NULL, NULL, NULL);
    nlk_msg_done(&m);
}

static void close_dp(struct datapath *dp, bool keep)
{
    struct kdp *k = kdp_from_dp(dp);

    if (!keep && k->dp_ifindex)
        dp_delete(k);
    kdp_handlers_free(k);
    nlk_close(k->sock);
    free(k);
}

static const struct datapath_ops kdp_dp_ops = {
    .type = "system",
    .close = close_dp,
    .port_add = port_add,
    .port_del = port_del,
    .port_dump = port_dump,
    .handlers_set = kdp_handlers_set,
    .upcall_recv = kdp_upcall_recv,
    .upcall_wake = kdp_upcall_wake,
    .execute = execute,
    .upcalls_lost = upcalls_lost,
    .counters = counters,
};

static int resolve_families(struct kdp *k, struct err *err)
{
    const struct {
        const char *name;
        uint16_t *id;
    } families[] = {
        {OVS_DATAPATH_FAMILY, &k->families.datapath},
        {OVS_VPORT_FAMILY, &k->families.vport},
        {OVS_FLOW_FAMILY, &k->families.flow},
        {OVS_PACKET_FAMILY, &k->families.packet},
    };

    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        int r = nlk_family(k->sock, families[i].name, families[i].id, err);

        if (r)
            return r == -ENOENT ? err_set(err, r, "the kernel has no openvswitch module") : r;
    }
    return 0;
}

static int on_dp(const struct nlmsghdr *nlh, void *arg)
{
    *(int *)arg = dp_ifindex_of(nlh);
    return 0;
}

// A datapath that is there already.
struct found_dp {
    struct kdp *k;
    int owned; // kdp_check_owner()
    struct err *err;
};

static int on_found_dp(const struct nlmsghdr *nlh, void *arg)
{
    static const struct nlk_policy policy[] = {NLK_ANY(OVS_DP_ATTR_PER_CPU_PIDS)};
    const struct nlattr *tb[__OVS_DP_ATTR_MAX];
    struct found_dp *found = arg;
    int r = kdp_parse(nlh, policy, ARRAY_SIZE(policy), tb, ARRAY_SIZE(tb), found->err);

    if (r)
        return r;
    found->k->dp_ifindex = dp_ifindex_of(nlh);
    found->owned = kdp_check_owner(found->k, tb[OVS_DP_ATTR_PER_CPU_PIDS], found->err);
    return 0;
}

static int make_or_find(struct kdp *k, struct err *err)
{
    struct nlk_msg m;
    AUTO_ERR(why);

    kdp_msg_init(&m, k, k->families.datapath, OVS_DP_CMD_NEW, NLM_F_ECHO);
    nlk_put_str(&m, OVS_DP_ATTR_NAME, k->name);
    nlk_put_u32(&m, OVS_DP_ATTR_UPCALL_PID, 0);
    nlk_put_u32(&m, OVS_DP_ATTR_USER_FEATURES, OVS_DP_F_UNALIGNED | OVS_DP_F_VPORT_PIDS);
    int r = nlk_transact(k->sock, &m, on_dp, &k->dp_ifindex, &why);
    nlk_msg_done(&m);
    if (r != -EEXIST)
        return r ? err_move(err, &why) : 0;
    kdp_msg_init(&m, k, k->families.datapath, OVS_DP_CMD_GET, 0);
    nlk_put_str(&m, OVS_DP_ATTR_NAME, k->name);
    struct found_dp found = {.k = k, .err = err};
    r = nlk_transact(k->sock, &m, on_found_dp, &found, err);
    nlk_msg_done(&m);
    if (!r)
        r = found.owned;
    // Megaflows that nobody here knows would go on forwarding by rules that are no more.
    return r ? r : kdp_flow_flush(k, err);
}

int kdp_open(const struct kdp_config *config, struct datapath **ret_dp, struct err *err)
{
    struct kdp *k = NEW(struct kdp);

    k->dp.ops = &kdp_dp_ops;
    k->dp.tier = &k->tier;
    k->tier.ops = &kdp_tier_ops;
    k->n_cpus = thread_cpu_count();
    str_copy(k->name, sizeof k->name, config->name ? config->name : "ovs-system");
    int r = nlk_open(NETLINK_GENERIC, 0, &k->sock, err);
    if (!r)
        r = resolve_families(k, err);
    if (!r)
        r = make_or_find(k, err);
    if (r) {
        nlk_close(k->sock);
        free(k);
        return r;
    }
    *ret_dp = &k->dp;
    return 0;
}
