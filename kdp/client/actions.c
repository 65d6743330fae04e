// SPDX-License-Identifier: Apache-2.0
// Megaflow actions to and from OVS_ACTION_ATTR_* (linux/openvswitch.h). An action without an encoder here is refused; so is
// a set of a field that the kernel module cannot write (net/openvswitch/flow_netlink.c, validate_set()). Pure; any thread.
#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>

#include "kdp/client/key.h"
#include "lib/base/compiler.h"

// What our userspace actions carry there and back; host order, it never leaves the host.
struct userdata {
    uint32_t reason, cookie;
    uint64_t data;
};

static const bool can_act[ACT_COUNT] = {
    [ACT_OUTPUT] = true,   [ACT_USERSPACE] = true, [ACT_SET] = true,      [ACT_PUSH_VLAN] = true,
    [ACT_POP_VLAN] = true, [ACT_TRUNC] = true,     [ACT_PUSH_MPLS] = true, [ACT_POP_MPLS] = true,
    [ACT_DROP] = true, // an empty list
};

bool kdp_can_act(enum act_type type)
{
    return can_act[type];
}

static bool is_settable_header(uint16_t attr)
{
    return attr == OVS_KEY_ATTR_ETHERNET || attr == OVS_KEY_ATTR_IPV4 || attr == OVS_KEY_ATTR_IPV6 ||
           attr == OVS_KEY_ATTR_TCP || attr == OVS_KEY_ATTR_UDP || attr == OVS_KEY_ATTR_SCTP;
}

static bool prereq_fits(enum field_prereq field, enum field_prereq header)
{
    return field == header || (field == PREREQ_IP && (header == PREREQ_IPV4 || header == PREREQ_IPV6));
}

// The header that a field is written through, of those that `key` has (NULL: of any packet).
static const struct kdp_header *header_of(const struct field *f, const struct flow_key *key)
{
    if (f->id == FIELD_IP_PROTO || f->id == FIELD_IP_FRAG || !f->writable)
        return NULL;
    for (size_t i = 0; i < kdp_n_headers; i++) {
        const struct kdp_header *h = &kdp_headers[i];

        if (!is_settable_header(h->attr) || !prereq_fits(f->prereq, h->prereq) || (key && !kdp_header_applies(h, key)))
            continue;
        for (const struct kdp_part *p = h->parts; p->size; p++) {
            if (f->offset >= p->key_offset && f->offset + f->size <= p->key_offset + p->size)
                return h;
        }
    }
    return NULL;
}

bool kdp_can_set(enum field_id id)
{
    return id == FIELD_SKB_PRIORITY || id == FIELD_PKT_MARK || header_of(field_by_id(id), NULL);
}

// --- Putting ---

static void put_set(struct nlk_msg *m, uint16_t attr, const void *value, const void *mask, size_t size)
{
    size_t nest = nlk_nest_start_plain(m, OVS_ACTION_ATTR_SET_MASKED);
    uint8_t *data = nlk_put_uninit(m, attr, 2 * size);

    if (data) {
        memcpy(data, value, size);
        memcpy(data + size, mask, size);
    }
    nlk_nest_end(m, nest);
}

// Puts a run of sets of one header as one masked set. Returns how many actions that took, or a negative errno.
static int put_header_sets(struct nlk_msg *m, const struct act *v, uint32_t n, const struct flow_key *key, struct refusal *why)
{
    const struct field *first = field_by_id(v->set.field);
    const struct kdp_header *h = header_of(first, key);
    struct flow value = {0}, mask = {0};
    uint8_t abi_value[64], abi_mask[64];
    uint32_t taken = 0;

    if (!h)
        return refuse(why, REFUSAL_CHECK, CULPRIT_SET_FIELD, first->id, -EOPNOTSUPP,
                      "the kernel datapath cannot write %s in such packets", first->name);
    for (; taken < n && v[taken].type == ACT_SET && header_of(field_by_id(v[taken].set.field), key) == h; taken++) {
        const struct field *f = field_by_id(v[taken].set.field);

        field_set_masked(f, &v[taken].set.value, &v[taken].set.mask, &value);
        field_set_masked(f, &v[taken].set.mask, &v[taken].set.mask, &mask);
    }
    kdp_header_fill(h, &value.key, abi_value);
    kdp_header_fill(h, &mask.key, abi_mask);
    put_set(m, h->attr, abi_value, abi_mask, h->size);
    return (int)taken;
}

