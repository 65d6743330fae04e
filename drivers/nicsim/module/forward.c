// SPDX-License-Identifier: GPL-2.0
/*
 * The packet path: what happens to a frame that one of our netdevs is told to send. Runs in
 * ndo_start_xmit: bottom halves off, inside RCU; nothing here sleeps or locks (counters apart).
 *
 * Frames pass as skbs, so a partial checksum stays partial and a GSO frame stays whole; counters
 * are kept in wire frames. Delivery goes through the receiver's backlog, so paths never nest. What
 * a real NIC would not carry (marks, extensions, socket) is scrubbed on the way.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "nicsim.h"

/* Hands the frame to a netdev as received. Consumes skb; dst may be NULL. */
static void deliver(struct sk_buff *skb, struct net_device *dst)
{
	unsigned int len = skb->len;

	if (!dst || !netif_carrier_ok(dst)) {
		dev_core_stats_tx_dropped_inc(skb->dev);
		kfree_skb(skb);
		return;
	}
	skb_scrub_packet(skb, true);
	/* Counts what it drops (dst down, frame too big) at dst. */
	if (dev_forward_skb(dst, skb) == NET_RX_SUCCESS)
		dev_sw_netstats_rx_add(dst, len);
}

/* The frames and bytes that the skb is on the wire. */
static void wire_count(const struct sk_buff *skb, u64 *ret_frames, u64 *ret_bytes)
{
	const struct skb_shared_info *shared = skb_shinfo(skb);
	u64 tag = skb_vlan_tag_present(skb) ? VLAN_HLEN : 0;
	u64 frames, header;

	if (!skb_is_gso(skb) || !skb_transport_header_was_set(skb)) {
		*ret_frames = 1;
		*ret_bytes = skb->len + tag;
		return;
	}
	header = skb_transport_header(skb) - skb->data;
	if (shared->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) {
		struct tcphdr room;
		const struct tcphdr *th = skb_header_pointer(skb, header, sizeof(room), &room);

		header += th ? __tcp_hdrlen(th) : sizeof(room);
	} else {
		header += sizeof(struct udphdr);
	}
	if (header >= skb->len) /* a sender's nonsense */
		header = 0;
	frames = DIV_ROUND_UP(skb->len - header, shared->gso_size);
	*ret_frames = frames;
	*ret_bytes = skb->len + (frames - 1) * header + frames * tag;
}

static int edit_vlan(struct sk_buff *skb, const struct nicsim_action *action)
{
	int err;

	switch (action->type) {
	case NICSIM_VLAN_POP:
		return skb_vlan_pop(skb);
	case NICSIM_VLAN_MODIFY:
		err = skb_vlan_pop(skb);
		if (err)
			return err;
		fallthrough;
	case NICSIM_VLAN_PUSH:
		return skb_vlan_push(skb, action->tpid, ntohs(action->tci));
	default:
		return -EINVAL;
	}
}

/* Consumes skb. */
static void run_actions(struct nicsim *nic, struct sk_buff *skb, struct nicsim_actions actions)
{
	struct sk_buff *copy;
	u32 i;

	for (i = 0; i < actions.n; i++) {
		const struct nicsim_action *a = &actions.v[i];

		switch (a->type) {
		case NICSIM_DROP:
			consume_skb(skb);
			return;
		case NICSIM_REDIRECT:
			deliver(skb, rcu_dereference(nic->wire[a->port]));
			return;
		case NICSIM_MIRROR:
			copy = skb_clone(skb, GFP_ATOMIC);
			if (copy)
				deliver(copy, rcu_dereference(nic->wire[a->port]));
			break;
		default:
			if (edit_vlan(skb, a)) {
				dev_core_stats_tx_dropped_inc(skb->dev);
				kfree_skb(skb);
				return;
			}
		}
	}
	/* Not reached: the table takes no rule without an end. */
	kfree_skb(skb);
}

/* A frame enters a port from its wire side, in switchdev mode. Consumes skb. */
static void eswitch_rx(struct nicsim *nic, u32 port, struct sk_buff *skb)
{
	u8 room[NICSIM_PARSE_MAX];
	unsigned int len = min_t(unsigned int, skb->len, sizeof(room));
	const void *header = skb_header_pointer(skb, 0, len, room);
	struct nicsim_rule *rule = NULL;
	__be16 tpid = 0, tci = 0;
	struct nicsim_key key;
	u64 frames, bytes;

	if (skb_vlan_tag_present(skb)) {
		tpid = skb->vlan_proto;
		tci = htons(skb_vlan_tag_get(skb));
	}
	if (!header || nicsim_parse(port, tpid, tci, header, len, &key)) {
		dev_core_stats_tx_dropped_inc(skb->dev);
		kfree_skb(skb);
		return;
	}
	rule = nicsim_lookup(nic->sw, &key);
	if (!rule) {
		deliver(skb, rcu_dereference(nic->host[port]));
		return;
	}
	wire_count(skb, &frames, &bytes);
	nicsim_rule_hit(nic->sw, rule, frames, bytes);
	run_actions(nic, skb, nicsim_rule_actions(rule));
}

/* Consumes skb. */
static void deliver_copy(struct sk_buff *skb, struct net_device *dst)
{
	struct sk_buff *copy;

	if (!dst || dst == skb->dev)
		return;
	copy = skb_clone(skb, GFP_ATOMIC);
	if (copy)
		deliver(copy, dst);
}

/* Legacy mode: a switch by destination address between PF, VFs and the cable. Consumes skb. */
static void legacy_rx(struct nicsim *nic, struct sk_buff *skb)
{
	struct net_device *pf = rcu_dereference(nic->host[NICSIM_UPLINK]);
	struct net_device *peer = rcu_dereference(nic->wire[NICSIM_UPLINK]);
	const u8 *to = eth_hdr(skb)->h_dest;
	u32 p;

	if (is_multicast_ether_addr(to)) {
		deliver_copy(skb, pf);
		deliver_copy(skb, peer);
		for (p = 1; p <= nic->n_vfs; p++)
			deliver_copy(skb, rcu_dereference(nic->wire[p]));
		consume_skb(skb);
		return;
	}
	for (p = 1; p <= nic->n_vfs; p++) {
		struct net_device *vf = rcu_dereference(nic->wire[p]);

		if (vf && ether_addr_equal(vf->dev_addr, to)) {
			deliver(skb, vf);
			return;
		}
	}
	if (skb->dev == peer || (pf && skb->dev != pf && ether_addr_equal(pf->dev_addr, to)))
		deliver(skb, pf);
	else
		deliver(skb, peer);
}

netdev_tx_t nicsim_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct nicsim_port *port = netdev_priv(dev);
	struct nicsim *nic = port->nic;

	if (!netif_carrier_ok(dev) || !pskb_may_pull(skb, ETH_HLEN)) {
		dev_core_stats_tx_dropped_inc(dev);
		kfree_skb(skb);
		return NETDEV_TX_OK;
	}
	dev_sw_netstats_tx_add(dev, 1, skb->len);
	skb_tx_timestamp(skb);
	skb_reset_mac_header(skb);
	skb->protocol = eth_hdr(skb)->h_proto; /* what the VLAN helpers go by */

	rcu_read_lock();
	if (!READ_ONCE(nic->switchdev))
		legacy_rx(nic, skb);
	else if (port->role == NICSIM_PF || port->role == NICSIM_REP)
		deliver(skb, rcu_dereference(nic->wire[port->port]));
	else
		eswitch_rx(nic, port->port, skb);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}
