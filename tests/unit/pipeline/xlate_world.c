// SPDX-License-Identifier: Apache-2.0
// See xlate_world.h: the random world. The twin is in xlate_naive.c.
#include "tests/unit/pipeline/xlate_world.h"

#include <stdio.h>

static void observed(void *w_, const dep_t *deps, size_t n)
{
    struct world *w = w_;
    for (size_t i = 0; i < n; i++)
        provenance_add(&w->told, deps[i]);
}

void world_init(struct world *w)
{
    rcu_thread_join();
    *w = (struct world){.now = 1000 * NSEC_PER_SEC};
    w->all = pipelines_new();
    pipelines_set_observer(w->all, &(struct dep_observer){observed, w});
    w->br[0] = pipeline_new(w->all, "br0");
    w->br[1] = pipeline_new(w->all, "br1");
    world_set_ports(w);
}

void world_done(struct world *w)
{
    pipeline_free(w->br[0]);
    pipeline_free(w->br[1]);
    pipelines_free(w->all);
    for (unsigned i = 0; i < 4; i++)
        rcu_flush();
    provenance_done(&w->told);
}

static struct pipeline_port random_port(unsigned bridge, ofp_port_t number)
{
    struct pipeline_port p = {.number = number, .dp_port = 100 * bridge + number};
    snprintf(p.name, sizeof(p.name), "p%u-%u", bridge, number);
    if (number == OFPP_LOCAL)
        p.dp_port = 100 * bridge + 99;
    p.vlan_mode = random_below(4);
    p.tag = random_below(3);
    p.trunks_all = random_below(2);
    p.trunks[0] = random_below(8) | (UINT64_C(1) << p.tag);
    p.is_protected = !random_below(4);
    if (!random_below(8))
        p.flags = 1u << random_below(4);
    return p;
}

void world_set_ports(struct world *w)
{
    unsigned only = random_below(3); // 2: both
    for (unsigned b = 0; b < 2; b++) {
        struct pipeline_port ports[8];
        size_t n = 0;
        if (only == 1 - b && pipeline_port(w->br[b], OFPP_LOCAL))
            continue;
        for (unsigned i = 1; i <= 4; i++) {
            if (random_below(8))
                ports[n++] = random_port(b, i);
        }
        ports[n++] = random_port(b, OFPP_LOCAL);
        ports[n] = random_port(b, WORLD_PATCH);
        ports[n].kind = PORT_PATCH;
        ports[n].dp_port = DP_PORT_NONE;
        if (random_below(8))
            snprintf(ports[n].peer, sizeof(ports[n].peer), "p%u-%u", 1 - b, WORLD_PATCH);
        n++;
        pipeline_set_ports(w->br[b], ports, n);
    }
}

void world_packet(const struct world *w, struct flow *f)
{
    random_packet(f);
    memset(&f->pipe, 0, sizeof(f->pipe));
    f->pipe.in_port = random_below(10) ? 1 + random_below(4) : OFPP_LOCAL;
    f->key.in_port = f->pipe.in_port == OFPP_LOCAL ? 99 : f->pipe.in_port;
    if (f->key.vlan[0].tci && !random_below(4)) {
        f->key.vlan[1] = f->key.vlan[0];
        f->key.vlan[1].tci ^= htons(1);
    }
}

// --- Random actions ---------------------------------------------------------------------------

static ofp_port_t random_output(void)
{
    static const ofp_port_t reserved[] = {OFPP_IN_PORT, OFPP_NORMAL,     OFPP_NORMAL, OFPP_FLOOD,
                                          OFPP_ALL,     OFPP_CONTROLLER, OFPP_LOCAL,  WORLD_PATCH};
    return random_below(2) ? 1 + random_below(5) : reserved[random_below(ARRAY_SIZE(reserved))];
}

static enum field_id random_writable(void)
{
    static const enum field_id fields[] = {
        FIELD_ETH_SRC,  FIELD_ETH_DST,  FIELD_IPV4_SRC, FIELD_IPV4_DST, FIELD_IPV6_DST,
        FIELD_IP_DSCP,  FIELD_IP_TTL,   FIELD_TCP_SRC,  FIELD_TCP_DST,  FIELD_UDP_DST,
        FIELD_VLAN_VID, FIELD_VLAN_PCP, FIELD_REG0,     FIELD_REG0,     FIELD_METADATA,
        FIELD_ARP_SPA,  FIELD_ARP_SHA,  FIELD_IPV6_SRC, FIELD_PKT_MARK, FIELD_ARP_OP,
    };
    return fields[random_below(ARRAY_SIZE(fields))];
}