static int put_sets(struct nlk_msg *m, const struct act *v, uint32_t n, const struct flow_key *key, struct refusal *why)
{
    uint16_t attr = v->set.field == FIELD_SKB_PRIORITY ? OVS_KEY_ATTR_PRIORITY
                    : v->set.field == FIELD_PKT_MARK   ? OVS_KEY_ATTR_SKB_MARK
                                                       : 0;

    if (!attr)
        return put_header_sets(m, v, n, key, why);
    struct flow value = {0}, mask = {0};
    const struct field *f = field_by_id(v->set.field);

    field_set_masked(f, &v->set.value, &v->set.mask, &value);
    field_set_masked(f, &v->set.mask, &v->set.mask, &mask);
    put_set(m, attr, (char *)&value + f->offset, (char *)&mask + f->offset, sizeof(uint32_t));
    return 1;
}

static void put_userspace(struct nlk_msg *m, const struct act *a)
{
    struct userdata data = {a->userspace.reason, a->userspace.cookie, a->userspace.data};
    size_t nest = nlk_nest_start_plain(m, OVS_ACTION_ATTR_USERSPACE);

    nlk_put_u32(m, OVS_USERSPACE_ATTR_PID, UINT32_MAX); // required, and not looked at: dispatch is per CPU
    nlk_put(m, OVS_USERSPACE_ATTR_USERDATA, &data, sizeof data);
    nlk_nest_end(m, nest);
}

// Returns how many actions of `v` were put, or a negative errno.
static int put_some(struct nlk_msg *m, const struct act *v, uint32_t n, const struct flow_key *key, struct refusal *why)
{
    switch (v->type) {
    case ACT_OUTPUT:
        nlk_put_u32(m, OVS_ACTION_ATTR_OUTPUT, v->port);
        return 1;
    case ACT_USERSPACE:
        put_userspace(m, v);
        return 1;
    case ACT_SET:
        return put_sets(m, v, n, key, why);
    case ACT_PUSH_VLAN: {
        struct ovs_action_push_vlan push = {.vlan_tpid = v->push_vlan.tpid, .vlan_tci = v->push_vlan.tci};
        nlk_put(m, OVS_ACTION_ATTR_PUSH_VLAN, &push, sizeof push);
        return 1;
    }
    case ACT_POP_VLAN:
        nlk_put_flag(m, OVS_ACTION_ATTR_POP_VLAN);
        return 1;
    case ACT_PUSH_MPLS: {
        struct ovs_action_push_mpls push = {.mpls_lse = v->push_mpls.lse, .mpls_ethertype = v->push_mpls.eth_type};
        nlk_put(m, OVS_ACTION_ATTR_PUSH_MPLS, &push, sizeof push);
        return 1;
    }
    case ACT_POP_MPLS:
        nlk_put(m, OVS_ACTION_ATTR_POP_MPLS, &v->pop_mpls_eth_type, sizeof v->pop_mpls_eth_type);
        return 1;
    case ACT_TRUNC: {
        struct ovs_action_trunc trunc = {.max_len = v->trunc_len};
        nlk_put(m, OVS_ACTION_ATTR_TRUNC, &trunc, sizeof trunc);
        return 1;
    }
    case ACT_DROP:
        return 1;
    default:
        return refuse(why, REFUSAL_CHECK, CULPRIT_ACTION, v->type, -EOPNOTSUPP, "the kernel datapath does not carry out %s",
                      act_type_name(v->type));
    }
}

int kdp_put_actions(struct nlk_msg *m, uint16_t type, const struct act_list *list, const struct flow_key *key,
                    struct refusal *ret_refusal)
{
    size_t nest = nlk_nest_start(m, type);

    for (uint32_t i = 0; i < list->n;) {
        int taken = put_some(m, &list->v[i], list->n - i, key, ret_refusal);

        if (taken < 0)
            return taken;
        i += (uint32_t)taken;
    }
    nlk_nest_end(m, nest);
    return 0;
}

// --- Getting ---

static void add_set(struct act_list *list, const struct field *f, const struct flow *value, const struct flow *mask)
{
    struct field_value bits;
    struct act *a;

    field_get(f, mask, &bits);
    a = act_list_add(list, ACT_SET);
    a->set.field = f->id;
    a->set.mask = bits;
    field_get(f, value, &a->set.value);
}

