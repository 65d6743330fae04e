// SPDX-License-Identifier: Apache-2.0
// What the pipeline costs on this machine, single-threaded: flow mods on large tables, translations
// through small and large ones.
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/base/rcu.h"
#include "slowpath/l2/mac_table.h"
#include "slowpath/pipeline/pipeline.h"
#include "slowpath/pipeline/xlate.h"

static uint64_t deps_told;

static void observed(void *aux, const dep_t *deps, size_t n)
{
    deps_told += n;
}

// Of this thread, so that a busy machine disturbs less.
static int64_t cpu_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void report(const char *what, int64_t start, unsigned n)
{
    printf("%-58s %8.0f ns\n", what, (double)(cpu_time() - start) / n);
}

static void set_ports(struct pipeline *p, unsigned n)
{
    struct pipeline_port ports[64] = {0};
    for (unsigned i = 0; i < n; i++) {
        ports[i].number = i + 1;
        ports[i].dp_port = i + 1;
        ports[i].trunks_all = true;
        snprintf(ports[i].name, sizeof(ports[i].name), "%s-%u", pipeline_name(p), i);
    }
    pipeline_set_ports(p, ports, n);
}

static void match_tuple(struct match *m, uint32_t i)
{
    memset(m, 0, sizeof(*m));
    m->value.key.eth_type = htons(0x0800);
    m->mask.key.eth_type = UINT16_MAX;
    m->value.key.ip4_src = htonl(0x0a000000 + i);
    m->mask.key.ip4_src = UINT32_MAX;
    m->value.key.ip4_dst = htonl(0x0b000000 + i / 3);
    m->mask.key.ip4_dst = UINT32_MAX;
    m->value.key.ip_proto = 17;
    m->mask.key.ip_proto = UINT8_MAX;
    m->value.key.tp_dst = htons(i % 1000);
    m->mask.key.tp_dst = UINT16_MAX;
}

static void add(struct pipeline *p, uint8_t table, uint16_t priority, const struct match *m,
                ofp_port_t port, int next)
{
    struct flow_mod fm;
    flow_mod_init(&fm, FLOW_ADD);
    fm.table = table;
    fm.priority = priority;
    if (m)
        fm.match = *m;
    if (port)
        ofpact_list_add(&fm.actions, OFPACT_OUTPUT)->output.port = port;
    if (next >= 0) {
        struct ofpact *a = ofpact_list_add(&fm.actions, OFPACT_RESUBMIT);
        a->resubmit.port = OFPP_IN_PORT;
        a->resubmit.table = next;
    }
    pipeline_flow_mod(p, &fm, 1, NULL, NULL);
    flow_mod_done(&fm);
}

static void bench_xlate(struct pipeline *p, const char *what, unsigned n, uint32_t addresses)
{
    int64_t start = cpu_time();
    for (unsigned i = 0; i < n; i++) {
        struct match m;
        struct xlate_in in = {.pipeline = p, .now = 1};
        struct xlate_out out;
        match_tuple(&m, random_below(addresses));
        in.flow = m.value;
        in.flow.key.in_port = in.flow.pipe.in_port = 1;
        in.flow.key.eth_dst.b[5] = 2;
        in.flow.key.eth_src.b[5] = 1;
        rcu_enter();
        xlate(&in, &out);
        rcu_leave();
        xlate_out_done(&out);
    }
    report(what, start, n);
}

static void bench_small(struct pipelines *all)
{
    struct pipeline *p = pipeline_new(all, "small");
    struct eth_addr addr = {{0, 0, 0, 0, 0, 2}};
    set_ports(p, 4);
    add(p, 0, 0, NULL, OFPP_NORMAL, -1);
    bench_xlate(p, "translate: NORMAL, unknown destination, 4 ports", 200000, 100);
    mac_table_learn(pipeline_macs(p), 0, &addr, 2, 1);
    bench_xlate(p, "translate: NORMAL, known destination", 200000, 100);
    pipeline_free(p);
}

static void bench_large(struct pipelines *all)
{
    enum { RULES = 100000 };
    struct pipeline *p = pipeline_new(all, "large");
    struct match m;
    set_ports(p, 4);
    int64_t start = cpu_time();
    for (unsigned i = 0; i < RULES; i++) {
        match_tuple(&m, i);
        add(p, 5, 100, &m, 2, -1);
    }
    report("flow mod: add, 100,000 rules of one mask", start, RULES);
    for (uint8_t t = 0; t < 5; t++)
        add(p, t, 1, NULL, 0, t + 1);
    bench_xlate(p, "translate: 6 tables, the last of 100,000 rules, hit", 200000, RULES);
    bench_xlate(p, "translate: the same, half of them misses", 200000, 2 * RULES);
    start = cpu_time();
    struct flow_mod fm;
    for (unsigned i = 0; i < RULES / 2; i++) {
        flow_mod_init(&fm, FLOW_DELETE_STRICT);
        fm.table = 5;
        fm.priority = 100;
        match_tuple(&fm.match, i);
        pipeline_flow_mod(p, &fm, 1, NULL, NULL);
        flow_mod_done(&fm);
    }
    report("flow mod: delete strictly", start, RULES / 2);
    start = cpu_time();
    flow_mod_init(&fm, FLOW_DELETE);
    pipeline_flow_mod(p, &fm, 1, NULL, NULL);
    flow_mod_done(&fm);
    report("flow mod: delete all at once, per rule", start, RULES / 2);
    pipeline_free(p);
}

static void bench_many_masks(struct pipelines *all)
{
    enum { RULES = 20000 };
    struct pipeline *p = pipeline_new(all, "masks");
    struct match m;
    set_ports(p, 4);
    int64_t start = cpu_time();
    for (unsigned i = 0; i < RULES; i++) {
        match_tuple(&m, i);
        m.mask.key.ip4_dst = htonl(UINT32_MAX << (i % 25));
        m.mask.key.ip4_src = i % 2 ? UINT32_MAX : htonl(0xffffff00);
        m.value.key.ip4_src &= m.mask.key.ip4_src;
        m.value.key.ip4_dst &= m.mask.key.ip4_dst;
        add(p, 0, 100 + i % 25, &m, 2, -1);
    }
    report("flow mod: add, 20,000 rules of 50 masks", start, RULES);
    bench_xlate(p, "translate: 50 masks", 200000, 2 * RULES);
    pipeline_free(p);
}

int main(void)
{
    rcu_thread_join();
    struct pipelines *all = pipelines_new();
    pipelines_set_observer(all, &(struct dep_observer){observed, NULL});
    bench_small(all);
    bench_large(all);
    bench_many_masks(all);
    pipelines_free(all);
    printf("%-58s %8llu\n", "dependencies told", (unsigned long long)deps_told);
    return 0;
}
