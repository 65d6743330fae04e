// SPDX-License-Identifier: Apache-2.0
// The naive twin of translation, and an interpreter of megaflow actions. Both work on keys, keep no
// masks, search tables from end to end, and know no limits: callers leave out packets that the real
// one gave up.
#include "tests/unit/pipeline/xlate_world.h"

struct naive {
    const struct world *w;
    struct pipeline *p;
    struct flow flow;
    const struct ofpact *set[256];
    unsigned n_set;
    struct sent *sent;
};

static void naive_list(struct naive *, const struct ofpact_list *, uint8_t table, int *ret_goto);
static void naive_bridge(struct naive *);

static void leave(struct sent *sent, dp_port_t port, const struct flow_key *key)
{
    if (sent->n < ARRAY_SIZE(sent->v)) {
        sent->v[sent->n].port = port;
        sent->v[sent->n].key = *key;
    }
    sent->n++;
}

static void naive_table(struct naive *x, uint8_t table, ofp_port_t in_port)
{
    for (int next = table; next >= 0;) {
        struct rule *rules[400], *best = NULL;
        struct rule_filter filter = {.table = next, .out_port = OFPP_NONE};
        struct rule_cursor cursor = {0};
        size_t n = pipeline_rules_next(x->p, &filter, &cursor, SIZE_MAX, rules, ARRAY_SIZE(rules));
        struct flow probe = x->flow;
        probe.pipe.in_port = in_port;
        for (size_t i = 0; i < n; i++) {
            struct match m;
            rule_match(rules[i], &m);
            if (match_takes(&m, &probe) && (!best || rules[i]->priority > best->priority))
                best = rules[i];
        }
        uint8_t here = next;
        next = -1;
        if (best)
            naive_list(x, &best->actions, here, &next);
        in_port = x->flow.pipe.in_port;
    }
}

static void naive_out(struct naive *x, const struct pipeline_port *port)
{
    if (!port || port->flags & (PORT_NO_FWD | PORT_DOWN))
        return;
    if (port->kind != PORT_PATCH) {
        leave(x->sent, port->dp_port, &x->flow.key);
        return;
    }
    struct pipeline *peer = x->p == x->w->br[0] ? x->w->br[1] : x->w->br[0];
    const struct pipeline_port *in = pipeline_port(peer, WORLD_PATCH);
    if (strcmp(port->peer, in->name) || strcmp(in->peer, port->name) ||
        in->flags & (PORT_NO_RECV | PORT_DOWN))
        return;
    struct naive inner = {.w = x->w, .p = peer, .flow = x->flow, .sent = x->sent};
    memset(&inner.flow.pipe, 0, sizeof(inner.flow.pipe));
    inner.flow.pipe.in_port = WORLD_PATCH;
    naive_bridge(&inner);
}

static void pop(struct flow *f)
{
    f->key.vlan[0] = f->key.vlan[1];
    memset(&f->key.vlan[1], 0, sizeof(f->key.vlan[1]));
}

static void push(struct flow *f, uint16_t tpid, uint16_t tci)
{
    f->key.vlan[1] = f->key.vlan[0];
    f->key.vlan[0].tpid = htons(tpid);
    f->key.vlan[0].tci = htons(tci | 0x1000);
}

static bool in_vlan(const struct pipeline_port *p, unsigned vlan)
{
    bool trunked = p->trunks_all || (vlan < 64 && (p->trunks[0] >> vlan & 1));
    switch (p->vlan_mode) {
    case VLAN_ACCESS:
        return vlan == p->tag;
    case VLAN_TRUNK:
        return trunked;
    default:
        return trunked || vlan == p->tag;
    }
}

static void normal_out(struct naive *x, const struct pipeline_port *in,
                       const struct pipeline_port *port, unsigned vlan)
{
    if (!port || (in && in->number == port->number) || !in_vlan(port, vlan) ||
        (in && in->is_protected && port->is_protected))
        return;
    struct flow before = x->flow;
    bool untagged = vlan == 0 || port->vlan_mode == VLAN_ACCESS ||
                    (port->vlan_mode == VLAN_NATIVE_UNTAGGED && port->tag == vlan);
    uint16_t tci = ntohs(x->flow.key.vlan[0].tci);
    if (untagged && tci)
        pop(&x->flow);
    else if (!untagged && tci)
        x->flow.key.vlan[0].tci = htons((tci & 0xf000) | vlan);
    else if (!untagged)
        push(&x->flow, 0x8100, vlan);
    naive_out(x, port);
    x->flow = before;
}

static ofp_port_t port_number(unsigned i)
{
    return i == 5 ? WORLD_PATCH : i == 6 ? OFPP_LOCAL : i;
}

