// SPDX-License-Identifier: Apache-2.0
// What a connection is told unasked, and in which form: asynchronous configuration (OpenFlow 1.3.5
// section 7.3.10 and its Nicira twin), packet-in and flow formats, controller ids.
//
// Defaults are the specification's for controllers. A service connection has the same masks, but
// gets nothing before it has asked: by an asynchronous configuration or by a miss_send_len above
// zero. Loop's thread.

#include <string.h>

#include "slowpath/openflow/conn.h"

#define BIT(n) (1u << (n))

void conn_async_defaults(struct of_conn *c)
{
    uint32_t port = BIT(OFPPR_ADD) | BIT(OFPPR_DELETE) | BIT(OFPPR_MODIFY);
    c->async[ASYNC_PACKET_IN][0] = BIT(OFPR_NO_MATCH) | BIT(OFPR_ACTION);
    c->async[ASYNC_PORT_STATUS][0] = c->async[ASYNC_PORT_STATUS][1] = port;
    c->async[ASYNC_FLOW_REMOVED][0] =
        BIT(OFPRR_IDLE_TIMEOUT) | BIT(OFPRR_HARD_TIMEOUT) | BIT(OFPRR_DELETE);
    if (c->version >= OF13)
        c->async[ASYNC_FLOW_REMOVED][0] |= BIT(OFPRR_GROUP_DELETE);
    c->miss_send_len = c->controller ? OFP_DEFAULT_MISS_SEND_LEN : 0;
}

bool conn_wants(const struct of_conn *c, enum of_async what, uint8_t reason)
{
    if (c->closing || !c->version || reason > 31 || !c->wants_async)
        return false;
    return c->async[what][c->role == OFPCR_SLAVE] & BIT(reason);
}

enum of_error handle_set_async(struct of_conn *c, const struct of_msg *m)
{
    struct ofp_async_config w;
    memcpy(&w, m->body, sizeof(w));
    for (int i = 0; i < 2; i++) {
        c->async[ASYNC_PACKET_IN][i] = ntohl(w.packet_in[i]);
        c->async[ASYNC_PORT_STATUS][i] = ntohl(w.port_status[i]);
        c->async[ASYNC_FLOW_REMOVED][i] = ntohl(w.flow_removed[i]);
    }
    c->wants_async = true;
    if (!c->controller && !c->miss_send_len)
        c->miss_send_len = OFP_DEFAULT_MISS_SEND_LEN;
    connmgr_wants_changed(c->mgr);
    return OF_OK;
}

enum of_error handle_get_async(struct of_conn *c, const struct of_msg *m)
{
    struct ofp_async_config w;
    for (int i = 0; i < 2; i++) {
        w.packet_in[i] = htonl(c->async[ASYNC_PACKET_IN][i]);
        w.port_status[i] = htonl(c->async[ASYNC_PORT_STATUS][i]);
        w.flow_removed[i] = htonl(c->async[ASYNC_FLOW_REMOVED][i]);
    }
    size_t start = of_msg_start(&c->out, c->version, OFPT13_GET_ASYNC_REPLY, m->header->xid);
    buf_put(&c->out, &w, sizeof(w));
    of_msg_finish(&c->out, start);
    return OF_OK;
}

static uint32_t number(const struct of_msg *m)
{
    be32_t w;
    memcpy(&w, m->body, sizeof(w));
    return ntohl(w);
}

enum of_error handle_flow_format(struct of_conn *c, const struct of_msg *m)
{
    uint32_t format = number(m);
    if (c->version > OF10)
        return OFPBRC_BAD_SUBTYPE;
    if (format != NXFF_OPENFLOW10 && format != NXFF_NXM)
        return OFPBRC_EPERM;
    c->nxm = format == NXFF_NXM;
    return OF_OK;
}

enum of_error handle_table_id(struct of_conn *c, const struct of_msg *m)
{
    c->table_in_command = m->body[0] != 0;
    return OF_OK;
}

enum of_error handle_packet_in_format(struct of_conn *c, const struct of_msg *m)
{
    uint32_t format = number(m);
    if (format > NXPIF_NXT_PACKET_IN2)
        return OFPBRC_EPERM;
    c->packet_in_format = (uint8_t)format;
    return OF_OK;
}

enum of_error handle_controller_id(struct of_conn *c, const struct of_msg *m)
{
    static const uint8_t zero[6];
    if (memcmp(m->body, zero, sizeof(zero)))
        return NXBRC_MUST_BE_ZERO;
    c->controller_id = (uint16_t)(m->body[6] << 8 | m->body[7]);
    connmgr_wants_changed(c->mgr);
    return OF_OK;
}

// Asks for idle and hard ages in NXST_FLOW replies, which always have them.
enum of_error handle_flow_age(struct of_conn *c, const struct of_msg *m)
{
    return OF_OK;
}
