// SPDX-License-Identifier: Apache-2.0
// Network interfaces through rtnetlink: look up, change, create, delete, watch.
//
// Functions take a socket of protocol NETLINK_ROUTE and block while the kernel holds rtnl, so they
// run off the main thread where that matters. Errors: the kernel's errno and sentence; -ENODEV for
// an interface that isn't there.
#pragma once

#include <linux/if_link.h>
#include <net/if.h>

#include "lib/netlink/nlsock.h"

struct rtnl_link {
    int ifindex;
    char name[IFNAMSIZ];
    char kind[32];     // IFLA_INFO_KIND: "veth", "tun", "bridge" …; "" for plain devices
    unsigned flags;    // IFF_UP, IFF_RUNNING … (net/if.h, linux/if.h)
    uint8_t operstate; // IF_OPER_* (linux/if.h)
    bool carrier;
    uint32_t mtu, min_mtu, max_mtu; // 0: not told
    uint8_t address[6];
    bool has_address; // a 6-byte address was told
    uint8_t permanent[6];
    bool has_permanent;
    int link;   // ifindex of the lower or peer device (IFLA_LINK), 0: none
    int master; // 0: none
    bool has_peer_netns;
    uint32_t carrier_changes; // IFLA_CARRIER_CHANGES
    uint8_t switch_id[32];    // IFLA_PHYS_SWITCH_ID
    size_t switch_id_size;
    char port_name[32]; // IFLA_PHYS_PORT_NAME; "" none
    bool has_stats;
    struct rtnl_link_stats64 stats; // as the interface counts: its own view of rx and tx
    bool deleted;                   // in events: RTM_DELLINK
};

// Decodes RTM_NEWLINK and RTM_DELLINK. Pure. -EPROTO, -EINVAL (another message); *ret untouched.
int rtnl_link_parse(const struct nlmsghdr *h, struct rtnl_link *ret, struct err *err);

int rtnl_link_get(struct nlk_sock *s, const char *name, struct rtnl_link *ret, struct err *err);
int rtnl_link_get_index(struct nlk_sock *s, int ifindex, struct rtnl_link *ret, struct err *err);
// Every interface of the namespace, as an array for free().
int rtnl_link_list(struct nlk_sock *s, struct rtnl_link **ret_links, size_t *ret_n,
                   struct err *err);

int rtnl_link_set_up(struct nlk_sock *s, int ifindex, bool up, struct err *err);
int rtnl_link_set_mtu(struct nlk_sock *s, int ifindex, uint32_t mtu, struct err *err);
int rtnl_link_set_address(struct nlk_sock *s, int ifindex, const uint8_t mac[6], struct err *err);
int rtnl_link_set_name(struct nlk_sock *s, int ifindex, const char *name, struct err *err);
int rtnl_link_set_netns(struct nlk_sock *s, int ifindex, int netns_fd, struct err *err);
int rtnl_link_set_promisc(struct nlk_sock *s, int ifindex, bool on, struct err *err);
// 'prefix' bits; 'family' AF_INET (4 bytes) or AF_INET6 (16).
int rtnl_address_add(struct nlk_sock *s, int ifindex, int family, const void *address,
                     unsigned prefix, struct err *err);

int rtnl_veth_new(struct nlk_sock *s, const char *name, const char *peer, struct err *err);
int rtnl_link_new(struct nlk_sock *s, const char *name, const char *kind, struct err *err);
int rtnl_link_delete(struct nlk_sock *s, int ifindex, struct err *err);

// A TAP device: opens /dev/net/tun and attaches to 'name', creating it. 'flags' are IFF_VNET_HDR,
// IFF_MULTI_QUEUE … added to IFF_TAP | IFF_NO_PI (linux/if_tun.h). The device lives as long as the
// descriptor, which is returned non-blocking. Errors: those of open and TUNSETIFF.
int rtnl_tap_open(const char *name, unsigned flags, int *ret_fd, struct err *err);

// Link events. 'event' gets every change; lost(arg) is called when the kernel dropped some (list
// again). rtnl_events_receive() is to be called when the descriptor is readable; never waits.
struct rtnl_events;
struct rtnl_events_cb {
    void (*event)(const struct rtnl_link *link, void *arg);
    void (*lost)(void *arg);
};
int rtnl_events_open(const struct rtnl_events_cb *cb, void *arg, struct rtnl_events **ret_events,
                     struct err *err);
void rtnl_events_close(struct rtnl_events *e);
int rtnl_events_fd(const struct rtnl_events *e);
int rtnl_events_receive(struct rtnl_events *e, struct err *err);
