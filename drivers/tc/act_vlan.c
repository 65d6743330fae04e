// SPDX-License-Identifier: Apache-2.0
// push_vlan and pop_vlan: act_vlan. Format: linux/tc_act/tc_vlan.h.
#include <linux/tc_act/tc_vlan.h>

#include "drivers/tc/internal.h"

static int push(struct tc_act_ctx *c, const struct act *v, uint32_t n)
{
    struct tc_vlan vlan = {.action = TC_ACT_PIPE, .v_action = TCA_VLAN_ACT_PUSH};
    uint16_t tci = ntohs(v->push_vlan.tci);
    struct tc_act_nest nest = tc_act_start(c, "vlan");

    if (c->m) {
        nlk_put(c->m, TCA_VLAN_PARMS, &vlan, sizeof vlan);
        nlk_put_u16(c->m, TCA_VLAN_PUSH_VLAN_ID, tci & 0xfff);
        nlk_put_be16(c->m, TCA_VLAN_PUSH_VLAN_PROTOCOL, ntohs(v->push_vlan.tpid));
        nlk_put_u8(c->m, TCA_VLAN_PUSH_VLAN_PRIORITY, (uint8_t)(tci >> 13));
    }
    tc_act_end(c, nest);
    return 1;
}

static int pop(struct tc_act_ctx *c, const struct act *v, uint32_t n)
{
    struct tc_vlan vlan = {.action = TC_ACT_PIPE, .v_action = TCA_VLAN_ACT_POP};
    struct tc_act_nest nest = tc_act_start(c, "vlan");

    if (c->m)
        nlk_put(c->m, TCA_VLAN_PARMS, &vlan, sizeof vlan);
    tc_act_end(c, nest);
    return 1;
}

const struct tc_act_ops tc_act_push_vlan = {.put = push};
const struct tc_act_ops tc_act_pop_vlan = {.put = pop};
