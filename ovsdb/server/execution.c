// SPDX-License-Identifier: Apache-2.0
//
// The operations of a transaction. See execution.h.
//
// Each operation is read, checked and done in one function, which fills in its result. The first
// error ends the transaction: its object is that operation's result, the operations behind it get
// null, and an error of the commit itself stands behind them all (RFC 7047 section 4.1.3). A "wait"
// that doesn't hold yet aborts quietly and asks to be called again.

#include "ovsdb/server/execution.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "ovsdb/schema/parser.h"
#include "ovsdb/schema/symbol.h"
#include "ovsdb/server/condition.h"
#include "ovsdb/server/mutation.h"
#include "ovsdb/server/query.h"
#include "ovsdb/server/transaction.h"

struct run {
    const struct ovsdb_execution *in;
    struct ovsdb_db *db;
    struct ovsdb_txn *txn;
    struct ovsdb_symtab symtab;
    bool durable;
    bool waiting; // a wait doesn't hold, and its time isn't over
    int64_t timeout_ms;
};

// One operation: takes its members from the parser, puts what it answers into 'result'.
typedef struct ovsdb_error *op_fn(struct run *run, struct ovsdb_parser *parser, json_t *result);

static struct ovsdb_table *parse_table(struct run *run, struct ovsdb_parser *parser)
{
    const json_t *name = ovsdb_parser_member(parser, "table", OVSDB_P_STRING);

    if (!name)
        return NULL;
    struct ovsdb_table *table = ovsdb_db_table(run->db, json_string_value(name));
    if (!table)
        ovsdb_parser_fail(parser, ovsdb_error_at(parser->json, OVSDB_E_SYNTAX, "no table named %s",
                                                 json_string_value(name)));
    return table;
}

static void parse_where(struct run *run, struct ovsdb_parser *parser,
                        const struct ovsdb_table *table, struct ovsdb_condition *condition)
{
    const json_t *where = ovsdb_parser_member(parser, "where", OVSDB_P_ARRAY);

    if (where && table)
        ovsdb_parser_fail(parser,
                          ovsdb_condition_from_json(table->schema, where, &run->symtab, condition));
}

// A <row> as a list of columns to set. 'update': immutable columns are refused.
struct cells {
    struct cell {
        const struct ovsdb_column *column;
        struct ovsdb_datum *datum;
    } * all;
    unsigned n;
};

static void cells_done(struct cells *cells)
{
    for (unsigned i = 0; i < cells->n; i++)
        ovsdb_datum_unref(cells->all[i].datum);
    free(cells->all);
    *cells = (struct cells){0};
}

static struct ovsdb_error *read_cells(struct run *run, const struct ovsdb_table *table,
                                      const json_t *json, bool update, struct cells *cells)
{
    const char *name;
    json_t *value;

    cells->all = NEW_ARRAY(struct cell, json_object_size(json) + 1);
    json_object_foreach ((json_t *)json, name, value) {
        const struct ovsdb_column *column = ovsdb_table_schema_column(table->schema, name);
        struct cell *cell = &cells->all[cells->n];

        if (!column)
            return ovsdb_error_at(json, OVSDB_E_UNKNOWN_COLUMN, "no column %s in table %s", name,
                                  table->schema->name);
        if (column->index < OVSDB_N_STD_COLUMNS || (update && !column->mutable_))
            return ovsdb_error_at(json, OVSDB_E_CONSTRAINT, "cannot %s %s column %s in table %s",
                                  update ? "update" : "set",
                                  column->index < OVSDB_N_STD_COLUMNS ? "standard" : "immutable",
                                  name, table->schema->name);
        struct ovsdb_error *error =
            ovsdb_datum_from_json(value, &column->type, &run->symtab, &cell->datum);
        if (error)
            return error;
        cell->column = column;
        cells->n++;
    }
    return NULL;
}

