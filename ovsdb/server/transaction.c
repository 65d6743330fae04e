// SPDX-License-Identifier: Apache-2.0
//
// Transactions: the undo record, commit and abort. See transaction.h; integrity.c judges.
//
// A row's first modification gives it a private copy of its tuple; the committed one waits in the
// transaction's row. Deleting takes the row out of its table at once and keeps it here. Abort walks
// the list and puts everything back; commit drops the old versions into the change it publishes.

#include "ovsdb/server/transaction.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "ovsdb/server/file.h"

struct ovsdb_txn *ovsdb_txn_new(struct ovsdb_db *db)
{
    struct ovsdb_txn *txn = NEW(struct ovsdb_txn);

    txn->db = db;
    return txn;
}

static struct ovsdb_txn_row *add_row(struct ovsdb_txn *txn, struct ovsdb_row *row)
{
    struct ovsdb_txn_row *txn_row = NEW(struct ovsdb_txn_row);

    txn_row->key.table = row->table;
    txn_row->key.uuid = row->uuid;
    txn_row->row = row;
    txn_row->old_n_refs = row->n_refs;
    row->txn_row = txn_row;
    row->table->n_txn_rows++;
    DL_APPEND(txn->rows, txn_row);
    return txn_row;
}

struct ovsdb_txn_row *ovsdb_txn_touch(struct ovsdb_txn *txn, struct ovsdb_row *row)
{
    if (!row->txn_row)
        add_row(txn, row)->old = ovsdb_tuple_ref(row->tuple);
    return row->txn_row;
}

struct ovsdb_txn_row *ovsdb_txn_find_deleted(const struct ovsdb_txn *txn,
                                             const struct ovsdb_table *table,
                                             const struct ovsdb_uuid *uuid)
{
    struct ovsdb_txn_row *txn_row, key = {.key = {table, *uuid}};

    HASH_FIND(hh, txn->deleted, &key.key, sizeof key.key, txn_row);
    return txn_row;
}

bool ovsdb_txn_uuid_is_free(const struct ovsdb_txn *txn, const struct ovsdb_table *table,
                            const struct ovsdb_uuid *uuid)
{
    return !ovsdb_table_find(table, uuid) && !ovsdb_txn_find_deleted(txn, table, uuid);
}

struct ovsdb_row *ovsdb_txn_insert(struct ovsdb_txn *txn, struct ovsdb_table *table,
                                   const struct ovsdb_uuid *uuid)
{
    struct ovsdb_uuid fresh;

    if (!uuid) {
        fresh = ovsdb_uuid_random();
        uuid = &fresh;
    }
    struct ovsdb_row *row = ovsdb_row_new(table, uuid);
    ovsdb_table_link(row);
    add_row(txn, row);
    return row;
}

void ovsdb_txn_set(struct ovsdb_txn *txn, struct ovsdb_row *row, const struct ovsdb_column *column,
                   struct ovsdb_datum *datum)
{
    struct ovsdb_txn_row *txn_row = ovsdb_txn_touch(txn, row);

    if (txn_row->old == row->tuple) {
        row->tuple = ovsdb_tuple_clone(txn_row->old);
        ovsdb_tuple_unref(txn_row->old); // the row's own reference
    }
    ovsdb_tuple_set(row->tuple, column->index, datum);
}

static void forget_row(struct ovsdb_txn *txn, struct ovsdb_txn_row *txn_row)
{
    struct ovsdb_table *table = txn_row->row->table;

    DL_DELETE(txn->rows, txn_row);
    table->n_txn_rows--;
    ovsdb_tuple_unref(txn_row->old);
    free(txn_row);
}

void ovsdb_txn_delete(struct ovsdb_txn *txn, struct ovsdb_row *row)
{
    struct ovsdb_txn_row *txn_row = ovsdb_txn_touch(txn, row);

    ovsdb_table_unlink(row);
    if (!txn_row->old) { // came and went within the transaction
        forget_row(txn, txn_row);
        ovsdb_row_free(row);
        return;
    }
    txn_row->deleted = true;
    HASH_ADD(hh, txn->deleted, key, sizeof txn_row->key, txn_row);
}

void ovsdb_txn_comment(struct ovsdb_txn *txn, const char *text)
{
    char *comment = txn->comment ? xasprintf("%s\n%s", txn->comment, text) : xstrdup(text);

    free(txn->comment);
    txn->comment = comment;
}

static bool really_changed(const struct ovsdb_txn_row *txn_row)
{
    const struct ovsdb_row *row = txn_row->row;

    if (txn_row->deleted || !txn_row->old)
        return true;
    if (txn_row->old == row->tuple)
        return false;
    for (unsigned i = OVSDB_N_STD_COLUMNS; i < row->tuple->n; i++)
        if (!ovsdb_datum_equal(txn_row->old->columns[i], row->tuple->columns[i]))
            return true;
    return false;
}

