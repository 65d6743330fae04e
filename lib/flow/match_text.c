// SPDX-License-Identifier: Apache-2.0
// Matches in OpenFlow's dialect, to the letter as ovs-ofctl writes them: which keyword stands for
// which Ethernet type and protocol, the order of fields, when a number is decimal. The order is not
// the field table's, so it is written out here; how a value looks is lib/flow/value_text.c's matter
// but for the few that a match writes otherwise than set_field does.
//
// Reading accepts every name of the field table and the keywords; what lacks its prerequisite is
// dropped, as the wire formats have it. Thread: any, no state.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/base/mem.h"
#include "lib/flow/field_table.h"
#include "lib/flow/text.h"
#include "lib/flow/value_text.h"

// Numbers of a match: some fields are written otherwise than in set_field.
enum style { AS_VALUE, DEC, HEX, HEX_BARE, LABEL };

struct part {
    const char *name;
    enum field_id id;
    enum style style;
};

static const struct part metadata_parts[] = {
    {"pkt_mark", FIELD_PKT_MARK, HEX},         {"recirc_id", FIELD_RECIRC_ID, HEX},
    {"dp_hash", FIELD_DP_HASH, HEX},           {"conj_id", FIELD_CONJ_ID, DEC},
    {"skb_priority", FIELD_SKB_PRIORITY, HEX}, {"actset_output", FIELD_ACTSET_OUTPUT, AS_VALUE},
    {"ct_state", FIELD_CT_STATE, AS_VALUE},    {"ct_zone", FIELD_CT_ZONE, DEC},
    {"ct_mark", FIELD_CT_MARK, HEX},           {"ct_label", FIELD_CT_LABEL, AS_VALUE},
    {"ct_nw_src", FIELD_CT_NW_SRC, AS_VALUE},  {"ct_ipv6_src", FIELD_CT_IPV6_SRC, AS_VALUE},
    {"ct_nw_dst", FIELD_CT_NW_DST, AS_VALUE},  {"ct_ipv6_dst", FIELD_CT_IPV6_DST, AS_VALUE},
};

static const struct part ct_proto_parts[] = {
    {"ct_nw_proto", FIELD_CT_NW_PROTO, DEC},
    {"ct_tp_src", FIELD_CT_TP_SRC, DEC},
    {"ct_tp_dst", FIELD_CT_TP_DST, DEC},
};

static const struct part tunnel_parts[] = {
    {"tun_id", FIELD_TUN_ID, HEX},
    {"tun_src", FIELD_TUN_SRC, AS_VALUE},
    {"tun_dst", FIELD_TUN_DST, AS_VALUE},
    {"tun_ipv6_src", FIELD_TUN_IPV6_SRC, AS_VALUE},
    {"tun_ipv6_dst", FIELD_TUN_IPV6_DST, AS_VALUE},
    {"tun_gbp_id", FIELD_TUN_GBP_ID, DEC},
    {"tun_gbp_flags", FIELD_TUN_GBP_FLAGS, HEX},
    {"tun_tos", FIELD_TUN_TOS, HEX_BARE},
    {"tun_ttl", FIELD_TUN_TTL, DEC},
    {"tun_flags", FIELD_TUN_FLAGS, AS_VALUE},
    {"metadata", FIELD_METADATA, HEX},
    {"in_port", FIELD_OF_IN_PORT_OXM, AS_VALUE},
};

static const struct part ethernet_parts[] = {
    {"dl_src", FIELD_ETH_SRC, AS_VALUE},
    {"dl_dst", FIELD_ETH_DST, AS_VALUE},
};

static const struct part ipv6_parts[] = {
    {"ipv6_src", FIELD_IPV6_SRC, AS_VALUE},
    {"ipv6_dst", FIELD_IPV6_DST, AS_VALUE},
    {"ipv6_label", FIELD_IPV6_LABEL, LABEL},
};

static const struct part ipv4_parts[] = {
    {"nw_src", FIELD_IPV4_SRC, AS_VALUE},
    {"nw_dst", FIELD_IPV4_DST, AS_VALUE},
};

static const struct part arp_parts[] = {
    {"arp_spa", FIELD_ARP_SPA, AS_VALUE}, {"arp_tpa", FIELD_ARP_TPA, AS_VALUE},
    {"arp_op", FIELD_ARP_OP, DEC},        {"arp_sha", FIELD_ARP_SHA, AS_VALUE},
    {"arp_tha", FIELD_ARP_THA, AS_VALUE},
};

