// SPDX-License-Identifier: Apache-2.0
// Parsing of frames, written out byte by byte, and of the same frames cut short at every length. A
// packet lies at the end of its own allocation, so that AddressSanitizer sees any read beyond it.
#include "tests/unit/flow/flow_test.h"

#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/flow/packet.h"

#define ETH "0a0000000002 0a0000000001 "

// Spaces in the text are ignored.
static struct packet *packet_of(const char *hex)
{
    uint8_t bytes[512];
    size_t n = 0;
    for (const char *c = hex; *c;) {
        if (*c == ' ') {
            c++;
            continue;
        }
        char byte[3] = {c[0], c[1], '\0'};
        assert_true(n < sizeof(bytes) && str_from_hex(byte, &bytes[n++], 1));
        c += 2;
    }
    return packet_from(bytes, (uint32_t)n);
}

static struct flow_key parse(const char *hex, uint16_t *l3, uint16_t *l4)
{
    struct packet *p = packet_of(hex);
    struct flow_key key;
    packet_extract(p, &key);
    if (l3)
        *l3 = p->l3_ofs;
    if (l4)
        *l4 = p->l4_ofs;
    packet_free(p);
    return key;
}

static const char icmp[] =
    ETH "0800 45b80054 00004000 40010000 0a000001 0a000002 0800abcd 12340001";
static const char tcp[] = ETH "8100 e005 0800 45000028 00004000 40060000 0a000001 0a000002 "
                              "03e81f90 00000001 00000002 50120000 00000000";
static const char qinq_udp6[] =
    ETH "88a8 0064 8100 2065 86dd 6b8abcde 00081140 "
        "20010db8000000000000000000000001 20010db8000000000000000000000002 "
        "00351234 00080000";

static void ipv4_icmp(void **state)
{
    uint16_t l3, l4;
    struct flow_key k = parse(icmp, &l3, &l4);
    assert_int_equal(k.eth_type, htons(0x0800));
    assert_int_equal(k.eth_dst.b[5], 2);
    assert_int_equal(k.eth_src.b[5], 1);
    assert_int_equal(k.ip4_src, htonl(0x0a000001));
    assert_int_equal(k.ip4_dst, htonl(0x0a000002));
    assert_int_equal(k.ip_proto, 1);
    assert_int_equal(k.ip_tos, 0xb8);
    assert_int_equal(k.ip_ttl, 64);
    assert_int_equal(k.ip_frag, 0);
    assert_int_equal(k.tp_src, htons(8));
    assert_int_equal(k.tp_dst, 0);
    assert_int_equal(k.vlan[0].tci, 0);
    assert_int_equal(l3, 14);
    assert_int_equal(l4, 34);
}

static void vlan_tcp(void **state)
{
    uint16_t l3, l4;
    struct flow_key k = parse(tcp, &l3, &l4);
    assert_int_equal(k.vlan[0].tpid, htons(0x8100));
    assert_int_equal(k.vlan[0].tci, htons(0xf005));
    assert_int_equal(k.vlan[1].tci, 0);
    assert_int_equal(k.eth_type, htons(0x0800));
    assert_int_equal(k.tp_src, htons(1000));
    assert_int_equal(k.tp_dst, htons(8080));
    assert_int_equal(k.tcp_flags, htons(0x12));
    assert_int_equal(l3, 18);
    assert_int_equal(l4, 38);
}

static void two_vlans_udp_ipv6(void **state)
{
    struct flow_key k = parse(qinq_udp6, NULL, NULL);
    assert_int_equal(k.vlan[0].tpid, htons(0x88a8));
    assert_int_equal(k.vlan[0].tci, htons(0x1064));
    assert_int_equal(k.vlan[1].tpid, htons(0x8100));
    assert_int_equal(k.vlan[1].tci, htons(0x3065));
    assert_int_equal(k.eth_type, htons(0x86dd));
    assert_int_equal(k.ip_tos, 0xb8);
    assert_int_equal(k.ip6_label, htonl(0xabcde));
    assert_int_equal(k.ip_ttl, 64);
    assert_int_equal(k.ip_proto, 17);
    assert_int_equal(k.tp_dst, htons(0x1234));
}