static void naive_normal(struct naive *x)
{
    const struct pipeline_port *in = pipeline_port(x->p, x->flow.pipe.in_port);
    uint16_t tci = ntohs(x->flow.key.vlan[0].tci);
    unsigned vlan = tci & 0xfff;
    if (in && in->vlan_mode == VLAN_ACCESS && vlan)
        return;
    if (in && in->vlan_mode != VLAN_TRUNK && !vlan)
        vlan = in->tag;
    else if (in && !in_vlan(in, vlan))
        return;
    ofp_port_t number;
    const struct eth_addr *dst = &x->flow.key.eth_dst;
    if (!(dst->b[0] & 1) && mac_table_lookup(x->p->macs, vlan, dst, &number)) {
        const struct pipeline_port *port = pipeline_port(x->p, number);
        if (port && in_vlan(port, vlan)) {
            normal_out(x, in, port, vlan);
            return;
        }
    }
    // As the packet is first; its order is no promise, but this is how it is done.
    for (int changed = 0; changed < 2; changed++) {
        for (unsigned i = 1; i <= 6; i++) {
            const struct pipeline_port *port = pipeline_port(x->p, port_number(i));
            if (!port || port->flags & PORT_NO_FLOOD)
                continue;
            bool untagged = port->vlan_mode == VLAN_ACCESS ||
                            (port->vlan_mode == VLAN_NATIVE_UNTAGGED && port->tag == vlan);
            if (((untagged ? 0 : vlan) != (tci & 0xfffu)) == changed)
                normal_out(x, in, port, vlan);
        }
    }
}

static void naive_output(struct naive *x, ofp_port_t number)
{
    switch (number) {
    case OFPP_NORMAL:
        naive_normal(x);
        break;
    case OFPP_CONTROLLER:
        break;
    case OFPP_FLOOD:
    case OFPP_ALL:
        for (unsigned i = 1; i <= 6; i++) {
            const struct pipeline_port *port = pipeline_port(x->p, port_number(i));
            if (port && port->number != x->flow.pipe.in_port &&
                !(number == OFPP_FLOOD && port->flags & PORT_NO_FLOOD))
                naive_out(x, port);
        }
        break;
    case OFPP_IN_PORT:
        naive_out(x, pipeline_port(x->p, x->flow.pipe.in_port));
        break;
    default:
        if (number != x->flow.pipe.in_port)
            naive_out(x, pipeline_port(x->p, number));
    }
}

static unsigned get_bit(const struct field *f, const struct flow *flow, unsigned i)
{
    struct field_value v;
    field_get(f, flow, &v);
    return v.b[f->n_bytes - 1 - i / 8] >> (i % 8) & 1;
}

static void naive_move(struct naive *x, const struct ofpact *a)
{
    const struct field *src = field_by_id(a->move.src.field), *dst = field_by_id(a->move.dst.field);
    if (!field_prereq_ok(src, &x->flow) || !field_prereq_ok(dst, &x->flow))
        return;
    struct flow from = x->flow;
    for (unsigned i = 0; i < a->move.src.n_bits; i++) {
        unsigned at = a->move.dst.ofs + i;
        struct field_value value = {{0}}, mask = {{0}};
        mask.b[dst->n_bytes - 1 - at / 8] = 1 << (at % 8);
        if (get_bit(src, &from, a->move.src.ofs + i))
            value = mask;
        field_set_masked(dst, &value, &mask, &x->flow);
    }
}

static void naive_l4(struct naive *x, const struct ofpact *a)
{
    const struct flow_key *k = &x->flow.key;
    if ((k->eth_type != htons(0x0800) && k->eth_type != htons(0x86dd)) ||
        k->ip_frag & FLOW_FRAG_LATER || (k->ip_proto != 6 && k->ip_proto != 17))
        return;
    if (a->type == OFPACT_SET_L4_SRC)
        x->flow.key.tp_src = a->l4_port;
    else
        x->flow.key.tp_dst = a->l4_port;
}

static void naive_tci(struct naive *x, unsigned value, unsigned mask, bool may_push)
{
    uint16_t tci = ntohs(x->flow.key.vlan[0].tci);
    if (tci)
        x->flow.key.vlan[0].tci = htons((tci & ~mask) | value);
    else if (may_push)
        push(&x->flow, 0x8100, value);
}

