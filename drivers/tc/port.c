// SPDX-License-Identifier: Apache-2.0
// Which devices are ports of a switching NIC, and the ingress qdisc that filters hang on. The thread that attaches ports;
// blocks on rtnl.
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/tc/internal.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/netlink/rtnl.h"

static int ethtool(int fd, const char *name, void *command)
{
    struct ifreq ifr = {.ifr_data = command};

    str_copy(ifr.ifr_name, sizeof ifr.ifr_name, name);
    return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

static int n_features(int fd, const char *name)
{
    struct {
        struct ethtool_sset_info info;
        uint32_t n;
    } sset = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};
    int r = ethtool(fd, name, &sset);

    return r ? r : (int)sset.n;
}

// Whether the feature "hw-tc-offload" is on. False too where ethtool can't tell.
static bool tc_offload_on(const char *name)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int n = fd < 0 ? -errno : n_features(fd, name);
    int bit = -1;

    if (n <= 0)
        return false;
    AUTO_FREE struct ethtool_gstrings *names = xcalloc(1, sizeof *names + (size_t)n * ETH_GSTRING_LEN);
    *names = (struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = (uint32_t)n};
    if (ethtool(fd, name, names))
        return false;
    for (int i = 0; i < n && bit < 0; i++) {
        if (!strncmp((char *)names->data + i * ETH_GSTRING_LEN, "hw-tc-offload", ETH_GSTRING_LEN))
            bit = i;
    }
    size_t blocks = ((size_t)n + 31) / 32;
    AUTO_FREE struct ethtool_gfeatures *f = xcalloc(1, sizeof *f + blocks * sizeof f->features[0]);
    *f = (struct ethtool_gfeatures){.cmd = ETHTOOL_GFEATURES, .size = (uint32_t)blocks};
    return bit >= 0 && ethtool(fd, name, f) == 0 && f->features[bit / 32].active >> (bit % 32) & 1;
}

int nic_port_query(const char *name, struct nic_port_info *ret, struct err *err)
{
    struct nlk_sock *sock = NULL;
    struct rtnl_link link;
    int r = nlk_open(NETLINK_ROUTE, 0, &sock, err);

    if (!r)
        r = rtnl_link_get(sock, name, &link, err);
    nlk_close(sock);
    if (r)
        return r;
    *ret = (struct nic_port_info){.switch_id_len = (uint8_t)link.switch_id_size};
    memcpy(ret->switch_id, link.switch_id, link.switch_id_size);
    str_copy(ret->port_name, sizeof ret->port_name, link.port_name);
    if (link.switch_id_size)
        ret->kind = strstr(link.port_name, "vf") || strstr(link.port_name, "sf") ? NIC_PORT_REPRESENTOR : NIC_PORT_UPLINK;
    ret->tc_offload = tc_offload_on(name);
    return 0;
}

static int qdisc(struct nlk_sock *sock, int ifindex, bool add, struct err *err)
{
    struct nlk_msg m;

    nlk_msg_init(&m, add ? RTM_NEWQDISC : RTM_DELQDISC, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
    struct tcmsg *tcm = nlk_put_header(&m, sizeof *tcm);
    tcm->tcm_ifindex = ifindex;
    tcm->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    tcm->tcm_parent = TC_H_CLSACT;
    nlk_put_str(&m, TCA_KIND, "clsact");
    int r = nlk_transact(sock, &m, NULL, NULL, err);
    nlk_msg_done(&m);
    return r;
}

int tc_port_open(struct nlk_sock *sock, const struct tier_port *want, uint8_t instance, struct tc_port **ret, struct err *err)
{
    struct nic_port_info nic;
    AUTO_ERR(why);
    int r = want->ifindex ? nic_port_query(want->name, &nic, err) : -ENODEV;

    if (r || nic.kind == NIC_PORT_NONE)
        return err_set(err, -EOPNOTSUPP, "%s is not a port of a switching NIC", want->name);
    if (!nic.tc_offload)
        return err_set(err, -EOPNOTSUPP, "hw-tc-offload is off for %s (ethtool -K %s hw-tc-offload on)", want->name,
                       want->name);
    r = qdisc(sock, want->ifindex, true, &why);
    if (r && r != -EEXIST) { // one that is there serves as well
        err_prefix(&why, "%s: making an ingress qdisc", want->name);
        return err_move(err, &why);
    }
    struct tc_port *port = NEW(struct tc_port);
    port->dp_port = want->dp_port;
    port->ifindex = want->ifindex;
    str_copy(port->name, sizeof port->name, want->name);
    port->nic = nic;
    // One without anything of others is ours, of an earlier process, or nobody's.
    port->own_qdisc = r == 0 || !tc_has_foreign(sock, want->ifindex, instance);
    *ret = port;
    return 0;
}

void tc_port_close(struct nlk_sock *sock, struct tc_port *port, uint8_t instance)
{
    if (port->own_qdisc && !tc_has_foreign(sock, port->ifindex, instance))
        qdisc(sock, port->ifindex, false, NULL); // -ENODEV when the device is gone
    free(port);
}

bool tc_ports_share_switch(const struct tc_port *a, const struct tc_port *b)
{
    return a->nic.switch_id_len && a->nic.switch_id_len == b->nic.switch_id_len &&
           !memcmp(a->nic.switch_id, b->nic.switch_id, a->nic.switch_id_len);
}