static void add_set_field(struct ofpact_list *list)
{
    const struct field *f = field_by_id(random_writable());
    struct field_value value = {{0}}, mask;
    field_value_ones(f, &mask);
    // Few values, some of them those that packets have.
    for (unsigned i = 0; i < f->n_bytes; i++)
        value.b[i] = random_below(3) ? 0 : random_below(4);
    if (f->id == FIELD_VLAN_VID)
        value.b[0] |= 0x10;
    if (f->id == FIELD_ARP_OP)
        value.b[0] = 0;
    if (f->id == FIELD_IP_DSCP)
        value.b[0] &= 0xfc;
    if (f->maskable && random_below(2) && !f->shared) {
        for (unsigned i = 0; i < f->n_bytes; i++)
            mask.b[i] &= random_u32();
    }
    ofpact_list_add_set_field(list, f->id, &value, &mask);
}

static void add_move(struct ofpact_list *list)
{
    static const enum field_id fields[] = {FIELD_REG0,     FIELD_ETH_SRC, FIELD_ETH_DST,
                                           FIELD_IPV4_SRC, FIELD_TCP_DST, FIELD_IPV6_SRC,
                                           FIELD_METADATA, FIELD_IPV4_DST};
    const struct field *src = field_by_id(fields[random_below(ARRAY_SIZE(fields))]);
    const struct field *dst = field_by_id(fields[random_below(ARRAY_SIZE(fields))]);
    struct ofpact *a = ofpact_list_add(list, OFPACT_MOVE);
    unsigned n = 1 + random_below(MIN_OF(src->n_bits, dst->n_bits));
    a->move.src = (struct subfield){src->id, random_below(src->n_bits - n + 1), n};
    a->move.dst = (struct subfield){dst->id, random_below(dst->n_bits - n + 1), n};
}

static void add_vlan(struct ofpact_list *list)
{
    struct ofpact *a;
    switch (random_below(4)) {
    case 0:
        a = ofpact_list_add(list, OFPACT_SET_VLAN_VID);
        a->vlan_vid.vid = random_below(3);
        a->vlan_vid.push = random_below(2);
        break;
    case 1:
        a = ofpact_list_add(list, OFPACT_SET_VLAN_PCP);
        a->vlan_pcp.pcp = random_below(8);
        a->vlan_pcp.push = random_below(2);
        break;
    case 2:
        ofpact_list_add(list, OFPACT_PUSH_VLAN)->push_vlan_tpid =
            htons(random_below(3) ? 0x8100 : 0x88a8);
        break;
    default:
        ofpact_list_add(list, OFPACT_POP_VLAN);
    }
}

static uint8_t later_table(uint8_t table)
{
    if (!random_below(30))
        return random_below(WORLD_TABLES); // perhaps a loop
    return table + 1 + random_below(2);
}

static void add_resubmit(struct ofpact_list *list, uint8_t table)
{
    struct ofpact *a = ofpact_list_add(list, OFPACT_RESUBMIT);
    a->resubmit.port = random_below(2) ? OFPP_IN_PORT : 1 + random_below(4);
    a->resubmit.table = later_table(table);
}

