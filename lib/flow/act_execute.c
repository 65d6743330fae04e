// SPDX-License-Identifier: Apache-2.0
// Running a list of actions on a packet in user space: what softdp does for every packet, and a
// handler for one that no datapath could run. An action that is not the last works on the packet
// itself; what leaves is a copy, except at the end of the list, where the packet itself leaves, so
// that the common list of one output copies nothing. Nested lists see a copy, as in the kernel
// (net/openvswitch/actions.c): their edits don't reach what follows.
//
// Thread: the packet's; sinks are called on it.
#include "lib/base/counter.h"
#include "lib/base/random.h"
#include "lib/flow/packet_wire.h"

#define MAX_DEPTH 16 // of nested lists; deeper ones don't run

COUNTER_DEFINE(act_execute_unsupported);

static void run(const struct act_list *, struct packet *, const struct act_sink *, unsigned depth);

// The packet for an action that gives it away: itself if nothing follows.
static struct packet *take(struct packet **p, bool last)
{
    struct packet *taken = last ? *p : packet_clone(*p);
    if (last)
        *p = NULL;
    else
        (*p)->cut_len = 0; // a truncation is for one output
    return taken;
}

static void to_userspace(const struct act *a, struct packet *p, const struct act_sink *sink)
{
    struct flow_key key;
    if (!sink->userspace) {
        packet_free(p);
        return;
    }
    packet_extract(p, &key);
    sink->userspace(sink->aux, a, &key, p);
}

static void run_nested(const struct act_list *list, struct packet **p, bool last,
                       const struct act_sink *sink, unsigned depth)
{
    if (!list || !list->n || depth >= MAX_DEPTH)
        return;
    struct packet *own = last ? *p : packet_clone(*p);
    if (last)
        *p = NULL;
    run(list, own, sink, depth + 1);
}

// False: the packet's time is over.
static bool dec_ttl(struct packet *p)
{
    if (p->l3_ofs == NO_OFFSET)
        return true;
    const uint8_t *l3 = packet_data(p) + p->l3_ofs;
    uint16_t type = load_u16(l3 - 2);
    uint32_t header = type == ETH_P_IP ? IPV4_MIN_LEN : type == ETH_P_IPV6 ? IPV6_LEN : 0;
    if (!header || p->l3_ofs + header > p->len)
        return true;
    uint8_t ttl = l3[type == ETH_P_IP ? 8 : 7];
    if (ttl <= 1)
        return false;
    const struct field_value value = {{(uint8_t)(ttl - 1)}}, mask = {{UINT8_MAX}};
    packet_set_field(p, field_by_id(FIELD_IP_TTL), &value, &mask);
    return true;
}

// Needs the datapath: false stops the list.
static bool other(const struct act *a, struct packet *p, const struct act_sink *sink)
{
    if (sink->other)
        return sink->other(sink->aux, a, p);
    counter_inc(act_execute_unsupported);
    return false;
}

// Runs one action; may take *p. False: the list ends here.
static bool run_one(const struct act *a, struct packet **p, bool last, const struct act_sink *sink,
                    unsigned depth)
{
    switch (a->type) {
    case ACT_OUTPUT:
        sink->output(sink->aux, a->port, take(p, last));
        return true;
    case ACT_USERSPACE:
        to_userspace(a, take(p, last), sink);
        return true;
    case ACT_SET:
        packet_set_field(*p, field_by_id(a->set.field), &a->set.value, &a->set.mask);
        return true;
    case ACT_PUSH_VLAN:
        packet_push_vlan(*p, a->push_vlan.tpid, a->push_vlan.tci);
        return true;
    case ACT_POP_VLAN:
        packet_pop_vlan(*p);
        return true;
    case ACT_PUSH_MPLS:
        packet_push_mpls(*p, a->push_mpls.eth_type, a->push_mpls.lse);
        return true;
    case ACT_POP_MPLS:
        packet_pop_mpls(*p, a->pop_mpls_eth_type);
        return true;
    case ACT_TUNNEL_SET:
        (*p)->md.tun = a->tunnel;
        return true;
    case ACT_TRUNC:
        (*p)->cut_len = a->trunc_len;
        return true;
    case ACT_CLONE:
        run_nested(a->nested, p, last, sink, depth);
        return true;
    case ACT_SAMPLE:
        if (a->sample.probability == UINT32_MAX || random_u32() < a->sample.probability)
            run_nested(a->sample.actions, p, last, sink, depth);
        return true;
    case ACT_CHECK_LEN:
        run_nested(packet_largest_frame(*p) > a->check_len.len ? a->check_len.greater
                                                               : a->check_len.less_equal,
                   p, last, sink, depth);
        return true;
    case ACT_DEC_TTL:
        return dec_ttl(*p);
    case ACT_RECIRC:
    case ACT_HASH:
    case ACT_CT:
    case ACT_CT_CLEAR:
    case ACT_METER:
        return other(a, *p, sink);
    case ACT_DROP:
    case ACT_COUNT:
        break;
    }
    return false;
}

static void run(const struct act_list *list, struct packet *p, const struct act_sink *sink,
                unsigned depth)
{
    for (uint32_t i = 0; i < list->n && p; i++) {
        if (!run_one(&list->v[i], &p, i + 1 == list->n, sink, depth))
            break;
    }
    packet_free(p);
}

void act_execute(const struct act_list *list, struct packet *p, const struct act_sink *sink)
{
    run(list, p, sink, 0);
}