static void parse_row(struct run *run, struct ovsdb_parser *parser, const struct ovsdb_table *table,
                      bool update, struct cells *cells)
{
    const json_t *row = ovsdb_parser_member(parser, "row", OVSDB_P_OBJECT);

    if (row && table)
        ovsdb_parser_fail(parser, read_cells(run, table, row, update, cells));
}

static void set_cells(struct run *run, struct ovsdb_row *row, const struct cells *cells)
{
    for (unsigned i = 0; i < cells->n; i++)
        ovsdb_txn_set(run->txn, row, cells->all[i].column, ovsdb_datum_ref(cells->all[i].datum));
}

static json_t *uuid_json(const struct ovsdb_uuid *uuid)
{
    union ovsdb_atom atom = {.uuid = *uuid};

    return ovsdb_atom_to_json(&atom, OVSDB_UUID);
}

// The UUID that an insert is to use: NULL in *ret_uuid's stead means any.
static struct ovsdb_error *insert_uuid(struct run *run, const struct ovsdb_table *table,
                                       const json_t *uuid, const json_t *name,
                                       struct ovsdb_uuid *ret_uuid)
{
    struct ovsdb_symbol *symbol = NULL;

    *ret_uuid = ovsdb_uuid_random();
    if (name) {
        symbol = ovsdb_symtab_get(&run->symtab, json_string_value(name));
        if (symbol->created)
            return ovsdb_error_at(name, OVSDB_E_DUPLICATE_NAME,
                                  "an earlier insert of this transaction has this uuid-name");
        symbol->created = true;
        if (!uuid)
            *ret_uuid = symbol->uuid;
    }
    if (uuid) {
        if (!ovsdb_uuid_parse(json_string_value(uuid), ret_uuid))
            return ovsdb_error_at(uuid, OVSDB_E_SYNTAX, "\"%s\" is not a valid UUID",
                                  json_string_value(uuid));
        if (symbol)
            symbol->uuid = *ret_uuid;
        if (!ovsdb_txn_uuid_is_free(run->txn, table, ret_uuid))
            return ovsdb_error_at(uuid, OVSDB_E_DUPLICATE_UUID,
                                  "the table holds a row of this UUID, or this transaction has "
                                  "deleted it");
    }
    return NULL;
}

static struct ovsdb_error *op_insert(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    struct ovsdb_table *table = parse_table(run, parser);
    const json_t *uuid_text =
        ovsdb_parser_member(parser, "uuid", OVSDB_P_STRING | OVSDB_P_OPTIONAL);
    const json_t *name = ovsdb_parser_member(parser, "uuid-name", OVSDB_P_ID | OVSDB_P_OPTIONAL);
    struct cells cells = {0};
    struct ovsdb_uuid uuid;

    // The name is claimed before the row is read: a row may refer to itself.
    if (table && !ovsdb_parser_failed(parser))
        ovsdb_parser_fail(parser, insert_uuid(run, table, uuid_text, name, &uuid));
    parse_row(run, parser, table, false, &cells);
    struct ovsdb_error *error = ovsdb_parser_finish(parser);
    if (!error) {
        struct ovsdb_row *row = ovsdb_txn_insert(run->txn, table, &uuid);

        set_cells(run, row, &cells);
        json_object_set_new(result, "uuid", uuid_json(&uuid));
    }
    cells_done(&cells);
    return error;
}

static struct ovsdb_error *op_select(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    struct ovsdb_table *table = parse_table(run, parser);
    struct ovsdb_condition where = {0};
    AUTO_FREE const struct ovsdb_column **columns = NULL;
    unsigned n = 0;

    parse_where(run, parser, table, &where);
    const json_t *json = ovsdb_parser_member(parser, "columns", OVSDB_P_ARRAY | OVSDB_P_OPTIONAL);
    if (table && !ovsdb_parser_failed(parser))
        ovsdb_parser_fail(parser,
                          ovsdb_table_schema_columns_from_json(table->schema, json, &columns, &n));

    struct ovsdb_error *error = ovsdb_parser_finish(parser);
    if (!error) {
        struct ovsdb_rows rows = ovsdb_query(table, &where);

        json_object_set_new(result, "rows", ovsdb_rows_to_json(&rows, columns, n));
        ovsdb_rows_done(&rows);
    }
    ovsdb_condition_done(&where);
    return error;
}

