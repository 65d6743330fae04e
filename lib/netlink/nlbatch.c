// SPDX-License-Identifier: Apache-2.0
// Many netlink requests with few system calls.
//
// Requests are queued back to back in one buffer and sent some at a time; between sends the answers
// are read, so that they can't overflow the receive buffer. The kernel works a request off inside
// sendmsg(), so after it returns every answer is in the socket already or was lost: a receive that
// finds ENOBUFS therefore reads on to the end and declares what is still open lost. A socket can
// carry several batches; an answer finds its request by sequence number. Invariant: requests
// [first_open, n_sent) are sent, those of them that aren't done wait for an answer; later ones are
// queued.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "lib/base/buf.h"
#include "lib/base/counter.h"
#include "lib/base/mem.h"
#include "lib/netlink/nlsock_private.h"

COUNTER_DEFINE(netlink_batch_sent);
COUNTER_DEFINE(netlink_answer_lost);

#define BYTES_PER_SEND (32 * 1024) // far below the send buffer's limit
#define REQUESTS_PER_SEND 64

struct request {
    uint32_t sequence;
    size_t offset, size; // in the buffer
    int build_error;
    bool done;
    nlk_msg_fn *reply;
    nlk_done_fn *done_fn;
    void *arg;
};

struct nlk_batch {
    struct nlk_sock *sock;
    struct buf bytes;
    struct request *requests;
    size_t n, capacity;
    size_t n_sent;     // the first n_sent are sent or failed
    size_t first_open; // all before it are done
    size_t n_done;
    bool sending; // indices are in use further up the stack
    struct nlk_batch *next, *prev;
};

struct nlk_batch *nlk_batch_new(struct nlk_sock *s)
{
    struct nlk_batch *b = NEW(struct nlk_batch);
    b->sock = s;
    DL_APPEND(s->batches, b);
    return b;
}

void nlk_batch_free(struct nlk_batch *b)
{
    if (!b)
        return;
    DL_DELETE(b->sock->batches, b);
    buf_done(&b->bytes);
    free(b->requests);
    free(b);
}

size_t nlk_batch_waiting(const struct nlk_batch *b)
{
    return b->n - b->n_done;
}

void nlk_batch_add(struct nlk_batch *b, const struct nlk_msg *m, nlk_msg_fn *reply,
                   nlk_done_fn *done, void *arg)
{
    if (b->n_done == b->n && !b->sending) { // nothing under way: start over in the same memory
        b->n = b->n_done = b->n_sent = b->first_open = 0;
        buf_clear(&b->bytes);
    }
    GROW_ARRAY(b->requests, b->capacity, b->n + 1);
    struct request *r = &b->requests[b->n++];
    *r = (struct request){.sequence = nlk_next_sequence(b->sock),
                          .offset = b->bytes.size,
                          .size = m->hdr->nlmsg_len,
                          .build_error = m->error,
                          .reply = reply,
                          .done_fn = done,
                          .arg = arg};
    if (m->error) {
        r->size = 0;
        return;
    }
    struct nlmsghdr *h = buf_put(&b->bytes, m->hdr, m->hdr->nlmsg_len);
    h->nlmsg_seq = r->sequence;
    h->nlmsg_pid = b->sock->port_id;
    h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
}

// Ends one request. The callback may add others.
static void finish(struct nlk_batch *b, size_t i, int error, const char *sentence, uint32_t offset)
{
    struct request r = b->requests[i];
    b->requests[i].done = true;
    b->n_done++;
    while (b->first_open < b->n && b->requests[b->first_open].done)
        b->first_open++;
    if (error == -ENOBUFS)
        counter_inc(netlink_answer_lost);
    if (r.done_fn)
        r.done_fn(error, sentence, offset, r.arg);
}

// The open request of a sequence number. Answers come in the order of requests, so it is the first
// open one unless answers were lost.
static bool find(const struct nlk_batch *b, uint32_t sequence, size_t *ret_i)
{
    for (size_t i = b->first_open; i < b->n_sent; i++) {
        if (b->requests[i].sequence == sequence) {
            *ret_i = i;
            return !b->requests[i].done;
        }
    }
    return false;
}

