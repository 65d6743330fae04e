// SPDX-License-Identifier: Apache-2.0
// nicsim's parser: what the key holds for each kind of frame, and that a frame cut anywhere leaves
// zeroes.
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "drivers/nicsim/core/eswitch.h"
#include "tests/unit/nicsim/frames.h"

static struct nicsim_key parse(const struct frame *f)
{
    struct nicsim_key key;

    memset(&key, 0xee, sizeof key);
    assert_int_equal(nicsim_parse(7, 0, 0, f->b, f->len, &key), 0);
    assert_int_equal(key.in_port, 7);
    return key;
}

static void test_ethernet(void **state)
{
    struct frame f;
    frame_eth(&f, 0x0806);
    struct nicsim_key key = parse(&f);
    assert_memory_equal(key.eth_dst, "\2\0\0\0\0\xd1", 6);
    assert_memory_equal(key.eth_src, "\2\0\0\0\0\x51", 6);
    assert_int_equal(key.eth_type, htons(0x0806));
    assert_int_equal(key.flags, 0);
    assert_int_equal(key.ip_proto, 0);

    frame_eth(&f, 100); // a length, not a type
    assert_int_equal(parse(&f).eth_type, htons(4));

    frame_eth(&f, 0x0800);
    assert_int_equal(nicsim_parse(7, 0, 0, f.b, 13, &key), -EINVAL);
}

static void test_vlan(void **state)
{
    struct frame f, bare;
    frame_eth(&f, 0);
    frame_tag(&f, 0x8100, 0xb064, 0x0800); // PCP 5, DEI, VID 100
    frame_ip4(&f, 17, 0);
    frame_ports(&f, 1000, 2000);
    struct nicsim_key key = parse(&f);
    assert_int_equal(key.flags, NICSIM_F_VLAN);
    assert_int_equal(key.vlan_tpid, htons(0x8100));
    assert_int_equal(key.vlan_tci, htons(0xa064)); // without DEI
    assert_int_equal(key.eth_type, htons(0x0800));
    assert_int_equal(key.tp_dst, htons(2000));

    // The same frame with the tag beside it parses to the same key.
    frame_eth(&bare, 0x0800);
    frame_ip4(&bare, 17, 0);
    frame_ports(&bare, 1000, 2000);
    struct nicsim_key beside;
    assert_int_equal(nicsim_parse(7, htons(0x8100), htons(0xb064), bare.b, bare.len, &beside), 0);
    assert_memory_equal(&key, &beside, sizeof key);

    // Behind a second tag nothing is parsed.
    frame_eth(&f, 0);
    frame_tag(&f, 0x88a8, 5, 0);
    frame_tag(&f, 0x8100, 6, 0x0800);
    frame_ip4(&f, 17, 0);
    key = parse(&f);
    assert_int_equal(key.vlan_tpid, htons(0x88a8));
    assert_int_equal(key.vlan_tci, htons(5));
    assert_int_equal(key.eth_type, htons(0x8100));
    assert_int_equal(key.ip_proto, 0);
}