static struct ovsdb_error *op_update(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    struct ovsdb_table *table = parse_table(run, parser);
    struct ovsdb_condition where = {0};
    struct cells cells = {0};

    parse_where(run, parser, table, &where);
    parse_row(run, parser, table, true, &cells);
    struct ovsdb_error *error = ovsdb_parser_finish(parser);
    if (!error) {
        struct ovsdb_rows rows = ovsdb_query(table, &where);

        for (unsigned i = 0; i < rows.n; i++)
            set_cells(run, rows.all[i], &cells);
        json_object_set_new(result, "count", json_integer(rows.n));
        ovsdb_rows_done(&rows);
    }
    cells_done(&cells);
    ovsdb_condition_done(&where);
    return error;
}

static struct ovsdb_error *mutate_row(struct run *run, struct ovsdb_row *row,
                                      const struct ovsdb_mutations *mutations)
{
    for (unsigned i = 0; i < mutations->n; i++) {
        const struct ovsdb_mutation *mutation = &mutations->all[i];
        const struct ovsdb_datum *old = ovsdb_row_get(row, mutation->column);
        struct ovsdb_datum *new;
        struct ovsdb_error *error = ovsdb_mutation_apply(mutation, old, &new);

        if (error)
            return error;
        if (new == old)
            ovsdb_datum_unref(new);
        else
            ovsdb_txn_set(run->txn, row, mutation->column, new);
    }
    return NULL;
}

static struct ovsdb_error *op_mutate(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    struct ovsdb_table *table = parse_table(run, parser);
    struct ovsdb_condition where = {0};
    struct ovsdb_mutations mutations = {0};

    parse_where(run, parser, table, &where);
    const json_t *json = ovsdb_parser_member(parser, "mutations", OVSDB_P_ARRAY);
    if (table && json && !ovsdb_parser_failed(parser))
        ovsdb_parser_fail(parser,
                          ovsdb_mutations_from_json(table->schema, json, &run->symtab, &mutations));

    struct ovsdb_error *error = ovsdb_parser_finish(parser);
    if (!error) {
        struct ovsdb_rows rows = ovsdb_query(table, &where);

        for (unsigned i = 0; i < rows.n && !error; i++)
            error = mutate_row(run, rows.all[i], &mutations);
        json_object_set_new(result, "count", json_integer(rows.n));
        ovsdb_rows_done(&rows);
    }
    ovsdb_mutations_done(&mutations);
    ovsdb_condition_done(&where);
    return error;
}

static struct ovsdb_error *op_delete(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    struct ovsdb_table *table = parse_table(run, parser);
    struct ovsdb_condition where = {0};

    parse_where(run, parser, table, &where);
    struct ovsdb_error *error = ovsdb_parser_finish(parser);
    if (!error) {
        struct ovsdb_rows rows = ovsdb_query(table, &where);

        for (unsigned i = 0; i < rows.n; i++)
            ovsdb_txn_delete(run->txn, rows.all[i]);
        json_object_set_new(result, "count", json_integer(rows.n));
        ovsdb_rows_done(&rows);
    }
    ovsdb_condition_done(&where);
    return error;
}