static struct nlk_batch *find_batch(struct nlk_sock *s, const struct nlmsghdr *h, size_t *ret_i)
{
    struct nlk_batch *b;
    if (h->nlmsg_pid != s->port_id)
        return NULL;
    DL_FOREACH (s->batches, b) {
        if (find(b, h->nlmsg_seq, ret_i))
            return b;
    }
    return NULL;
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
    size_t i;
    struct nlk_batch *b = find_batch(arg, h, &i);
    if (b && b->requests[i].reply)
        b->requests[i].reply(h, b->requests[i].arg);
    return 0;
}

static int on_control(const struct nlmsghdr *h, int error, const char *sentence, uint32_t offset,
                      void *arg)
{
    size_t i;
    struct nlk_batch *b = find_batch(arg, h, &i);
    if (b)
        finish(b, i, error, sentence, offset);
    return 0;
}

// Declares every request of the socket that is sent and still open lost.
static void lose_open(struct nlk_sock *s, int error)
{
    struct nlk_batch *b;
    DL_FOREACH (s->batches, b) {
        while (b->first_open < b->n_sent)
            finish(b, b->first_open, error, NULL, 0);
    }
}

int nlk_batch_receive(struct nlk_batch *b, struct err *err)
{
    struct nlk_sock *s = b->sock;
    const struct nlk_split cb = {on_message, on_control, s};
    bool lost = false;
    for (;;) {
        ssize_t n = nlk_receive(s);
        if (n == -EAGAIN)
            break;
        if (n == -ENOBUFS || n == -EMSGSIZE) {
            lost = true;
        } else if (n < 0) {
            lose_open(s, (int)n);
            return err_set_errno(err, (int)n, "netlink receive");
        } else if (nlk_split(s->buffer, (size_t)n, &cb, NULL) < 0) {
            lost = true; // a malformed answer is as good as none
        }
    }
    if (!lost)
        return 0;
    lose_open(s, -ENOBUFS);
    return err_set(err, -ENOBUFS, "answers from the kernel were lost");
}

// How many queued requests from n_sent on go into the next send, and their bytes.
static size_t take(const struct nlk_batch *b, size_t *ret_offset, size_t *ret_size)
{
    size_t i = b->n_sent, size = 0;
    *ret_offset = b->requests[i].offset;
    while (i < b->n && i - b->n_sent < REQUESTS_PER_SEND &&
           (!size || size + b->requests[i].size <= BYTES_PER_SEND))
        size += b->requests[i++].size;
    *ret_size = size;
    return i - b->n_sent;
}

static int send_bytes(struct nlk_batch *b, size_t offset, size_t size)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    while (size && sendto(b->sock->fd, b->bytes.data + offset, size, 0, (struct sockaddr *)&kernel,
                          sizeof(kernel)) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    counter_inc(netlink_batch_sent);
    return 0;
}

// Ends those of [from, to) that were not sent: all, or those whose build failed.
static void fail_unsent(struct nlk_batch *b, size_t from, size_t to, int send_error)
{
    for (size_t i = from; i < to; i++) {
        int error = b->requests[i].build_error ? b->requests[i].build_error : send_error;
        if (error)
            finish(b, i, error, NULL, 0);
    }
}

int nlk_batch_send(struct nlk_batch *b, struct err *err)
{
    int result = 0;
    bool outer = b->sending;
    b->sending = true;
    while (b->n_sent < b->n) {
        size_t offset, size, from = b->n_sent;
        size_t n = take(b, &offset, &size);
        int error = send_bytes(b, offset, size);
        b->n_sent += n;
        fail_unsent(b, from, from + n, error);
        if (error && !result)
            result = err_set_errno(err, error, "netlink send");
        error = nlk_batch_receive(b, err);
        if (error && !result)
            result = error;
    }
    b->sending = outer;
    return result;
}

int nlk_batch_run(struct nlk_batch *b, struct err *err)
{
    int result = nlk_batch_send(b, err);
    while (nlk_batch_waiting(b)) {
        int error = b->n_sent < b->n ? nlk_batch_send(b, err) : nlk_wait(b->sock);
        if (!error)
            error = nlk_batch_receive(b, err);
        if (error && error != -ENOBUFS)
            return error;
        result = result ? result : error;
    }
    return result;
}
