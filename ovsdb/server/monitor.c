// SPDX-License-Identifier: Apache-2.0
//
// What monitors want: reading requests, and following the chain of changes. See monitor.h; what a
// row's step looks like on the wire is in monitor_row.c.
//
// The same table may be named by several requests, each with columns and kinds of its own: kinds
// are kept per column. Conditions of several requests are alternatives, as clauses of one are.

#include "ovsdb/server/monitor.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "ovsdb/schema/parser.h"
#include "ovsdb/server/monitor_row.h"

static struct ovsdb_error *read_select(const json_t *json, unsigned *ret_kinds)
{
    static const struct {
        const char *name;
        unsigned kind;
    } kinds[] = {{"initial", OVSDB_MONITOR_INITIAL},
                 {"insert", OVSDB_MONITOR_INSERT},
                 {"delete", OVSDB_MONITOR_DELETE},
                 {"modify", OVSDB_MONITOR_MODIFY}};
    struct ovsdb_parser parser;

    *ret_kinds = OVSDB_MONITOR_ALL;
    if (!json)
        return NULL;
    ovsdb_parser_init(&parser, json, "monitor select");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const json_t *wanted =
            ovsdb_parser_member(&parser, kinds[i].name, OVSDB_P_BOOL | OVSDB_P_OPTIONAL);
        if (json_is_false(wanted))
            *ret_kinds &= ~kinds[i].kind;
    }
    return ovsdb_parser_finish(&parser);
}

static struct ovsdb_error *add_columns(struct ovsdb_monitor_table *table, const json_t *names,
                                       unsigned kinds)
{
    AUTO_FREE const struct ovsdb_column **columns = NULL;
    unsigned n;
    struct ovsdb_error *error =
        ovsdb_table_schema_columns_from_json(table->schema, names, &columns, &n);

    if (error)
        return error;
    table->kinds |= kinds;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = columns[i]->index;

        if (!names && at == OVSDB_COL_UUID)
            continue; // the row's name is its key already
        if (table->column_asked[at])
            return ovsdb_error_at(names, OVSDB_E_SYNTAX, "column %s mentioned more than once",
                                  columns[i]->name);
        table->column_asked[at] = true;
        table->column_kinds[at] = kinds;
    }
    return NULL;
}

// Adds the clauses of a "where" as alternatives to those that are there.
static struct ovsdb_error *add_condition(struct ovsdb_monitor_table *table, const json_t *where)
{
    struct ovsdb_condition more;

    if (!where || (json_is_array(where) && !json_array_size(where))) {
        table->unconditional = true;
        return NULL;
    }
    struct ovsdb_error *error = ovsdb_condition_from_json(table->schema, where, NULL, &more);
    if (error)
        return error;

    struct ovsdb_condition *all = &table->condition;
    all->clauses = xreallocarray(all->clauses, all->n + more.n, sizeof *all->clauses);
    memcpy(all->clauses + all->n, more.clauses, more.n * sizeof *more.clauses);
    all->n += more.n;
    free(more.clauses);
    return NULL;
}

static struct ovsdb_error *read_request(struct ovsdb_monitor_table *table, const json_t *json,
                                        bool conditional)
{
    struct ovsdb_parser parser;
    unsigned kinds;

    ovsdb_parser_init(&parser, json, "monitor request for table %s", table->schema->name);
    const json_t *columns =
        ovsdb_parser_member(&parser, "columns", OVSDB_P_ARRAY | OVSDB_P_OPTIONAL);
    const json_t *select =
        ovsdb_parser_member(&parser, "select", OVSDB_P_OBJECT | OVSDB_P_OPTIONAL);
    const json_t *where =
        conditional ? ovsdb_parser_member(&parser, "where", OVSDB_P_ARRAY | OVSDB_P_OPTIONAL)
                    : NULL;
    struct ovsdb_error *error = ovsdb_parser_finish(&parser);
    if (!error)
        error = read_select(select, &kinds);
    if (!error)
        error = add_columns(table, columns, kinds);
    if (!error)
        error = add_condition(table, where);
    return error;
}

static struct ovsdb_error *read_table(struct ovsdb_monitor *monitor, const char *name,
                                      const json_t *json)
{
    const struct ovsdb_table_schema *schema = ovsdb_schema_table(monitor->db->schema, name);
    bool conditional = monitor->version != OVSDB_MONITOR_V1;
    struct ovsdb_error *error = NULL;

    if (!schema)
        return ovsdb_error(OVSDB_E_SYNTAX, "no table named %s", name);

    struct ovsdb_monitor_table *table = &monitor->tables[schema->index];
    table->schema = schema;
    table->column_asked = NEW_ARRAY(bool, schema->n_columns);
    table->column_kinds = NEW_ARRAY(uint8_t, schema->n_columns);
    if (!json_is_array(json)) // a single request in place of an array is an old habit
        return read_request(table, json, conditional);
    if (!json_array_size(json)) {
        struct ovsdb_error *all = add_columns(table, NULL, OVSDB_MONITOR_ALL);
        return all ? all : add_condition(table, NULL);
    }
    for (size_t i = 0; i < json_array_size(json) && !error; i++)
        error = read_request(table, json_array_get(json, i), conditional);
    return error;
}