// The rows that a wait names, as tuples of which only the named columns matter.
static struct ovsdb_error *read_expected(struct run *run, const struct ovsdb_table *table,
                                         const json_t *json, struct ovsdb_tuple **tuples)
{
    static const struct ovsdb_uuid zero;

    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *row = json_array_get(json, i);
        const char *name;
        json_t *value;

        if (!json_is_object(row))
            return ovsdb_error_at(row, OVSDB_E_SYNTAX, "expected a row");
        tuples[i] = ovsdb_tuple_new(table->schema, &zero);
        json_object_foreach ((json_t *)row, name, value) {
            const struct ovsdb_column *column = ovsdb_table_schema_column(table->schema, name);
            struct ovsdb_datum *datum;

            if (!column)
                return ovsdb_error_at(row, OVSDB_E_UNKNOWN_COLUMN, "no column %s in table %s", name,
                                      table->schema->name);
            struct ovsdb_error *error =
                ovsdb_datum_from_json(value, &column->type, &run->symtab, &datum);
            if (error)
                return error;
            ovsdb_tuple_set(tuples[i], column->index, datum);
        }
    }
    return NULL;
}

static struct ovsdb_error *judge_wait(struct run *run, bool holds, const json_t *timeout)
{
    if (holds)
        return NULL;
    int64_t limit = timeout ? json_integer_value(timeout) : INT64_MAX;
    if (run->in->waited_ms >= limit)
        return ovsdb_error(OVSDB_E_TIMED_OUT, limit ? "the wait's condition did not come true"
                                                    : "\"where\" clause test failed");
    run->waiting = true;
    run->timeout_ms = limit;
    return NULL;
}

static struct ovsdb_error *op_wait(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    struct ovsdb_table *table = parse_table(run, parser);
    const json_t *timeout =
        ovsdb_parser_member(parser, "timeout", OVSDB_P_INTEGER | OVSDB_P_OPTIONAL);
    struct ovsdb_condition where = {0};
    AUTO_FREE const struct ovsdb_column **columns = NULL;
    unsigned n_columns = 0;

    parse_where(run, parser, table, &where);
    const json_t *names = ovsdb_parser_member(parser, "columns", OVSDB_P_ARRAY | OVSDB_P_OPTIONAL);
    const json_t *until = ovsdb_parser_member(parser, "until", OVSDB_P_STRING);
    const json_t *expected = ovsdb_parser_member(parser, "rows", OVSDB_P_ARRAY);
    size_t n = json_array_size(expected);
    struct ovsdb_tuple **tuples = NEW_ARRAY(struct ovsdb_tuple *, n + 1);

    if (until && strcmp(json_string_value(until), "==") && strcmp(json_string_value(until), "!="))
        ovsdb_parser_fail(
            parser, ovsdb_error_at(until, OVSDB_E_SYNTAX, "\"until\" must be \"==\" or \"!=\""));
    if (timeout && json_integer_value(timeout) < 0)
        ovsdb_parser_fail(parser,
                          ovsdb_error_at(timeout, OVSDB_E_SYNTAX, "\"timeout\" is negative"));
    if (table && !ovsdb_parser_failed(parser))
        ovsdb_parser_fail(parser, ovsdb_table_schema_columns_from_json(table->schema, names,
                                                                       &columns, &n_columns));
    if (table && !ovsdb_parser_failed(parser))
        ovsdb_parser_fail(parser, read_expected(run, table, expected, tuples));

    struct ovsdb_error *error = ovsdb_parser_finish(parser);
    if (!error) {
        struct ovsdb_rows rows = ovsdb_query(table, &where);
        bool equal = ovsdb_rows_equal(&rows, tuples, (unsigned)n, columns, n_columns);

        error = judge_wait(run, equal == !strcmp(json_string_value(until), "=="), timeout);
        ovsdb_rows_done(&rows);
    }
    for (size_t i = 0; i < n; i++)
        ovsdb_tuple_unref(tuples[i]);
    free(tuples);
    ovsdb_condition_done(&where);
    return error;
}

static struct ovsdb_error *op_commit(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    const json_t *durable = ovsdb_parser_member(parser, "durable", OVSDB_P_BOOL);
    struct ovsdb_error *error = ovsdb_parser_finish(parser);

    if (!error && json_is_true(durable))
        run->durable = true;
    return error;
}

