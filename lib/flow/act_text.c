// SPDX-License-Identifier: Apache-2.0
// Lists of actions in the datapath's dialect, as `ovs-dpctl dump-flows` prints them behind
// "actions:". Sets of one header that follow each other are one set(), as people's scripts expect:
// "set(ipv4(src=1.2.3.4,ttl=63))". Fields that IPv4 and IPv6 share are printed as those of the
// flow's Ethernet type. Thread: any, no state.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/flow/action.h"
#include "lib/flow/key_text.h"
#include "lib/flow/value_text.h"

struct format {
    dp_port_name_fn *port_name;
    const void *aux;
    be16_t eth_type; // of the packet where the list has come to
    struct str *out;
};

static void put_list(struct format *f, const struct act_list *list);

static void put_port(const struct format *f, dp_port_t port)
{
    const char *name = f->port_name ? f->port_name(f->aux, port) : NULL;
    if (name)
        str_put(f->out, name);
    else
        str_printf(f->out, "%u", port);
}

// The header that a field is part of, in this dialect.
static const char *header_of(enum field_id id, be16_t eth_type)
{
    switch (id) {
    case FIELD_SKB_PRIORITY:
        return "skb_priority";
    case FIELD_PKT_MARK:
        return "skb_mark";
    case FIELD_ETH_SRC:
    case FIELD_ETH_DST:
        return "eth";
    case FIELD_IPV4_SRC:
    case FIELD_IPV4_DST:
        return "ipv4";
    case FIELD_IPV6_SRC:
    case FIELD_IPV6_DST:
    case FIELD_IPV6_LABEL:
        return "ipv6";
    case FIELD_IP_DSCP:
    case FIELD_IP_DSCP_OXM:
    case FIELD_IP_ECN:
    case FIELD_IP_TTL:
        return eth_type == htons(ETH_P_IPV6) ? "ipv6" : "ipv4";
    case FIELD_ARP_OP:
    case FIELD_ARP_SPA:
    case FIELD_ARP_TPA:
    case FIELD_ARP_SHA:
    case FIELD_ARP_THA:
        return "arp";
    case FIELD_TCP_SRC:
    case FIELD_TCP_DST:
        return "tcp";
    case FIELD_UDP_SRC:
    case FIELD_UDP_DST:
        return "udp";
    case FIELD_SCTP_SRC:
    case FIELD_SCTP_DST:
        return "sctp";
    case FIELD_ICMPV4_TYPE:
    case FIELD_ICMPV4_CODE:
        return "icmp";
    case FIELD_ICMPV6_TYPE:
    case FIELD_ICMPV6_CODE:
        return "icmpv6";
    case FIELD_ND_TARGET:
    case FIELD_ND_SLL:
    case FIELD_ND_TLL:
        return "nd";
    case FIELD_ND_RESERVED:
    case FIELD_ND_OPTIONS_TYPE:
        return "nd_ext";
    case FIELD_VLAN_TCI:
    case FIELD_VLAN_VID:
    case FIELD_VLAN_PCP:
        return "vlan";
    case FIELD_MPLS_LABEL:
    case FIELD_MPLS_TC:
    case FIELD_MPLS_BOS:
    case FIELD_MPLS_TTL:
        return "mpls";
    default:
        return id >= FIELD_TUN_ID && id <= FIELD_TUN_GBP_FLAGS ? "tunnel" : NULL;
    }
}

static void put_set_body(const struct format *f, const char *header, const struct flow *value,
                         const struct flow *mask)
{
    if (!strcmp(header, "vlan")) {
        str_put(f->out, "vlan(");
        key_vlan_format(value->key.vlan[0].tci | htons(VLAN_PRESENT), mask->key.vlan[0].tci,
                        f->out);
        str_putc(f->out, ')');
    } else if (!strcmp(header, "mpls")) {
        str_put(f->out, "mpls(");
        key_mpls_format(value->key.mpls_lse, mask->key.mpls_lse, f->out);
        str_putc(f->out, ')');
    } else {
        key_header_format(key_header_find(header, strlen(header)), &value->key, &mask->key, false,
                          f->out);
    }
}

