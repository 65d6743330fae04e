// SPDX-License-Identifier: Apache-2.0
// Decoding and reading network interfaces.
//
// rtnl_link_parse() is pure and serves replies, dumps and events alike. Changing interfaces is in
// rtnl_set.c. Layout: include/uapi/linux/if_link.h, rtnetlink.h.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/netlink/rtnl.h"

static const struct nlk_policy link_policy[] = {
    {.type = IFLA_IFNAME, .min = 1, .max = IFNAMSIZ, .text = true, .required = true},
    NLK_ANY(IFLA_ADDRESS),
    NLK_ANY(IFLA_PERM_ADDRESS),
    NLK_U32(IFLA_MTU),
    NLK_U32(IFLA_MIN_MTU),
    NLK_U32(IFLA_MAX_MTU),
    NLK_U32(IFLA_LINK),
    NLK_U32(IFLA_MASTER),
    NLK_U32(IFLA_LINK_NETNSID),
    NLK_U32(IFLA_CARRIER_CHANGES),
    NLK_U8(IFLA_OPERSTATE),
    NLK_U8(IFLA_CARRIER),
    NLK_NEST(IFLA_LINKINFO),
    NLK_ANY(IFLA_STATS64),
    NLK_ANY(IFLA_PHYS_SWITCH_ID),
    NLK_TEXT(IFLA_PHYS_PORT_NAME),
};

static const struct nlk_policy info_policy[] = {NLK_TEXT(IFLA_INFO_KIND)};

static uint32_t u32_or_0(const struct nlattr *a)
{
    return a ? nlk_u32(a) : 0;
}

static bool copy_mac(const struct nlattr *a, uint8_t mac[6])
{
    if (!a || nlk_size(a) != 6)
        return false;
    memcpy(mac, nlk_data(a), 6);
    return true;
}

// Older and newer kernels differ in how many counters follow; what is missing is 0.
static void copy_stats(const struct nlattr *a, struct rtnl_link *l)
{
    if (!a)
        return;
    memcpy(&l->stats, nlk_data(a), MIN_OF(nlk_size(a), sizeof(l->stats)));
    l->has_stats = true;
}

int rtnl_link_parse(const struct nlmsghdr *h, struct rtnl_link *ret, struct err *err)
{
    if (h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK)
        return err_set(err, -EINVAL, "netlink message %u is not about a link", h->nlmsg_type);
    const struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1] = {NULL};
    int error = nlk_parse_msg(h, sizeof(struct ifinfomsg), link_policy, ARRAY_SIZE(link_policy), tb,
                              ARRAY_SIZE(tb), err);
    if (!error && tb[IFLA_LINKINFO])
        error = nlk_parse_nest(tb[IFLA_LINKINFO], info_policy, ARRAY_SIZE(info_policy), info,
                               ARRAY_SIZE(info), err);
    if (error)
        return error;
    const struct ifinfomsg *ifi = NLMSG_DATA(h);
    struct rtnl_link l = {.ifindex = ifi->ifi_index, .flags = ifi->ifi_flags};
    l.deleted = h->nlmsg_type == RTM_DELLINK;
    str_copy(l.name, sizeof(l.name), nlk_str(tb[IFLA_IFNAME]));
    if (info[IFLA_INFO_KIND])
        str_copy(l.kind, sizeof(l.kind), nlk_str(info[IFLA_INFO_KIND]));
    l.operstate = tb[IFLA_OPERSTATE] ? nlk_u8(tb[IFLA_OPERSTATE]) : 0;
    l.carrier = tb[IFLA_CARRIER] ? nlk_u8(tb[IFLA_CARRIER]) : ifi->ifi_flags & IFF_RUNNING;
    l.mtu = u32_or_0(tb[IFLA_MTU]);
    l.min_mtu = u32_or_0(tb[IFLA_MIN_MTU]);
    l.max_mtu = u32_or_0(tb[IFLA_MAX_MTU]);
    l.has_address = copy_mac(tb[IFLA_ADDRESS], l.address);
    l.has_permanent = copy_mac(tb[IFLA_PERM_ADDRESS], l.permanent);
    l.link = (int)u32_or_0(tb[IFLA_LINK]);
    l.master = (int)u32_or_0(tb[IFLA_MASTER]);
    l.has_peer_netns = tb[IFLA_LINK_NETNSID] != NULL;
    l.carrier_changes = u32_or_0(tb[IFLA_CARRIER_CHANGES]);
    if (tb[IFLA_PHYS_SWITCH_ID] && nlk_size(tb[IFLA_PHYS_SWITCH_ID]) <= sizeof(l.switch_id)) {
        l.switch_id_size = nlk_size(tb[IFLA_PHYS_SWITCH_ID]);
        memcpy(l.switch_id, nlk_data(tb[IFLA_PHYS_SWITCH_ID]), l.switch_id_size);
    }
    if (tb[IFLA_PHYS_PORT_NAME])
        str_copy(l.port_name, sizeof(l.port_name), nlk_str(tb[IFLA_PHYS_PORT_NAME]));
    copy_stats(tb[IFLA_STATS64], &l);
    *ret = l;
    return 0;
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
    return rtnl_link_parse(h, arg, NULL);
}