static struct ovsdb_error *op_abort(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    struct ovsdb_error *error = ovsdb_parser_finish(parser);

    return error ? error : ovsdb_error(OVSDB_E_ABORTED, "aborted by request");
}

static struct ovsdb_error *op_comment(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    const json_t *comment = ovsdb_parser_member(parser, "comment", OVSDB_P_STRING);
    struct ovsdb_error *error = ovsdb_parser_finish(parser);

    if (!error)
        ovsdb_txn_comment(run->txn, json_string_value(comment));
    return error;
}

static struct ovsdb_error *op_assert(struct run *run, struct ovsdb_parser *parser, json_t *result)
{
    const json_t *lock = ovsdb_parser_member(parser, "lock", OVSDB_P_STRING);
    struct ovsdb_error *error = ovsdb_parser_finish(parser);

    if (error || (run->in->owns_lock && run->in->owns_lock(json_string_value(lock), run->in->aux)))
        return error;
    return ovsdb_error(OVSDB_E_NOT_OWNER, "asserted lock %s not held", json_string_value(lock));
}

static const struct op {
    const char *name;
    bool writes;
    op_fn *fn;
} ops[] = {
    {"insert", true, op_insert},  {"select", false, op_select}, {"update", true, op_update},
    {"mutate", true, op_mutate},  {"delete", true, op_delete},  {"wait", false, op_wait},
    {"commit", false, op_commit}, {"abort", false, op_abort},   {"comment", false, op_comment},
    {"assert", false, op_assert},
};

static struct ovsdb_error *run_op(struct run *run, const json_t *json, size_t number, size_t n,
                                  json_t *result)
{
    struct ovsdb_parser parser;

    ovsdb_parser_init(&parser, json, "ovsdb operation %zu of %zu", number, n);
    const json_t *name = ovsdb_parser_member(&parser, "op", OVSDB_P_ID);
    if (!name)
        return ovsdb_parser_finish(&parser);
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        if (strcmp(json_string_value(name), ops[i].name))
            continue;
        if (ops[i].writes && run->db->reserved)
            return ovsdb_error(OVSDB_E_NOT_ALLOWED, "%s is not allowed on reserved database %s",
                               ops[i].name, run->db->schema->name);
        if (ops[i].writes && run->in->read_only)
            return ovsdb_error(OVSDB_E_NOT_ALLOWED,
                               "%s is not allowed: the connection is read-only", ops[i].name);
        return ops[i].fn(run, &parser, result);
    }
    return ovsdb_error_at(json, OVSDB_E_SYNTAX, "ovsdb operation %zu of %zu: no operation \"%s\"",
                          number, n, json_string_value(name));
}

static void run_ops(struct run *run, json_t *results)
{
    size_t n = json_array_size(run->in->params) - 1;
    struct ovsdb_error *error = NULL;

    for (size_t i = 1; i <= n && !error && !run->waiting; i++) {
        json_t *result = json_object();

        error = run_op(run, json_array_get(run->in->params, i), i, n, result);
        json_array_append_new(results, error ? ovsdb_error_to_json(error) : result);
        if (error)
            json_decref(result);
    }
    if (error || run->waiting) {
        ovsdb_txn_abort(run->txn);
        while (json_array_size(results) < n)
            json_array_append_new(results, json_null());
    } else {
        error = ovsdb_txn_commit(run->txn, run->durable);
        if (error)
            json_array_append_new(results, ovsdb_error_to_json(error));
    }
    ovsdb_error_free(error);
}

json_t *ovsdb_execute(const struct ovsdb_execution *execution, int64_t *ret_timeout_ms)
{
    struct run run = {.in = execution, .db = execution->db, .txn = ovsdb_txn_new(execution->db)};
    json_t *results = json_array();

    run_ops(&run, results);
    ovsdb_symtab_clear(&run.symtab);
    if (!run.waiting)
        return results;
    json_decref(results);
    *ret_timeout_ms = run.timeout_ms;
    return NULL;
}
