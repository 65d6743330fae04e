// SPDX-License-Identifier: Apache-2.0
//
// The server. See server.h.
//
// Triggers run in a loop until no database has changed: a waiting transaction that goes through may
// be what another one waits for. The loop is not entered twice; a commit inside it just marks.

#include "ovsdb/server/server.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "ovsdb/server/file.h"
#include "ovsdb/server/remote.h"
#include "ovsdb/server/session.h"
#include "ovsdb/server/trigger.h"

LOG_MODULE(ovsdb_server);

static void pass(void *server_)
{
    struct ovsdb_server *server = server_;
    struct ovsdb_session *session, *next;
    struct ovsdb_hosted *hosted;

    server->posted = false;
    if (server->remotes_stale)
        ovsdb_remotes_update(server);
    DL_FOREACH_SAFE(server->sessions, session, next)
    ovsdb_session_flush(session, false);
    DL_FOREACH (server->dbs, hosted) {
        AUTO_ERR(err);

        if (!hosted->db->storage || !ovsdb_storage_wants_compaction(hosted->db->storage))
            continue;
        if (ovsdb_storage_compact(hosted->db, &err) < 0)
            log_warn("compacting failed: %s", err_text(&err));
        else
            log_info("compacted %s", ovsdb_storage_path(hosted->db->storage));
    }
}

void ovsdb_server_post(struct ovsdb_server *server)
{
    if (server->posted || server->closing)
        return;
    server->posted = true;
    loop_post(server->loop, pass, server);
}

static void on_change(struct ovsdb_observer *observer, struct ovsdb_change *change)
{
    struct ovsdb_hosted *hosted = HOLDER_OF(observer, struct ovsdb_hosted, observer);

    hosted->changed = true;
    hosted->server->remotes_stale |= ovsdb_remotes_concern(hosted->server, change);
    ovsdb_server_post(hosted->server);
}

struct ovsdb_server *ovsdb_server_new(struct loop *loop)
{
    struct ovsdb_server *server = NEW(struct ovsdb_server);

    server->loop = loop;
    server->id = ovsdb_uuid_random();
    server->locks.notify = ovsdb_session_notify_lock;
    ovsdb_server_db_open(server);
    return server;
}

static void hosted_free(struct ovsdb_hosted *hosted)
{
    DL_DELETE(hosted->server->dbs, hosted);
    ovsdb_db_unobserve(hosted->db, &hosted->observer);
    ovsdb_db_free(hosted->db);
    free(hosted);
}

void ovsdb_server_free(struct ovsdb_server *server)
{
    if (!server)
        return;
    server->closing = true;
    loop_unpost(server->loop, pass, server);
    ovsdb_remotes_close(server);
    while (server->sessions)
        ovsdb_session_free(server->sessions);
    while (server->dbs)
        hosted_free(server->dbs);
    for (unsigned i = 0; i < server->n_specs; i++)
        free(server->specs[i]);
    free(server->specs);
    free(server);
}

static int compare_names(const struct ovsdb_hosted *a, const struct ovsdb_hosted *b)
{
    return strcmp(a->db->schema->name, b->db->schema->name);
}

int ovsdb_server_add_db(struct ovsdb_server *server, struct ovsdb_db *db, struct err *err)
{
    if (ovsdb_server_find(server, db->schema->name)) {
        int r = err_set(err, -EEXIST, "a database named %s is served already", db->schema->name);
        ovsdb_db_free(db);
        return r;
    }

    struct ovsdb_hosted *hosted = NEW(struct ovsdb_hosted);
    hosted->server = server;
    hosted->db = db;
    hosted->observer.changed = on_change;
    hosted->row = ovsdb_uuid_random();
    ovsdb_db_observe(db, &hosted->observer);
    DL_INSERT_INORDER(server->dbs, hosted, compare_names);
    server->remotes_stale = true;
    ovsdb_server_db_update(server);
    return 0;
}

struct ovsdb_hosted *ovsdb_server_find(const struct ovsdb_server *server, const char *name)
{
    struct ovsdb_hosted *hosted;

    DL_FOREACH (server->dbs, hosted)
        if (!strcmp(hosted->db->schema->name, name))
            return hosted;
    return NULL;
}

static bool run_once(struct ovsdb_server *server)
{
    struct ovsdb_hosted *hosted;
    bool any = false;

    DL_FOREACH (server->dbs, hosted) {
        struct ovsdb_trigger *trigger, *next;

        if (!hosted->changed)
            continue;
        hosted->changed = false;
        DL_FOREACH_SAFE(hosted->triggers, trigger, next)
        ovsdb_trigger_try(trigger);
        any |= hosted->changed;
    }
    return any;
}

void ovsdb_server_run_triggers(struct ovsdb_server *server)
{
    if (server->running_triggers)
        return;
    server->running_triggers = true;
    while (run_once(server))
        continue;
    server->running_triggers = false;
}
