// SPDX-License-Identifier: GPL-2.0
/*
 * nicsim, a simulated switchdev NIC: birth and death of the NICs. For tests, in virtual machines
 * only.
 *
 * Each NIC is a platform device with a devlink instance (platform/nicsim.0, …) that starts in
 * legacy mode. Death is in two phases: first nothing new can begin (debugfs and devlink are
 * withdrawn, waiting inserts are let go), then the netdevs go, each taking its rules along, and
 * last the table, which nobody can reach any more.
 */
#include <linux/module.h>

#include "nicsim.h"

#define MAX_NICS 8

static unsigned int nics = 1;
module_param(nics, uint, 0444);
MODULE_PARM_DESC(nics, "number of NICs (1 to 8)");
static unsigned int vfs = 2;
module_param(vfs, uint, 0444);
MODULE_PARM_DESC(vfs, "VFs of each NIC (0 to 126)");
static unsigned int capacity = 65536;
module_param(capacity, uint, 0444);
MODULE_PARM_DESC(capacity, "rules that each NIC can hold at first (debugfs: capacity)");
static unsigned int cache_age_ms = 1000;
module_param(cache_age_ms, uint, 0444);
MODULE_PARM_DESC(cache_age_ms,
		 "age of counters as they are seen, at first (debugfs: cache_age_ms)");
static unsigned int insert_delay_us;
module_param(insert_delay_us, uint, 0444);
MODULE_PARM_DESC(insert_delay_us, "time that an insert takes, at first (debugfs: insert_delay_us)");

static struct nicsim *nicsim_nics[MAX_NICS];

static int set_knobs(struct nicsim *nic)
{
	int err;

	err = nicsim_knob_set(nic->sw, NICSIM_CAPACITY, capacity);
	if (!err)
		err = nicsim_knob_set(nic->sw, NICSIM_CACHE_AGE_MS, cache_age_ms);
	if (!err)
		err = nicsim_knob_set(nic->sw, NICSIM_INSERT_DELAY_US, insert_delay_us);
	return err;
}

static void del_netdevs(struct nicsim *nic)
{
	u32 p;

	for (p = nic->n_vfs; p >= 1; p--)
		nicsim_netdev_del(nic, NICSIM_VF, p);
	nicsim_netdev_del(nic, NICSIM_PEER, NICSIM_UPLINK);
	nicsim_netdev_del(nic, NICSIM_PF, NICSIM_UPLINK);
}

static int add_netdevs(struct nicsim *nic)
{
	int err;
	u32 p;

	err = nicsim_netdev_add(nic, NICSIM_PF, NICSIM_UPLINK);
	if (!err)
		err = nicsim_netdev_add(nic, NICSIM_PEER, NICSIM_UPLINK);
	for (p = 1; !err && p <= nic->n_vfs; p++)
		err = nicsim_netdev_add(nic, NICSIM_VF, p);
	if (err)
		del_netdevs(nic);
	return err;
}

static struct nicsim *nicsim_new(struct platform_device *pdev)
{
	struct devlink *devlink;
	struct nicsim *nic;
	int err;
	u32 p;

	devlink = devlink_alloc(&nicsim_devlink_ops, sizeof(*nic), &pdev->dev);
	if (!devlink)
		return ERR_PTR(-ENOMEM);
	nic = devlink_priv(devlink);
	nic->devlink = devlink;
	nic->pdev = pdev;
	nic->n_vfs = vfs;
	memcpy(nic->switch_id, "\x02nicsim", 7);
	nic->switch_id[7] = pdev->id;
	init_rwsem(&nic->mode_lock);
	init_waitqueue_head(&nic->insert_gate);
	nic->sw = nicsim_eswitch_new();
	if (!nic->sw) {
		err = -ENOMEM;
		goto err_eswitch;
	}
	for (p = 0; p <= nic->n_vfs; p++)
		nicsim_port_add(nic->sw, p);
	err = set_knobs(nic);
	if (err)
		goto err_knobs;

	devl_lock(devlink);
	err = add_netdevs(nic);
	devl_unlock(devlink);
	if (err)
		goto err_knobs;
	devlink_register(devlink);
	nicsim_knobs_add(nic);
	return nic;

err_knobs:
	nicsim_eswitch_free(nic->sw);
err_eswitch:
	devlink_free(devlink);
	return ERR_PTR(err);
}

static void nicsim_free(struct nicsim *nic)
{
	struct devlink *devlink = nic->devlink;

	/* First phase: no knob is turned, no mode changes, no insert waits. */
	nicsim_knobs_del(nic);
	devlink_unregister(devlink);
	WRITE_ONCE(nic->dying, true);
	wake_up_all(&nic->insert_gate);

	/* Second phase. Each netdev's blocks are unbound as it goes, so no tc callback can come
	 * after. */
	devl_lock(devlink);
	nicsim_switchdev_stop(nic);
	del_netdevs(nic);
	devl_unlock(devlink);
	WARN_ON(nicsim_eswitch_used(nic->sw));
	nicsim_eswitch_free(nic->sw);
	devlink_free(devlink);
}

static int nicsim_add(int id)
{
	struct platform_device *pdev;
	struct nicsim *nic;

	pdev = platform_device_register_simple("nicsim", id, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	nic = nicsim_new(pdev);
	if (IS_ERR(nic)) {
		platform_device_unregister(pdev);
		return PTR_ERR(nic);
	}
	nicsim_nics[id] = nic;
	return 0;
}

static void nicsim_del(int id)
{
	struct platform_device *pdev;

	if (!nicsim_nics[id])
		return;
	pdev = nicsim_nics[id]->pdev;
	nicsim_free(nicsim_nics[id]);
	platform_device_unregister(pdev);
	nicsim_nics[id] = NULL;
}

static void __exit nicsim_exit(void)
{
	int i;

	for (i = MAX_NICS - 1; i >= 0; i--)
		nicsim_del(i);
	nicsim_knobs_exit();
}

static int __init nicsim_init(void)
{
	unsigned int i;
	int err;

	if (!nics || nics > MAX_NICS || vfs > NICSIM_MAX_VFS) {
		pr_err("nicsim: nics is 1 to %d, vfs is 0 to %d\n", MAX_NICS, NICSIM_MAX_VFS);
		return -EINVAL;
	}
	nicsim_knobs_init();
	for (i = 0; i < nics; i++) {
		err = nicsim_add(i);
		if (err)
			goto err_add;
	}
	return 0;

err_add:
	while (i--)
		nicsim_del(i);
	nicsim_knobs_exit();
	return err;
}

module_init(nicsim_init);
module_exit(nicsim_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Simulated switchdev NIC with a match-action eswitch");
