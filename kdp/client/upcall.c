// SPDX-License-Identifier: Apache-2.0
// Upcalls from the kernel: one netlink socket per handler, told to the datapath as its per-CPU list (a CPU's misses go to
// socket `cpu % n`). A new process replaces the list, and the flows that are installed follow it.
//
// Each socket is read by its handler's thread alone; upcall_wake() may come from any.
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kdp/client/internal.h"
#include "lib/base/counter.h"
#include "lib/base/mem.h"

COUNTER_DEFINE(kdp_upcall_malformed);

struct kdp_handler {
    struct nlk_sock *sock;
    int wake_fd;
    // Filled while the socket is read.
    struct upcall *out;
    size_t n, max;
    // Upcalls of a datagram beyond what the caller had room for.
    struct upcall *spare;
    size_t n_spare, allocated;
};

static int handler_open(struct kdp_handler *h, struct err *err)
{
    h->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->wake_fd < 0)
        return err_set_errno(err, -errno, "making an eventfd");
    return nlk_open(NETLINK_GENERIC, 0, &h->sock, err);
}

void kdp_handlers_free(struct kdp *k)
{
    for (unsigned i = 0; i < k->n_handlers; i++) {
        struct kdp_handler *h = &k->handlers[i];

        for (size_t s = 0; s < h->n_spare; s++)
            packet_free(h->spare[s].packet);
        free(h->spare);
        nlk_close(h->sock);
        if (h->wake_fd >= 0)
            close(h->wake_fd);
    }
    free(k->handlers);
    k->handlers = NULL;
    k->n_handlers = 0;
}

static int set_pids(struct kdp *k, struct err *err)
{
    struct nlk_msg m;
    uint32_t *pids;

    kdp_msg_init(&m, k, k->families.datapath, OVS_DP_CMD_SET, 0);
    nlk_put_u32(&m, OVS_DP_ATTR_USER_FEATURES, OVS_DP_F_UNALIGNED | OVS_DP_F_VPORT_PIDS | OVS_DP_F_DISPATCH_UPCALL_PER_CPU);
    pids = nlk_put_uninit(&m, OVS_DP_ATTR_PER_CPU_PIDS, k->n_handlers * sizeof *pids);
    for (unsigned i = 0; pids && i < k->n_handlers; i++)
        pids[i] = nlk_port_id(k->handlers[i].sock);
    int r = nlk_transact(k->sock, &m, NULL, NULL, err);
    nlk_msg_done(&m);
    if (r)
        err_prefix(err, "dispatching upcalls per CPU (Linux 5.15 or newer)");
    return r;
}

int kdp_handlers_set(struct datapath *dp, unsigned n, struct err *err)
{
    struct kdp *k = kdp_from_dp(dp);

    k->handlers = NEW_ARRAY(struct kdp_handler, n);
    for (unsigned i = 0; i < n; i++)
        k->handlers[i].wake_fd = -1;
    k->n_handlers = n;
    for (unsigned i = 0; i < n; i++) {
        int r = handler_open(&k->handlers[i], err);

        if (r)
            return r;
    }
    return set_pids(k, err);
}

static int parse(const struct nlmsghdr *nlh, struct upcall *ret, struct err *err)
{
    static const struct nlk_policy policy[] = {
        {.type = OVS_PACKET_ATTR_PACKET, .min = ETH_HLEN, .required = true},
        {.type = OVS_PACKET_ATTR_KEY, .required = true},
        NLK_ANY(OVS_PACKET_ATTR_USERDATA),
    };
    const struct nlattr *tb[__OVS_PACKET_ATTR_MAX];
    const struct genlmsghdr *genl = (const void *)(nlh + 1);
    struct flow_key md;
    int r = kdp_parse(nlh, policy, ARRAY_SIZE(policy), tb, ARRAY_SIZE(tb), err);

    if (!r)
        r = kdp_get_key(tb[OVS_PACKET_ATTR_KEY], &md, err);
    if (r)
        return r;
    ret->type = genl->cmd == OVS_PACKET_CMD_ACTION ? UPCALL_ACTION : UPCALL_MISS;
    ret->packet = packet_from(nlk_data(tb[OVS_PACKET_ATTR_PACKET]), (uint32_t)nlk_size(tb[OVS_PACKET_ATTR_PACKET]));
    ret->packet->md.in_port = md.in_port;
    ret->packet->md.recirc_id = md.recirc_id;
    ret->packet->md.dp_hash = md.dp_hash;
    ret->packet->md.skb_priority = md.skb_priority;
    ret->packet->md.skb_mark = md.skb_mark;
    ret->packet->md.ct_state = md.ct_state;
    ret->packet->md.ct_zone = md.ct_zone;
    ret->packet->md.ct_mark = md.ct_mark;
    ret->packet->md.ct_label = md.ct_label;
    // For a miss the kernel's key and ours agree: both parse the frame. After actions, the frame is what counts.
    packet_extract(ret->packet, &ret->key);
    kdp_userdata_get(tb[OVS_PACKET_ATTR_USERDATA], ret);
    return 0;
}

static int on_message(const struct nlmsghdr *nlh, void *arg)
{
    struct kdp_handler *h = arg;
    struct upcall up = {0};

    if (parse(nlh, &up, NULL)) {
        counter_inc(kdp_upcall_malformed);
        return 0;
    }
    if (h->n < h->max) {
        h->out[h->n++] = up;
    } else {
        GROW_ARRAY(h->spare, h->allocated, h->n_spare + 1);
        h->spare[h->n_spare++] = up;
    }
    return 0;
}

static void take_spare(struct kdp_handler *h)
{
    size_t n = MIN_OF(h->n_spare, h->max);

    for (size_t i = 0; i < n; i++)
        h->out[h->n++] = h->spare[i];
    h->n_spare -= n;
    for (size_t i = 0; i < h->n_spare; i++)
        h->spare[i] = h->spare[i + n];
}

int kdp_upcall_recv(struct datapath *dp, unsigned id, struct upcall *ret, size_t max)
{
    struct kdp *k = kdp_from_dp(dp);
    struct kdp_handler *h = &k->handlers[id];
    struct pollfd fds[] = {{.fd = nlk_fd(h->sock), .events = POLLIN}, {.fd = h->wake_fd, .events = POLLIN}};

    h->out = ret;
    h->n = 0;
    h->max = max;
    take_spare(h);
    while (!h->n) {
        uint64_t count;

        if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
            return -errno;
        if (fds[1].revents && read(h->wake_fd, &count, sizeof count) > 0)
            return 0;
        if (fds[0].revents) {
            int r = nlk_events(h->sock, on_message, h, NULL);

            if (r == -ENOBUFS)
                __atomic_fetch_add(&k->lost, 1, __ATOMIC_RELAXED);
            if (r && !h->n)
                return r;
        }
    }
    return (int)h->n;
}

void kdp_upcall_wake(struct datapath *dp, unsigned id)
{
    uint64_t one = 1;

    while (write(kdp_from_dp(dp)->handlers[id].wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}
