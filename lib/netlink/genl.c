// SPDX-License-Identifier: Apache-2.0
// Generic netlink: numbers of families and multicast groups by name.
//
// Asked of the kernel's controller family each time; callers ask once, at the start. Layout:
// include/uapi/linux/genetlink.h. Blocks.
#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/netlink/nlsock.h"

struct lookup {
    const char *group; // NULL: not asked for
    uint16_t id;
    uint32_t group_id;
    bool have_group;
};

static const struct nlk_policy family_policy[] = {
    {.type = CTRL_ATTR_FAMILY_ID, .min = 2, .max = 2, .required = true},
    NLK_NEST(CTRL_ATTR_MCAST_GROUPS),
};

static const struct nlk_policy group_policy[] = {
    {.type = CTRL_ATTR_MCAST_GRP_NAME, .min = 1, .text = true, .required = true},
    {.type = CTRL_ATTR_MCAST_GRP_ID, .min = 4, .max = 4, .required = true},
};

static int find_group(const struct nlattr *groups, struct lookup *l)
{
    const struct nlattr *g;
    bool bad = false;
    NLK_FOR_EACH(g, nlk_data(groups), nlk_size(groups), pos, &bad)
    {
        const struct nlattr *tb[CTRL_ATTR_MCAST_GRP_MAX + 1];
        int error =
            nlk_parse_nest(g, group_policy, ARRAY_SIZE(group_policy), tb, ARRAY_SIZE(tb), NULL);
        if (error)
            return error;
        if (!strcmp(nlk_str(tb[CTRL_ATTR_MCAST_GRP_NAME]), l->group)) {
            l->group_id = nlk_u32(tb[CTRL_ATTR_MCAST_GRP_ID]);
            l->have_group = true;
        }
    }
    return bad ? -EPROTO : 0;
}

static int on_family(const struct nlmsghdr *h, void *arg)
{
    struct lookup *l = arg;
    const struct nlattr *tb[CTRL_ATTR_MAX + 1];
    int error = nlk_parse_msg(h, GENL_HDRLEN, family_policy, ARRAY_SIZE(family_policy), tb,
                              ARRAY_SIZE(tb), NULL);
    if (error)
        return error;
    l->id = nlk_u16(tb[CTRL_ATTR_FAMILY_ID]);
    if (l->group && tb[CTRL_ATTR_MCAST_GROUPS])
        return find_group(tb[CTRL_ATTR_MCAST_GROUPS], l);
    return 0;
}

static int ask(struct nlk_sock *s, const char *name, struct lookup *l, struct err *err)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    nlk_msg_init_genl(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
    nlk_put_str(&m, CTRL_ATTR_FAMILY_NAME, name);
    int error = nlk_transact(s, &m, on_family, l, err);
    if (error)
        return err_set_errno(err, error, "generic netlink family %s", name);
    return 0;
}

int nlk_family(struct nlk_sock *s, const char *name, uint16_t *ret_id, struct err *err)
{
    struct lookup l = {0};
    int error = ask(s, name, &l, err);
    if (!error)
        *ret_id = l.id;
    return error;
}

int nlk_family_group(struct nlk_sock *s, const char *family, const char *group, uint32_t *ret_group,
                     struct err *err)
{
    struct lookup l = {.group = group};
    int error = ask(s, family, &l, err);
    if (error)
        return error;
    if (!l.have_group)
        return err_set(err, -ENOENT, "generic netlink family %s has no group %s", family, group);
    *ret_group = l.group_id;
    return 0;
}
