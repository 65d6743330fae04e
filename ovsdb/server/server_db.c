// SPDX-License-Identifier: Apache-2.0
//
// The server's own database, _Server (ovsdb-server(5)): one row for each database served, itself
// included. Clients read it to learn what there is; only this file writes it.

#include <utlist.h>

#include "lib/base/mem.h"
#include "ovsdb/server/server.h"
#include "ovsdb/server/transaction.h"

void ovsdb_server_db_open(struct ovsdb_server *server)
{
    struct ovsdb_schema *schema;
    UNUSED struct ovsdb_error *error =
        ovsdb_schema_from_string(ovsdb_server_schema_text, ovsdb_server_schema_len, &schema);

    assert(!error); // built in, and read by a test
    server->server_db = ovsdb_db_new(schema);
    ovsdb_server_add_db(server, server->server_db, NULL);
}

static void set(struct ovsdb_txn *txn, struct ovsdb_row *row, const char *column,
                struct ovsdb_datum *datum)
{
    ovsdb_txn_set(txn, row, ovsdb_table_schema_column(row->table->schema, column), datum);
}

static void fill_row(struct ovsdb_txn *txn, struct ovsdb_row *row, const struct ovsdb_db *db)
{
    json_t *schema = ovsdb_schema_to_json(db->schema);
    AUTO_FREE char *text = json_dumps(schema, JSON_COMPACT);

    json_decref(schema);
    set(txn, row, "name", ovsdb_datum_from_string(db->schema->name));
    set(txn, row, "model", ovsdb_datum_from_string("standalone"));
    set(txn, row, "schema", ovsdb_datum_from_string(text));
    set(txn, row, "connected", ovsdb_datum_from_bool(true));
    set(txn, row, "leader", ovsdb_datum_from_bool(true));
}

void ovsdb_server_db_update(struct ovsdb_server *server)
{
    struct ovsdb_table *table = ovsdb_db_table(server->server_db, "Database");
    struct ovsdb_txn *txn = ovsdb_txn_new(server->server_db);
    struct ovsdb_row *row, *next;
    struct ovsdb_hosted *hosted;

    HASH_ITER (hh, table->rows, row, next) {
        DL_FOREACH (server->dbs, hosted)
            if (ovsdb_uuid_equal(&hosted->row, &row->uuid))
                break;
        if (!hosted)
            ovsdb_txn_delete(txn, row);
    }
    DL_FOREACH (server->dbs, hosted)
        if (!ovsdb_table_find(table, &hosted->row))
            fill_row(txn, ovsdb_txn_insert(txn, table, &hosted->row), hosted->db);

    struct ovsdb_error *error = ovsdb_txn_commit(txn, false);
    assert(!error); // in memory, no references, no indexes
    ovsdb_error_free(error);
}
