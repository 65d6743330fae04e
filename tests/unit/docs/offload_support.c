// SPDX-License-Identifier: Apache-2.0
// The support matrix, from the tables that the tiers themselves answer probe() with. Without
// arguments it is printed; with a FILE, FILE is compared with it. For the simulated NIC, which is
// at hand, each row is tried: a rule that its check lets pass and the NIC refuses is told apart, as
// it would be by `sluice offload explain`.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/nicsim/inproc/inproc.h"
#include "drivers/tc/tc.h"
#include "kdp/client/kdp.h"
#include "lib/base/compiler.h"
#include "lib/base/mem.h"
#include "slowpath/softdp/softdp.h"

enum { TC, SIMULATED, KERNEL, SOFTDP, N_TIERS };

struct nic {
    struct tier *tier;
    struct tier_channel *channel;
};

static const char head[] =
    "# What can be offloaded\n"
    "\n"
    "Made from the tables of the tiers by `build/tests/unit/docs/offload_support`, and checked "
    "against them by the unit\n"
    "tests; not to be edited. What a megaflow matches is what the flow tables looked at on its "
    "way: `sluice flows` shows\n"
    "it. Why one is not offloaded is what `sluice offload explain` says.\n"
    "\n"
    "| tier | what |\n"
    "| --- | --- |\n"
    "| tc | a NIC through tc-flower. What is listed can be said to the kernel; a NIC or its driver "
    "may hold less, and says so |\n"
    "| simulated | the NIC that is simulated in process; what it refuses as a NIC would is marked "
    "|\n"
    "| kernel | the kernel module openvswitch.ko |\n"
    "| softdp | the userspace datapath; tunnels, connection tracking and marks are always zero "
    "there |\n";

// --- One row on the simulated NIC ---

// What a frame must be to have the field.
static void satisfy(enum field_prereq prereq, struct flow_key *key)
{
    static const struct {
        enum field_prereq prereq;
        uint16_t eth_type;
        uint8_t ip_proto;
    } frames[] = {
        {PREREQ_ARP, ETH_P_ARP, 0},
        {PREREQ_IPV4, ETH_P_IP, 0},
        {PREREQ_IPV6, ETH_P_IPV6, 0},
        {PREREQ_IP, ETH_P_IP, 0},
        {PREREQ_MPLS, ETH_P_MPLS_UC, 0},
        {PREREQ_TCP, ETH_P_IP, IPPROTO_TCP},
        {PREREQ_UDP, ETH_P_IP, IPPROTO_UDP},
        {PREREQ_SCTP, ETH_P_IP, IPPROTO_SCTP},
        {PREREQ_ICMPV4, ETH_P_IP, IPPROTO_ICMP},
        {PREREQ_ICMPV6, ETH_P_IPV6, IPPROTO_ICMPV6},
        {PREREQ_ND, ETH_P_IPV6, IPPROTO_ICMPV6},
        {PREREQ_ND_SOLICIT, ETH_P_IPV6, IPPROTO_ICMPV6},
        {PREREQ_ND_ADVERT, ETH_P_IPV6, IPPROTO_ICMPV6},
    };

    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        if (frames[i].prereq == prereq) {
            key->eth_type = htons(frames[i].eth_type);
            key->ip_proto = frames[i].ip_proto;
        }
    }
    if (prereq == PREREQ_VLAN) {
        key->vlan[0].tpid = htons(ETH_P_8021Q);
        key->vlan[0].tci = htons(VLAN_PRESENT);
    }
}

// A frame of the field from port 1, of which `field` is matched, or written where `set`, and that
// goes out of port 2.
static enum refusal_stage try(const struct nic *nic, const struct field *field, bool set)
{
    struct flow value = {.key = {.in_port = 1}}, mask = {.key = {.in_port = UINT32_MAX}};
    struct flow_desc desc = {.ufid = {.b = {1}}};
    struct tier_op op = {.type = TIER_INSTALL, .desc = &desc};

    satisfy(field->id == FIELD_VLAN_TPID ? PREREQ_VLAN : field->prereq, &value.key);
    field_mask_prereqs(field, &mask);
    if (field->id == FIELD_ETH_TYPE)
        value.key.eth_type = htons(ETH_P_IP);
    if (value.key.vlan[0].tci)
        mask.key.vlan[0].tci |= htons(VLAN_PRESENT);
    if (value.key.eth_type == htons(ETH_P_IP) || value.key.eth_type == htons(ETH_P_IPV6))
        mask.key.ip_frag =
            FLOW_FRAG_ANY | FLOW_FRAG_LATER; // no fragment, as the parser always looks
    if (set) {
        struct act *a = act_list_add(&desc.actions, ACT_SET);

        a->set.field = field->id;
        field_value_ones(field, &a->set.mask);
        a->set.value = a->set.mask;
    } else {
        field_mask_all(field, &mask);
    }
    act_list_add(&desc.actions, ACT_OUTPUT)->port = 2;
    desc.key = value.key;
    desc.mask = mask.key;
    if (nic->tier->ops->can_hold(nic->tier, &desc, &op.refusal)) {
        op.refusal.stage = REFUSAL_NONE;
        nic->tier->ops->apply(nic->channel, &op, 1);
        if (!op.error) {
            op.type = TIER_REMOVE;
            nic->tier->ops->apply(nic->channel, &op, 1);
        }
    }
    act_list_done(&desc.actions);
    return op.refusal.stage;
}

