// SPDX-License-Identifier: Apache-2.0
// Changes to tables: add, modify, delete, expiry.
//
// Thread: the main thread's. Neighbours: classifier_update.c, which links rules; pipelines.c, which
// publishes versions, announces dependencies and buries rules.
//
// A change is a batch. First everything that can fail is checked; then rules are made and marked
// for the next version of the tables; then that version is published, which makes all of it visible
// at once; then dependencies are announced and events told; then memory is worked off.

#include <errno.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "slowpath/pipeline/pipeline_private.h"

#include <utlist.h>

// How many rules an added one is compared with to find which lookups it may change; beyond that,
// all megaflows that looked into the table are translated again. A single change may look at many,
// which costs less than translating; in a burst, where many changes share one round of
// translations, at few: tokens, one a rule, come back with time.
enum { OVERLAP_MAX = 16384, OVERLAP_TOKENS = 65536 };
#define OVERLAP_TOKEN_EVERY NSEC_PER_USEC

struct told {
    struct rule *rule;
    enum rule_event event;
    uint8_t reason;
};

struct batch {
    struct pipeline *p;
    uint64_t version; // in which the change is visible
    dep_t *deps;
    size_t n_deps, deps_allocated;
    struct told *told;
    size_t n_told, told_allocated;
    uint64_t touched[4]; // tables whose classifier needs publishing
};

static void batch_init(struct batch *b, struct pipeline *p)
{
    *b = (struct batch){.p = p};
    b->version = atomic_load_explicit(&p->all->version, memory_order_relaxed) + 1;
}

static void batch_dep(struct batch *b, dep_t dep)
{
    GROW_ARRAY(b->deps, b->deps_allocated, b->n_deps + 1);
    b->deps[b->n_deps++] = dep;
}

static void batch_tell(struct batch *b, struct rule *rule, enum rule_event event, uint8_t reason)
{
    if (!b->p->events.rule)
        return;
    GROW_ARRAY(b->told, b->told_allocated, b->n_told + 1);
    b->told[b->n_told++] = (struct told){rule, event, reason};
}

static void batch_finish(struct batch *b)
{
    struct pipeline *p = b->p;
    for (unsigned t = 0; t < PIPELINE_TABLES; t++) {
        if (b->touched[t / 64] >> (t % 64) & 1)
            classifier_publish(&p->tables[t]->cls);
    }
    pipelines_publish_version(p->all);
    pipelines_announce(p->all, b->deps, b->n_deps);
    for (size_t i = 0; i < b->n_told; i++)
        p->events.rule(p->events.aux, p, b->told[i].rule, b->told[i].event, b->told[i].reason);
    free(b->deps);
    free(b->told);
    pipelines_reap(p->all);
}

// --- Tables and their lists ------------------------------------------------------------------

struct table *pipeline_table(struct pipeline *p, uint8_t id)
{
    if (!p->tables[id]) {
        struct table *t = NEW(struct table);
        classifier_init(&t->cls);
        rcu_set(p->tables[id], t);
    }
    return p->tables[id];
}

void tables_take(struct pipeline *p)
{
    p->taken = NEW_ARRAY(struct table *, PIPELINE_TABLES);
    for (unsigned i = 0; i < PIPELINE_TABLES; i++)
        p->taken[i] = rcu_swap(p->tables[i], NULL);
}

void tables_free(struct pipeline *p)
{
    for (unsigned i = 0; i < PIPELINE_TABLES; i++) {
        struct table *t = p->taken[i];
        if (!t)
            continue;
        classifier_done(&t->cls);
        free(t->slots);
        free(t->holes);
        free(t);
    }
    free(p->taken);
    p->taken = NULL;
}

static uint32_t slot_take(struct table *t, struct rule *rule)
{
    uint32_t slot;
    if (t->n_holes) {
        slot = t->holes[--t->n_holes];
    } else {
        GROW_ARRAY(t->slots, t->slots_allocated, t->n_slots + 1);
        slot = t->n_slots++;
    }
    t->slots[slot] = rule;
    return slot;
}

static void slot_leave(struct table *t, uint32_t slot)
{
    t->slots[slot] = NULL;
    GROW_ARRAY(t->holes, t->holes_allocated, t->n_holes + 1);
    t->holes[t->n_holes++] = slot;
}

// --- Putting in and taking out ---------------------------------------------------------------

