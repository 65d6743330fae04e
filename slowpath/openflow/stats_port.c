// SPDX-License-Identifier: Apache-2.0
// What is asked about ports: descriptions, counters, queues; and changing them.
//
// The bridge's owner knows ports (bridge_ops.h). There are no queues: every port has an empty set.
// Loop's thread.

#include <string.h>

#include "slowpath/openflow/conn.h"

struct each {
    struct of_conn *c;
    struct of_reply r;
};

static void desc_one(void *aux, const struct of_port *port)
{
    struct each *e = aux;
    size_t entry = e->c->out.size;
    of_port_put(&e->c->out, e->c->version, port);
    of_reply_commit(&e->r, entry);
}

enum of_error handle_port_desc(struct of_conn *c, const struct of_msg *m)
{
    struct each e = {.c = c};
    of_reply_begin(&e.r, &c->out, m);
    c->mgr->ops->ports_each(c->mgr->aux, desc_one, &e);
    of_reply_end(&e.r);
    return OF_OK;
}

static void stats_one(void *aux, const struct of_port *port)
{
    struct each *e = aux;
    struct of_port_stats s;
    if (!e->c->mgr->ops->port_stats(e->c->mgr->aux, port->number, &s))
        return;
    size_t entry = e->c->out.size;
    of_port_stats_put(&e->c->out, e->c->version, port->number, &s);
    of_reply_commit(&e->r, entry);
}

// The port number that starts the bodies of port and queue requests.
static ofp_port_t requested_port(const struct of_msg *m)
{
    if (m->version <= OF10)
        return of_port_from10((uint16_t)(m->body[0] << 8 | m->body[1]));
    be32_t port;
    memcpy(&port, m->body, 4);
    return ntohl(port);
}

enum of_error handle_port_stats(struct of_conn *c, const struct of_msg *m)
{
    ofp_port_t port = requested_port(m);
    struct each e = {.c = c};
    struct of_port one;
    // 1.0 and 1.3 have no error for a port that isn't there: nothing is told of it.
    of_reply_begin(&e.r, &c->out, m);
    if (port == OFPP_NONE)
        c->mgr->ops->ports_each(c->mgr->aux, stats_one, &e);
    else if (c->mgr->ops->port_get(c->mgr->aux, port, &one))
        stats_one(&e, &one);
    of_reply_end(&e.r);
    return OF_OK;
}

enum of_error handle_port_mod(struct of_conn *c, const struct of_msg *m)
{
    const struct of_bridge_ops *ops = c->mgr->ops;
    struct of_port_mod mod;
    struct of_port port;
    enum of_error e = of_port_mod_get(m, &mod);
    if (e)
        return e;
    if (!ops->port_get(c->mgr->aux, mod.port, &port))
        return OFPPMFC_BAD_PORT;
    if (memcmp(&port.hw_addr, &mod.hw_addr, sizeof(port.hw_addr)))
        return OFPPMFC_BAD_HW_ADDR;
    if (ops->port_mod)
        ops->port_mod(c->mgr->aux, &mod);
    return OF_OK;
}

enum of_error handle_queue_stats(struct of_conn *c, const struct of_msg *m)
{
    ofp_port_t port = requested_port(m);
    be32_t queue;
    memcpy(&queue, m->body + 4, 4);
    bool every_port = port == (m->version <= OF10 ? OFPP_ALL : OFPP_NONE);
    struct of_port one;
    if (!every_port && !c->mgr->ops->port_get(c->mgr->aux, port, &one))
        return OFPQOFC_BAD_PORT;
    if (ntohl(queue) != UINT32_MAX)
        return OFPQOFC_BAD_QUEUE;
    struct of_reply r;
    of_reply_begin(&r, &c->out, m);
    of_reply_end(&r);
    return OF_OK;
}

enum of_error handle_queue_config(struct of_conn *c, const struct of_msg *m)
{
    ofp_port_t port = requested_port(m);
    struct of_port one;
    bool every_port = m->version >= OF13 && port == OFPP_NONE;
    if (!every_port && !c->mgr->ops->port_get(c->mgr->aux, port, &one))
        return OFPQOFC_BAD_PORT;
    bool v10 = m->version <= OF10;
    size_t start = of_msg_start(&c->out, c->version,
                                v10 ? OFPT10_QUEUE_GET_CONFIG_REPLY : OFPT13_QUEUE_GET_CONFIG_REPLY,
                                m->header->xid);
    if (v10)
        buf_put_be16(&c->out, of_port_to10(port));
    else
        buf_put_be32(&c->out, port);
    buf_put_zeros(&c->out, v10 ? 6 : 4);
    of_msg_finish(&c->out, start);
    return OF_OK;
}
