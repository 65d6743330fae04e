// SPDX-License-Identifier: Apache-2.0
// Translation, case by case: what people expect of each feature, in the words of megaflows.
#include "tests/unit/pipeline/pipeline_test.h"

#include <stdio.h>

#include "lib/base/rcu.h"
#include "lib/flow/packet.h"
#include "slowpath/l2/mac_table.h"
#include "slowpath/pipeline/pipeline_private.h"
#include "slowpath/pipeline/xlate.h"

struct fixture {
    struct pipelines *all;
    struct pipeline *p, *peer;
    struct flow flow;
    struct xlate_in in;
    struct xlate_out out;
    struct str acts;
};

static struct pipeline_port *port(struct pipeline_port *ports, size_t *n, ofp_port_t number,
                                  dp_port_t dp)
{
    struct pipeline_port *p = &ports[(*n)++];
    *p = (struct pipeline_port){.number = number, .dp_port = dp, .trunks_all = true};
    snprintf(p->name, sizeof(p->name), "p%u", dp);
    return p;
}

// br0: ports 1 to 4 and LOCAL (9); port 10 leads to port 20 of br1, which has ports 21 and 22.
static void set_ports(struct fixture *f, void (*change)(struct pipeline_port *ports))
{
    struct pipeline_port ports[6], others[3], *patch;
    size_t n = 0, n_others = 0;
    for (unsigned i = 1; i <= 4; i++)
        port(ports, &n, i, i);
    port(ports, &n, OFPP_LOCAL, 9);
    patch = port(ports, &n, 10, DP_PORT_NONE);
    patch->kind = PORT_PATCH;
    str_copy(patch->name, sizeof(patch->name), "patch-a");
    str_copy(patch->peer, sizeof(patch->peer), "patch-b");
    if (change)
        change(ports);
    patch = port(others, &n_others, 20, DP_PORT_NONE);
    patch->kind = PORT_PATCH;
    str_copy(patch->name, sizeof(patch->name), "patch-b");
    str_copy(patch->peer, sizeof(patch->peer), "patch-a");
    port(others, &n_others, 21, 21);
    port(others, &n_others, 22, 22);
    pipeline_set_ports(f->p, ports, n);
    pipeline_set_ports(f->peer, others, n_others);
}

static int setup(void **state)
{
    rcu_thread_join();
    struct fixture *f = NEW(struct fixture);
    f->all = pipelines_new();
    f->p = pipeline_new(f->all, "br0");
    f->peer = pipeline_new(f->all, "br1");
    set_ports(f, NULL);
    struct flow_key *k = &f->flow.key;
    f->flow.pipe.in_port = 1;
    k->in_port = 1;
    k->eth_src.b[5] = 0xa;
    k->eth_dst.b[5] = 0xb;
    k->eth_type = htons(0x0800);
    k->ip4_src = htonl(0x0a000001);
    k->ip4_dst = htonl(0x0a000002);
    k->ip_proto = 17;
    k->ip_ttl = 64;
    k->tp_src = htons(1000);
    k->tp_dst = htons(53);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    xlate_out_done(&f->out);
    str_done(&f->acts);
    pipeline_free(f->p);
    pipeline_free(f->peer);
    pipelines_free(f->all);
    for (unsigned i = 0; i < 4; i++)
        rcu_flush();
    free(f);
    return 0;
}

static struct ofpact *act(struct flow_mod *fm, enum ofpact_type type)
{
    return ofpact_list_add(&fm->actions, type);
}

static void output(struct flow_mod *fm, ofp_port_t number)
{
    act(fm, OFPACT_OUTPUT)->output.port = number;
}

static void set_u64(struct ofpact_list *list, enum field_id id, uint64_t value)
{
    struct field_value v = field_value_from_u64(field_by_id(id), value);
    ofpact_list_add_set_field(list, id, &v, NULL);
}

static void start(struct flow_mod *fm, uint8_t table, uint16_t priority)
{
    flow_mod_init(fm, FLOW_ADD);
    fm->table = table;
    fm->priority = priority;
}

static void commit(struct pipeline *p, struct flow_mod *fm)
{
    assert_int_equal(pipeline_flow_mod(p, fm, 1, NULL, NULL), 0);
    flow_mod_done(fm);
}

