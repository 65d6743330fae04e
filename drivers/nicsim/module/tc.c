// SPDX-License-Identifier: GPL-2.0
/*
 * From tc to the table. Each PF or representor binds its ingress block, shared or not, with a
 * callback of its own and says that it needs no rtnl (unlocked_driver_cb), so inserts run in
 * parallel with everything else. A filter's rule is named by tc's cookie and the port: a shared
 * block calls each of its ports, and each makes its own rule.
 *
 * A replaced filter comes as a new cookie before the old one is destroyed, so the table holds both
 * for a moment; the newer one wins.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>

#include "nicsim.h"

static LIST_HEAD(nicsim_blocks); /* rtnl; all bindings of all NICs, for flow_block_cb_is_busy() */

/* extack, where there is one, takes a constant text. */
static void say(struct netlink_ext_ack *extack, const char *sentence)
{
	if (extack)
		extack->_msg = sentence;
}

static struct nicsim_rule_id rule_id(const struct nicsim_port *port,
				     const struct flow_cls_offload *f)
{
	struct nicsim_rule_id id = {.hi = f->cookie, .lo = port->port};

	return id;
}

/* Makes an insert take as long as the knobs say. -EINTR: killed; -ENODEV: the NIC goes. */
static int wait_at_gate(struct nicsim *nic)
{
	u64 us = nicsim_knob_get(nic->sw, NICSIM_INSERT_DELAY_US);
	long left;

	if (us && us < 20000) {
		fsleep(us);
	} else if (us) {
		left = wait_event_killable_timeout(nic->insert_gate, READ_ONCE(nic->dying),
						   usecs_to_jiffies(us));
		if (left < 0)
			return -EINTR;
	}
	if (wait_event_killable(nic->insert_gate, !nicsim_knob_get(nic->sw, NICSIM_HANG_INSERTS) ||
							  READ_ONCE(nic->dying)))
		return -EINTR;
	return READ_ONCE(nic->dying) ? -ENODEV : 0;
}

/* All that one insert needs, too big for the stack. */
struct insert {
	struct nicsim_rule_spec spec;
	struct nicsim_action actions[NICSIM_MAX_ACTIONS];
};

static int build_and_insert(struct nicsim_port *port, struct flow_cls_offload *f,
			    struct insert *insert, struct nicsim_refusal *why)
{
	struct nicsim *nic = port->nic;
	struct nicsim_rule_spec *spec = &insert->spec;
	struct flow_rule *rule = flow_cls_offload_flow_rule(f);
	int err;

	spec->id = rule_id(port, f);
	spec->priority = f->common.prio;
	err = nicsim_tc_match(port, f, spec, why);
	if (err)
		return err;
	spec->actions.v = insert->actions;
	err = nicsim_tc_actions(port, &rule->action, spec, insert->actions, &spec->actions.n, why);
	if (err)
		return err;
	err = wait_at_gate(nic);
	if (err) {
		why->sentence = "nicsim: the insert was given up";
		return err;
	}
	down_read(&nic->mode_lock);
	if (nic->switchdev) {
		err = nicsim_rule_insert(nic->sw, spec, why);
	} else {
		err = -EOPNOTSUPP;
		why->sentence = "nicsim: the eswitch is in legacy mode";
	}
	up_read(&nic->mode_lock);
	return err;
}

static int replace(struct nicsim_port *port, struct flow_cls_offload *f)
{
	struct netlink_ext_ack *extack = f->common.extack;
	struct nicsim_refusal why = {.sentence = "nicsim: refused"};
	struct flow_rule *rule = flow_cls_offload_flow_rule(f);
	struct insert *insert;
	int err;

	if (!tc_can_offload_extack(port->dev, extack))
		return -EOPNOTSUPP;
	if (f->common.chain_index) {
		say(extack, "nicsim: only chain 0 can be offloaded");
		return -EOPNOTSUPP;
	}
	if (!flow_action_hw_stats_check(&rule->action, extack, FLOW_ACTION_HW_STATS_DELAYED_BIT))
		return -EOPNOTSUPP;
	insert = kzalloc(sizeof(*insert), GFP_KERNEL);
	if (!insert)
		return -ENOMEM;
	err = build_and_insert(port, f, insert, &why);
	if (err)
		say(extack, why.sentence);
	kfree(insert);
	return err;
}

static int destroy(struct nicsim_port *port, struct flow_cls_offload *f)
{
	struct nicsim_rule_id id = rule_id(port, f);

	return nicsim_rule_remove(port->nic->sw, &id, NULL);
}

static int stats(struct nicsim_port *port, struct flow_cls_offload *f)
{
	struct nicsim_rule_id id = rule_id(port, f);
	struct nicsim_stats delta;
	u64 used = 0;
	int err;

	err = nicsim_rule_take(port->nic->sw, &id, &delta);
	if (err)
		return err;
	if (delta.last_used_ns)
		used = get_jiffies_64() -
		       nsecs_to_jiffies64(nicsim_clock_ns() - delta.last_used_ns);
	flow_stats_update(&f->stats, delta.bytes, delta.frames, 0, used,
			  FLOW_ACTION_HW_STATS_DELAYED);
	return 0;
}

/* The block's callback; without rtnl, under the block's lock for reading. */
static int nicsim_block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct nicsim_port *port = cb_priv;
	struct flow_cls_offload *f = type_data;

	if (type == TC_SETUP_CLSMATCHALL) {
		struct tc_cls_matchall_offload *m = type_data;

		say(m->common.extack, "nicsim: matchall filters cannot be offloaded, only flower");
		return -EOPNOTSUPP;
	}
	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	switch (f->command) {
	case FLOW_CLS_REPLACE:
		return replace(port, f);
	case FLOW_CLS_DESTROY:
		return destroy(port, f);
	case FLOW_CLS_STATS:
		return stats(port, f);
	default:
		return -EOPNOTSUPP;
	}
}

static int bind_block(struct nicsim_port *port, struct flow_block_offload *f)
{
	struct flow_block_cb *cb;

	if (flow_block_cb_is_busy(nicsim_block_cb, port, &nicsim_blocks))
		return -EBUSY;
	cb = flow_block_cb_alloc(nicsim_block_cb, port, port, NULL);
	if (IS_ERR(cb))
		return PTR_ERR(cb);
	flow_block_cb_add(cb, f);
	list_add_tail(&cb->driver_list, &nicsim_blocks);
	return 0;
}

/* tc then calls us to destroy the port's rules of this block, and frees the binding. */
static int unbind_block(struct nicsim_port *port, struct flow_block_offload *f)
{
	struct flow_block_cb *cb = flow_block_cb_lookup(f->block, nicsim_block_cb, port);

	if (!cb)
		return -ENOENT;
	flow_block_cb_remove(cb, f);
	list_del(&cb->driver_list);
	return 0;
}

int nicsim_setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data)
{
	struct nicsim_port *port = netdev_priv(dev);
	struct flow_block_offload *f = type_data;

	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	/* No sentence: tc would show it as a warning with each clsact qdisc, which has both blocks.
	 */
	if (f->binder_type != FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS)
		return -EOPNOTSUPP;
	f->driver_block_list = &nicsim_blocks;
	f->unlocked_driver_cb = true;
	switch (f->command) {
	case FLOW_BLOCK_BIND:
		return bind_block(port, f);
	case FLOW_BLOCK_UNBIND:
		return unbind_block(port, f);
	default:
		return -EOPNOTSUPP;
	}
}