static void extension_headers(void **state)
{
#define V6(next)                                                                                   \
    ETH "86dd 60000000 0030" next                                                                  \
        "40 20010db8000000000000000000000001 20010db8000000000000000000000002 "
#define UDP "00351234 00080000"
    struct flow_key k;
    uint16_t l4;
    k = parse(V6("11") UDP, NULL, &l4);
    assert_int_equal(k.ip_proto, 17);
    assert_int_equal(k.tp_src, htons(53));
    assert_int_equal(l4, 54);
    k = parse(V6("00") "2b00000000000000 3c00000000000000 1101000000000000 0000000000000000" UDP,
              NULL, &l4);
    assert_int_equal(k.ip_proto, 17); // hop-by-hop, routing, 16 bytes of destination options
    assert_int_equal(k.tp_dst, htons(0x1234));
    assert_int_equal(l4, 86);
    k = parse(V6("33") "11010000 00000000 00000000" UDP, NULL, NULL); // authentication: 12 bytes
    assert_int_equal(k.tp_src, htons(53));
    k = parse(V6("2c") "1100000100000001" UDP, NULL, NULL); // first fragment
    assert_int_equal(k.ip_frag, FLOW_FRAG_ANY);
    assert_int_equal(k.tp_src, htons(53));
    k = parse(V6("2c") "1100001100000001" UDP, NULL, &l4); // later fragment
    assert_int_equal(k.ip_frag, FLOW_FRAG_ANY | FLOW_FRAG_LATER);
    assert_int_equal(k.ip_proto, 44);
    assert_int_equal(k.tp_src, 0);
    assert_int_equal(l4, UINT16_MAX);
    k = parse(V6("2c") "3c00001100000001"
                       "1100000000000000" UDP,
              NULL, NULL); // the kernel gives up on such
    assert_int_equal(k.ip_frag, FLOW_FRAG_ANY);
    assert_int_equal(k.ip_proto, 59);
    k = parse(V6("3b"), NULL, NULL);
    assert_int_equal(k.ip_proto, 59);
    k = parse(V6("00") "11ff000000000000" UDP, NULL, NULL); // longer than the frame
    assert_int_equal(k.ip_proto, 59);
    assert_int_equal(k.ip_ttl, 64);
}

static void ipv4_fragments(void **state)
{
    struct flow_key k = parse(
        ETH "0800 45000028 00002000 40110000 0a000001 0a000002 00351234 00080000", NULL, NULL);
    assert_int_equal(k.ip_frag, FLOW_FRAG_ANY);
    assert_int_equal(k.tp_src, htons(53));
    k = parse(ETH "0800 45000028 00000001 40110000 0a000001 0a000002 00351234 00080000", NULL,
              NULL);
    assert_int_equal(k.ip_frag, FLOW_FRAG_ANY | FLOW_FRAG_LATER);
    assert_int_equal(k.ip_proto, 17);
    assert_int_equal(k.tp_src, 0);
    k = parse(ETH "0800 46000028 00000000 40110000 0a000001 0a000002 01010101 00351234 00080000",
              NULL, NULL);
    assert_int_equal(k.tp_src, htons(53)); // behind an option
    k = parse(ETH "0800 44000028 00000000 40110000 0a000001 0a000002 00351234 00080000", NULL,
              NULL);
    assert_int_equal(k.ip_proto, 0); // header length below 20
    assert_int_equal(k.ip4_src, 0);

    struct packet *p =
        packet_of(ETH "0800 45000028 00000000 40110000 0a000001 0a000002 00351234 00080000");
    p->vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP; // to be cut into fragments
    packet_extract(p, &k);
    assert_int_equal(k.ip_frag, FLOW_FRAG_ANY);
    packet_free(p);
}

static void tcp_header_length_is_checked(void **state)
{
    struct flow_key k = parse(ETH "0800 45000028 00000000 40060000 0a000001 0a000002 "
                                  "03e81f90 00000001 00000002 40120000 00000000",
                              NULL, NULL);
    assert_int_equal(k.ip_proto, 6);
    assert_int_equal(k.tp_src, 0);
    k = parse(ETH "0800 45000028 00000000 40060000 0a000001 0a000002 "
                  "03e81f90 00000001 00000002 60120000 00000000",
              NULL, NULL);
    assert_int_equal(k.tp_src, 0);
}

static void arp(void **state)
{
    struct flow_key k = parse(
        ETH "0806 0001 0800 06 04 0002 0a0000000001 0a000001 0a0000000002 0a000002", NULL, NULL);
    assert_int_equal(k.ip_proto, 2);
    assert_int_equal(k.ip4_src, htonl(0x0a000001));
    assert_int_equal(k.ip4_dst, htonl(0x0a000002));
    assert_int_equal(k.arp_sha.b[5], 1);
    assert_int_equal(k.arp_tha.b[5], 2);
    k = parse(ETH "0806 0001 0800 06 04 0102 0a0000000001 0a000001 0a0000000002 0a000002", NULL,
              NULL);
    assert_int_equal(k.ip_proto, 0);
    assert_int_equal(k.arp_sha.b[5], 1);
    k = parse(ETH "0806 0006 0800 06 04 0002 0a0000000001 0a000001 0a0000000002 0a000002", NULL,
              NULL);
    assert_int_equal(k.ip_proto, 0);
    assert_int_equal(k.ip4_src, 0);
}

static void mpls(void **state)
{
    uint16_t l3, l4;
    struct flow_key k = parse(ETH "8847 00010040 00020140 00030140", &l3, &l4);
    assert_int_equal(k.mpls_lse[0], htonl(0x00010040));
    assert_int_equal(k.mpls_lse[1], htonl(0x00020140));
    assert_int_equal(k.mpls_lse[2], 0);
    assert_int_equal(l3, 14);
    assert_int_equal(l4, UINT16_MAX);
}

