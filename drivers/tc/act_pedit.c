// SPDX-License-Identifier: Apache-2.0
// set: act_pedit, which edits aligned 32-bit words of a header (new = old & mask ^ value), and act_csum after it for the
// checksums that the edit made wrong. One table says where a field lies in its header; a field without a row is refused. A
// run of sets becomes one pedit. Format: linux/tc_act/tc_pedit.h, tc_csum.h.
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/tc_act/tc_pedit.h>
#include <string.h>

#include "drivers/tc/internal.h"
#include "lib/base/compiler.h"

#define MAX_KEYS 32
#define CSUM_L3 TCA_CSUM_UPDATE_FLAG_IPV4HDR
#define CSUM_L4 (TCA_CSUM_UPDATE_FLAG_TCP | TCA_CSUM_UPDATE_FLAG_UDP) // whichever the packet has

static const struct row {
    enum field_id field;
    uint16_t eth_type; // host order; 0: any
    uint8_t header; // TCA_PEDIT_KEY_EX_HDR_TYPE_*
    uint8_t offset; // bytes from the header's start
    uint32_t csum;
} rows[] = {
    {FIELD_ETH_DST, 0, TCA_PEDIT_KEY_EX_HDR_TYPE_ETH, 0, 0},
    {FIELD_ETH_SRC, 0, TCA_PEDIT_KEY_EX_HDR_TYPE_ETH, 6, 0},
    {FIELD_IP_DSCP, ETH_P_IP, TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, 1, CSUM_L3},
    {FIELD_IP_ECN, ETH_P_IP, TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, 1, CSUM_L3},
    {FIELD_IP_TTL, ETH_P_IP, TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, 8, CSUM_L3},
    {FIELD_IPV4_SRC, ETH_P_IP, TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, 12, CSUM_L3 | CSUM_L4},
    {FIELD_IPV4_DST, ETH_P_IP, TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, 16, CSUM_L3 | CSUM_L4},
};

bool tc_can_set(enum field_id id)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].field == id)
            return true;
    }
    return false;
}

static const struct row *row_of(enum field_id id, const struct flow_key *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].field == id && (!rows[i].eth_type || key->eth_type == htons(rows[i].eth_type)))
            return &rows[i];
    }
    return NULL;
}

// The words of one pedit under construction.
struct edit {
    unsigned n;
    struct {
        uint8_t header;
        uint32_t offset; // a multiple of 4
        uint8_t value[4], mask[4]; // network order; mask bits are those that are written
    } words[MAX_KEYS];
};

static bool add_byte(struct edit *e, uint8_t header, uint32_t offset, uint8_t value, uint8_t mask)
{
    unsigned i;

    for (i = 0; i < e->n; i++) {
        if (e->words[i].header == header && e->words[i].offset == (offset & ~3u))
            break;
    }
    if (i == e->n) {
        if (e->n == MAX_KEYS)
            return false;
        e->words[e->n].header = header;
        e->words[e->n++].offset = offset & ~3u;
    }
    uint8_t *v = &e->words[i].value[offset & 3], *m = &e->words[i].mask[offset & 3];
    *v = (*v & ~mask) | (value & mask);
    *m |= mask;
    return true;
}

static bool add_set(struct edit *e, const struct row *row, const struct act *a)
{
    const struct field *f = field_by_id(row->field);
    struct flow value = {0}, mask = {0};

    field_set_masked(f, &a->set.value, &a->set.mask, &value);
    field_set_masked(f, &a->set.mask, &a->set.mask, &mask);
    for (unsigned i = 0; i < f->size; i++) {
        uint8_t bits = ((uint8_t *)&mask)[f->offset + i];

        if (bits && !add_byte(e, row->header, row->offset + i, ((uint8_t *)&value)[f->offset + i], bits))
            return false;
    }
    return true;
}

