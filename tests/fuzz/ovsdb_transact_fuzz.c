// SPDX-License-Identifier: Apache-2.0
// Transactions from arbitrary JSON. The input is lines, each an array of operations; they run one
// after the other on one small database. Truths: a transaction that fails changes nothing, and the
// record of one that succeeds, replayed on a second database, gives the same contents.
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "ovsdb/server/execution.h"
#include "ovsdb/server/file.h"
#include "ovsdb/server/transaction.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema_text[] =
    "{\"name\":\"d\",\"tables\":{\"r\":{\"isRoot\":true,\"maxRows\":9,\"columns\":{"
    "\"k\":{\"type\":{\"key\":{\"type\":\"uuid\",\"refTable\":\"c\"},\"min\":0,\"max\":9}},"
    "\"w\":{\"type\":{\"key\":{\"type\":\"uuid\",\"refTable\":\"c\",\"refType\":\"weak\"},"
    "\"value\":\"string\",\"min\":0,\"max\":\"unlimited\"}}}},"
    "\"c\":{\"indexes\":[[\"n\"]],\"columns\":{\"n\":{\"type\":\"integer\"},"
    "\"s\":{\"type\":{\"key\":\"string\",\"min\":1,\"max\":3}},"
    "\"o\":{\"type\":{\"key\":\"real\",\"min\":0}},"
    "\"m\":{\"type\":{\"key\":\"string\",\"value\":\"integer\",\"min\":0,\"max\":\"unlimited\"}}}}}"
    "}";

struct twin {
    struct ovsdb_observer observer;
    struct ovsdb_db *copy;
};

static struct ovsdb_db *new_db(void)
{
    static struct ovsdb_schema *schema; // read once

    if (!schema && ovsdb_schema_from_string(schema_text, sizeof schema_text - 1, &schema))
        abort();
    return ovsdb_db_new(ovsdb_schema_ref(schema));
}

static void replay(struct ovsdb_observer *observer, struct ovsdb_change *change)
{
    struct twin *twin = HOLDER_OF(observer, struct twin, observer);
    json_t *record = ovsdb_file_record(change, NULL);
    struct ovsdb_txn *txn = ovsdb_txn_new(twin->copy);

    if (!record || ovsdb_file_apply(txn, record) || ovsdb_txn_replay(txn))
        abort();
    json_decref(record);
}

// The contents without _version, which is made anew by each database.
static json_t *contents(const struct ovsdb_db *db)
{
    json_t *json = json_object();

    for (unsigned t = 0; t < db->schema->n_tables; t++) {
        const struct ovsdb_table_schema *schema = db->schema->tables[t];
        struct ovsdb_row *row, *next;

        HASH_ITER (hh, db->tables[t].rows, row, next) {
            const struct ovsdb_column *const *columns =
                (const struct ovsdb_column *const *)schema->columns + OVSDB_N_STD_COLUMNS;

            json_object_set_new(
                json, OVSDB_UUID_STR(&row->uuid),
                ovsdb_tuple_to_json(row->tuple, columns, schema->n_columns - OVSDB_N_STD_COLUMNS));
        }
    }
    return json;
}

static bool failed(const json_t *results)
{
    for (size_t i = 0; i < json_array_size(results); i++)
        if (json_object_get(json_array_get(results, i), "error"))
            return true;
    return false;
}

static void run_line(struct twin *twin, struct ovsdb_db *db, const char *line, size_t size)
{
    json_t *params = json_loadb(line, size, 0, NULL);
    int64_t timeout_ms;

    if (!json_is_array(params)) {
        json_decref(params);
        return;
    }
    json_array_insert_new(params, 0, json_string("d"));
    json_t *before = contents(db);
    struct ovsdb_execution execution = {.db = db, .params = params};
    json_t *results = ovsdb_execute(&execution, &timeout_ms);
    json_t *after = contents(db), *copy = contents(twin->copy);

    if ((!results || failed(results)) && !json_equal(before, after))
        abort();
    if (!json_equal(after, copy))
        abort();
    json_decref(before);
    json_decref(after);
    json_decref(copy);
    json_decref(results);
    json_decref(params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ovsdb_db *db = new_db();
    struct twin twin = {.observer.changed = replay, .copy = new_db()};
    const char *at = (const char *)data, *end = at + size;

    ovsdb_db_observe(db, &twin.observer);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);

        run_line(&twin, db, at, length);
        at += length + 1;
    }
    ovsdb_db_unobserve(db, &twin.observer);
    ovsdb_db_free(db);
    ovsdb_db_free(twin.copy);
    return 0;
}
