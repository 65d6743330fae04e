// SPDX-License-Identifier: Apache-2.0
// Changing, creating and deleting network interfaces.
//
// Each function is one request and its ACK. Layout: include/uapi/linux/if_link.h, veth.h,
// rtnetlink.h, if_addr.h. Blocks while the kernel's rtnl lock is held elsewhere.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/netlink/rtnl.h"

// Begins a request about an interface that exists.
static struct ifinfomsg *begin(struct nlk_msg *m, uint16_t type, uint16_t flags, int ifindex)
{
    nlk_msg_init(m, type, flags);
    struct ifinfomsg *ifi = nlk_put_header(m, sizeof(*ifi));
    ifi->ifi_index = ifindex;
    return ifi;
}

static int finish(struct nlk_sock *s, struct nlk_msg *m, struct err *err)
{
    return nlk_transact(s, m, NULL, NULL, err);
}

static int set_flag(struct nlk_sock *s, int ifindex, unsigned flag, bool on, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    struct ifinfomsg *ifi = begin(&m, RTM_NEWLINK, 0, ifindex);
    ifi->ifi_flags = on ? flag : 0;
    ifi->ifi_change = flag;
    return finish(s, &m, err);
}

int rtnl_link_set_up(struct nlk_sock *s, int ifindex, bool up, struct err *err)
{
    return set_flag(s, ifindex, IFF_UP, up, err);
}

int rtnl_link_set_promisc(struct nlk_sock *s, int ifindex, bool on, struct err *err)
{
    return set_flag(s, ifindex, IFF_PROMISC, on, err);
}

int rtnl_link_set_mtu(struct nlk_sock *s, int ifindex, uint32_t mtu, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    begin(&m, RTM_NEWLINK, 0, ifindex);
    nlk_put_u32(&m, IFLA_MTU, mtu);
    return finish(s, &m, err);
}

int rtnl_link_set_address(struct nlk_sock *s, int ifindex, const uint8_t mac[6], struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    begin(&m, RTM_NEWLINK, 0, ifindex);
    nlk_put(&m, IFLA_ADDRESS, mac, 6);
    return finish(s, &m, err);
}

int rtnl_link_set_name(struct nlk_sock *s, int ifindex, const char *name, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    begin(&m, RTM_NEWLINK, 0, ifindex);
    nlk_put_str(&m, IFLA_IFNAME, name);
    return finish(s, &m, err);
}

int rtnl_link_set_netns(struct nlk_sock *s, int ifindex, int netns_fd, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    begin(&m, RTM_NEWLINK, 0, ifindex);
    nlk_put_u32(&m, IFLA_NET_NS_FD, (uint32_t)netns_fd);
    return finish(s, &m, err);
}

int rtnl_address_add(struct nlk_sock *s, int ifindex, int family, const void *address,
                     unsigned prefix, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    size_t size = family == AF_INET ? 4 : 16;
    nlk_msg_init(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    struct ifaddrmsg *ifa = nlk_put_header(&m, sizeof(*ifa));
    ifa->ifa_family = (uint8_t)family;
    ifa->ifa_prefixlen = (uint8_t)prefix;
    ifa->ifa_index = (uint32_t)ifindex;
    nlk_put(&m, IFA_LOCAL, address, size);
    nlk_put(&m, IFA_ADDRESS, address, size);
    return finish(s, &m, err);
}

int rtnl_link_new(struct nlk_sock *s, const char *name, const char *kind, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    nlk_put_str(&m, IFLA_IFNAME, name);
    size_t info = nlk_nest_start(&m, IFLA_LINKINFO);
    nlk_put_str(&m, IFLA_INFO_KIND, kind);
    nlk_nest_end(&m, info);
    return finish(s, &m, err);
}

int rtnl_veth_new(struct nlk_sock *s, const char *name, const char *peer, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    nlk_put_str(&m, IFLA_IFNAME, name);
    size_t info = nlk_nest_start(&m, IFLA_LINKINFO);
    nlk_put_str(&m, IFLA_INFO_KIND, "veth");
    size_t data = nlk_nest_start(&m, IFLA_INFO_DATA);
    size_t other = nlk_nest_start(&m, VETH_INFO_PEER);
    nlk_put_header(&m, sizeof(struct ifinfomsg)); // the peer's own, before its attributes
    nlk_put_str(&m, IFLA_IFNAME, peer);
    nlk_nest_end(&m, other);
    nlk_nest_end(&m, data);
    nlk_nest_end(&m, info);
    return finish(s, &m, err);
}

int rtnl_link_delete(struct nlk_sock *s, int ifindex, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    begin(&m, RTM_DELLINK, 0, ifindex);
    return finish(s, &m, err);
}
