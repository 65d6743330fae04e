// SPDX-License-Identifier: Apache-2.0
// The table of headers in the datapath's dialect, and their parts to and from text. Names, order
// and number formats are those of ovs-dpctl(8)'s dumps. Thread: any, no state.
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/flow/flag_text.h"
#include "lib/flow/key_text.h"
#include "lib/flow/value_text.h"

#define PART(name, member, form)                                                                   \
    {                                                                                              \
        name, offsetof(struct flow_key, member), sizeof(((struct flow_key *)0)->member), form      \
    }
// The low byte of a member of 16 bits in network order.
#define LOW_BYTE(name, member, form)                                                               \
    {                                                                                              \
        name, offsetof(struct flow_key, member) + 1, 1, form                                       \
    }

static const struct key_part recirc_parts[] = {PART(NULL, recirc_id, FORM_HEX_HOST)};
static const struct key_part dp_hash_parts[] = {PART(NULL, dp_hash, FORM_HEX_HOST)};
static const struct key_part priority_parts[] = {PART(NULL, skb_priority, FORM_HEX_HOST)};
static const struct key_part mark_parts[] = {PART(NULL, skb_mark, FORM_HEX_HOST)};
static const struct key_part ct_zone_parts[] = {PART(NULL, ct_zone, FORM_HEX_HOST)};
static const struct key_part ct_mark_parts[] = {PART(NULL, ct_mark, FORM_HEX_HOST)};
static const struct key_part ct_label_parts[] = {PART(NULL, ct_label, FORM_WIDE)};

static const struct key_part tunnel_parts[] = {
    PART("tun_id", tun.id, FORM_HEX_0X),
    PART("src", tun.ip_src, FORM_IPV4),
    PART("dst", tun.ip_dst, FORM_IPV4),
    PART("ipv6_src", tun.ipv6_src, FORM_IPV6),
    PART("ipv6_dst", tun.ipv6_dst, FORM_IPV6),
    PART("tos", tun.tos, FORM_HEX),
    PART("ttl", tun.ttl, FORM_DEC),
    PART("tp_src", tun.tp_src, FORM_DEC),
    PART("tp_dst", tun.tp_dst, FORM_DEC),
    PART("vxlan", tun.gbp_id, FORM_GBP),
    PART("flags", tun.flags, FORM_TUNNEL_FLAGS),
};

static const struct key_part ct_tuple4_parts[] = {
    PART("src", ct_ip4_src, FORM_IPV4),  PART("dst", ct_ip4_dst, FORM_IPV4),
    PART("proto", ct_proto, FORM_DEC),   PART("tp_src", ct_tp_src, FORM_DEC),
    PART("tp_dst", ct_tp_dst, FORM_DEC),
};

static const struct key_part ct_tuple6_parts[] = {
    PART("src", ct_ip6_src, FORM_IPV6),    PART("dst", ct_ip6_dst, FORM_IPV6),
    PART("proto", ct_proto, FORM_DEC),     PART("src_port", ct_tp_src, FORM_DEC),
    PART("dst_port", ct_tp_dst, FORM_DEC),
};

static const struct key_part eth_parts[] = {
    PART("src", eth_src, FORM_ETH),
    PART("dst", eth_dst, FORM_ETH),
};

static const struct key_part ipv4_parts[] = {
    PART("src", ip4_src, FORM_IPV4),   PART("dst", ip4_dst, FORM_IPV4),
    PART("proto", ip_proto, FORM_DEC), PART("tos", ip_tos, FORM_HEX),
    PART("ttl", ip_ttl, FORM_DEC),     PART("frag", ip_frag, FORM_FRAG),
};

static const struct key_part ipv6_parts[] = {
    PART("src", ip6_src, FORM_IPV6),      PART("dst", ip6_dst, FORM_IPV6),
    PART("label", ip6_label, FORM_LABEL), PART("proto", ip_proto, FORM_DEC),
    PART("tclass", ip_tos, FORM_HEX),     PART("hlimit", ip_ttl, FORM_DEC),
    PART("frag", ip_frag, FORM_FRAG),
};

static const struct key_part port_parts[] = {
    PART("src", tp_src, FORM_DEC),
    PART("dst", tp_dst, FORM_DEC),
};

static const struct key_part icmp_parts[] = {
    LOW_BYTE("type", tp_src, FORM_DEC),
    LOW_BYTE("code", tp_dst, FORM_DEC),
};

static const struct key_part arp_parts[] = {
    PART("sip", ip4_src, FORM_IPV4), PART("tip", ip4_dst, FORM_IPV4),
    PART("op", ip_proto, FORM_DEC),  PART("sha", arp_sha, FORM_ETH),
    PART("tha", arp_tha, FORM_ETH),
};

