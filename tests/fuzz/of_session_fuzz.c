// SPDX-License-Identifier: Apache-2.0
// A whole OpenFlow connection to an agent with a pipeline: any bytes after hello. The first byte
// chooses the version. Whatever is said, the agent answers a barrier on another connection
// afterwards.
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/rcu.h"
#include "lib/flow/packet.h"
#include "slowpath/openflow/connmgr.h"
#include "slowpath/openflow/wire.h"
#include "slowpath/pipeline/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct loop *loop;
    struct pipelines *all;
    struct pipeline *pipeline;
    struct connmgr *mgr;
    char path[64];
} it;

static uint64_t datapath_id(void *aux)
{
    return 1;
}

static void ports_each(void *aux, void (*cb)(void *, const struct of_port *), void *cb_aux)
{
    for (ofp_port_t i = 1; i < 4; i++) {
        struct of_port p = {.number = i, .name = "p"};
        cb(cb_aux, &p);
    }
}

static bool port_get(void *aux, ofp_port_t number, struct of_port *ret)
{
    struct of_port p = {.number = number, .name = "p"};
    if (number < 1 || number > 3)
        return false;
    *ret = p;
    return true;
}

static bool port_stats(void *aux, ofp_port_t number, struct of_port_stats *ret)
{
    memset(ret, 0, sizeof(*ret));
    return true;
}

static void packet_out(void *aux, const struct of_packet_out *po)
{
    packet_free(po->packet);
}

static const struct of_bridge_ops ops = {
    .datapath_id = datapath_id,
    .ports_each = ports_each,
    .port_get = port_get,
    .port_stats = port_stats,
    .packet_out = packet_out,
};

static void remove_socket(void)
{
    unlink(it.path);
}

static void set_up(void)
{
    char target[80];
    signal(SIGPIPE, SIG_IGN);
    log_set("console:off", NULL);
    rcu_thread_join();
    it.loop = loop_new();
    it.all = pipelines_new();
    it.pipeline = pipeline_new(it.all, "br0");
    it.mgr = connmgr_new(it.loop, it.pipeline, &ops, NULL);
    snprintf(it.path, sizeof(it.path), "/tmp/of_session_fuzz.%d", getpid());
    snprintf(target, sizeof(target), "punix:%s", it.path);
    assert(!connmgr_listen(it.mgr, target, NULL));
    atexit(remove_socket);
}

static int dial(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    memcpy(addr.sun_path, it.path, sizeof(it.path));
    assert(fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
    return fd;
}

// Sends all, reading and dropping what comes, until the agent has nothing more to say.
static bool converse(int fd, const uint8_t *p, size_t n, const uint8_t *want, size_t n_want)
{
    static uint8_t in[1 << 17];
    unsigned quiet = 0;
    while (quiet < 3) {
        ssize_t sent = n ? send(fd, p, n, MSG_NOSIGNAL) : 0;
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
        }
        loop_once(it.loop, false);
        ssize_t got = recv(fd, in, sizeof(in), 0);
        if (got >= (ssize_t)n_want && n_want && !memcmp(in + got - n_want, want, n_want))
            return true;
        if (!got || (got < 0 && errno != EAGAIN))
            return false;
        quiet = got > 0 || sent > 0 ? 0 : quiet + 1;
    }
    return !n_want;
}

static void clean_up(void)
{
    struct flow_mod fm;
    flow_mod_init(&fm, FLOW_DELETE);
    pipeline_flow_mod(it.pipeline, &fm, clock_now(), NULL, NULL);
    flow_mod_done(&fm);
    pipelines_run(it.all, clock_now());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t hello[2][8] = {{1, 0, 0, 8, 0, 0, 0, 0}, {4, 0, 0, 8, 0, 0, 0, 0}};
    static const uint8_t barrier[8] = {4, 20, 0, 8, 0, 0, 0, 9},
                         reply[8] = {4, 21, 0, 8, 0, 0, 0, 9};
    if (!it.loop)
        set_up();
    if (!size)
        return 0;
    int fd = dial();
    converse(fd, hello[data[0] & 1], 8, NULL, 0);
    converse(fd, data + 1, size - 1, NULL, 0);
    close(fd);
    fd = dial();
    converse(fd, hello[1], 8, NULL, 0);
    assert(converse(fd, barrier, sizeof(barrier), reply, sizeof(reply)));
    close(fd);
    for (int i = 0; i < 4; i++)
        loop_once(it.loop, false);
    clean_up();
    return 0;
}