static const struct part network_parts[] = {
    {"nw_tos", FIELD_IP_DSCP, DEC},      {"nw_ecn", FIELD_IP_ECN, DEC},
    {"nw_ttl", FIELD_IP_TTL, DEC},       {"mpls_label", FIELD_MPLS_LABEL, DEC},
    {"mpls_tc", FIELD_MPLS_TC, DEC},     {"mpls_ttl", FIELD_MPLS_TTL, DEC},
    {"mpls_bos", FIELD_MPLS_BOS, DEC},   {"mpls_lse1", FIELD_MPLS_LSE2, DEC},
    {"mpls_lse2", FIELD_MPLS_LSE3, DEC}, {"nw_frag", FIELD_IP_FRAG, AS_VALUE},
};

static const struct part icmp_parts[] = {
    {"icmp_type", FIELD_ICMPV4_TYPE, DEC},
    {"icmp_code", FIELD_ICMPV4_CODE, DEC},
};

static const struct part nd_parts[] = {
    {"nd_target", FIELD_ND_TARGET, AS_VALUE},
    {"nd_sll", FIELD_ND_SLL, AS_VALUE},
    {"nd_tll", FIELD_ND_TLL, AS_VALUE},
    {"nd_reserved", FIELD_ND_RESERVED, DEC},
    {"nd_options_type", FIELD_ND_OPTIONS_TYPE, DEC},
};

static const struct part port_parts[] = {
    {"tp_src", FIELD_TCP_SRC, DEC},
    {"tp_dst", FIELD_TCP_DST, DEC},
};

static const struct part tcp_parts[] = {{"tcp_flags", FIELD_TCP_FLAGS, AS_VALUE}};

// Keywords: an Ethernet type, and maybe a protocol of it.
static const struct keyword {
    const char *name, *alias;
    uint16_t eth_type;
    uint8_t proto; // 0: none
} keywords[] = {
    {"ip", NULL, ETH_P_IP, 0},
    {"icmp", NULL, ETH_P_IP, IPPROTO_ICMP},
    {"tcp", NULL, ETH_P_IP, IPPROTO_TCP},
    {"udp", NULL, ETH_P_IP, IPPROTO_UDP},
    {"sctp", NULL, ETH_P_IP, IPPROTO_SCTP},
    {"ipv6", "ip6", ETH_P_IPV6, 0},
    {"icmp6", NULL, ETH_P_IPV6, IPPROTO_ICMPV6},
    {"tcp6", NULL, ETH_P_IPV6, IPPROTO_TCP},
    {"udp6", NULL, ETH_P_IPV6, IPPROTO_UDP},
    {"sctp6", NULL, ETH_P_IPV6, IPPROTO_SCTP},
    {"arp", NULL, ETH_P_ARP, 0},
    {"rarp", NULL, ETH_P_RARP, 0},
    {"mpls", NULL, ETH_P_MPLS_UC, 0},
    {"mplsm", NULL, ETH_P_MPLS_MC, 0},
};

static void put_part(const struct match *m, const struct part *part, struct str *out)
{
    const struct field *f = field_by_id(part->id);
    struct field_value value, mask;

    if (field_is_zero(f, &m->mask))
        return;
    bool exact = field_is_all_ones(f, &m->mask);
    field_get(f, &m->value, &value);
    field_get(f, &m->mask, &mask);
    str_printf(out, "%s=", part->name);
    if (part->style == AS_VALUE) {
        field_value_format(f, &value, exact ? NULL : &mask, out);
    } else {
        unsigned long long v = field_value_to_u64(f, &value), bits = field_value_to_u64(f, &mask);
        if (part->style == LABEL)
            str_printf(out, exact ? "0x%05llx" : "0x%05llx/0x%05llx", v, bits);
        else if (!exact && f->maskable && part->id != FIELD_TUN_GBP_FLAGS)
            str_printf(out, part->style == DEC ? "0x%llx/0x%llx" : "%#llx/%#llx", v, bits);
        else
            str_printf(out, part->style == DEC ? "%llu" : part->style == HEX ? "%#llx" : "%llx", v);
    }
    str_putc(out, ',');
}

static void put_parts(const struct match *m, const struct part *parts, size_t n, struct str *out)
{
    for (size_t i = 0; i < n; i++)
        put_part(m, &parts[i], out);
}
#define PUT(m, parts, out) put_parts(m, parts, ARRAY_SIZE(parts), out)

// The keyword for type and protocol; or for the type alone. NULL: there is none.
static const struct keyword *find_keyword(uint16_t eth_type, uint8_t proto)
{
    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
        if (keywords[i].eth_type == eth_type && keywords[i].proto == proto)
            return &keywords[i];
    }
    return NULL;
}

