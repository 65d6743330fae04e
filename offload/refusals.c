// SPDX-License-Identifier: Apache-2.0
// Reasons why megaflows aren't higher: each kept once, counted, and pointed to by the placements
// that it holds back.
//
// Under the offload's lock throughout. Bounded: a driver may put numbers into its sentences, so
// that beyond REFUSALS_MAX entries those that hold nobody back are forgotten, and when all do,
// further ones share one entry per stage and culprit without the sentence.
#include "offload/private.h"

#include <errno.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/str.h"

#define REFUSALS_MAX 1024

static struct refusal_entry *find(struct offload *o, const struct refusal_key *key)
{
    struct refusal_entry *e;
    HASH_FIND(hh, o->refusals, key, sizeof(*key), e);
    return e;
}

static void entry_free(struct offload *o, struct refusal_entry *e)
{
    HASH_DEL(o->refusals, e);
    o->n_refusals--;
    free(e);
}

static void forget_idle(struct offload *o)
{
    struct refusal_entry *e, *next;
    HASH_ITER (hh, o->refusals, e, next) {
        if (!e->now)
            entry_free(o, e);
    }
}

static struct refusal_entry *intern(struct offload *o, struct hw_tier *t, const struct refusal *r,
                                    int64_t now)
{
    struct refusal_key key;
    memset(&key, 0, sizeof(key)); // padding is hashed
    key.tier = r->stage == REFUSAL_POLICY ? NULL : t;
    key.text = hash_text(r->sentence, 0);
    key.stage = r->stage;
    key.culprit = r->culprit;
    key.id = r->id;
    key.error = r->error;
    struct refusal_entry *e = find(o, &key);
    if (e)
        return e;
    struct refusal why = *r;
    if (o->n_refusals >= REFUSALS_MAX)
        forget_idle(o);
    if (o->n_refusals >= REFUSALS_MAX) {
        key.text = 0;
        e = find(o, &key);
        if (e)
            return e;
        str_copy(why.sentence, sizeof(why.sentence), "one of more reasons than are kept apart");
    }
    e = NEW(struct refusal_entry);
    e->key = key;
    e->why = why;
    e->first = now;
    HASH_ADD(hh, o->refusals, key, sizeof(key), e);
    o->n_refusals++;
    return e;
}

void why_hold(struct placement *p, struct hw_tier *t, const struct refusal *r, int64_t now,
              int64_t retry_at)
{
    struct refusal_entry *e = intern(p->offload, t, r, now);
    e->total++;
    e->last = now;
    if (p->why.entry != e) {
        if (p->why.entry)
            p->why.entry->now--;
        e->now++;
        p->why.entry = e;
        p->why.since = now;
    }
    p->why.retry_at = retry_at;
}

void why_set(struct placement *p, struct hw_tier *t, const struct refusal *r, int64_t now)
{
    int64_t after = refusal_retry_after(r, ++p->why.attempts);
    why_hold(p, t, r, now, after == CLOCK_NEVER ? CLOCK_NEVER : now + after);
}

void why_clear(struct placement *p)
{
    if (p->why.entry)
        p->why.entry->now--;
    p->why.entry = NULL;
    p->why.attempts = 0;
    p->why.retry_at = CLOCK_NEVER;
}

void refusals_done(struct offload *o)
{
    struct refusal_entry *e, *next;
    HASH_ITER (hh, o->refusals, e, next)
        entry_free(o, e);
}

static bool is_transient(int error)
{
    switch (-error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
    case EINTR:
    case EBUSY:
    case EIO:
    case ETIMEDOUT:
    case ENOENT:
        return true;
    }
    return false;
}

int64_t refusal_retry_after(const struct refusal *r, uint32_t attempts)
{
    int64_t first, most;
    switch (r->stage) {
    case REFUSAL_KERNEL:
    case REFUSAL_DRIVER:
        first = is_transient(r->error) ? NSEC_PER_SEC : 30 * NSEC_PER_SEC;
        most = is_transient(r->error) ? 60 * NSEC_PER_SEC : 960 * NSEC_PER_SEC;
        break;
    case REFUSAL_CAPACITY:
        first = NSEC_PER_SEC;
        most = 30 * NSEC_PER_SEC;
        break;
    default:
        return CLOCK_NEVER; // POLICY, CHECK: until a change; TIMEOUT: when the tier is well again
    }
    int64_t after = first;
    for (uint32_t i = 1; i < attempts && after < most; i++)
        after *= 2;
    return MIN_OF(after, most);
}
