// SPDX-License-Identifier: Apache-2.0
// Handles into the Open_vSwitch database, and small writes. See db.h.
#include "slowpath/config/db.h"

#include <errno.h>

#include "ovsdb/schema/error.h"

static void resolve(struct db *db)
{
    struct replica *r = db->replica;

    db->Open_vSwitch = replica_table(r, "Open_vSwitch");
    db->Bridge = replica_table(r, "Bridge");
    db->Port = replica_table(r, "Port");
    db->Interface = replica_table(r, "Interface");
    db->Controller = replica_table(r, "Controller");
    db->Datapath = replica_table(r, "Datapath");
#define DB_RESOLVE(table, column)                                                                                        \
    db->table##_##column = replica_column(db->table, #column);                                                           \
    replica_select(r, #table, #column);
    DB_COLUMNS(DB_RESOLVE)
#undef DB_RESOLVE
}

// What the switch alone writes must not wake it.
static void quieten(struct replica *r)
{
    static const char *const ours[] = {"statistics", "status",       "link_state",  "admin_state", "mac_in_use", "mtu",
                                       "ifindex",    "link_resets", "link_speed", "duplex"};

    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        replica_quiet(r, "Interface", ours[i]);
    replica_quiet(r, "Open_vSwitch", "cur_cfg");
    replica_quiet(r, "Open_vSwitch", "statistics");
}

int db_open(struct loop *loop, const char *target, void (*changed)(struct replica *, void *), void *arg, struct db *ret_db,
            struct err *err)
{
    struct replica_cb cb = {.changed = changed};
    struct ovsdb_schema *schema = NULL;
    struct ovsdb_error *bad =
        ovsdb_schema_from_string(ovsdb_vswitch_schema_text, ovsdb_vswitch_schema_len, &schema);

    if (bad) {
        ovsdb_error_free(bad);
        return err_set(err, -EINVAL, "the built-in schema cannot be read");
    }
    int r = replica_new(loop, target, schema, &cb, arg, &ret_db->replica, err);
    ovsdb_schema_unref(schema);
    if (r)
        return r;
    resolve(ret_db);
    quieten(ret_db->replica);
    replica_set_lock(ret_db->replica, "ovs_vswitchd");
    replica_start(ret_db->replica);
    return 0;
}

void db_close(struct db *db)
{
    replica_free(db->replica);
    db->replica = NULL;
}

const struct replica_row *db_root(const struct db *db)
{
    return replica_first(db->Open_vSwitch);
}

void db_put(struct replica_txn *txn, const struct db *db, const struct replica_row *row, const struct ovsdb_column *column,
            struct ovsdb_datum *value)
{
    replica_txn_set(txn, row->table, &row->uuid, column, value);
}

void db_put_string(struct replica_txn *txn, const struct db *db, const struct replica_row *row,
                   const struct ovsdb_column *column, const char *text)
{
    if (text)
        db_put(txn, db, row, column, ovsdb_datum_from_string(text));
    else
        db_put_none(txn, db, row, column);
}

void db_put_int(struct replica_txn *txn, const struct db *db, const struct replica_row *row,
                const struct ovsdb_column *column, int64_t value)
{
    db_put(txn, db, row, column, ovsdb_datum_from_integer(value));
}

void db_put_none(struct replica_txn *txn, const struct db *db, const struct replica_row *row,
                 const struct ovsdb_column *column)
{
    db_put(txn, db, row, column, ovsdb_datum_empty(&column->type));
}
