// SPDX-License-Identifier: Apache-2.0
// Transactions whose "wait" doesn't hold yet: tried again after each change of their database and
// when their time is over. Thread: the loop's thread.
#pragma once

#include "ovsdb/server/server.h"

struct ovsdb_trigger {
    struct ovsdb_trigger *next, *prev;                 // the database's list
    struct ovsdb_trigger *session_next, *session_prev; // the session's list
    struct ovsdb_hosted *hosted;
    struct ovsdb_session *session;
    json_t *id, *params;
    int64_t started; // clock_now()
    struct loop_timer *timer;
};

// Keeps a transaction that ovsdb_execute() has just put off. Takes references.
void ovsdb_trigger_new(struct ovsdb_hosted *hosted, struct ovsdb_session *session, json_t *id,
                       json_t *params, int64_t timeout_ms);
// Tries it; replies and frees it if it is done.
void ovsdb_trigger_try(struct ovsdb_trigger *trigger);
// Ends it with this error (consumed), or silently if NULL.
void ovsdb_trigger_cancel(struct ovsdb_trigger *trigger, json_t *error);
