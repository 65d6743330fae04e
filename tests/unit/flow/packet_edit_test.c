// SPDX-License-Identifier: Apache-2.0
// Composing, editing and segmenting frames. Edits are checked against two twins: the key, edited
// through the field table and extracted again from the frame; and the checksums, computed anew the
// slow way.
#include "tests/unit/flow/packet_test.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>

#include "lib/flow/checksum.h"

#define ROUNDS 4000

static void composed_keys_come_back(void **state)
{
    random_seed(10);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct flow_key key = random_key(), got;
        struct packet *p = packet_compose(&key, random_below(100));
        packet_extract(p, &got);
        assert_memory_equal(&got, &key, sizeof(key));
        assert_true(checksums_right(p));
        packet_free(p);
    }
}

// May this field of such a packet be edited, and what else does an edit of it change in the key?
static bool editable(const struct field *f, const struct flow *flow)
{
    if (f->id < FIELD_ETH_SRC || f->id >= FIELD_PIPELINE_FIRST || !f->writable ||
        !field_prereq_ok(f, flow))
        return false;
    bool tagged = flow->key.vlan[0].tci;
    if (flow->key.ip_frag & FLOW_FRAG_LATER && f->prereq >= PREREQ_TCP)
        return false; // no header of layer 4
    switch (f->id) {
    case FIELD_VLAN_TCI:
    case FIELD_VLAN_VID:
    case FIELD_VLAN_PCP:
        return tagged;
    case FIELD_ND_SLL:
        return flow->key.nd_options_type == 1;
    case FIELD_ND_TLL:
        return flow->key.nd_options_type == 2;
    case FIELD_ICMPV6_TYPE: // would make another message of it
    case FIELD_ICMPV6_CODE:
        return flow->key.tp_src != htons(135) && flow->key.tp_src != htons(136);
    case FIELD_ND_OPTIONS_TYPE:
        return false;
    default:
        return true;
    }
}

static void edit(struct packet *p, const struct field *f, struct flow *twin)
{
    struct field_value v = random_value(f), mask;
    field_value_ones(f, &mask);
    if (f->maskable && random_below(2))
        mask = random_value(f);
    if (f->id == FIELD_ICMPV6_TYPE) // stay away from neighbour discovery
        v.b[0] = 1;
    if (f->id == FIELD_ND_SLL || f->id == FIELD_ND_TLL)
        v.b[0] |= 1, mask.b[0] |= 1;
    packet_set_field(p, f, &v, &mask);
    field_set_masked(f, &v, &mask, twin);
    if (twin->key.vlan[0].tpid)
        twin->key.vlan[0].tci |= htons(VLAN_PRESENT);
}

static unsigned edits_of(bool pending)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct flow twin;
        struct flow_key got;
        memset(&twin, 0, sizeof(twin));
        twin.key = random_key();
        struct packet *p = packet_compose(&twin.key, random_below(64));
        uint16_t field = p->l4_proto == 6 ? 16 : p->l4_proto == 17 ? 6 : 0;

        if (pending) { // the sender left the sum of the pseudo-header in the field
            if (p->l4_ofs == UINT16_MAX || !field || twin.key.ip_frag) {
                packet_free(p);
                continue;
            }
            uint8_t *l4 = packet_data(p) + p->l4_ofs, *ip = packet_data(p) + p->l3_ofs;
            uint32_t len = p->len - p->l4_ofs;
            uint32_t sum = twin.key.eth_type == htons(0x0800)
                               ? checksum_pseudo4(twin.key.ip4_src, twin.key.ip4_dst, p->l4_proto,
                                                  (uint16_t)len)
                               : checksum_pseudo6(ip + 8, ip + 24, p->l4_proto, len);
            uint16_t folded = checksum_fold(sum);
            memcpy(l4 + field, &folded, 2);
            p->vnet = (struct packet_vnet){
                .needs_csum = true, .csum_start = p->l4_ofs, .csum_offset = field};
        }
        for (unsigned e = 0; e < 12; e++) {
            const struct field *f = field_by_id((enum field_id)random_below(FIELD_PIPELINE_FIRST));
            if (!editable(f, &twin))
                continue;
            edit(p, f, &twin);
            n++;
            packet_extract(p, &got);
            assert_memory_equal(&got, &twin.key, sizeof(got));
        }
        assert_int_equal(packet_finish_checksum(p), 0);
        assert_true(checksums_right(p));
        packet_free(p);
    }
    return n;
}