static void test_ip4(void **state)
{
    struct frame f;
    frame_eth(&f, 0x0800);
    frame_ip4(&f, 6, 0x4000); // don't fragment is no fragment
    frame_ports(&f, 1, 2);
    struct nicsim_key key = parse(&f);
    assert_memory_equal(key.ip_src, "\x0a\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_memory_equal(key.ip_dst, "\x0a\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(key.ip_proto, 6);
    assert_int_equal(key.flags, 0);
    assert_int_equal(key.tp_src, htons(1));

    frame_eth(&f, 0x0800);
    frame_ip4(&f, 1, 0);
    FRAME_BYTES(&f, 8, 3, 0, 0);
    key = parse(&f);
    assert_int_equal(key.icmp_type, 8);
    assert_int_equal(key.icmp_code, 3);
    assert_int_equal(key.tp_src, 0);

    frame_eth(&f, 0x0800);
    frame_ip4(&f, 58, 0); // ICMPv6 does not belong into IPv4
    FRAME_BYTES(&f, 8, 3, 0, 0);
    assert_int_equal(parse(&f).icmp_type, 0);

    f.b[14] = 0x44; // a header of 16 bytes
    assert_int_equal(parse(&f).ip_proto, 0);
    f.b[14] = 0x55; // not version 4
    assert_int_equal(parse(&f).ip_proto, 0);
}

static void test_ip4_options(void **state)
{
    struct frame f;
    frame_eth(&f, 0x0800);
    frame_ip4(&f, 17, 0);
    f.b[14] = 0x46;
    FRAME_BYTES(&f, 1, 1, 1, 1);
    frame_ports(&f, 53, 54);
    assert_int_equal(parse(&f).tp_src, htons(53));
}

static void test_fragments(void **state)
{
    struct frame f;
    frame_eth(&f, 0x0800);
    frame_ip4(&f, 17, 0x2000);
    frame_ports(&f, 1, 2);
    struct nicsim_key key = parse(&f);
    assert_int_equal(key.flags, NICSIM_F_FRAG | NICSIM_F_FIRST_FRAG);
    assert_int_equal(key.tp_src, htons(1));

    frame_eth(&f, 0x0800);
    frame_ip4(&f, 17, 0x0001);
    frame_ports(&f, 1, 2);
    key = parse(&f);
    assert_int_equal(key.flags, NICSIM_F_FRAG);
    assert_int_equal(key.ip_proto, 17);
    assert_int_equal(key.tp_src, 0);
}

static void test_ip6(void **state)
{
    struct frame f;
    frame_eth(&f, 0x86dd);
    frame_ip6(&f, 0);                         // hop-by-hop
    FRAME_BYTES(&f, 60, 0, 0, 0, 0, 0, 0, 0); // then destination options of 16 bytes
    FRAME_BYTES(&f, 17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    frame_ports(&f, 5, 6);
    struct nicsim_key key = parse(&f);
    assert_int_equal(key.ip_proto, 17);
    assert_int_equal(key.tp_dst, htons(6));
    assert_int_equal(key.ip_src[15], 1);
    assert_int_equal(key.ip_dst[15], 2);

    frame_eth(&f, 0x86dd);
    frame_ip6(&f, 44);
    FRAME_BYTES(&f, 17, 0, 0, 1, 0, 0, 0, 9); // first fragment
    frame_ports(&f, 5, 6);
    key = parse(&f);
    assert_int_equal(key.flags, NICSIM_F_FRAG | NICSIM_F_FIRST_FRAG);
    assert_int_equal(key.ip_proto, 17);
    assert_int_equal(key.tp_src, htons(5));

    f.b[14 + 40 + 3] = 0x09; // a later one
    key = parse(&f);
    assert_int_equal(key.flags, NICSIM_F_FRAG);
    assert_int_equal(key.ip_proto, 44);
    assert_int_equal(key.tp_src, 0);

    f.b[14 + 40 + 3] = 0; // alone: no fragment at all
    key = parse(&f);
    assert_int_equal(key.flags, 0);
    assert_int_equal(key.ip_proto, 17);

    frame_eth(&f, 0x86dd);
    frame_ip6(&f, 58);
    FRAME_BYTES(&f, 135, 0, 0, 0);
    assert_int_equal(parse(&f).icmp_type, 135);
}

// Every prefix of a frame parses, from memory that ends where the prefix ends, and never to more
// than the whole does.
static void test_every_prefix(void **state)
{
    struct frame f;
    frame_eth(&f, 0);
    frame_tag(&f, 0x8100, 9, 0x86dd);
    frame_ip6(&f, 0);
    FRAME_BYTES(&f, 44, 0, 0, 0, 0, 0, 0, 0);
    FRAME_BYTES(&f, 6, 0, 0, 1, 0, 0, 0, 9);
    frame_ports(&f, 5, 6);
    struct nicsim_key whole = parse(&f);
    assert_int_equal(whole.tp_dst, htons(6));
    for (size_t len = 14; len < f.len; len++) {
        uint8_t *cut = malloc(len);
        memcpy(cut, f.b, len);
        struct nicsim_key key;
        assert_int_equal(nicsim_parse(7, 0, 0, cut, len, &key), 0);
        assert_int_equal(key.tp_dst, 0);
        assert_memory_equal(key.eth_dst, whole.eth_dst, 6);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ethernet),     cmocka_unit_test(test_vlan),
        cmocka_unit_test(test_ip4),          cmocka_unit_test(test_ip4_options),
        cmocka_unit_test(test_fragments),    cmocka_unit_test(test_ip6),
        cmocka_unit_test(test_every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
