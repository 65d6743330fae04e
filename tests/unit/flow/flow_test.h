// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share: cmocka, seeded random values of fields.
#pragma once

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/random.h"
#include "lib/flow/field.h"

// A valid random value of the field.
static inline struct field_value random_value(const struct field *f)
{
    struct field_value v = {{0}}, all;
    random_fill(v.b, f->n_bytes);
    field_value_ones(f, &all);
    for (unsigned i = 0; i < f->n_bytes; i++)
        v.b[i] &= all.b[i];
    if (f->id == FIELD_CT_STATE || f->id == FIELD_ARP_OP) // wider on the wire than what it can be
        memset(v.b, 0, f->n_bytes - 1u);
    return v;
}

static inline void assert_value_equal(const struct field_value *a, const struct field_value *b)
{
    assert_memory_equal(a->b, b->b, sizeof(a->b));
}

static inline void match_exactly(struct match *m, enum field_id id, uint64_t v)
{
    struct field_value value = field_value_from_u64(field_by_id(id), v), all;
    field_value_ones(field_by_id(id), &all);
    field_set_match(field_by_id(id), &value, &all, m);
}

// Makes the match demand what a field presupposes.
static inline void match_prereq(struct match *m, enum field_prereq prereq)
{
    static const struct {
        uint16_t eth_type;
        uint8_t proto;
    } l[] = {
        [PREREQ_ARP] = {0x0806, 0},        [PREREQ_IPV4] = {0x0800, 0},
        [PREREQ_IPV6] = {0x86dd, 0},       [PREREQ_IP] = {0x0800, 0},
        [PREREQ_MPLS] = {0x8847, 0},       [PREREQ_TCP] = {0x86dd, 6},
        [PREREQ_UDP] = {0x0800, 17},       [PREREQ_SCTP] = {0x0800, 132},
        [PREREQ_ICMPV4] = {0x0800, 1},     [PREREQ_ICMPV6] = {0x86dd, 58},
        [PREREQ_ND] = {0x86dd, 58},        [PREREQ_ND_SOLICIT] = {0x86dd, 58},
        [PREREQ_ND_ADVERT] = {0x86dd, 58}, [PREREQ_CT] = {0x0800, 0},
        [PREREQ_CT_IPV4] = {0x0800, 0},    [PREREQ_CT_IPV6] = {0x86dd, 0},
    };
    if (prereq == PREREQ_VLAN)
        m->value.key.vlan[0].tci = m->mask.key.vlan[0].tci = htons(VLAN_PRESENT);
    if (prereq == PREREQ_NONE || prereq == PREREQ_VLAN)
        return;
    match_exactly(m, FIELD_ETH_TYPE, l[prereq].eth_type);
    if (l[prereq].proto)
        match_exactly(m, FIELD_IP_PROTO, l[prereq].proto);
    if (prereq == PREREQ_ND || prereq == PREREQ_ND_SOLICIT || prereq == PREREQ_ND_ADVERT) {
        match_exactly(m, FIELD_ICMPV6_TYPE, prereq == PREREQ_ND_ADVERT ? 136 : 135);
        match_exactly(m, FIELD_ICMPV6_CODE, 0);
    }
    if (prereq >= PREREQ_CT)
        match_exactly(m, FIELD_CT_STATE, 0x22);
}

// A match on the field, with what it presupposes. A mask is random where the field takes any.
static inline struct match match_on(const struct field *f)
{
    struct match m;
    struct field_value v = random_value(f), mask;
    memset(&m, 0, sizeof(m));
    match_prereq(&m, f->prereq);
    field_value_ones(f, &mask);
    if (f->maskable && random_below(2))
        mask = random_value(f);
    field_set_match(f, &v, &mask, &m);
    return m;
}

static inline void assert_match_equal(const struct match *a, const struct match *b)
{
    assert_memory_equal(&a->mask, &b->mask, sizeof(a->mask));
    assert_memory_equal(&a->value, &b->value, sizeof(a->value));
}
