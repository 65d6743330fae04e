// SPDX-License-Identifier: Apache-2.0
// Counters of filters in the NIC. A superseded filter is read until the NIC's counter cache must have caught up with the moment
// in which it stopped taking packets, and is then deleted; that reading is its last.
//
// Thread: the channel's. The lock is held while requests are made and answers are filed, not between. A filter that has
// settled is taken out of its flow before it is deleted, so that no other thread deletes it too.
#include <errno.h>
#include <string.h>

#include "drivers/tc/internal.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define SETTLE_MS 1500 // the age of a NIC's counter cache, and some more

// One filter that is read, and perhaps deleted.
struct reading {
    struct tier_stats_req *req;
    struct tc_filter_id id;
    struct tier_stats stats;
    int error;
    bool old, settled;
};

static int on_filter(const struct nlmsghdr *nlh, void *arg)
{
    struct reading *r = arg;
    struct tc_filter_info info;

    if (tc_filter_parse(nlh, &info, NULL) == 0 && info.stats.packets >= r->stats.packets)
        r->stats = info.stats;
    return 0;
}

// -EINVAL: not even a qdisc is there.
static void on_read(int error, const char *sentence, uint32_t attr_offset, void *arg)
{
    struct reading *r = arg;

    r->error = error == -ENODEV || error == -EINVAL ? -ENOENT : error;
}

static void ignore(int error, const char *sentence, uint32_t attr_offset, void *arg)
{
}

static void add_request(struct tc_channel *c, struct reading *r, bool delete)
{
    struct nlk_msg m;

    tc_filter_msg(&m, delete ? RTM_DELTFILTER : RTM_GETTFILTER, delete ? NLM_F_ECHO : 0, &r->id);
    nlk_batch_add(c->batch, &m, on_filter, delete ? ignore : on_read, r);
    nlk_msg_done(&m);
}

// Under the lock.
static void start(struct tc_channel *c, struct reading *r)
{
    const struct tc_flow *f = tc_find_flow(tc_from_tier(c->base.tier), &r->req->ufid);
    uint64_t handle = r->req->handle;

    r->error = -ENOENT;
    if (!f)
        return;
    if (tc_handle(&f->now.id) == handle) {
        r->id = f->now.id;
        r->error = 0;
    }
    for (unsigned i = 0; i < f->n_old; i++) {
        if (tc_handle(&f->old[i].copy.id) == handle) {
            r->id = f->old[i].copy.id;
            r->error = 0;
            r->old = true;
            r->settled = f->old[i].since <= clock_now() - SETTLE_MS * NSEC_PER_MSEC;
        }
    }
    if (!r->error)
        add_request(c, r, false);
}

static void take_out(struct tc_flow *f, uint32_t handle)
{
    for (unsigned i = 0; i < f->n_old; i++) {
        if (f->old[i].copy.id.handle == handle)
            f->old[i--] = f->old[--f->n_old];
    }
}

// Another program deleted the filter. What was superseded by it must not take packets again.
static void file_lost(struct tc_channel *c, struct tc_flow *f)
{
    for (unsigned i = 0; i < f->n_old; i++) {
        struct nlk_msg m;

        tc_filter_msg(&m, RTM_DELTFILTER, 0, &f->old[i].copy.id);
        nlk_batch_add(c->batch, &m, NULL, ignore, NULL);
        nlk_msg_done(&m);
    }
    tc_flow_forget(tc_from_tier(c->base.tier), f);
}

// Under the lock. Deletions go into the next batch.
static void file(struct tc_channel *c, struct reading *r)
{
    struct tc_flow *f = tc_find_flow(tc_from_tier(c->base.tier), &r->req->ufid);
    bool present = f && tc_handle(&f->now.id) == r->req->handle;

    r->settled = r->old && (r->settled || r->error == -ENOENT);
    if (present && r->error == -ENOENT)
        file_lost(c, f);
    if (!r->settled)
        return;
    if (f)
        take_out(f, r->id.handle);
    if (!r->error)
        add_request(c, r, true);
    r->error = 0;
}

int tc_stats(struct tier_channel *channel, struct tier_stats_req *reqs, size_t n)
{
    struct tc_channel *c = (struct tc_channel *)channel;
    struct tc_tier *t = tc_from_tier(c->base.tier);
    AUTO_FREE struct reading *v = NEW_ARRAY(struct reading, n);

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        v[i].req = &reqs[i];
        start(c, &v[i]);
    }
    pthread_mutex_unlock(&t->lock);
    int r = nlk_batch_run(c->batch, NULL);
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n; i++)
        file(c, &v[i]);
    pthread_mutex_unlock(&t->lock);
    int r_delete = nlk_batch_run(c->batch, NULL);
    for (size_t i = 0; i < n; i++) {
        reqs[i].error = v[i].error;
        reqs[i].settled = v[i].settled;
        reqs[i].stats = v[i].stats;
    }
    return r ? r : r_delete;
}
