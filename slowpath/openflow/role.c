// SPDX-License-Identifier: Apache-2.0
// Controller roles: OpenFlow 1.3.5 section 6.3.5, and Nicira's request with the same meaning.
//
// At most one connection is master: who becomes it makes the former one a slave. A request for
// master or slave carries a generation id, and one older than the newest seen is stale. Loop's
// thread.

#include <string.h>

#include <utlist.h>

#include "slowpath/openflow/conn.h"

static void set_role(struct of_conn *c, uint32_t role)
{
    struct of_conn *other;
    if (role == OFPCR_MASTER) {
        DL_FOREACH (c->mgr->conns, other) {
            if (other->role == OFPCR_MASTER)
                other->role = OFPCR_SLAVE;
        }
    }
    c->role = role;
    connmgr_status_changed(c->mgr);
    connmgr_wants_changed(c->mgr);
}

enum of_error handle_role(struct of_conn *c, const struct of_msg *m)
{
    struct connmgr *mgr = c->mgr;
    struct ofp13_role_request w;
    memcpy(&w, m->body, sizeof(w));
    uint32_t role = ntohl(w.role);
    uint64_t generation = ntohll(w.generation_id);
    if (role > OFPCR_SLAVE)
        return OFPRRFC_BAD_ROLE;
    if (role == OFPCR_MASTER || role == OFPCR_SLAVE) {
        if (mgr->have_generation && (int64_t)(generation - mgr->generation) < 0)
            return OFPRRFC_STALE;
        mgr->have_generation = true;
        mgr->generation = generation;
    }
    if (role != OFPCR_NOCHANGE)
        set_role(c, role);
    struct ofp13_role_request reply = {
        .role = htonl(c->role),
        .generation_id = htonll(mgr->have_generation ? mgr->generation : UINT64_MAX),
    };
    size_t start = of_msg_start(&c->out, c->version, OFPT13_ROLE_REPLY, m->header->xid);
    buf_put(&c->out, &reply, sizeof(reply));
    of_msg_finish(&c->out, start);
    return OF_OK;
}

enum of_error handle_nx_role(struct of_conn *c, const struct of_msg *m)
{
    be32_t w;
    memcpy(&w, m->body, sizeof(w));
    uint32_t role = ntohl(w) + OFPCR_EQUAL; // its numbers lack "no change"
    if (ntohl(w) > OFPCR_SLAVE - OFPCR_EQUAL)
        return OFPRRFC_BAD_ROLE;
    set_role(c, role);
    size_t start = of_msg_start_nxt(&c->out, c->version, NXT_ROLE_REPLY, m->header->xid);
    buf_put(&c->out, &w, sizeof(w));
    of_msg_finish(&c->out, start);
    return OF_OK;
}