// One rule: everything in table 0 of br0 to this port.
static void all_to(struct fixture *f, struct pipeline *p, ofp_port_t number)
{
    struct flow_mod fm;
    start(&fm, 0, 0);
    output(&fm, number);
    commit(p, &fm);
}

static void put_act(struct str *s, const struct act *a)
{
    switch (a->type) {
    case ACT_OUTPUT:
        str_printf(s, "%u", a->port);
        break;
    case ACT_SET:
        str_printf(
            s, "set(%s=%llx)", field_by_id(a->set.field)->name,
            (unsigned long long)field_value_to_u64(field_by_id(a->set.field), &a->set.value));
        break;
    case ACT_PUSH_VLAN:
        str_printf(s, "push(%x:%x)", ntohs(a->push_vlan.tpid), ntohs(a->push_vlan.tci));
        break;
    case ACT_POP_VLAN:
        str_put(s, "pop");
        break;
    default:
        str_put(s, "?");
    }
}

static const char *translate(struct fixture *f)
{
    xlate_out_done(&f->out);
    f->in.pipeline = f->p;
    f->in.flow = f->flow;
    rcu_enter();
    xlate(&f->in, &f->out);
    rcu_leave();
    str_clear(&f->acts);
    for (uint32_t i = 0; i < f->out.actions.n; i++) {
        str_separate(&f->acts, ",");
        put_act(&f->acts, &f->out.actions.v[i]);
    }
    return str_text(&f->acts);
}

static void outputs_and_reserved_ports(void **state)
{
    struct fixture *f = *state;
    static const struct {
        ofp_port_t to;
        const char *acts;
    } cases[] = {{2, "2"},
                 {1, ""}, // not back
                 {OFPP_IN_PORT, "1"},
                 {OFPP_LOCAL, "9"},
                 {77, ""},
                 {OFPP_NONE, ""},
                 {OFPP_ALL, "2,3,4,9"},
                 {OFPP_FLOOD, "2,3,4,9"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        all_to(f, f->p, cases[i].to);
        assert_string_equal(translate(f), cases[i].acts);
    }
}

static void flags_of_ports(struct pipeline_port *ports)
{
    ports[1].flags = PORT_NO_FLOOD;
    ports[2].flags = PORT_NO_FWD;
    ports[3].flags = PORT_DOWN;
    ports[5].peer[0] = 0;
}

static void no_receiving(struct pipeline_port *ports)
{
    ports[0].flags = PORT_NO_RECV;
}

static void port_flags_are_obeyed(void **state)
{
    struct fixture *f = *state;
    set_ports(f, flags_of_ports);
    all_to(f, f->p, OFPP_ALL);
    assert_string_equal(translate(f), "2,9");
    all_to(f, f->p, OFPP_FLOOD);
    assert_string_equal(translate(f), "9");
    all_to(f, f->p, OFPP_NORMAL);
    assert_string_equal(translate(f), "9");
    set_ports(f, no_receiving);
    assert_string_equal(translate(f), "");
}

// The mask that every megaflow has, and nothing else.
static void mask_is_minimal(void **state)
{
    struct fixture *f = *state;
    all_to(f, f->p, 2);
    translate(f);
    struct flow_key want = {.in_port = UINT32_MAX, .recirc_id = UINT32_MAX};
    want.packet_type = UINT32_MAX;
    want.eth_type = UINT16_MAX;
    want.ip_frag = 3;
    want.vlan[0].tci = htons(VLAN_PRESENT);
    assert_memory_equal(&f->out.mask, &want, sizeof(want));
    f->flow.key.eth_type = htons(0x0806);
    translate(f);
    want.ip_frag = 0;
    assert_memory_equal(&f->out.mask, &want, sizeof(want));
}

// Only what differs is written, right before each output; what is the same costs nothing.
static void edits_are_differences(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 0, 0);
    set_u64(&fm.actions, FIELD_IPV4_DST, 0x0a000002); // what it is already
    output(&fm, 2);
    set_u64(&fm.actions, FIELD_IPV4_DST, 0x0a0000ff);
    set_u64(&fm.actions, FIELD_IP_DSCP, 0x20);
    output(&fm, 3);
    output(&fm, 4);
    set_u64(&fm.actions, FIELD_IPV4_DST, 0x0a000002); // back again
    output(&fm, OFPP_LOCAL);
    set_u64(&fm.actions, FIELD_TCP_DST, 5); // no TCP
    set_u64(&fm.actions, FIELD_ETH_SRC, 5); // nobody sees it
    commit(f->p, &fm);
    assert_string_equal(translate(f),
                        "2,set(ip_dst=a0000ff),set(nw_tos=20),3,4,set(ip_dst=a000002),9");
    assert_int_equal(f->out.mask.ip4_dst, UINT32_MAX);
    assert_int_equal(f->out.mask.ip_tos, 0xfc);
    assert_int_equal(f->out.mask.ip_proto, UINT8_MAX);
    assert_int_equal(f->out.mask.ip4_src, 0);
}