// `replaced` gives its slot; it is marked as removed.
static void batch_insert(struct batch *b, struct rule *rule, struct rule *replaced)
{
    struct pipeline *p = b->p;
    struct table *t = p->tables[rule->table];
    rule->added_in = b->version;
    if (replaced) {
        rule->slot = replaced->slot;
        t->slots[rule->slot] = rule;
    } else {
        rule->slot = slot_take(t, rule);
        t->n_rules++;
    }
    if (rule->idle_timeout || rule->hard_timeout)
        DL_APPEND2(p->expirable, rule, expirable_prev, expirable_next);
    classifier_insert(&t->cls, rule);
    b->touched[rule->table / 64] |= UINT64_C(1) << (rule->table % 64);
}

static void batch_mark_removed(struct batch *b, struct rule *rule)
{
    rule->removed_in = b->version;
    if (rule->idle_timeout || rule->hard_timeout)
        DL_DELETE2(b->p->expirable, rule, expirable_prev, expirable_next);
    pipelines_bury(b->p->all, rule);
}

static void batch_remove(struct batch *b, struct rule *rule, uint8_t reason)
{
    struct table *t = b->p->tables[rule->table];
    batch_mark_removed(b, rule);
    slot_leave(t, rule->slot);
    t->n_rules--;
    batch_dep(b, dep_make(DEP_RULE, rule->id));
    batch_tell(b, rule, RULE_REMOVED, reason);
}

static bool note_overlapped(void *b_, struct rule *rule)
{
    struct batch *b = b_;
    batch_dep(b, dep_make(DEP_RULE, rule->id));
    return true;
}

static size_t overlap_budget(struct pipelines *all, int64_t now)
{
    if (now > all->overlap_refilled) {
        uint64_t back = (now - all->overlap_refilled) / OVERLAP_TOKEN_EVERY;
        all->overlap_tokens = MIN_OF(all->overlap_tokens + back, (uint64_t)OVERLAP_TOKENS);
        all->overlap_refilled = now;
    }
    size_t most = MIN_OF(all->overlap_tokens, (size_t)OVERLAP_MAX);
    return MAX_OF(most, all->overlap_min);
}

// What an added rule may take packets from: lower rules it overlaps, and the miss. Rules of the
// same priority count as lower, because which of the two wins is nobody's promise.
static void batch_deps_of_added(struct batch *b, const struct rule *rule)
{
    const struct classifier *cls = &b->p->tables[rule->table]->cls;
    size_t before = b->n_deps, granted = overlap_budget(b->p->all, rule->created), left = granted;
    bool all =
        classifier_each_overlap(cls, &rule->match, 0, rule->priority, &left, note_overlapped, b);
    size_t *tokens = &b->p->all->overlap_tokens;
    *tokens -= MIN_OF(*tokens, granted - left);
    if (!all) {
        b->n_deps = before;
        batch_dep(b, dep_table(b->p, rule->table));
        return;
    }
    batch_dep(b, dep_table_miss(b->p, rule->table));
}

// --- Add -------------------------------------------------------------------------------------

static int fault(enum flow_mod_fault *ret_fault, enum flow_mod_fault f, int code)
{
    if (ret_fault)
        *ret_fault = f;
    return code;
}

static bool any_rule(void *aux, struct rule *rule)
{
    *(struct rule **)aux = rule;
    return false;
}

static struct rule *rule_from_flow_mod(struct pipeline *p, uint8_t table, const struct flow_mod *fm,
                                       int64_t now)
{
    struct rule *rule = rule_new(p, table, &fm->match);
    rule->priority = fm->priority;
    rule->idle_timeout = fm->idle_timeout;
    rule->hard_timeout = fm->hard_timeout;
    rule->importance = fm->importance;
    rule->flags = fm->flags & (RULE_SEND_FLOW_REM | RULE_NO_PKT_COUNTS | RULE_NO_BYT_COUNTS);
    rule->cookie = fm->new_cookie;
    rule->created = rule->modified = now;
    ofpact_list_done(&rule->actions);
    ofpact_list_clone(&rule->actions, &fm->actions);
    return rule;
}

