// SPDX-License-Identifier: Apache-2.0
// Flow modifications on the wire: three layouts, one struct flow_mod.
//
// They differ in more than layout. 1.0 (and its Nicira form) lets modify add what it doesn't find,
// resets counters on every add, changes cookies on modify, and hides the table in the command's
// high byte if the client asked for that. 1.3 filters by cookie and never adds on modify. Buffers
// are not offered, so that naming one is an error. Called for every flow of a bulk load: no
// allocation but the action list's. Pure.

#include "slowpath/openflow/flow_mod.h"

#include <string.h>

#include "slowpath/openflow/actions.h"

#define FLAGS10 (OFPFF_SEND_FLOW_REM | OFPFF_CHECK_OVERLAP | OFPFF10_EMERG)
#define FLAGS13                                                                                    \
    (OFPFF_SEND_FLOW_REM | OFPFF_CHECK_OVERLAP | OFPFF13_RESET_COUNTS | OFPFF13_NO_PKT_COUNTS |    \
     OFPFF13_NO_BYT_COUNTS)
#define NO_COOKIE UINT64_MAX // in modify of 1.0: leave the cookie

_Static_assert(FLOW_ADD == (int)OFPFC_ADD && FLOW_DELETE_STRICT == (int)OFPFC_DELETE_STRICT,
               "commands are the wire's");
_Static_assert(RULE_SEND_FLOW_REM == (int)OFPFF_SEND_FLOW_REM &&
                   FLOW_CHECK_OVERLAP == (int)OFPFF_CHECK_OVERLAP &&
                   FLOW_RESET_COUNTS == (int)OFPFF13_RESET_COUNTS &&
                   RULE_NO_PKT_COUNTS == (int)OFPFF13_NO_PKT_COUNTS &&
                   RULE_NO_BYT_COUNTS == (int)OFPFF13_NO_BYT_COUNTS,
               "flags are 1.3's");

// The filter by output port is for deletes; a number there means nothing elsewhere.
static bool deletes(const struct flow_mod *fm)
{
    return fm->command == FLOW_DELETE || fm->command == FLOW_DELETE_STRICT;
}

// What the two layouts of 1.0 share, from the command on.
static enum of_error set_common10(struct flow_mod *fm, uint16_t command, uint16_t flags,
                                  bool table_in_command)
{
    fm->table = TABLE_ALL;
    if (table_in_command) {
        fm->table = (uint8_t)(command >> 8);
        command &= 0xff;
    }
    if (command > OFPFC_DELETE_STRICT)
        return OFPFMFC_BAD_COMMAND;
    fm->command = command;
    if (flags & ~FLAGS10)
        return OFPFMFC_BAD_FLAGS;
    if (flags & OFPFF10_EMERG) // there is no emergency flow table: as if it had no room
        return fm->idle_timeout || fm->hard_timeout ? OFPFMFC_BAD_EMERG_TIMEOUT
                                                    : OFPFMFC_TABLE_FULL;
    fm->flags = flags;
    if (command == OFPFC_ADD)
        fm->flags |= FLOW_RESET_COUNTS;
    fm->modify_cookie = fm->new_cookie != NO_COOKIE;
    fm->modify_may_add = fm->modify_cookie && !fm->cookie_mask;
    return OF_OK;
}

static enum of_error get10(struct reader *r, bool table_in_command, struct flow_mod *fm,
                           uint32_t *ret_buffer)
{
    const uint8_t *wildcards = r->data;
    enum of_error e = of_match_get10(r, &fm->match);
    if (e)
        return e;
    const struct ofp10_flow_mod *w = reader_get(r, sizeof(*w));
    if (!w)
        return OFPBRC_BAD_LEN;
    be32_t wild;
    memcpy(&wild, wildcards, 4);
    // A match without wildcards stands above all others, whatever its priority says (section 3.4).
    fm->priority = ntohl(wild) & 0x3fffff ? ntohs(w->priority) : UINT16_MAX;
    fm->new_cookie = w->cookie;
    fm->idle_timeout = ntohs(w->idle_timeout);
    fm->hard_timeout = ntohs(w->hard_timeout);
    fm->out_port = of_port_from10(ntohs(w->out_port));
    *ret_buffer = ntohl(w->buffer_id);
    return set_common10(fm, ntohs(w->command), ntohs(w->flags), table_in_command);
}

