// SPDX-License-Identifier: Apache-2.0
// Keys and actions in the datapath's dialect. The texts were read off Open vSwitch 3.1
// (dpctl/dump-flows, dpctl/add-flow); random keys with random masks go there and back.
#include "tests/unit/flow/packet_test.h"

#include <errno.h>

#include "lib/flow/text.h"

static const char *name_port(const void *aux, dp_port_t port)
{
    return port == 2 ? "eth1" : NULL;
}

static void masks_of(struct flow_key *mask, const struct flow_key *key)
{
    uint8_t *m = (uint8_t *)mask;
    random_fill(mask, sizeof(*mask));
    for (size_t i = 0; i < sizeof(*mask); i++) // whole bytes, none, and some bits
        m[i] = m[i] % 3 == 0 ? 0 : m[i] % 3 == 1 ? 0xff : m[i];
    memset(mask, 0, offsetof(struct flow_key, eth_dst));
    mask->in_port = mask->recirc_id = UINT32_MAX;
    mask->skb_mark = random_u32();
    mask->ct_state = (uint8_t)random_u32();
    mask->ct_zone = UINT16_MAX;
    mask->ct_mark = random_u32();
    random_fill(&mask->ct_label, 16);
    mask->eth_type = UINT16_MAX;
    mask->ip_proto = UINT8_MAX;
    mask->ip_frag = random_below(2) ? 3 : 0;
    mask->ip6_label &= htonl(0xfffff);
    mask->pad1[0] = mask->pad1[1] = mask->pad3 = 0;
    mask->pad0 = mask->pad2 = 0;
    for (unsigned i = 0; i < FLOW_MAX_VLANS; i++) {
        if (key->vlan[i].tci) {
            mask->vlan[i].tpid = UINT16_MAX;
            mask->vlan[i].tci |= htons(VLAN_PRESENT);
        }
    }
}

// What the key has no header for isn't written.
static void clear_unsaid(struct flow_key *m, const struct flow_key *k)
{
    struct flow flow, said;
    memset(&flow, 0, sizeof(flow));
    memset(&said, 0, sizeof(said));
    flow.key = *k;
    for (unsigned i = 0; i < FIELD_PIPELINE_FIRST; i++) {
        const struct field *f = field_by_id((enum field_id)i);
        bool has = field_prereq_ok(f, &flow) &&
                   (f->prereq < PREREQ_ICMPV4 || !(k->ip_frag & FLOW_FRAG_LATER) ||
                    f->prereq > PREREQ_ICMPV6);
        if (i == FIELD_VLAN_TPID || i == FIELD_VLAN_TCI || i == FIELD_VLAN_VID)
            has = k->vlan[0].tci;
        if (i == FIELD_VLAN2_TPID || i == FIELD_VLAN2_TCI)
            has = k->vlan[1].tci;
        if (i == FIELD_ND_SLL || i == FIELD_ND_TLL)
            has = field_prereq_ok(field_by_id(FIELD_ND_TARGET), &flow);
        if (i == FIELD_MPLS_LSE2)
            has = has && k->mpls_lse[1];
        if (i == FIELD_MPLS_LSE3)
            has = has && k->mpls_lse[2];
        if (has)
            field_mask_all(f, &said);
    }
    for (size_t i = 0; i < sizeof(*m); i++)
        ((uint8_t *)m)[i] &= ((uint8_t *)&said.key)[i];
}

static void keys_round_trip(void **state)
{
    random_seed(30);
    for (unsigned round = 0; round < 5000; round++) {
        struct flow_key key = random_key(), mask, got, got_mask;
        struct str text = STR_INIT;
        AUTO_ERR(err);

        key.recirc_id = random_below(3);
        key.skb_mark = random_u32();
        key.ct_state = (uint8_t)random_u32();
        key.ct_zone = (uint16_t)random_below(9);
        random_fill(&key.ct_label, 16);
        masks_of(&mask, &key);
        clear_unsaid(&mask, &key);
        for (size_t i = 0; i < sizeof(key); i++)
            ((uint8_t *)&key)[i] &= ((uint8_t *)&mask)[i];
        flow_key_format(&key, &mask, NULL, NULL, &text);
        int r = flow_key_parse(str_text(&text), &got, &got_mask, &err);
        if (r || memcmp(&got, &key, sizeof(key)) || memcmp(&got_mask, &mask, sizeof(mask)))
            print_message("%s\n%s\n", str_text(&text), err_text(&err));
        assert_int_equal(r, 0);
        assert_memory_equal(&got_mask, &mask, sizeof(mask));
        assert_memory_equal(&got, &key, sizeof(key));
        str_done(&text);
    }
}