static int flow_add(struct pipeline *p, const struct flow_mod *fm, int64_t now,
                    enum flow_mod_fault *ret_fault, struct err *err)
{
    uint8_t id = fm->table == TABLE_ALL ? 0 : fm->table;
    struct table *t = pipeline_table(p, id);
    struct rule *rule = rule_from_flow_mod(p, id, fm, now);
    struct rule *old = classifier_find(&t->cls, &rule->match, rule->priority), *other = NULL;
    size_t no_limit = SIZE_MAX;
    if (!old && fm->flags & FLOW_CHECK_OVERLAP)
        classifier_each_overlap(&t->cls, &rule->match, rule->priority, rule->priority, &no_limit,
                                any_rule, &other);
    if (other) {
        rule_unref(rule);
        return fault(ret_fault, FLOW_MOD_OVERLAP,
                     err_set(err, -EEXIST,
                             "table %u has an overlapping flow of the same priority %u", id,
                             fm->priority));
    }
    if (!old && t->n_rules >= TABLE_MAX_RULES) {
        rule_unref(rule);
        return fault(ret_fault, FLOW_MOD_TABLE_FULL,
                     err_set(err, -ENOSPC, "table %u holds its maximum of %u flows", id,
                             (unsigned)TABLE_MAX_RULES));
    }
    struct batch b;
    batch_init(&b, p);
    rule->id = ++p->all->next_rule_id;
    if (old && !(fm->flags & FLOW_RESET_COUNTS)) {
        rule->stats = rule_stats_ref(old->stats);
        atomic_store_explicit(&rule->stats->used, now, memory_order_relaxed);
    } else {
        rule->stats = rule_stats_new(now);
    }
    if (old) {
        batch_mark_removed(&b, old);
        batch_dep(&b, dep_make(DEP_RULE, old->id));
    } else {
        batch_deps_of_added(&b, rule);
    }
    batch_insert(&b, rule, old);
    batch_tell(&b, rule, old ? RULE_MODIFIED : RULE_ADDED, 0);
    batch_finish(&b);
    return 0;
}

// --- Modify and delete -----------------------------------------------------------------------

struct collect {
    const struct flow_mod *fm;
    struct rule **v;
    size_t n, allocated;
};

static bool collect_rule(void *c_, struct rule *rule)
{
    struct collect *c = c_;
    const struct flow_mod *fm = c->fm;
    if ((rule->cookie ^ fm->cookie) & fm->cookie_mask)
        return true;
    bool deletes = fm->command == FLOW_DELETE || fm->command == FLOW_DELETE_STRICT;
    if (deletes && fm->out_port != OFPP_NONE &&
        !ofpact_list_outputs_to(&rule->actions, fm->out_port))
        return true;
    GROW_ARRAY(c->v, c->allocated, c->n + 1);
    c->v[c->n++] = rule;
    return true;
}

static void collect(struct pipeline *p, struct collect *c)
{
    const struct flow_mod *fm = c->fm;
    bool strict = fm->command == FLOW_MODIFY_STRICT || fm->command == FLOW_DELETE_STRICT;
    AUTO_FREE struct rule_words *rw = rule_words_from(&fm->match);
    unsigned first = fm->table == TABLE_ALL ? 0 : fm->table;
    unsigned last = fm->table == TABLE_ALL ? PIPELINE_TABLES - 1 : fm->table;
    for (unsigned i = first; i <= last; i++) {
        struct table *t = p->tables[i];
        if (!t || !t->n_rules)
            continue;
        if (!strict) {
            classifier_each_loose(&t->cls, rw, collect_rule, c);
            continue;
        }
        struct rule *rule = classifier_find(&t->cls, rw, fm->priority);
        if (rule)
            collect_rule(c, rule);
    }
}

static struct rule *rule_modified(const struct rule *old, const struct flow_mod *fm, int64_t now)
{
    struct match match;
    rule_match(old, &match);
    struct rule *rule = rule_new(old->pipeline, old->table, &match);
    rule->id = old->id;
    rule->priority = old->priority;
    rule->idle_timeout = old->idle_timeout;
    rule->hard_timeout = old->hard_timeout;
    rule->importance = old->importance;
    rule->flags = old->flags;
    rule->cookie = fm->modify_cookie ? fm->new_cookie : old->cookie;
    rule->created = old->created;
    rule->modified = now;
    ofpact_list_done(&rule->actions);
    ofpact_list_clone(&rule->actions, &fm->actions);
    rule->stats = fm->flags & FLOW_RESET_COUNTS ? rule_stats_new(old->stats->used)
                                                : rule_stats_ref(old->stats);
    return rule;
}

