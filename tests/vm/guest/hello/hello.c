// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest module, for the tests of the VM runner: it says hello, and with warn=1 it provokes the
 * kernel warning that a run must not overlook; leak=1 loses memory, which only kmemleak notices.
 */
#include <linux/module.h>
#include <linux/slab.h>

static bool warn;
module_param(warn, bool, 0444);

static bool leak;
module_param(leak, bool, 0444);

static int __init hello_init(void)
{
	pr_info("hello from a module\n");
	if (leak && !kmalloc(1000, GFP_KERNEL))
		return -ENOMEM;
	WARN(warn, "hello was asked to warn\n");
	return 0;
}

static void __exit hello_exit(void)
{
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Hello, for the tests of the VM runner");
