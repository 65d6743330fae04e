// SPDX-License-Identifier: Apache-2.0
// Keys, masks and actions through the openvswitch ABI and back: what is sent is what a dump gives. Cutting the bytes anywhere
// gives an error or less, never a crash.
#include <errno.h>
#include <linux/if_ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kdp/client/internal.h"
#include "lib/base/compiler.h"

static void base_key(struct flow_key *k, uint16_t eth_type)
{
    memset(k, 0, sizeof *k);
    k->in_port = 3;
    k->eth_type = htons(eth_type);
    memcpy(k->eth_src.b, "\x02\x00\x00\x00\x00\x01", 6);
    memcpy(k->eth_dst.b, "\x02\x00\x00\x00\x00\x02", 6);
}

static void ip_key(struct flow_key *k, uint16_t eth_type, uint8_t proto)
{
    base_key(k, eth_type);
    if (eth_type == ETH_P_IP) {
        k->ip4_src = htonl(0x0a000001);
        k->ip4_dst = htonl(0x0a000002);
    } else {
        memset(&k->ip6_src, 0x20, 16);
        memset(&k->ip6_dst, 0x21, 16);
        k->ip6_label = htonl(0x12345);
    }
    k->ip_proto = proto;
    k->ip_tos = 0xb8;
    k->ip_ttl = 64;
    k->tp_src = htons(proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? 8 : 1234);
    k->tp_dst = htons(proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? 0 : 80);
}

static const struct nlattr *put_key(struct nlk_msg *m, const struct flow_key *key, const struct flow_key *mask)
{
    nlk_msg_init(m, NLMSG_NOOP, 0);
    if (mask)
        kdp_put_mask(m, 1, key, mask);
    else
        kdp_put_key(m, 1, key, NULL);
    assert_int_equal(m->error, 0);
    return (const void *)(m->hdr + 1);
}

static void round_trip(const struct flow_key *key)
{
    struct flow_key got, mask;
    struct nlk_msg m;

    assert_int_equal(kdp_get_key(put_key(&m, key, NULL), &got, NULL), 0);
    assert_memory_equal(&got, key, sizeof got);
    nlk_msg_done(&m);

    // A mask of everything that the key has, but half of the addresses.
    mask = *key;
    uint8_t *bytes = (uint8_t *)&mask;
    for (size_t i = 0; i < sizeof mask; i++)
        bytes[i] = bytes[i] ? 0xff : 0;
    mask.ip4_src = htonl(mask.ip4_src ? 0xffff0000 : 0);
    mask.ip_frag = 0;
    for (unsigned i = 0; i < FLOW_MAX_VLANS; i++)
        mask.vlan[i].tpid = key->vlan[i].tpid ? 0xffff : 0;
    assert_int_equal(kdp_get_mask(put_key(&m, key, &mask), &got, NULL), 0);
    if (key->ip_frag)
        got.ip_frag = 0;
    assert_memory_equal(&got, &mask, sizeof got);
    nlk_msg_done(&m);
}

// The kernel takes a mask's attribute only if the key has it too, zero or not.
static void metadata_comes_in_pairs(void **state)
{
    struct flow_key key, mask = {.recirc_id = UINT32_MAX, .skb_mark = UINT32_MAX, .ct_state = 0xff, .eth_type = 0xffff};
    struct nlk_msg m[2];
    uint64_t types[2] = {0};
    const struct nlattr *a;

    base_key(&key, ETH_P_IP);
    for (unsigned i = 0; i < 2; i++) {
        nlk_msg_init(&m[i], NLMSG_NOOP, 0);
        (i ? kdp_put_mask : kdp_put_key)(&m[i], 1, &key, &mask);
        const struct nlattr *nest = (const void *)(m[i].hdr + 1);
        NLK_FOR_EACH(a, nlk_data(nest), nlk_size(nest), pos, NULL)
            types[i] |= 1ull << nlk_type(a);
        nlk_msg_done(&m[i]);
    }
    assert_int_equal(types[0], types[1]);
    assert_true(types[0] & 1ull << OVS_KEY_ATTR_RECIRC_ID && types[0] & 1ull << OVS_KEY_ATTR_CT_STATE);
}

static void keys_round_trip(void **state)
{
    struct flow_key k;

    ip_key(&k, ETH_P_IP, IPPROTO_TCP);
    k.tcp_flags = htons(0x012);
    round_trip(&k);
    ip_key(&k, ETH_P_IP, IPPROTO_ICMP);
    round_trip(&k);
    ip_key(&k, ETH_P_IPV6, IPPROTO_UDP);
    k.vlan[0] = (struct flow_vlan){htons(ETH_P_8021AD), htons(VLAN_PRESENT | 100)};
    k.vlan[1] = (struct flow_vlan){htons(ETH_P_8021Q), htons(VLAN_PRESENT | 0x6000 | 7)};
    round_trip(&k);
    ip_key(&k, ETH_P_IPV6, IPPROTO_ICMPV6);
    k.tp_src = htons(135);
    memset(&k.nd_target, 0x33, 16);
    memset(&k.arp_sha, 0x44, 6);
    round_trip(&k);
    ip_key(&k, ETH_P_IP, IPPROTO_UDP);
    k.ip_frag = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
    k.tp_src = k.tp_dst = 0;
    round_trip(&k);
    base_key(&k, ETH_P_ARP);
    k.ip4_src = htonl(0x0a000001);
    k.ip4_dst = htonl(0x0a000002);
    k.ip_proto = 1;
    memset(&k.arp_sha, 2, 6);
    round_trip(&k);
    base_key(&k, 0x05ff);
    k.skb_mark = 5;
    k.recirc_id = 9;
    k.ct_state = 0x21;
    round_trip(&k);
}