static void naive_one(struct naive *x, const struct ofpact *a, uint8_t table, int *ret_goto)
{
    const struct field *f;
    switch (a->type) {
    case OFPACT_OUTPUT:
        naive_output(x, a->output.port);
        break;
    case OFPACT_SET_FIELD:
        f = field_by_id(a->set_field.field);
        if (field_prereq_ok(f, &x->flow))
            field_set_masked(f, &a->set_field.value, &a->set_field.mask, &x->flow);
        if (x->flow.key.vlan[0].tci && !x->flow.key.vlan[0].tpid)
            x->flow.key.vlan[0].tpid = htons(0x8100); // vlan_vid made a tag
        break;
    case OFPACT_SET_L4_SRC:
    case OFPACT_SET_L4_DST:
        naive_l4(x, a);
        break;
    case OFPACT_SET_VLAN_VID:
        naive_tci(x, a->vlan_vid.vid, 0xfff, a->vlan_vid.push);
        break;
    case OFPACT_SET_VLAN_PCP:
        naive_tci(x, a->vlan_pcp.pcp << 13, 0xe000, a->vlan_pcp.push);
        break;
    case OFPACT_PUSH_VLAN:
        push(&x->flow, ntohs(a->push_vlan_tpid), ntohs(x->flow.key.vlan[0].tci));
        break;
    case OFPACT_POP_VLAN:
        pop(&x->flow);
        break;
    case OFPACT_MOVE:
        naive_move(x, a);
        break;
    case OFPACT_RESUBMIT:
        naive_table(x, a->resubmit.table,
                    a->resubmit.port == OFPP_IN_PORT ? x->flow.pipe.in_port : a->resubmit.port);
        break;
    case OFPACT_CLONE: {
        struct naive inner = *x;
        inner.n_set = 0;
        naive_list(&inner, a->nested, table, ret_goto);
        break;
    }
    case OFPACT_WRITE_METADATA:
        x->flow.pipe.metadata = (x->flow.pipe.metadata & ~a->metadata.mask) | a->metadata.value;
        break;
    case OFPACT_WRITE_ACTIONS:
        for (uint32_t i = 0; i < a->nested->n && x->n_set < ARRAY_SIZE(x->set); i++)
            x->set[x->n_set++] = &a->nested->v[i];
        break;
    case OFPACT_CLEAR_ACTIONS:
        x->n_set = 0;
        break;
    case OFPACT_GOTO_TABLE:
        *ret_goto = a->table;
        break;
    default:
        fail();
    }
}

static void naive_list(struct naive *x, const struct ofpact_list *list, uint8_t table,
                       int *ret_goto)
{
    for (uint32_t i = 0; i < list->n; i++)
        naive_one(x, &list->v[i], table, ret_goto);
}

// The last of a type in the action set, or NULL.
static const struct ofpact *last_in_set(const struct naive *x, enum ofpact_type type)
{
    for (unsigned i = x->n_set; i-- > 0;) {
        if (x->set[i]->type == type)
            return x->set[i];
    }
    return NULL;
}

static void naive_bridge(struct naive *x)
{
    int none;
    naive_table(x, 0, x->flow.pipe.in_port);
    const struct ofpact *end = last_in_set(x, OFPACT_OUTPUT);
    if (!end)
        end = last_in_set(x, OFPACT_RESUBMIT);
    if (!end)
        return;
    const struct ofpact *a;
    if ((a = last_in_set(x, OFPACT_POP_VLAN)))
        naive_one(x, a, 0, &none);
    if ((a = last_in_set(x, OFPACT_PUSH_VLAN)))
        naive_one(x, a, 0, &none);
    for (unsigned i = 0; i < x->n_set; i++) {
        a = x->set[i];
        if (a->type != OFPACT_POP_VLAN && a->type != OFPACT_PUSH_VLAN && a->type != OFPACT_OUTPUT &&
            a->type != OFPACT_RESUBMIT)
            naive_one(x, a, 0, &none);
    }
    naive_one(x, end, 0, &none);
}

void naive_xlate(const struct world *w, const struct flow *flow, struct sent *sent)
{
    struct naive x = {.w = w, .p = w->br[0], .flow = *flow, .sent = sent};
    sent->n = 0;
    const struct pipeline_port *in = pipeline_port(x.p, flow->pipe.in_port);
    if (!in || !(in->flags & (PORT_NO_RECV | PORT_DOWN)))
        naive_bridge(&x);
}

void run_acts(const struct act_list *acts, const struct flow *flow, struct sent *sent)
{
    struct flow f = *flow;
    sent->n = 0;
    for (uint32_t i = 0; i < acts->n; i++) {
        const struct act *a = &acts->v[i];
        switch (a->type) {
        case ACT_OUTPUT:
            leave(sent, a->port, &f.key);
            break;
        case ACT_SET:
            assert_true(field_prereq_ok(field_by_id(a->set.field), &f));
            field_set_masked(field_by_id(a->set.field), &a->set.value, &a->set.mask, &f);
            break;
        case ACT_PUSH_VLAN:
            push(&f, ntohs(a->push_vlan.tpid), ntohs(a->push_vlan.tci));
            break;
        case ACT_POP_VLAN:
            assert_true(f.key.vlan[0].tci);
            pop(&f);
            break;
        default:
            fail();
        }
    }
}

void assert_sent_equal(const struct sent *a, const struct sent *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n && i < ARRAY_SIZE(a->v); i++) {
        assert_int_equal(a->v[i].port, b->v[i].port);
        assert_memory_equal(&a->v[i].key, &b->v[i].key, sizeof(a->v[i].key));
    }
}