static const struct key_part nd_parts[] = {
    PART("target", nd_target, FORM_IPV6),
    PART("sll", arp_sha, FORM_ETH),
    PART("tll", arp_tha, FORM_ETH),
};

static const struct key_part nd_ext_parts[] = {
    PART("nd_reserved", nd_reserved, FORM_HEX),
    PART("nd_options_type", nd_options_type, FORM_DEC),
};

#define HEADER(name, parts)                                                                        \
    {                                                                                              \
        name, parts, ARRAY_SIZE(parts)                                                             \
    }
const struct key_header key_headers[] = {
    HEADER("recirc_id", recirc_parts),
    HEADER("dp_hash", dp_hash_parts),
    HEADER("skb_priority", priority_parts),
    HEADER("tunnel", tunnel_parts),
    HEADER("skb_mark", mark_parts),
    HEADER("ct_zone", ct_zone_parts),
    HEADER("ct_mark", ct_mark_parts),
    HEADER("ct_label", ct_label_parts),
    HEADER("ct_tuple4", ct_tuple4_parts),
    HEADER("ct_tuple6", ct_tuple6_parts),
    HEADER("eth", eth_parts),
    HEADER("ipv4", ipv4_parts),
    HEADER("ipv6", ipv6_parts),
    HEADER("arp", arp_parts),
    HEADER("tcp", port_parts),
    HEADER("udp", port_parts),
    HEADER("sctp", port_parts),
    HEADER("icmp", icmp_parts),
    HEADER("icmpv6", icmp_parts),
    HEADER("nd", nd_parts),
    HEADER("nd_ext", nd_ext_parts),
};
const unsigned n_key_headers = ARRAY_SIZE(key_headers);

static const char *const tunnel_flag_names[] = {"df", "csum", "key", "oam", NULL};
static const struct flag_set tunnel_flags = {tunnel_flag_names, 0xf, false};

const struct key_header *key_header_find(const char *name, size_t len)
{
    for (unsigned i = 0; i < n_key_headers; i++) {
        if (strlen(key_headers[i].name) == len && !memcmp(key_headers[i].name, name, len))
            return &key_headers[i];
    }
    return NULL;
}

static bool part_is_masked(const struct key_part *part, const struct flow_key *mask)
{
    if (part->form == FORM_GBP)
        return mask->tun.gbp_id || mask->tun.gbp_flags;
    return !is_all_zeros((const uint8_t *)mask + part->offset, part->size);
}

bool key_header_is_masked(const struct key_header *h, const struct flow_key *mask)
{
    for (unsigned i = 0; i < h->n_parts; i++) {
        if (part_is_masked(&h->parts[i], mask))
            return true;
    }
    return false;
}

static uint64_t load(const struct key_part *part, const void *at)
{
    bool host = part->form == FORM_HEX_HOST;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;

    switch (part->size) {
    case 1:
        return *(const uint8_t *)at;
    case 2:
        memcpy(&u16, at, 2);
        return host ? u16 : ntohs(u16);
    case 4:
        memcpy(&u32, at, 4);
        return host ? u32 : ntohl(u32);
    default:
        memcpy(&u64, at, 8);
        return be64toh(u64);
    }
}

static void store(const struct key_part *part, void *at, uint64_t v)
{
    bool host = part->form == FORM_HEX_HOST;
    uint16_t u16 = host ? (uint16_t)v : htons((uint16_t)v);
    uint32_t u32 = host ? (uint32_t)v : htonl((uint32_t)v);
    uint8_t u8 = (uint8_t)v;

    v = htobe64(v);
    memcpy(at,
           part->size == 1   ? (const void *)&u8
           : part->size == 2 ? (const void *)&u16
           : part->size == 4 ? (const void *)&u32
                             : (const void *)&v,
           part->size);
}

static uint64_t all_bits(const struct key_part *part)
{
    return part->form == FORM_LABEL ? 0xfffff
           : part->size == 8        ? UINT64_MAX
                                    : (UINT64_C(1) << part->size * 8) - 1;
}

static void put_number(const struct key_part *part, const uint8_t *key, const uint8_t *mask,
                       struct str *out)
{
    unsigned long long v = load(part, key), m = load(part, mask), all = all_bits(part);
    str_printf(out,
               part->form == FORM_DEC      ? "%llu"
               : part->form == FORM_HEX_0X ? "0x%llx"
                                           : "%#llx",
               v);
    if ((m & all) != all)
        str_printf(out, "/%#llx", m);
}

