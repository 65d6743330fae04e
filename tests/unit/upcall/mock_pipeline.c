// SPDX-License-Identifier: Apache-2.0
// The mock pipeline: an array of RCU-protected rule pointers and a counter of changes per rule.
#include "tests/unit/upcall/mock_pipeline.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/base/rcu.h"

struct pipelines {
    struct dep_observer observer;
    pipeline_refresh_fn *refresh;
    void *refresh_aux;
    struct mock_rule *rules[MOCK_RULES];
    _Atomic uint64_t changed[MOCK_RULES + 2]; // when; the last two: ports, table
    _Atomic uint64_t change;
    pthread_mutex_t lock;
    struct mock_rule *all;
    atomic_bool mapped, udp;
    _Atomic uint64_t translations;
    void (*_Atomic hook)(void);
};
struct pipeline {
    int nothing;
};

static struct pipelines world;
static struct pipeline bridge;
static struct pipeline_port port = {.name = "eth0", .number = 1, .dp_port = 1};

#define DEP_OF_RULE(id) dep_make(DEP_RULE, (id))
#define DEP_OF_PORTS dep_make(DEP_PORTS, 1)
#define DEP_OF_TABLE dep_make(DEP_TABLE, 0)

struct pipelines *mock_pipelines(void)
{
    return &world;
}

static _Atomic uint64_t *changed_at(dep_t dep)
{
    if (dep == DEP_OF_PORTS)
        return &world.changed[MOCK_RULES];
    if (dep == DEP_OF_TABLE)
        return &world.changed[MOCK_RULES + 1];
    return &world.changed[dep & 0xffff];
}

static void announce(const dep_t *deps, size_t n)
{
    uint64_t change = atomic_fetch_add(&world.change, 1) + 1;
    for (size_t i = 0; i < n; i++)
        atomic_store(changed_at(deps[i]), change);
    if (world.observer.changed)
        world.observer.changed(world.observer.aux, deps, n);
}

static struct mock_rule *rule_put(unsigned id, dp_port_t out, unsigned slow)
{
    struct mock_rule *r = NEW(struct mock_rule);
    r->id = id;
    r->out = out;
    r->slow = slow;
    pthread_mutex_lock(&world.lock);
    r->next = world.all;
    world.all = r;
    pthread_mutex_unlock(&world.lock);
    rcu_set(world.rules[id], r);
    return r;
}

struct mock_rule *mock_rule_set(unsigned id, dp_port_t out, unsigned slow)
{
    struct mock_rule *r = rule_put(id, out, slow);
    dep_t dep = DEP_OF_RULE(id);
    announce(&dep, 1);
    return r;
}

void mock_rules_set(unsigned first, unsigned n, dp_port_t out)
{
    dep_t *deps = NEW_ARRAY(dep_t, n);
    for (unsigned i = 0; i < n; i++) {
        rule_put(first + i, out, 0);
        deps[i] = DEP_OF_RULE(first + i);
    }
    announce(deps, n);
    free(deps);
}

void mock_pipeline_reset(void)
{
    memset(&world, 0, sizeof(world));
    pthread_mutex_init(&world.lock, NULL);
    world.mapped = world.udp = true;
    for (unsigned i = 0; i < MOCK_RULES; i++)
        world.rules[i] = NULL;
    rule_put(0, 2, 0);
}

uint64_t mock_credited(void)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&world.lock);
    for (struct mock_rule *r = world.all; r; r = r->next)
        sum += atomic_load(&r->packets);
    pthread_mutex_unlock(&world.lock);
    return sum;
}

uint64_t mock_pipeline_end(void)
{
    uint64_t sum = mock_credited();
    rcu_flush();
    while (world.all) {
        struct mock_rule *r = world.all;
        world.all = r->next;
        assert_int_equal(atomic_load(&r->refs), 0);
        // Only now: while keepers credit, one of the two is ahead of the other.
        assert_int_equal(atomic_load(&r->bytes), 100 * atomic_load(&r->packets));
        free(r);
    }
    pthread_mutex_destroy(&world.lock);
    return sum;
}

void mock_port_map(bool there)
{
    dep_t dep = DEP_OF_PORTS;
    atomic_store(&world.mapped, there);
    announce(&dep, 1);
}

void mock_look_at_udp(bool udp)
{
    dep_t dep = DEP_OF_TABLE;
    atomic_store(&world.udp, udp);
    announce(&dep, 1);
}

void mock_xlate_hook(void (*fn)(void))
{
    atomic_store(&world.hook, fn);
}

uint64_t mock_translations(void)
{
    return atomic_load(&world.translations);
}

struct flow_key mock_key(unsigned id)
{
    struct flow_key k;
    memset(&k, 0, sizeof(k));
    k.in_port = 1;
    k.eth_type = htons(0x0800);
    k.ip_proto = 17;
    k.tp_dst = htons((uint16_t)id);
    return k;
}

// --- what the switch calls ---

