// SPDX-License-Identifier: Apache-2.0
// The text forms and codecs of lib/flow on standard input and output, for
// tests/net/flow_text_test.py, which compares them with the commands of Open vSwitch. One line in,
// one line out:
//     match TEXT       the match, read and written again; or "error: …"
//     random SEED      a random match: as NXM in hexadecimal, as OXM of OpenFlow 1.5, as text
//     key TEXT         a datapath key, read and written again; or "error: …"
//     frame SEED       a random frame in hexadecimal, and all that packet_extract() finds in it as
//     a match none)
//     wild SEED        likewise, but often with extension headers, cut short or with bytes changed;
//     what is found in it
//                      as a datapath key
#include "tests/unit/flow/packet_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/flow/oxm.h"
#include "lib/flow/text.h"

static void do_match(const char *text, struct str *out)
{
    struct match m;
    AUTO_ERR(err);
    if (match_parse(text, &m, &err))
        str_printf(out, "error: %s", err_text(&err));
    else
        match_format(&m, out);
}

// A field that a random match may have: one that has a header and that Open vSwitch prints.
static bool usable(const struct field *f)
{
    switch (f->id) {
    case FIELD_OF_IN_PORT:
    case FIELD_PACKET_TYPE:
    case FIELD_VLAN_VID:
    case FIELD_VLAN_PCP: // vlan_tci says all of it
    case FIELD_ETH_TYPE:
    case FIELD_IP_PROTO:
    case FIELD_IP_DSCP_OXM:
    case FIELD_ICMPV6_TYPE: // set with the prerequisites
    case FIELD_ICMPV6_CODE:
        return false;
    default:
        return (f->nxm.name || f->oxm.name) && f->id < FIELD_XREG0;
    }
}

static struct match random_match(void)
{
    static const enum field_prereq kinds[] = {
        PREREQ_NONE,       PREREQ_ARP,       PREREQ_IPV4, PREREQ_IPV6,    PREREQ_MPLS,
        PREREQ_TCP,        PREREQ_UDP,       PREREQ_SCTP, PREREQ_ICMPV4,  PREREQ_ICMPV6,
        PREREQ_ND_SOLICIT, PREREQ_ND_ADVERT, PREREQ_CT,   PREREQ_CT_IPV4, PREREQ_CT_IPV6};
    struct match m;

    memset(&m, 0, sizeof(m));
    match_prereq(&m, kinds[random_below(sizeof(kinds) / sizeof(kinds[0]))]);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = field_by_id((enum field_id)i);
        if (!usable(f) || random_below(5) || !field_is_zero(f, &m.mask) ||
            !field_prereq_in_match(f, &m))
            continue;
        struct field_value v = random_value(f), mask;
        field_value_ones(f, &mask);
        if (f->maskable && random_below(2))
            mask = random_value(f);
        if (random_below(4) == 0)
            memset(&v, 0, sizeof(v));
        if (i == FIELD_IP_FRAG && v.b[0] == FLOW_FRAG_LATER) // no such packet
            v.b[0] = 0;
        if (i == FIELD_OF_IN_PORT_OXM || i == FIELD_ACTSET_OUTPUT)
            v = field_value_from_u64(f, random_below(2) ? 0xfffffff8 + random_below(8)
                                                        : random_below(0xff00));
        field_set_match(f, &v, &mask, &m);
    }
    return m;
}

static void do_random(const char *seed, struct str *out)
{
    random_seed(strtoull(seed, NULL, 0));
    struct match m = random_match();
    for (unsigned nxm = 2; nxm-- > 0;) {
        const struct field_ctx ctx = {.of_version = nxm ? 1 : 6};
        struct buf b = BUF_INIT;
        oxm_put_match(&b, &m, &ctx, nxm, 0, 0);
        str_put_hex(out, b.data, b.size);
        str_putc(out, '\t');
        buf_done(&b);
    }
    match_format(&m, out);
}

static void do_key(const char *text, struct str *out)
{
    struct flow_key key, mask;
    AUTO_ERR(err);
    if (flow_key_parse(text, &key, &mask, &err))
        str_printf(out, "error: %s", err_text(&err));
    else
        flow_key_format(&key, &mask, NULL, NULL, out);
}

