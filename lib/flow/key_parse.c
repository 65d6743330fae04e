// SPDX-License-Identifier: Apache-2.0
// Reading what lib/flow/key_text.c writes, and what people write like it: headers in any order,
// "name(part=value/mask,…)", encap() for what lies within a VLAN tag. What isn't named isn't
// matched. Thread: any, no state.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/base/mem.h"
#include "lib/flow/flag_text.h"
#include "lib/flow/key_text.h"
#include "lib/flow/text.h"

#define ETH_TYPE_NONE 0x05ff // packet_wire.h

struct parser {
    struct flow_key key, mask;
    struct err *err;
    unsigned depth; // VLAN tags around what is read now
};

static int parse_list(struct parser *p, char *text);

static int bad(struct parser *p, const char *name, const char *text)
{
    return err_set(p->err, -EINVAL, "syntax error at %s(%s)", name, text);
}

// Cuts the next "…" up to a comma outside parentheses off *text; NULL at the end.
static char *take(char **text)
{
    char *start = *text + strspn(*text, ", \t\r\n"), *at = start;
    unsigned depth = 0;

    for (; *at && (depth || *at != ','); at++) {
        if (*at == '(')
            depth++;
        else if (*at == ')' && depth)
            depth--;
    }
    *text = *at ? at + 1 : at;
    *at = '\0';
    return *start ? start : NULL;
}

// "name(body)" or "name=body": cuts both out. NULL: neither.
static char *split(char *item)
{
    char *open = item + strcspn(item, "(=");
    size_t len = strlen(item);
    if (!*open || open == item)
        return NULL;
    if (*open == '(') {
        if (item[len - 1] != ')')
            return NULL;
        item[len - 1] = '\0';
    }
    *open = '\0';
    return open + 1;
}

static int parse_header(struct parser *p, const struct key_header *h, char *body)
{
    if (!h->parts[0].name)
        return key_part_parse(&h->parts[0], body, &p->key, &p->mask) ? bad(p, h->name, body) : 0;
    for (char *item; (item = take(&body));) {
        char *value = split(item);
        unsigned i = 0;
        while (value && i < h->n_parts && strcmp(h->parts[i].name, item))
            i++;
        if (!value || i == h->n_parts || key_part_parse(&h->parts[i], value, &p->key, &p->mask))
            return bad(p, h->name, item);
    }
    return 0;
}

// "5", "5/0x3" into the bits from `shift` on of value and mask.
static bool parse_bits(const char *text, uint32_t max, unsigned shift, uint32_t *value,
                       uint32_t *mask)
{
    char number[16] = {0};
    size_t len = strcspn(text, "/");
    uint64_t v, m = max;
    if (len >= sizeof(number))
        return false;
    memcpy(number, text, len);
    if (!str_to_u64(number, 0, max, &v) || (text[len] && !str_to_u64(text + len + 1, 0, max, &m)))
        return false;
    *value |= (uint32_t)(v & m) << shift;
    *mask |= (uint32_t)m << shift;
    return true;
}

struct bits {
    const char *name;
    uint32_t max;
    unsigned shift;
};

static int parse_bit_parts(struct parser *p, const char *header, const struct bits *parts, size_t n,
                           char *body, uint32_t *value, uint32_t *mask)
{
    for (char *item; (item = take(&body));) {
        char *text = split(item);
        size_t i = 0;
        while (text && i < n && strcmp(parts[i].name, item))
            i++;
        if (!text || i == n || !parse_bits(text, parts[i].max, parts[i].shift, value, mask))
            return bad(p, header, item);
    }
    return 0;
}

static int parse_vlan(struct parser *p, char *body)
{
    static const struct bits parts[] = {{"vid", 0xfff, 0}, {"pcp", 7, 13}, {"cfi", 1, 12}};
    uint32_t value = 0, mask = 0;

    if (p->depth >= FLOW_MAX_VLANS)
        return err_set(p->err, -EINVAL, "more than %u VLAN tags", FLOW_MAX_VLANS);
    int r = parse_bit_parts(p, "vlan", parts, ARRAY_SIZE(parts), body, &value, &mask);
    if (r)
        return r;
    if (!(mask & VLAN_PRESENT)) { // not said: there is a tag
        mask |= VLAN_PRESENT;
        value |= VLAN_PRESENT;
    }
    p->key.vlan[p->depth].tci = htons((uint16_t)value);
    p->mask.vlan[p->depth].tci = htons((uint16_t)mask);
    return 0;
}

