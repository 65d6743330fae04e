// SPDX-License-Identifier: Apache-2.0
// From a megaflow to a rule of the NIC. Each step expresses a part of the match and clears it from
// what remains of the mask; a bit that remains at the end is a field that cannot be offloaded, so
// unsupported is the default. Actions likewise: what has no case is refused.
//
// Metadata that a frame fresh from a port cannot have (tunnel, recirculation, conntrack, marks) is
// always true of it when the megaflow wants zero, and refused otherwise.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>

#include "drivers/nicsim/inproc/private.h"

struct translation {
    const struct nicsim_eswitch *sw;
    const struct flow_desc *desc;
    struct flow_key rest; // of the mask
    struct inproc_rule *rule;
    struct refusal *refusal;
};

// Bits of a member that the megaflow matches, copied to the rule and cleared from the rest.
#define MOVE(t, member, to)                                                                        \
    do {                                                                                           \
        memcpy(&(t)->rule->spec.key.to, &(t)->desc->key.member, sizeof((t)->rest.member));         \
        memcpy(&(t)->rule->spec.mask.to, &(t)->rest.member, sizeof((t)->rest.member));             \
        memset(&(t)->rest.member, 0, sizeof((t)->rest.member));                                    \
    } while (0)

static bool matches_eth_type(const struct translation *t, uint16_t type)
{
    return t->desc->mask.eth_type == UINT16_MAX && t->desc->key.eth_type == htons(type);
}

static bool matches_ip_proto(const struct translation *t, uint8_t proto)
{
    return t->desc->mask.ip_proto == UINT8_MAX && t->desc->key.ip_proto == proto;
}

// Layer 2 begins behind the members that a frame on the wire doesn't have; in_port is among them
// and not one of them.
static void take_metadata(struct translation *t)
{
    size_t end = offsetof(struct flow_key, eth_dst);
    uint8_t *rest = (uint8_t *)&t->rest;
    const uint8_t *key = (const uint8_t *)&t->desc->key;

    for (size_t i = 0; i < end; i++) {
        if (!key[i])
            rest[i] = 0;
    }
    t->rest.in_port = 0;
}

static bool take_ports_of_nic(struct translation *t)
{
    const struct flow_desc *d = t->desc;

    if (d->mask.in_port != UINT32_MAX)
        return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_FIELD, FIELD_IN_PORT, -EOPNOTSUPP,
                       "the NIC needs a match on the input port");
    if (!nicsim_port_exists(t->sw, d->key.in_port))
        return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_PORT, d->key.in_port, -EOPNOTSUPP,
                       "the input port is not a port of the simulated NIC");
    t->rule->spec.key.in_port = d->key.in_port;
    t->rule->spec.mask.in_port = UINT32_MAX;
    return true;
}

static bool take_l2(struct translation *t)
{
    const struct flow_desc *d = t->desc;
    struct nicsim_key *key = &t->rule->spec.key, *mask = &t->rule->spec.mask;
    const struct flow_vlan *vlan = &d->key.vlan[0];
    bool tagged = vlan->tci & htons(VLAN_PRESENT);

    MOVE(t, eth_dst, eth_dst);
    MOVE(t, eth_src, eth_src);
    if (t->rest.eth_type && ntohs(d->key.eth_type) < ETH_P_802_3_MIN)
        return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_FIELD, FIELD_ETH_TYPE, -EOPNOTSUPP,
                       "frames without an Ethernet type cannot be offloaded");
    MOVE(t, eth_type, eth_type);

    if (t->rest.vlan[0].tci & htons(VLAN_PRESENT)) {
        mask->flags |= NICSIM_F_VLAN;
        if (tagged) {
            key->flags |= NICSIM_F_VLAN;
            MOVE(t, vlan[0].tpid, vlan_tpid);
            MOVE(t, vlan[0].tci, vlan_tci);
            key->vlan_tci &= htons((uint16_t)~VLAN_PRESENT);
            mask->vlan_tci &= htons((uint16_t)~VLAN_PRESENT);
        } else {
            memset(&t->rest.vlan[0], 0, sizeof t->rest.vlan[0]);
        }
    }
    // A frame whose tag is followed by the type that the rule matches has no second tag.
    if ((!tagged || mask->eth_type) && !d->key.vlan[1].tpid && !d->key.vlan[1].tci)
        memset(&t->rest.vlan[1], 0, sizeof t->rest.vlan[1]);
    return true;
}

