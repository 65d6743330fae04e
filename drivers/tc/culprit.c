// SPDX-License-Identifier: Apache-2.0
// Drivers refuse with a sentence and no pointer to what they dislike. This finds the field or action of the megaflow that
// the sentence speaks of, by the words that drivers use for it. Only what the megaflow has is considered. Pure.
#include <string.h>

#include "drivers/tc/internal.h"
#include "lib/base/compiler.h"

static const struct {
    enum field_id field;
    const char *words[4];
} field_words[] = {
    {FIELD_IP_DSCP, {"tos", "dscp", "traffic class"}},
    {FIELD_IP_ECN, {"ecn"}},
    {FIELD_IP_TTL, {"ttl", "hop limit"}},
    {FIELD_TCP_FLAGS, {"tcp flags", "tcp_flags"}},
    {FIELD_IP_FRAG, {"frag"}},
    {FIELD_ICMPV4_TYPE, {"icmp"}},
    {FIELD_ICMPV6_TYPE, {"icmp"}},
    {FIELD_VLAN2_TCI, {"cvlan", "second tag", "qinq"}},
    {FIELD_ARP_OP, {"arp"}},
    {FIELD_ARP_SPA, {"arp"}},
    {FIELD_ARP_TPA, {"arp"}},
    {FIELD_ARP_SHA, {"arp"}},
    {FIELD_ARP_THA, {"arp"}},
    {FIELD_SCTP_DST, {"sctp"}},
    {FIELD_SCTP_SRC, {"sctp"}},
    {FIELD_ETH_TYPE, {"ethertype", "protocol", "eth_type"}},
};

static const struct {
    enum act_type act;
    const char *words[6];
} act_words[] = {
    {ACT_SET, {"pedit", "mangle", "rewrit", "header edit", "csum", "checksum"}},
    {ACT_PUSH_VLAN, {"vlan push", "push vlan", "vlan_push", "push"}},
    {ACT_POP_VLAN, {"vlan pop", "pop vlan", "vlan_pop", "pop"}},
    {ACT_OUTPUT, {"redirect", "mirred", "mirror", "destination", "output"}},
    {ACT_DROP, {"drop"}},
};

static bool speaks_of(const char *sentence, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n && words[i]; i++) {
        if (strcasestr(sentence, words[i]))
            return true;
    }
    return false;
}

void tc_find_culprit(const struct flow_desc *d, const char *sentence, struct refusal *r)
{
    struct flow mask = {.key = d->mask};

    for (uint32_t a = 0; a < d->actions.n; a++) {
        for (size_t i = 0; i < ARRAY_SIZE(act_words); i++) {
            const struct act *act = &d->actions.v[a];

            if (act_words[i].act != act->type || !speaks_of(sentence, act_words[i].words, ARRAY_SIZE(act_words[i].words)))
                continue;
            r->culprit = act->type == ACT_SET ? CULPRIT_SET_FIELD : CULPRIT_ACTION;
            r->id = act->type == ACT_SET ? act->set.field : act->type;
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(field_words); i++) {
        if (!field_is_zero(field_by_id(field_words[i].field), &mask) &&
            speaks_of(sentence, field_words[i].words, ARRAY_SIZE(field_words[i].words))) {
            r->culprit = CULPRIT_FIELD;
            r->id = field_words[i].field;
            return;
        }
    }
}