static bool is_persistent(const struct ovsdb_change_row *row)
{
    if (!row->old || !row->new)
        return true;
    for (unsigned i = OVSDB_N_STD_COLUMNS; i < row->table->n_columns; i++)
        if (row->table->columns[i]->persistent && ovsdb_change_row_has(row, row->table->columns[i]))
            return true;
    return false;
}

// The change that the transaction amounts to. Rows set to what they already were get their old
// version back; the others a fresh _version.
static struct ovsdb_change *make_change(struct ovsdb_txn *txn)
{
    struct ovsdb_txn_row *txn_row;
    unsigned n = 0;

    DL_COUNT(txn->rows, txn_row, n);
    struct ovsdb_change *change = ovsdb_change_new(n);
    DL_FOREACH (txn->rows, txn_row) {
        struct ovsdb_row *row = txn_row->row;

        if (!really_changed(txn_row)) {
            ovsdb_tuple_ref(txn_row->old);
            ovsdb_tuple_unref(row->tuple);
            row->tuple = txn_row->old;
            continue;
        }

        struct ovsdb_change_row *change_row = &change->rows[change->n_rows++];
        change_row->table = row->table->schema;
        change_row->uuid = row->uuid;
        change_row->old = txn_row->old ? ovsdb_tuple_ref(txn_row->old) : NULL;
        if (!txn_row->deleted) {
            struct ovsdb_uuid version = ovsdb_uuid_random();

            ovsdb_tuple_set(row->tuple, OVSDB_COL_VERSION, ovsdb_datum_from_uuid(&version));
            change_row->new = ovsdb_tuple_ref(row->tuple);
        }
        change->persistent = change->persistent || is_persistent(change_row);
    }
    return change;
}

// Ends a transaction whose outcome stands: frees what it deleted and itself.
static void finish(struct ovsdb_txn *txn)
{
    struct ovsdb_txn_row *txn_row, *next;

    HASH_CLEAR(hh, txn->deleted);
    DL_FOREACH_SAFE(txn->rows, txn_row, next)
    {
        struct ovsdb_row *row = txn_row->row;
        bool deleted = txn_row->deleted;

        row->txn_row = NULL;
        forget_row(txn, txn_row);
        if (deleted)
            ovsdb_row_free(row);
    }
    free(txn->comment);
    free(txn);
}

void ovsdb_txn_abort(struct ovsdb_txn *txn)
{
    struct ovsdb_txn_row *txn_row, *next;

    if (!txn)
        return;
    HASH_CLEAR(hh, txn->deleted);
    DL_FOREACH_SAFE(txn->rows, txn_row, next)
    {
        struct ovsdb_row *row = txn_row->row;

        row->txn_row = NULL;
        row->n_refs = txn_row->old_n_refs;
        if (!txn_row->old) {
            ovsdb_table_unlink(row);
        } else if (txn_row->old != row->tuple) {
            ovsdb_tuple_unref(row->tuple);
            row->tuple = ovsdb_tuple_ref(txn_row->old);
        }
        if (txn_row->deleted)
            ovsdb_table_link(row);

        bool inserted = !txn_row->old;
        forget_row(txn, txn_row);
        if (inserted)
            ovsdb_row_free(row);
    }
    free(txn->comment);
    free(txn);
}

struct ovsdb_error *ovsdb_txn_commit(struct ovsdb_txn *txn, bool durable)
{
    struct ovsdb_db *db = txn->db;
    struct ovsdb_error *error = ovsdb_txn_check(txn);

    if (error) {
        ovsdb_txn_abort(txn);
        return error;
    }
    struct ovsdb_change *change = make_change(txn);
    if (change->persistent && db->storage) {
        AUTO_ERR(err);

        if (ovsdb_storage_append(db->storage, change, txn->comment, durable, &err) < 0) {
            ovsdb_change_unref(change);
            ovsdb_txn_abort(txn);
            return ovsdb_error(OVSDB_E_IO, "%s", err_text(&err));
        }
    }
    ovsdb_txn_enter(txn);
    finish(txn);
    if (change->n_rows)
        ovsdb_db_publish(db, change);
    else
        ovsdb_change_unref(change);
    return NULL;
}

struct ovsdb_error *ovsdb_txn_replay(struct ovsdb_txn *txn)
{
    struct ovsdb_error *error = ovsdb_txn_check(txn);

    if (error) {
        ovsdb_txn_abort(txn);
        return error;
    }
    ovsdb_change_unref(make_change(txn));
    ovsdb_txn_enter(txn);
    finish(txn);
    return NULL;
}
