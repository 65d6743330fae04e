// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * What the table can hold. Pure: no lock, no allocation; any thread. Every "no" carries an errno, a
 * culprit and a sentence: -EOPNOTSUPP for what a bigger NIC could hold, -EINVAL for what makes no
 * sense.
 *
 * The rule is that a field may be matched only where the mask makes sure that the frame has it, as
 * hardware parsers need it. So a zero in a parsed key never stands for "absent" in a match.
 */
#include "drivers/nicsim/core/internal.h"

#define MAX_PUSHES 2

static int refuse(struct nicsim_refusal *why, int error, enum nicsim_culprit culprit,
		  const char *sentence)
{
	why->error = error;
	why->culprit = culprit;
	why->action = 0;
	why->sentence = sentence;
	return error;
}

static int refuse_action(struct nicsim_refusal *why, int error, u32 action, const char *sentence)
{
	refuse(why, error, NICSIM_CULPRIT_ACTION, sentence);
	why->action = action;
	return error;
}

static bool any(const void *bytes, size_t from, size_t to)
{
	const u8 *p = bytes;
	size_t i;

	for (i = from; i < to; i++) {
		if (p[i])
			return true;
	}
	return false;
}

static bool is_exactly(__be16 value, __be16 mask, u16 want)
{
	return mask == htons(0xffff) && value == htons(want);
}

static int check_l2(const struct nicsim_eswitch *sw, const struct nicsim_key *k,
		    const struct nicsim_key *m, struct nicsim_refusal *why)
{
	bool tagged = m->flags & k->flags & NICSIM_F_VLAN;

	if (m->in_port) {
		if (m->in_port != ~(u32)0)
			return refuse(why, -EOPNOTSUPP, NICSIM_CULPRIT_IN_PORT,
				      "nicsim: the in-port can only be matched exactly");
		if (!nicsim_port_exists(sw, k->in_port))
			return refuse(why, -EINVAL, NICSIM_CULPRIT_IN_PORT,
				      "nicsim: the in-port is not a port of this NIC");
	}
	if (m->eth_type && m->eth_type != htons(0xffff))
		return refuse(why, -EOPNOTSUPP, NICSIM_CULPRIT_ETH_TYPE,
			      "nicsim: the Ethernet type can only be matched exactly");
	if ((m->vlan_tpid || m->vlan_tci) && !tagged)
		return refuse(why, -EINVAL, NICSIM_CULPRIT_VLAN,
			      "nicsim: a tag's fields can only be matched if a tag is there");
	if (m->vlan_tpid && !is_exactly(k->vlan_tpid, m->vlan_tpid, ETH_P_8021Q) &&
	    !is_exactly(k->vlan_tpid, m->vlan_tpid, ETH_P_8021AD))
		return refuse(why, -EOPNOTSUPP, NICSIM_CULPRIT_VLAN,
			      "nicsim: a tag's type must be 802.1Q or 802.1ad");
	if (m->vlan_tci & htons(0x1000))
		return refuse(why, -EOPNOTSUPP, NICSIM_CULPRIT_VLAN,
			      "nicsim: a tag's drop-eligible bit cannot be matched");
	return 0;
}

static int check_l4(const struct nicsim_key *k, const struct nicsim_key *m, bool ip4,
		    struct nicsim_refusal *why)
{
	u8 proto = m->ip_proto == 0xff ? k->ip_proto : 0;

