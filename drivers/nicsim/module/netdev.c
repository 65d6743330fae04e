// SPDX-License-Identifier: GPL-2.0
/*
 * The netdevs: PF, peer, VFs and representors. They differ in role only; all are Ethernet devices
 * without queues whose transmit function is the eswitch (forward.c).
 *
 * Carrier: PF and peer are two ends of a cable and have carrier when both are up. In switchdev mode
 * a VF has carrier when its representor is up, as ConnectX sets a vport's state; in legacy mode
 * always.
 *
 * Teardown is in two steps. First the netdev is taken from nicsim.wire or .host, so that the packet
 * path finds no new way to it; then it is unregistered, which waits for packets under way (RCU),
 * empties the backlog, and makes tc remove the rules of its blocks while `port` is still whole.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/version.h>

#include "nicsim.h"

#define NICSIM_FEATURES                                                                            \
	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_HIGHDMA |      \
	 NETIF_F_GSO_SOFTWARE | NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_CTAG_RX |                \
	 NETIF_F_HW_VLAN_STAG_TX | NETIF_F_HW_VLAN_STAG_RX)

static struct net_device *side_get(struct nicsim *nic, enum nicsim_role role, u32 port)
{
	bool host = role == NICSIM_PF || role == NICSIM_REP;

	return rcu_dereference_protected(host ? nic->host[port] : nic->wire[port],
					 lockdep_rtnl_is_held() || devl_lock_is_held(nic->devlink));
}

static void side_set(struct nicsim *nic, enum nicsim_role role, u32 port, struct net_device *dev)
{
	if (role == NICSIM_PF || role == NICSIM_REP)
		rcu_assign_pointer(nic->host[port], dev);
	else
		rcu_assign_pointer(nic->wire[port], dev);
}

static void set_carrier(struct net_device *dev, bool on)
{
	if (!dev)
		return;
	if (on)
		netif_carrier_on(dev);
	else
		netif_carrier_off(dev);
}

/* Under rtnl, when `port` has just come up or is about to go down. */
static void update_carrier(struct nicsim_port *port, bool up)
{
	struct nicsim *nic = port->nic;
	struct net_device *other;

	switch (port->role) {
	case NICSIM_PF:
	case NICSIM_PEER:
		other = side_get(nic, port->role == NICSIM_PF ? NICSIM_PEER : NICSIM_PF,
				 port->port);
		up = up && other && (other->flags & IFF_UP);
		set_carrier(port->dev, up);
		set_carrier(other, up);
		break;
	case NICSIM_REP:
		set_carrier(port->dev, up);
		set_carrier(side_get(nic, NICSIM_VF, port->port), up);
		break;
	case NICSIM_VF:
		break; /* its representor decides, or the mode */
	}
}

void nicsim_vf_carriers(struct nicsim *nic, bool on)
{
	struct net_device *rep;
	u32 p;

	rtnl_lock();
	for (p = 1; p <= nic->n_vfs; p++) {
		rep = side_get(nic, NICSIM_REP, p);
		set_carrier(side_get(nic, NICSIM_VF, p), on || (rep && (rep->flags & IFF_UP)));
	}
	rtnl_unlock();
}

static int nicsim_open(struct net_device *dev)
{
	update_carrier(netdev_priv(dev), true);
	return 0;
}

static int nicsim_stop(struct net_device *dev)
{
	update_carrier(netdev_priv(dev), false);
	return 0;
}

/* Nothing is filtered by address. */
static void nicsim_set_rx_mode(struct net_device *dev)
{
}

