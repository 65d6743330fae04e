// SPDX-License-Identifier: Apache-2.0
// Ports on the wire, OpenFlow 1.0 (sections 5.2.1, 5.3.3, 5.3.5) and 1.3 (7.2.1, 7.3.4.3, 7.3.5.6).
//
// Used by features.c, stats_port.c and connmgr.c. Any thread; pure.

#include "slowpath/openflow/port.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"

#define FEATURES_BOTH 0x7fu // equal in all versions
#define OFPPC13_ALL (OFPPC_PORT_DOWN | OFPPC_NO_RECV | OFPPC_NO_FWD | OFPPC_NO_PACKET_IN)
#define OFPPC10_ALL (OFPPC13_ALL | OFPPC10_NO_STP | OFPPC10_NO_RECV_STP | OFPPC10_NO_FLOOD)
#define FEATURES10_ALL 0xfffu
#define FEATURES13_ALL 0xffffu

uint32_t of_features_to10(uint32_t f)
{
    return (f & FEATURES_BOTH) | (f >> 4 & 0xf80);
}

uint32_t of_features_from10(uint32_t f)
{
    return (f & FEATURES_BOTH) | (f & 0xf80) << 4;
}

static void put10(struct buf *b, const struct of_port *p)
{
    struct ofp10_port *w = buf_put_zeros(b, sizeof(*w));
    w->port_no = htons(of_port_to10(p->number));
    w->hw_addr = p->hw_addr;
    str_copy(w->name, sizeof(w->name), p->name);
    w->config = htonl(p->config & OFPPC10_ALL);
    w->state = htonl(p->state & OFPPS_LINK_DOWN);
    w->curr = htonl(of_features_to10(p->curr));
    w->advertised = htonl(of_features_to10(p->advertised));
    w->supported = htonl(of_features_to10(p->supported));
    w->peer = htonl(of_features_to10(p->peer));
}

void of_port_put(struct buf *b, uint8_t version, const struct of_port *p)
{
    if (version <= OF10) {
        put10(b, p);
        return;
    }
    struct ofp13_port *w = buf_put_zeros(b, sizeof(*w));
    w->port_no = htonl(p->number);
    w->hw_addr = p->hw_addr;
    str_copy(w->name, sizeof(w->name), p->name);
    w->config = htonl(p->config & OFPPC13_ALL);
    w->state = htonl(p->state);
    w->curr = htonl(p->curr);
    w->advertised = htonl(p->advertised);
    w->supported = htonl(p->supported);
    w->peer = htonl(p->peer);
    w->curr_speed = htonl(p->curr_kbps);
    w->max_speed = htonl(p->max_kbps);
}

void of_port_stats_put(struct buf *b, uint8_t version, ofp_port_t port,
                       const struct of_port_stats *s)
{
    if (version <= OF10) {
        buf_put_be16(b, of_port_to10(port));
        buf_put_zeros(b, 6);
    } else {
        buf_put_be32(b, port);
        buf_put_zeros(b, 4);
    }
    struct ofp_port_counters *w = buf_put_zeros(b, sizeof(*w));
    w->rx_packets = htonll(s->rx_packets);
    w->tx_packets = htonll(s->tx_packets);
    w->rx_bytes = htonll(s->rx_bytes);
    w->tx_bytes = htonll(s->tx_bytes);
    w->rx_dropped = htonll(s->rx_dropped);
    w->tx_dropped = htonll(s->tx_dropped);
    w->rx_errors = htonll(s->rx_errors);
    w->tx_errors = htonll(s->tx_errors);
    w->rx_frame_err = htonll(s->rx_frame_err);
    w->rx_over_err = htonll(s->rx_over_err);
    w->rx_crc_err = htonll(s->rx_crc_err);
    w->collisions = htonll(s->collisions);
    if (version >= OF13) {
        buf_put_be32(b, (uint32_t)(s->alive / NSEC_PER_SEC));
        buf_put_be32(b, (uint32_t)(s->alive % NSEC_PER_SEC));
    }
}

enum of_error of_port_mod_get(const struct of_msg *m, struct of_port_mod *ret)
{
    struct of_port_mod mod = {0};
    uint32_t config_known, features_known;
    if (m->version <= OF10) {
        struct ofp10_port_mod w;
        memcpy(&w, m->body, sizeof(w));
        mod.port = of_port_from10(ntohs(w.port_no));
        mod.hw_addr = w.hw_addr;
        mod.config = ntohl(w.config);
        mod.mask = ntohl(w.mask);
        config_known = OFPPC10_ALL;
        features_known = FEATURES10_ALL;
        mod.advertise = ntohl(w.advertise);
        if (!(mod.advertise & ~features_known))
            mod.advertise = of_features_from10(mod.advertise);
    } else {
        struct ofp13_port_mod w;
        memcpy(&w, m->body, sizeof(w));
        mod.port = ntohl(w.port_no);
        mod.hw_addr = w.hw_addr;
        mod.config = ntohl(w.config);
        mod.mask = ntohl(w.mask);
        mod.advertise = ntohl(w.advertise);
        config_known = OFPPC13_ALL;
        features_known = FEATURES13_ALL;
    }
    // 1.0 has no error for unknown bits and says nothing; they are ignored there.
    if (m->version >= OF13 && mod.mask & ~config_known)
        return OFPPMFC_BAD_CONFIG;
    if (m->version >= OF13 && mod.advertise & ~features_known)
        return OFPPMFC_BAD_ADVERTISE;
    mod.mask &= config_known;
    mod.config &= mod.mask;
    *ret = mod;
    return OF_OK;
}

void of_port_status_put(struct buf *b, uint8_t version, uint8_t reason, const struct of_port *p)
{
    size_t start = of_msg_start(b, version, OFPT_PORT_STATUS, 0);
    buf_put_u8(b, reason);
    buf_put_zeros(b, 7);
    of_port_put(b, version, p);
    of_msg_finish(b, start);
}