// "Later" alone has two bits in the NIC: a fragment, and not the first.
static bool take_fragments(struct translation *t)
{
    struct nicsim_key *key = &t->rule->spec.key, *mask = &t->rule->spec.mask;
    uint8_t any = t->rest.ip_frag & FLOW_FRAG_ANY, later = t->rest.ip_frag & FLOW_FRAG_LATER;
    uint8_t value = t->desc->key.ip_frag;

    if (any || (value & later)) {
        mask->flags |= NICSIM_F_FRAG;
        if (value & (FLOW_FRAG_ANY | FLOW_FRAG_LATER))
            key->flags |= NICSIM_F_FRAG;
    }
    if (later && (key->flags & NICSIM_F_FRAG)) {
        mask->flags |= NICSIM_F_FIRST_FRAG;
        if (!(value & FLOW_FRAG_LATER))
            key->flags |= NICSIM_F_FIRST_FRAG;
    }
    if (later && !any && !(value & FLOW_FRAG_LATER))
        return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_FIELD, FIELD_IP_FRAG, -EOPNOTSUPP,
                       "\"no fragment or the first one\" cannot be offloaded as one rule");
    t->rest.ip_frag = 0;
    return true;
}

static bool take_l3(struct translation *t)
{
    bool ip4 = matches_eth_type(t, ETH_P_IP), ip6 = matches_eth_type(t, ETH_P_IPV6);

    if (ip4) {
        MOVE(t, ip4_src, ip_src);
        MOVE(t, ip4_dst, ip_dst);
    } else if (ip6) {
        MOVE(t, ip6_src, ip_src);
        MOVE(t, ip6_dst, ip_dst);
    }
    if (!ip4 && !ip6)
        return true;
    MOVE(t, ip_proto, ip_proto);
    if (t->rest.ip_tos) {
        refuse(&t->rule->beyond, REFUSAL_DRIVER, CULPRIT_FIELD,
               t->rest.ip_tos & 0xfc ? FIELD_IP_DSCP : FIELD_IP_ECN, -EOPNOTSUPP,
               "nicsim: cannot match on ip_tos (DSCP and ECN)");
        t->rest.ip_tos = 0;
    }
    return take_fragments(t);
}

static void take_l4(struct translation *t)
{
    struct nicsim_key *key = &t->rule->spec.key, *mask = &t->rule->spec.mask;
    bool ip4 = matches_eth_type(t, ETH_P_IP), ip6 = matches_eth_type(t, ETH_P_IPV6);

    if (!ip4 && !ip6)
        return;
    if (matches_ip_proto(t, IPPROTO_TCP) || matches_ip_proto(t, IPPROTO_UDP)) {
        MOVE(t, tp_src, tp_src);
        MOVE(t, tp_dst, tp_dst);
    } else if (matches_ip_proto(t, ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        // Type and code are the low bytes; the high ones are always zero.
        key->icmp_type = (uint8_t)ntohs(t->desc->key.tp_src);
        mask->icmp_type = (uint8_t)ntohs(t->rest.tp_src);
        key->icmp_code = (uint8_t)ntohs(t->desc->key.tp_dst);
        mask->icmp_code = (uint8_t)ntohs(t->rest.tp_dst);
        t->rest.tp_src = t->rest.tp_dst = 0;
    }
}

static bool take_match(struct translation *t)
{
    enum field_id left;

    take_metadata(t);
    if (!take_ports_of_nic(t) || !take_l2(t) || !take_l3(t))
        return false;
    take_l4(t);
    left = field_first_in_key_mask(&t->desc->key, &t->rest);
    if (left != FIELD_NONE)
        return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_FIELD, left, -EOPNOTSUPP,
                       "a match on %s cannot be offloaded", field_by_id(left)->name);
    static const struct flow_key none;
    if (memcmp(&t->rest, &none, sizeof none))
        return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_NONE, 0, -EOPNOTSUPP,
                       "a part of the match cannot be offloaded");
    return true;
}

