// SPDX-License-Identifier: Apache-2.0
// Explanations: a placement's state and reason in words, and the reasons added up.
//
// Reads under the offload's lock, copies, and calls back without it.
#include "offload/explain.h"

#include <errno.h>
#include <stdio.h>

#include "offload/private.h"

static enum place_state state_of(const struct placement *p)
{
    if (p->hw.have && !p->hw.uncertain)
        return p->hw.want ? PLACE_HARDWARE : PLACE_REMOVING;
    if (p->hw.uncertain)
        return PLACE_REMOVING;
    if (p->hw.busy)
        return PLACE_INSTALLING;
    if (p->hw.lane == LANE_INSTALL)
        return PLACE_QUEUED;
    if (p->why.entry && p->why.entry->why.stage != REFUSAL_POLICY)
        return PLACE_REFUSED;
    return PLACE_SOFTWARE;
}

static void culprit_remedy(const struct refusal *r, const char *tier, char *out, size_t size)
{
    char culprit[64];
    refusal_culprit_text(r, culprit, sizeof(culprit));
    if (r->culprit == CULPRIT_PORT)
        snprintf(out, size, "a port of the NIC behind %s in place of %s", tier, culprit);
    else if (culprit[0])
        snprintf(out, size, "flows without %s, or a NIC and driver that can do it", culprit);
    else
        snprintf(out, size, "a NIC and driver that can do it");
}

static void remedy(const struct refusal *r, const char *tier, char *out, size_t size)
{
    if (!tier)
        tier = "the hardware";
    switch (r->stage) {
    case REFUSAL_NONE:
    case REFUSAL_STAGE_COUNT:
        out[0] = '\0';
        break;
    case REFUSAL_POLICY:
        if (r->error == -EAGAIN)
            snprintf(out, size, "a moment: it is offered again");
        else if (r->error == -ENODEV)
            snprintf(out, size, "a NIC with hardware switching whose ports are in a bridge");
        else if (r->error == -ECANCELED)
            snprintf(out, size, "a request to promote it");
        else if (r->error == -EPERM)
            snprintf(out, size, "other_config:hw-offload=true");
        else
            culprit_remedy(r, tier, out, size);
        break;
    case REFUSAL_CHECK:
    case REFUSAL_DRIVER:
    case REFUSAL_KERNEL:
        culprit_remedy(r, tier, out, size);
        break;
    case REFUSAL_CAPACITY:
        snprintf(out, size, "room in the table of %s", tier);
        break;
    case REFUSAL_TIMEOUT:
        snprintf(out, size, "an answer from %s", tier);
        break;
    }
}

void explain(struct placement *p, struct explanation *ret)
{
    struct offload *o = p->offload;
    memset(ret, 0, sizeof(*ret));
    pthread_mutex_lock(&o->lock);
    ret->state = state_of(p);
    ret->tier = o->software->ops->name;
    if (ret->state == PLACE_HARDWARE)
        ret->tier = p->hw.tier->tier->ops->name;
    const struct refusal_entry *e = p->why.entry;
    if (e && ret->state != PLACE_HARDWARE) {
        ret->why = e->why;
        ret->since = p->why.since;
        ret->retry_at = p->why.retry_at;
        if (e->key.tier)
            ret->refused_by = e->key.tier->tier->ops->name;
    }
    ret->attempts = p->why.attempts;
    pthread_mutex_unlock(&o->lock);
    remedy(&ret->why, ret->refused_by, ret->remedy, sizeof(ret->remedy));
}

static int by_weight(const void *a, const void *b)
{
    const struct refusal_count *x = a, *y = b;
    if (x->now != y->now)
        return x->now < y->now ? 1 : -1;
    if (x->total != y->total)
        return x->total < y->total ? 1 : -1;
    return 0;
}

void explain_all(struct offload *o, refusal_count_fn *cb, void *aux)
{
    pthread_mutex_lock(&o->lock);
    struct refusal_count *v = NEW_ARRAY(struct refusal_count, o->n_refusals + 1);
    size_t n = 0;
    struct refusal_entry *e, *next;
    HASH_ITER (hh, o->refusals, e, next) {
        v[n++] = (struct refusal_count){
            .tier = e->key.tier ? e->key.tier->tier->ops->name : NULL,
            .why = e->why,
            .now = e->now,
            .total = e->total,
            .first = e->first,
            .last = e->last,
        };
    }
    pthread_mutex_unlock(&o->lock);
    qsort(v, n, sizeof(*v), by_weight);
    for (size_t i = 0; i < n; i++)
        cb(aux, &v[i]);
    free(v);
}