static void ieee_802_3(void **state)
{
    uint16_t l3;
    struct flow_key k = parse(ETH "0026 424203 0000000000", &l3, NULL); // spanning tree
    assert_int_equal(k.eth_type, htons(0x05ff));
    assert_int_equal(l3, UINT16_MAX);
    k = parse(
        ETH
        "0026 aaaa03000000 0806 0001 0800 06 04 0001 0a0000000001 0a000001 0a0000000002 0a000002",
        &l3, NULL);
    assert_int_equal(k.eth_type, htons(0x0806));
    assert_int_equal(k.ip_proto, 1);
    assert_int_equal(l3, 22);
    k = parse(ETH "0026 aaaa0300000c 0806 0001", NULL, NULL); // another OUI
    assert_int_equal(k.eth_type, htons(0x05ff));
}

#define NS V6("3a") "87000000 00000000 fe800000000000000000000000000003 "
static void neighbour_discovery(void **state)
{
    struct flow_key k = parse(NS "01010a0000000009", NULL, NULL);
    assert_int_equal(k.tp_src, htons(135));
    assert_int_equal(k.nd_target.s6_addr[15], 3);
    assert_int_equal(k.arp_sha.b[5], 9);
    assert_int_equal(k.nd_options_type, 1);
    k = parse(NS "01010a0000000009 01010a0000000008", NULL, NULL); // the same option twice
    assert_int_equal(k.nd_target.s6_addr[15], 0);
    assert_int_equal(k.arp_sha.b[5], 0);
    k = parse(NS "0100", NULL, NULL);
    assert_int_equal(k.nd_target.s6_addr[15], 3);
    k = parse(NS "0e00000000000000 01010a0000000009", NULL,
              NULL); // an option of no length ends the search
    assert_int_equal(k.nd_target.s6_addr[15], 3);
    assert_int_equal(k.arp_sha.b[5], 0);
}

static void metadata_is_kept(void **state)
{
    struct packet *p = packet_of(icmp);
    struct flow_key k;
    p->md.in_port = 7;
    p->md.recirc_id = 8;
    p->md.tun.id = 9;
    packet_extract(p, &k);
    assert_int_equal(k.in_port, 7);
    assert_int_equal(k.recirc_id, 8);
    assert_int_equal(k.tun.id, 9);
    assert_int_equal(k.ip_proto, 1);
    packet_free(p);
}

// Cut short, a frame gives what the whole one gives or nothing, member by member; and no offset
// lies outside it.
static void truncated(void **state)
{
    static const char *const frames[] = {
        icmp,
        tcp,
        qinq_udp6,
        NS "01010a0000000009",
        ETH "8847 00010040 00020140",
        ETH
        "0026 aaaa03000000 0806 0001 0800 06 04 0001 0a0000000001 0a000001 0a0000000002 0a000002"};
    for (size_t f = 0; f < sizeof(frames) / sizeof(frames[0]); f++) {
        struct packet *whole = packet_of(frames[f]);
        struct flow_key want, got;
        packet_extract(whole, &want);
        for (uint32_t len = 0; len < whole->len; len++) {
            struct packet *p = packet_from(packet_data(whole), len);
            packet_extract(p, &got);
            assert_true(p->l3_ofs == UINT16_MAX || p->l3_ofs <= len);
            assert_true(p->l4_ofs == UINT16_MAX || p->l4_ofs <= len);
            assert_true(!got.tp_src || got.tp_src == want.tp_src);
            assert_true(!got.ip4_src || got.ip4_src == want.ip4_src);
            assert_true(!got.ip6_label || got.ip6_label == want.ip6_label);
            assert_true(!got.mpls_lse[1] || got.mpls_lse[1] == want.mpls_lse[1]);
            packet_free(p);
        }
        packet_free(whole);
    }
}

static void buffers_move(void **state)
{
    struct packet *p = packet_of(icmp), *copy;
    struct flow_key k;
    uint32_t len = p->len;
    packet_extract(p, &k);
    p->vnet.needs_csum = true;
    p->vnet.csum_start = 34;
    for (unsigned i = 0; i < 50; i++)
        memset(packet_push(p, 4), 0xee, 4); // beyond the headroom
    assert_int_equal(p->len, len + 200);
    assert_int_equal(p->l3_ofs, 214);
    assert_int_equal(p->vnet.csum_start, 234);
    copy = packet_clone(p);
    packet_pull(p, 200);
    assert_int_equal(p->l4_ofs, 34);
    assert_int_equal(copy->l4_ofs, 234);
    assert_memory_equal(packet_data(copy) + 200, packet_data(p), len);
    packet_free(p);
    packet_free(copy);
    packet_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_icmp),
        cmocka_unit_test(vlan_tcp),
        cmocka_unit_test(two_vlans_udp_ipv6),
        cmocka_unit_test(extension_headers),
        cmocka_unit_test(ipv4_fragments),
        cmocka_unit_test(tcp_header_length_is_checked),
        cmocka_unit_test(arp),
        cmocka_unit_test(mpls),
        cmocka_unit_test(ieee_802_3),
        cmocka_unit_test(neighbour_discovery),
        cmocka_unit_test(metadata_is_kept),
        cmocka_unit_test(truncated),
        cmocka_unit_test(buffers_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
