// SPDX-License-Identifier: Apache-2.0
// Sockets against the real kernel, in a network namespace of the test's own: transactions, its
// sentences, batches, dumps, events, lost answers. Skipped where namespaces may not be made.
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/netlink/nlsock.h"
#include "lib/netlink/rtnl.h"
#include "tests/unit/test.h"

static struct nlk_sock *sock;

static int set_up(void **state)
{
    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return 0; // each test skips
    return nlk_open(NETLINK_ROUTE, NLK_STRICT, &sock, NULL);
}

static int tear_down(void **state)
{
    nlk_close(sock);
    return 0;
}

static void need_kernel(void)
{
    if (!sock)
        skip();
}

static void good(int error, const struct err *err)
{
    if (error)
        fail_msg("%s", err_text(err));
}

static void test_link_get(void **state)
{
    AUTO_ERR(err);
    struct rtnl_link lo, same;
    need_kernel();
    good(rtnl_link_get(sock, "lo", &lo, &err), &err);
    assert_int_equal(lo.ifindex, 1);
    assert_true(lo.flags & IFF_LOOPBACK);
    assert_true(lo.has_stats);
    good(rtnl_link_get_index(sock, 1, &same, &err), &err);
    assert_string_equal(same.name, "lo");
    assert_int_equal(rtnl_link_get(sock, "nope0", &lo, &err), -ENODEV);
    assert_string_equal(err_text(&err), "interface nope0: No such device");
    assert_int_equal(rtnl_link_get(sock, "a-name-that-is-too-long", &lo, &err), -ENODEV);
    assert_int_equal(rtnl_link_get_index(sock, 4711, &lo, &err), -ENODEV);
    assert_int_equal(rtnl_link_get(sock, "nope0", &lo, NULL), -ENODEV);
}

static void test_refusal_has_a_sentence(void **state)
{
    AUTO_ERR(err);
    need_kernel();
    // An unknown kind and an impossible MTU: the kernel says why in its own words.
    assert_true(rtnl_link_new(sock, "x0", "no-such-kind", &err) < 0);
    assert_string_equal(err_text(&err), "Unknown device type");
    good(rtnl_veth_new(sock, "v0", "v1", &err), &err);
    struct rtnl_link v;
    good(rtnl_link_get(sock, "v0", &v, &err), &err);
    assert_int_equal(rtnl_link_set_mtu(sock, v.ifindex, 1, &err), -EINVAL);
    assert_string_equal(err_text(&err), "mtu less than device minimum");
    good(rtnl_link_delete(sock, v.ifindex, &err), &err);
}

