// SPDX-License-Identifier: Apache-2.0
// What people and tools see of a backer: megaflows, statistics, upcall/show; and what they ask of
// megaflows.
//
// Main thread. Megaflows are looked at within RCU read sections; a dump holds identities only, so
// that a slice of it never keeps memory from being freed.
#include <errno.h>

#include "slowpath/upcall/private.h"

static void show_one(struct megaflow *m, backer_flow_fn *cb, void *aux)
{
    struct place_version *v = rcu_get(m->place.version);
    if (!v) // not installed yet, or gone
        return;
    const struct translation *t = translation_of(v);
    struct backer_flow f = {
        .desc = &v->desc,
        .sums = flow_totals_get(&m->place.total),
        .created = m->created,
        .used = atomic_load(&m->place.used),
        .slow = t->slow,
        .error = t->error ? t->error : "",
    };
    if (t->software_refusal) {
        f.software_refused = true;
        f.software_refusal = *t->software_refusal;
    }
    explain(&m->place, &f.where);
    cb(aux, &f);
}

int backer_flow_find(struct backer *b, const struct ufid *ufid, backer_flow_fn *cb, void *aux)
{
    rcu_enter();
    struct megaflow *m = store_find(b->store, ufid);
    if (m)
        show_one(m, cb, aux);
    rcu_leave();
    return m ? 0 : -ENOENT;
}

struct backer_dump {
    struct backer *backer;
    struct ufid *ufids;
    size_t n, allocated, at;
};

static void note_ufid(void *aux, struct megaflow *m)
{
    struct backer_dump *d = aux;
    GROW_ARRAY(d->ufids, d->allocated, d->n + 1);
    d->ufids[d->n++] = m->ufid;
}

struct backer_dump *backer_dump_new(struct backer *b)
{
    struct backer_dump *d = NEW(struct backer_dump);
    d->backer = b;
    rcu_enter();
    store_each(b->store, note_ufid, d);
    rcu_leave();
    return d;
}

bool backer_dump_step(struct backer_dump *d, size_t max, backer_flow_fn *cb, void *aux)
{
    for (; max && d->at < d->n; max--, d->at++)
        backer_flow_find(d->backer, &d->ufids[d->at], cb, aux);
    return d->at < d->n;
}

void backer_dump_free(struct backer_dump *d)
{
    if (!d)
        return;
    free(d->ufids);
    free(d);
}

struct asking {
    enum place_request request;
    unsigned n;
};

static void ask_removal(void *aux, struct megaflow *m)
{
    atomic_store(&m->doomed, true);
    ((struct asking *)aux)->n++;
}

static void ask_place(void *aux, struct megaflow *m)
{
    struct asking *a = aux;
    place_ask(&m->place, a->request);
    a->n++;
}

static unsigned ask(struct backer *b, const struct ufid *ufid, store_fn *fn, struct asking *a)
{
    rcu_enter();
    if (ufid) {
        struct megaflow *m = store_find(b->store, ufid);
        if (m)
            fn(a, m);
    } else {
        store_each(b->store, fn, a);
    }
    rcu_leave();
    backer_round(b);
    return a->n;
}

unsigned backer_flow_del(struct backer *b, const struct ufid *ufid)
{
    struct asking a = {0};
    return ask(b, ufid, ask_removal, &a);
}

unsigned backer_flow_place(struct backer *b, const struct ufid *ufid, enum place_request request)
{
    struct asking a = {.request = request};
    return ask(b, ufid, ask_place, &a);
}

static void add_handler(struct backer_stats *s, const struct handler *h)
{
    s->upcalls += tally_get(&h->n.upcalls);
    s->handled += tally_get(&h->n.handled);
    s->misses += tally_get(&h->n.misses);
    s->slow += tally_get(&h->n.slow);
    s->slow_limited += tally_get(&h->n.slow_limited);
    s->unmapped += tally_get(&h->n.unmapped);
    s->duplicates += tally_get(&h->n.duplicates);
    s->installed += tally_get(&h->n.installed);
    s->install_refused += tally_get(&h->n.refused);
    s->install_failed += tally_get(&h->n.failed);
    s->over_limit += tally_get(&h->n.over_limit);
    s->execute_errors += tally_get(&h->n.execute_errors);
    s->receive_errors += tally_get(&h->n.receive_errors);
}

static void add_keeper(struct backer_stats *s, unsigned i, const struct keeper *k)
{
    s->keepers[i].flows = (unsigned)tally_get(&k->n.flows);
    s->keepers[i].round_ns = atomic_load(&k->n.round_ns);
    s->round_ns = MAX_OF(s->round_ns, s->keepers[i].round_ns);
    s->modified += tally_get(&k->n.modified);
    s->removed += tally_get(&k->n.removed);
    s->expired += tally_get(&k->n.expired);
    s->evicted += tally_get(&k->n.evicted);
    s->revalidated += tally_get(&k->n.revalidated);
    s->stale += tally_get(&k->n.stale);
    s->late += tally_get(&k->n.late);
    s->install_refused += tally_get(&k->n.refused);
    s->rounds += tally_get(&k->n.rounds);
}

void backer_stats(struct backer *b, struct backer_stats *ret)
{
    *ret = (struct backer_stats){
        .n_handlers = b->n_handlers,
        .n_keepers = b->n_keepers,
        .flows = atomic_load(&b->n_flows),
        .flows_avg = atomic_load(&b->flows_avg),
        .flows_max = atomic_load(&b->flows_max),
        .flow_limit = atomic_load(&b->flow_limit),
        .max_idle_ms = atomic_load(&b->max_idle_ms),
        .max_revalidator_ms = atomic_load(&b->max_revalidator_ms),
        .lost = b->datapath->ops->upcalls_lost(b->datapath),
    };
    for (unsigned i = 0; i < b->n_handlers; i++)
        add_handler(ret, &b->handlers[i]);
    for (unsigned i = 0; i < b->n_keepers; i++)
        add_keeper(ret, i, &b->keepers[i]);
}

static void add_offloaded(void *aux, const struct tier_report *r)
{
    if (r->hardware)
        *(uint64_t *)aux += r->copies;
}

void backer_show(struct backer *b, struct str *out)
{
    struct backer_stats s;
    uint64_t offloaded = 0;
    backer_stats(b, &s);
    offload_report(b->offload, add_offloaded, &offloaded);
    str_printf(out, "%s@ovs-%s:\n", b->datapath->ops->type, b->datapath->ops->type);
    str_printf(out, "  flows         : (current %llu) (avg %llu) (max %llu) (limit %u)\n",
               (unsigned long long)s.flows, (unsigned long long)s.flows_avg,
               (unsigned long long)s.flows_max, s.flow_limit);
    str_printf(out, "  offloaded flows : %llu\n", (unsigned long long)offloaded);
    str_printf(out, "  dump duration : %lldms\n", (long long)(s.round_ns / NSEC_PER_MSEC));
    str_printf(out, "  ufid enabled : true\n\n");
    for (unsigned i = 0; i < s.n_keepers; i++)
        str_printf(out, "  %u: (keys %u)\n", s.n_handlers + i, s.keepers[i].flows);
    str_putc(out, '\n');
}
