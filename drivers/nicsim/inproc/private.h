// SPDX-License-Identifier: Apache-2.0
// What the files of nicsim in process share.
#pragma once

#include <pthread.h>
#include <uthash.h>

#include "drivers/nicsim/inproc/inproc.h"

// A megaflow as the NIC's rule.
struct inproc_rule {
    struct nicsim_rule_spec spec; // actions.v points at `actions`
    struct nicsim_action actions[NICSIM_MAX_ACTIONS];
    uint8_t source[NICSIM_MAX_ACTIONS]; // which action of the megaflow each came from
    struct refusal beyond;              // stage not NONE: passes our check and not the NIC
};

// What was installed, for dump().
struct inproc_flow {
    struct ufid ufid;
    struct flow_desc desc;
    UT_hash_handle hh;
};

struct inproc {
    struct tier tier;
    struct nicsim_eswitch *sw;
    pthread_mutex_t lock;      // flows; the gate
    struct inproc_flow *flows; // by UFID
    pthread_cond_t gate;       // a knob has changed, or `closing`
    bool closing;
    unsigned waiting; // threads at the gate
};

struct inproc_channel {
    struct tier_channel channel;
};

static inline struct nicsim_rule_id inproc_rule_id(const struct ufid *ufid)
{
    struct nicsim_rule_id id;
    memcpy(&id, ufid, sizeof id);
    return id;
}
_Static_assert(sizeof(struct nicsim_rule_id) == sizeof(struct ufid), "a UFID names a rule");

// translate.c: pure but for asking the NIC which ports it has. False with *ret_refusal (our check)
// filled; or true, and then *ret_rule is a rule for the NIC to judge, unless `beyond` says that it
// cannot even be put to it.
bool inproc_translate(const struct nicsim_eswitch *, const struct flow_desc *,
                      struct inproc_rule *ret_rule, struct refusal *ret_refusal);
void inproc_caps(struct tier_caps *ret_caps);
// The NIC's "no" in the words of the contract. Returns the errno.
int inproc_nic_refusal(const struct nicsim_refusal *, const struct flow_desc *,
                       const struct inproc_rule *, struct refusal *ret_refusal);
