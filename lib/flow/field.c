// SPDX-License-Identifier: Apache-2.0
// Behaviour of match fields: reading, writing and masking them in a struct flow, prerequisites,
// look-ups by name and by wire header. Everything follows from the rows of lib/flow/field_table.c;
// the exceptions are the two views of the input port (16 and 32 bits) and OpenFlow's 32-bit
// ct_state, which is one byte here.
//
// A value is taken from storage in one of two ways: storage of 1, 2, 4 or 8 bytes as an integer
// (shifted and cut to the field's bits), longer storage and MAC addresses as bytes. Registers in
// pairs and quadruples are host-order words, the first the most significant.
//
// Thread: any; the indexes are built before main() and constant after.
#include "lib/flow/field.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/flow/field_table.h"

#define ND_SOLICIT 135
#define ND_ADVERT 136

// Bits of ct_state (linux/openvswitch.h, OVS_CS_F_*).
#define CT_INVALID 0x10
#define CT_TRACKED 0x20
#define CT_IMPLY_VALID 0xcf // new, established, related, reply, source and destination translated

static uint64_t ones(unsigned n)
{
    return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

static bool is_bytes(const struct field *f)
{
    return f->size == 6 || f->size == 16 || (f->size == 8 && f->host_order);
}

static uint64_t storage_load(const struct field *f, const struct flow *flow)
{
    const uint8_t *at = (const uint8_t *)flow + f->offset;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;

    switch (f->size) {
    case 1:
        return *at;
    case 2:
        memcpy(&u16, at, 2);
        return f->host_order ? u16 : ntohs(u16);
    case 4:
        memcpy(&u32, at, 4);
        return f->host_order ? u32 : ntohl(u32);
    default:
        memcpy(&u64, at, 8);
        return be64toh(u64);
    }
}

static void storage_store(const struct field *f, struct flow *flow, uint64_t v)
{
    uint8_t *at = (uint8_t *)flow + f->offset;
    uint16_t u16;
    uint32_t u32;

    switch (f->size) {
    case 1:
        *at = (uint8_t)v;
        break;
    case 2:
        u16 = f->host_order ? (uint16_t)v : htons((uint16_t)v);
        memcpy(at, &u16, 2);
        break;
    case 4:
        u32 = f->host_order ? (uint32_t)v : htonl((uint32_t)v);
        memcpy(at, &u32, 4);
        break;
    default:
        v = htobe64(v);
        memcpy(at, &v, 8);
        break;
    }
}

// The field's bits within its storage, as storage_load() returns it.
static uint64_t storage_bits(const struct field *f)
{
    uint64_t wire = ones(f->n_bits) & ~ones(f->low_zero);
    return (wire << f->shift) & ones(f->size * 8u);
}

// Copies between storage and wire form where both are byte strings; host-order words are swapped
// either way.
static void copy_bytes(const struct field *f, uint8_t *to, const uint8_t *from)
{
    if (!f->host_order) {
        memcpy(to, from, f->size);
        return;
    }
    for (unsigned i = 0; i < f->size; i += 4) {
        uint32_t word;
        memcpy(&word, from + i, 4);
        word = htonl(word);
        memcpy(to + i, &word, 4);
    }
}

uint64_t field_value_to_u64(const struct field *f, const struct field_value *v)
{
    uint64_t r = 0;
    unsigned from = f->n_bytes > 8 ? f->n_bytes - 8u : 0;
    for (unsigned i = from; i < f->n_bytes; i++)
        r = r << 8 | v->b[i];
    return r;
}

struct field_value field_value_from_u64(const struct field *f, uint64_t v)
{
    struct field_value r = {{0}};
    for (unsigned i = f->n_bytes; i-- > 0; v >>= 8)
        r.b[i] = (uint8_t)v;
    return r;
}

ofp_port_t ofp_port_from_u16(uint16_t port)
{
    return port >= 0xff00 ? 0xffff0000u | port : port;
}

uint16_t ofp_port_to_u16(ofp_port_t port)
{
    if (port >= OFPP_MAX_PORT || port < 0xff00)
        return (uint16_t)port;
    return (uint16_t)OFPP_NONE;
}

void field_get(const struct field *f, const struct flow *flow, struct field_value *ret_value)
{
    *ret_value = (struct field_value){{0}};
    if (is_bytes(f)) {
        copy_bytes(f, ret_value->b, (const uint8_t *)flow + f->offset);
        return;
    }
    uint64_t v = storage_load(f, flow);
    if (f->id == FIELD_OF_IN_PORT)
        v = ofp_port_to_u16((ofp_port_t)v);
    *ret_value = field_value_from_u64(f, (v & storage_bits(f)) >> f->shift);
}

void field_set_masked(const struct field *f, const struct field_value *value,
                      const struct field_value *mask, struct flow *flow)
{
    if (is_bytes(f)) {
        uint8_t *at = (uint8_t *)flow + f->offset;
        uint8_t now[16];
        copy_bytes(f, now, at);
        for (unsigned i = 0; i < f->size; i++)
            now[i] = (uint8_t)((now[i] & ~mask->b[i]) | (value->b[i] & mask->b[i]));
        copy_bytes(f, at, now);
        return;
    }
    uint64_t now = storage_load(f, flow);
    if (f->id == FIELD_OF_IN_PORT)
        now = ofp_port_to_u16((ofp_port_t)now);
    uint64_t bits = (field_value_to_u64(f, mask) << f->shift) & storage_bits(f);
    now = (now & ~bits) | ((field_value_to_u64(f, value) << f->shift) & bits);
    if (f->id == FIELD_OF_IN_PORT)
        now = ofp_port_from_u16((uint16_t)now);
    storage_store(f, flow, now);
}

void field_value_ones(const struct field *f, struct field_value *ret_mask)
{
    *ret_mask = (struct field_value){{0}};
    if (is_bytes(f))
        memset(ret_mask->b, 0xff, f->n_bytes);
    else
        *ret_mask = field_value_from_u64(f, ones(f->n_bits) & ~ones(f->low_zero));
}

void field_set(const struct field *f, const struct field_value *value, struct flow *flow)
{
    struct field_value all;
    field_value_ones(f, &all);
    field_set_masked(f, value, &all, flow);
}

bool field_is_zero(const struct field *f, const struct flow *flow)
{
    if (!is_bytes(f))
        return !(storage_load(f, flow) & storage_bits(f));
    const uint8_t *at = (const uint8_t *)flow + f->offset;
    uint8_t any = 0;
    for (unsigned i = 0; i < f->size; i++)
        any |= at[i];
    return !any;
}

bool field_is_all_ones(const struct field *f, const struct flow *flow)
{
    if (!is_bytes(f)) {
        uint64_t bits = storage_bits(f);
        return (storage_load(f, flow) & bits) == bits;
    }
    const uint8_t *at = (const uint8_t *)flow + f->offset;
    uint8_t all = 0xff;
    for (unsigned i = 0; i < f->size; i++)
        all &= at[i];
    return all == 0xff;
}

bool field_value_valid(const struct field *f, const struct field_value *value)
{
    if (is_bytes(f))
        return true;
    uint64_t v = field_value_to_u64(f, value);
    if (v & (~ones(f->n_bits) | ones(f->low_zero)))
        return false;
    return f->size == 8 || f->id == FIELD_OF_IN_PORT || !(v >> (f->size * 8u - f->shift));
}

void field_set_match(const struct field *f, const struct field_value *value,
                     const struct field_value *mask, struct match *match)
{
    struct field_value masked;
    for (unsigned i = 0; i < sizeof(masked.b); i++)
        masked.b[i] = value->b[i] & mask->b[i];
    field_set(f, &masked, &match->value);
    field_set(f, mask, &match->mask);
}

void field_wildcard_all(const struct field *f, struct flow *mask)
{
    if (is_bytes(f))
        memset((uint8_t *)mask + f->offset, 0, f->size);
    else
        storage_store(f, mask, f->shared ? storage_load(f, mask) & ~storage_bits(f) : 0);
}

void field_mask_all(const struct field *f, struct flow *mask)
{
    if (is_bytes(f))
        memset((uint8_t *)mask + f->offset, 0xff, f->size);
    else
        storage_store(f, mask,
                      f->id == FIELD_OF_IN_PORT ? UINT32_MAX
                                                : storage_load(f, mask) | storage_bits(f));
}

static bool is_ip(const struct flow_key *k)
{
    return k->eth_type == htons(ETH_P_IP) || k->eth_type == htons(ETH_P_IPV6);
}

// Ports: a match for later fragments can't have them. (It may have ICMP's type; such a fragment's
// is 0.)
static bool is_l4(const struct flow_key *k, uint8_t proto)
{
    return is_ip(k) && k->ip_proto == proto && !(k->ip_frag & FLOW_FRAG_LATER);
}

static bool is_icmpv6(const struct flow_key *k)
{
    return k->eth_type == htons(ETH_P_IPV6) && k->ip_proto == IPPROTO_ICMPV6;
}

static bool is_tracked(const struct flow_key *k)
{
    return (k->ct_state & (CT_TRACKED | CT_INVALID)) == CT_TRACKED;
}

static bool prereq_ok(enum field_prereq prereq, const struct flow_key *k)
{
    switch (prereq) {
    case PREREQ_NONE:
        return true;
    case PREREQ_ARP:
        return k->eth_type == htons(ETH_P_ARP) || k->eth_type == htons(ETH_P_RARP);
    case PREREQ_VLAN:
        return k->vlan[0].tci & htons(VLAN_PRESENT);
    case PREREQ_IPV4:
        return k->eth_type == htons(ETH_P_IP);
    case PREREQ_IPV6:
        return k->eth_type == htons(ETH_P_IPV6);
    case PREREQ_IP:
        return is_ip(k);
    case PREREQ_MPLS:
        return k->eth_type == htons(ETH_P_MPLS_UC) || k->eth_type == htons(ETH_P_MPLS_MC);
    case PREREQ_TCP:
        return is_l4(k, IPPROTO_TCP);
    case PREREQ_UDP:
        return is_l4(k, IPPROTO_UDP);
    case PREREQ_SCTP:
        return is_l4(k, IPPROTO_SCTP);
    case PREREQ_ICMPV4:
        return k->eth_type == htons(ETH_P_IP) && k->ip_proto == IPPROTO_ICMP;
    case PREREQ_ICMPV6:
        return is_icmpv6(k);
    case PREREQ_ND_SOLICIT:
        return is_icmpv6(k) && k->tp_src == htons(ND_SOLICIT) && !k->tp_dst;
    case PREREQ_ND_ADVERT:
        return is_icmpv6(k) && k->tp_src == htons(ND_ADVERT) && !k->tp_dst;
    case PREREQ_ND:
        return is_icmpv6(k) && (k->tp_src == htons(ND_SOLICIT) || k->tp_src == htons(ND_ADVERT)) &&
               !k->tp_dst;
    case PREREQ_CT:
        return is_ip(k) && is_tracked(k);
    case PREREQ_CT_IPV4:
        return k->eth_type == htons(ETH_P_IP) && is_tracked(k);
    case PREREQ_CT_IPV6:
        return k->eth_type == htons(ETH_P_IPV6) && is_tracked(k);
    }
    return false;
}

bool field_prereq_ok(const struct field *f, const struct flow *flow)
{
    return prereq_ok(f->prereq, &flow->key);
}

// The fields that prerequisites ask for can only be matched exactly or not at all, and what a match
// doesn't demand is zero in its value, which satisfies no prerequisite; so the value alone tells.
// (A code that isn't matched passes for 0, as controllers expect of ND.) Of ct_state a match may
// name single bits: those that only a valid connection has.
bool field_prereq_in_match(const struct field *f, const struct match *match)
{
    const struct flow_key *value = &match->value.key;
    struct flow_key k;

    if (f->prereq != PREREQ_CT && f->prereq != PREREQ_CT_IPV4 && f->prereq != PREREQ_CT_IPV6)
        return prereq_ok(f->prereq, value);
    bool not_invalid = is_tracked(value) && match->mask.key.ct_state & CT_INVALID;
    if (!(value->ct_state & CT_IMPLY_VALID) && !not_invalid)
        return false;
    k = *value;
    k.ct_state = CT_TRACKED;
    return prereq_ok(f->prereq, &k);
}

void field_mask_prereqs(const struct field *f, struct flow *mask)
{
    struct flow_key *m = &mask->key;

    switch (f->prereq) {
    case PREREQ_NONE:
        break;
    case PREREQ_VLAN:
        m->vlan[0].tci |= htons(VLAN_PRESENT);
        break;
    case PREREQ_CT:
    case PREREQ_CT_IPV4:
    case PREREQ_CT_IPV6:
        m->ct_state = UINT8_MAX;
        m->eth_type = UINT16_MAX;
        break;
    case PREREQ_ND:
    case PREREQ_ND_SOLICIT:
    case PREREQ_ND_ADVERT:
        m->tp_src |= htons(0xff);
        m->tp_dst |= htons(0xff);
        // fall through
    case PREREQ_TCP:
    case PREREQ_UDP:
    case PREREQ_SCTP:
    case PREREQ_ICMPV4:
    case PREREQ_ICMPV6:
        m->ip_proto = UINT8_MAX;
        m->ip_frag |= FLOW_FRAG_LATER;
        // fall through
    case PREREQ_ARP:
    case PREREQ_IPV4:
    case PREREQ_IPV6:
    case PREREQ_IP:
    case PREREQ_MPLS:
        m->eth_type = UINT16_MAX;
        break;
    }
}

enum field_id field_first_in_key_mask(const struct flow_key *key, const struct flow_key *mask)
{
    static const struct flow_key none;
    if (!memcmp(mask, &none, sizeof(none)))
        return FIELD_NONE;

    const struct flow *as_flow = (const struct flow *)mask; // no field below reaches beyond the key
    enum field_id first = FIELD_NONE;
    for (unsigned i = 0; i < FIELD_PIPELINE_FIRST; i++) {
        const struct field *f = &field_table[i];
        if (field_is_zero(f, as_flow))
            continue;
        if (!key || prereq_ok(f->prereq, key))
            return f->id;
        if (first == FIELD_NONE)
            first = f->id;
    }
    return first;
}

const struct field *field_by_id(enum field_id id)
{
    return &field_table[id];
}