static void vlan_actions(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 0, 0);
    act(&fm, OFPACT_SET_VLAN_VID)->vlan_vid.vid = 5;
    fm.actions.v[0].vlan_vid.push = true;
    output(&fm, 2);
    act(&fm, OFPACT_SET_VLAN_PCP)->vlan_pcp.pcp = 3;
    output(&fm, 3);
    act(&fm, OFPACT_POP_VLAN);
    output(&fm, 4);
    commit(f->p, &fm);
    assert_string_equal(translate(f), "push(8100:1005),2,pop,push(8100:7005),3,pop,4");
    // A tag that is there is changed and not pushed.
    f->flow.key.vlan[0] = (struct flow_vlan){htons(0x8100), htons(VLAN_PRESENT | 5)};
    assert_string_equal(translate(f), "2,pop,push(8100:7005),3,pop,4");
    assert_int_equal(f->out.mask.vlan[0].tci, UINT16_MAX);
    // Without leave to push, an untagged packet stays untagged.
    start(&fm, 0, 0);
    act(&fm, OFPACT_SET_VLAN_VID)->vlan_vid.vid = 6;
    output(&fm, 2);
    act(&fm, OFPACT_PUSH_VLAN)->push_vlan_tpid = htons(0x88a8);
    output(&fm, 3);
    commit(f->p, &fm);
    assert_string_equal(translate(f), "pop,push(8100:1006),2,push(88a8:1006),3");
    memset(f->flow.key.vlan, 0, sizeof(f->flow.key.vlan));
    assert_string_equal(translate(f), "2,push(88a8:1000),3");
}

static void registers_metadata_and_gotos(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 0, 0);
    set_u64(&fm.actions, FIELD_REG0, 0x1234);
    struct ofpact *a = act(&fm, OFPACT_MOVE);
    a->move.src = (struct subfield){FIELD_REG0, 4, 8};
    a->move.dst = (struct subfield){FIELD_ETH_DST, 40, 8};
    a = act(&fm, OFPACT_WRITE_METADATA);
    a->metadata.value = a->metadata.mask = htobe64(0xf0);
    act(&fm, OFPACT_GOTO_TABLE)->table = 7;
    commit(f->p, &fm);
    start(&fm, 7, 5);
    fm.match.value.pipe.metadata = fm.match.mask.pipe.metadata = htobe64(0xf0);
    fm.match.value.pipe.regs[0] = 0x34;
    fm.match.mask.pipe.regs[0] = 0xff;
    output(&fm, 2);
    commit(f->p, &fm);
    assert_string_equal(translate(f), "set(eth_dst=230000000000),2");
    assert_int_equal(f->out.mask.eth_dst.b[0], 0xff);
    assert_int_equal(f->out.mask.eth_dst.b[5], 0);
}

static void action_set_runs_last_and_in_order(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 0, 0);
    struct ofpact_list *set = ofpact_list_add_nested(&fm.actions, OFPACT_WRITE_ACTIONS);
    ofpact_list_add(set, OFPACT_OUTPUT)->output.port = 2;
    set_u64(set, FIELD_IP_TTL, 9);
    ofpact_list_add(set, OFPACT_PUSH_VLAN)->push_vlan_tpid = htons(0x8100);
    output(&fm, 3);
    act(&fm, OFPACT_GOTO_TABLE)->table = 1;
    commit(f->p, &fm);
    start(&fm, 1, 0);
    set = ofpact_list_add_nested(&fm.actions, OFPACT_WRITE_ACTIONS);
    ofpact_list_add(set, OFPACT_OUTPUT)->output.port = 4;
    commit(f->p, &fm);
    assert_string_equal(translate(f), "3,set(nw_ttl=9),push(8100:1000),4");
    start(&fm, 1, 0);
    act(&fm, OFPACT_CLEAR_ACTIONS);
    commit(f->p, &fm);
    assert_string_equal(translate(f), "3");
}

