// SPDX-License-Identifier: GPL-2.0
/*
 * Settings, faults and the table's contents in debugfs, for tests: nicsim/DEVICE/ holds one file
 * per knob of the core, by its name, and rules           the table as it is, with live counters and
 * those that a reading shows used            how many rules there are reset_counters  a write sets
 * all counters to zero flush           a write makes the NIC forget all its rules; nobody is told
 */
#include <linux/if_ether.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "nicsim.h"

static struct dentry *nicsim_debugfs;

static int knob_get(void *data, u64 *ret_value)
{
	struct nicsim_knob_file *file = data;

	*ret_value = nicsim_knob_get(file->nic->sw, file->knob);
	return 0;
}

static int knob_set(void *data, u64 value)
{
	struct nicsim_knob_file *file = data;
	int err = nicsim_knob_set(file->nic->sw, file->knob, value);

	wake_up_all(&file->nic->insert_gate);
	return err;
}
DEFINE_DEBUGFS_ATTRIBUTE(nicsim_knob_fops, knob_get, knob_set, "%llu\n");

static int used_get(void *data, u64 *ret_value)
{
	struct nicsim *nic = data;

	*ret_value = nicsim_eswitch_used(nic->sw);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(nicsim_used_fops, used_get, NULL, "%llu\n");

static int reset_set(void *data, u64 value)
{
	struct nicsim *nic = data;

	nicsim_eswitch_reset_counters(nic->sw);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(nicsim_reset_fops, NULL, reset_set, "%llu\n");

static int flush_set(void *data, u64 value)
{
	struct nicsim *nic = data;

	nicsim_eswitch_flush(nic->sw);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(nicsim_flush_fops, NULL, flush_set, "%llu\n");

static void show_match(struct seq_file *s, const struct nicsim_key *k, const struct nicsim_key *m)
{
	if (m->in_port)
		seq_printf(s, " in %u", k->in_port);
	if (!is_zero_ether_addr(m->eth_dst))
		seq_printf(s, " dst %pM/%pM", k->eth_dst, m->eth_dst);
	if (!is_zero_ether_addr(m->eth_src))
		seq_printf(s, " src %pM/%pM", k->eth_src, m->eth_src);
	if (m->flags)
		seq_printf(s, " flags %#x/%#x", k->flags, m->flags);
	if (m->vlan_tpid)
		seq_printf(s, " tpid %#06x", ntohs(k->vlan_tpid));
	if (m->vlan_tci)
		seq_printf(s, " tci %#06x/%#06x", ntohs(k->vlan_tci), ntohs(m->vlan_tci));
	if (m->eth_type)
		seq_printf(s, " type %#06x", ntohs(k->eth_type));
	if (memchr_inv(m->ip_src, 0, 16))
		seq_printf(s, " ip_src %16phN/%16phN", k->ip_src, m->ip_src);
	if (memchr_inv(m->ip_dst, 0, 16))
		seq_printf(s, " ip_dst %16phN/%16phN", k->ip_dst, m->ip_dst);
	if (m->ip_proto)
		seq_printf(s, " proto %u", k->ip_proto);
	if (m->tp_src)
		seq_printf(s, " sport %u/%#06x", ntohs(k->tp_src), ntohs(m->tp_src));
	if (m->tp_dst)
		seq_printf(s, " dport %u/%#06x", ntohs(k->tp_dst), ntohs(m->tp_dst));
	if (m->icmp_type)
		seq_printf(s, " icmp_type %u", k->icmp_type);
	if (m->icmp_code)
		seq_printf(s, " icmp_code %u", k->icmp_code);
}

static void show_action(struct seq_file *s, const struct nicsim_action *a)
{
	switch (a->type) {
	case NICSIM_DROP:
		seq_puts(s, " drop");
		break;
	case NICSIM_REDIRECT:
		seq_printf(s, " redirect %u", a->port);
		break;
	case NICSIM_MIRROR:
		seq_printf(s, " mirror %u", a->port);
		break;
	case NICSIM_VLAN_PUSH:
		seq_printf(s, " push %#06x:%#06x", ntohs(a->tpid), ntohs(a->tci));
		break;
	case NICSIM_VLAN_POP:
		seq_puts(s, " pop");
		break;
	case NICSIM_VLAN_MODIFY:
		seq_printf(s, " modify %#06x:%#06x", ntohs(a->tpid), ntohs(a->tci));
		break;
	}
}

static void show_rule(void *aux, const struct nicsim_rule_info *info)
{
	const struct nicsim_rule_spec *spec = &info->spec;
	struct seq_file *s = aux;
	u32 i;

	seq_printf(s, "prio %u", spec->priority);
	show_match(s, &spec->key, &spec->mask);
	seq_puts(s, " :");
	for (i = 0; i < spec->actions.n; i++)
		show_action(s, &spec->actions.v[i]);
	seq_printf(s, " frames %llu bytes %llu cached %llu/%llu\n", info->live.frames,
		   info->live.bytes, info->cached.frames, info->cached.bytes);
}

static int nicsim_rules_show(struct seq_file *s, void *unused)
{
	struct nicsim *nic = s->private;

	nicsim_eswitch_for_each(nic->sw, show_rule, s);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(nicsim_rules);

void nicsim_knobs_init(void)
{
	nicsim_debugfs = debugfs_create_dir("nicsim", NULL);
}

void nicsim_knobs_exit(void)
{
	debugfs_remove(nicsim_debugfs);
}

void nicsim_knobs_add(struct nicsim *nic)
{
	int i;

	nic->debugfs = debugfs_create_dir(dev_name(&nic->pdev->dev), nicsim_debugfs);
	for (i = 0; i < NICSIM_KNOB_COUNT; i++) {
		nic->knob_files[i].nic = nic;
		nic->knob_files[i].knob = i;
		debugfs_create_file(nicsim_knob_name(i), 0600, nic->debugfs, &nic->knob_files[i],
				    &nicsim_knob_fops);
	}
	debugfs_create_file("rules", 0400, nic->debugfs, nic, &nicsim_rules_fops);
	debugfs_create_file("used", 0400, nic->debugfs, nic, &nicsim_used_fops);
	debugfs_create_file("reset_counters", 0200, nic->debugfs, nic, &nicsim_reset_fops);
	debugfs_create_file("flush", 0200, nic->debugfs, nic, &nicsim_flush_fops);
}

/* Waits for readers and writers of the files. */
void nicsim_knobs_del(struct nicsim *nic)
{
	debugfs_remove(nic->debugfs);
}