static int get(struct nlk_sock *s, int ifindex, const char *name, struct rtnl_link *ret,
               struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    nlk_msg_init(&m, RTM_GETLINK, 0);
    struct ifinfomsg *ifi = nlk_put_header(&m, sizeof(*ifi));
    ifi->ifi_index = ifindex;
    if (name)
        nlk_put_str(&m, IFLA_IFNAME, name);
    struct rtnl_link found = {0};
    int error = nlk_transact(s, &m, on_link, &found, err);
    if (error)
        return error;
    if (!found.ifindex)
        return err_set(err, -EPROTO, "the kernel's answer holds no interface");
    *ret = found;
    return 0;
}

int rtnl_link_get(struct nlk_sock *s, const char *name, struct rtnl_link *ret, struct err *err)
{
    size_t n = strlen(name);
    if (!n || n >= IFNAMSIZ)
        return err_set(err, -ENODEV, "\"%s\" can't be the name of an interface", name);
    int error = get(s, 0, name, ret, err);
    err_prefix(err, "interface %s", name);
    return error;
}

int rtnl_link_get_index(struct nlk_sock *s, int ifindex, struct rtnl_link *ret, struct err *err)
{
    if (ifindex <= 0)
        return err_set(err, -ENODEV, "%d can't be the index of an interface", ifindex);
    int error = get(s, ifindex, NULL, ret, err);
    err_prefix(err, "interface %d", ifindex);
    return error;
}

struct links {
    struct rtnl_link *all;
    size_t n, capacity;
};

static int on_entry(const struct nlmsghdr *h, void *arg)
{
    struct links *l = arg;
    GROW_ARRAY(l->all, l->capacity, l->n + 1);
    int error = rtnl_link_parse(h, &l->all[l->n], NULL);
    l->n += !error;
    return error;
}

static void on_restart(void *arg)
{
    ((struct links *)arg)->n = 0;
}

int rtnl_link_list(struct nlk_sock *s, struct rtnl_link **ret_links, size_t *ret_n, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    nlk_msg_init(&m, RTM_GETLINK, 0);
    nlk_put_header(&m, sizeof(struct ifinfomsg));
    struct links l = {0};
    int error = nlk_dump(s, &m, on_entry, on_restart, &l, err);
    if (error) {
        free(l.all);
        err_prefix(err, "list of interfaces");
        return error;
    }
    *ret_links = l.all ? l.all : xcalloc(1, sizeof(*l.all));
    *ret_n = l.n;
    return 0;
}

int rtnl_tap_open(const char *name, unsigned flags, int *ret_fd, struct err *err)
{
    AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, -errno, "/dev/net/tun");
    struct ifreq ifr = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};
    if (!str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name))
        return err_set(err, -EINVAL, "\"%s\" is too long for the name of an interface", name);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0)
        return err_set_errno(err, -errno, "tap device %s", name);
    *ret_fd = STEAL_FD(fd);
    return 0;
}

// ---- Events

struct rtnl_events {
    struct nlk_sock *sock;
    struct rtnl_events_cb cb;
    void *arg;
};

int rtnl_events_open(const struct rtnl_events_cb *cb, void *arg, struct rtnl_events **ret_events,
                     struct err *err)
{
    struct nlk_sock *s = NULL;
    int error = nlk_open(NETLINK_ROUTE, 0, &s, err);
    if (!error)
        error = nlk_join(s, RTNLGRP_LINK, err);
    if (error) {
        nlk_close(s);
        return error;
    }
    struct rtnl_events *e = NEW(struct rtnl_events);
    e->sock = s;
    e->cb = *cb;
    e->arg = arg;
    *ret_events = e;
    return 0;
}

void rtnl_events_close(struct rtnl_events *e)
{
    if (e) {
        nlk_close(e->sock);
        free(e);
    }
}

int rtnl_events_fd(const struct rtnl_events *e)
{
    return nlk_fd(e->sock);
}

static int on_event(const struct nlmsghdr *h, void *arg)
{
    const struct rtnl_events *e = arg;
    struct rtnl_link l;
    // Bridges announce their ports' changes by links of family AF_BRIDGE: not links themselves.
    if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)) &&
        ((const struct ifinfomsg *)NLMSG_DATA(h))->ifi_family == AF_UNSPEC &&
        !rtnl_link_parse(h, &l, NULL))
        e->cb.event(&l, e->arg);
    return 0;
}

int rtnl_events_receive(struct rtnl_events *e, struct err *err)
{
    for (;;) {
        int error = nlk_events(e->sock, on_event, e, err);
        if (error != -ENOBUFS)
            return error;
        err_done(err);
        e->cb.lost(e->arg);
    }
}