static void random_actions(struct ofpact_list *list, uint8_t table, unsigned n, bool in_set,
                           bool nested)
{
    for (unsigned i = 0; i < n; i++) {
        switch (random_below(in_set ? 6 : 12)) {
        case 0:
        case 1:
            ofpact_list_add(list, OFPACT_OUTPUT)->output.port = random_output();
            break;
        case 2:
            add_set_field(list);
            break;
        case 3:
            add_vlan(list);
            break;
        case 4:
            add_resubmit(list, table);
            break;
        case 5:
            ofpact_list_add(list, random_below(2) ? OFPACT_SET_L4_SRC : OFPACT_SET_L4_DST)
                ->l4_port = htons(80);
            break;
        case 6:
            add_move(list);
            break;
        case 7:
            if (!nested) {
                struct ofpact *a = ofpact_list_add(list, OFPACT_WRITE_METADATA);
                a->metadata.mask = 3;
                a->metadata.value = random_below(4);
            }
            break;
        case 8:
            if (!nested)
                random_actions(ofpact_list_add_nested(list, OFPACT_CLONE), table,
                               1 + random_below(3), false, true);
            break;
        case 9:
            if (!nested)
                random_actions(ofpact_list_add_nested(list, OFPACT_WRITE_ACTIONS), table,
                               1 + random_below(3), true, true);
            break;
        case 10:
            if (!nested && !random_below(3))
                ofpact_list_add(list, OFPACT_CLEAR_ACTIONS);
            break;
        default:
            add_set_field(list);
        }
    }
    if (!nested && table + 1 < WORLD_TABLES && !random_below(3))
        ofpact_list_add(list, OFPACT_GOTO_TABLE)->table =
            table + 1 + random_below(WORLD_TABLES - table - 1);
}

static void random_flow_mod(struct world *w, struct flow_mod *fm, enum flow_mod_command command)
{
    struct flow like;
    flow_mod_init(fm, command);
    fm->table = random_below(3) ? 0 : random_below(WORLD_TABLES);
    fm->priority = random_u32();
    world_packet(w, &like);
    if (random_below(6))
        random_match(&like, &fm->match);
    random_actions(&fm->actions, fm->table, 1 + random_below(4), false, false);
    AUTO_ERR(err);
    assert_int_equal(ofpact_list_check(&fm->actions, &fm->match, fm->table, false, &err),
                     OFPACT_OK);
}

void world_random_rule(struct world *w, unsigned bridge)
{
    struct flow_mod fm;
    random_flow_mod(w, &fm, FLOW_ADD);
    assert_int_equal(pipeline_flow_mod(w->br[bridge], &fm, w->now, NULL, NULL), 0);
    flow_mod_done(&fm);
}

// One existing rule modified or deleted.
static void change_some_rule(struct world *w, struct pipeline *p)
{
    struct rule *rules[200];
    struct rule_filter all = {.table = TABLE_ALL, .out_port = OFPP_NONE};
    struct rule_cursor cursor = {0};
    size_t n = pipeline_rules_next(p, &all, &cursor, SIZE_MAX, rules, ARRAY_SIZE(rules));
    if (!n)
        return;
    struct rule *rule = rules[random_below(n)];
    struct flow_mod fm;
    random_flow_mod(w, &fm, random_below(2) ? FLOW_DELETE_STRICT : FLOW_MODIFY_STRICT);
    if (!random_below(4)) // loosely, with what it matches: perhaps more
        fm.command = fm.command == FLOW_DELETE_STRICT ? FLOW_DELETE : FLOW_MODIFY;
    rule_match(rule, &fm.match);
    fm.priority = rule->priority;
    // Actions must fit the table: only backward jumps would be new.
    if (fm.table == rule->table || fm.command == FLOW_DELETE_STRICT || fm.command == FLOW_DELETE) {
        fm.table = rule->table;
        pipeline_flow_mod(p, &fm, w->now, NULL, NULL);
    }
    flow_mod_done(&fm);
}

static void mac_event(struct world *w, struct pipeline *p)
{
    struct eth_addr addr = {{0, 0, 0, 0, 0, random_below(4)}};
    w->now += NSEC_PER_SEC;
    switch (random_below(8)) {
    case 0:
        mac_table_flush(p->macs);
        break;
    case 1:
        mac_table_run(p->macs, w->now + 290 * NSEC_PER_SEC);
        break;
    default:
        mac_table_learn(p->macs, random_below(3), &addr, 1 + random_below(5), w->now);
    }
}

void world_random_change(struct world *w)
{
    unsigned bridge = random_below(3) ? 0 : 1;
    switch (random_below(12)) {
    case 0:
        world_set_ports(w);
        break;
    case 1:
        pipeline_set_miss_to_controller(w->br[bridge], random_below(2));
        break;
    case 2:
    case 3:
        mac_event(w, w->br[bridge]);
        break;
    case 4:
    case 5:
    case 6:
        change_some_rule(w, w->br[bridge]);
        break;
    default:
        world_random_rule(w, bridge);
    }
}
