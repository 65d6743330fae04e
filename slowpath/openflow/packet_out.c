// SPDX-License-Identifier: Apache-2.0
// Packet-outs: decoded and checked here, run by the bridge's owner. Loop's thread.

#include <string.h>

#include "lib/flow/packet.h"
#include "slowpath/openflow/actions.h"
#include "slowpath/openflow/conn.h"

#define ETH_HEADER_LEN 14

static bool in_port_ok(ofp_port_t port)
{
    return port < OFPP_MAX_PORT || port == OFPP_LOCAL || port == OFPP_NONE ||
           port == OFPP_CONTROLLER;
}

enum of_error handle_packet_out(struct of_conn *c, const struct of_msg *m)
{
    struct reader r = reader_of(m->body, m->body_len);
    uint32_t buffer = reader_be32(&r);
    struct of_packet_out po;
    size_t actions_len;
    if (m->version <= OF10) {
        po.in_port = of_port_from10(reader_be16(&r));
        actions_len = reader_be16(&r);
    } else {
        po.in_port = reader_be32(&r);
        actions_len = reader_be16(&r);
        reader_skip(&r, 6);
    }
    const uint8_t *actions = reader_get(&r, actions_len);
    if (!reader_ok(&r))
        return OFPBRC_BAD_LEN;
    if (!of_port_valid(po.in_port) || !in_port_ok(po.in_port))
        return OFPBRC_BAD_PORT;
    if (buffer != OFP_NO_BUFFER)
        return OFPBRC_BUFFER_UNKNOWN;

    struct ofpact_list list;
    ofpact_list_init(&list);
    enum of_error e = of_actions_get(actions, actions_len, m->version, &list);
    if (!e)
        e = of_error_from_ofpact(ofpact_list_check(&list, NULL, 0, false, NULL));
    if (!e && r.left < ETH_HEADER_LEN)
        e = OFPBRC_BAD_PACKET;
    if (!e) {
        po.actions = &list;
        po.packet = packet_from(r.data, (uint32_t)r.left);
        c->mgr->ops->packet_out(c->mgr->aux, &po);
    }
    ofpact_list_done(&list);
    return e;
}