static void resubmit_takes_the_port_for_the_lookup_alone(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 0, 1);
    struct ofpact *a = act(&fm, OFPACT_RESUBMIT);
    a->resubmit.port = 3;
    a->resubmit.table = 1;
    output(&fm, 2); // and goes on after
    commit(f->p, &fm);
    start(&fm, 1, 1);
    fm.match.value.pipe.in_port = 3;
    fm.match.mask.pipe.in_port = UINT32_MAX;
    output(&fm, 3);
    output(&fm, 1); // the input port still
    output(&fm, OFPP_IN_PORT);
    commit(f->p, &fm);
    assert_string_equal(translate(f), "3,1,2");
}

static void endless_resubmits_drop(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 0, 1);
    output(&fm, 2);
    struct ofpact *a = act(&fm, OFPACT_RESUBMIT);
    a->resubmit.port = OFPP_IN_PORT;
    a->resubmit.table = 0xff;
    commit(f->p, &fm);
    assert_string_equal(translate(f), "");
    assert_non_null(strstr(f->out.error, "deeper than 64"));
    assert_int_equal(f->out.slow, SLOW_TOO_COMPLEX);
    // Wide instead of deep: each table asks the next one twice.
    for (unsigned t = 0; t < 20; t++) {
        start(&fm, t, 1);
        for (unsigned k = 0; k < 2; k++) {
            a = act(&fm, OFPACT_RESUBMIT);
            a->resubmit.port = OFPP_IN_PORT;
            a->resubmit.table = t + 1;
        }
        commit(f->p, &fm);
    }
    assert_string_equal(translate(f), "");
    assert_non_null(strstr(f->out.error, "over 4096 table lookups"));
}

static void clone_undoes_its_writes(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 0, 1);
    struct ofpact_list *nested = ofpact_list_add_nested(&fm.actions, OFPACT_CLONE);
    set_u64(nested, FIELD_IP_TTL, 3);
    ofpact_list_add(nested, OFPACT_OUTPUT)->output.port = 2;
    output(&fm, 3);
    commit(f->p, &fm);
    assert_string_equal(translate(f), "set(nw_ttl=3),2,set(nw_ttl=40),3");
}

static uint64_t rx_packets(const struct pipeline *p, ofp_port_t number)
{
    struct pipeline_port_counters c;
    assert_true(pipeline_port_counters(p, number, &c));
    return c.rx_packets;
}

// Registers stay behind, edits go along and are undone in the first bridge.
static void patch_ports_join_bridges(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 0, 1);
    set_u64(&fm.actions, FIELD_REG0, 1);
    set_u64(&fm.actions, FIELD_IP_TTL, 7);
    output(&fm, 10);
    output(&fm, 2);
    commit(f->p, &fm);
    start(&fm, 0, 1);
    fm.match.mask.pipe.regs[0] = 1;
    fm.match.value.pipe.in_port = 20;
    fm.match.mask.pipe.in_port = UINT32_MAX;
    set_u64(&fm.actions, FIELD_IP_TTL, 8);
    output(&fm, 21);
    commit(f->peer, &fm);
    assert_string_equal(translate(f), "set(nw_ttl=8),21,set(nw_ttl=7),2");
    xlate_credit(f->out.credits, f->out.n_credits, 5, 500, 0, 2);
    assert_int_equal(rx_packets(f->peer, 20), 5);
    assert_int_equal(rx_packets(f->p, 10), 0);
    assert_true(provenance_has(&f->out.provenance, dep_make(DEP_PORTS, pipeline_id(f->peer))));
    // Counters outlive a change of other ports; the join doesn't outlive the peer.
    set_ports(f, no_receiving);
    set_ports(f, NULL);
    assert_int_equal(rx_packets(f->peer, 20), 5);
    pipeline_set_ports(f->peer, NULL, 0);
    assert_string_equal(translate(f), "set(nw_ttl=7),2");
}