struct ovsdb_error *ovsdb_monitor_new(struct ovsdb_db *db, enum ovsdb_monitor_version version,
                                      json_t *id, const json_t *requests,
                                      struct ovsdb_monitor **ret_monitor)
{
    struct ovsdb_monitor *monitor;
    struct ovsdb_error *error = NULL;
    const char *name;
    json_t *json;

    if (!json_is_object(requests))
        return ovsdb_error_at(requests, OVSDB_E_SYNTAX,
                              "monitor requests must be an object that maps from table names");
    monitor = NEW(struct ovsdb_monitor);
    monitor->db = db;
    monitor->version = version;
    monitor->id = json_incref(id);
    monitor->tables = NEW_ARRAY(struct ovsdb_monitor_table, db->schema->n_tables + 1);
    monitor->position = ovsdb_change_ref(db->newest);
    json_object_foreach ((json_t *)requests, name, json) {
        error = read_table(monitor, name, json);
        if (error)
            break;
    }
    if (error)
        ovsdb_monitor_free(monitor);
    else
        *ret_monitor = monitor;
    return error;
}

void ovsdb_monitor_free(struct ovsdb_monitor *monitor)
{
    if (!monitor)
        return;
    for (unsigned i = 0; i < monitor->db->schema->n_tables; i++) {
        ovsdb_condition_done(&monitor->tables[i].condition);
        free(monitor->tables[i].column_asked);
        free(monitor->tables[i].column_kinds);
    }
    free(monitor->tables);
    ovsdb_change_unref(monitor->position);
    json_decref(monitor->id);
    free(monitor);
}

static void move_to(struct ovsdb_monitor *monitor, struct ovsdb_change *change)
{
    ovsdb_change_ref(change);
    ovsdb_change_unref(monitor->position);
    monitor->position = change;
}

json_t *ovsdb_monitor_initial(struct ovsdb_monitor *monitor)
{
    json_t *updates = json_object();

    for (unsigned i = 0; i < monitor->db->schema->n_tables; i++) {
        struct ovsdb_monitor_table *table = &monitor->tables[i];
        struct ovsdb_row *row, *next;

        if (!(table->kinds & OVSDB_MONITOR_INITIAL))
            continue;
        HASH_ITER (hh, monitor->db->tables[i].rows, row, next)
            ovsdb_monitor_put_initial(updates, table, row, monitor->version);
    }
    move_to(monitor, monitor->db->newest);
    return updates;
}

bool ovsdb_monitor_resume(struct ovsdb_monitor *monitor, const struct ovsdb_uuid *last_id)
{
    for (struct ovsdb_change *change = monitor->db->oldest; change; change = change->next) {
        if (ovsdb_uuid_equal(&change->id, last_id)) {
            move_to(monitor, change);
            return true;
        }
    }
    return false;
}

// Steps of rows over several changes, merged: the first old version and the last new one.
struct merged {
    UT_hash_handle hh;
    struct {
        const struct ovsdb_table_schema *table;
        struct ovsdb_uuid uuid;
    } key;
    struct ovsdb_change_row row; // borrowed versions
};

static void merge_row(struct merged **all, const struct ovsdb_change_row *row)
{
    struct merged *merged, key = {.key = {row->table, row->uuid}};

    HASH_FIND(hh, *all, &key.key, sizeof key.key, merged);
    if (merged) {
        merged->row.new = row->new;
        return;
    }
    merged = NEW(struct merged);
    merged->key = key.key;
    merged->row = *row;
    HASH_ADD(hh, *all, key, sizeof merged->key, merged);
}

static void update_merged(struct ovsdb_monitor *monitor, json_t *updates)
{
    struct merged *all = NULL, *merged, *next;

    for (struct ovsdb_change *change = monitor->position->next; change; change = change->next)
        for (unsigned i = 0; i < change->n_rows; i++)
            if (monitor->tables[change->rows[i].table->index].schema)
                merge_row(&all, &change->rows[i]);
    HASH_ITER (hh, all, merged, next) {
        const struct ovsdb_monitor_table *table = &monitor->tables[merged->key.table->index];

        ovsdb_monitor_put_step(updates, table, &merged->row, monitor->version);
        HASH_DEL(all, merged);
        free(merged);
    }
}