static void put_pedit(struct tc_act_ctx *c, const struct edit *e)
{
    struct {
        struct tc_pedit_sel sel;
        struct tc_pedit_key keys[MAX_KEYS];
    } parms = {.sel = {.action = TC_ACT_PIPE, .nkeys = (unsigned char)e->n}};
    struct tc_act_nest nest = tc_act_start(c, "pedit");

    if (!c->m)
        return;
    for (unsigned i = 0; i < e->n; i++) {
        memcpy(&parms.keys[i].val, e->words[i].value, 4);
        memcpy(&parms.keys[i].mask, e->words[i].mask, 4);
        parms.keys[i].mask = ~parms.keys[i].mask; // the kernel wants the bits that stay
        parms.keys[i].off = e->words[i].offset;
    }
    nlk_put(c->m, TCA_PEDIT_PARMS_EX, &parms, sizeof parms.sel + e->n * sizeof parms.keys[0]);
    size_t keys = nlk_nest_start(c->m, TCA_PEDIT_KEYS_EX);
    for (unsigned i = 0; i < e->n; i++) {
        size_t key = nlk_nest_start(c->m, TCA_PEDIT_KEY_EX);
        nlk_put_u16(c->m, TCA_PEDIT_KEY_EX_HTYPE, e->words[i].header);
        nlk_put_u16(c->m, TCA_PEDIT_KEY_EX_CMD, TCA_PEDIT_KEY_EX_CMD_SET);
        nlk_nest_end(c->m, key);
    }
    nlk_nest_end(c->m, keys);
    tc_act_end(c, nest);
}

static void put_csum(struct tc_act_ctx *c, uint32_t flags)
{
    uint8_t proto = c->desc->mask.ip_proto == 0xff ? c->desc->key.ip_proto : 0;
    struct tc_csum csum = {.action = TC_ACT_PIPE, .update_flags = flags & ~CSUM_L4};

    if (flags & CSUM_L4 && proto == IPPROTO_TCP)
        csum.update_flags |= TCA_CSUM_UPDATE_FLAG_TCP;
    if (flags & CSUM_L4 && proto == IPPROTO_UDP)
        csum.update_flags |= TCA_CSUM_UPDATE_FLAG_UDP;
    struct tc_act_nest nest = tc_act_start(c, "csum");
    if (c->m)
        nlk_put(c->m, TCA_CSUM_PARMS, &csum, sizeof csum);
    tc_act_end(c, nest);
}

// Why the checksums that `csum` asks for can't be kept right for every packet of the megaflow; 0: they can.
static int check_csum(struct tc_act_ctx *c, uint32_t csum, enum field_id id)
{
    const struct flow_key *key = &c->desc->key, *mask = &c->desc->mask;

    if (!(csum & CSUM_L4))
        return 0;
    if (mask->ip_proto != 0xff)
        return refuse(c->refusal, REFUSAL_CHECK, CULPRIT_SET_FIELD, id, -EOPNOTSUPP,
                      "rewriting %s needs the IP protocol matched, for the checksum", field_by_id(id)->name);
    if (key->ip_frag)
        return refuse(c->refusal, REFUSAL_CHECK, CULPRIT_SET_FIELD, id, -EOPNOTSUPP,
                      "rewriting %s of IP fragments would break their checksum", field_by_id(id)->name);
    return 0;
}

static int put(struct tc_act_ctx *c, const struct act *v, uint32_t n)
{
    struct edit edit = {0};
    uint32_t csum = 0, taken = 0;

    for (; taken < n && v[taken].type == ACT_SET; taken++) {
        enum field_id id = v[taken].set.field;
        const struct row *row = row_of(id, &c->desc->key);

        if (!row)
            return refuse(c->refusal, REFUSAL_CHECK, CULPRIT_SET_FIELD, id, -EOPNOTSUPP, "tc cannot write %s",
                          field_by_id(id)->name);
        int r = check_csum(c, row->csum, id);
        if (r)
            return r;
        if (!add_set(&edit, row, &v[taken]))
            return refuse(c->refusal, REFUSAL_CHECK, CULPRIT_SET_FIELD, id, -E2BIG, "more than %d words are rewritten at once",
                          MAX_KEYS);
        csum |= row->csum;
    }
    put_pedit(c, &edit);
    if (csum)
        put_csum(c, csum);
    return (int)taken;
}

const struct tc_act_ops tc_act_set = {.put = put};