static void put_vlan(const struct match *m, unsigned i, struct str *out)
{
    uint16_t value = ntohs(m->value.key.vlan[i].tci), mask = ntohs(m->mask.key.vlan[i].tci);
    uint16_t vid = mask & 0xfff, pcp = mask >> 13;
    const char *nth = i ? "1" : "";

    if (!mask)
        return;
    if (mask & value & VLAN_PRESENT && (!vid || vid == 0xfff) && (!pcp || pcp == 7) &&
        (vid || pcp)) {
        if (vid)
            str_printf(out, "dl_vlan%s=%u,", nth, value & 0xfff);
        if (pcp)
            str_printf(out, "dl_vlan_pcp%s=%u,", nth, value >> 13);
        return;
    }
    str_printf(out, "vlan_tci%s=0x%04x", nth, value);
    if (mask != 0xffff)
        str_printf(out, "/0x%04x", mask);
    str_putc(out, ',');
}

static void put_l4(const struct match *m, uint16_t eth_type, struct str *out)
{
    const struct flow_key *v = &m->value.key;
    bool is_ip = eth_type == ETH_P_IP || eth_type == ETH_P_IPV6;

    if (eth_type == ETH_P_IP && v->ip_proto == IPPROTO_ICMP) {
        PUT(m, icmp_parts, out);
    } else if (eth_type == ETH_P_IPV6 && v->ip_proto == IPPROTO_ICMPV6) {
        PUT(m, icmp_parts, out);
        PUT(m, nd_parts, out);
    } else {
        PUT(m, port_parts, out);
    }
    if (is_ip && v->ip_proto == IPPROTO_TCP)
        PUT(m, tcp_parts, out);
}

static bool is_about_frames(const struct flow_key *mask)
{
    const size_t frame = offsetof(struct flow_key, eth_dst); // and all behind it
    return mask->packet_type || !is_all_zeros((const uint8_t *)mask + frame, sizeof(*mask) - frame);
}

void match_format(const struct match *m, struct str *out)
{
    const struct flow_key *mask = &m->mask.key;
    uint16_t eth_type = ntohs(m->value.key.eth_type);
    bool is_arp = eth_type == ETH_P_ARP || eth_type == ETH_P_RARP;
    const struct keyword *k = NULL;

    PUT(m, metadata_parts, out);
    if (mask->ct_proto) // ports alone are not written
        PUT(m, ct_proto_parts, out);
    if (m->value.key.packet_type)
        put_part(m, &(struct part){"packet_type", FIELD_PACKET_TYPE, AS_VALUE}, out);
    else if (mask->recirc_id && is_about_frames(mask)) // a megaflow says so
        str_put(out, "eth,");
    if (mask->eth_type) {
        k = mask->ip_proto && !is_arp ? find_keyword(eth_type, m->value.key.ip_proto) : NULL;
        k = k ? k : find_keyword(eth_type, 0);
        if (k)
            str_printf(out, "%s,", k->name);
    }
    for (unsigned i = 0; i < FLOW_N_REGS; i++) {
        char name[8];
        snprintf(name, sizeof(name), "reg%u", i);
        put_part(m, &(struct part){name, (enum field_id)(FIELD_REG0 + i), HEX}, out);
    }
    PUT(m, tunnel_parts, out);
    for (unsigned i = 0; i < FLOW_MAX_VLANS; i++)
        put_vlan(m, i, out);
    PUT(m, ethernet_parts, out);
    if (mask->eth_type && !k)
        str_printf(out, "dl_type=0x%04x,", eth_type);
    if (eth_type == ETH_P_IPV6)
        PUT(m, ipv6_parts, out);
    else if (is_arp)
        PUT(m, arp_parts, out);
    else
        PUT(m, ipv4_parts, out);
    if (!is_arp && mask->ip_proto && !(k && k->proto))
        str_printf(out, "nw_proto=%u,", m->value.key.ip_proto);
    PUT(m, network_parts, out);
    put_l4(m, eth_type, out);
    str_chomp(out, ",");
}

static void match_exactly(struct match *m, enum field_id id, uint64_t v)
{
    const struct field *f = field_by_id(id);
    struct field_value value = field_value_from_u64(f, v), mask;
    field_value_ones(f, &mask);
    field_set_match(f, &value, &mask, m);
}

static bool parse_keyword(const char *name, struct match *m)
{
    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
        const struct keyword *k = &keywords[i];
        if (strcmp(k->name, name) && (!k->alias || strcmp(k->alias, name)))
            continue;
        match_exactly(m, FIELD_ETH_TYPE, k->eth_type);
        if (k->proto)
            match_exactly(m, FIELD_IP_PROTO, k->proto);
        return true;
    }
    return !strcmp(name, "eth"); // what packets are unless a match says otherwise
}