json_t *ovsdb_monitor_update(struct ovsdb_monitor *monitor)
{
    struct ovsdb_change *change = monitor->position->next;
    json_t *updates;

    if (!change)
        return NULL;
    updates = json_object();
    if (change->next) {
        update_merged(monitor, updates);
    } else {
        for (unsigned i = 0; i < change->n_rows; i++) {
            const struct ovsdb_monitor_table *table =
                &monitor->tables[change->rows[i].table->index];

            if (table->schema)
                ovsdb_monitor_put_step(updates, table, &change->rows[i], monitor->version);
        }
    }
    move_to(monitor, monitor->db->newest);
    if (json_object_size(updates))
        return updates;
    json_decref(updates);
    return NULL;
}

json_t *ovsdb_monitor_params(const struct ovsdb_monitor *monitor, json_t *updates)
{
    json_t *params = json_array();

    json_array_append(params, monitor->id);
    if (monitor->version == OVSDB_MONITOR_V3)
        json_array_append_new(params, json_string(OVSDB_UUID_STR(&monitor->position->id)));
    json_array_append_new(params, updates);
    return params;
}

const char *ovsdb_monitor_method(const struct ovsdb_monitor *monitor)
{
    static const char *const methods[] = {
        [OVSDB_MONITOR_V1] = "update",
        [OVSDB_MONITOR_V2] = "update2",
        [OVSDB_MONITOR_V3] = "update3",
    };

    return methods[monitor->version];
}

// The "where" of one table in a change of conditions: an array of one request, or the request.
static struct ovsdb_error *read_new_condition(struct ovsdb_monitor_table *table, const json_t *json)
{
    size_t n = json_is_array(json) ? json_array_size(json) : 1;
    struct ovsdb_error *error = NULL;

    for (size_t i = 0; i < n && !error; i++) {
        struct ovsdb_parser parser;

        ovsdb_parser_init(&parser, json_is_array(json) ? json_array_get(json, i) : json,
                          "monitor condition for table %s", table->schema->name);
        const json_t *where =
            ovsdb_parser_member(&parser, "where", OVSDB_P_ARRAY | OVSDB_P_OPTIONAL);
        if (json_object_get(parser.json, "columns"))
            ovsdb_parser_fail(&parser, ovsdb_error_at(json, OVSDB_E_NOT_SUPPORTED,
                                                      "the columns of a monitor can't be changed"));
        error = ovsdb_parser_finish(&parser);
        if (!error)
            error = add_condition(table, where);
    }
    return error;
}

// Rows of one table that the new condition lets in or shuts out.
static void put_difference(const struct ovsdb_monitor *monitor,
                           const struct ovsdb_monitor_table *old,
                           const struct ovsdb_monitor_table *new, json_t *updates)
{
    struct ovsdb_row *row, *next;

    HASH_ITER (hh, monitor->db->tables[new->schema->index].rows, row, next) {
        bool before = ovsdb_monitor_matches(old, row->tuple);
        bool after = ovsdb_monitor_matches(new, row->tuple);
        struct ovsdb_change_row step = {.table = new->schema,
                                        .uuid = row->uuid,
                                        .old = before ? row->tuple : NULL,
                                        .new = after ? row->tuple : NULL};

        if (before != after)
            ovsdb_monitor_put_step(updates, after ? new : old, &step, monitor->version);
    }
}

struct ovsdb_error *ovsdb_monitor_change_conditions(struct ovsdb_monitor *monitor,
                                                    const json_t *requests, json_t **ret_updates)
{
    unsigned n = monitor->db->schema->n_tables;
    AUTO_FREE struct ovsdb_monitor_table *fresh = NEW_ARRAY(struct ovsdb_monitor_table, n + 1);
    struct ovsdb_error *error = NULL;
    const char *name;
    json_t *json;

    if (!json_is_object(requests))
        return ovsdb_error_at(requests, OVSDB_E_SYNTAX,
                              "monitor conditions must be an object that maps from table names");
    json_object_foreach ((json_t *)requests, name, json) {
        const struct ovsdb_table_schema *schema = ovsdb_schema_table(monitor->db->schema, name);

        if (!schema || !monitor->tables[schema->index].schema) {
            error = ovsdb_error(OVSDB_E_SYNTAX, "no table %s in this monitor", name);
            break;
        }
        fresh[schema->index] = monitor->tables[schema->index];
        fresh[schema->index].condition = (struct ovsdb_condition){0};
        fresh[schema->index].unconditional = false;
        error = read_new_condition(&fresh[schema->index], json);
        if (error)
            break;
    }
    if (error) {
        for (unsigned i = 0; i < n; i++)
            ovsdb_condition_done(&fresh[i].condition);
        return error;
    }

    json_t *updates = json_object();
    for (unsigned i = 0; i < n; i++) {
        struct ovsdb_monitor_table *table = &monitor->tables[i];

        if (!fresh[i].schema)
            continue;
        put_difference(monitor, table, &fresh[i], updates);
        ovsdb_condition_done(&table->condition);
        *table = fresh[i];
    }
    if (json_object_size(updates)) {
        *ret_updates = updates;
    } else {
        json_decref(updates);
        *ret_updates = NULL;
    }
    return NULL;
}