static bool put_action(struct translation *t, size_t from, struct nicsim_action action)
{
    struct inproc_rule *r = t->rule;

    if (r->spec.actions.n == NICSIM_MAX_ACTIONS)
        return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_ACTION, t->desc->actions.v[from].type,
                       -EOPNOTSUPP, "a rule holds at most %d actions", NICSIM_MAX_ACTIONS);
    r->source[r->spec.actions.n] = (uint8_t)(from > UINT8_MAX ? UINT8_MAX : from);
    r->actions[r->spec.actions.n++] = action;
    return true;
}

static bool take_set(struct translation *t, const struct act *a)
{
    switch ((int)a->set.field) {
    case FIELD_ETH_SRC:
    case FIELD_ETH_DST:
    case FIELD_IPV4_SRC:
    case FIELD_IPV4_DST:
    case FIELD_IP_DSCP:
        if (t->rule->beyond.stage == REFUSAL_NONE)
            refuse(&t->rule->beyond, REFUSAL_DRIVER, CULPRIT_SET_FIELD, a->set.field, -EOPNOTSUPP,
                   "nicsim: action pedit is not supported");
        return true;
    default:
        return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_SET_FIELD, a->set.field, -EOPNOTSUPP,
                       "a rewrite of %s cannot be offloaded", field_by_id(a->set.field)->name);
    }
}

static bool take_action(struct translation *t, size_t i, bool last)
{
    const struct act *a = &t->desc->actions.v[i];

    switch ((int)a->type) {
    case ACT_OUTPUT:
        if (!nicsim_port_exists(t->sw, a->port))
            return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_PORT, a->port, -EOPNOTSUPP,
                           "an output port is not a port of the simulated NIC");
        return put_action(t, i,
                          (struct nicsim_action){.type = last ? NICSIM_REDIRECT : NICSIM_MIRROR,
                                                 .port = a->port});
    case ACT_PUSH_VLAN:
        return put_action(
            t, i,
            (struct nicsim_action){.type = NICSIM_VLAN_PUSH,
                                   .tpid = a->push_vlan.tpid,
                                   .tci = a->push_vlan.tci & htons((uint16_t)~VLAN_PRESENT)});
    case ACT_POP_VLAN:
        return put_action(t, i, (struct nicsim_action){.type = NICSIM_VLAN_POP});
    case ACT_SET:
        return take_set(t, a);
    default:
        return !refuse(t->refusal, REFUSAL_CHECK, CULPRIT_ACTION, a->type, -EOPNOTSUPP,
                       "action %s cannot be offloaded", act_type_name(a->type));
    }
}

// The last output ends the rule; edits behind it have no effect. Without one the rule drops.
static bool take_actions(struct translation *t)
{
    const struct act_list *list = &t->desc->actions;
    size_t end = list->n, outputs_end = 0;

    for (size_t i = 0; i < list->n; i++) {
        if (list->v[i].type == ACT_OUTPUT)
            outputs_end = i + 1;
    }
    if (end && list->v[end - 1].type == ACT_DROP)
        end--;
    for (size_t i = 0; i < end; i++) {
        bool edit = list->v[i].type == ACT_PUSH_VLAN || list->v[i].type == ACT_POP_VLAN ||
                    list->v[i].type == ACT_SET;
        if (i >= outputs_end && edit)
            continue;
        if (!take_action(t, i, i + 1 == outputs_end))
            return false;
    }
    return outputs_end || put_action(t, 0, (struct nicsim_action){.type = NICSIM_DROP});
}

bool inproc_translate(const struct nicsim_eswitch *sw, const struct flow_desc *desc,
                      struct inproc_rule *ret_rule, struct refusal *ret_refusal)
{
    struct translation t = {
        .sw = sw, .desc = desc, .rest = desc->mask, .rule = ret_rule, .refusal = ret_refusal};

    memset(&ret_rule->spec, 0, sizeof ret_rule->spec);
    ret_rule->beyond.stage = REFUSAL_NONE;
    ret_rule->spec.id = inproc_rule_id(&desc->ufid);
    ret_rule->spec.actions.v = ret_rule->actions;
    return take_match(&t) && take_actions(&t);
}

