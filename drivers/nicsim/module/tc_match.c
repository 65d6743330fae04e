// SPDX-License-Identifier: GPL-2.0
/*
 * A flower filter's match as a key and mask of the table. Pure.
 *
 * Flower names what it matches by dissector keys. The table below answers for each: a parser, or
 * the sentence of its refusal; a key that is not in it is refused too. Without a VLAN key a filter
 * of one Ethernet type means untagged frames, as in software.
 */
#include <linux/if_vlan.h>

#include "nicsim.h"

struct match {
	const struct nicsim_port *port;
	const struct flow_rule *rule;
	struct nicsim_key *key, *mask;
	struct nicsim_refusal *why;
};

static int refuse(struct match *m, const char *sentence)
{
	m->why->sentence = sentence;
	return -EOPNOTSUPP;
}

static int match_meta(struct match *m)
{
	struct flow_match_meta match;

	flow_rule_match_meta(m->rule, &match);
	if (match.mask->ingress_ifindex && match.mask->ingress_ifindex != ~0U)
		return refuse(m, "nicsim: cannot match on a part of indev");
	if (match.mask->ingress_ifindex && match.key->ingress_ifindex != m->port->dev->ifindex)
		return refuse(
			m, "nicsim: cannot match on indev, unless it is the filter's own device");
	return 0;
}

static int match_control(struct match *m)
{
	struct flow_match_control match;

	flow_rule_match_control(m->rule, &match);
	if (match.mask->flags & ~(u32)(FLOW_DIS_IS_FRAGMENT | FLOW_DIS_FIRST_FRAG))
		return refuse(m, "nicsim: cannot match on ip_flags other than frag and firstfrag");
	if (match.mask->flags & FLOW_DIS_IS_FRAGMENT)
		m->mask->flags |= NICSIM_F_FRAG;
	if (match.key->flags & FLOW_DIS_IS_FRAGMENT)
		m->key->flags |= NICSIM_F_FRAG;
	if (match.mask->flags & FLOW_DIS_FIRST_FRAG)
		m->mask->flags |= NICSIM_F_FIRST_FRAG;
	if (match.key->flags & FLOW_DIS_FIRST_FRAG)
		m->key->flags |= NICSIM_F_FIRST_FRAG;
	return 0;
}

static int match_basic(struct match *m)
{
	struct flow_match_basic match;

	flow_rule_match_basic(m->rule, &match);
	m->key->eth_type = match.key->n_proto;
	m->mask->eth_type = match.mask->n_proto;
	m->key->ip_proto = match.key->ip_proto;
	m->mask->ip_proto = match.mask->ip_proto;
	if (match.mask->n_proto && !flow_rule_match_key(m->rule, FLOW_DISSECTOR_KEY_VLAN))
		m->mask->flags |= NICSIM_F_VLAN;
	return 0;
}

static int match_eth_addrs(struct match *m)
{
	struct flow_match_eth_addrs match;

	flow_rule_match_eth_addrs(m->rule, &match);
	memcpy(m->key->eth_dst, match.key->dst, ETH_ALEN);
	memcpy(m->mask->eth_dst, match.mask->dst, ETH_ALEN);
	memcpy(m->key->eth_src, match.key->src, ETH_ALEN);
	memcpy(m->mask->eth_src, match.mask->src, ETH_ALEN);
	return 0;
}

static __be16 vlan_tci(const struct flow_dissector_key_vlan *vlan)
{
	return htons(vlan->vlan_id | vlan->vlan_priority << VLAN_PRIO_SHIFT |
		     (vlan->vlan_dei ? VLAN_CFI_MASK : 0));
}

static int match_vlan(struct match *m)
{
	struct flow_match_vlan match;

	flow_rule_match_vlan(m->rule, &match);
	m->key->flags |= NICSIM_F_VLAN;
	m->mask->flags |= NICSIM_F_VLAN;
	m->key->vlan_tpid = match.key->vlan_tpid;
	m->mask->vlan_tpid = match.mask->vlan_tpid;
	m->key->vlan_tci = vlan_tci(match.key);
	m->mask->vlan_tci = vlan_tci(match.mask);
	/* The type behind the tag; the basic key repeats it unless it is a second tag. */
	if (match.mask->vlan_eth_type) {
		m->key->eth_type = match.key->vlan_eth_type;
		m->mask->eth_type = match.mask->vlan_eth_type;
	}
	return 0;
}

static int match_ipv4_addrs(struct match *m)
{
	struct flow_match_ipv4_addrs match;

	flow_rule_match_ipv4_addrs(m->rule, &match);
	memcpy(m->key->ip_src, &match.key->src, 4);
	memcpy(m->mask->ip_src, &match.mask->src, 4);
	memcpy(m->key->ip_dst, &match.key->dst, 4);
	memcpy(m->mask->ip_dst, &match.mask->dst, 4);
	return 0;
}

static int match_ipv6_addrs(struct match *m)
{
	struct flow_match_ipv6_addrs match;

	flow_rule_match_ipv6_addrs(m->rule, &match);
	memcpy(m->key->ip_src, &match.key->src, 16);
	memcpy(m->mask->ip_src, &match.mask->src, 16);
	memcpy(m->key->ip_dst, &match.key->dst, 16);
	memcpy(m->mask->ip_dst, &match.mask->dst, 16);
	return 0;
}

static int match_ports(struct match *m)
{
	struct flow_match_ports match;

	flow_rule_match_ports(m->rule, &match);
	m->key->tp_src = match.key->src;
	m->mask->tp_src = match.mask->src;
	m->key->tp_dst = match.key->dst;
	m->mask->tp_dst = match.mask->dst;
	return 0;
}

