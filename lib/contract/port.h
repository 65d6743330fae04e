// SPDX-License-Identifier: Apache-2.0
// What a NIC port is beyond its tables. Hardware tiers answer for the ports they were given.
#pragma once

#include "lib/base/err.h"
#include "lib/flow/types.h"

enum nic_port_kind {
    NIC_PORT_NONE, // not a port of a switching NIC
    NIC_PORT_UPLINK,
    NIC_PORT_REPRESENTOR,
};

struct nic_port_info {
    enum nic_port_kind kind;
    uint8_t switch_id[32]; // phys_switch_id: equal for ports of one eswitch
    uint8_t switch_id_len; // 0: none
    char port_name[16]; // phys_port_name: "p0", "pf0vf3"
    bool tc_offload; // hw-tc-offload is on
};

// Reads what the kernel says of a device. Blocks on rtnl. -ENODEV: none such.
int nic_port_query(const char *name, struct nic_port_info *ret_info, struct err *);
