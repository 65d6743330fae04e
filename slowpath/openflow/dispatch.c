// SPDX-License-Identifier: Apache-2.0
// From a message's number to its handler: the tables of what this agent understands.
//
// A row says which bodies are well-formed (length, step) and who may send it; what has no row is
// answered as unknown. Handlers stand in the file of their family. conn.c calls conn_dispatch() in
// the order of arrival. Loop's thread.

#include "lib/base/log.h"
#include "slowpath/openflow/conn.h"

LOG_MODULE(openflow_dispatch);

enum {
    MODIFIES = 1 << 0, // not as slave
    QUIET = 1 << 1,    // answers nothing, not even wrong lengths
};

struct entry {
    of_handler *handle; // NULL: unknown
    uint16_t min;       // bytes of body
    uint8_t step;       // 0: exactly `min`; else `min` and any multiple of it
    uint8_t flags;
};

static enum of_error ignore(struct of_conn *c, const struct of_msg *m)
{
    return OF_OK;
}

static enum of_error handle_error(struct of_conn *c, const struct of_msg *m)
{
    static struct log_limit limit = LOG_LIMIT(10, 5);
    if (m->body_len >= 4)
        log_info_rl(&limit, "%s: the peer reports error %u,%u", stream_name(c->stream),
                    m->body[0] << 8 | m->body[1], m->body[2] << 8 | m->body[3]);
    return OF_OK;
}

#define COMMON                                                                                     \
    [OFPT_HELLO] = {ignore, 0, 1, QUIET}, [OFPT_ERROR] = {handle_error, 0, 1, QUIET},              \
    [OFPT_ECHO_REQUEST] = {handle_echo_request, 0, 1, 0},                                          \
    [OFPT_ECHO_REPLY] = {ignore, 0, 1, QUIET},                                                     \
    [OFPT_FEATURES_REQUEST] = {handle_features, 0, 0, 0},                                          \
    [OFPT_GET_CONFIG_REQUEST] = {handle_get_config, 0, 0, 0},                                      \
    [OFPT_SET_CONFIG] = {handle_set_config, 4, 0, 0}

static const struct entry plain10[] = {
    COMMON,
    [OFPT_PACKET_OUT] = {handle_packet_out, 8, 1, MODIFIES},
    [OFPT_FLOW_MOD] = {handle_flow_mod, 64, 8, MODIFIES},
    [OFPT10_PORT_MOD] = {handle_port_mod, 24, 0, MODIFIES},
    [OFPT10_BARRIER_REQUEST] = {handle_barrier, 0, 0, 0},
    [OFPT10_QUEUE_GET_CONFIG_REQUEST] = {handle_queue_config, 4, 0, 0},
};

static const struct entry plain13[] = {
    COMMON,
    [OFPT_PACKET_OUT] = {handle_packet_out, 16, 1, MODIFIES},
    [OFPT_FLOW_MOD] = {handle_flow_mod, 48, 8, MODIFIES},
    [OFPT13_GROUP_MOD] = {handle_group_mod, 8, 8, MODIFIES},
    [OFPT13_PORT_MOD] = {handle_port_mod, 32, 0, MODIFIES},
    [OFPT13_TABLE_MOD] = {handle_table_mod, 8, 0, MODIFIES},
    [OFPT13_BARRIER_REQUEST] = {handle_barrier, 0, 0, 0},
    [OFPT13_QUEUE_GET_CONFIG_REQUEST] = {handle_queue_config, 8, 0, 0},
    [OFPT13_ROLE_REQUEST] = {handle_role, 16, 0, 0},
    [OFPT13_GET_ASYNC_REQUEST] = {handle_get_async, 0, 0, 0},
    [OFPT13_SET_ASYNC] = {handle_set_async, 24, 0, 0},
    [OFPT13_METER_MOD] = {handle_meter_mod, 8, 8, MODIFIES},
};

static const struct entry nicira[] = {
    [NXT_ROLE_REQUEST] = {handle_nx_role, 4, 0, 0},
    [NXT_SET_FLOW_FORMAT] = {handle_flow_format, 4, 0, 0},
    [NXT_FLOW_MOD] = {handle_flow_mod, 32, 8, MODIFIES},
    [NXT_FLOW_MOD_TABLE_ID] = {handle_table_id, 8, 0, 0},
    [NXT_SET_PACKET_IN_FORMAT] = {handle_packet_in_format, 4, 0, 0},
    [NXT_FLOW_AGE] = {handle_flow_age, 0, 0, 0},
    [NXT_SET_ASYNC_CONFIG] = {handle_set_async, 24, 0, 0},
    [NXT_SET_CONTROLLER_ID] = {handle_controller_id, 8, 0, 0},
    [NXT_TLV_TABLE_REQUEST] = {handle_tlv_table, 0, 0, 0},
    [NXT_GROUP_MOD] = {handle_group_mod, 16, 8, MODIFIES},
};

