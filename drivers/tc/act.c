// SPDX-License-Identifier: Apache-2.0
// Megaflow actions as a list of tc actions: a table from kind to encoder, an empty slot refuses. The first tc action carries
// the UFID as its cookie and its counters are the megaflow's. Pure; any thread. Format: linux/pkt_cls.h.
#include <errno.h>
#include <string.h>

#include "drivers/tc/internal.h"

static const struct tc_act_ops *const table[ACT_COUNT] = {
    [ACT_OUTPUT] = &tc_act_output,     [ACT_SET] = &tc_act_set,   [ACT_PUSH_VLAN] = &tc_act_push_vlan,
    [ACT_POP_VLAN] = &tc_act_pop_vlan, [ACT_DROP] = &tc_act_drop,
};

bool tc_can_act(enum act_type type)
{
    return table[type] != NULL;
}

struct tc_act_nest tc_act_start(struct tc_act_ctx *c, const char *kind)
{
    struct tc_act_nest nest = {0};
    struct nla_bitfield32 flags = {TCA_ACT_FLAGS_NO_PERCPU_STATS, TCA_ACT_FLAGS_NO_PERCPU_STATS};

    if (c->m) {
        nest.entry = nlk_nest_start(c->m, (uint16_t)c->index);
        nlk_put_str(c->m, TCA_ACT_KIND, kind);
        if (c->index == 1)
            nlk_put(c->m, TCA_ACT_COOKIE, c->desc->ufid.b, sizeof c->desc->ufid.b);
        nlk_put(c->m, TCA_ACT_FLAGS, &flags, sizeof flags);
        nest.options = nlk_nest_start(c->m, TCA_ACT_OPTIONS);
    }
    c->index++;
    return nest;
}

void tc_act_end(struct tc_act_ctx *c, struct tc_act_nest nest)
{
    if (c->m) {
        nlk_nest_end(c->m, nest.options);
        nlk_nest_end(c->m, nest.entry);
    }
}

int tc_put_actions(struct tc_act_ctx *c)
{
    const struct act_list *list = &c->desc->actions;
    size_t nest = c->m ? nlk_nest_start(c->m, TCA_FLOWER_ACT) : 0;

    c->index = 1;
    for (uint32_t i = 0; i < list->n;) {
        const struct act *a = &list->v[i];

        if (!table[a->type])
            return refuse(c->refusal, REFUSAL_CHECK, CULPRIT_ACTION, a->type, -EOPNOTSUPP, "tc cannot express the action %s",
                          act_type_name(a->type));
        int taken = table[a->type]->put(c, a, list->n - i);
        if (taken < 0)
            return taken;
        i += (uint32_t)taken;
    }
    if (!list->n)
        tc_act_put_drop(c);
    if (c->index - 1 > TC_MAX_ACTIONS)
        return refuse(c->refusal, REFUSAL_CHECK, CULPRIT_ACTION, list->v[list->n - 1].type, -E2BIG,
                      "%u tc actions are more than the %d that a filter may have", c->index - 1, TC_MAX_ACTIONS);
    if (c->m)
        nlk_nest_end(c->m, nest);
    return 0;
}