// Prints the sets from number i on that go together; returns how many.
static uint32_t put_sets(const struct format *f, const struct act_list *list, uint32_t i)
{
    const char *header = header_of(list->v[i].set.field, f->eth_type);
    uint32_t n = 0;

    if (!header) { // a field that this dialect has no word for
        const struct act *a = &list->v[i];
        const struct field *field = field_by_id(a->set.field);
        str_printf(f->out, "set(%s(", field->name);
        field_value_format(field, &a->set.value, &a->set.mask, f->out);
        str_put(f->out, "))");
        return 1;
    }
    struct flow value, mask, own;
    memset(&value, 0, sizeof(value));
    memset(&mask, 0, sizeof(mask));
    for (; i + n < list->n && list->v[i + n].type == ACT_SET; n++) {
        const struct act *a = &list->v[i + n];
        const struct field *field = field_by_id(a->set.field);
        const char *same = header_of(a->set.field, f->eth_type);
        if (!same || strcmp(same, header) || !field_is_zero(field, &mask))
            break;
        memset(&own, 0, sizeof(own));
        field_set_masked(field, &a->set.mask, &a->set.mask, &own);
        field_set_masked(field, &a->set.value, &a->set.mask, &value);
        for (size_t w = 0; w < FLOW_U64S; w++)
            ((uint64_t *)&mask)[w] |= ((uint64_t *)&own)[w];
    }
    str_put(f->out, "set(");
    put_set_body(f, header, &value, &mask);
    str_putc(f->out, ')');
    return n;
}

static void put_tunnel(const struct format *f, const struct tunnel_key *tun)
{
    struct flow_key key, mask;

    memset(&key, 0, sizeof(key));
    memset(&mask, 0, sizeof(mask));
    key.tun = *tun;
    if (tun->flags & FLOW_TNL_KEY || tun->id)
        mask.tun.id = UINT64_MAX;
    mask.tun.ip_src = tun->ip_src ? UINT32_MAX : 0;
    mask.tun.ip_dst = tun->ip_dst ? UINT32_MAX : 0;
    if (!is_all_zeros(&tun->ipv6_src, 16))
        memset(&mask.tun.ipv6_src, 0xff, 16);
    if (!is_all_zeros(&tun->ipv6_dst, 16))
        memset(&mask.tun.ipv6_dst, 0xff, 16);
    mask.tun.flags = UINT16_MAX;
    mask.tun.tos = tun->tos ? UINT8_MAX : 0;
    mask.tun.ttl = UINT8_MAX;
    mask.tun.tp_src = tun->tp_src ? UINT16_MAX : 0;
    mask.tun.tp_dst = tun->tp_dst ? UINT16_MAX : 0;
    mask.tun.gbp_id = tun->gbp_id ? UINT16_MAX : 0;
    mask.tun.gbp_flags = tun->gbp_flags ? UINT8_MAX : 0;
    str_put(f->out, "set(");
    key_header_format(key_header_find("tunnel", 6), &key, &mask, true, f->out);
    str_putc(f->out, ')');
}

static void put_userspace(const struct format *f, const struct act *a)
{
    static const char *const reasons[] = {
        [USERSPACE_SLOW_PATH] = "slow_path(action)",
        [USERSPACE_CONTROLLER] = "slow_path(controller)",
        [USERSPACE_SAMPLE] = "slow_path(sample)",
    };
    str_printf(f->out, "userspace(pid=0,%s)", reasons[a->userspace.reason]);
}

static void put_ct(const struct format *f, const struct act *a)
{
    struct str *out = f->out;
    str_put(out, "ct(");
    if (a->ct.commit || a->ct.force)
        str_printf(out, "%s,", a->ct.force ? "force_commit" : "commit");
    if (a->ct.zone)
        str_printf(out, "zone=%u,", a->ct.zone);
    if (a->ct.mark_mask)
        str_printf(out, "mark=%#x/%#x,", a->ct.mark, a->ct.mark_mask);
    if (!is_all_zeros(&a->ct.label_mask, 16)) {
        str_put(out, "label=");
        hex_format(a->ct.label.s6_addr, 16, out);
        if (!is_all_ones(&a->ct.label_mask, 16)) {
            str_putc(out, '/');
            hex_format(a->ct.label_mask.s6_addr, 16, out);
        }
        str_putc(out, ',');
    }
    if (a->ct.nat)
        str_put(out, "nat,");
    if (str_chomp(out, ","))
        str_putc(out, ')');
    else
        str_chomp(out, "("); // bare "ct"
}