static void put_wide(const uint8_t *key, const uint8_t *mask, struct str *out)
{
    hex_format(key, 16, out);
    if (!is_all_ones(mask, 16)) {
        str_putc(out, '/');
        hex_format(mask, 16, out);
    }
}

// This dialect writes masks of IPv4 addresses out, prefixes or not.
static void put_ipv4(const uint8_t *key, const uint8_t *mask, struct str *out)
{
    be32_t addr, bits;
    memcpy(&addr, key, 4);
    memcpy(&bits, mask, 4);
    ipv4_format(addr, out);
    if (bits != UINT32_MAX) {
        str_putc(out, '/');
        ipv4_format(bits, out);
    }
}

static void put_ipv6(const uint8_t *key, const uint8_t *mask, struct str *out)
{
    char text[INET6_ADDRSTRLEN];
    str_put(out, inet_ntop(AF_INET6, key, text, sizeof(text)));
    if (!is_all_ones(mask, 16))
        str_printf(out, "/%s", inet_ntop(AF_INET6, mask, text, sizeof(text)));
}

static void put_gbp(const struct flow_key *key, const struct flow_key *mask, struct str *out)
{
    str_put(out, "vxlan(gbp(");
    if (mask->tun.gbp_id) {
        str_printf(out, "id=%u", ntohs(key->tun.gbp_id));
        if (mask->tun.gbp_id != UINT16_MAX)
            str_printf(out, "/%#x", ntohs(mask->tun.gbp_id));
        str_putc(out, ',');
    }
    if (mask->tun.gbp_flags) {
        str_printf(out, "flags=%#x", key->tun.gbp_flags);
        if (mask->tun.gbp_flags != UINT8_MAX)
            str_printf(out, "/%#x", mask->tun.gbp_flags);
    }
    str_chomp(out, ",");
    str_put(out, "))");
}

static void put_part(const struct key_part *part, const struct flow_key *key,
                     const struct flow_key *mask, bool all_flags, struct str *out)
{
    const uint8_t *k = (const uint8_t *)key + part->offset,
                  *m = (const uint8_t *)mask + part->offset;
    static const char *const frags[] = {"no", "first", "<error>", "later"};

    if (part->form == FORM_GBP) {
        put_gbp(key, mask, out);
        return;
    }
    if (part->form == FORM_TUNNEL_FLAGS) {
        str_put(out, "flags(");
        if (all_flags)
            flags_format_all(&tunnel_flags, key->tun.flags, out);
        else
            flags_format_masked(&tunnel_flags, key->tun.flags, mask->tun.flags & tunnel_flags.all,
                                out);
        str_putc(out, ')');
        return;
    }
    if (part->name)
        str_printf(out, "%s=", part->name);
    switch (part->form) {
    case FORM_ETH:
        eth_format_masked((const struct eth_addr *)k, (const struct eth_addr *)m, out);
        break;
    case FORM_IPV4:
        put_ipv4(k, m, out);
        break;
    case FORM_IPV6:
        put_ipv6(k, m, out);
        break;
    case FORM_FRAG:
        str_put(out, frags[*k & 3]);
        break;
    case FORM_WIDE:
        put_wide(k, m, out);
        break;
    default:
        put_number(part, k, m, out);
        break;
    }
}

void key_header_format(const struct key_header *h, const struct flow_key *key,
                       const struct flow_key *mask, bool all_flags, struct str *out)
{
    str_printf(out, "%s(", h->name);
    for (unsigned i = 0; i < h->n_parts; i++) {
        if (!part_is_masked(&h->parts[i], mask))
            continue;
        put_part(&h->parts[i], key, mask, all_flags, out);
        str_putc(out, ',');
    }
    str_chomp(out, ",");
    str_putc(out, ')');
}

// A number with an optional mask.
static int parse_number(const char *text, uint64_t all, uint64_t *ret_value, uint64_t *ret_mask)
{
    char value[24] = {0};
    size_t len = strcspn(text, "/");
    if (!len || len >= sizeof(value))
        return -EINVAL;
    memcpy(value, text, len);
    *ret_mask = all;
    if (!str_to_u64(value, 0, all, ret_value) ||
        (text[len] && !str_to_u64(text + len + 1, 0, all, ret_mask)))
        return -EINVAL;
    return 0;
}