static const struct entry stats10[] = {
    [OFPST_DESC] = {handle_desc, 0, 0, 0},
    [OFPST_FLOW] = {handle_flow_stats, 44, 0, 0},
    [OFPST_AGGREGATE] = {handle_aggregate, 44, 0, 0},
    [OFPST_TABLE] = {handle_table_stats, 0, 0, 0},
    [OFPST_PORT] = {handle_port_stats, 8, 0, 0},
    [OFPST_QUEUE] = {handle_queue_stats, 8, 0, 0},
    [OFPST_PORT_DESC] = {handle_port_desc, 0, 0, 0},
};

static const struct entry stats13[] = {
    [OFPST_DESC] = {handle_desc, 0, 0, 0},
    [OFPST_FLOW] = {handle_flow_stats, 40, 8, 0},
    [OFPST_AGGREGATE] = {handle_aggregate, 40, 8, 0},
    [OFPST_TABLE] = {handle_table_stats, 0, 0, 0},
    [OFPST_PORT] = {handle_port_stats, 8, 0, 0},
    [OFPST_QUEUE] = {handle_queue_stats, 8, 0, 0},
    [OFPST13_GROUP] = {handle_group_stats, 8, 0, 0},
    [OFPST13_GROUP_DESC] = {handle_group_desc, 0, 0, 0},
    [OFPST13_GROUP_FEATURES] = {handle_group_features, 0, 0, 0},
    [OFPST13_METER] = {handle_meter_stats, 8, 0, 0},
    [OFPST13_METER_CONFIG] = {handle_meter_stats, 8, 0, 0},
    [OFPST13_METER_FEATURES] = {handle_meter_features, 0, 0, 0},
    [OFPST13_TABLE_FEATURES] = {handle_table_features, 0, 8, 0},
    [OFPST_PORT_DESC] = {handle_port_desc, 0, 0, 0},
};

static const struct entry nicira_stats[] = {
    // 1.0 only
    [NXST_FLOW] = {handle_flow_stats, 8, 8, 0},
    [NXST_AGGREGATE] = {handle_aggregate, 8, 8, 0},
    [NXST_GROUP] = {handle_group_stats, 8, 0, 0},
    [NXST_GROUP_DESC] = {handle_group_desc, 8, 0, 0},
    [NXST_GROUP_FEATURES] = {handle_group_features, 0, 0, 0},
};

#define TABLE(t)                                                                                   \
    (struct table)                                                                                 \
    {                                                                                              \
        t, ARRAY_SIZE(t)                                                                           \
    }
struct table {
    const struct entry *rows;
    size_t n;
};

static const struct entry *find(const struct of_msg *m, enum of_error *ret_unknown)
{
    bool v10 = m->version <= OF10;
    struct table t;
    switch (m->kind) {
    case OF_MSG_PLAIN:
        t = v10 ? TABLE(plain10) : TABLE(plain13);
        *ret_unknown = OFPBRC_BAD_TYPE;
        break;
    case OF_MSG_NXT:
        t = TABLE(nicira);
        *ret_unknown = OFPBRC_BAD_SUBTYPE;
        break;
    case OF_MSG_STATS:
        t = v10 ? TABLE(stats10) : TABLE(stats13);
        *ret_unknown = OFPBRC_BAD_STAT;
        break;
    default:
        t = v10 ? TABLE(nicira_stats) : (struct table){NULL, 0};
        *ret_unknown = OFPBRC_BAD_SUBTYPE;
    }
    return m->number < t.n && t.rows[m->number].handle ? &t.rows[m->number] : NULL;
}

static bool length_ok(const struct entry *e, size_t n)
{
    return e->step ? n >= e->min && (n - e->min) % e->step == 0 : n == e->min;
}

// Requests may span several messages only where that makes sense, which is here nowhere.
static bool is_part(const struct of_msg *m)
{
    return (m->kind == OF_MSG_STATS || m->kind == OF_MSG_NXST) && m->version >= OF13 &&
           m->stats_flags & OFPMPF_REQ_MORE;
}

void conn_dispatch(struct of_conn *c, const struct ofp_header *h)
{
    struct of_msg m;
    size_t before = c->out.size;
    enum of_error err = of_msg_parse(h, &m);
    const struct entry *e = NULL;
    if (!err) {
        e = find(&m, &err);
        if (e)
            err = OF_OK;
    }
    if (!err && is_part(&m))
        err = OFPBRC_MULTIPART_BUFFER_OVERFLOW;
    if (!err && !length_ok(e, m.body_len))
        err = OFPBRC_BAD_LEN;
    if (!err && e->flags & MODIFIES && c->role == OFPCR_SLAVE)
        err = OFPBRC_IS_SLAVE;
    if (!err)
        err = e->handle(c, &m);
    if (!err || (e && e->flags & QUIET) || c->closing)
        return;
    buf_trim(&c->out, before); // an error is the only answer
    log_dbg("%s: %s for type %u, xid 0x%x", stream_name(c->stream), of_error_name(err), h->type,
            ntohl(h->xid));
    of_error_put(&c->out, c->version, err, h, m.len, NULL);
}