static void vlan_modes(struct pipeline_port *ports)
{
    ports[0].vlan_mode = VLAN_ACCESS;
    ports[0].tag = 10;
    ports[1].vlan_mode = VLAN_TRUNK;
    ports[1].trunks_all = false;
    ports[1].trunks[0] = UINT64_C(1) << 10 | UINT64_C(1) << 20;
    ports[2].vlan_mode = VLAN_NATIVE_UNTAGGED;
    ports[2].tag = 10;
    ports[3].vlan_mode = VLAN_NATIVE_TAGGED;
    ports[3].tag = 20;
    ports[3].trunks_all = false;
    ports[4].vlan_mode = VLAN_ACCESS; // LOCAL
    ports[4].tag = 20;
    ports[5].peer[0] = 0;
}

static void come_in_by(struct fixture *f, ofp_port_t number, uint16_t tci)
{
    f->flow.pipe.in_port = f->flow.key.in_port = number;
    memset(f->flow.key.vlan, 0, sizeof(f->flow.key.vlan));
    if (tci)
        f->flow.key.vlan[0] = (struct flow_vlan){htons(0x8100), htons(tci | VLAN_PRESENT)};
}

static void normal_obeys_vlan_modes(void **state)
{
    struct fixture *f = *state;
    set_ports(f, vlan_modes);
    all_to(f, f->p, OFPP_NORMAL);
    come_in_by(f, 1, 0); // VLAN 10 by access
    assert_string_equal(translate(f), "3,push(8100:100a),2");
    come_in_by(f, 1, 30); // tagged on an access port
    assert_string_equal(translate(f), "");
    come_in_by(f, 1, 0x2000); // a priority tag is none
    assert_string_equal(translate(f), "pop,3,push(8100:300a),2");
    come_in_by(f, 2, 0x200a); // VLAN 10, tagged, priority 1, by trunk
    assert_string_equal(translate(f), "pop,1,3");
    come_in_by(f, 2, 30); // not carried
    assert_string_equal(translate(f), "");
    come_in_by(f, 2, 0);
    assert_string_equal(translate(f), "");
    come_in_by(f, 4, 0); // VLAN 20 by native tag
    assert_string_equal(translate(f), "9,push(8100:1014),2,3");
    come_in_by(f, 2, 20);
    assert_string_equal(translate(f), "3,4,pop,9");
    come_in_by(f, 3, 0); // VLAN 10
    assert_string_equal(translate(f), "1,push(8100:100a),2");
}

static void normal_learns(void **state)
{
    struct fixture *f = *state;
    all_to(f, f->p, OFPP_NORMAL);
    f->in.now = NSEC_PER_SEC;
    assert_string_equal(translate(f), "2,3,4,9"); // a what-if teaches nothing
    struct mac_stats stats;
    mac_table_stats(pipeline_macs(f->p), &stats);
    assert_int_equal(stats.entries, 0);
    f->in.flags = XLATE_MAY_LEARN;
    translate(f);
    mac_table_stats(pipeline_macs(f->p), &stats);
    assert_int_equal(stats.entries, 1);
    // The answer finds its way.
    struct eth_addr src = f->flow.key.eth_src;
    f->flow.key.eth_src = f->flow.key.eth_dst;
    f->flow.key.eth_dst = src;
    come_in_by(f, 3, 0);
    assert_string_equal(translate(f), "1");
    assert_true(provenance_has(&f->out.provenance, dep_mac(pipeline_id(f->p), 0, &src)));
    come_in_by(f, 1, 0); // to where it came from
    assert_string_equal(translate(f), "");
    // Counted packets refresh, and teach again what was flushed.
    come_in_by(f, 3, 0);
    translate(f);
    mac_table_flush(pipeline_macs(f->p));
    xlate_credit(f->out.credits, f->out.n_credits, 1, 60, 0, 5 * NSEC_PER_SEC);
    ofp_port_t learned = 0;
    rcu_enter();
    assert_true(mac_table_lookup(pipeline_macs(f->p), 0, &f->flow.key.eth_src, &learned));
    rcu_leave();
    assert_int_equal(learned, 3);
}

