// SPDX-License-Identifier: Apache-2.0
// output: act_mirred. A copy is mirrored to each port but the last, to which the frame itself is redirected. Ports of another
// switch, or of none (the bridge's own), are refused: the NIC can't reach them. Format: linux/tc_act/tc_mirred.h.
#include <errno.h>
#include <linux/tc_act/tc_mirred.h>

#include "drivers/tc/internal.h"

static int put(struct tc_act_ctx *c, const struct act *v, uint32_t n)
{
    const struct tc_port *out = c->port(c->aux, v->port), *in = c->port(c->aux, c->desc->key.in_port);
    bool last = n == 1;

    if (!out)
        return refuse(c->refusal, REFUSAL_CHECK, CULPRIT_PORT, v->port, -EOPNOTSUPP,
                      "port %u is not a port of the NIC's switch", v->port);
    if (in && !tc_ports_share_switch(in, out))
        return refuse(c->refusal, REFUSAL_CHECK, CULPRIT_PORT, v->port, -EXDEV, "%s and %s are ports of different switches",
                      in->name, out->name);
    struct tc_mirred mirred = {.action = last ? TC_ACT_STOLEN : TC_ACT_PIPE,
                               .eaction = last ? TCA_EGRESS_REDIR : TCA_EGRESS_MIRROR,
                               .ifindex = (uint32_t)out->ifindex};
    struct tc_act_nest nest = tc_act_start(c, "mirred");

    if (c->m)
        nlk_put(c->m, TCA_MIRRED_PARMS, &mirred, sizeof mirred);
    tc_act_end(c, nest);
    return 1;
}

const struct tc_act_ops tc_act_output = {.put = put};
