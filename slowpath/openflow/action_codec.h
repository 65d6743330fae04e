// SPDX-License-Identifier: Apache-2.0
// Private to the action codecs: one file per numbering (action10.c, action13.c, action_nx.c),
// joined by the tables of actions.c.
#pragma once

#include "slowpath/openflow/actions.h"

// Decodes one action; `a` are all of its `len` bytes, of which the table has checked the number.
typedef enum of_error action_get_fn(const uint8_t *a, size_t len, uint8_t version,
                                    struct ofpact_list *out);

struct action_codec {
    uint16_t len;       // exact; with `longer` at least
    bool longer;        // by multiples of 8
    action_get_fn *get; // NULL: not supported
    bool unlisted;      // understood, but not offered: refused by `get`, or of another version
};

#define N_ACTION10 12
#define N_ACTION13 28
#define N_ACTION_NX 48
extern const struct action_codec action_codecs10[N_ACTION10];
extern const struct action_codec action_codecs13[N_ACTION13];
extern const struct action_codec action_codecs_nx[N_ACTION_NX];

// Where an action is being written to.
struct action_put {
    struct buf *b;
    uint8_t version;
    bool has_vlan;    // a packet that comes here is known to have a tag
    uint8_t ip_proto; // known to be of this protocol; 0: not known
};
void action_finish(struct action_put *, size_t start); // pads the action and writes its length

// Nicira forms, valid in every version.
void action_nx_put_controller(struct action_put *, const struct ofpact *);
void action_nx_put_load(struct action_put *,
                        const struct ofpact *); // SET_FIELD as reg_load or reg_load2
void action_nx_put_move(struct action_put *, const struct ofpact *);
void action_nx_put_resubmit(struct action_put *, const struct ofpact *);
void action_nx_put_clone(struct action_put *, const struct ofpact *);
void action_nx_put_metadata(struct action_put *, const struct ofpact *);

// 1.0 forms.
void action10_put_output(struct action_put *, const struct ofpact *);
bool action10_put_set_field(struct action_put *,
                            const struct ofpact *);                 // false: has no form of its own
void action10_put_vlan(struct action_put *, const struct ofpact *); // vid, pcp, strip
void action10_put_l4(struct action_put *, const struct ofpact *);   // mod_tp_src, mod_tp_dst

// 1.3 forms.
void action13_put_output(struct action_put *, const struct ofpact *);
void action13_put_set_field(struct action_put *, const struct ofpact *);
void action13_put_vlan(struct action_put *, const struct ofpact *); // vid, pcp, push, pop
void action13_put_l4(struct action_put *, const struct ofpact *);   // mod_tp_src, mod_tp_dst

action_get_fn action_get_group; // of every numbering: there are no groups

// One OXM or NXM TLV and its padding, as set_field and reg_load2 carry it; `masked`: a mask is
// allowed.
enum of_error action_get_set(const uint8_t *tlv, size_t len, uint8_t version, bool masked,
                             struct ofpact_list *out);

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}
static inline uint64_t get64(const uint8_t *p)
{
    return (uint64_t)get32(p) << 32 | get32(p + 4);
}
static inline bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i])
            return false;
    }
    return true;
}
void action_add_set(struct ofpact_list *, enum field_id, uint64_t value, enum ofpact_form);
// All bits of the field.
bool action_mask_full(const struct field *, const struct field_value *mask);
void action_put_list(struct action_put *, const struct ofpact_list *); // plain actions of a list
enum of_error action_get_list(const uint8_t *, size_t len, uint8_t version, struct ofpact_list *);
