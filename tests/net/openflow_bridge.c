// SPDX-License-Identifier: Apache-2.0
// One bridge with a real pipeline and a real OpenFlow agent, and nothing behind it: no datapath, no
// database. tests/net/openflow_*_test.py drive it with ovs-ofctl and with raw messages.
//
//     openflow_bridge SOCKET [CONTROLLER]
//
// It has the ports 1 "p1", 2 "p2" and LOCAL. Reads commands from standard input, one a line,
// answers each with "ok" (or "bad command"), and tells on standard output what it was asked to do:
//
//     versions MASK          allowed wire versions, hexadecimal
//     warp MS                moves the clock, lets flows expire
//     port-add N NAME        and port-del N: with port-status
//     packet-in PORT REASON COOKIE MAX_LEN HEX
//     fill N                 adds N flows, as fast as the pipeline can
//     controllers            prints each controller's state
// End of input ends the program.

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/rcu.h"
#include "lib/flow/packet.h"
#include "slowpath/openflow/connmgr.h"
#include "slowpath/openflow/wire.h"
#include "slowpath/pipeline/pipeline.h"

#define MAX_PORTS 64

struct bridge {
    struct loop *loop;
    struct pipelines *all;
    struct pipeline *pipeline;
    struct connmgr *mgr;
    struct loop_timer *timer;
    struct of_port ports[MAX_PORTS];
    size_t n_ports;
    unsigned frags;
    char line[70000];
    size_t used;
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

// --- What the agent asks of a bridge ---

static uint64_t datapath_id(void *aux)
{
    return 0x0000123456789abc;
}

static void ports_each(void *aux, void (*cb)(void *, const struct of_port *), void *cb_aux)
{
    struct bridge *b = aux;
    for (size_t i = 0; i < b->n_ports; i++)
        cb(cb_aux, &b->ports[i]);
}

static struct of_port *find(struct bridge *b, ofp_port_t number)
{
    for (size_t i = 0; i < b->n_ports; i++) {
        if (b->ports[i].number == number)
            return &b->ports[i];
    }
    return NULL;
}

static bool port_get(void *aux, ofp_port_t number, struct of_port *ret)
{
    const struct of_port *p = find(aux, number);
    if (p)
        *ret = *p;
    return p;
}

static bool port_stats(void *aux, ofp_port_t number, struct of_port_stats *ret)
{
    memset(ret, 0xff, sizeof(*ret));
    ret->rx_packets = number;
    ret->tx_packets = number * 2;
    ret->rx_bytes = 1000;
    ret->tx_bytes = 2000;
    ret->alive = 5 * NSEC_PER_SEC + 7;
    return find(aux, number);
}

static void port_mod(void *aux, const struct of_port_mod *mod)
{
    struct bridge *b = aux;
    struct of_port *p = find(b, mod->port);
    p->config = (p->config & ~mod->mask) | mod->config;
    say("port-mod %u config=%x mask=%x", mod->port, mod->config, mod->mask);
    connmgr_port_status(b->mgr, OFPPR_MODIFY, p);
}

static void packet_out(void *aux, const struct of_packet_out *po)
{
    printf("packet-out in_port=%u actions=%u frame=", po->in_port, po->actions->n);
    for (uint32_t i = 0; i < po->packet->len; i++)
        printf("%02x", packet_data(po->packet)[i]);
    say("%s", "");
    packet_free(po->packet);
}

static unsigned frags_get(void *aux)
{
    return ((struct bridge *)aux)->frags;
}

static int frags_set(void *aux, unsigned mode)
{
    if (mode == 2)
        return -EOPNOTSUPP;
    ((struct bridge *)aux)->frags = mode;
    return 0;
}

static const struct of_bridge_ops ops = {
    .datapath_id = datapath_id,
    .ports_each = ports_each,
    .port_get = port_get,
    .port_stats = port_stats,
    .port_mod = port_mod,
    .packet_out = packet_out,
    .frags_get = frags_get,
    .frags_set = frags_set,
};

// --- Commands ---

static void publish_ports(struct bridge *b)
{
    struct pipeline_port *v = calloc(b->n_ports, sizeof(*v));
    for (size_t i = 0; i < b->n_ports; i++) {
        v[i].number = b->ports[i].number;
        v[i].dp_port = (dp_port_t)i;
        v[i].trunks_all = true;
        snprintf(v[i].name, sizeof(v[i].name), "%s", b->ports[i].name);
    }
    pipeline_set_ports(b->pipeline, v, b->n_ports);
    free(v);
}

static struct of_port *add_port(struct bridge *b, ofp_port_t number, const char *name)
{
    if (b->n_ports == MAX_PORTS || find(b, number))
        return NULL;
    struct of_port *p = &b->ports[b->n_ports++];
    *p = (struct of_port){
        .number = number,
        .hw_addr = {{0x02, 0, 0, 0, 0, (uint8_t)number}},
        .curr = OFPPF_10GB_FD | OFPPF_COPPER,
        .supported = OFPPF_10GB_FD | OFPPF_1GB_FD | OFPPF_AUTONEG,
        .curr_kbps = 10000000,
        .max_kbps = 10000000,
    };
    snprintf(p->name, sizeof(p->name), "%.15s", name);
    publish_ports(b);
    return p;
}

static bool delete_port(struct bridge *b, ofp_port_t number)
{
    struct of_port *p = find(b, number);
    if (!p)
        return false;
    struct of_port gone = *p;
    *p = b->ports[--b->n_ports];
    publish_ports(b);
    connmgr_port_status(b->mgr, OFPPR_DELETE, &gone);
    return true;
}

static void packet_in(struct bridge *b, const char *args)
{
    unsigned port, reason, max_len;
    uint64_t cookie;
    int at = 0;
    if (sscanf(args, "%u %u %" SCNx64 " %u %n", &port, &reason, &cookie, &max_len, &at) < 4)
        return;
    uint8_t frame[32768];
    uint32_t n = 0;
    unsigned byte;
    while (n < sizeof(frame) && sscanf(args + at + 2 * n, "%2x", &byte) == 1)
        frame[n++] = (uint8_t)byte;
    struct xlate_packet_in in = {
        .pipeline = b->pipeline,
        .packet = packet_from(frame, n),
        .max_len = (uint16_t)max_len,
        .reason = (uint8_t)reason,
        .table_id = 3,
        .cookie = htobe64(cookie),
    };
    in.flow.pipe.in_port = port;
    in.flow.pipe.regs[1] = 0x1234;
    in.flow.pipe.metadata = htobe64(0x77);
    connmgr_packet_in(b->mgr, &in);
    packet_free(in.packet);
}

static void fill(struct bridge *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct flow_mod fm;
        flow_mod_init(&fm, FLOW_ADD);
        fm.match.value.key.eth_type = htons(0x0800);
        fm.match.mask.key.eth_type = UINT16_MAX;
        fm.match.value.key.ip4_dst = htonl(i);
        fm.match.mask.key.ip4_dst = UINT32_MAX;
        ofpact_list_add(&fm.actions, OFPACT_OUTPUT)->output.port = 1;
        pipeline_flow_mod(b->pipeline, &fm, clock_now(), NULL, NULL);
        flow_mod_done(&fm);
    }
}