static void protection(struct pipeline_port *ports)
{
    ports[0].is_protected = ports[1].is_protected = true;
}

static void normal_spares_some(void **state)
{
    struct fixture *f = *state;
    all_to(f, f->p, OFPP_NORMAL);
    set_ports(f, protection);
    assert_string_equal(translate(f), "3,4,9");
    static const uint8_t bpdu[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
    memcpy(&f->flow.key.eth_dst, bpdu, 6);
    assert_string_equal(translate(f), "");
    f->flow.key.eth_dst.b[5] = 0x10;
    assert_string_equal(translate(f), "3,4,9");
}

static void controllers_get_the_packet_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 3, 7);
    fm.new_cookie = htobe64(0x77);
    set_u64(&fm.actions, FIELD_IP_TTL, 1);
    act(&fm, OFPACT_PUSH_VLAN)->push_vlan_tpid = htons(0x8100);
    act(&fm, OFPACT_OUTPUT)->output.port = OFPP_CONTROLLER;
    fm.actions.v[2].output.max_len = 128;
    act(&fm, OFPACT_POP_VLAN);
    output(&fm, 2);
    commit(f->p, &fm);
    start(&fm, 0, 0);
    act(&fm, OFPACT_GOTO_TABLE)->table = 3;
    commit(f->p, &fm);
    assert_string_equal(translate(f), "set(nw_ttl=1),2");
    assert_int_equal(f->out.slow, SLOW_CONTROLLER);
    assert_int_equal(f->out.n_packet_ins, 0);
    struct packet *packet = packet_compose(&f->flow.key, 20);
    f->in.flags = XLATE_SEND_PACKET_INS;
    f->in.packet = packet;
    translate(f);
    assert_int_equal(f->out.n_packet_ins, 1);
    const struct xlate_packet_in *pin = &f->out.packet_ins[0];
    assert_int_equal(pin->reason, PACKET_IN_ACTION);
    assert_int_equal(pin->table_id, 3);
    assert_int_equal(pin->cookie, htobe64(0x77));
    assert_int_equal(pin->max_len, 128);
    struct flow_key key;
    packet_extract(pin->packet, &key);
    assert_int_equal(key.ip_ttl, 1);
    assert_int_equal(key.vlan[0].tci, htons(VLAN_PRESENT));
    packet_extract(packet, &key);
    assert_int_equal(key.ip_ttl, 64);
    packet_free(packet);
}

static void misses_go_where_told(void **state)
{
    struct fixture *f = *state;
    f->in.flags = XLATE_SEND_PACKET_INS;
    translate(f);
    assert_int_equal(f->out.slow, 0);
    struct dep_observer none = {0};
    pipelines_set_observer(f->all, &none);
    pipeline_set_miss_to_controller(f->p, true);
    assert_true(provenance_has(&f->out.provenance, dep_make(DEP_CONFIG, pipeline_id(f->p))));
    translate(f);
    assert_int_equal(f->out.slow, SLOW_CONTROLLER);
    assert_int_equal(f->out.packet_ins[0].reason, PACKET_IN_NO_MATCH);
    assert_int_equal(f->out.packet_ins[0].cookie, UINT64_MAX);
    all_to(f, f->p, OFPP_CONTROLLER); // a table-miss flow
    translate(f);
    assert_int_equal(f->out.packet_ins[0].reason, PACKET_IN_EXPLICIT_MISS);
}

static void counters_reach_rules_and_tables(void **state)
{
    struct fixture *f = *state;
    struct flow_mod fm;
    start(&fm, 0, 0);
    fm.flags = RULE_NO_BYT_COUNTS;
    struct ofpact *a = act(&fm, OFPACT_RESUBMIT);
    a->resubmit.port = OFPP_IN_PORT;
    a->resubmit.table = 2;
    commit(f->p, &fm);
    translate(f);
    xlate_credit(f->out.credits, f->out.n_credits, 3, 300, 0, 50);
    xlate_credit(f->out.credits, f->out.n_credits, 2, 200, 0, 40);
    struct rule_filter all = {.table = TABLE_ALL, .out_port = OFPP_NONE};
    struct rule_cursor cursor = {0};
    struct rule *rule;
    assert_int_equal(pipeline_rules_next(f->p, &all, &cursor, 100, &rule, 1), 1);
    uint64_t packets, bytes;
    int64_t used;
    rule_stats_read(rule, &packets, &bytes, &used);
    assert_int_equal(packets, 5);
    assert_int_equal(bytes, 0);
    assert_int_equal(used, 50);
    struct table_stats stats;
    pipeline_table_stats(f->p, 0, &stats);
    assert_int_equal(stats.lookups, 5);
    assert_int_equal(stats.matched, 5);
    pipeline_table_stats(f->p, 2, &stats);
    assert_int_equal(stats.lookups, 5);
    assert_int_equal(stats.matched, 0);
}

