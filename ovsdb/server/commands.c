// SPDX-License-Identifier: Apache-2.0
// Control commands. See commands.h. Compaction blocks the loop while it writes.

#include "ovsdb/server/commands.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "ovsdb/server/file.h"
#include "ovsdb/server/remote.h"
#include "ovsdb/server/session.h"

static void do_exit(struct control_call *call, int argc, const char *const argv[], void *server_)
{
    struct ovsdb_server *server = server_;

    control_reply(call, NULL);
    loop_stop(server->loop);
}

static void list_dbs(struct control_call *call, int argc, const char *const argv[], void *server_)
{
    struct ovsdb_server *server = server_;
    AUTO(str_done) struct str text = STR_INIT;
    struct ovsdb_hosted *hosted;

    DL_FOREACH (server->dbs, hosted)
        str_printf(&text, "%s\n", hosted->db->schema->name);
    control_reply(call, str_text(&text));
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_remotes(struct control_call *call, int argc, const char *const argv[],
                         void *server_)
{
    struct ovsdb_server *server = server_;
    AUTO(str_done) struct str text = STR_INIT;
    AUTO_FREE char **specs = NEW_ARRAY(char *, server->n_specs + 1);

    memcpy(specs, server->specs, server->n_specs * sizeof *specs);
    qsort(specs, server->n_specs, sizeof *specs, compare_texts);
    for (unsigned i = 0; i < server->n_specs; i++)
        str_printf(&text, "%s\n", specs[i]);
    control_reply(call, str_text(&text));
}

static void add_remote(struct control_call *call, int argc, const char *const argv[], void *server)
{
    AUTO_ERR(err);

    if (ovsdb_remotes_add(server, argv[1], &err) < 0)
        control_reply_err(call, &err);
    else
        control_reply(call, NULL);
}

static void remove_remote(struct control_call *call, int argc, const char *const argv[],
                          void *server)
{
    AUTO_ERR(err);

    if (ovsdb_remotes_remove(server, argv[1], &err) < 0)
        control_reply_err(call, &err);
    else
        control_reply(call, NULL);
}

static void compact(struct control_call *call, int argc, const char *const argv[], void *server_)
{
    struct ovsdb_server *server = server_;
    AUTO(str_done) struct str text = STR_INIT;
    struct ovsdb_hosted *hosted;
    bool any = false;

    DL_FOREACH (server->dbs, hosted) {
        AUTO_ERR(err);

        if (argc > 1 ? strcmp(argv[1], hosted->db->schema->name) : hosted->db->reserved)
            continue;
        any = true;
        if (hosted->db->storage && ovsdb_storage_compact(hosted->db, &err) < 0)
            str_printf(&text, "%s\n", err_text(&err));
    }
    if (!any)
        control_reply_error(call, "no database by that name");
    else if (text.size)
        control_reply_error(call, str_text(&text));
    else
        control_reply(call, NULL);
}

static void reconnect(struct control_call *call, int argc, const char *const argv[], void *server_)
{
    struct ovsdb_server *server = server_;
    struct ovsdb_session *session, *next;

    DL_FOREACH_SAFE(server->sessions, session, next)
    if (session->owns_rpc)
        ovsdb_session_free(session);
    ovsdb_remotes_reconnect(server);
    control_reply(call, NULL);
}

struct sizes {
    unsigned long atoms, cells, weak_refs;
};

static void count_row(const struct ovsdb_row *row, struct sizes *sizes)
{
    struct ovsdb_weak_ref *ref, *next;

    for (unsigned i = 0; i < row->tuple->n; i++) {
        const struct ovsdb_datum *datum = row->tuple->columns[i];

        sizes->atoms += (unsigned long)datum->n * (ovsdb_datum_is_map(datum) ? 2 : 1);
    }
    sizes->cells += row->tuple->n;
    HASH_ITER (hh, row->weak_refs, ref, next)
        sizes->weak_refs += ref->count;
}

static void memory_show(struct control_call *call, int argc, const char *const argv[],
                        void *server_)
{
    struct ovsdb_server *server = server_;
    struct sizes sizes = {0};
    unsigned long monitors = 0, triggers = 0, history = 0;
    struct ovsdb_session *session;
    struct ovsdb_monitor *monitor;
    struct ovsdb_hosted *hosted;

    DL_FOREACH (server->dbs, hosted) {
        history += hosted->db->n_history;
        for (unsigned i = 0; i < hosted->db->schema->n_tables; i++) {
            struct ovsdb_row *row, *next;

            HASH_ITER (hh, hosted->db->tables[i].rows, row, next)
                count_row(row, &sizes);
        }
    }
    DL_FOREACH (server->sessions, session) {
        unsigned n;

        DL_COUNT(session->monitors, monitor, n);
        monitors += n;
        triggers += session->n_triggers;
    }
    AUTO_FREE char *text = xasprintf(
        "atoms:%lu cells:%lu monitors:%lu n-weak-refs:%lu sessions:%u triggers:%lu txn-history:%lu",
        sizes.atoms, sizes.cells, monitors, sizes.weak_refs, server->n_sessions, triggers, history);
    control_reply(call, text);
}

void ovsdb_commands_register(struct control *control, struct ovsdb_server *server)
{
    if (!control)
        return;
    control_register(control, "exit", "", 0, 0, do_exit, server);
    control_register(control, "ovsdb-server/list-dbs", "", 0, 0, list_dbs, server);
    control_register(control, "ovsdb-server/list-remotes", "", 0, 0, list_remotes, server);
    control_register(control, "ovsdb-server/add-remote", "REMOTE", 1, 1, add_remote, server);
    control_register(control, "ovsdb-server/remove-remote", "REMOTE", 1, 1, remove_remote, server);
    control_register(control, "ovsdb-server/compact", "[DB]", 0, 1, compact, server);
    control_register(control, "ovsdb-server/reconnect", "", 0, 0, reconnect, server);
    control_register(control, "memory/show", "", 0, 0, memory_show, server);
}
