// SPDX-License-Identifier: Apache-2.0
// drop: act_gact with the verdict "shot". Format: linux/tc_act/tc_gact.h.
#include <linux/tc_act/tc_gact.h>

#include "drivers/tc/internal.h"

int tc_act_put_drop(struct tc_act_ctx *c)
{
    struct tc_gact gact = {.action = TC_ACT_SHOT};
    struct tc_act_nest nest = tc_act_start(c, "gact");

    if (c->m)
        nlk_put(c->m, TCA_GACT_PARMS, &gact, sizeof gact);
    tc_act_end(c, nest);
    return 1;
}

// A drop ends the list: what follows would act on no packet.
static int put(struct tc_act_ctx *c, const struct act *v, uint32_t n)
{
    tc_act_put_drop(c);
    return (int)n;
}

const struct tc_act_ops tc_act_drop = {.put = put};
