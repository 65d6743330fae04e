// SPDX-License-Identifier: GPL-2.0
/*
 * The eswitch's mode, as `devlink dev eswitch` shows and sets it. Called with the devlink lock
 * held.
 *
 * Entering switchdev mode: the mode changes first, then representors appear one by one; a VF has no
 * carrier until its own is up. Leaving is the reverse, and is refused while rules are offloaded.
 */
#include "nicsim.h"

static void set_switchdev(struct nicsim *nic, bool on)
{
	down_write(&nic->mode_lock);
	WRITE_ONCE(nic->switchdev, on);
	up_write(&nic->mode_lock);
	nicsim_vf_carriers(nic, !on);
}

static void del_reps(struct nicsim *nic)
{
	u32 p;

	for (p = nic->n_vfs; p >= 1; p--)
		nicsim_netdev_del(nic, NICSIM_REP, p);
}

static int switchdev_start(struct nicsim *nic, struct netlink_ext_ack *extack)
{
	int err;
	u32 p;

	set_switchdev(nic, true);
	for (p = 1; p <= nic->n_vfs; p++) {
		err = nicsim_netdev_add(nic, NICSIM_REP, p);
		if (err) {
			NL_SET_ERR_MSG(extack, "nicsim: a representor could not be registered");
			goto err_rep;
		}
	}
	return 0;

err_rep:
	del_reps(nic);
	set_switchdev(nic, false);
	return err;
}

void nicsim_switchdev_stop(struct nicsim *nic)
{
	if (!nic->switchdev)
		return;
	del_reps(nic);
	set_switchdev(nic, false);
}

/* Inserts check the mode under mode_lock, so that none can come between the count and the change.
 */
static int switchdev_leave(struct nicsim *nic, struct netlink_ext_ack *extack)
{
	down_write(&nic->mode_lock);
	if (nicsim_eswitch_used(nic->sw)) {
		up_write(&nic->mode_lock);
		NL_SET_ERR_MSG(extack, "nicsim: the mode cannot change while rules are offloaded");
		return -EBUSY;
	}
	WRITE_ONCE(nic->switchdev, false);
	up_write(&nic->mode_lock);
	del_reps(nic);
	nicsim_vf_carriers(nic, true);
	return 0;
}

static int nicsim_mode_get(struct devlink *devlink, u16 *ret_mode)
{
	struct nicsim *nic = devlink_priv(devlink);

	*ret_mode = nic->switchdev ? DEVLINK_ESWITCH_MODE_SWITCHDEV : DEVLINK_ESWITCH_MODE_LEGACY;
	return 0;
}

static int nicsim_mode_set(struct devlink *devlink, u16 mode, struct netlink_ext_ack *extack)
{
	struct nicsim *nic = devlink_priv(devlink);

	switch (mode) {
	case DEVLINK_ESWITCH_MODE_SWITCHDEV:
		return nic->switchdev ? 0 : switchdev_start(nic, extack);
	case DEVLINK_ESWITCH_MODE_LEGACY:
		return nic->switchdev ? switchdev_leave(nic, extack) : 0;
	default:
		NL_SET_ERR_MSG(extack, "nicsim: the mode is legacy or switchdev");
		return -EOPNOTSUPP;
	}
}

const struct devlink_ops nicsim_devlink_ops = {
	.eswitch_mode_get = nicsim_mode_get,
	.eswitch_mode_set = nicsim_mode_set,
};
