// SPDX-License-Identifier: GPL-2.0
/*
 * A filter's actions as the table's. Pure. For each kind of action there is a parser or the
 * sentence of its refusal; one that is not in the table is refused too. Whether the list makes
 * sense as a whole is for the core to say (core/check.c).
 */
#include <linux/if_vlan.h>

#include "nicsim.h"

struct parse {
	const struct nicsim_port *port;
	const struct nicsim_rule_spec *spec;
	const struct flow_action_entry *entry;
	struct nicsim_action *out;
	struct nicsim_refusal *why;
};

static int refuse(struct parse *p, const char *sentence)
{
	p->why->sentence = sentence;
	return -EOPNOTSUPP;
}

static int act_drop(struct parse *p)
{
	p->out->type = NICSIM_DROP;
	return 0;
}

/* What is sent out of a representor or the PF leaves on the wire side of its port. */
static int act_output(struct parse *p)
{
	struct net_device *dev = p->entry->dev;
	struct nicsim_port *target;

	if (!dev || !nicsim_netdev_is_host(dev))
		return refuse(p, "nicsim: mirred needs a representor or the uplink as its target");
	target = netdev_priv(dev);
	if (target->nic != p->port->nic)
		return refuse(p, "nicsim: mirred to a port of another NIC");
	p->out->type = p->entry->id == FLOW_ACTION_REDIRECT ? NICSIM_REDIRECT : NICSIM_MIRROR;
	p->out->port = target->port;
	return 0;
}

static int act_vlan_push(struct parse *p)
{
	p->out->type = NICSIM_VLAN_PUSH;
	p->out->tpid = p->entry->vlan.proto;
	p->out->tci = htons(p->entry->vlan.vid | p->entry->vlan.prio << VLAN_PRIO_SHIFT);
	return 0;
}

static int act_vlan_pop(struct parse *p)
{
	p->out->type = NICSIM_VLAN_POP;
	return 0;
}

/*
 * tc keeps the tag's priority if none was given, but tells a driver 0 then. So 0 is taken only
 * where both readings come to the same: when the rule matches on priority 0.
 */
static int act_vlan_modify(struct parse *p)
{
	__be16 pcp = htons(VLAN_PRIO_MASK);
	int err;

	if (!p->entry->vlan.prio &&
	    ((p->spec->mask.vlan_tci & pcp) != pcp || (p->spec->key.vlan_tci & pcp)))
		return refuse(p, "nicsim: vlan modify needs a priority other than 0, or a match on "
				 "vlan_prio 0");
	err = act_vlan_push(p);
	p->out->type = NICSIM_VLAN_MODIFY;
	return err;
}

/* clang-format off */
static const struct {
	int (*parse)(struct parse *p);
	const char *refusal;
} acts[NUM_FLOW_ACTIONS] = {
	[FLOW_ACTION_DROP] = {.parse = act_drop},
	[FLOW_ACTION_REDIRECT] = {.parse = act_output},
	[FLOW_ACTION_MIRRED] = {.parse = act_output},
	[FLOW_ACTION_VLAN_PUSH] = {.parse = act_vlan_push},
	[FLOW_ACTION_VLAN_POP] = {.parse = act_vlan_pop},
	[FLOW_ACTION_VLAN_MANGLE] = {.parse = act_vlan_modify},
	[FLOW_ACTION_ACCEPT] = {.refusal = "nicsim: action pass is not supported"},
	[FLOW_ACTION_PIPE] = {.refusal = "nicsim: action pipe is not supported"},
	[FLOW_ACTION_CONTINUE] = {.refusal = "nicsim: action continue is not supported"},
	[FLOW_ACTION_JUMP] = {.refusal = "nicsim: action jump is not supported"},
	[FLOW_ACTION_TRAP] = {.refusal = "nicsim: action trap is not supported"},
	[FLOW_ACTION_GOTO] = {.refusal = "nicsim: action goto chain is not supported"},
	[FLOW_ACTION_REDIRECT_INGRESS] = {.refusal = "nicsim: action mirred ingress redirect is not supported"},
	[FLOW_ACTION_MIRRED_INGRESS] = {.refusal = "nicsim: action mirred ingress mirror is not supported"},
	[FLOW_ACTION_TUNNEL_ENCAP] = {.refusal = "nicsim: action tunnel_key set is not supported"},
	[FLOW_ACTION_TUNNEL_DECAP] = {.refusal = "nicsim: action tunnel_key unset is not supported"},
	[FLOW_ACTION_MANGLE] = {.refusal = "nicsim: action pedit is not supported"},
	[FLOW_ACTION_ADD] = {.refusal = "nicsim: action pedit is not supported"},
	[FLOW_ACTION_CSUM] = {.refusal = "nicsim: action csum is not supported"},
	[FLOW_ACTION_MARK] = {.refusal = "nicsim: action skbedit mark is not supported"},
	[FLOW_ACTION_PTYPE] = {.refusal = "nicsim: action skbedit ptype is not supported"},
	[FLOW_ACTION_PRIORITY] = {.refusal = "nicsim: action skbedit priority is not supported"},
	[FLOW_ACTION_QUEUE] = {.refusal = "nicsim: action skbedit queue_mapping is not supported"},
	[FLOW_ACTION_SAMPLE] = {.refusal = "nicsim: action sample is not supported"},
	[FLOW_ACTION_POLICE] = {.refusal = "nicsim: action police is not supported"},
	[FLOW_ACTION_CT] = {.refusal = "nicsim: action ct is not supported"},
	[FLOW_ACTION_CT_METADATA] = {.refusal = "nicsim: action ct is not supported"},
	[FLOW_ACTION_MPLS_PUSH] = {.refusal = "nicsim: action mpls push is not supported"},
	[FLOW_ACTION_MPLS_POP] = {.refusal = "nicsim: action mpls pop is not supported"},
	[FLOW_ACTION_MPLS_MANGLE] = {.refusal = "nicsim: action mpls modify is not supported"},
	[FLOW_ACTION_GATE] = {.refusal = "nicsim: action gate is not supported"},
	[FLOW_ACTION_PPPOE_PUSH] = {.refusal = "nicsim: pushing a PPPoE header is not supported"},
	[FLOW_ACTION_VLAN_PUSH_ETH] = {.refusal = "nicsim: action vlan push_eth is not supported"},
	[FLOW_ACTION_VLAN_POP_ETH] = {.refusal = "nicsim: action vlan pop_eth is not supported"},
};
/* clang-format on */

int nicsim_tc_actions(const struct nicsim_port *port, const struct flow_action *action,
		      const struct nicsim_rule_spec *spec, struct nicsim_action *ret_actions,
		      u32 *ret_n, struct nicsim_refusal *why)
{
	struct parse p = {.port = port, .spec = spec, .why = why};
	const struct flow_action_entry *entry;
	int i, err;

	if (action->num_entries > NICSIM_MAX_ACTIONS)
		return refuse(&p, "nicsim: a rule holds at most 32 actions");
	flow_action_for_each(i, entry, action) {
		p.entry = entry;
		p.out = &ret_actions[i];
		if (entry->id >= NUM_FLOW_ACTIONS || !acts[entry->id].parse)
			return refuse(&p, (entry->id < NUM_FLOW_ACTIONS && acts[entry->id].refusal)
						  ? acts[entry->id].refusal
						  : "nicsim: one of the actions is not supported");
		err = acts[entry->id].parse(&p);
		if (err)
			return err;
	}
	*ret_n = action->num_entries;
	return 0;
}
