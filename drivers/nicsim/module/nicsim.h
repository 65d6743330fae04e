/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module's files share.
 *
 * A NIC has eswitch ports: 0 is the uplink, 1 + N is VF N. Each port has two sides. On the wire
 * side stands what the NIC connects: the peer netdev (the cable's other end) or the VF's netdev. On
 * the host side stands what the driver shows: the PF netdev, which is the uplink's representor, or
 * a VF's representor. A frame that enters a port from its wire side meets the rules; what misses
 * leaves on the port's host side, and what is sent into the host side leaves on the wire side.
 *
 * Locks, outermost first: the devlink instance's lock (mode changes, birth and death of netdevs),
 * rtnl, tc's block lock, nicsim.mode_lock, and inside the core its table's lock. The packet path
 * takes none of them: it runs in RCU with bottom halves off.
 */
#pragma once

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/netdevice.h>
#include <linux/platform_device.h>
#include <linux/rwsem.h>
#include <linux/skbuff.h>
#include <linux/wait.h>
#include <net/devlink.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#include "drivers/nicsim/core/eswitch.h"

#define NICSIM_MAX_VFS 126
#define NICSIM_UPLINK 0 /* the uplink's eswitch port */

enum nicsim_role {
	NICSIM_PF,   /* host side of the uplink */
	NICSIM_PEER, /* wire side of the uplink */
	NICSIM_VF,   /* wire side of a VF's port */
	NICSIM_REP,  /* host side of a VF's port */
};

/* The private part of each netdev of ours. Constant once registered. */
struct nicsim_port {
	struct nicsim *nic;
	struct net_device *dev;
	enum nicsim_role role;
	u32 port;	 /* eswitch port */
	bool in_devlink; /* devlink_port is registered: PF and representors */
	struct devlink_port devlink_port;
};

struct nicsim_knob_file {
	struct nicsim *nic;
	enum nicsim_knob knob;
};

struct nicsim {
	struct devlink *devlink;
	struct platform_device *pdev;
	struct nicsim_eswitch *sw;
	u32 n_vfs;	 /* constant */
	u8 switch_id[8]; /* constant */

	/* Held for writing to change the mode, for reading from its check to the end of an insert.
	 */
	struct rw_semaphore mode_lock;
	bool switchdev; /* written under mode_lock, READ_ONCE in the packet path */

	/* Both by eswitch port; RCU, written under the devlink lock. NULL: none, frames are
	 * dropped. */
	struct net_device __rcu *wire[1 + NICSIM_MAX_VFS];
	struct net_device __rcu *host[1 + NICSIM_MAX_VFS];

	wait_queue_head_t insert_gate; /* inserts wait here while they are made to */
	bool dying;		       /* no insert waits any more */

	struct dentry *debugfs;
	struct nicsim_knob_file knob_files[NICSIM_KNOB_COUNT];
};

/* netdev.c: under the devlink lock. A port's netdev is registered and linked, or nothing has
 * happened. */
int nicsim_netdev_add(struct nicsim *nic, enum nicsim_role role, u32 port);
/* Unlinks and unregisters; accepts a port that has no such netdev. */
void nicsim_netdev_del(struct nicsim *nic, enum nicsim_role role, u32 port);
/* The netdev is one of ours that can carry rules or be a rule's target: PF or representor. */
bool nicsim_netdev_is_host(const struct net_device *dev);
/* Sets the carrier of all VFs: on, or as their representors are. Takes rtnl. */
void nicsim_vf_carriers(struct nicsim *nic, bool on);

/* forward.c: the packet path; ndo_start_xmit of all roles. */
netdev_tx_t nicsim_xmit(struct sk_buff *skb, struct net_device *dev);

/* devlink.c */
extern const struct devlink_ops nicsim_devlink_ops;
/* Leaves switchdev mode, whatever rules there are. Under the devlink lock. */
void nicsim_switchdev_stop(struct nicsim *nic);

/* tc.c: ndo_setup_tc of PF and representors; under rtnl. */
int nicsim_setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data);

/* tc_match.c, tc_action.c: pure; 0, or an errno with why->sentence. */
int nicsim_tc_match(const struct nicsim_port *port, const struct flow_cls_offload *f,
		    struct nicsim_rule_spec *spec, struct nicsim_refusal *why);
int nicsim_tc_actions(const struct nicsim_port *port, const struct flow_action *action,
		      const struct nicsim_rule_spec *spec, struct nicsim_action *ret_actions,
		      u32 *ret_n, struct nicsim_refusal *why);

/* knobs.c: faults and settings in debugfs. */
void nicsim_knobs_init(void);
void nicsim_knobs_exit(void);
void nicsim_knobs_add(struct nicsim *nic);
void nicsim_knobs_del(struct nicsim *nic);