void inproc_caps(struct tier_caps *ret_caps)
{
    static const struct {
        enum field_id field;
        bool masked;
    } fields[] = {
        {FIELD_IN_PORT, false},    {FIELD_ETH_SRC, true},     {FIELD_ETH_DST, true},
        {FIELD_ETH_TYPE, false},   {FIELD_VLAN_TPID, false},  {FIELD_VLAN_TCI, true},
        {FIELD_VLAN_VID, true},    {FIELD_VLAN_PCP, true},    {FIELD_IPV4_SRC, true},
        {FIELD_IPV4_DST, true},    {FIELD_IPV6_SRC, true},    {FIELD_IPV6_DST, true},
        {FIELD_IP_PROTO, false},   {FIELD_IP_DSCP, true},     {FIELD_IP_ECN, true},
        {FIELD_IP_FRAG, true},     {FIELD_TCP_SRC, true},     {FIELD_TCP_DST, true},
        {FIELD_UDP_SRC, true},     {FIELD_UDP_DST, true},     {FIELD_ICMPV4_TYPE, true},
        {FIELD_ICMPV4_CODE, true}, {FIELD_ICMPV6_TYPE, true}, {FIELD_ICMPV6_CODE, true},
    };
    static const enum field_id sets[] = {FIELD_ETH_SRC, FIELD_ETH_DST, FIELD_IPV4_SRC,
                                         FIELD_IPV4_DST, FIELD_IP_DSCP};
    static const enum act_type actions[] = {ACT_OUTPUT, ACT_PUSH_VLAN, ACT_POP_VLAN, ACT_SET,
                                            ACT_DROP};

    memset(ret_caps, 0, sizeof *ret_caps);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        ret_caps->fields[fields[i].field] = true;
        ret_caps->fields_masked[fields[i].field] = fields[i].masked;
    }
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
        ret_caps->sets[sets[i]] = true;
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        ret_caps->actions[actions[i]] = true;
    ret_caps->max_actions = NICSIM_MAX_ACTIONS;
    ret_caps->max_vlans = 1;
    ret_caps->tracks_used = true;
}

static enum field_id blamed_field(enum nicsim_culprit culprit, const struct flow_key *key)
{
    bool ip6 = key->eth_type == htons(ETH_P_IPV6);

    switch (culprit) {
    case NICSIM_CULPRIT_IN_PORT:
        return FIELD_IN_PORT;
    case NICSIM_CULPRIT_ETH_TYPE:
        return FIELD_ETH_TYPE;
    case NICSIM_CULPRIT_VLAN:
        return FIELD_VLAN_TCI;
    case NICSIM_CULPRIT_IP_ADDR:
        return ip6 ? FIELD_IPV6_SRC : FIELD_IPV4_SRC;
    case NICSIM_CULPRIT_IP_PROTO:
        return FIELD_IP_PROTO;
    case NICSIM_CULPRIT_IP_FRAG:
        return FIELD_IP_FRAG;
    case NICSIM_CULPRIT_TP_PORT:
        return FIELD_TCP_SRC;
    case NICSIM_CULPRIT_ICMP:
        return ip6 ? FIELD_ICMPV6_TYPE : FIELD_ICMPV4_TYPE;
    case NICSIM_CULPRIT_NONE:
    case NICSIM_CULPRIT_ACTION:
    case NICSIM_CULPRIT_TABLE:
        break;
    }
    return FIELD_NONE;
}

int inproc_nic_refusal(const struct nicsim_refusal *why, const struct flow_desc *desc,
                       const struct inproc_rule *rule, struct refusal *ret_refusal)
{
    enum refusal_stage stage = why->error == -ENOSPC ? REFUSAL_CAPACITY : REFUSAL_DRIVER;
    enum refusal_culprit culprit = CULPRIT_FIELD;
    uint32_t id = blamed_field(why->culprit, &desc->key);

    if (why->culprit == NICSIM_CULPRIT_TABLE) {
        culprit = CULPRIT_TABLE;
        id = 0;
    } else if (why->culprit == NICSIM_CULPRIT_ACTION) {
        uint32_t from = why->action < rule->spec.actions.n ? rule->source[why->action] : 0;
        culprit = CULPRIT_ACTION;
        id = from < desc->actions.n ? desc->actions.v[from].type : ACT_DROP;
    } else if (id == FIELD_NONE) {
        culprit = CULPRIT_NONE;
        id = 0;
    }
    return refuse(ret_refusal, stage, culprit, id, why->error, "%s", why->sentence);
}