// A label of the stack begins with each "label=".
static int parse_mpls(struct parser *p, char *body)
{
    static const struct bits parts[] = {
        {"label", 0xfffff, 12}, {"tc", 7, 9}, {"ttl", 0xff, 0}, {"bos", 1, 8}};
    uint32_t value[FLOW_MAX_MPLS] = {0}, mask[FLOW_MAX_MPLS] = {0};
    unsigned n = 0;

    for (char *item; (item = take(&body));) {
        if (str_starts(item, "label=") || !n)
            n++;
        if (n > FLOW_MAX_MPLS)
            return err_set(p->err, -EINVAL, "more than %u MPLS labels", FLOW_MAX_MPLS);
        int r =
            parse_bit_parts(p, "mpls", parts, ARRAY_SIZE(parts), item, &value[n - 1], &mask[n - 1]);
        if (r)
            return r;
    }
    for (unsigned i = 0; i < FLOW_MAX_MPLS; i++) {
        p->key.mpls_lse[i] = htonl(value[i]);
        p->mask.mpls_lse[i] = htonl(mask[i]);
    }
    return 0;
}

static int parse_eth_type(struct parser *p, const char *body)
{
    uint32_t value = 0, mask = 0;
    if (!parse_bits(body, 0xffff, 0, &value, &mask))
        return bad(p, "eth_type", body);
    if (!value && mask == 0xffff)
        value = ETH_TYPE_NONE;
    p->key.eth_type = htons((uint16_t)value);
    p->mask.eth_type = htons((uint16_t)mask);
    return 0;
}

static int parse_encap(struct parser *p, char *body)
{
    if (p->depth >= FLOW_MAX_VLANS)
        return err_set(p->err, -EINVAL, "more than %u VLAN tags", FLOW_MAX_VLANS);
    struct flow_vlan *tag = &p->key.vlan[p->depth], *mask = &p->mask.vlan[p->depth];
    tag->tpid = p->key.eth_type;
    mask->tpid = p->mask.eth_type;
    tag->tci |= htons(VLAN_PRESENT);
    mask->tci |= htons(VLAN_PRESENT);
    p->key.eth_type = p->mask.eth_type = 0;
    p->depth++;
    int r = parse_list(p, body);
    p->depth--;
    return r;
}

static int parse_packet_type(struct parser *p, const char *body)
{
    unsigned ns, id;
    int n = 0;
    if (sscanf(body, "ns=%u,id=%i%n", &ns, (int *)&id, &n) != 2 || body[n] || ns > 0xffff ||
        id > 0xffff)
        return bad(p, "packet_type", body);
    p->key.packet_type = htonl(ns << 16 | id);
    p->mask.packet_type = UINT32_MAX;
    return 0;
}

static int parse_flag_item(struct parser *p, const char *name, const char *body)
{
    bool is_ct = !strcmp(name, "ct_state");
    uint32_t value, mask;
    if (flags_parse(is_ct ? &flags_ct_state : &flags_tcp, body, &value, &mask))
        return bad(p, name, body);
    if (is_ct) {
        p->key.ct_state = (uint8_t)value;
        p->mask.ct_state = (uint8_t)mask;
    } else {
        p->key.tcp_flags = htons((uint16_t)value);
        p->mask.tcp_flags = htons((uint16_t)mask);
    }
    return 0;
}

static int parse_item(struct parser *p, const char *name, char *body)
{
    const struct key_header *h = key_header_find(name, strlen(name));
    if (h)
        return parse_header(p, h, body);
    if (!strcmp(name, "in_port")) {
        if (!str_to_u32(body, 0, &p->key.in_port))
            return bad(p, name, body);
        p->mask.in_port = UINT32_MAX;
        return 0;
    }
    if (!strcmp(name, "ct_state") || !strcmp(name, "tcp_flags"))
        return parse_flag_item(p, name, body);
    if (!strcmp(name, "eth_type"))
        return parse_eth_type(p, body);
    if (!strcmp(name, "vlan"))
        return parse_vlan(p, body);
    if (!strcmp(name, "encap"))
        return parse_encap(p, body);
    if (!strcmp(name, "mpls"))
        return parse_mpls(p, body);
    if (!strcmp(name, "packet_type"))
        return parse_packet_type(p, body);
    return err_set(p->err, -EINVAL, "syntax error at %s", name);
}

static int parse_list(struct parser *p, char *text)
{
    for (char *item; (item = take(&text));) {
        char *body = split(item);
        if (!body)
            return err_set(p->err, -EINVAL, "syntax error at %s", item);
        int r = parse_item(p, item, body);
        if (r)
            return r;
    }
    return 0;
}

int flow_key_parse(const char *text, struct flow_key *ret_key, struct flow_key *ret_mask,
                   struct err *err)
{
    AUTO_FREE char *copy = xstrdup(text);
    struct parser p = {.err = err};

    memset(&p.key, 0, sizeof(p.key));
    memset(&p.mask, 0, sizeof(p.mask));
    int r = parse_list(&p, copy);
    if (r)
        return r;
    *ret_key = p.key;
    if (ret_mask)
        *ret_mask = p.mask;
    return 0;
}