static void edits_agree_with_their_twins(void **state)
{
    random_seed(11);
    assert_true(edits_of(false) > ROUNDS / 2);
}

static void pending_checksums_follow_addresses(void **state)
{
    random_seed(12);
    assert_true(edits_of(true) > ROUNDS / 8);
}

static void set_u64(struct packet *p, enum field_id id, uint64_t value)
{
    struct field_value v = field_value_from_u64(field_by_id(id), value), all;
    field_value_ones(field_by_id(id), &all);
    packet_set_field(p, field_by_id(id), &v, &all);
}

static struct flow_key udp4(void)
{
    struct flow_key k;
    memset(&k, 0, sizeof(k));
    k.eth_type = htons(0x0800);
    k.ip_proto = 17;
    k.ip_ttl = 64;
    k.ip4_src = htonl(0x0a000001);
    k.ip4_dst = htonl(0x0a000002);
    k.tp_src = htons(1000);
    k.tp_dst = htons(2000);
    return k;
}

static void absent_checksums_stay_absent_and_wrong_ones_wrong(void **state)
{
    struct flow_key k = udp4();
    struct packet *p = packet_compose(&k, 10);
    uint8_t *l4 = packet_data(p) + p->l4_ofs;
    memset(l4 + 6, 0, 2);
    set_u64(p, FIELD_IPV4_SRC, 0x0b000001);
    set_u64(p, FIELD_UDP_SRC, 77);
    assert_true(!l4[6] && !l4[7]);
    assert_true(checksums_right(p));
    packet_free(p);

    k.ip_proto = 6;
    p = packet_compose(&k, 10);
    packet_data(p)[p->l4_ofs + 16] ^= 0x40;
    set_u64(p, FIELD_IPV4_DST, 0x0b000001);
    set_u64(p, FIELD_TCP_DST, 77);
    assert_false(checksums_right(p));
    packet_data(p)[p->l4_ofs + 16] ^= 0x40;
    packet_free(p);
}

static void udp_never_says_none_by_accident(void **state)
{
    unsigned seen = 0;
    for (uint32_t port = 0; port < 65536; port++) {
        struct flow_key k = udp4();
        struct packet *p = packet_compose(&k, 0);
        set_u64(p, FIELD_UDP_SRC, port);
        const uint8_t *csum = packet_data(p) + p->l4_ofs + 6;
        assert_false(!csum[0] && !csum[1]);
        seen += csum[0] == 0xff && csum[1] == 0xff;
        packet_free(p);
        if (port > 3000 && seen)
            break;
    }
    assert_true(seen > 0);
}

static void sctp_keeps_its_crc(void **state)
{
    assert_int_equal(crc32c("123456789", 9), 0xe3069283); // the check value of CRC-32C
    struct flow_key k = udp4();
    k.ip_proto = 132;
    struct packet *p = packet_compose(&k, 33);
    set_u64(p, FIELD_SCTP_SRC, 5);
    uint8_t *l4 = packet_data(p) + p->l4_ofs;
    uint32_t stored, none = 0;
    memcpy(&stored, l4 + 8, 4);
    memcpy(l4 + 8, &none, 4);
    assert_int_equal(le32toh(stored), crc32c(l4, p->len - p->l4_ofs));
    packet_free(p);
}

// With a routing header on the way, the pseudo-header has the last address in it and not the one in
// the IPv6 header.
static void routing_header_keeps_destination_out_of_the_sum(void **state)
{
    struct flow_key k = udp4();
    k.eth_type = htons(0x86dd);
    k.ip4_src = k.ip4_dst = 0;
    struct packet *plain = packet_compose(&k, 4);
    struct packet *p = packet_new(plain->len + 8);
    uint8_t *data = packet_data(p);
    memcpy(data, packet_data(plain), 54);
    memcpy(data + 62, packet_data(plain) + 54, plain->len - 54);
    data[20] = 43;
    static const uint8_t routing[8] = {17, 0, 0, 1, 0, 0, 0, 0};
    memcpy(data + 54, routing, 8);
    packet_extract(p, &k);
    assert_int_equal(p->l4_ofs, 62);
    uint8_t before = data[62 + 6];
    set_u64(p, FIELD_IPV6_DST, 1);
    assert_int_equal(data[62 + 6], before);
    set_u64(p, FIELD_IPV6_SRC, 0x1200);
    assert_int_not_equal(data[62 + 6], before);
    packet_free(p);
    packet_free(plain);
}