static int nicsim_set_features(struct net_device *dev, netdev_features_t features)
{
	struct nicsim_port *port = netdev_priv(dev);

	if ((dev->features & ~features & NETIF_F_HW_TC) && nicsim_eswitch_used(port->nic->sw)) {
		netdev_err(dev, "hw-tc-offload cannot be turned off while rules are offloaded\n");
		return -EBUSY;
	}
	return 0;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
static struct devlink_port *nicsim_get_devlink_port(struct net_device *dev)
{
	struct nicsim_port *port = netdev_priv(dev);

	return &port->devlink_port;
}
#endif

/* VFs and peer: ordinary NICs of hosts that know nothing of the eswitch. */
static const struct net_device_ops nicsim_wire_ops = {
	.ndo_open = nicsim_open,
	.ndo_stop = nicsim_stop,
	.ndo_start_xmit = nicsim_xmit,
	.ndo_set_rx_mode = nicsim_set_rx_mode,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_get_stats64 = dev_get_tstats64,
};

static const struct net_device_ops nicsim_host_ops = {
	.ndo_open = nicsim_open,
	.ndo_stop = nicsim_stop,
	.ndo_start_xmit = nicsim_xmit,
	.ndo_set_rx_mode = nicsim_set_rx_mode,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_set_features = nicsim_set_features,
	.ndo_setup_tc = nicsim_setup_tc,
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	.ndo_get_devlink_port = nicsim_get_devlink_port,
#endif
};

bool nicsim_netdev_is_host(const struct net_device *dev)
{
	return dev->netdev_ops == &nicsim_host_ops;
}

static void nicsim_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	struct nicsim_port *port = netdev_priv(dev);

	strscpy(info->driver, port->role == NICSIM_REP ? "nicsim_rep" : "nicsim",
		sizeof(info->driver));
	strscpy(info->bus_info, dev_name(&port->nic->pdev->dev), sizeof(info->bus_info));
}

static int nicsim_get_link_ksettings(struct net_device *dev, struct ethtool_link_ksettings *ks)
{
	ks->base.speed = SPEED_100000;
	ks->base.duplex = DUPLEX_FULL;
	ks->base.port = PORT_OTHER;
	ks->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

static const struct ethtool_ops nicsim_ethtool_ops = {
	.get_drvinfo = nicsim_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = nicsim_get_link_ksettings,
};

static void nicsim_netdev_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->ethtool_ops = &nicsim_ethtool_ops;
	dev->priv_flags |= IFF_NO_QUEUE | IFF_LIVE_ADDR_CHANGE | IFF_UNICAST_FLT;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->features |= NICSIM_FEATURES;
	dev->hw_features |= NICSIM_FEATURES;
	dev->vlan_features |=
		NICSIM_FEATURES & ~(NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_CTAG_RX |
				    NETIF_F_HW_VLAN_STAG_TX | NETIF_F_HW_VLAN_STAG_RX);
	dev->hw_enc_features |= NICSIM_FEATURES;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = 9600;
}

/* "nic0", "nic0peer", "nic0vf3", "nic0rep3"; addresses that say the same. */
static void name_netdev(struct nicsim_port *port, char name[IFNAMSIZ], u8 addr[ETH_ALEN])
{
	int id = port->nic->pdev->id;

	switch (port->role) {
	case NICSIM_PF:
		snprintf(name, IFNAMSIZ, "nic%d", id);
		break;
	case NICSIM_PEER:
		snprintf(name, IFNAMSIZ, "nic%dpeer", id);
		break;
	case NICSIM_VF:
		snprintf(name, IFNAMSIZ, "nic%dvf%u", id, port->port - 1);
		break;
	case NICSIM_REP:
		snprintf(name, IFNAMSIZ, "nic%drep%u", id, port->port - 1);
		break;
	}
	addr[0] = 0x02;
	addr[1] = 0x6e;
	addr[2] = 0x73;
	addr[3] = id;
	addr[4] = port->role;
	addr[5] = port->port;
}

/*
 * PF and representors are devlink ports, from which the kernel makes phys_port_name and
 * phys_switch_id. The PF has the switch id in legacy mode too, as on ConnectX: a port's attributes
 * cannot change later.
 */
