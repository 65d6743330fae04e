// SPDX-License-Identifier: Apache-2.0
// Which priority a filter gets. Each ethertype that carries traffic has a ladder of TC_RUNGS priorities; better ones have
// lower numbers. IPv4 and IPv6 come first, because a packet is compared priority by priority. Pure.
#include <linux/if_ether.h>

#include "drivers/tc/internal.h"
#include "lib/base/compiler.h"

static const uint16_t ladders[] = {
    ETH_P_IP, ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD, ETH_P_ARP, ETH_P_MPLS_UC, ETH_P_MPLS_MC, ETH_P_RARP, ETH_P_LLDP,
};

uint16_t tc_rung_prio(be16_t protocol, unsigned rung)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ladders); i++) {
        if (ladders[i] == ntohs(protocol))
            return (uint16_t)(TC_PRIO_BASE + i * TC_RUNGS + (TC_RUNGS - 1 - rung));
    }
    return 0;
}

bool tc_prio_is_ours(uint16_t prio)
{
    return prio >= TC_PRIO_BASE && prio < TC_PRIO_END;
}