// --- The document ---

static const char *said(const struct nic *nic, int tier, const struct field *field, bool set,
                        const char *yes)
{
    enum refusal_stage stage = tier == SIMULATED ? try(nic, field, set) : REFUSAL_NONE;

    return stage == REFUSAL_NONE ? yes : stage == REFUSAL_CHECK ? "" : "refused by the NIC";
}

static void write_fields(FILE *out, const struct nic *nic, const struct tier_caps caps[N_TIERS],
                         bool set)
{
    fprintf(out,
            "\n## %s\n\n| field | tc | simulated | kernel | softdp |\n| --- | --- | --- | --- | "
            "--- |\n",
            set ? "Rewrites" : "Matches");
    for (enum field_id id = 0; id < FIELD_PIPELINE_FIRST; id++) {
        const struct field *field = field_by_id(id);
        const bool *can[N_TIERS];
        bool any = false;

        for (int t = 0; t < N_TIERS; t++) {
            can[t] = set ? caps[t].sets : caps[t].fields;
            any |= can[t][id] && (set || t != SOFTDP);
        }
        if (!any || id == FIELD_IP_DSCP_OXM) // another form of nw_tos
            continue;
        fprintf(out, "| `%s` |", field->name);
        for (int t = 0; t < N_TIERS; t++) {
            const char *yes = set ? "yes" : caps[t].fields_masked[id] ? "any mask" : "exactly";
            const char *cell = can[t][id] ? said(nic, t, field, set, yes) : "";

            fprintf(out, "%s%s |", *cell ? " " : "", cell);
        }
        fprintf(out, "\n");
    }
}

static void write_actions(FILE *out, const struct tier_caps caps[N_TIERS])
{
    fprintf(out, "\n## Actions\n\n| action | tc | simulated | kernel | softdp |\n| --- | --- | --- "
                 "| --- | --- |\n");
    for (enum act_type type = 0; type < ACT_COUNT; type++) {
        bool any = false;

        for (int t = 0; t < N_TIERS; t++)
            any |= caps[t].actions[type];
        if (!any)
            continue;
        fprintf(out, "| `%s` |", act_type_name(type));
        for (int t = 0; t < N_TIERS; t++)
            fprintf(out, "%s |", caps[t].actions[type] ? " yes" : "");
        fprintf(out, "\n");
    }
    fprintf(out, "| at most, in one megaflow |");
    for (int t = 0; t < N_TIERS; t++)
        fprintf(out, " %u |", caps[t].max_actions);
    fprintf(out, "\n| VLAN tags |");
    for (int t = 0; t < N_TIERS; t++)
        fprintf(out, " %u |", caps[t].max_vlans);
    fprintf(out, "\n");
}

static char *make_document(const struct nic *nic)
{
    struct tier_caps caps[N_TIERS];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    tc_caps(&caps[TC]);
    nic->tier->ops->probe(nic->tier, &caps[SIMULATED]);
    kdp_caps(&caps[KERNEL]);
    softdp_caps(&caps[SOFTDP]);
    fputs(head, out);
    write_fields(out, nic, caps, false);
    write_fields(out, nic, caps, true);
    write_actions(out, caps);
    fclose(out);
    return text;
}

static int compare(const char *path, const char *text)
{
    size_t n = strlen(text);
    AUTO_FREE char *there = xmalloc(n + 2);
    FILE *file = fopen(path, "re");
    size_t got = file ? fread(there, 1, n + 1, file) : 0;

    if (file)
        fclose(file);
    if (got == n && !memcmp(there, text, n))
        return 0;
    fprintf(stderr,
            "%s is not what the code says; make it anew:\n    "
            "build/tests/unit/docs/offload_support >%s\n",
            path, path);
    return 1;
}

int main(int argc, char *argv[])
{
    struct nicsim_inproc_config config = {0};
    struct nic nic = {0};
    AUTO_ERR(err);

    if (nicsim_inproc_open(&config, &nic.tier, &err) ||
        nic.tier->ops->channel_open(nic.tier, &nic.channel, &err)) {
        fprintf(stderr, "%s\n", err_text(&err));
        return 1;
    }
    for (dp_port_t port = 1; port <= 2; port++)
        nic.tier->ops->port_attach(nic.tier, &(struct tier_port){.dp_port = port, .name = "port"},
                                   &err);
    AUTO_FREE char *text = make_document(&nic);
    nic.tier->ops->channel_close(nic.channel);
    nic.tier->ops->close(nic.tier, false);
    if (argc > 1)
        return compare(argv[1], text);
    fputs(text, stdout);
    return 0;
}
