// SPDX-License-Identifier: Apache-2.0
// Groups and meters, of which there are none: asked about, an empty set; asked for, the error that
// says so. Loop's thread.

#include <string.h>

#include "slowpath/openflow/conn.h"

enum { OFPGC_ADD, OFPGC_MODIFY, OFPGC_DELETE };
enum { OFPMC_ADD, OFPMC_MODIFY, OFPMC_DELETE };
#define OFPM_ALL UINT32_MAX

enum of_error handle_group_mod(struct of_conn *c, const struct of_msg *m)
{
    uint16_t command = (uint16_t)(m->body[0] << 8 | m->body[1]);
    switch (command) {
    case OFPGC_ADD:
        return OFPGMFC_OUT_OF_GROUPS;
    case OFPGC_MODIFY:
        return OFPGMFC_UNKNOWN_GROUP;
    case OFPGC_DELETE: // of what isn't there: no error, says section 6.7
        return OF_OK;
    default:
        return OFPGMFC_BAD_COMMAND;
    }
}

static enum of_error empty(struct of_conn *c, const struct of_msg *m)
{
    struct of_reply r;
    of_reply_begin(&r, &c->out, m);
    of_reply_end(&r);
    return OF_OK;
}

enum of_error handle_group_desc(struct of_conn *c, const struct of_msg *m)
{
    return empty(c, m);
}

enum of_error handle_group_stats(struct of_conn *c, const struct of_msg *m)
{
    return empty(c, m);
}

static enum of_error zeros(struct of_conn *c, const struct of_msg *m, size_t n)
{
    struct of_reply r;
    of_reply_begin(&r, &c->out, m);
    size_t entry = c->out.size;
    buf_put_zeros(&c->out, n);
    of_reply_commit(&r, entry);
    of_reply_end(&r);
    return OF_OK;
}

enum of_error handle_group_features(struct of_conn *c, const struct of_msg *m)
{
    return zeros(c, m, 40); // no types, no groups
}

enum of_error handle_meter_mod(struct of_conn *c, const struct of_msg *m)
{
    uint16_t command = (uint16_t)(m->body[0] << 8 | m->body[1]);
    switch (command) {
    case OFPMC_ADD:
        return OFPMMFC_OUT_OF_METERS;
    case OFPMC_MODIFY:
        return OFPMMFC_UNKNOWN_METER;
    case OFPMC_DELETE:
        return OF_OK;
    default:
        return OFPMMFC_BAD_COMMAND;
    }
}

enum of_error handle_meter_stats(struct of_conn *c, const struct of_msg *m)
{
    be32_t id;
    memcpy(&id, m->body, sizeof(id));
    return ntohl(id) == OFPM_ALL ? empty(c, m) : OFPMMFC_UNKNOWN_METER;
}

enum of_error handle_meter_features(struct of_conn *c, const struct of_msg *m)
{
    return zeros(c, m, 16);
}