static void packet_out_runs_a_list(void **state)
{
    struct fixture *f = *state;
    struct ofpact_list list;
    ofpact_list_init(&list);
    set_u64(&list, FIELD_IP_TTL, 2);
    ofpact_list_add(&list, OFPACT_OUTPUT)->output.port = 1;
    ofpact_list_add(&list, OFPACT_OUTPUT)->output.port = OFPP_TABLE;
    all_to(f, f->p, OFPP_FLOOD);
    f->in.ofpacts = &list;
    f->flow.pipe.in_port = OFPP_CONTROLLER;
    f->flow.key.in_port = 0;
    assert_string_equal(translate(f), "set(nw_ttl=2),1,1,2,3,4,9");
    ofpact_list_done(&list);
}

static void traces(void **state)
{
    struct fixture *f = *state;
    struct str trace = STR_INIT;
    all_to(f, f->p, 10);
    all_to(f, f->peer, 77);
    f->in.trace = &trace;
    translate(f);
    f->in.trace = NULL;
    assert_string_equal(str_text(&trace), "br0 table 0: priority 0, cookie 0x0\n"
                                          "into br1 by patch-b\n"
                                          "    br1 table 0: priority 0, cookie 0x0\n"
                                          "    there is no port 77\n");
    str_done(&trace);
}

static void datapath_ports_are_found(void **state)
{
    struct fixture *f = *state;
    struct pipeline *p;
    ofp_port_t number;
    rcu_enter();
    assert_true(pipelines_find_port(f->all, 9, &p, &number));
    assert_ptr_equal(p, f->p);
    assert_int_equal(number, OFPP_LOCAL);
    assert_true(pipelines_find_port(f->all, 22, &p, &number));
    assert_ptr_equal(p, f->peer);
    assert_false(pipelines_find_port(f->all, 8, &p, &number));
    assert_false(pipelines_find_port(f->all, DP_PORT_NONE, &p, &number));
    rcu_leave();
}

// Whoever still holds credits or the bridge itself finds it empty and does no harm.
static void freed_bridges_are_empty(void **state)
{
    struct fixture *f = *state;
    all_to(f, f->peer, 22);
    all_to(f, f->p, 10);
    assert_string_equal(translate(f), "22");
    struct pipeline *peer = pipeline_ref(f->peer);
    pipeline_free(f->peer);
    for (unsigned i = 0; i < 4; i++)
        rcu_flush();
    xlate_credit(f->out.credits, f->out.n_credits, 1, 60, 0, 5);
    assert_string_equal(translate(f), "");
    f->peer = f->p;
    f->p = peer;
    assert_string_equal(translate(f), "");
    f->p = f->peer;
    f->peer = NULL;
    xlate_out_done(&f->out);
    pipeline_unref(peer);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(outputs_and_reserved_ports),
        TEST(port_flags_are_obeyed),
        TEST(mask_is_minimal),
        TEST(edits_are_differences),
        TEST(vlan_actions),
        TEST(registers_metadata_and_gotos),
        TEST(action_set_runs_last_and_in_order),
        TEST(resubmit_takes_the_port_for_the_lookup_alone),
        TEST(endless_resubmits_drop),
        TEST(clone_undoes_its_writes),
        TEST(patch_ports_join_bridges),
        TEST(normal_obeys_vlan_modes),
        TEST(normal_learns),
        TEST(normal_spares_some),
        TEST(controllers_get_the_packet_as_it_is),
        TEST(misses_go_where_told),
        TEST(counters_reach_rules_and_tables),
        TEST(packet_out_runs_a_list),
        TEST(traces),
        TEST(datapath_ports_are_found),
        TEST(freed_bridges_are_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
