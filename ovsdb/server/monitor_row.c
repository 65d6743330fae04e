// SPDX-License-Identifier: Apache-2.0
//
// A row's step from one version to another as a monitor's client reads it. See monitor_row.h.
//
// A condition turns steps around: a row that starts to match is an insert to the client, one that
// stops to match a delete.

#include "ovsdb/server/monitor_row.h"

bool ovsdb_monitor_matches(const struct ovsdb_monitor_table *table, const struct ovsdb_tuple *tuple)
{
    return table->unconditional || ovsdb_condition_any(&table->condition, tuple);
}

static void put_row(json_t *updates, const struct ovsdb_table_schema *table,
                    const struct ovsdb_uuid *uuid, const char *name1, json_t *row1,
                    const char *name2, json_t *row2)
{
    json_t *rows = json_object_get(updates, table->name), *row = json_object();

    if (!rows) {
        rows = json_object();
        json_object_set_new_nocheck(updates, table->name, rows);
    }
    json_object_set_new_nocheck(row, name1, row1);
    if (name2)
        json_object_set_new_nocheck(row, name2, row2);
    json_object_set_new_nocheck(rows, OVSDB_UUID_STR(uuid), row);
}

// The columns that are monitored for 'kind'; with 'sparse', only those not at their defaults.
static json_t *whole(const struct ovsdb_monitor_table *table, const struct ovsdb_tuple *tuple,
                     unsigned kind, bool sparse)
{
    json_t *json = json_object();

    for (unsigned i = 0; i < table->schema->n_columns; i++) {
        const struct ovsdb_column *column = table->schema->columns[i];

        if (table->column_kinds[i] & kind &&
            !(sparse && ovsdb_datum_is_default(tuple->columns[i], &column->type)))
            json_object_set_new_nocheck(json, column->name, ovsdb_datum_to_json(tuple->columns[i]));
    }
    return json;
}

// The columns that differ: their old values, or the differences. NULL if there are none.
static json_t *changed(const struct ovsdb_monitor_table *table, const struct ovsdb_change_row *row,
                       bool diff)
{
    json_t *json = NULL;

    for (unsigned i = 0; i < table->schema->n_columns; i++) {
        const struct ovsdb_column *column = table->schema->columns[i];
        const struct ovsdb_datum *old = row->old->columns[i], *new = row->new->columns[i];

        if (!(table->column_kinds[i] & OVSDB_MONITOR_MODIFY) || old == new ||
            ovsdb_datum_equal(old, new))
            continue;
        if (!json)
            json = json_object();
        if (diff) {
            OVSDB_DATUM_AUTO difference = ovsdb_datum_diff(old, new, &column->type);
            json_object_set_new_nocheck(json, column->name, ovsdb_datum_to_json(difference));
        } else {
            json_object_set_new_nocheck(json, column->name, ovsdb_datum_to_json(old));
        }
    }
    return json;
}

void ovsdb_monitor_put_initial(json_t *updates, const struct ovsdb_monitor_table *table,
                               const struct ovsdb_row *row, enum ovsdb_monitor_version version)
{
    bool sparse = version != OVSDB_MONITOR_V1;

    if (!ovsdb_monitor_matches(table, row->tuple))
        return;
    put_row(updates, table->schema, &row->uuid, sparse ? "initial" : "new",
            whole(table, row->tuple, OVSDB_MONITOR_INITIAL, sparse), NULL, NULL);
}

static void put_modify(json_t *updates, const struct ovsdb_monitor_table *table,
                       const struct ovsdb_change_row *row, bool sparse)
{
    json_t *columns = changed(table, row, sparse);

    if (!columns)
        return;
    if (sparse)
        put_row(updates, table->schema, &row->uuid, "modify", columns, NULL, NULL);
    else
        put_row(updates, table->schema, &row->uuid, "old", columns, "new",
                whole(table, row->new, OVSDB_MONITOR_MODIFY, false));
}

void ovsdb_monitor_put_step(json_t *updates, const struct ovsdb_monitor_table *table,
                            const struct ovsdb_change_row *row, enum ovsdb_monitor_version version)
{
    bool sparse = version != OVSDB_MONITOR_V1;
    bool before = row->old && ovsdb_monitor_matches(table, row->old);
    bool after = row->new &&ovsdb_monitor_matches(table, row->new);

    if (before && after && table->kinds & OVSDB_MONITOR_MODIFY)
        put_modify(updates, table, row, sparse);
    else if (!before && after && table->kinds & OVSDB_MONITOR_INSERT)
        put_row(updates, table->schema, &row->uuid, sparse ? "insert" : "new",
                whole(table, row->new, OVSDB_MONITOR_INSERT, sparse), NULL, NULL);
    else if (before && !after && table->kinds & OVSDB_MONITOR_DELETE)
        put_row(updates, table->schema, &row->uuid, sparse ? "delete" : "old",
                sparse ? json_null() : whole(table, row->old, OVSDB_MONITOR_DELETE, false), NULL,
                NULL);
}
