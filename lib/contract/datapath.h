// SPDX-License-Identifier: Apache-2.0
// What a software datapath offers beyond holding megaflows (lib/contract/tier.h): ports, upcalls, executing a packet.
// It is the bottom tier: hardware tiers stand above it and miss into it. Same defaults for callbacks as tier.h.
#pragma once

#include "lib/contract/tier.h"
#include "lib/flow/packet.h"

enum dp_port_type {
    DP_PORT_SYSTEM, // an existing network device
    DP_PORT_INTERNAL, // a device that the datapath makes (a TAP, or openvswitch's internal vport)
    DP_PORT_VXLAN,
    DP_PORT_GENEVE,
    DP_PORT_GRE,
};

struct dp_port_info {
    dp_port_t number;
    char name[16];
    enum dp_port_type type;
    int ifindex; // 0: none
};

enum upcall_type {
    UPCALL_MISS, // no megaflow matched
    UPCALL_ACTION, // an ACT_USERSPACE asked for it
};

struct upcall {
    enum upcall_type type;
    struct packet *packet; // the receiver's; metadata filled
    struct flow_key key; // as the datapath parsed it
    struct ufid ufid; // of the megaflow, for UPCALL_ACTION, where known (else zero)
    struct {
        enum userspace_reason reason;
        uint32_t cookie;
        uint64_t data;
    } action; // for UPCALL_ACTION
};

struct datapath;

struct datapath_ops {
    const char *type; // as in Bridge.datapath_type: "system", "netdev"

    // Stops threads, removes what the datapath made. With `keep` ports and flows stay where the datapath can do that.
    void (*close)(struct datapath *, bool keep);

    // Adds a port. *number is the wanted number or DP_PORT_NONE, and the number given on return. -EEXIST: in use already;
    // -ENODEV: no such device; -EOPNOTSUPP: a type this datapath lacks; each with a sentence. Main thread.
    int (*port_add)(struct datapath *, const char *name, enum dp_port_type, dp_port_t *number, struct err *);
    // -ENOENT: none such. Packets in flight to it are dropped and counted. Main thread.
    int (*port_del)(struct datapath *, dp_port_t, struct err *);
    int (*port_dump)(struct datapath *, void (*cb)(void *aux, const struct dp_port_info *), void *aux);

    // How many handlers will read upcalls; called once, before the first upcall_recv. Main thread.
    int (*handlers_set)(struct datapath *, unsigned n, struct err *);
    // Waits for upcalls of handler `id` and moves at most `max` into `ret`; their packets are then the caller's. Returns
    // how many (0 after upcall_wake), or a negative errno (-ENOBUFS: some were lost; counted; go on). Handler's thread.
    int (*upcall_recv)(struct datapath *, unsigned id, struct upcall *ret, size_t max);
    // Makes a waiting upcall_recv of `id` return 0. Any thread.
    void (*upcall_wake)(struct datapath *, unsigned id);

    // Runs `actions` on `packet` as if a megaflow had them. Takes the packet. The channel is one of the datapath's tier. Its
    // errors are rare and counted. Any thread with a channel.
    int (*execute)(struct tier_channel *, struct packet *, const struct flow_key *, const struct act_list *actions, struct err *);

    // Upcalls lost since start because a queue was full. Any thread.
    uint64_t (*upcalls_lost)(struct datapath *);
    // Packets that hit a megaflow, missed, were lost; masks in use. For dpctl/show. Any thread.
    void (*counters)(struct datapath *, uint64_t *ret_hit, uint64_t *ret_missed, uint64_t *ret_lost, uint32_t *ret_masks);
};

struct datapath {
    const struct datapath_ops *ops;
    struct tier *tier; // its flow table
};