	if (m->ip_proto && m->ip_proto != 0xff)
		return refuse(why, -EOPNOTSUPP, NICSIM_CULPRIT_IP_PROTO,
			      "nicsim: the IP protocol can only be matched exactly");
	if ((m->tp_src || m->tp_dst) && proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return refuse(why, -EOPNOTSUPP, NICSIM_CULPRIT_TP_PORT,
			      "nicsim: ports can only be matched for TCP and UDP");
	if ((m->icmp_type || m->icmp_code) && proto != (ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return refuse(why, -EOPNOTSUPP, NICSIM_CULPRIT_ICMP,
			      "nicsim: ICMP type and code can only be matched for ICMP and ICMPv6");
	return 0;
}

static int check_l3(const struct nicsim_key *k, const struct nicsim_key *m,
		    struct nicsim_refusal *why)
{
	bool ip4 = is_exactly(k->eth_type, m->eth_type, ETH_P_IP);
	bool ip6 = is_exactly(k->eth_type, m->eth_type, ETH_P_IPV6);

	if (!ip4 && !ip6) {
		if (any(m->ip_src, 0, 16) || any(m->ip_dst, 0, 16))
			return refuse(
				why, -EINVAL, NICSIM_CULPRIT_IP_ADDR,
				"nicsim: IP addresses need a match on Ethernet type IPv4 or IPv6");
		if (m->ip_proto)
			return refuse(why, -EINVAL, NICSIM_CULPRIT_IP_PROTO,
				      "nicsim: the IP protocol needs a match on Ethernet type IPv4 "
				      "or IPv6");
		if (m->flags & (NICSIM_F_FRAG | NICSIM_F_FIRST_FRAG))
			return refuse(
				why, -EINVAL, NICSIM_CULPRIT_IP_FRAG,
				"nicsim: IP fragments need a match on Ethernet type IPv4 or IPv6");
	}
	if (ip4 && (any(m->ip_src, 4, 16) || any(m->ip_dst, 4, 16)))
		return refuse(why, -EINVAL, NICSIM_CULPRIT_IP_ADDR,
			      "nicsim: an IPv4 address has four bytes");
	return check_l4(k, m, ip4, why);
}

static int check_actions(const struct nicsim_eswitch *sw, const struct nicsim_actions *actions,
			 bool tagged, struct nicsim_refusal *why)
{
	u32 i, tags = tagged, pushes = 0;
	bool ended = false;

	if (actions->n > NICSIM_MAX_ACTIONS)
		return refuse_action(why, -EOPNOTSUPP, NICSIM_MAX_ACTIONS,
				     "nicsim: a rule holds at most 32 actions");
	for (i = 0; i < actions->n; i++) {
		const struct nicsim_action *a = &actions->v[i];

		if (ended)
			return refuse_action(why, -EINVAL, i,
					     "nicsim: nothing can follow a drop or redirect");
		switch (a->type) {
		case NICSIM_DROP:
			ended = true;
			break;
		case NICSIM_REDIRECT:
			ended = true;
			fallthrough;
		case NICSIM_MIRROR:
			if (!nicsim_port_exists(sw, a->port))
				return refuse_action(
					why, -EOPNOTSUPP, i,
					"nicsim: the target is not a port of this NIC");
			break;
		case NICSIM_VLAN_PUSH:
			tags++;
			if (++pushes > MAX_PUSHES)
				return refuse_action(why, -EOPNOTSUPP, i,
						     "nicsim: at most two tags can be pushed");
			break;
		case NICSIM_VLAN_POP:
			if (!tags)
				return refuse_action(why, -EOPNOTSUPP, i,
						     "nicsim: vlan pop needs a match on a tag, or "
						     "a push before it");
			tags--;
			break;
		case NICSIM_VLAN_MODIFY:
			if (!tags)
				return refuse_action(why, -EOPNOTSUPP, i,
						     "nicsim: vlan modify needs a match on a tag, "
						     "or a push before it");
			break;
		default:
			return refuse_action(why, -EOPNOTSUPP, i, "nicsim: unknown action");
		}
		if ((a->type == NICSIM_VLAN_PUSH || a->type == NICSIM_VLAN_MODIFY) &&
		    a->tpid != htons(ETH_P_8021Q) && a->tpid != htons(ETH_P_8021AD))
			return refuse_action(why, -EOPNOTSUPP, i,
					     "nicsim: a tag's type must be 802.1Q or 802.1ad");
	}
	if (!ended)
		return refuse_action(why, -EOPNOTSUPP, actions->n,
				     "nicsim: a rule must end in a drop or redirect");
	return 0;
}

int nicsim_actions_check(const struct nicsim_eswitch *sw, const struct nicsim_key *key,
			 const struct nicsim_key *mask, const struct nicsim_actions *actions,
			 struct nicsim_refusal *why)
{
	return check_actions(sw, actions, key->flags & mask->flags & NICSIM_F_VLAN, why);
}

int nicsim_rule_check(const struct nicsim_eswitch *sw, const struct nicsim_rule_spec *spec,
		      struct nicsim_refusal *why)
{
	int err;

	err = check_l2(sw, &spec->key, &spec->mask, why);
	if (!err)
		err = check_l3(&spec->key, &spec->mask, why);
	if (!err)
		err = nicsim_actions_check(sw, &spec->key, &spec->mask, &spec->actions, why);
	return err;
}
