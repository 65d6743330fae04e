// SPDX-License-Identifier: Apache-2.0
// One configured controller: connecting, and connecting again after growing delays; or, for a
// passive target, listening.
//
// A connection exists only while its stream does; the controller outlives it and remembers when and
// why it ended. Delays start at a second and double up to the configured limit; a connection that
// got as far as a version starts them anew. Loop's thread.

#include "slowpath/openflow/controller.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

LOG_MODULE(openflow_controller);

#define BACKOFF_MIN (1 * NSEC_PER_SEC)
#define BACKOFF_MAX (8 * NSEC_PER_SEC)

static void set_error(struct of_controller *ctl, const char *why)
{
    free(ctl->last_error);
    ctl->last_error = why ? xstrdup(why) : NULL;
}

static void retry_later(struct of_controller *ctl)
{
    loop_timer_after(ctl->timer, backoff_next(&ctl->backoff));
}

void controller_apply(const struct of_controller *ctl, struct of_conn *c)
{
    c->wants_async = c->controller && !ctl->config.no_async;
    token_bucket_init(&c->packet_in_bucket, ctl->config.packet_in_rate,
                      ctl->config.packet_in_burst);
    conn_set_probe(c, ctl->config.probe);
}

static void attempt(void *arg)
{
    struct of_controller *ctl = arg;
    AUTO_ERR(err);
    ctl->attempt = clock_now();
    struct of_conn *c = conn_new(ctl->mgr, ctl);
    int r = stream_connect(ctl->mgr->loop, ctl->target, STREAM_OPENFLOW_PORT, &conn_stream_cb, c,
                           &c->stream, &err);
    if (r) {
        set_error(ctl, err_text(&err));
        conn_free(c);
        retry_later(ctl); // keys for ssl: may come
        return;
    }
    ctl->conn = c;
    controller_apply(ctl, c);
}

static void on_accept(struct listener *l, struct stream *s, void *arg)
{
    struct of_controller *ctl = arg;
    struct of_conn *c = conn_new(ctl->mgr, NULL);
    c->stream = s;
    stream_set_owner(s, &conn_stream_cb, c);
    conn_connected(c);
}

void controller_start(struct of_controller *ctl)
{
    AUTO_ERR(err);
    if (!stream_is_passive(ctl->target)) {
        attempt(ctl);
    } else if (stream_listen(ctl->mgr->loop, ctl->target, STREAM_OPENFLOW_PORT, on_accept, ctl,
                             &ctl->listener, &err)) {
        set_error(ctl, err_text(&err));
        log_warn("%s: %s", ctl->target, err_text(&err));
    }
}

void controller_set_config(struct of_controller *ctl, const struct of_controller_config *config)
{
    int64_t max = config->max_backoff > 0 ? config->max_backoff : BACKOFF_MAX;
    bool changed = !ctl->backoff.max || ctl->config.max_backoff != config->max_backoff;
    ctl->config = *config;
    ctl->config.target = ctl->target;
    if (changed)
        backoff_init(&ctl->backoff, max < BACKOFF_MIN ? max : BACKOFF_MIN, max);
    if (ctl->conn)
        controller_apply(ctl, ctl->conn);
}

struct of_controller *controller_new(struct connmgr *mgr, const struct of_controller_config *config)
{
    struct of_controller *ctl = xcalloc(1, sizeof(*ctl));
    ctl->mgr = mgr;
    ctl->target = xstrdup(config->target);
    ctl->timer = loop_timer_new(mgr->loop, attempt, ctl);
    controller_set_config(ctl, config);
    return ctl;
}

void controller_free(struct of_controller *ctl)
{
    if (!ctl)
        return;
    if (ctl->conn) {
        ctl->conn->controller = NULL;
        conn_close(ctl->conn, NULL);
    }
    listener_free(ctl->listener);
    loop_timer_free(ctl->timer);
    free(ctl->last_error);
    free(ctl->target);
    free(ctl);
}

void controller_conn_gone(struct of_controller *ctl, const char *why)
{
    if (controller_is_connected(ctl)) {
        ctl->changed = clock_now();
        backoff_reset(&ctl->backoff);
    }
    set_error(ctl, why);
    ctl->conn = NULL;
    retry_later(ctl);
}

bool controller_is_connected(const struct of_controller *ctl)
{
    return ctl->conn && ctl->conn->version;
}

static const char *state(const struct of_controller *ctl)
{
    if (ctl->listener)
        return "LISTENING";
    if (!ctl->conn)
        return ctl->attempt ? "BACKOFF" : "VOID";
    if (!ctl->conn->version)
        return "CONNECTING";
    return ctl->conn->probing ? "IDLE" : "ACTIVE";
}

void controller_status(const struct of_controller *ctl, struct of_controller_status *ret)
{
    static const char *const roles[] = {
        [OFPCR_EQUAL] = "other", [OFPCR_MASTER] = "master", [OFPCR_SLAVE] = "slave"};
    bool connected = controller_is_connected(ctl);
    *ret = (struct of_controller_status){
        .target = ctl->target,
        .connected = connected,
        .role = connected ? roles[ctl->conn->role] : NULL,
        .state = state(ctl),
        .changed = ctl->changed,
        .attempt = ctl->attempt,
        .last_error = ctl->last_error,
    };
}