static void print_controller(void *aux, const struct of_controller_status *s)
{
    say("controller %s %s %s %s", s->target, s->state, s->role ? s->role : "-",
        s->last_error ? s->last_error : "-");
}

static bool command(struct bridge *b, const char *line)
{
    unsigned n;
    char name[32];
    if (sscanf(line, "versions %x", &n) == 1) {
        connmgr_set_versions(b->mgr, n);
    } else if (sscanf(line, "warp %u", &n) == 1) {
        clock_warp(n * NSEC_PER_MSEC);
        pipelines_run(b->all, clock_now());
    } else if (sscanf(line, "port-add %u %31s", &n, name) == 2) {
        struct of_port *p = add_port(b, n, name);
        if (p)
            connmgr_port_status(b->mgr, OFPPR_ADD, p);
        return p;
    } else if (sscanf(line, "port-del %u", &n) == 1) {
        return delete_port(b, n);
    } else if (!strncmp(line, "packet-in ", 10)) {
        packet_in(b, line + 10);
    } else if (sscanf(line, "fill %u", &n) == 1) {
        fill(b, n);
    } else if (!strcmp(line, "controllers")) {
        connmgr_controllers_each(b->mgr, print_controller, b);
    } else {
        return false;
    }
    return true;
}

static void on_input(int fd, unsigned events, void *arg)
{
    struct bridge *b = arg;
    ssize_t n = read(fd, b->line + b->used, sizeof(b->line) - b->used - 1);
    if (n <= 0) {
        loop_stop(b->loop);
        return;
    }
    b->used += (size_t)n;
    b->line[b->used] = '\0';
    char *end;
    while ((end = strchr(b->line, '\n'))) {
        *end = '\0';
        say("%s", command(b, b->line) ? "ok" : "bad command");
        b->used -= (size_t)(end + 1 - b->line);
        memmove(b->line, end + 1, b->used + 1);
    }
}

static void on_timer(void *arg)
{
    struct bridge *b = arg;
    loop_timer_at(b->timer, pipelines_run(b->all, clock_now()));
}

int main(int argc, char **argv)
{
    static struct bridge bridge;
    struct bridge *b = &bridge;
    AUTO_ERR(err);
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: openflow_bridge SOCKET [CONTROLLER]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    rcu_thread_join();
    log_set("console:warn", NULL);
    b->loop = loop_new();
    b->all = pipelines_new();
    b->pipeline = pipeline_new(b->all, "br0");
    b->mgr = connmgr_new(b->loop, b->pipeline, &ops, b);
    add_port(b, 1, "p1");
    add_port(b, 2, "p2");
    add_port(b, OFPP_LOCAL, "br0");
    if (connmgr_listen(b->mgr, argv[1], &err)) {
        fprintf(stderr, "openflow_bridge: %s\n", err_text(&err));
        return 1;
    }
    if (argc == 3) {
        struct of_controller_config c = {.target = argv[2], .probe = 5 * NSEC_PER_SEC};
        connmgr_set_controllers(b->mgr, &c, 1);
    }
    b->timer = loop_timer_new(b->loop, on_timer, b);
    on_timer(b);
    struct loop_watch *input = loop_watch_new(b->loop, 0, LOOP_READ, on_input, b);
    say("ready");
    loop_run(b->loop);
    loop_watch_free(input);
    loop_timer_free(b->timer);
    connmgr_free(b->mgr);
    pipeline_free(b->pipeline);
    pipelines_free(b->all);
    rcu_flush();
    loop_free(b->loop);
    rcu_thread_leave();
    return 0;
}