static void test_link_set(void **state)
{
    AUTO_ERR(err);
    struct rtnl_link v, peer, *all;
    size_t n;
    need_kernel();
    good(rtnl_veth_new(sock, "v0", "v1", &err), &err);
    good(rtnl_link_get(sock, "v0", &v, &err), &err);
    good(rtnl_link_get(sock, "v1", &peer, &err), &err);
    assert_string_equal(v.kind, "veth");
    assert_int_equal(v.link, peer.ifindex);
    assert_false(v.flags & IFF_UP);
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9}, ip[4] = {10, 0, 0, 1};
    good(rtnl_link_set_address(sock, v.ifindex, mac, &err), &err);
    good(rtnl_link_set_mtu(sock, v.ifindex, 1400, &err), &err);
    good(rtnl_link_set_name(sock, v.ifindex, "renamed", &err), &err);
    good(rtnl_link_set_up(sock, v.ifindex, true, &err), &err);
    good(rtnl_link_set_up(sock, peer.ifindex, true, &err), &err);
    good(rtnl_link_set_promisc(sock, v.ifindex, true, &err), &err);
    good(rtnl_address_add(sock, v.ifindex, AF_INET, ip, 24, &err), &err);
    assert_int_equal(rtnl_address_add(sock, v.ifindex, AF_INET, ip, 24, &err), -EEXIST);
    good(rtnl_link_get(sock, "renamed", &v, &err), &err);
    assert_memory_equal(v.address, mac, 6);
    assert_int_equal(v.mtu, 1400);
    assert_int_equal(v.flags & (IFF_UP | IFF_PROMISC), IFF_UP | IFF_PROMISC);
    assert_true(v.carrier);
    good(rtnl_link_set_up(sock, v.ifindex, false, &err), &err);
    good(rtnl_link_list(sock, &all, &n, &err), &err);
    assert_int_equal(n, 3);
    free(all);
    good(rtnl_link_delete(sock, v.ifindex, &err), &err);
    good(rtnl_link_list(sock, &all, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_string_equal(all[0].name, "lo");
    free(all);
}

static void test_tap(void **state)
{
    AUTO_ERR(err);
    AUTO_CLOSE int fd = -1;
    struct rtnl_link l;
    need_kernel();
    if (access("/dev/net/tun", R_OK | W_OK))
        skip();
    good(rtnl_tap_open("tap0", IFF_VNET_HDR, &fd, &err), &err);
    good(rtnl_link_get(sock, "tap0", &l, &err), &err);
    assert_string_equal(l.kind, "tun");
    int second;
    assert_int_equal(rtnl_tap_open("tap0", IFF_VNET_HDR, &second, &err), -EBUSY);
    assert_int_equal(rtnl_tap_open("0123456789abcdefg", 0, &second, &err), -EINVAL);
}

// ---- Batches

struct outcome {
    unsigned calls, replies;
    int error;
    char sentence[80];
};

static void on_done(int error, const char *sentence, uint32_t offset, void *arg)
{
    struct outcome *o = arg;
    o->calls++;
    o->error = error;
    o->sentence[0] = '\0';
    if (sentence)
        str_copy(o->sentence, sizeof(o->sentence), sentence);
}

static int on_reply(const struct nlmsghdr *h, void *arg)
{
    struct outcome *o = arg;
    struct rtnl_link l;
    o->replies += !rtnl_link_parse(h, &l, NULL) && l.ifindex == 1;
    return 0;
}

// Asks for link 'ifindex'.
static void add_get(struct nlk_batch *b, int ifindex, struct outcome *o)
{
    AUTO(nlk_msg_done) struct nlk_msg m;
    nlk_msg_init(&m, RTM_GETLINK, 0);
    struct ifinfomsg *ifi = nlk_put_header(&m, sizeof(*ifi));
    ifi->ifi_index = ifindex;
    nlk_batch_add(b, &m, on_reply, on_done, o);
}

#define BATCH 500

static void test_batch(void **state)
{
    AUTO_ERR(err);
    static struct outcome outcomes[BATCH];
    need_kernel();
    struct nlk_batch *b = nlk_batch_new(sock);
    for (int round = 0; round < 2; round++) {
        memset(outcomes, 0, sizeof(outcomes));
        for (int i = 0; i < BATCH; i++) {
            if (i == 77) { // one that can't be built
                AUTO(nlk_msg_done) struct nlk_msg m;
                nlk_msg_init(&m, RTM_GETLINK, 0);
                nlk_put_uninit(&m, 1, 100000);
                nlk_batch_add(b, &m, NULL, on_done, &outcomes[i]);
            } else {
                add_get(b, i % 3 ? 1 : 4711, &outcomes[i]);
            }
        }
        assert_int_equal(nlk_batch_waiting(b), BATCH);
        good(nlk_batch_run(b, &err), &err);
        assert_int_equal(nlk_batch_waiting(b), 0);
        for (int i = 0; i < BATCH; i++) {
            int expected = i == 77 ? -EMSGSIZE : i % 3 ? 0 : -ENODEV;
            assert_int_equal(outcomes[i].calls, 1);
            assert_int_equal(outcomes[i].error, expected);
            assert_int_equal(outcomes[i].replies, expected == 0);
        }
    }
    good(nlk_batch_run(b, &err), &err); // nothing to do
    nlk_batch_free(b);
    nlk_batch_free(NULL);
}

// A refusal inside a batch carries the kernel's sentence, and its neighbours succeed.
static void test_batch_sentence(void **state)
{
    AUTO_ERR(err);
    struct outcome outcomes[3] = {0};
    need_kernel();
    struct nlk_batch *b = nlk_batch_new(sock);
    static const char *const kinds[] = {"veth", "no-such-kind", "veth"};
    for (int i = 0; i < 3; i++) {
        AUTO(nlk_msg_done) struct nlk_msg m;
        nlk_msg_init(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
        nlk_put_header(&m, sizeof(struct ifinfomsg));
        size_t info = nlk_nest_start(&m, IFLA_LINKINFO);
        nlk_put_str(&m, IFLA_INFO_KIND, kinds[i]);
        nlk_nest_end(&m, info);
        nlk_batch_add(b, &m, NULL, on_done, &outcomes[i]);
    }
    good(nlk_batch_send(b, &err), &err);
    while (nlk_batch_waiting(b)) { // the asynchronous form
        struct pollfd p = {.fd = nlk_fd(sock), .events = POLLIN};
        assert_int_equal(poll(&p, 1, 10000), 1);
        good(nlk_batch_receive(b, &err), &err);
    }
    assert_int_equal(outcomes[0].error, 0);
    assert_int_equal(outcomes[1].error, -EOPNOTSUPP);
    assert_string_equal(outcomes[1].sentence, "Unknown device type");
    assert_int_equal(outcomes[2].error, 0);
    nlk_batch_free(b);
    struct rtnl_link *all;
    size_t n;
    good(rtnl_link_list(sock, &all, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(all[i].kind, "veth"))
            rtnl_link_delete(sock, all[i].ifindex, NULL); // its peer goes with it
    }
    free(all);
}

// With a receive buffer that holds a few answers only, some are lost: each request still ends once.
static void test_batch_overflow(void **state)
{
    AUTO_ERR(err);
    static struct outcome outcomes[BATCH];
    struct nlk_sock *small;
    unsigned lost = 0;
    need_kernel();
    memset(outcomes, 0, sizeof(outcomes));
    good(nlk_open(NETLINK_ROUTE, 0, &small, &err), &err);
    int size = 1; // the kernel's minimum
    assert_int_equal(setsockopt(nlk_fd(small), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    struct nlk_batch *b = nlk_batch_new(small);
    for (int i = 0; i < BATCH; i++)
        add_get(b, 1, &outcomes[i]);
    assert_int_equal(nlk_batch_run(b, &err), -ENOBUFS);
    assert_int_equal(nlk_batch_waiting(b), 0);
    for (int i = 0; i < BATCH; i++) {
        assert_int_equal(outcomes[i].calls, 1);
        assert_true(outcomes[i].error == 0 || outcomes[i].error == -ENOBUFS);
        lost += outcomes[i].error != 0;
    }
    assert_true(lost > 0);
    // With room, the socket works on.
    nlk_batch_free(b);
    size = 1024 * 1024;
    setsockopt(nlk_fd(small), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    struct rtnl_link lo;
    good(rtnl_link_get(small, "lo", &lo, &err), &err);
    nlk_close(small);
}

struct adder {
    struct nlk_batch *batch;
    struct outcome inner;
    unsigned calls;
};

static void add_another(int error, const char *sentence, uint32_t offset, void *arg)
{
    struct adder *a = arg;
    a->calls++;
    add_get(a->batch, 1, &a->inner);
}

static void test_batch_grows_in_callback(void **state)
{
    AUTO_ERR(err);
    need_kernel();
    struct adder a = {.batch = nlk_batch_new(sock)};
    AUTO(nlk_msg_done) struct nlk_msg m;
    nlk_msg_init(&m, RTM_GETLINK, 0);
    struct ifinfomsg *ifi = nlk_put_header(&m, sizeof(*ifi));
    ifi->ifi_index = 1;
    nlk_batch_add(a.batch, &m, NULL, add_another, &a);
    good(nlk_batch_run(a.batch, &err), &err);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.inner.calls, 1);
    assert_int_equal(a.inner.replies, 1);
    nlk_batch_free(a.batch);
}

static int refuse(const struct nlmsghdr *h, void *arg)
{
    return -ECANCELED;
}

static void test_callback_error(void **state)
{
    AUTO_ERR(err);
    struct rtnl_link lo;
    need_kernel();
    AUTO(nlk_msg_done) struct nlk_msg m;
    nlk_msg_init(&m, RTM_GETLINK, 0);
    nlk_put_header(&m, sizeof(struct ifinfomsg));
    assert_int_equal(nlk_dump(sock, &m, refuse, NULL, NULL, &err), -ECANCELED);
    good(rtnl_link_get(sock, "lo", &lo, &err), &err); // the rest was read off
}

// ---- Events, families

struct events {
    unsigned up, deleted, lost;
};

static void on_event(const struct rtnl_link *l, void *arg)
{
    struct events *e = arg;
    if (!strncmp(l->name, "ev", 2)) {
        e->up += !l->deleted && l->flags & IFF_UP;
        e->deleted += l->deleted;
    }
}

static void on_lost(void *arg)
{
    ((struct events *)arg)->lost++;
}

static void test_events(void **state)
{
    static const struct rtnl_events_cb callbacks = {on_event, on_lost};
    AUTO_ERR(err);
    struct rtnl_events *e;
    struct events seen = {0};
    struct rtnl_link v;
    need_kernel();
    good(rtnl_events_open(&callbacks, &seen, &e, &err), &err);
    good(rtnl_events_receive(e, &err), &err);
    good(rtnl_veth_new(sock, "ev0", "ev1", &err), &err);
    good(rtnl_link_get(sock, "ev0", &v, &err), &err);
    good(rtnl_link_set_up(sock, v.ifindex, true, &err), &err);
    good(rtnl_link_delete(sock, v.ifindex, &err), &err);
    struct pollfd p = {.fd = rtnl_events_fd(e), .events = POLLIN};
    while (seen.deleted < 2 && poll(&p, 1, 10000) == 1)
        good(rtnl_events_receive(e, &err), &err);
    assert_true(seen.up >= 1);
    assert_int_equal(seen.deleted, 2);
    assert_int_equal(seen.lost, 0);
    // Overflow is told.
    int size = 1;
    setsockopt(rtnl_events_fd(e), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    for (int i = 0; i < 20; i++) {
        good(rtnl_veth_new(sock, "ev0", "ev1", &err), &err);
        good(rtnl_link_get(sock, "ev0", &v, &err), &err);
        good(rtnl_link_delete(sock, v.ifindex, &err), &err);
    }
    good(rtnl_events_receive(e, &err), &err);
    assert_true(seen.lost > 0);
    assert_false(err_is_set(&err));
    rtnl_events_close(e);
    rtnl_events_close(NULL);
}

static void test_families(void **state)
{
    AUTO_ERR(err);
    struct nlk_sock *s;
    uint16_t id = 0;
    uint32_t group = 0;
    need_kernel();
    good(nlk_open(NETLINK_GENERIC, 0, &s, &err), &err);
    good(nlk_family(s, "nlctrl", &id, &err), &err);
    assert_int_equal(id, GENL_ID_CTRL);
    good(nlk_family_group(s, "nlctrl", "notify", &group, &err), &err);
    assert_true(group != 0);
    assert_int_equal(nlk_family_group(s, "nlctrl", "nope", &group, &err), -ENOENT);
    assert_int_equal(nlk_family(s, "no_such_family", &id, &err), -ENOENT);
    assert_non_null(strstr(err_text(&err), "no_such_family"));
    good(nlk_join(s, group, &err), &err);
    good(nlk_leave(s, group, &err), &err);
    assert_true(nlk_join(s, 100000, &err) < 0);
    nlk_close(s);
    assert_true(nlk_open(4711, 0, &s, &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_get),       cmocka_unit_test(test_refusal_has_a_sentence),
        cmocka_unit_test(test_link_set),       cmocka_unit_test(test_tap),
        cmocka_unit_test(test_batch),          cmocka_unit_test(test_batch_sentence),
        cmocka_unit_test(test_batch_overflow), cmocka_unit_test(test_batch_grows_in_callback),
        cmocka_unit_test(test_callback_error), cmocka_unit_test(test_events),
        cmocka_unit_test(test_families),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
