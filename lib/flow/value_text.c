// SPDX-License-Identifier: Apache-2.0
// Single values of fields as text, in the form of OpenFlow's dialect (what stands behind "=" in a
// match, and before "->" in set_field): numbers, addresses, ports, flags, each with a mask behind
// "/" where one is given. Thread: any, no state.
#include "lib/flow/value_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/compiler.h"
#include "lib/flow/flag_text.h"

bool is_all_zeros(const void *data, size_t n)
{
    const uint8_t *b = data;
    while (n && !*b) {
        b++;
        n--;
    }
    return !n;
}

bool is_all_ones(const void *data, size_t n)
{
    const uint8_t *b = data;
    while (n && *b == 0xff) {
        b++;
        n--;
    }
    return !n;
}

void eth_addr_format(const struct eth_addr *a, struct str *out)
{
    str_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", a->b[0], a->b[1], a->b[2], a->b[3], a->b[4],
               a->b[5]);
}

void eth_format_masked(const struct eth_addr *addr, const struct eth_addr *mask, struct str *out)
{
    eth_addr_format(addr, out);
    if (mask && !is_all_ones(mask, sizeof(*mask))) {
        str_putc(out, '/');
        eth_addr_format(mask, out);
    }
}

int eth_addr_parse(const char *text, struct eth_addr *ret_addr)
{
    struct eth_addr addr;
    int n = 0;
    if (strspn(text, "0123456789abcdefABCDEF:") != strlen(text) ||
        sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &addr.b[0], &addr.b[1], &addr.b[2],
               &addr.b[3], &addr.b[4], &addr.b[5], &n) != 6 ||
        text[n])
        return -EINVAL;
    *ret_addr = addr;
    return 0;
}

// Cuts "value/mask" into a copy of the value and what is behind the slash (NULL: nothing).
static bool split(const char *text, char *value, size_t size, const char **mask)
{
    size_t len = strcspn(text, "/");
    if (!len || len >= size)
        return false;
    memcpy(value, text, len);
    value[len] = '\0';
    *mask = text[len] ? text + len + 1 : NULL;
    return true;
}

int eth_parse_masked(const char *text, struct eth_addr *ret_addr, struct eth_addr *ret_mask)
{
    char value[32];
    const char *mask_text;
    struct eth_addr addr, mask;

    memset(&mask, 0xff, sizeof(mask));
    if (!split(text, value, sizeof(value), &mask_text) || eth_addr_parse(value, &addr) ||
        (mask_text && eth_addr_parse(mask_text, &mask)))
        return -EINVAL;
    *ret_addr = addr;
    *ret_mask = mask;
    return 0;
}

// Of a mask that is a prefix: its length; else -1.
static int prefix_length(const uint8_t *mask, unsigned n_bytes)
{
    unsigned bits = 0;
    while (bits < n_bytes * 8 && mask[bits / 8] >> (7 - bits % 8) & 1)
        bits++;
    for (unsigned i = bits; i < n_bytes * 8; i++) {
        if (mask[i / 8] >> (7 - i % 8) & 1)
            return -1;
    }
    return (int)bits;
}

static bool prefix_mask(const char *text, uint8_t *mask, unsigned n_bytes)
{
    uint64_t bits;
    if (!str_to_u64(text, 10, n_bytes * 8, &bits))
        return false;
    memset(mask, 0, n_bytes);
    for (unsigned i = 0; i < bits; i++)
        mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
    return true;
}

static void format_addr(int family, const void *addr, struct str *out)
{
    char text[INET6_ADDRSTRLEN];
    str_put(out, inet_ntop(family, addr, text, sizeof(text)));
}

static void format_addr_masked(int family, const void *addr, const void *mask, unsigned n,
                               struct str *out)
{
    format_addr(family, addr, out);
    if (is_all_ones(mask, n))
        return;
    int prefix = prefix_length(mask, n);
    str_putc(out, '/');
    if (prefix >= 0)
        str_printf(out, "%d", prefix);
    else
        format_addr(family, mask, out);
}