static void put_nested(struct format *f, const struct act_list *list)
{
    static const struct act_list empty;
    be16_t eth_type = f->eth_type; // edits in there don't reach what follows
    put_list(f, list ? list : &empty);
    f->eth_type = eth_type;
}

static void put_push_vlan(const struct format *f, const struct act *a)
{
    str_put(f->out, "push_vlan(");
    if (a->push_vlan.tpid != htons(ETH_P_8021Q))
        str_printf(f->out, "tpid=0x%04x,", ntohs(a->push_vlan.tpid));
    key_vlan_format(a->push_vlan.tci, UINT16_MAX, f->out);
    str_putc(f->out, ')');
}

static void put_act(struct format *f, const struct act *a)
{
    struct str *out = f->out;

    switch (a->type) {
    case ACT_OUTPUT:
        put_port(f, a->port);
        break;
    case ACT_USERSPACE:
        put_userspace(f, a);
        break;
    case ACT_PUSH_VLAN:
        put_push_vlan(f, a);
        break;
    case ACT_PUSH_MPLS:
        str_put(out, "push_mpls(");
        key_mpls_format(&a->push_mpls.lse, NULL, out);
        str_printf(out, ",eth_type=0x%x)", ntohs(a->push_mpls.eth_type));
        f->eth_type = a->push_mpls.eth_type;
        break;
    case ACT_POP_MPLS:
        str_printf(out, "pop_mpls(eth_type=0x%x)", ntohs(a->pop_mpls_eth_type));
        f->eth_type = a->pop_mpls_eth_type;
        break;
    case ACT_TUNNEL_SET:
        put_tunnel(f, &a->tunnel);
        break;
    case ACT_RECIRC:
        str_printf(out, "recirc(%#x)", a->recirc_id);
        break;
    case ACT_HASH:
        str_printf(out, "hash(%s(%u))", a->hash.algorithm ? "sym_l4" : "l4", a->hash.basis);
        break;
    case ACT_CT:
        put_ct(f, a);
        break;
    case ACT_TRUNC:
        str_printf(out, "trunc(%u)", a->trunc_len);
        break;
    case ACT_METER:
        str_printf(out, "meter(%u)", a->meter_id);
        break;
    case ACT_CLONE:
        str_put(out, "clone(");
        put_nested(f, a->nested);
        str_putc(out, ')');
        break;
    case ACT_SAMPLE:
        str_printf(out, "sample(sample=%.1f%%,actions(",
                   100.0 * a->sample.probability / UINT32_MAX);
        put_nested(f, a->sample.actions);
        str_put(out, "))");
        break;
    case ACT_CHECK_LEN:
        str_printf(out, "check_pkt_len(size=%u,gt(", a->check_len.len);
        put_nested(f, a->check_len.greater);
        str_put(out, "),le(");
        put_nested(f, a->check_len.less_equal);
        str_put(out, "))");
        break;
    case ACT_DEC_TTL:
        str_put(out, "dec_ttl(le_1())");
        break;
    default: // what has no arguments
        str_put(out, act_type_name(a->type));
        break;
    }
}

static void put_list(struct format *f, const struct act_list *list)
{
    if (!list->n)
        str_put(f->out, "drop");
    for (uint32_t i = 0; i < list->n;) {
        if (i)
            str_putc(f->out, ',');
        if (list->v[i].type == ACT_SET) {
            i += put_sets(f, list, i);
            continue;
        }
        put_act(f, &list->v[i]);
        i++;
    }
}

void act_list_format_for(const struct act_list *list, be16_t eth_type, dp_port_name_fn *port_name,
                         const void *aux, struct str *out)
{
    struct format f = {port_name, aux, eth_type, out};
    put_list(&f, list);
}

void act_list_format(const struct act_list *list, dp_port_name_fn *port_name, const void *aux,
                     struct str *out)
{
    act_list_format_for(list, 0, port_name, aux, out);
}
