// SPDX-License-Identifier: Apache-2.0
// Who the switch is: features, configuration, description.
//
// Buffers are not offered (n_buffers is 0): packet-ins carry the packet. Loop's thread.

#include <string.h>

#include "slowpath/openflow/actions.h"
#include "slowpath/openflow/conn.h"
#include "slowpath/pipeline/pipeline.h"

struct put_port {
    struct buf *b;
    uint8_t version;
};

static void put_port(void *aux, const struct of_port *port)
{
    struct put_port *p = aux;
    of_port_put(p->b, p->version, port);
}

enum of_error handle_features(struct of_conn *c, const struct of_msg *m)
{
    struct connmgr *mgr = c->mgr;
    struct ofp_switch_features f = {
        .datapath_id = htonll(mgr->ops->datapath_id(mgr->aux)),
        .n_tables = PIPELINE_TABLES,
    };
    uint32_t caps = OFPC_FLOW_STATS | OFPC_TABLE_STATS | OFPC_PORT_STATS;
    if (c->version <= OF10) {
        caps |= OFPC10_ARP_MATCH_IP;
        f.actions = htonl(of_actions_supported(c->version));
    }
    f.capabilities = htonl(caps);
    size_t start = of_msg_start(&c->out, c->version, OFPT_FEATURES_REPLY, m->header->xid);
    buf_put(&c->out, &f, sizeof(f));
    if (c->version <= OF10) {
        // Ports that don't fit the message are left out here; OFPST_PORT_DESC tells them all.
        struct put_port p = {&c->out, c->version};
        mgr->ops->ports_each(mgr->aux, put_port, &p);
        size_t most =
            (OFP_MAX_LEN - 32) / sizeof(struct ofp10_port) * sizeof(struct ofp10_port) + 32;
        if (c->out.size - start > most)
            buf_trim(&c->out, start + most);
    }
    of_msg_finish(&c->out, start);
    return OF_OK;
}

enum of_error handle_get_config(struct of_conn *c, const struct of_msg *m)
{
    const struct of_bridge_ops *ops = c->mgr->ops;
    unsigned frags = ops->frags_get ? ops->frags_get(c->mgr->aux) : 0;
    size_t start = of_msg_start(&c->out, c->version, OFPT_GET_CONFIG_REPLY, m->header->xid);
    buf_put_be16(&c->out, (uint16_t)(frags & OFPC_FRAG_MASK));
    buf_put_be16(&c->out, c->miss_send_len);
    of_msg_finish(&c->out, start);
    return OF_OK;
}

enum of_error handle_set_config(struct of_conn *c, const struct of_msg *m)
{
    const struct of_bridge_ops *ops = c->mgr->ops;
    struct ofp_switch_config w;
    memcpy(&w, m->body, sizeof(w));
    unsigned flags = ntohs(w.flags), frags = flags & OFPC_FRAG_MASK;
    unsigned now = ops->frags_get ? ops->frags_get(c->mgr->aux) : 0;
    if (flags & ~(unsigned)(OFPC_FRAG_MASK | OFPC_INVALID_TTL_TO_CONTROLLER))
        return OFPSCFC_BAD_FLAGS;
    // A slave sets what concerns its connection only.
    if (frags != now && c->role != OFPCR_SLAVE &&
        (!ops->frags_set || ops->frags_set(c->mgr->aux, frags)))
        return OFPSCFC_BAD_FLAGS;
    c->miss_send_len = ntohs(w.miss_send_len);
    c->wants_async |= c->miss_send_len > 0;
    connmgr_wants_changed(c->mgr);
    return OF_OK;
}

static void put_text(char *dst, size_t size, const char *text)
{
    if (text)
        strncpy(dst, text, size - 1); // the rest is zero already
}

enum of_error handle_desc(struct of_conn *c, const struct of_msg *m)
{
    struct of_description d = {"Sluice", "Sluice", SLUICE_VERSION, "None", "None"};
    if (c->mgr->ops->describe)
        c->mgr->ops->describe(c->mgr->aux, &d);
    struct of_reply r;
    of_reply_begin(&r, &c->out, m);
    size_t entry = c->out.size;
    struct ofp_desc_stats *w = buf_put_zeros(&c->out, sizeof(*w));
    put_text(w->mfr, sizeof(w->mfr), d.manufacturer);
    put_text(w->hw, sizeof(w->hw), d.hardware);
    put_text(w->sw, sizeof(w->sw), d.software);
    put_text(w->serial, sizeof(w->serial), d.serial);
    put_text(w->dp, sizeof(w->dp), d.datapath);
    of_reply_commit(&r, entry);
    of_reply_end(&r);
    return OF_OK;
}

// Tunnel options mapped to fields: none, and no room for any.
enum of_error handle_tlv_table(struct of_conn *c, const struct of_msg *m)
{
    size_t start = of_msg_start_nxt(&c->out, c->version, NXT_TLV_TABLE_REPLY, m->header->xid);
    buf_put_zeros(&c->out, 16); // option space, fields, reserved
    of_msg_finish(&c->out, start);
    return OF_OK;
}
