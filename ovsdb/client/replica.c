// SPDX-License-Identifier: Apache-2.0
//
// The picture: tables, rows, values, and what changed in them. See replica.h; sync.c talks to the
// server, update.c reads what it says.
//
// Rows that change are listed in their table until changed() has returned; removed rows live that
// long. A row that came and went in between stays listed but isn't shown.

#include "ovsdb/client/replica_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

static int table_init(struct replica *r, struct replica_table *t,
                      const struct ovsdb_table_schema *schema, struct err *err)
{
    if (schema->n_columns > REPLICA_MAX_COLUMNS)
        return err_set(err, -E2BIG, "table %s has more than %d columns", schema->name,
                       REPLICA_MAX_COLUMNS);
    t->replica = r;
    t->schema = schema;
    t->server = schema;
    t->server_columns = NEW_ARRAY(const struct ovsdb_column *, schema->n_columns);
    for (unsigned i = 0; i < schema->n_columns; i++)
        t->server_columns[i] = schema->columns[i];
    return 0;
}

static void row_free(struct replica_row *row)
{
    for (unsigned i = 0; i < row->table->schema->n_columns; i++)
        ovsdb_datum_unref(row->columns[i]);
    free(row);
}

// Forgets what changed, and frees the rows that are gone.
static void table_settle(struct replica_table *t)
{
    while (t->changed) {
        struct replica_row *row = t->changed;

        t->changed = row->next_changed;
        row->change = REPLICA_SAME;
        row->listed = false;
        row->changed_columns = 0;
        if (row->gone)
            row_free(row);
    }
}

static void table_done(struct replica_table *t)
{
    struct replica_row *row, *next;

    table_settle(t);
    HASH_ITER (hh, t->rows, row, next) {
        HASH_DEL(t->rows, row);
        row_free(row);
    }
    free(t->server_columns);
}

static void deliver_posted(void *r_)
{
    struct replica *r = r_;

    r->posted = false;
    replica_txn_tell_unsent(r);
    replica_deliver(r);
}

int replica_new(struct loop *loop, const char *target, const struct ovsdb_schema *schema,
                const struct replica_cb *cb, void *arg, struct replica **ret_replica,
                struct err *err)
{
    if (!stream_is_active(target))
        return err_set(err, -EINVAL, "\"%s\" is not a connection to a database server", target);

    struct replica *r = NEW(struct replica);
    r->loop = loop;
    r->schema = ovsdb_schema_ref(schema);
    r->cb = cb ? *cb : (struct replica_cb){0};
    r->arg = arg;
    r->target = xstrdup(target);
    r->problem = xstrdup("");
    r->monitor_version = 3;
    r->tables = NEW_ARRAY(struct replica_table, schema->n_tables + 1);
    int error = 0;
    for (unsigned i = 0; i < schema->n_tables && !error; i++)
        error = table_init(r, &r->tables[i], schema->tables[i], err);
    if (error < 0)
        replica_free(r);
    else
        *ret_replica = r;
    return error;
}

void replica_free(struct replica *r)
{
    if (!r)
        return;
    jsonrpc_session_free(r->session);
    r->rpc = NULL;
    replica_txn_lose_all(r, "the replica is closed");
    loop_unpost(r->loop, deliver_posted, r);
    loop_timer_free(r->retry);
    for (unsigned i = 0; i < r->schema->n_tables && r->tables[i].replica; i++)
        table_done(&r->tables[i]);
    free(r->tables);
    ovsdb_schema_unref(r->server_schema);
    ovsdb_schema_unref(r->schema);
    free(r->target);
    free(r->problem);
    free(r->lock);
    free(r);
}

static int find_columns(struct replica *r, const char *table, const char *column,
                        struct replica_table **ret_table, uint64_t *ret_columns)
{
    struct replica_table *t = replica_mine(replica_table(r, table));
    const struct ovsdb_column *c = t && column ? replica_column(t, column) : NULL;

    if (!t || (column && !c))
        return -ENOENT;
    *ret_table = t;
    *ret_columns = c ? UINT64_C(1) << c->index : UINT64_MAX;
    return 0;
}

int replica_select(struct replica *r, const char *table, const char *column)
{
    struct replica_table *t;
    uint64_t columns;
    int error = find_columns(r, table, column, &t, &columns);

    if (!error) {
        r->any_selected = t->selected = true;
        t->columns |= columns;
    }
    return error;
}

int replica_quiet(struct replica *r, const char *table, const char *column)
{
    struct replica_table *t;
    uint64_t columns;
    int error = find_columns(r, table, column, &t, &columns);

    if (!error)
        t->quiet |= columns;
    return error;
}

void replica_post(struct replica *r)
{
    if (r->posted)
        return;
    r->posted = true;
    loop_post(r->loop, deliver_posted, r);
}

