// SPDX-License-Identifier: Apache-2.0
// Does a live process serve this datapath? Its upcalls go to netlink ports; /proc/net/netlink lists the ports that are open
// in this network namespace. Two switches on one datapath would take each other's upcalls and flows. Main thread.
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "kdp/client/internal.h"

// Calls it a match if `port` is an open generic netlink socket.
static bool is_open(uint32_t port)
{
    FILE *f = fopen("/proc/net/netlink", "re");
    char line[256];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        unsigned protocol;
        int64_t id;

        // "sk Eth Pid Groups …": the second and third columns.
        if (sscanf(line, "%*s %u %" SCNd64, &protocol, &id) == 2)
            found = protocol == NETLINK_GENERIC && (uint32_t)id == port;
    }
    if (f)
        fclose(f);
    return found;
}

int kdp_check_owner(const struct kdp *k, const struct nlattr *pids, struct err *err)
{
    size_t n = pids ? nlk_size(pids) / sizeof(uint32_t) : 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t port;

        memcpy(&port, (const char *)nlk_data(pids) + i * sizeof port, sizeof port);
        if (port && is_open(port))
            return err_set(err, -EBUSY, "the kernel datapath %s is served by another process that is alive", k->name);
    }
    return 0;
}
