// SPDX-License-Identifier: Apache-2.0
// Netlink sockets: requests one by one or in batches, dumps, multicast.
//
// The kernel's own sentence (extended ACK) is kept: it becomes the sentence of struct err, or the
// 'sentence' argument of a batch callback. Errors are negative errno as the kernel gave them, and
// -ENOBUFS when the receive buffer overflowed (answers or events were lost: dump again).
//
// The kernel works off requests inside sendmsg(2), in the calling thread, so sending blocks while
// a lock such as rtnl is held elsewhere. Don't send from a thread that must not wait.
//
// Thread: a socket belongs to one thread at a time. Callbacks run inside the call that reads; they
// may add to a batch and must not otherwise use the socket or free what they are called from.
#pragma once

#include "lib/netlink/nlmsg.h"

struct nlk_sock;

enum nlk_open_flags {
    NLK_STRICT = 1, // NETLINK_GET_STRICT_CHK where the kernel has it: dumps filter in the kernel
};

// 'protocol' is NETLINK_ROUTE, NETLINK_GENERIC … Opened non-blocking and close-on-exec, with
// NETLINK_EXT_ACK, NETLINK_CAP_ACK and a receive buffer of 4 MiB (as far as permitted).
int nlk_open(int protocol, unsigned flags, struct nlk_sock **ret_sock, struct err *err);
void nlk_close(struct nlk_sock *s); // NULL is accepted; requests under way are forgotten
int nlk_fd(const struct nlk_sock *s);
uint32_t nlk_port_id(const struct nlk_sock *s);

// A reply, a dump's entry or an event: header checked against the datagram's bounds, NLMSG_ERROR,
// NLMSG_DONE and NLMSG_NOOP taken out. Returns 0, or a negative errno that ends the transaction
// with it (the rest of the answer is still read off).
typedef int nlk_msg_fn(const struct nlmsghdr *h, void *arg);

// Sends one request with NLM_F_ACK and waits for its end. 'reply' (may be NULL) gets what comes
// before the ACK. Consumes nothing: the message can be sent again. Blocks. Returns 0 or the
// kernel's errno, with its sentence in 'err'.
int nlk_transact(struct nlk_sock *s, struct nlk_msg *m, nlk_msg_fn *reply, void *arg,
                 struct err *err);

// Sends a request with NLM_F_DUMP and hands over every entry. If the kernel says that the dump was
// interrupted by a change, restart(arg) is called (forget what came) and it is repeated, at most 10
// times, then -EAGAIN. Blocks.
int nlk_dump(struct nlk_sock *s, struct nlk_msg *m, nlk_msg_fn *entry, void (*restart)(void *arg),
             void *arg, struct err *err);

// Many requests with few system calls; every request gets exactly one done().
struct nlk_batch;
// 'error' is 0 or the kernel's negative errno for this request, -ENOBUFS if its answer was lost (it
// may have been carried out), or what sending failed with. 'sentence' is the kernel's, or NULL;
// 'attr_offset' is the offset of the offending attribute in the request, 0 if not told.
typedef void nlk_done_fn(int error, const char *sentence, uint32_t attr_offset, void *arg);

struct nlk_batch *nlk_batch_new(struct nlk_sock *s);
void nlk_batch_free(struct nlk_batch *b); // requests not done yet are dropped uncalled
// Adds a copy of the request with NLM_F_ACK; 'm' can be reused. 'reply' (may be NULL) gets answers
// before the ACK: a GET's reply, or with NLM_F_ECHO what was created or deleted. A message whose
// build failed is done with that error at nlk_batch_send().
void nlk_batch_add(struct nlk_batch *b, const struct nlk_msg *m, nlk_msg_fn *reply,
                   nlk_done_fn *done, void *arg);
size_t nlk_batch_waiting(const struct nlk_batch *b); // requests whose done() is still to come
// Sends all that was added, some at a time, and reads answers as they come (calling back from
// here). It returns when the kernel has taken everything; answers to the last may still wait in
// the socket: poll nlk_fd() and call nlk_batch_receive() until nlk_batch_waiting() is 0.
int nlk_batch_send(struct nlk_batch *b, struct err *err);
// Reads what is there without waiting. 0, or -ENOBUFS after the requests whose answers were lost
// have been called back with it, or another error of the socket.
int nlk_batch_receive(struct nlk_batch *b, struct err *err);
// Sends and waits for all. Per-request failures are not errors of the batch.
int nlk_batch_run(struct nlk_batch *b, struct err *err);

// Multicast. nlk_events() reads without waiting and hands over each message; -ENOBUFS: events were
// lost and the caller looks at the whole again. A socket with groups is for events alone.
int nlk_join(struct nlk_sock *s, uint32_t group, struct err *err);
int nlk_leave(struct nlk_sock *s, uint32_t group, struct err *err);
int nlk_events(struct nlk_sock *s, nlk_msg_fn *event, void *arg, struct err *err);

// Generic netlink: a family's number, and a multicast group's by name. 's' is NETLINK_GENERIC.
// -ENOENT: the kernel doesn't know it (its module isn't there). Blocks.
int nlk_family(struct nlk_sock *s, const char *name, uint16_t *ret_id, struct err *err);
int nlk_family_group(struct nlk_sock *s, const char *family, const char *group, uint32_t *ret_group,
                     struct err *err);

// Decoding of an answer's control messages, pure (also the fuzz target's entry): splits a datagram
// and calls message() for data and control() for NLMSG_ERROR and NLMSG_DONE. 'control' gets the
// errno (0: ACK), sentence and offset. -EPROTO for malformed bytes, after what came before them was
// handed over; else 0 or what a callback returned.
struct nlk_split {
    int (*message)(const struct nlmsghdr *h, void *arg);
    int (*control)(const struct nlmsghdr *h, int error, const char *sentence, uint32_t attr_offset,
                   void *arg);
    void *arg;
};
int nlk_split(const void *data, size_t size, const struct nlk_split *cb, struct err *err);