static int parse_addr_masked(int family, const char *text, void *ret_addr, void *ret_mask,
                             unsigned n)
{
    char value[64];
    const char *mask_text;
    uint8_t addr[16], mask[16];

    memset(mask, 0xff, sizeof(mask));
    if (!split(text, value, sizeof(value), &mask_text) || inet_pton(family, value, addr) != 1)
        return -EINVAL;
    if (mask_text && !prefix_mask(mask_text, mask, n) && inet_pton(family, mask_text, mask) != 1)
        return -EINVAL;
    memcpy(ret_addr, addr, n);
    memcpy(ret_mask, mask, n);
    return 0;
}

void ipv4_format(be32_t addr, struct str *out)
{
    format_addr(AF_INET, &addr, out);
}

void ipv4_format_masked(be32_t addr, be32_t mask, struct str *out)
{
    format_addr_masked(AF_INET, &addr, &mask, 4, out);
}

void ipv6_format_masked(const struct in6_addr *addr, const struct in6_addr *mask, struct str *out)
{
    format_addr_masked(AF_INET6, addr, mask, 16, out);
}

int ipv4_parse_masked(const char *text, be32_t *ret_addr, be32_t *ret_mask)
{
    return parse_addr_masked(AF_INET, text, ret_addr, ret_mask, 4);
}

int ipv6_parse_masked(const char *text, struct in6_addr *ret_addr, struct in6_addr *ret_mask)
{
    return parse_addr_masked(AF_INET6, text, ret_addr, ret_mask, 16);
}

static const struct {
    const char *name;
    ofp_port_t port;
} port_names[] = {
    {"UNSET", OFPP_UNSET},
    {"IN_PORT", OFPP_IN_PORT},
    {"TABLE", OFPP_TABLE},
    {"NORMAL", OFPP_NORMAL},
    {"FLOOD", OFPP_FLOOD},
    {"ALL", OFPP_ALL},
    {"CONTROLLER", OFPP_CONTROLLER},
    {"LOCAL", OFPP_LOCAL},
    {"ANY", OFPP_NONE},
    {"NONE", OFPP_NONE},
};

void ofp_port_format(ofp_port_t port, struct str *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(port_names); i++) {
        if (port_names[i].port == port) {
            str_put(out, port_names[i].name);
            return;
        }
    }
    str_printf(out, "%u", port >= OFPP_MAX_PORT ? port & 0xffff : port);
}

int ofp_port_parse(const char *text, ofp_port_t *ret_port)
{
    uint32_t port;
    for (size_t i = 0; i < ARRAY_SIZE(port_names); i++) {
        if (!strcasecmp(port_names[i].name, text)) {
            *ret_port = port_names[i].port;
            return 0;
        }
    }
    if (!str_to_u32(text, 0, &port))
        return -EINVAL;
    *ret_port = port <= UINT16_MAX ? ofp_port_from_u16((uint16_t)port) : port;
    return 0;
}

void hex_format(const uint8_t *bytes, size_t n, struct str *out)
{
    while (n && !*bytes) {
        bytes++;
        n--;
    }
    if (!n) {
        str_putc(out, '0');
        return;
    }
    str_printf(out, "0x%x", *bytes);
    str_put_hex(out, bytes + 1, n - 1);
}

int number_parse(const char *text, size_t len, uint8_t *ret_bytes, size_t n)
{
    char digits[40] = {0};
    uint8_t wide[16] = {0};
    uint64_t v;

    if (!len || len >= sizeof(digits))
        return -EINVAL;
    memcpy(digits, text, len);
    if (str_to_u64(digits, 0, UINT64_MAX, &v)) {
        for (size_t i = 16; i-- > 8; v >>= 8)
            wide[i] = (uint8_t)v;
    } else {
        size_t n_digits = len - 2;
        if (len < 3 || digits[0] != '0' || (digits[1] | 0x20) != 'x' || n_digits > 32)
            return -EINVAL;
        char padded[33];
        memset(padded, '0', 32);
        memcpy(padded + 32 - n_digits, digits + 2, n_digits);
        padded[32] = '\0';
        if (!str_from_hex(padded, wide, 16))
            return -EINVAL;
    }
    if (!is_all_zeros(wide, 16 - n))
        return -ERANGE;
    memcpy(ret_bytes, wide + 16 - n, n);
    return 0;
}

