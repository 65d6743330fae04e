// SPDX-License-Identifier: Apache-2.0
// What the owner of a bridge supplies to its OpenFlow agent: ports, identity, and carrying out what
// is not the pipeline's.
//
// Defaults for every callback: called on the main thread; must not block; pointers passed in stay
// the caller's and are not kept; must not free the connection manager. A member may be NULL where
// it says so.
#pragma once

#include "slowpath/openflow/port.h"

struct packet;
struct ofpact_list;

// Texts of OFPMP_DESC. Longer ones are cut by the wire (255 bytes, serial 31).
struct of_description {
    const char *manufacturer, *hardware, *software, *serial, *datapath;
};

struct of_packet_out {
    ofp_port_t in_port;                // a port, or OFPP_CONTROLLER, OFPP_LOCAL, OFPP_NONE
    const struct ofpact_list *actions; // checked
    struct packet *packet;             // the callee's
};

struct of_bridge_ops {
    // The bridge's datapath id, host order.
    uint64_t (*datapath_id)(void *aux);

    // Fills *ret with texts that stay valid until the next call. NULL: the defaults.
    void (*describe)(void *aux, struct of_description *ret);

    // Calls `cb` for each port, in any order; `cb` does not call back into the owner.
    void (*ports_each)(void *aux, void (*cb)(void *cb_aux, const struct of_port *), void *cb_aux);

    // One port by number. False: none such; *ret untouched.
    bool (*port_get)(void *aux, ofp_port_t, struct of_port *ret);

    // A port's counters, up to date to what is known without waiting. False: none such.
    bool (*port_stats)(void *aux, ofp_port_t, struct of_port_stats *ret);

    // Changes a port's configuration: bits of mod->mask to those of mod->config (OFPPC_*), and what
    // it advertises. Port and address were checked. Bits that can't be changed are left; the owner
    // then reports the port with connmgr_port_status() if anything changed. NULL: nothing can be
    // changed.
    void (*port_mod)(void *aux, const struct of_port_mod *mod);

    // Runs actions on a packet. Owns po->packet.
    void (*packet_out)(void *aux, const struct of_packet_out *po);

    // Handling of IP fragments (OFPC_FRAG_*: 0 normal, 1 drop, 3 match on fragments). set: 0, or
    // -EOPNOTSUPP for a mode that can't be. Both NULL: normal, unchangeable.
    unsigned (*frags_get)(void *aux);
    int (*frags_set)(void *aux, unsigned mode);
};
