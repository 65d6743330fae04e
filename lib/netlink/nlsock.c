// SPDX-License-Identifier: Apache-2.0
// Netlink sockets: opening, one request at a time, dumps, events.
//
// Many requests at once are in nlbatch.c, the decoding of datagrams in nlsplit.c. A socket belongs
// to one thread. The receive buffer grows to the size of the datagram that waits, so nothing is cut
// off. Invariant: answers are matched by sequence number, so what a broken-off transaction left in
// the socket is skipped by the next.
#include <errno.h>
#include <libmnl/libmnl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/counter.h"
#include "lib/base/mem.h"
#include "lib/netlink/nlsock_private.h"

COUNTER_DEFINE(netlink_sent);
COUNTER_DEFINE(netlink_overflow);
COUNTER_DEFINE(netlink_dump_restart);

#define RECEIVE_BUFFER (4 * 1024 * 1024)
#define FIRST_BUFFER (64 * 1024)
#define MAX_DUMP_RESTARTS 10

static void set_options(int fd, unsigned flags)
{
    int one = 1, size = RECEIVE_BUFFER;
    // Old kernels lack some of these; what is missing is told by poorer answers.
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    if (flags & NLK_STRICT)
        setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int nlk_open(int protocol, unsigned flags, struct nlk_sock **ret_sock, struct err *err)
{
    AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    struct sockaddr_nl addr = {.nl_family = AF_NETLINK};
    socklen_t len = sizeof(addr);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        return err_set_errno(err, -errno, "netlink socket of protocol %d", protocol);
    set_options(fd, flags);
    struct nlk_sock *s = NEW(struct nlk_sock);
    s->fd = STEAL_FD(fd);
    s->port_id = addr.nl_pid;
    s->size = FIRST_BUFFER;
    s->buffer = xmalloc(s->size);
    *ret_sock = s;
    return 0;
}

void nlk_close(struct nlk_sock *s)
{
    if (s) {
        close(s->fd);
        free(s->buffer);
        free(s);
    }
}

int nlk_fd(const struct nlk_sock *s)
{
    return s->fd;
}

uint32_t nlk_port_id(const struct nlk_sock *s)
{
    return s->port_id;
}

uint32_t nlk_next_sequence(struct nlk_sock *s)
{
    if (!++s->sequence)
        s->sequence = 1;
    return s->sequence;
}

// Makes room for the datagram that waits. The size that waits, or a negative errno.
static ssize_t make_room(struct nlk_sock *s)
{
    ssize_t waiting = recv(s->fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
    if (waiting < 0)
        return -errno;
    if ((size_t)waiting > s->size) {
        s->size = ROUND_UP((size_t)waiting, (size_t)4096);
        s->buffer = xrealloc(s->buffer, s->size);
    }
    return waiting;
}

ssize_t nlk_receive(struct nlk_sock *s)
{
    for (;;) {
        ssize_t waiting = make_room(s);
        if (waiting == -EINTR)
            continue;
        if (waiting < 0) {
            if (waiting == -ENOBUFS)
                counter_inc(netlink_overflow);
            return waiting;
        }
        struct sockaddr_nl from = {0};
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(s->fd, s->buffer, s->size, MSG_TRUNC, (struct sockaddr *)&from, &len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno == ENOBUFS)
                counter_inc(netlink_overflow);
            return -errno;
        }
        if ((size_t)n > s->size)
            return -EMSGSIZE;
        if (from.nl_pid == 0) // the kernel; another process can write to us too
            return n;
    }
}

int nlk_wait(struct nlk_sock *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    while (poll(&p, 1, -1) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int send_one(struct nlk_sock *s, const struct nlk_msg *m, struct err *err)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    while (sendto(s->fd, m->hdr, m->hdr->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) <
           0) {
        if (errno != EINTR)
            return err_set_errno(err, -errno, "netlink send");
    }
    counter_inc(netlink_sent);
    return 0;
}

// A transaction or dump under way.
struct transfer {
    uint32_t sequence, port_id;
    nlk_msg_fn *reply;
    void *arg;
    bool done, interrupted;
    int error; // of the callback, or the kernel's
    struct err *err;
};

static bool is_ours(const struct transfer *t, const struct nlmsghdr *h)
{
    return h->nlmsg_seq == t->sequence && h->nlmsg_pid == t->port_id;
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
    struct transfer *t = arg;
    if (!is_ours(t, h))
        return 0;
    if (h->nlmsg_flags & NLM_F_DUMP_INTR)
        t->interrupted = true;
    if (!t->error && t->reply)
        t->error = t->reply(h, t->arg);
    return 0;
}

static int on_control(const struct nlmsghdr *h, int error, const char *sentence, uint32_t offset,
                      void *arg)
{
    struct transfer *t = arg;
    if (!is_ours(t, h))
        return 0;
    t->done = true;
    if (h->nlmsg_flags & NLM_F_DUMP_INTR)
        t->interrupted = true;
    if (!error || t->error)
        return 0;
    t->error = error;
    if (sentence)
        err_set(t->err, error, "%s", sentence);
    else
        err_set(t->err, error, "%s", strerror(-error));
    return 0;
}

// Sends and reads until the end of the answer.
static int transfer(struct nlk_sock *s, struct nlk_msg *m, struct transfer *t)
{
    if (m->error)
        return err_set(t->err, m->error, "netlink message is too long");
    t->sequence = m->hdr->nlmsg_seq = nlk_next_sequence(s);
    t->port_id = m->hdr->nlmsg_pid = s->port_id;
    int error = send_one(s, m, t->err);
    const struct nlk_split cb = {on_message, on_control, t};
    while (!error && !t->done) {
        ssize_t n = nlk_receive(s);
        if (n == -EAGAIN)
            error = nlk_wait(s);
        else if (n < 0)
            error = err_set_errno(t->err, (int)n, "netlink receive");
        else
            error = nlk_split(s->buffer, (size_t)n, &cb, t->err);
    }
    return error ? error : t->error;
}

int nlk_transact(struct nlk_sock *s, struct nlk_msg *m, nlk_msg_fn *reply, void *arg,
                 struct err *err)
{
    struct transfer t = {.reply = reply, .arg = arg, .err = err};
    m->hdr->nlmsg_flags |= NLM_F_ACK;
    return transfer(s, m, &t);
}

int nlk_dump(struct nlk_sock *s, struct nlk_msg *m, nlk_msg_fn *entry, void (*restart)(void *arg),
             void *arg, struct err *err)
{
    m->hdr->nlmsg_flags |= NLM_F_DUMP;
    m->hdr->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
    for (int i = 0; i < MAX_DUMP_RESTARTS; i++) {
        struct transfer t = {.reply = entry, .arg = arg, .err = err};
        int error = transfer(s, m, &t);
        if (error || !t.interrupted)
            return error;
        counter_inc(netlink_dump_restart);
        if (restart)
            restart(arg);
    }
    return err_set(err, -EAGAIN, "the kernel's table changes faster than it can be read");
}

// ---- Multicast

int nlk_join(struct nlk_sock *s, uint32_t group, struct err *err)
{
    if (setsockopt(s->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return err_set_errno(err, -errno, "joining netlink group %u", group);
    return 0;
}

int nlk_leave(struct nlk_sock *s, uint32_t group, struct err *err)
{
    if (setsockopt(s->fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group)) < 0)
        return err_set_errno(err, -errno, "leaving netlink group %u", group);
    return 0;
}

static int ignore_control(const struct nlmsghdr *h, int error, const char *sentence,
                          uint32_t offset, void *arg)
{
    return 0;
}

int nlk_events(struct nlk_sock *s, nlk_msg_fn *event, void *arg, struct err *err)
{
    const struct nlk_split cb = {event, ignore_control, arg};
    for (;;) {
        ssize_t n = nlk_receive(s);
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return err_set_errno(err, (int)n, "netlink events");
        int error = nlk_split(s->buffer, (size_t)n, &cb, err);
        if (error)
            return error;
    }
}