// The tag and the part of it that a name means: "dl_vlan", "dl_vlan_pcp", either with a "1" for the
// inner tag.
static bool is_vlan_name(const char *name, bool *ret_pcp, unsigned *ret_tag)
{
    static const struct {
        const char *name;
        bool pcp;
        unsigned tag;
    } names[] = {{"dl_vlan", false, 0},
                 {"dl_vlan_pcp", true, 0},
                 {"vlan_pcp", true, 0},
                 {"dl_vlan1", false, 1},
                 {"dl_vlan_pcp1", true, 1}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i].name, name))
            continue;
        *ret_pcp = names[i].pcp;
        *ret_tag = names[i].tag;
        return true;
    }
    return false;
}

// dl_vlan=N; 0xffff: no tag. dl_vlan_pcp=N: a tag with that priority.
static int parse_vlan(const char *text, bool is_pcp, unsigned tag, struct match *m, struct err *err)
{
    struct flow_vlan *value = &m->value.key.vlan[tag], *mask = &m->mask.key.vlan[tag];
    uint64_t v;

    if (!str_to_u64(text, 0, UINT16_MAX, &v) || (is_pcp ? v > 7 : v > 0xfff && v != 0xffff))
        return err_set(err, -EINVAL, "%s: not a valid VLAN %s", text, is_pcp ? "priority" : "id");
    if (v == 0xffff) {
        value->tci = 0;
        mask->tci = UINT16_MAX;
        return 0;
    }
    uint16_t bits = is_pcp ? 0xe000 : 0x0fff;
    uint16_t in_place = (uint16_t)(is_pcp ? v << 13 : v);
    value->tci = htons((uint16_t)((ntohs(value->tci) & ~bits) | in_place | VLAN_PRESENT));
    mask->tci |= htons(bits | VLAN_PRESENT);
    return 0;
}

static int parse_pair(const char *name, const char *text, struct match *m, struct err *err)
{
    bool is_pcp;
    unsigned tag;
    if (is_vlan_name(name, &is_pcp, &tag))
        return parse_vlan(text, is_pcp, tag, m, err);
    const struct field *f = field_by_name(name, strlen(name));
    if (!f)
        return err_set(err, -EINVAL, "unknown keyword %s", name);
    if (f->id == FIELD_OF_IN_PORT)
        f = field_by_id(FIELD_OF_IN_PORT_OXM); // text is not bound to 16 bits
    struct field_value value, mask;
    int r = field_value_parse(f, text, &value, &mask, err);
    if (r)
        return r;
    field_set_match(f, &value, &mask, m);
    return 0;
}

// Takes one "name", "name=value" or "name=(a,b)" off the front of *text; both parts are cut out of
// it.
static char *take_pair(char **text, char **value)
{
    char *name = *text + strspn(*text, ", \t\r\n");
    char *end = name + strcspn(name, "=, \t\r\n");

    *value = NULL;
    if (*end == '=') {
        *end++ = '\0';
        *value = end;
        for (unsigned depth = 0; *end && (depth || !strchr(", \t\r\n", *end)); end++)
            depth = *end == '(' ? depth + 1 : *end == ')' && depth ? depth - 1 : depth;
    }
    *text = *end ? end + 1 : end;
    *end = '\0';
    return *name || *value ? name : NULL;
}

// Drops what lacks its prerequisite; a wildcarded bit is what a table would see of it.
static void normalise(struct match *m)
{
    struct flow allowed;
    memset(&allowed, 0, sizeof(allowed));
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (field_prereq_in_match(&field_table[i], m))
            field_mask_all(&field_table[i], &allowed);
    }
    uint64_t *value = (uint64_t *)&m->value, *mask = (uint64_t *)&m->mask,
             *bits = (uint64_t *)&allowed;
    for (size_t i = 0; i < FLOW_U64S; i++) {
        mask[i] &= bits[i];
        value[i] &= mask[i];
    }
}

int match_parse(const char *text, struct match *ret_match, struct err *err)
{
    AUTO_FREE char *copy = xstrdup(text);
    char *at = copy, *name, *value;
    struct match m;

    memset(&m, 0, sizeof(m));
    while ((name = take_pair(&at, &value))) {
        if (parse_keyword(name, &m))
            continue;
        int r = value ? parse_pair(name, value, &m, err)
                      : err_set(err, -EINVAL, "%s: field %s missing value", text, name);
        if (r)
            return r;
    }
    normalise(&m);
    *ret_match = m;
    return 0;
}