void replica_news(struct replica *r)
{
    r->news = true;
    replica_post(r);
}

void replica_deliver(struct replica *r)
{
    if (!r->news)
        return;
    r->news = false;
    r->seqno++;
    if (r->cb.changed)
        r->cb.changed(r, r->arg);
    for (unsigned i = 0; i < r->schema->n_tables; i++)
        table_settle(&r->tables[i]);
}

static void list_row(struct replica_row *row)
{
    struct replica_table *t = replica_mine(row->table);

    if (row->listed)
        return;
    row->listed = true;
    row->next_changed = t->changed;
    t->changed = row;
}

struct replica_row *replica_row_new(struct replica_table *t, const struct ovsdb_uuid *uuid)
{
    unsigned n = t->schema->n_columns;
    struct replica_row *row = xcalloc(1, sizeof *row + n * sizeof row->columns[0]);

    row->table = t;
    row->uuid = *uuid;
    row->columns[OVSDB_COL_UUID] = ovsdb_datum_from_uuid(uuid);
    for (unsigned i = OVSDB_COL_VERSION; i < n; i++)
        row->columns[i] = ovsdb_datum_default(&t->schema->columns[i]->type);
    row->change = REPLICA_INSERTED;
    HASH_ADD(hh, t->rows, uuid, sizeof row->uuid, row);
    list_row(row);
    replica_news(t->replica);
    return row;
}

void replica_row_remove(struct replica_row *row)
{
    struct replica_table *t = replica_mine(row->table);

    HASH_DEL(t->rows, row);
    row->gone = true;
    row->change = row->change == REPLICA_INSERTED ? REPLICA_SAME : REPLICA_DELETED;
    list_row(row);
    replica_news(t->replica);
}

void replica_row_set(struct replica_row *row, unsigned column, struct ovsdb_datum *datum)
{
    struct replica_table *t = replica_mine(row->table);
    bool same = ovsdb_datum_equal(row->columns[column], datum);

    ovsdb_datum_unref(row->columns[column]);
    row->columns[column] = datum;
    if (same || row->change == REPLICA_INSERTED || t->quiet >> column & 1)
        return;
    row->change = REPLICA_MODIFIED;
    row->changed_columns |= UINT64_C(1) << column;
    list_row(row);
    replica_news(t->replica);
}

bool replica_is_ready(const struct replica *r)
{
    return r->ready;
}

bool replica_is_current(const struct replica *r)
{
    return r->state == REPLICA_CURRENT;
}

bool replica_has_lock(const struct replica *r)
{
    return r->has_lock;
}

bool replica_lock_contended(const struct replica *r)
{
    return r->contended;
}

uint64_t replica_seqno(const struct replica *r)
{
    return r->seqno;
}

const char *replica_problem(const struct replica *r)
{
    return r->problem;
}

const struct replica_table *replica_table(const struct replica *r, const char *name)
{
    const struct ovsdb_table_schema *schema = ovsdb_schema_table(r->schema, name);

    return schema ? &r->tables[schema->index] : NULL;
}

const struct ovsdb_column *replica_column(const struct replica_table *t, const char *name)
{
    return ovsdb_table_schema_column(t->schema, name);
}

const char *replica_table_name(const struct replica_table *t)
{
    return t->schema->name;
}

bool replica_server_has(const struct replica *r, const struct replica_table *t,
                        const struct ovsdb_column *column)
{
    return t->server && (!column || t->server_columns[column->index]);
}

const struct replica_row *replica_first(const struct replica_table *t)
{
    return t->rows;
}

const struct replica_row *replica_next(const struct replica_row *row)
{
    return row->hh.next;
}

unsigned replica_n_rows(const struct replica_table *t)
{
    return HASH_COUNT(t->rows);
}

const struct replica_row *replica_find(const struct replica_table *t, const struct ovsdb_uuid *uuid)
{
    const struct replica_row *row;

    HASH_FIND(hh, t->rows, uuid, sizeof *uuid, row);
    return row;
}

enum replica_change replica_change(const struct replica_row *row)
{
    return row->change;
}

bool replica_column_changed(const struct replica_row *row, const struct ovsdb_column *c)
{
    return row->change == REPLICA_INSERTED || row->change == REPLICA_DELETED ||
           row->changed_columns >> c->index & 1;
}

bool replica_table_changed(const struct replica_table *t)
{
    return replica_changed_first(t);
}

static const struct replica_row *skip_unseen(const struct replica_row *row)
{
    while (row && row->change == REPLICA_SAME)
        row = row->next_changed;
    return row;
}

const struct replica_row *replica_changed_first(const struct replica_table *t)
{
    return skip_unseen(t->changed);
}

const struct replica_row *replica_changed_next(const struct replica_row *row)
{
    return skip_unseen(row->next_changed);
}
