// SPDX-License-Identifier: Apache-2.0
// Dumps of megaflows for the control socket, in slices: each turn of the loop shows some, so that an OpenFlow echo or a
// database change never waits for a dump. Main thread.
#include <utlist.h>

#include "lib/base/mem.h"
#include "slowpath/config/commands.h"

#define SLICE 512

struct running {
    struct running *next; // in sw->dumps
    struct sw *sw;
    struct control_call *call;
    struct dump_job job;
    struct backer_dump *dumps[ARRAY_SIZE(((struct sw *)0)->stacks)];
    unsigned at;
};

struct slice {
    struct running *r;
    struct stack *stack;
};

static void show(void *aux, const struct backer_flow *flow)
{
    struct slice *s = aux;

    s->r->job.flow(s->r->job.aux, s->stack, flow);
}

static void finish(struct running *r)
{
    LL_DELETE(r->sw->dumps, r);
    r->job.done(r->job.aux, r->call);
    free(r);
}

void dumps_forget_stack(struct sw *sw, const struct stack *stack)
{
    for (struct running *r = sw->dumps; r; r = r->next) {
        for (size_t i = 0; i < ARRAY_SIZE(r->dumps); i++) {
            if (sw->stacks[i] == stack) {
                backer_dump_free(r->dumps[i]);
                r->dumps[i] = NULL;
            }
        }
    }
}

void dumps_end(struct sw *sw)
{
    while (sw->dumps) {
        struct running *r = sw->dumps;

        for (size_t i = 0; i < ARRAY_SIZE(r->dumps); i++)
            backer_dump_free(r->dumps[i]);
        finish(r);
    }
}

static void step(void *arg)
{
    struct running *r = arg;

    while (r->at < ARRAY_SIZE(r->dumps) && !r->dumps[r->at])
        r->at++;
    if (r->at == ARRAY_SIZE(r->dumps)) {
        finish(r);
        return;
    }
    struct slice slice = {r, r->sw->stacks[r->at]};
    if (!backer_dump_step(r->dumps[r->at], SLICE, show, &slice)) {
        backer_dump_free(r->dumps[r->at]);
        r->dumps[r->at] = NULL;
    }
    loop_post(r->sw->loop, step, r);
}

void dump_start(struct sw *sw, struct control_call *call, const struct dump_job *job)
{
    struct running *r = NEW(struct running);

    r->sw = sw;
    r->call = call;
    r->job = *job;
    for (size_t i = 0; i < ARRAY_SIZE(r->dumps); i++)
        r->dumps[i] = sw->stacks[i] ? backer_dump_new(sw->stacks[i]->backer) : NULL;
    LL_PREPEND(sw->dumps, r);
    step(r);
}

const char *port_name(const void *aux, dp_port_t number)
{
    const struct port_names *names = aux;

    for (const struct bridge *b = names->sw->bridges; b; b = b->hh.next) {
        for (const struct iface *i = b->stack == names->stack ? b->ifaces : NULL; i; i = i->hh.next) {
            if (i->dp_port == number)
                return i->name;
        }
    }
    return NULL;
}

const char *flow_tier(const struct backer_flow *flow)
{
    return flow->where.tier;
}