static void truncated_keys_are_refused(void **state)
{
    struct flow_key k, got;
    struct nlk_msg m;

    ip_key(&k, ETH_P_IPV6, IPPROTO_UDP);
    k.vlan[0] = (struct flow_vlan){htons(ETH_P_8021Q), htons(VLAN_PRESENT | 100)};
    struct nlattr *nest = (struct nlattr *)put_key(&m, &k, NULL);
    uint16_t whole = nest->nla_len;
    for (uint16_t len = NLA_HDRLEN; len < whole; len++) {
        nest->nla_len = len;
        kdp_get_key(nest, &got, NULL);
    }
    nest->nla_len = whole - 1;
    assert_int_equal(kdp_get_key(nest, &got, NULL), -EPROTO);
    nlk_msg_done(&m);
}

static void add_set(struct act_list *l, enum field_id id, const void *value, const void *mask, size_t n)
{
    struct act *a = act_list_add(l, ACT_SET);

    a->set.field = id;
    memcpy(a->set.value.b, value, n);
    memcpy(a->set.mask.b, mask, n);
}

static void actions_round_trip(void **state)
{
    struct act_list list, got;
    struct flow_key key;
    struct refusal why;
    struct nlk_msg m;

    ip_key(&key, ETH_P_IP, IPPROTO_TCP);
    act_list_init(&list);
    add_set(&list, FIELD_ETH_DST, "\x02\xaa\xbb\xcc\xdd\xee", "\xff\xff\xff\xff\xff\xff", 6);
    add_set(&list, FIELD_IPV4_SRC, "\x0a\x00\x00\x00", "\xff\x00\x00\x00", 4);
    add_set(&list, FIELD_IP_TTL, "\x05", "\xff", 1);
    add_set(&list, FIELD_TCP_DST, "\x1f\x90", "\xff\xff", 2);
    struct act *push = act_list_add(&list, ACT_PUSH_VLAN);
    push->push_vlan.tpid = htons(ETH_P_8021Q);
    push->push_vlan.tci = htons(VLAN_PRESENT | 42);
    act_list_add(&list, ACT_OUTPUT)->port = 7;
    act_list_add(&list, ACT_POP_VLAN);
    struct act *up = act_list_add(&list, ACT_USERSPACE);
    up->userspace.reason = USERSPACE_CONTROLLER;
    up->userspace.cookie = 11;
    up->userspace.data = 0x1122334455667788;

    nlk_msg_init(&m, NLMSG_NOOP, 0);
    assert_int_equal(kdp_put_actions(&m, 2, &list, &key, &why), 0);
    assert_int_equal(kdp_get_actions((const void *)(m.hdr + 1), &got, NULL), 0);
    assert_true(act_list_equal(&list, &got));
    nlk_msg_done(&m);
    act_list_done(&list);
    act_list_done(&got);
}

static void refusals_name_the_culprit(void **state)
{
    struct act_list list;
    struct flow_key key;
    struct refusal why;
    struct nlk_msg m;

    ip_key(&key, ETH_P_IP, IPPROTO_TCP);
    act_list_init(&list);
    act_list_add(&list, ACT_METER)->meter_id = 1;
    nlk_msg_init(&m, NLMSG_NOOP, 0);
    assert_int_equal(kdp_put_actions(&m, 2, &list, &key, &why), -EOPNOTSUPP);
    assert_int_equal(why.culprit, CULPRIT_ACTION);
    assert_int_equal(why.id, ACT_METER);
    nlk_msg_done(&m);
    act_list_done(&list);

    act_list_init(&list);
    add_set(&list, FIELD_ARP_SPA, "\x0a\x00\x00\x01", "\xff\xff\xff\xff", 4);
    nlk_msg_init(&m, NLMSG_NOOP, 0);
    assert_int_equal(kdp_put_actions(&m, 2, &list, &key, &why), -EOPNOTSUPP);
    assert_int_equal(why.culprit, CULPRIT_SET_FIELD);
    assert_int_equal(why.id, FIELD_ARP_SPA);
    assert_true(strlen(why.sentence) > 10);
    nlk_msg_done(&m);
    act_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_round_trip),
        cmocka_unit_test(metadata_comes_in_pairs),    cmocka_unit_test(truncated_keys_are_refused),
        cmocka_unit_test(actions_round_trip), cmocka_unit_test(refusals_name_the_culprit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
