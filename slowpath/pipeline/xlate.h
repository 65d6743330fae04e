// SPDX-License-Identifier: Apache-2.0
// Translation: runs one packet's key through a bridge's OpenFlow tables and returns the megaflow
// that stands for all packets alike: actions, mask, and what was read on the way.
//
// A translation that would exceed XLATE_MAX_DEPTH nested resubmits and patch ports,
// XLATE_MAX_LOOKUPS table lookups or XLATE_MAX_ACTIONS datapath actions drops the packet and says
// so.
//
// Pure but for what the caller allows by `flags`: no threads, no sockets; reads RCU-protected
// tables, so the caller is within an RCU read section from xlate() until it is done with the
// pointers in `ret`. One translation reads one version of the tables. Any thread.
#pragma once

#include "lib/flow/desc.h"
#include "lib/flow/packet.h"
#include "slowpath/pipeline/provenance.h"

struct pipeline; // pipeline.h: one bridge's tables, ports and MAC table
struct rule;
struct ofpact_list;

enum packet_in_reason { // OpenFlow's OFPR_*
    PACKET_IN_NO_MATCH = 0,
    PACKET_IN_ACTION = 1,
    PACKET_IN_ACTION_SET = 3,
    // A flow without match at priority 0 sent it: NO_MATCH in OpenFlow 1.3, ACTION before.
    PACKET_IN_EXPLICIT_MISS = 0x80,
};

enum { XLATE_MAX_DEPTH = 64, XLATE_MAX_LOOKUPS = 4096, XLATE_MAX_ACTIONS = 4096 };

enum xlate_flags {
    XLATE_MAY_LEARN =
        1 << 0, // NORMAL may teach the MAC table (a real packet or counted ones, not a what-if)
    XLATE_SEND_PACKET_INS = 1 << 1, // controller actions are collected with the packet
};

struct xlate_in {
    struct pipeline *pipeline;   // of the bridge that owns the input port
    struct flow flow;            // key with the datapath port; pipe.in_port the OpenFlow port
    const struct packet *packet; // NULL: none at hand (re-translation)
    unsigned flags;
    int64_t now;       // clock_now()
    struct str *trace; // if not NULL, each step is told to a person
    // If not NULL, these are run instead of table 0 (packet-out; OFPP_TABLE in it enters table 0).
    const struct ofpact_list *ofpacts;
};

// One packet for a controller (collected, not sent: the openflow room sends).
struct xlate_packet_in {
    struct pipeline *pipeline;
    struct flow flow;      // as of the controller action
    struct packet *packet; // likewise; NULL without one in xlate_in. Owned by the xlate_out
    uint16_t max_len, controller_id;
    uint8_t reason, table_id; // enum packet_in_reason
    be64_t cookie;
};

// Whom the megaflow's counters are credited to, in this order of traversal. Rules are credited
// packets and bytes; ports only where they stand between (patch ports).
enum credit_kind { CREDIT_RULE, CREDIT_TABLE_MISS, CREDIT_PORT_RX, CREDIT_PORT_TX, CREDIT_MAC };
struct xlate_credit {
    enum credit_kind kind;
    union {
        struct rule *rule; // referenced: rule_ref(); released by xlate_out_done()
        struct {
            struct pipeline *pipeline; // referenced likewise
            uint32_t id;               // table, or OpenFlow port
        } at;
        struct {
            struct pipeline *pipeline;
            struct eth_addr addr;
            uint16_t vlan;
            ofp_port_t port;
        } mac; // seen again: refresh its age
    };
};

enum xlate_slow { // why each packet has to come to a handler; 0: it hasn't
    SLOW_CONTROLLER = 1 << 0,
    SLOW_ACTION = 1 << 1,      // an action that no datapath expresses
    SLOW_PROTOCOL = 1 << 2,    // LACP, BFD, CFM, STP, …
    SLOW_TOO_COMPLEX = 1 << 3, // resubmit depth or action count exceeded: `actions` is empty and
                               // `error` says why. No reason for packets to come up: a drop
};

struct xlate_out {
    struct act_list actions; // datapath actions
    // What was looked at; always in_port, recirc_id, packet_type, eth_type, the fragment bits of
    // IP, and each VLAN tag's presence and type (tiers can't leave that open). Members that such
    // packets don't have are never in it.
    struct flow_key mask;
    struct provenance provenance;
    struct xlate_credit *credits; // n_credits
    size_t n_credits;
    struct xlate_packet_in *packet_ins; // with XLATE_SEND_PACKET_INS
    size_t n_packet_ins;
    unsigned slow;   // enum xlate_slow bits
    uint64_t change; // of the tables, for pipelines_changed_since()
    char error[120]; // why the packet was dropped against the tables' word, else empty
};

void xlate(const struct xlate_in *, struct xlate_out *ret);
void xlate_out_done(struct xlate_out *); // frees lists, drops references

// Adds what a tier counted for a megaflow to rules, tables, ports and MAC ages. Any thread; no lock
// but a bucket's of the MAC table, where an address has moved or was forgotten.
void xlate_credit(const struct xlate_credit *, size_t n, uint64_t packets, uint64_t bytes,
                  uint16_t tcp_flags, int64_t used);