static enum of_error get_nx(struct reader *r, bool table_in_command, struct flow_mod *fm,
                            uint32_t *ret_buffer)
{
    const struct nx_flow_mod *w = reader_get(r, sizeof(*w));
    if (!w)
        return OFPBRC_BAD_LEN;
    enum of_error e =
        of_match_get_nxm(r, ntohs(w->match_len), &fm->match, &fm->cookie, &fm->cookie_mask);
    if (e)
        return e;
    fm->priority = ntohs(w->priority);
    fm->new_cookie = w->cookie;
    fm->idle_timeout = ntohs(w->idle_timeout);
    fm->hard_timeout = ntohs(w->hard_timeout);
    fm->out_port = of_port_from10(ntohs(w->out_port));
    *ret_buffer = ntohl(w->buffer_id);
    e = set_common10(fm, ntohs(w->command), ntohs(w->flags), table_in_command);
    if (!e && fm->command == FLOW_ADD && fm->cookie_mask) // there is nothing to compare with yet
        return NXBRC_NXM_INVALID;
    return e;
}

static enum of_error get13(struct reader *r, struct flow_mod *fm, uint32_t *ret_buffer,
                           bool *ret_none)
{
    const struct ofp13_flow_mod *w = reader_get(r, sizeof(*w));
    if (!w)
        return OFPBRC_BAD_LEN;
    enum of_error e = of_match_get13(r, &fm->match);
    if (e)
        return e;
    if (w->command > OFPFC_DELETE_STRICT)
        return OFPFMFC_BAD_COMMAND;
    fm->command = w->command;
    fm->table = w->table_id;
    if (fm->table == OFPTT_ALL && !deletes(fm))
        return OFPFMFC_BAD_TABLE_ID;
    fm->priority = ntohs(w->priority);
    if (fm->command == FLOW_ADD) {
        fm->new_cookie = w->cookie;
    } else {
        fm->cookie = w->cookie & w->cookie_mask;
        fm->cookie_mask = w->cookie_mask;
    }
    fm->idle_timeout = ntohs(w->idle_timeout);
    fm->hard_timeout = ntohs(w->hard_timeout);
    fm->flags = ntohs(w->flags);
    if (fm->flags & ~(unsigned)FLAGS13)
        return OFPFMFC_BAD_FLAGS;
    ofp_port_t out_port = ntohl(w->out_port);
    if (!of_port_valid(out_port))
        return OFPBAC_BAD_OUT_PORT;
    if (deletes(fm)) {
        fm->out_port = out_port;
        *ret_none = ntohl(w->out_group) != OFPG_ANY;
    }
    *ret_buffer = ntohl(w->buffer_id);
    return OF_OK;
}

static enum of_error get_actions(const struct of_msg *m, struct reader *r, struct flow_mod *fm)
{
    enum of_error e = m->version <= OF10
                          ? of_actions_get(r->data, r->left, m->version, &fm->actions)
                          : of_instructions_get(r->data, r->left, &fm->actions);
    if (e || deletes(fm))
        return e;
    return of_error_from_ofpact(ofpact_list_check(
        &fm->actions, &fm->match, fm->table == TABLE_ALL ? 0 : fm->table, m->version > OF10, NULL));
}

enum of_error of_flow_mod_get(const struct of_msg *m, bool table_in_command, struct flow_mod *fm,
                              bool *ret_none)
{
    flow_mod_init(fm, FLOW_ADD);
    struct reader r = reader_of(m->body, m->body_len);
    uint32_t buffer = OFP_NO_BUFFER;
    bool none = false;
    enum of_error e;
    if (m->version >= OF13)
        e = get13(&r, fm, &buffer, &none);
    else if (m->kind == OF_MSG_NXT)
        e = get_nx(&r, table_in_command, fm, &buffer);
    else
        e = get10(&r, table_in_command, fm, &buffer);
    if (!e)
        e = get_actions(m, &r, fm);
    if (!e && buffer != OFP_NO_BUFFER && fm->command < FLOW_DELETE)
        e = OFPBRC_BUFFER_UNKNOWN;
    if (e)
        flow_mod_done(fm);
    else
        *ret_none = none;
    return e;
}