void pipelines_set_observer(struct pipelines *p, const struct dep_observer *o)
{
    p->observer = *o;
}

void pipeline_set_refresh_hook(struct pipelines *p, pipeline_refresh_fn *fn, void *aux)
{
    p->refresh = fn;
    p->refresh_aux = aux;
}

void pipeline_refresh(struct pipeline *p, void (*done)(void *arg), void *arg)
{
    world.refresh(world.refresh_aux, p, done, arg);
}

void pipelines_set_counter_lag(struct pipelines *p, int64_t lag)
{
}

bool pipelines_find_port(const struct pipelines *p, dp_port_t dp_port, struct pipeline **ret,
                         ofp_port_t *ret_port)
{
    if (dp_port != 1 || !atomic_load(&p->mapped))
        return false;
    *ret = &bridge;
    *ret_port = 1;
    return true;
}

const struct pipeline_port *pipeline_port(const struct pipeline *p, ofp_port_t number)
{
    return &port;
}

uint32_t pipeline_id(const struct pipeline *p)
{
    return 1;
}

uint64_t pipelines_change(const struct pipelines *p)
{
    return atomic_load(&p->change);
}

bool pipelines_changed_since(const struct pipelines *p, uint64_t change, const struct provenance *v)
{
    for (uint32_t i = 0; i < v->n; i++) {
        if (atomic_load(changed_at(v->deps[i])) > change)
            return true;
    }
    return false;
}

static void collect_packet_in(const struct xlate_in *in, struct xlate_out *out)
{
    if (!(in->flags & XLATE_SEND_PACKET_INS) || !(out->slow & SLOW_CONTROLLER))
        return;
    out->packet_ins = NEW_ARRAY(struct xlate_packet_in, 1);
    out->packet_ins[0] = (struct xlate_packet_in){
        .pipeline = &bridge, .flow = in->flow, .packet = packet_clone(in->packet)};
    out->n_packet_ins = 1;
}

void xlate(const struct xlate_in *in, struct xlate_out *out)
{
    memset(out, 0, sizeof(*out));
    assert_true(rcu_inside());
    assert_int_equal(in->flow.pipe.in_port, 1);
    atomic_fetch_add(&world.translations, 1);
    out->change = atomic_load(&world.change);
    bool udp = atomic_load(&world.udp);
    unsigned id = udp ? ntohs(in->flow.key.tp_dst) : 0;
    assert_true(id < MOCK_RULES);
    struct mock_rule *r = rcu_get(world.rules[id]);
    void (*hook)(void) = atomic_load(&world.hook);
    if (hook)
        hook();
    act_list_init(&out->actions);
    provenance_init(&out->provenance);
    out->mask.in_port = UINT32_MAX;
    out->mask.eth_type = 0xffff;
    out->mask.ip_proto = 0xff;
    out->mask.tp_dst = udp ? 0xffff : 0;
    provenance_add(&out->provenance, DEP_OF_PORTS);
    provenance_add(&out->provenance, DEP_OF_TABLE);
    provenance_add(&out->provenance, DEP_OF_RULE(id));
    if (!r)
        return;
    if (r->out != DP_PORT_NONE)
        act_list_add(&out->actions, ACT_OUTPUT)->port = r->out;
    out->slow = r->slow;
    collect_packet_in(in, out);
    out->credits = NEW_ARRAY(struct xlate_credit, 1);
    out->n_credits = 1;
    out->credits[0] = (struct xlate_credit){.kind = CREDIT_RULE, .rule = (struct rule *)(void *)r};
    atomic_fetch_add(&r->refs, 1);
    if (r->learns && in->flags & XLATE_MAY_LEARN) {
        dep_t dep = DEP_OF_RULE(id);
        announce(&dep, 1);
    }
}

struct rule *rule_ref(struct rule *r)
{
    atomic_fetch_add(&((struct mock_rule *)(void *)r)->refs, 1);
    return r;
}

struct pipeline *pipeline_ref(struct pipeline *p)
{
    return p;
}

void xlate_out_done(struct xlate_out *out)
{
    for (size_t i = 0; i < out->n_credits; i++)
        atomic_fetch_sub(&((struct mock_rule *)(void *)out->credits[i].rule)->refs, 1);
    for (size_t i = 0; i < out->n_packet_ins; i++)
        packet_free(out->packet_ins[i].packet);
    free(out->packet_ins);
    free(out->credits);
    act_list_done(&out->actions);
    provenance_done(&out->provenance);
}

void xlate_credit(const struct xlate_credit *v, size_t n, uint64_t packets, uint64_t bytes,
                  uint16_t tcp_flags, int64_t used)
{
    for (size_t i = 0; i < n; i++) {
        struct mock_rule *r = (struct mock_rule *)(void *)v[i].rule;
        assert_true(atomic_load(&r->refs) > 0);
        atomic_fetch_add(&r->packets, packets);
        atomic_fetch_add(&r->bytes, bytes);
        if (used > atomic_load(&r->used))
            atomic_store(&r->used, used);
    }
}
