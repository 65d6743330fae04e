// SPDX-License-Identifier: Apache-2.0
// Common ground of offload's tests. One thread (the owner's).
#include "tests/unit/offload/harness.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"

static void woken(void *aux)
{
    atomic_fetch_add((atomic_uint *)aux, 1);
}

void harness_start(struct harness *h, size_t n_hw, const struct offload_options *options)
{
    static const char *const names[] = {"nic0", "nic1"};
    struct tier *tiers[2];
    *h = (struct harness){.n_hw = n_hw, .sw = mock_tier_new("soft", false)};
    for (size_t i = 0; i < n_hw; i++) {
        h->hw[i] = mock_tier_new(names[i], true);
        tiers[i] = &h->hw[i]->tier;
    }
    assert_int_equal(offload_create(&h->sw->tier, tiers, n_hw, options, &h->offload, NULL), 0);
    place_owner_init(&h->owner, h->offload, woken, &h->wakes);
    assert_int_equal(h->sw->ops.channel_open(&h->sw->tier, &h->channel, NULL), 0);
}

bool harness_stop(struct harness *h)
{
    place_owner_done(&h->owner);
    h->sw->ops.channel_close(h->channel);
    bool clean = offload_stop(h->offload);
    if (clean)
        offload_free(h->offload);
    rcu_flush();
    if (!clean)
        return false;
    for (size_t i = 0; i < h->n_hw; i++) {
        assert_int_equal(h->hw[i]->channels, 0);
        mock_tier_free(h->hw[i]);
    }
    assert_int_equal(h->sw->channels, 0);
    mock_tier_free(h->sw);
    return true;
}

static void version_free(struct place_version *v)
{
    flow_desc_done(&v->desc);
    rcu_free_later(v);
}

static struct flow_key key_of(unsigned id)
{
    struct flow_key k;
    memset(&k, 0, sizeof(k));
    k.in_port = 1;
    k.eth_type = htons(0x0800);
    k.ip_proto = 17;
    k.tp_dst = htons((uint16_t)id);
    return k;
}

struct tversion *tversion_new(unsigned id, dp_port_t port)
{
    struct tversion *v = NEW(struct tversion);
    v->version.refs = 1;
    v->version.release = version_free;
    struct flow_desc *d = &v->version.desc;
    d->key = key_of(id);
    d->mask.in_port = UINT32_MAX;
    d->mask.eth_type = d->mask.tp_dst = 0xffff;
    d->mask.ip_proto = 0xff;
    d->ufid = flow_desc_ufid(&d->key, &d->mask, "eth0", 1);
    act_list_init(&d->actions);
    act_list_add(&d->actions, ACT_OUTPUT)->port = port;
    return v;
}

struct tflow *tflow_new(struct harness *h, unsigned id)
{
    struct tflow *f = NEW(struct tflow);
    place_init(&f->place, &h->owner);
    f->key = key_of(id);
    return f;
}

static int change(struct harness *h, struct tflow *f, enum tier_op_type type, struct tversion *v)
{
    struct place_change c = {
        .type = type, .placement = &f->place, .version = v ? &v->version : NULL};
    int error = place_apply(h->offload, h->channel, &c, 1);
    assert_int_equal(error, c.error);
    place_version_unref(v ? &v->version : NULL);
    return error;
}

int tflow_install(struct harness *h, struct tflow *f, struct tversion *v)
{
    return change(h, f, TIER_INSTALL, v);
}

int tflow_modify(struct harness *h, struct tflow *f, struct tversion *v)
{
    return change(h, f, TIER_MODIFY, v);
}

static void credited(void *aux, const struct place_delta *d)
{
    struct tflow *f = aux;
    f->credited += d->packets;
    f->credited_hw += d->hardware ? d->packets : 0;
    ((struct tversion *)d->version)->credited += d->packets;
    assert_int_equal(d->bytes, d->packets * 100);
}

void tflow_collect(struct harness *h, struct tflow *f)
{
    struct placement *p = &f->place;
    uint64_t before = flow_totals_get(&p->total).packets;
    place_read(h->offload, h->channel, &p, 1);
    place_collect(p, credited, f);
    assert_true(flow_totals_get(&p->total).packets >= before);
    assert_int_equal(flow_totals_get(&p->total).packets, f->credited);
}

void tflow_remove(struct harness *h, struct tflow *f)
{
    assert_int_equal(change(h, f, TIER_REMOVE, NULL), 0);
}

uint64_t tflow_finish(struct harness *h, struct tflow *f)
{
    while (!f->closed) {
        harness_settle(h);
        struct placement *p = place_take_closed(&h->owner);
        if (p)
            ((struct tflow *)p)->closed = 1;
    }
    place_collect(&f->place, credited, f);
    uint64_t sum = f->credited;
    place_done(&f->place);
    free(f);
    return sum;
}

bool harness_send(struct harness *h, const struct tflow *f)
{
    for (size_t i = 0; i < h->n_hw; i++) {
        if (mock_tier_forward(h->hw[i], &f->key, 100, NULL))
            return true;
    }
    return mock_tier_forward(h->sw, &f->key, 100, NULL);
}

void harness_settle(struct harness *h)
{
    do {
        while (offload_step(h->offload))
            ;
        offload_tick(h->offload, clock_now()); // what failed is tried again
    } while (offload_step(h->offload));
    assert_int_equal(offload_wait_idle(h->offload, clock_deadline(10 * NSEC_PER_SEC)), 0);
}

void harness_read(struct harness *h)
{
    uint64_t ticket = offload_ask_stats(h->offload);
    while (offload_step(h->offload))
        ;
    assert_int_equal(offload_wait_stats(h->offload, ticket, clock_deadline(10 * NSEC_PER_SEC)), 0);
}

enum place_state tflow_state(struct tflow *f)
{
    struct explanation e;
    explain(&f->place, &e);
    return e.state;
}