static void known_texts(void **state)
{
    static const char *const texts[] = {
        "recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)",
        "recirc_id(0),in_port(1),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:00/"
        "ff:ff:00:00:00:00),eth_type(0x0800),"
        "ipv4(src=10.0.0.0/255.0.0.0,dst=1.2.3.4,proto=6,tos=0/"
        "0x3,ttl=64,frag=no),tcp(src=80),tcp_flags(syn|ack)",
        "recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(src=80/"
        "0xfff0),tcp_flags(+syn-ack)",
        "recirc_id(0),in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x0800),"
        "ipv4(proto=17,frag=no),udp(src=53))",
        "recirc_id(0),in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=0/"
        "0x0),encap(eth_type(0x0800),ipv4(frag=no))",
        "recirc_id(0),in_port(1),eth(),eth_type(0x8100),vlan(vid=0/0x0,pcp=0/"
        "0x0),encap(eth_type(0x0806))",
        "recirc_id(0),in_port(1),eth(),eth_type(0x88a8),vlan(vid=5,pcp=3),encap(eth_type(0x8100),"
        "vlan(vid=6,pcp=1),"
        "encap(eth_type(0x0800),ipv4(frag=no)))",
        "recirc_id(0),in_port(1),eth(),eth_type(0x0806),arp(sip=1.2.3.4,tip=5.6.7.0/"
        "255.255.255.0,op=1,"
        "sha=00:00:00:00:00:01,tha=00:00:00:00:00:02/00:00:00:00:00:ff)",
        "recirc_id(0),in_port(1),eth(),eth_type(0x86dd),ipv6(src=fe80::1,dst=ff02::/"
        "ffff::,label=0x5/0xf,proto=58,"
        "tclass=0x8/"
        "0xfc,hlimit=255,frag=no),icmpv6(type=135,code=0),nd(target=::1,sll=00:00:00:00:00:01)",
        "recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(proto=1,frag=later)",
        "recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(proto=1,frag=no),icmp(type=8,code=0)",
        "recirc_id(0),in_port(1),eth(),eth_type(0x8847),mpls(label=5,tc=0,ttl=64,bos=1)",
        "recirc_id(0),in_port(1),eth(),eth_type(0x8847),mpls(label=5/0xff,tc=0/0,ttl=0/0x0,bos=1/"
        "1)",
        "recirc_id(0),in_port(1),eth(),eth_type(0x8847),mpls(label=179371,tc=5,ttl=19,bos=0,label="
        "369524,tc=5,ttl=64,"
        "bos=0,label=60501,tc=3,ttl=200,bos=1)",
        "recirc_id(0),in_port(1),eth(),eth_type(0/0xffff)",
        "recirc_id(0x5),dp_hash(0x3/0xf),skb_priority(0x3),in_port(1),skb_mark(0x10/"
        "0xf0),ct_state(-new+trk),ct_zone(0x5),"
        "ct_mark(0x1/0xf),ct_label(0x1/0xff),eth(),eth_type(0x0800),ipv4(frag=no)",
        "recirc_id(0),in_port(1),ct_state(+est+trk),ct_tuple4(src=1.2.3.4,dst=5.0.0.0/"
        "255.0.0.0,proto=6,tp_src=1,"
        "tp_dst=2/0xff),eth(),eth_type(0x0800),ipv4(frag=no)",
        "recirc_id(0),in_port(1),ct_tuple6(src=::1,dst=::/"
        "ffff::,proto=6,src_port=1,dst_port=2),eth(),eth_type(0x86dd),"
        "ipv6(frag=no)",
        "recirc_id(0),tunnel(tun_id=0x5,src=1.1.1.1,dst=2.2.2.2,ttl=64,vxlan(gbp(id=5,flags=0x8)),"
        "flags(+key)),in_port(1),"
        "eth(),eth_type(0x0800),ipv4(frag=no)",
        "recirc_id(0),tunnel(tun_id=0x0/0xff,ipv6_src=::1,ipv6_dst=fe80::/ffc0::,tos=0x4/"
        "0xfc,ttl=64,tp_src=5,tp_dst=4789,"
        "flags(-df-csum+key)),in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)",
        "recirc_id(0),in_port(1),ct_state(+new+est+rel+rpl+inv+trk+snat+dnat),eth(),eth_type("
        "0x0800),"
        "ipv4(proto=132,frag=no),sctp(src=1,dst=65535)",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct flow_key key, mask;
        struct str text = STR_INIT;
        AUTO_ERR(err);
        int r = flow_key_parse(texts[i], &key, &mask, &err);
        if (r)
            print_message("%s: %s\n", texts[i], err_text(&err));
        assert_int_equal(r, 0);
        flow_key_format(&key, &mask, NULL, NULL, &text);
        assert_string_equal(str_text(&text), texts[i]);
        str_done(&text);
    }
}

