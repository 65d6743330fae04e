// SPDX-License-Identifier: Apache-2.0
// Lists of megaflow actions: growing, copying, comparing. An action is a tagged union whose unused
// bytes are zero, so equality is bytewise but for nested lists, which are compared and copied
// recursively. Thread: any; a list belongs to one thread until a megaflow holds it.
#include "lib/flow/action.h"

#include <string.h>

#include "lib/base/compiler.h"
#include "lib/base/mem.h"

// The nested lists of an action: up to two slots, empty ones NULL.
struct nested {
    struct act_list **slot[2];
};

static struct nested nested_of(struct act *a)
{
    switch (a->type) {
    case ACT_CLONE:
        return (struct nested){{&a->nested, NULL}};
    case ACT_SAMPLE:
        return (struct nested){{&a->sample.actions, NULL}};
    case ACT_CHECK_LEN:
        return (struct nested){{&a->check_len.greater, &a->check_len.less_equal}};
    default:
        return (struct nested){{NULL, NULL}};
    }
}

void act_list_init(struct act_list *list)
{
    *list = (struct act_list){0};
}

void act_list_done(struct act_list *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        struct nested nested = nested_of(&list->v[i]);
        for (size_t k = 0; k < ARRAY_SIZE(nested.slot); k++) {
            if (!nested.slot[k] || !*nested.slot[k])
                continue;
            act_list_done(*nested.slot[k]);
            free(*nested.slot[k]);
        }
    }
    free(list->v);
    act_list_init(list);
}

struct act *act_list_add(struct act_list *list, enum act_type type)
{
    GROW_ARRAY(list->v, list->allocated, list->n + 1);
    struct act *a = &list->v[list->n++];
    memset(a, 0, sizeof(*a));
    a->type = type;
    return a;
}

struct act_list *act_list_new(void)
{
    return NEW(struct act_list);
}

void act_list_clone(struct act_list *dst, const struct act_list *src)
{
    act_list_init(dst);
    if (!src->n)
        return;
    dst->v = xmemdup(src->v, src->n * sizeof(*src->v));
    dst->n = dst->allocated = src->n;
    for (uint32_t i = 0; i < dst->n; i++) {
        struct nested nested = nested_of(&dst->v[i]);
        for (size_t k = 0; k < ARRAY_SIZE(nested.slot); k++) {
            if (!nested.slot[k] || !*nested.slot[k])
                continue;
            struct act_list *copy = act_list_new();
            act_list_clone(copy, *nested.slot[k]);
            *nested.slot[k] = copy;
        }
    }
}

static bool nested_equal(const struct act_list *a, const struct act_list *b)
{
    static const struct act_list empty;
    return act_list_equal(a ? a : &empty, b ? b : &empty);
}

static bool act_equal(const struct act *a, const struct act *b)
{
    struct act x = *a,
               y = *b; // the lists are compared apart, so that the rest can be compared as bytes
    struct nested nx = nested_of(&x), ny = nested_of(&y);

    if (x.type != y.type)
        return false;
    for (size_t k = 0; k < ARRAY_SIZE(nx.slot); k++) {
        if (!nx.slot[k])
            continue;
        if (!nested_equal(*nx.slot[k], *ny.slot[k]))
            return false;
        *nx.slot[k] = *ny.slot[k] = NULL;
    }
    return !memcmp(&x, &y, sizeof(x));
}

bool act_list_equal(const struct act_list *a, const struct act_list *b)
{
    if (a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n; i++) {
        if (!act_equal(&a->v[i], &b->v[i]))
            return false;
    }
    return true;
}

const char *act_type_name(enum act_type type)
{
    static const char *const names[ACT_COUNT] = {
        [ACT_OUTPUT] = "output",
        [ACT_USERSPACE] = "userspace",
        [ACT_SET] = "set",
        [ACT_PUSH_VLAN] = "push_vlan",
        [ACT_POP_VLAN] = "pop_vlan",
        [ACT_PUSH_MPLS] = "push_mpls",
        [ACT_POP_MPLS] = "pop_mpls",
        [ACT_TUNNEL_SET] = "set(tunnel)",
        [ACT_RECIRC] = "recirc",
        [ACT_HASH] = "hash",
        [ACT_CT] = "ct",
        [ACT_CT_CLEAR] = "ct_clear",
        [ACT_TRUNC] = "trunc",
        [ACT_METER] = "meter",
        [ACT_CLONE] = "clone",
        [ACT_SAMPLE] = "sample",
        [ACT_CHECK_LEN] = "check_pkt_len",
        [ACT_DEC_TTL] = "dec_ttl",
        [ACT_DROP] = "drop",
    };
    return (unsigned)type < ACT_COUNT ? names[type] : "unknown";
}
