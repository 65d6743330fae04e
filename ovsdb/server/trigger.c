// SPDX-License-Identifier: Apache-2.0
// Waiting transactions. See trigger.h. Each is in two lists: its database's and its session's.

#include "ovsdb/server/trigger.h"

#include <stdlib.h>

#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "ovsdb/server/session.h"

static void trigger_free(struct ovsdb_trigger *trigger)
{
    DL_DELETE(trigger->hosted->triggers, trigger);
    DL_DELETE2(trigger->session->triggers, trigger, session_prev, session_next);
    trigger->session->n_triggers--;
    loop_timer_free(trigger->timer);
    json_decref(trigger->id);
    json_decref(trigger->params);
    free(trigger);
}

static void timeout(void *trigger_)
{
    struct ovsdb_trigger *trigger = trigger_;
    struct ovsdb_server *server = trigger->hosted->server;

    ovsdb_trigger_try(trigger);
    ovsdb_server_run_triggers(server);
}

void ovsdb_trigger_new(struct ovsdb_hosted *hosted, struct ovsdb_session *session, json_t *id,
                       json_t *params, int64_t timeout_ms)
{
    struct ovsdb_trigger *trigger = NEW(struct ovsdb_trigger);

    trigger->hosted = hosted;
    trigger->session = session;
    trigger->id = json_incref(id);
    trigger->params = json_incref(params);
    trigger->started = clock_now();
    trigger->timer = loop_timer_new(hosted->server->loop, timeout, trigger);
    if (timeout_ms < INT64_MAX / NSEC_PER_MSEC)
        loop_timer_after(trigger->timer, timeout_ms * NSEC_PER_MSEC);
    DL_APPEND(hosted->triggers, trigger);
    DL_APPEND2(session->triggers, trigger, session_prev, session_next);
    session->n_triggers++;
}

void ovsdb_trigger_try(struct ovsdb_trigger *trigger)
{
    struct ovsdb_session *session = trigger->session;
    int64_t waited_ms = (clock_now() - trigger->started) / NSEC_PER_MSEC;
    int64_t timeout_ms;
    json_t *results = ovsdb_session_execute(session, trigger->hosted->db, trigger->params,
                                            waited_ms, &timeout_ms);

    if (!results) {
        if (timeout_ms < INT64_MAX / NSEC_PER_MSEC)
            loop_timer_at(trigger->timer, trigger->started + timeout_ms * NSEC_PER_MSEC);
        return;
    }
    ovsdb_session_reply(session, trigger->id, results);
    trigger_free(trigger);
}

void ovsdb_trigger_cancel(struct ovsdb_trigger *trigger, json_t *error)
{
    if (error)
        ovsdb_session_reply_error(trigger->session, trigger->id, error);
    trigger_free(trigger);
}