static int flow_modify(struct pipeline *p, const struct flow_mod *fm, int64_t now,
                       enum flow_mod_fault *ret_fault, struct err *err)
{
    struct collect c = {.fm = fm};
    collect(p, &c);
    if (!c.n)
        return fm->modify_may_add ? flow_add(p, fm, now, ret_fault, err) : 0;
    struct batch b;
    batch_init(&b, p);
    for (size_t i = 0; i < c.n; i++) {
        struct rule *old = c.v[i], *rule = rule_modified(old, fm, now);
        batch_mark_removed(&b, old);
        batch_insert(&b, rule, old);
        // A new cookie or time alone changes no translation.
        if (fm->flags & FLOW_RESET_COUNTS || !ofpact_list_equal(&old->actions, &rule->actions))
            batch_dep(&b, dep_make(DEP_RULE, rule->id));
        batch_tell(&b, rule, RULE_MODIFIED, 0);
    }
    batch_finish(&b);
    free(c.v);
    return 0;
}

static int flow_delete(struct pipeline *p, const struct flow_mod *fm)
{
    struct collect c = {.fm = fm};
    collect(p, &c);
    if (c.n) {
        struct batch b;
        batch_init(&b, p);
        for (size_t i = 0; i < c.n; i++)
            batch_remove(&b, c.v[i], fm->delete_reason);
        batch_finish(&b);
    }
    free(c.v);
    return 0;
}

void flow_mod_init(struct flow_mod *fm, enum flow_mod_command command)
{
    bool deletes = command == FLOW_DELETE || command == FLOW_DELETE_STRICT;
    *fm = (struct flow_mod){.command = command, .priority = 0x8000, .out_port = OFPP_NONE};
    fm->table = deletes ? TABLE_ALL : 0;
    fm->delete_reason = RULE_REMOVED_DELETE;
    ofpact_list_init(&fm->actions);
}

void flow_mod_done(struct flow_mod *fm)
{
    ofpact_list_done(&fm->actions);
}

int pipeline_flow_mod(struct pipeline *p, const struct flow_mod *fm, int64_t now,
                      enum flow_mod_fault *ret_fault, struct err *err)
{
    if (fm->table >= PIPELINE_TABLES && fm->table != TABLE_ALL)
        return fault(ret_fault, FLOW_MOD_BAD_TABLE,
                     err_set(err, -EINVAL, "there is no table %u", fm->table));
    switch (fm->command) {
    case FLOW_ADD:
        return flow_add(p, fm, now, ret_fault, err);
    case FLOW_MODIFY:
    case FLOW_MODIFY_STRICT:
        return flow_modify(p, fm, now, ret_fault, err);
    case FLOW_DELETE:
    case FLOW_DELETE_STRICT:
        return flow_delete(p, fm);
    }
    return fault(ret_fault, FLOW_MOD_BAD_COMMAND,
                 err_set(err, -EINVAL, "there is no flow mod command %d", (int)fm->command));
}

// --- Without being asked ---------------------------------------------------------------------

void pipeline_remove_all_rules(struct pipeline *p)
{
    struct batch b;
    batch_init(&b, p);
    for (unsigned i = 0; i < PIPELINE_TABLES; i++) {
        struct table *t = p->tables[i];
        for (size_t s = 0; t && s < t->n_slots; s++) {
            if (t->slots[s])
                batch_remove(&b, t->slots[s], RULE_REMOVED_DELETE);
        }
    }
    batch_finish(&b);
}

void pipeline_expire(struct pipeline *p, int64_t now)
{
    struct batch b;
    batch_init(&b, p);
    struct rule *rule, *next;
    bool any = false;
    for (rule = p->expirable; rule; rule = next) {
        next = rule->expirable_next;
        int64_t used = atomic_load_explicit(&rule->stats->used, memory_order_relaxed);
        bool hard = rule->hard_timeout && now >= rule->modified + rule->hard_timeout * NSEC_PER_SEC;
        bool idle = rule->idle_timeout &&
                    now >= used + rule->idle_timeout * NSEC_PER_SEC + p->all->counter_lag;
        if (hard || idle) {
            batch_remove(&b, rule, hard ? RULE_REMOVED_HARD : RULE_REMOVED_IDLE);
            any = true;
        }
    }
    if (any)
        batch_finish(&b);
}