static void truncated_frames_are_left_alone(void **state)
{
    random_seed(13);
    for (unsigned i = 0; i < 60; i++) {
        struct flow_key k = random_key(), got;
        struct packet *whole = packet_compose(&k, 4);
        for (uint32_t len = 0; len <= whole->len; len++) {
            struct packet *p = packet_from(packet_data(whole), len);
            packet_extract(p, &got);
            for (unsigned f = 0; f < FIELD_COUNT; f++) {
                struct field_value v = random_value(field_by_id(f)), all;
                field_value_ones(field_by_id(f), &all);
                packet_set_field(p, field_by_id(f), &v, &all);
            }
            packet_pop_vlan(p);
            packet_pop_mpls(p, htons(0x0800));
            packet_push_mpls(p, htons(0x8847), htonl(0x1140));
            packet_push_vlan(p, htons(0x8100), htons(0x1001));
            packet_free(p);
        }
        packet_free(whole);
    }
}

static void tags(void **state)
{
    random_seed(14);
    for (unsigned i = 0; i < 500; i++) {
        struct flow_key k = random_key(), got;
        struct packet *p = packet_compose(&k, 20);
        struct packet *before = packet_clone(p);
        packet_push_vlan(p, htons(0x8100), htons(0x3007));
        packet_extract(p, &got);
        assert_int_equal(got.vlan[0].tpid, htons(0x8100));
        assert_int_equal(got.vlan[0].tci, htons(0x3007));
        assert_int_equal(packet_data(p)[14], 0x20); // the mark is not on the wire
        if (!k.vlan[1].tci)
            assert_memory_equal(&got.vlan[1], &k.vlan[0], sizeof(k.vlan[0]));
        packet_extract(before, &got);
        packet_extract(p, &got);
        packet_pop_vlan(p);
        assert_int_equal(p->len, before->len);
        assert_memory_equal(packet_data(p), packet_data(before), p->len);
        packet_free(p);
        packet_free(before);
    }
}

static void labels(void **state)
{
    random_seed(15);
    for (unsigned i = 0; i < 500; i++) {
        struct flow_key k = random_key(), got;
        struct packet *p = packet_compose(&k, 20), *before = packet_clone(p);
        packet_push_mpls(p, htons(0x8847), htonl(0x00012140));
        packet_extract(p, &got);
        if (k.eth_type == htons(0x05ff)) { // no type to change
            assert_memory_equal(packet_data(p), packet_data(before), p->len);
        } else {
            assert_int_equal(got.eth_type, htons(0x8847));
            assert_int_equal(got.mpls_lse[0], htonl(0x00012140));
            assert_memory_equal(got.vlan, k.vlan, sizeof(k.vlan));
            packet_pop_mpls(p, k.eth_type);
            assert_int_equal(p->l4_ofs, before->l4_ofs);
            assert_int_equal(p->len, before->len);
            assert_memory_equal(packet_data(p), packet_data(before), p->len);
        }
        packet_free(p);
        packet_free(before);
    }
}

struct segments {
    struct packet *v[64];
    unsigned n;
};

static void collect(void *aux, struct packet *p)
{
    struct segments *s = aux;
    assert_true(s->n < 64);
    s->v[s->n++] = p;
}

static struct packet *gso(uint16_t eth_type, uint8_t proto, uint8_t gso_type, uint16_t size,
                          uint32_t payload)
{
    struct flow_key k = udp4();
    k.eth_type = htons(eth_type);
    if (eth_type == 0x86dd)
        k.ip4_src = k.ip4_dst = 0;
    k.ip_proto = proto;
    k.vlan[0].tpid = htons(0x8100);
    k.vlan[0].tci = htons(0x1005);
    if (proto == 6)
        k.tcp_flags = htons(0x99); // CWR, ACK, PSH, FIN
    struct packet *p = packet_compose(&k, payload);
    p->vnet = (struct packet_vnet){.gso_type = gso_type,
                                   .gso_size = size,
                                   .needs_csum = true,
                                   .csum_start = p->l4_ofs,
                                   .csum_offset = proto == 6 ? 16 : 6};
    return p;
}