static void names_and_exact_keys(void **state)
{
    struct flow_key key;
    struct str text = STR_INIT;
    assert_int_equal(
        flow_key_parse(
            "in_port(2),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),eth_type(0x0806),"
            "arp(sip=1.2.3.4,tip=1.2.3.5,op=1,sha=00:00:00:00:00:01,tha=00:00:00:00:00:00)",
            &key, NULL, NULL),
        0);
    flow_key_format(&key, NULL, name_port, NULL, &text);
    assert_string_equal(
        str_text(&text),
        "recirc_id(0),in_port(eth1),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),"
        "eth_type(0x0806),arp(sip=1.2.3.4,tip=1.2.3.5,op=1,sha=00:00:00:00:00:01,"
        "tha=00:00:00:00:00:00)");
    str_done(&text);
}

static void bad_texts(void **state)
{
    static const char *const texts[] = {
        "in_port",
        "in_port(x)",
        "in_port(1",
        "eth(src=1)",
        "nothing(1)",
        "eth_type(0x10000)",
        "ipv4(frag=maybe)",
        "ipv4(mtu=3)",
        "vlan(vid=4096)",
        "encap(encap(encap(eth_type(1))))",
        "mpls(label=1,label=2,label=3,label=4)",
        "mpls(lse=1)",
        "ct_state(+foo)",
        "tunnel(flags(+foo))",
        "tunnel(vxlan(gbp(id=70000)))",
        "packet_type(1,2)",
        "ct_label(zz)",
        "skb_mark(1/)",
        "tcp(src=70000)",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct flow_key key = {0}, mask = {0};
        AUTO_ERR(err);
        assert_int_equal(flow_key_parse(texts[i], &key, &mask, &err), -EINVAL);
        assert_true(err_is_set(&err));
    }
}

static void set(struct act_list *l, enum field_id id, uint64_t value, uint64_t mask)
{
    struct act *a = act_list_add(l, ACT_SET);
    const struct field *f = field_by_id(id);
    a->set.field = id;
    a->set.value = field_value_from_u64(f, value);
    if (mask)
        a->set.mask = field_value_from_u64(f, mask);
    else
        field_value_ones(f, &a->set.mask);
}

static void expect(struct act_list *l, uint16_t eth_type, const char *want)
{
    struct str text = STR_INIT;
    act_list_format_for(l, htons(eth_type), name_port, NULL, &text);
    assert_string_equal(str_text(&text), want);
    str_done(&text);
    act_list_done(l);
}

static void sets(void **state)
{
    struct act_list l = {0};
    set(&l, FIELD_ETH_DST, 6, 0);
    set(&l, FIELD_ETH_SRC, 5, 0xffffff000000);
    set(&l, FIELD_IPV4_SRC, 0x01020304, 0);
    set(&l, FIELD_IP_TTL, 63, 0);
    set(&l, FIELD_IP_DSCP, 0x10, 0);
    set(&l, FIELD_IP_TTL, 62, 0);
    set(&l, FIELD_TCP_SRC, 1, 0);
    set(&l, FIELD_UDP_DST, 3, 0xff);
    set(&l, FIELD_PKT_MARK, 5, 0xf);
    set(&l, FIELD_CT_MARK, 5, 0);
    expect(&l, 0x0800,
           "set(eth(src=00:00:00:00:00:00/ff:ff:ff:00:00:00,dst=00:00:00:00:00:06)),"
           "set(ipv4(src=1.2.3.4,tos=0x10/"
           "0xfc,ttl=63)),set(ipv4(ttl=62)),set(tcp(src=1)),set(udp(dst=3/0xff)),"
           "set(skb_mark(0x5/0xf)),set(ct_mark(0x5))");
    set(&l, FIELD_IP_TTL, 63, 0);
    set(&l, FIELD_IPV6_LABEL, 5, 0);
    set(&l, FIELD_ICMPV6_TYPE, 1, 0);
    set(&l, FIELD_ARP_OP, 2, 0);
    set(&l, FIELD_VLAN_VID, 0x1005, 0);
    set(&l, FIELD_MPLS_TTL, 3, 0);
    expect(&l, 0x86dd,
           "set(ipv6(label=0x5,hlimit=63)),set(icmpv6(type=1)),set(arp(op=2)),set(vlan(vid=5,pcp=0/"
           "0x0)),"
           "set(mpls(label=0/0x0,tc=0/0,ttl=3/0xff,bos=0/0))");
}