static const char *frag_name(uint8_t value, uint8_t mask)
{
    static const char *const exact[] = {"no", "first", "<error>", "later"};
    if ((mask & 3) == 3)
        return exact[value & 3];
    if (mask & FLOW_FRAG_LATER)
        return value & FLOW_FRAG_LATER ? "later" : "not_later";
    return value & FLOW_FRAG_ANY ? "yes" : "no";
}

static bool frag_parse(const char *text, struct field_value *value, struct field_value *mask)
{
    static const struct {
        const char *name;
        uint8_t value, mask;
    } words[] = {
        {"no", 0, 1}, {"yes", 1, 1}, {"first", 1, 3}, {"later", 3, 3}, {"not_later", 0, 2},
    };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!strcasecmp(words[i].name, text)) {
            value->b[0] = words[i].value;
            mask->b[0] = words[i].mask;
            return true;
        }
    }
    return false;
}

static const struct flag_set *flags_of(const struct field *f)
{
    return f->text == TEXT_CT_STATE    ? &flags_ct_state
           : f->text == TEXT_TCP_FLAGS ? &flags_tcp
                                       : &flags_tunnel;
}

static void format_number(const struct field *f, const struct field_value *value,
                          const struct field_value *mask, struct str *out)
{
    if (f->text == TEXT_DECIMAL && f->n_bytes <= 8)
        str_printf(out, "%llu", (unsigned long long)field_value_to_u64(f, value));
    else
        hex_format(value->b, f->n_bytes, out);
    if (mask) {
        str_putc(out, '/');
        hex_format(mask->b, f->n_bytes, out);
    }
}

void field_value_format(const struct field *f, const struct field_value *value,
                        const struct field_value *mask, struct str *out)
{
    struct field_value all;
    field_value_ones(f, &all);
    if (mask && !memcmp(mask, &all, sizeof(all)))
        mask = NULL;
    const struct field_value *m = mask ? mask : &all;

    switch (f->text) {
    case TEXT_DECIMAL:
    case TEXT_HEX:
    case TEXT_DP_PORT:
        format_number(f, value, mask, out);
        break;
    case TEXT_ETHERNET:
        eth_format_masked((const struct eth_addr *)value->b, (const struct eth_addr *)m->b, out);
        break;
    case TEXT_IPV4:
        format_addr_masked(AF_INET, value->b, m->b, 4, out);
        break;
    case TEXT_IPV6:
        format_addr_masked(AF_INET6, value->b, m->b, 16, out);
        break;
    case TEXT_OFP_PORT: {
        uint32_t port = (uint32_t)field_value_to_u64(f, value);
        ofp_port_format(f->n_bytes == 2 ? ofp_port_from_u16((uint16_t)port) : port, out);
        break;
    }
    case TEXT_FRAG:
        str_put(out, frag_name(value->b[0], m->b[0]));
        break;
    case TEXT_TCP_FLAGS:
    case TEXT_CT_STATE:
    case TEXT_TUN_FLAGS:
        flags_format_masked(flags_of(f), (uint32_t)field_value_to_u64(f, value),
                            (uint32_t)field_value_to_u64(f, m), out);
        break;
    case TEXT_PACKET_TYPE: {
        uint32_t type = (uint32_t)field_value_to_u64(f, value);
        str_printf(out, "(%u,0x%x)", type >> 16, type & 0xffff);
        break;
    }
    }
}

