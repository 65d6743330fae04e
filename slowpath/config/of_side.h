// SPDX-License-Identifier: Apache-2.0
// The OpenFlow side of a bridge: what it answers its agent (slowpath/openflow/bridge_ops.h) and what it tells it. Main thread,
// but bridge_packet_in().
#pragma once

#include "slowpath/config/switch.h"

enum of_port_change { OF_PORT_NEW, OF_PORT_GONE, OF_PORT_MODIFIED };

void of_side_open(struct bridge *); // listens on BRIDGE.mgmt
void of_side_close(struct bridge *);
void of_side_apply(struct bridge *, const struct conf_bridge *); // versions, controllers
void of_side_port_changed(struct bridge *, const struct iface *, enum of_port_change);
unsigned of_side_port_flags(const struct iface *); // enum pipeline_port_flags