static ofp_port_t out_port_of(const struct flow_mod *fm)
{
    return deletes(fm) ? fm->out_port : OFPP_NONE;
}

static void put10(struct buf *b, bool table_in_command, const struct flow_mod *fm)
{
    of_match_put10(b, &fm->match);
    struct ofp10_flow_mod *w = buf_put_zeros(b, sizeof(*w));
    w->cookie = fm->new_cookie;
    w->command = htons((uint16_t)((table_in_command ? fm->table << 8 : 0) | fm->command));
    w->idle_timeout = htons(fm->idle_timeout);
    w->hard_timeout = htons(fm->hard_timeout);
    w->priority = htons(fm->priority);
    w->buffer_id = htonl(OFP_NO_BUFFER);
    w->out_port = htons(of_port_to10(out_port_of(fm)));
    w->flags = htons(fm->flags & FLAGS10 & ~OFPFF10_EMERG);
}

static void put_nx(struct buf *b, bool table_in_command, const struct flow_mod *fm)
{
    struct nx_flow_mod w = {
        .cookie = fm->new_cookie,
        .command = htons((uint16_t)((table_in_command ? fm->table << 8 : 0) | fm->command)),
        .idle_timeout = htons(fm->idle_timeout),
        .hard_timeout = htons(fm->hard_timeout),
        .priority = htons(fm->priority),
        .buffer_id = htonl(OFP_NO_BUFFER),
        .out_port = htons(of_port_to10(out_port_of(fm))),
        .flags = htons(fm->flags & FLAGS10 & ~OFPFF10_EMERG),
    };
    size_t at = b->size;
    buf_put(b, &w, sizeof(w));
    w.match_len = htons(of_match_put_nxm(b, &fm->match, fm->cookie, fm->cookie_mask));
    memcpy(b->data + at, &w, sizeof(w));
}

static void put13(struct buf *b, const struct flow_mod *fm)
{
    struct ofp13_flow_mod *w = buf_put_zeros(b, sizeof(*w));
    w->cookie = fm->command == FLOW_ADD ? fm->new_cookie : fm->cookie;
    w->cookie_mask = fm->cookie_mask;
    w->table_id = fm->table;
    w->command = (uint8_t)fm->command;
    w->idle_timeout = htons(fm->idle_timeout);
    w->hard_timeout = htons(fm->hard_timeout);
    w->priority = htons(fm->priority);
    w->buffer_id = htonl(OFP_NO_BUFFER);
    w->out_port = htonl(out_port_of(fm));
    w->out_group = htonl(OFPG_ANY);
    w->flags = htons((uint16_t)fm->flags & FLAGS13);
    of_match_put13(b, &fm->match);
}

void of_flow_mod_put(struct buf *b, uint8_t version, bool nxm, bool table_in_command,
                     const struct flow_mod *fm)
{
    size_t start;
    if (version >= OF13) {
        start = of_msg_start(b, version, OFPT_FLOW_MOD, 0);
        put13(b, fm);
    } else if (nxm) {
        start = of_msg_start_nxt(b, version, NXT_FLOW_MOD, 0);
        put_nx(b, table_in_command, fm);
    } else {
        start = of_msg_start(b, version, OFPT_FLOW_MOD, 0);
        put10(b, table_in_command, fm);
    }
    of_rule_actions_put(b, version, &fm->actions, &fm->match);
    of_msg_finish(b, start);
}

enum of_error of_error_from_flow_mod(enum flow_mod_fault f, uint8_t version)
{
    switch (f) {
    case FLOW_MOD_TABLE_FULL:
        return OFPFMFC_TABLE_FULL;
    case FLOW_MOD_OVERLAP:
        return OFPFMFC_OVERLAP;
    case FLOW_MOD_BAD_TABLE:
        return version <= OF10 ? NXFMFC_BAD_TABLE_ID : OFPFMFC_BAD_TABLE_ID;
    case FLOW_MOD_BAD_COMMAND:
        return OFPFMFC_BAD_COMMAND;
    default:
        return OFPFMFC_UNKNOWN;
    }
}