static void tags_and_tunnels(void **state)
{
    struct act_list l = {0};
    struct act *a = act_list_add(&l, ACT_PUSH_VLAN);
    a->push_vlan.tpid = htons(0x8100);
    a->push_vlan.tci = htons(0x1005);
    a = act_list_add(&l, ACT_PUSH_VLAN);
    a->push_vlan.tpid = htons(0x88a8);
    a->push_vlan.tci = htons(0x7006);
    act_list_add(&l, ACT_POP_VLAN);
    a = act_list_add(&l, ACT_PUSH_MPLS);
    a->push_mpls.eth_type = htons(0x8847);
    a->push_mpls.lse = htonl(5 << 12 | 0x100 | 64);
    act_list_add(&l, ACT_POP_MPLS)->pop_mpls_eth_type = htons(0x800);
    a = act_list_add(&l, ACT_TUNNEL_SET);
    a->tunnel.id = htobe64(5);
    a->tunnel.ip_src = htonl(0x01020304);
    a->tunnel.ip_dst = htonl(0x05060708);
    a->tunnel.ttl = 64;
    a->tunnel.tp_dst = htons(4789);
    a->tunnel.flags = FLOW_TNL_DF | FLOW_TNL_CSUM | FLOW_TNL_KEY;
    act_list_add(&l, ACT_OUTPUT)->port = 2;
    expect(&l, 0x0800,
           "push_vlan(vid=5,pcp=0),push_vlan(tpid=0x88a8,vid=6,pcp=3),pop_vlan,"
           "push_mpls(label=5,tc=0,ttl=64,bos=1,eth_type=0x8847),pop_mpls(eth_type=0x800),"
           "set(tunnel(tun_id=0x5,src=1.2.3.4,dst=5.6.7.8,ttl=64,tp_dst=4789,flags(df|csum|key))),"
           "eth1");
}

static void the_rest(void **state)
{
    struct act_list l = {0};
    expect(&l, 0, "drop");
    act_list_add(&l, ACT_OUTPUT)->port = 1;
    act_list_add(&l, ACT_CT);
    struct act *a = act_list_add(&l, ACT_CT);
    a->ct.commit = true;
    a->ct.zone = 5;
    a->ct.mark = 1;
    a->ct.mark_mask = UINT32_MAX;
    a->ct.label.s6_addr[15] = a->ct.label_mask.s6_addr[15] = 1;
    a->ct.nat = true;
    act_list_add(&l, ACT_CT_CLEAR);
    act_list_add(&l, ACT_TRUNC)->trunc_len = 100;
    act_list_add(&l, ACT_METER)->meter_id = 3;
    act_list_add(&l, ACT_HASH);
    act_list_add(&l, ACT_RECIRC)->recirc_id = 8;
    expect(&l, 0,
           "1,ct,ct(commit,zone=5,mark=0x1/0xffffffff,label=0x1/"
           "0x1,nat),ct_clear,trunc(100),meter(3),hash(l4(0)),"
           "recirc(0x8)");

    a = act_list_add(&l, ACT_CLONE);
    a->nested = act_list_new();
    act_list_add(a->nested, ACT_POP_VLAN);
    act_list_add(a->nested, ACT_OUTPUT)->port = 2;
    a = act_list_add(&l, ACT_SAMPLE);
    a->sample.probability = UINT32_MAX / 2;
    a->sample.actions = act_list_new();
    act_list_add(a->sample.actions, ACT_USERSPACE)->userspace.reason = USERSPACE_CONTROLLER;
    a = act_list_add(&l, ACT_CHECK_LEN);
    a->check_len.len = 100;
    a->check_len.less_equal = act_list_new();
    act_list_add(a->check_len.less_equal, ACT_OUTPUT)->port = 7;
    expect(
        &l, 0,
        "clone(pop_vlan,eth1),sample(sample=50.0%,actions(userspace(pid=0,slow_path(controller)))),"
        "check_pkt_len(size=100,gt(drop),le(7))");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_round_trip),
        cmocka_unit_test(known_texts),
        cmocka_unit_test(names_and_exact_keys),
        cmocka_unit_test(bad_texts),
        cmocka_unit_test(sets),
        cmocka_unit_test(tags_and_tunnels),
        cmocka_unit_test(the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