static int parse_number(const struct field *f, const char *text, struct field_value *value,
                        struct field_value *mask, struct err *err)
{
    size_t len = strcspn(text, "/");
    int r = number_parse(text, len, value->b, f->n_bytes);
    if (!r && text[len])
        r = number_parse(text + len + 1, strlen(text + len + 1), mask->b, f->n_bytes);
    if (r == -ERANGE)
        return err_set(err, -EINVAL, "%s: value too large for %u-byte field %s", text, f->n_bytes,
                       f->name);
    if (r)
        return err_set(err, -EINVAL, "%s: bad syntax for %s", text, f->name);
    return 0;
}

static int parse_flags(const struct field *f, const char *text, struct field_value *value,
                       struct field_value *mask)
{
    uint32_t v, m;
    int r = flags_parse(flags_of(f), text, &v, &m);
    if (r)
        return r;
    *value = field_value_from_u64(f, v);
    if (m != flags_of(f)->all) // else all ones, as wide as the field is on the wire
        *mask = field_value_from_u64(f, m);
    return 0;
}

static int parse_packet_type(const char *text, struct field_value *value)
{
    unsigned ns, type;
    int n = 0;
    if (sscanf(text, "(%u,%i)%n", &ns, (int *)&type, &n) != 2 || text[n] || ns > 0xffff ||
        type > 0xffff)
        return -EINVAL;
    be32_t v = htonl(ns << 16 | type);
    memcpy(value->b, &v, 4);
    return 0;
}

static int parse_ofp_port(const struct field *f, const char *text, struct field_value *value)
{
    ofp_port_t port;
    int r = ofp_port_parse(text, &port);
    if (!r)
        *value = field_value_from_u64(f, f->n_bytes == 2 ? ofp_port_to_u16(port) : port);
    return r;
}

int field_value_parse(const struct field *f, const char *text, struct field_value *ret_value,
                      struct field_value *ret_mask, struct err *err)
{
    struct field_value value = {{0}}, mask, all;
    int r = 0;

    field_value_ones(f, &all);
    mask = all;
    switch (f->text) {
    case TEXT_DECIMAL:
    case TEXT_HEX:
    case TEXT_DP_PORT:
        r = parse_number(f, text, &value, &mask, err);
        if (r)
            return r;
        break;
    case TEXT_ETHERNET:
        r = eth_parse_masked(text, (struct eth_addr *)value.b, (struct eth_addr *)mask.b);
        break;
    case TEXT_IPV4:
        r = parse_addr_masked(AF_INET, text, value.b, mask.b, 4);
        break;
    case TEXT_IPV6:
        r = parse_addr_masked(AF_INET6, text, value.b, mask.b, 16);
        break;
    case TEXT_OFP_PORT:
        r = parse_ofp_port(f, text, &value);
        break;
    case TEXT_FRAG:
        r = frag_parse(text, &value, &mask) ? 0 : -EINVAL;
        break;
    case TEXT_TCP_FLAGS:
    case TEXT_CT_STATE:
    case TEXT_TUN_FLAGS:
        r = parse_flags(f, text, &value, &mask);
        break;
    case TEXT_PACKET_TYPE:
        r = parse_packet_type(text, &value);
        break;
    }
    if (r)
        return err_set(err, -EINVAL, "%s: invalid value for %s", text, f->name);
    for (unsigned i = 0; i < f->n_bytes; i++) {
        mask.b[i] &= all.b[i];
        value.b[i] &= f->text == TEXT_DECIMAL || f->text == TEXT_HEX ? 0xff : mask.b[i];
    }
    if (f->id == FIELD_IP_DSCP) // ECN's bits are not its own
        value.b[0] &= all.b[0];
    if (!field_value_valid(f, &value))
        return err_set(err, -EINVAL, "%s: value too large for %s", text, f->name);
    if (!f->maskable && !is_all_zeros(mask.b, f->n_bytes) && memcmp(&mask, &all, sizeof(all)))
        return err_set(err, -EINVAL, "%s: %s can't be masked", text, f->name);
    for (unsigned i = 0; i < f->n_bytes; i++)
        value.b[i] &= mask.b[i];
    *ret_value = value;
    *ret_mask = mask;
    return 0;
}