// Everything that a frame of that kind has is matched.
static void mask_frame(struct match *m)
{
    for (unsigned i = FIELD_ETH_SRC; i < FIELD_PIPELINE_FIRST; i++) {
        const struct field *f = field_by_id((enum field_id)i);
        if (f->prereq >= PREREQ_TCP && m->value.key.ip_frag & FLOW_FRAG_LATER)
            continue;
        if (field_prereq_ok(f, &m->value) && i != FIELD_VLAN_TPID && i != FIELD_VLAN2_TPID)
            field_mask_all(f, &m->mask);
    }
    if (!m->value.key.vlan[1].tci)
        m->mask.key.vlan[1].tci = 0;
    if (!m->value.key.nd_reserved)
        m->mask.key.nd_reserved = 0;
    if (!m->value.key.nd_options_type)
        m->mask.key.nd_options_type = 0;
    for (unsigned i = 1; i < FLOW_MAX_MPLS; i++) {
        if (!m->value.key.mpls_lse[i])
            m->mask.key.mpls_lse[i] = 0;
    }
}

static void do_frame(const char *seed, struct str *out)
{
    struct match m;
    random_seed(strtoull(seed, NULL, 0));
    struct flow_key key = random_key();
    struct packet *p = packet_compose(&key, 20 + random_below(40));

    memset(&m, 0, sizeof(m));
    packet_extract(p, &m.value.key);
    m.value.key.in_port = 0;
    mask_frame(&m);
    str_put_hex(out, packet_data(p), p->len);
    str_putc(out, '\t');
    match_format(&m, out);
    packet_free(p);
}

// Puts `n` bytes into the frame at `at`.
static uint8_t *insert(struct packet *p, uint32_t at, uint32_t n)
{
    uint8_t *data = packet_push(p, n);
    memmove(data, data + n, at);
    memset(data + at, 0, n);
    return data + at;
}

// Extension headers between IPv6 and what follows it; some lengths are lies.
static void add_extensions(struct packet *p)
{
    static const uint8_t kinds[] = {0, 43, 44, 51, 60, 59};
    uint32_t ip = p->l3_ofs;

    for (unsigned n = random_below(4); n > 0; n--) {
        uint8_t kind = kinds[random_below(sizeof(kinds))];
        uint32_t units = kind == 44 ? 1 : 1 + random_below(3);
        uint8_t *h = insert(p, ip + 40, units * 8), *next = packet_data(p) + ip + 6;
        h[0] = *next;
        h[1] = (uint8_t)(kind == 51 ? units * 2 - 2 : units - 1);
        if (kind == 44) // whole, first, later
            h[1] = 0, h[3] = (uint8_t[]){0, 1, 8}[random_below(3)];
        else if (!random_below(6))
            h[1] = (uint8_t)random_u32();
        *next = kind;
    }
}

static void do_wild(const char *seed, struct str *out)
{
    uint64_t number = strtoull(seed, NULL, 0);
    random_seed(number);
    struct flow_key key = random_key();
    be32_t low = htonl((uint32_t)number);
    memset(&key.eth_src, 0, 6); // tells the frames apart
    memcpy(key.eth_src.b + 2, &low, 4);
    struct packet *p = packet_compose(&key, 4 + random_below(30));

    if (key.eth_type == htons(0x86dd) && random_below(2))
        add_extensions(p);
    if (!random_below(3))
        p->len = 18 + random_below(p->len - 17);
    for (unsigned n = random_below(3) ? 0 : 1 + random_below(3); n > 0; n--)
        packet_data(p)[12 + random_below(p->len - 12)] = (uint8_t)random_u32();
    memset(&p->md, 0, sizeof(p->md));
    packet_extract(p, &key);
    str_put_hex(out, packet_data(p), p->len);
    str_putc(out, '\t');
    flow_key_format(&key, NULL, NULL, NULL, out);
    packet_free(p);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(const char *, struct str *);
    } commands[] = {{"match ", do_match},
                    {"random ", do_random},
                    {"key ", do_key},
                    {"frame ", do_frame},
                    {"wild ", do_wild}};
    char line[4096];

    while (fgets(line, sizeof(line), stdin)) {
        struct str out = STR_INIT;
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
            if (str_starts(line, commands[i].name))
                commands[i].run(line + strlen(commands[i].name), &out);
        }
        puts(str_text(&out));
        fflush(stdout);
        str_done(&out);
    }
    return 0;
}
