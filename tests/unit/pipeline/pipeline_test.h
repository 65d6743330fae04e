// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share: cmocka, a small world of packets and matches that meet
// often, and short ways to make rules.
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "slowpath/pipeline/pipeline.h"

// A valid random packet out of a small domain.
static inline void random_packet(struct flow *f)
{
    static const uint16_t eth_types[] = {0x0800, 0x0800, 0x86dd, 0x0806};
    static const uint8_t protos[] = {6, 17, 6, 17, 1, 47};
    memset(f, 0, sizeof(*f));
    f->pipe.in_port = 1 + random_below(3);
    f->key.in_port = f->pipe.in_port;
    f->pipe.metadata = random_below(3);
    f->pipe.regs[0] = random_below(3);
    f->key.eth_src.b[5] = random_below(4);
    f->key.eth_dst.b[5] = random_below(4);
    f->key.eth_dst.b[0] = random_below(8) ? 0 : 1;
    f->key.eth_type = htons(eth_types[random_below(4)]);
    if (!random_below(3)) {
        f->key.vlan[0].tpid = htons(0x8100);
        f->key.vlan[0].tci = htons(VLAN_PRESENT | random_below(3) | random_below(2) << 13);
    }
    if (f->key.eth_type == htons(0x86dd)) {
        f->key.ip6_src.s6_addr[0] = f->key.ip6_dst.s6_addr[0] = 0x20;
        f->key.ip6_src.s6_addr[random_below(16)] ^= 1 << random_below(8);
        f->key.ip6_dst.s6_addr[7 + random_below(2)] ^= 1 << random_below(8);
    } else {
        f->key.ip4_src = htonl(0x0a000000 | random_below(2) << 16 | random_below(4));
        f->key.ip4_dst = htonl(0x0a000000 | 1u << random_below(24));
    }
    if (f->key.eth_type == htons(0x0806)) {
        f->key.ip_proto = 1 + random_below(2);
        return;
    }
    f->key.ip_proto = protos[random_below(6)];
    f->key.ip_tos = random_below(2) << 2;
    f->key.ip_ttl = 64;
    if (!random_below(10)) {
        f->key.ip_frag = FLOW_FRAG_ANY | (random_below(2) ? FLOW_FRAG_LATER : 0);
    }
    if (f->key.ip_frag & FLOW_FRAG_LATER)
        return;
    if (f->key.ip_proto == 47)
        return;
    f->key.tp_src = htons(random_below(3));
    if (f->key.ip_proto == 1) {
        if (f->key.eth_type == htons(0x86dd))
            f->key.ip_proto = 58;
        f->key.tp_dst = htons(random_below(3));
        return;
    }
    f->key.tp_dst = htons(random_below(2) ? 80 : 1u << random_below(16));
    if (f->key.ip_proto == 6)
        f->key.tcp_flags = htons(1u << random_below(6));
}

// A match that this packet passes, on a random choice of its fields, with prerequisites.
static inline void random_match(const struct flow *like, struct match *m)
{
    struct flow *mask = &m->mask;
    memset(m, 0, sizeof(*m));
    if (!random_below(4))
        mask->pipe.in_port = UINT32_MAX;
    if (!random_below(6))
        mask->pipe.metadata = UINT64_MAX;
    if (!random_below(6))
        mask->pipe.regs[0] = 1 + random_below(3);
    if (!random_below(5))
        memset(&mask->key.eth_src, 0xff, 6);
    if (!random_below(4))
        mask->key.eth_dst.b[random_below(2) ? 0 : 5] = 0xff;
    if (!random_below(5))
        mask->key.vlan[0].tci = htons(random_below(2) ? 0x1fff : 0x1000);
    if (random_below(2)) {
        mask->key.eth_type = UINT16_MAX;
        if (like->key.eth_type == htons(0x86dd)) {
            unsigned n = random_below(3) ? 1 + random_below(16) : 0;
            memset(&mask->key.ip6_dst, 0xff, n);
            if (n && n < 16)
                mask->key.ip6_dst.s6_addr[n] = 0xff << random_below(9);
        } else {
            if (random_below(2))
                mask->key.ip4_dst = htonl(UINT32_MAX << random_below(32));
            if (!random_below(3))
                mask->key.ip4_src =
                    htonl(random_below(4) ? UINT32_MAX << random_below(25) : 0xff00ff);
        }
        if (random_below(2))
            mask->key.ip_proto = UINT8_MAX;
        if (mask->key.ip_proto && like->key.eth_type != htons(0x0806)) {
            if (!random_below(3))
                mask->key.tp_src = UINT16_MAX;
            if (random_below(2))
                mask->key.tp_dst = htons(0xffff << (random_below(2) ? random_below(16) : 0));
            if (!random_below(6) && like->key.ip_proto == 6)
                mask->key.tcp_flags = htons(2);
        }
    }
    const uint64_t *v = (const uint64_t *)like, *k = (const uint64_t *)mask;
    for (size_t i = 0; i < FLOW_U64S; i++)
        ((uint64_t *)&m->value)[i] = v[i] & k[i];
}

// The naive twin of everything that matches.
static inline bool match_takes(const struct match *m, const struct flow *f)
{
    const uint64_t *v = (const uint64_t *)&m->value, *k = (const uint64_t *)&m->mask;
    const uint64_t *w = (const uint64_t *)f;
    for (size_t i = 0; i < FLOW_U64S; i++)
        if ((w[i] & k[i]) != v[i])
            return false;
    return true;
}

// `from` where mask has a bit, `other` elsewhere.
static inline void blend(const struct flow *from, const struct flow *other, const struct flow *mask,
                         struct flow *ret)
{
    const uint64_t *a = (const uint64_t *)from, *b = (const uint64_t *)other;
    const uint64_t *k = (const uint64_t *)mask;
    for (size_t i = 0; i < FLOW_U64S; i++)
        ((uint64_t *)ret)[i] = (a[i] & k[i]) | (b[i] & ~k[i]);
}