static int match_icmp(struct match *m)
{
	struct flow_match_icmp match;

	flow_rule_match_icmp(m->rule, &match);
	m->key->icmp_type = match.key->type;
	m->mask->icmp_type = match.mask->type;
	m->key->icmp_code = match.key->code;
	m->mask->icmp_code = match.mask->code;
	return 0;
}

/* Two fields in one key: the sentence names the one that is there. */
static int match_ip(struct match *m)
{
	struct flow_match_ip match;

	flow_rule_match_ip(m->rule, &match);
	if (match.mask->tos)
		return refuse(m, "nicsim: cannot match on ip_tos (DSCP and ECN)");
	if (match.mask->ttl)
		return refuse(m, "nicsim: cannot match on ip_ttl");
	return 0;
}

/* clang-format off */
static const struct {
	int (*parse)(struct match *m);
	const char *refusal;
} keys[FLOW_DISSECTOR_KEY_MAX] = {
	[FLOW_DISSECTOR_KEY_META] = {.parse = match_meta},
	[FLOW_DISSECTOR_KEY_CONTROL] = {.parse = match_control},
	[FLOW_DISSECTOR_KEY_BASIC] = {.parse = match_basic},
	[FLOW_DISSECTOR_KEY_ETH_ADDRS] = {.parse = match_eth_addrs},
	[FLOW_DISSECTOR_KEY_VLAN] = {.parse = match_vlan},
	[FLOW_DISSECTOR_KEY_IPV4_ADDRS] = {.parse = match_ipv4_addrs},
	[FLOW_DISSECTOR_KEY_IPV6_ADDRS] = {.parse = match_ipv6_addrs},
	[FLOW_DISSECTOR_KEY_PORTS] = {.parse = match_ports},
	[FLOW_DISSECTOR_KEY_ICMP] = {.parse = match_icmp},
	[FLOW_DISSECTOR_KEY_IP] = {.parse = match_ip},
	[FLOW_DISSECTOR_KEY_PORTS_RANGE] = {.refusal = "nicsim: cannot match on ranges of ports"},
	[FLOW_DISSECTOR_KEY_TCP] = {.refusal = "nicsim: cannot match on tcp_flags"},
	[FLOW_DISSECTOR_KEY_ARP] = {.refusal = "nicsim: cannot match on arp_op, arp_sip, arp_tip, arp_sha or arp_tha"},
	[FLOW_DISSECTOR_KEY_CVLAN] = {.refusal = "nicsim: cannot match on cvlan_id, cvlan_prio or cvlan_ethtype (a second tag)"},
	[FLOW_DISSECTOR_KEY_NUM_OF_VLANS] = {.refusal = "nicsim: cannot match on num_of_vlans"},
	[FLOW_DISSECTOR_KEY_MPLS] = {.refusal = "nicsim: cannot match on mpls"},
	[FLOW_DISSECTOR_KEY_CT] = {.refusal = "nicsim: cannot match on ct_state, ct_zone, ct_mark or ct_label"},
	[FLOW_DISSECTOR_KEY_ENC_KEYID] = {.refusal = "nicsim: cannot match on enc_key_id (tunnels)"},
	[FLOW_DISSECTOR_KEY_ENC_IPV4_ADDRS] = {.refusal = "nicsim: cannot match on enc_src_ip or enc_dst_ip (tunnels)"},
	[FLOW_DISSECTOR_KEY_ENC_IPV6_ADDRS] = {.refusal = "nicsim: cannot match on enc_src_ip or enc_dst_ip (tunnels)"},
	[FLOW_DISSECTOR_KEY_ENC_CONTROL] = {.refusal = "nicsim: cannot match on enc fields (tunnels)"},
	[FLOW_DISSECTOR_KEY_ENC_PORTS] = {.refusal = "nicsim: cannot match on enc_dst_port (tunnels)"},
	[FLOW_DISSECTOR_KEY_ENC_IP] = {.refusal = "nicsim: cannot match on enc_tos or enc_ttl (tunnels)"},
	[FLOW_DISSECTOR_KEY_ENC_OPTS] = {.refusal = "nicsim: cannot match on tunnel options"},
	[FLOW_DISSECTOR_KEY_HASH] = {.refusal = "nicsim: cannot match on hash"},
	[FLOW_DISSECTOR_KEY_PPPOE] = {.refusal = "nicsim: cannot match on pppoe fields"},
	[FLOW_DISSECTOR_KEY_L2TPV3] = {.refusal = "nicsim: cannot match on l2tpv3_sid"},
};
/* clang-format on */

int nicsim_tc_match(const struct nicsim_port *port, const struct flow_cls_offload *f,
		    struct nicsim_rule_spec *spec, struct nicsim_refusal *why)
{
	struct match m = {
		.port = port,
		.rule = f->rule,
		.key = &spec->key,
		.mask = &spec->mask,
		.why = why,
	};
	int id, err;

	m.key->in_port = port->port;
	m.mask->in_port = ~0U;
	for (id = 0; id < FLOW_DISSECTOR_KEY_MAX; id++) {
		if (!flow_rule_match_key(m.rule, id))
			continue;
		if (!keys[id].parse)
			return refuse(&m, keys[id].refusal
						  ?: "nicsim: cannot match on one of the fields");
		err = keys[id].parse(&m);
		if (err)
			return err;
	}
	return 0;
}
