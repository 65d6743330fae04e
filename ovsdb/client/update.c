// SPDX-License-Identifier: Apache-2.0
//
// Applies <table-updates> and <table-updates2> to the picture. See replica_impl.h.
//
// Values are read by the server's types without their constraints: whether a value is lawful was
// the server's to judge, and a newer schema may allow more than ours. A column that the server has
// under another atomic type counts as missing.

#include "ovsdb/client/replica_impl.h"

#include <stdlib.h>

#include "lib/base/mem.h"

static struct ovsdb_error *read_value(const struct ovsdb_column *server, const json_t *json,
                                      struct ovsdb_datum **ret_datum)
{
    struct ovsdb_type type = {.n_max = OVSDB_UNLIMITED};

    ovsdb_base_type_init(&type.key, server->type.key.type);
    ovsdb_base_type_init(&type.value, server->type.value.type);
    return ovsdb_datum_from_json(json, &type, NULL, ret_datum);
}

static struct ovsdb_error *set_column(struct replica_row *row, const char *name, const json_t *json,
                                      bool diff)
{
    const struct replica_table *t = row->table;
    const struct ovsdb_column *column = ovsdb_table_schema_column(t->schema, name);
    const struct ovsdb_column *server = column ? t->server_columns[column->index] : NULL;
    struct ovsdb_datum *datum, *change;

    if (!server)
        return NULL; // not asked for, or not understood
    struct ovsdb_error *error = read_value(server, json, &datum);
    if (error)
        return ovsdb_error_prefix(error, "table %s column %s", t->schema->name, name);
    if (diff) {
        struct ovsdb_type type = server->type;

        change = datum;
        type.n_min = 0; // what comes out is the server's responsibility
        error = ovsdb_datum_apply_diff(row->columns[column->index], change, &type, &datum);
        ovsdb_datum_unref(change);
        if (error)
            return ovsdb_error_prefix(error, "table %s column %s", t->schema->name, name);
    }
    replica_row_set(row, column->index, datum);
    return NULL;
}

static struct ovsdb_error *set_columns(struct replica_row *row, const json_t *json, bool diff)
{
    struct ovsdb_error *error = NULL;
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)json, name, value) {
        error = set_column(row, name, value, diff);
        if (error)
            break;
    }
    return error;
}

// A row as it is now; columns that 'json' doesn't name are at their defaults.
static struct ovsdb_error *put_whole(struct replica_table *t, struct replica_row *row,
                                     const struct ovsdb_uuid *uuid, const json_t *json)
{
    if (!row) {
        row = replica_row_new(t, uuid);
    } else {
        for (unsigned i = OVSDB_N_STD_COLUMNS; i < t->schema->n_columns; i++)
            if (!json_object_get(json, t->schema->columns[i]->name))
                replica_row_set(row, i, ovsdb_datum_default(&t->schema->columns[i]->type));
    }
    row->seen = true;
    return set_columns(row, json, false);
}

static struct ovsdb_error *apply_row2(struct replica_table *t, struct replica_row *row,
                                      const struct ovsdb_uuid *uuid, const json_t *json)
{
    const json_t *whole = json_object_get(json, "initial");
    const json_t *modify = json_object_get(json, "modify");

    if (!whole)
        whole = json_object_get(json, "insert");
    if (whole)
        return put_whole(t, row, uuid, whole);
    if (modify && row)
        return set_columns(row, modify, true);
    if (json_object_get(json, "delete") && row) {
        replica_row_remove(row);
        return NULL;
    }
    return ovsdb_error_at(json, OVSDB_E_SYNTAX, "row %s can't be changed so", OVSDB_UUID_STR(uuid));
}

static struct ovsdb_error *apply_row1(struct replica_table *t, struct replica_row *row,
                                      const struct ovsdb_uuid *uuid, const json_t *json)
{
    const json_t *new = json_object_get(json, "new");

    if (new &&row && json_object_get(json, "old"))
        return set_columns(row, new, false);
    if (new)
        return put_whole(t, row, uuid, new);
    if (row)
        replica_row_remove(row);
    return NULL;
}

static struct ovsdb_error *apply_table(struct replica_table *t, const json_t *rows, int version)
{
    struct ovsdb_error *error = NULL;
    const char *name;
    json_t *json;

    json_object_foreach ((json_t *)rows, name, json) {
        struct ovsdb_uuid uuid;

        if (!ovsdb_uuid_parse(name, &uuid))
            return ovsdb_error(OVSDB_E_SYNTAX, "\"%s\" is not a valid UUID", name);
        struct replica_row *row = (struct replica_row *)replica_find(t, &uuid);
        error = version == 1 ? apply_row1(t, row, &uuid, json) : apply_row2(t, row, &uuid, json);
        if (error)
            break;
    }
    return error;
}

struct ovsdb_error *replica_apply(struct replica *r, const json_t *updates, int version)
{
    struct ovsdb_error *error = NULL;
    const char *name;
    json_t *rows;

    if (!json_is_object(updates))
        return ovsdb_error_at(updates, OVSDB_E_SYNTAX, "expected updates");
    json_object_foreach ((json_t *)updates, name, rows) {
        const struct replica_table *t = replica_table(r, name);

        if (t)
            error = apply_table(replica_mine(t), rows, version);
        if (error)
            break;
    }
    return error;
}

struct ovsdb_error *replica_replace(struct replica *r, const json_t *updates, int version)
{
    struct replica_row *row, *next;

    for (unsigned i = 0; i < r->schema->n_tables; i++)
        HASH_ITER (hh, r->tables[i].rows, row, next)
            row->seen = false;
    struct ovsdb_error *error = replica_apply(r, updates, version);
    if (error)
        return error;
    for (unsigned i = 0; i < r->schema->n_tables; i++)
        HASH_ITER (hh, r->tables[i].rows, row, next)
            if (!row->seen)
                replica_row_remove(row);
    return NULL;
}