static int add_to_devlink(struct nicsim_port *port)
{
	const struct nicsim *nic = port->nic;
	struct devlink_port_attrs attrs = {.flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL};
	int err;

	if (port->role == NICSIM_REP)
		attrs.flavour = DEVLINK_PORT_FLAVOUR_PCI_VF;
	attrs.switch_id.id_len = sizeof(nic->switch_id);
	memcpy(attrs.switch_id.id, nic->switch_id, sizeof(nic->switch_id));
	devlink_port_attrs_set(&port->devlink_port, &attrs);
	if (port->role == NICSIM_REP)
		devlink_port_attrs_pci_vf_set(&port->devlink_port, 0, 0, port->port - 1, false);
	err = devl_port_register(nic->devlink, &port->devlink_port, port->port);
	if (err)
		return err;
	port->in_devlink = true;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	SET_NETDEV_DEVLINK_PORT(port->dev, &port->devlink_port);
#endif
	return 0;
}

static void del_from_devlink(struct nicsim_port *port)
{
	if (port->in_devlink)
		devl_port_unregister(&port->devlink_port);
	port->in_devlink = false;
}

static struct nicsim_port *alloc_port(struct nicsim *nic, enum nicsim_role role, u32 number)
{
	bool host = role == NICSIM_PF || role == NICSIM_REP;
	struct nicsim_port *port;
	struct net_device *dev;
	u8 addr[ETH_ALEN];

	dev = alloc_netdev(sizeof(*port), "nicsim%d", NET_NAME_ENUM, nicsim_netdev_setup);
	if (!dev)
		return NULL;
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	if (!dev->tstats) {
		free_netdev(dev);
		return NULL;
	}
	port = netdev_priv(dev);
	port->nic = nic;
	port->dev = dev;
	port->role = role;
	port->port = number;
	name_netdev(port, dev->name, addr);
	eth_hw_addr_set(dev, addr);
	dev->netdev_ops = host ? &nicsim_host_ops : &nicsim_wire_ops;
	if (host) {
		SET_NETDEV_DEV(dev, &nic->pdev->dev);
		dev->hw_features |= NETIF_F_HW_TC;
	}
	if (role == NICSIM_REP)
		dev->features |= NETIF_F_HW_TC;
	return port;
}

static void free_port(struct nicsim_port *port)
{
	struct net_device *dev = port->dev;

	free_percpu(dev->tstats);
	free_netdev(dev);
}

int nicsim_netdev_add(struct nicsim *nic, enum nicsim_role role, u32 number)
{
	bool host = role == NICSIM_PF || role == NICSIM_REP;
	struct nicsim_port *port = alloc_port(nic, role, number);
	int err;

	if (!port)
		return -ENOMEM;
	if (host) {
		err = add_to_devlink(port);
		if (err)
			goto err_devlink;
	}
	rtnl_lock();
	err = register_netdevice(port->dev);
	if (err) {
		rtnl_unlock();
		goto err_register;
	}
	side_set(nic, role, number, port->dev);
	set_carrier(port->dev, role == NICSIM_VF && !READ_ONCE(nic->switchdev));
	rtnl_unlock();
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	if (host)
		devlink_port_type_eth_set(&port->devlink_port, port->dev);
#endif
	return 0;

err_register:
	del_from_devlink(port);
err_devlink:
	free_port(port);
	return err;
}

void nicsim_netdev_del(struct nicsim *nic, enum nicsim_role role, u32 number)
{
	struct net_device *dev = side_get(nic, role, number);
	struct nicsim_port *port;

	if (!dev)
		return;
	port = netdev_priv(dev);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	if (port->in_devlink)
		devlink_port_type_clear(&port->devlink_port);
#endif
	rtnl_lock();
	/* Down first: that settles the other side's carrier, which needs both sides linked. */
	dev_close(dev);
	side_set(nic, role, number, NULL);
	unregister_netdevice(dev);
	rtnl_unlock();
	del_from_devlink(port);
	free_port(port);
}