static int parse_gbp(const char *text, struct flow_key *key, struct flow_key *mask)
{
    unsigned id, flags = 0;
    int n = 0;
    if (sscanf(text, "gbp(id=%u)%n", &id, &n) < 1 || !n || text[n]) {
        n = 0;
        if (sscanf(text, "gbp(id=%u,flags=%i)%n", &id, (int *)&flags, &n) != 2 || !n || text[n] ||
            flags > UINT8_MAX)
            return -EINVAL;
        mask->tun.gbp_flags = UINT8_MAX;
    }
    if (id > UINT16_MAX)
        return -EINVAL;
    key->tun.gbp_id = htons((uint16_t)id);
    key->tun.gbp_flags = (uint8_t)flags;
    mask->tun.gbp_id = UINT16_MAX;
    return 0;
}

static int parse_frag(const char *text, uint8_t *key, uint8_t *mask)
{
    static const char *const names[] = {"no", "first", NULL, "later"};
    for (uint8_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!names[i] || strcmp(names[i], text))
            continue;
        *key = i;
        *mask = FLOW_FRAG_ANY | FLOW_FRAG_LATER;
        return 0;
    }
    return -EINVAL;
}

static int parse_wide(const char *text, uint8_t *key, uint8_t *mask)
{
    size_t len = strcspn(text, "/");
    memset(mask, 0xff, 16);
    if (number_parse(text, len, key, 16) ||
        (text[len] && number_parse(text + len + 1, strlen(text + len + 1), mask, 16)))
        return -EINVAL;
    return 0;
}

static int parse_tunnel_flags(const char *text, struct flow_key *key, struct flow_key *mask)
{
    uint32_t value, bits;
    int r = flags_parse(&tunnel_flags, text, &value, &bits);
    if (r)
        return r;
    key->tun.flags = (uint16_t)value;
    mask->tun.flags = (uint16_t)bits;
    return 0;
}

int key_part_parse(const struct key_part *part, const char *text, struct flow_key *key,
                   struct flow_key *mask)
{
    uint8_t *k = (uint8_t *)key + part->offset, *m = (uint8_t *)mask + part->offset;
    uint64_t value, bits;
    int r = 0;

    switch (part->form) {
    case FORM_ETH:
        r = eth_parse_masked(text, (struct eth_addr *)k, (struct eth_addr *)m);
        break;
    case FORM_IPV4: {
        be32_t addr, addr_mask;
        r = ipv4_parse_masked(text, &addr, &addr_mask);
        if (!r) {
            memcpy(k, &addr, 4);
            memcpy(m, &addr_mask, 4);
        }
        break;
    }
    case FORM_IPV6:
        r = ipv6_parse_masked(text, (struct in6_addr *)k, (struct in6_addr *)m);
        break;
    case FORM_FRAG:
        return parse_frag(text, k, m);
    case FORM_WIDE:
        r = parse_wide(text, k, m);
        break;
    case FORM_TUNNEL_FLAGS:
        return parse_tunnel_flags(text, key, mask);
    case FORM_GBP:
        return parse_gbp(text, key, mask);
    default:
        r = parse_number(text, all_bits(part), &value, &bits);
        if (!r) {
            store(part, k, value);
            store(part, m, bits);
        }
        break;
    }
    for (unsigned i = 0; !r && i < part->size; i++)
        k[i] &= m[i];
    return r;
}

void key_vlan_format(be16_t tci, be16_t tci_mask, struct str *out)
{
    uint16_t value = ntohs(tci), mask = ntohs(tci_mask);

    str_printf(out, "vid=%u", value & 0xfff);
    if ((mask & 0xfff) != 0xfff)
        str_printf(out, "/0x%x", mask & 0xfff);
    str_printf(out, ",pcp=%u", value >> 13);
    if (mask >> 13 != 7)
        str_printf(out, "/0x%x", mask >> 13);
    if (!(value & VLAN_PRESENT))
        str_put(out, ",cfi=0");
}

void key_mpls_format(const be32_t *lse, const be32_t *mask, struct str *out)
{
    unsigned n = FLOW_MAX_MPLS;

    while (n > 1 && (!mask || !mask[n - 1]))
        n--;
    for (unsigned i = 0; i < n; i++) {
        uint32_t v = ntohl(lse[i]), m = mask ? ntohl(mask[i]) : UINT32_MAX;
        if (i)
            str_putc(out, ',');
        if (m == UINT32_MAX)
            str_printf(out, "label=%u,tc=%u,ttl=%u,bos=%u", v >> 12, v >> 9 & 7, v & 0xff,
                       v >> 8 & 1);
        else
            str_printf(out, "label=%u/0x%x,tc=%u/%x,ttl=%u/0x%x,bos=%u/%x", v >> 12, m >> 12,
                       v >> 9 & 7, m >> 9 & 7, v & 0xff, m & 0xff, v >> 8 & 1, m >> 8 & 1);
    }
}