static void check_segments(struct packet *p, unsigned want)
{
    struct segments s = {.n = 0};
    uint32_t header = p->l4_ofs + (p->l4_proto == 6 ? 20u : 8u), offset = 0, frames;
    uint64_t bytes, got_bytes = 0;

    packet_wire_count(p, &frames, &bytes);
    assert_int_equal(packet_segment(p, collect, &s), 0);
    assert_int_equal(s.n, want);
    assert_int_equal(frames, want);
    for (unsigned i = 0; i < s.n; i++) {
        struct packet *seg = s.v[i];
        const uint8_t *data = packet_data(seg), *l4 = data + p->l4_ofs;
        struct flow_key k;
        packet_extract(seg, &k);
        assert_true(checksums_right(seg));
        assert_false(seg->vnet.needs_csum);
        assert_int_equal(k.vlan[0].tci, htons(0x1005));
        assert_memory_equal(data + header, packet_data(p) + header + offset, seg->len - header);
        if (k.eth_type == htons(0x0800)) {
            assert_int_equal(data[20] << 8 | data[21], seg->len - 18);
            assert_int_equal(data[22] << 8 | data[23], i);
        } else {
            assert_int_equal(data[22] << 8 | data[23], seg->len - 58);
        }
        if (p->l4_proto == 6) {
            uint32_t seq = (uint32_t)l4[4] << 24 | l4[5] << 16 | l4[6] << 8 | l4[7];
            assert_int_equal(seq, offset);
            assert_int_equal(ntohs(k.tcp_flags), 0x10 | (i ? 0 : 0x80) | (i + 1 == s.n ? 0x09 : 0));
        } else {
            assert_int_equal(l4[4] << 8 | l4[5], seg->len - p->l4_ofs);
        }
        offset += seg->len - header;
        got_bytes += seg->len;
        packet_free(seg);
    }
    assert_int_equal(offset, p->len - header);
    assert_int_equal(bytes, got_bytes);
    packet_free(p);
}

static void segmentation(void **state)
{
    check_segments(gso(0x0800, 6, VIRTIO_NET_HDR_GSO_TCPV4, 1448, 14480), 10);
    check_segments(gso(0x0800, 6, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 1448, 14481),
                   11);
    check_segments(gso(0x86dd, 6, VIRTIO_NET_HDR_GSO_TCPV6, 1428, 5001), 4);
    check_segments(gso(0x0800, 17, VIRTIO_NET_HDR_GSO_UDP_L4, 100, 1000), 10);
    check_segments(gso(0x86dd, 17, VIRTIO_NET_HDR_GSO_UDP_L4, 1001, 3003), 3);

    struct packet *p =
        gso(0x0800, 17, VIRTIO_NET_HDR_GSO_TCPV4, 100, 1000); // headers and vnet disagree
    struct segments s = {.n = 0};
    uint32_t frames;
    uint64_t bytes;
    assert_int_equal(packet_segment(p, collect, &s), -EINVAL);
    packet_wire_count(p, &frames, &bytes);
    assert_int_equal(frames, 1);
    p->vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP; // IP fragments of 96 bytes
    packet_wire_count(p, &frames, &bytes);
    assert_int_equal(frames, 11);
    assert_int_equal(packet_segment(p, collect, &s), -EOPNOTSUPP);
    p->vnet.gso_type = VIRTIO_NET_HDR_GSO_NONE;
    assert_int_equal(packet_segment(p, collect, &s), 0);
    assert_int_equal(s.n, 1);
    packet_free(s.v[0]);
    packet_free(p);
}

static void pending_checksum_out_of_bounds(void **state)
{
    struct flow_key k = udp4();
    struct packet *p = packet_compose(&k, 0);
    p->vnet = (struct packet_vnet){
        .needs_csum = true, .csum_start = (uint16_t)(p->len - 1), .csum_offset = 0};
    assert_int_equal(packet_finish_checksum(p), -EINVAL);
    p->vnet.csum_start = 65535;
    assert_int_equal(packet_finish_checksum(p), -EINVAL);
    packet_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composed_keys_come_back),
        cmocka_unit_test(edits_agree_with_their_twins),
        cmocka_unit_test(pending_checksums_follow_addresses),
        cmocka_unit_test(absent_checksums_stay_absent_and_wrong_ones_wrong),
        cmocka_unit_test(udp_never_says_none_by_accident),
        cmocka_unit_test(sctp_keeps_its_crc),
        cmocka_unit_test(routing_header_keeps_destination_out_of_the_sum),
        cmocka_unit_test(truncated_frames_are_left_alone),
        cmocka_unit_test(tags),
        cmocka_unit_test(labels),
        cmocka_unit_test(segmentation),
        cmocka_unit_test(pending_checksum_out_of_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