// A masked set of a header becomes a set for each field that it touches.
static int get_set(const struct nlattr *nest, struct act_list *list, struct err *err)
{
    size_t pos = 0;
    const struct nlattr *a = nlk_next(nlk_data(nest), nlk_size(nest), &pos, NULL);
    struct flow value = {0}, mask = {0};
    const struct kdp_header *h = NULL;

    for (size_t i = 0; a && i < kdp_n_headers; i++) {
        if (kdp_headers[i].attr == nlk_type(a) && nlk_size(a) == 2u * kdp_headers[i].size)
            h = &kdp_headers[i];
    }
    if (!h && a && nlk_size(a) == 2 * sizeof(uint32_t)) {
        enum field_id id = nlk_type(a) == OVS_KEY_ATTR_PRIORITY ? FIELD_SKB_PRIORITY
                           : nlk_type(a) == OVS_KEY_ATTR_SKB_MARK ? FIELD_PKT_MARK
                                                                  : FIELD_NONE;
        if (id != FIELD_NONE) {
            memcpy((char *)&value + field_by_id(id)->offset, nlk_data(a), 4);
            memcpy((char *)&mask + field_by_id(id)->offset, (const char *)nlk_data(a) + 4, 4);
            add_set(list, field_by_id(id), &value, &mask);
            return 0;
        }
    }
    if (!h)
        return err_set(err, -EOPNOTSUPP, "a set action of the kernel's is not known");
    kdp_header_read(h, nlk_data(a), &value.key);
    kdp_header_read(h, (const char *)nlk_data(a) + h->size, &mask.key);
    for (unsigned id = 0; id < FIELD_PIPELINE_FIRST; id++) {
        const struct field *f = field_by_id(id);

        if (prereq_fits(f->prereq, h->prereq) && header_of(f, NULL) && !field_is_zero(f, &mask))
            add_set(list, f, &value, &mask);
    }
    return 0;
}

void kdp_userdata_get(const struct nlattr *a, struct upcall *ret)
{
    struct userdata data = {0};

    if (a && nlk_size(a) == sizeof data)
        memcpy(&data, nlk_data(a), sizeof data);
    ret->action.reason = data.reason;
    ret->action.cookie = data.cookie;
    ret->action.data = data.data;
}

static void get_userspace(const struct nlattr *nest, struct act_list *list)
{
    struct upcall up = {0};
    const struct nlattr *a;

    NLK_FOR_EACH(a, nlk_data(nest), nlk_size(nest), pos, NULL)
    {
        if (nlk_type(a) == OVS_USERSPACE_ATTR_USERDATA)
            kdp_userdata_get(a, &up);
    }
    struct act *act = act_list_add(list, ACT_USERSPACE);
    act->userspace.reason = up.action.reason;
    act->userspace.cookie = up.action.cookie;
    act->userspace.data = up.action.data;
}

static int get_one(const struct nlattr *a, struct act_list *list, struct err *err)
{
    uint16_t type = nlk_type(a);

    if (type == OVS_ACTION_ATTR_OUTPUT && nlk_size(a) == 4) {
        act_list_add(list, ACT_OUTPUT)->port = nlk_u32(a);
    } else if (type == OVS_ACTION_ATTR_USERSPACE) {
        get_userspace(a, list);
    } else if (type == OVS_ACTION_ATTR_SET_MASKED) {
        return get_set(a, list, err);
    } else if (type == OVS_ACTION_ATTR_PUSH_VLAN && nlk_size(a) == sizeof(struct ovs_action_push_vlan)) {
        struct ovs_action_push_vlan push;
        memcpy(&push, nlk_data(a), sizeof push);
        struct act *act = act_list_add(list, ACT_PUSH_VLAN);
        act->push_vlan.tpid = push.vlan_tpid;
        act->push_vlan.tci = push.vlan_tci;
    } else if (type == OVS_ACTION_ATTR_POP_VLAN) {
        act_list_add(list, ACT_POP_VLAN);
    } else if (type == OVS_ACTION_ATTR_TRUNC && nlk_size(a) == sizeof(struct ovs_action_trunc)) {
        act_list_add(list, ACT_TRUNC)->trunc_len = nlk_u32(a);
    } else if (type == OVS_ACTION_ATTR_PUSH_MPLS && nlk_size(a) == sizeof(struct ovs_action_push_mpls)) {
        struct ovs_action_push_mpls push;
        memcpy(&push, nlk_data(a), sizeof push);
        struct act *act = act_list_add(list, ACT_PUSH_MPLS);
        act->push_mpls.lse = push.mpls_lse;
        act->push_mpls.eth_type = push.mpls_ethertype;
    } else if (type == OVS_ACTION_ATTR_POP_MPLS && nlk_size(a) == sizeof(be16_t)) {
        memcpy(&act_list_add(list, ACT_POP_MPLS)->pop_mpls_eth_type, nlk_data(a), sizeof(be16_t));
    } else {
        return err_set(err, -EOPNOTSUPP, "action %u of the kernel's is not known", type);
    }
    return 0;
}

int kdp_get_actions(const struct nlattr *nest, struct act_list *ret_list, struct err *err)
{
    struct act_list list;
    const struct nlattr *a;
    bool bad = false;

    act_list_init(&list);
    NLK_FOR_EACH(a, nlk_data(nest), nlk_size(nest), pos, &bad)
    {
        int r = get_one(a, &list, err);

        if (r) {
            act_list_done(&list);
            return r;
        }
    }
    if (bad) {
        act_list_done(&list);
        return err_set(err, -EPROTO, "actions from the kernel are malformed");
    }
    *ret_list = list;
    return 0;
}
