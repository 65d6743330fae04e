// SPDX-License-Identifier: Apache-2.0
// Conditions. See condition.h.

#include "ovsdb/server/condition.h"

#include <stdlib.h>

#include "lib/base/mem.h"

static const struct {
    const char *name;
    enum ovsdb_function function;
} functions[] = {
    {"<", OVSDB_F_LT},
    {"<=", OVSDB_F_LE},
    {"==", OVSDB_F_EQ},
    {"!=", OVSDB_F_NE},
    {">=", OVSDB_F_GE},
    {">", OVSDB_F_GT},
    {"includes", OVSDB_F_INCLUDES},
    {"excludes", OVSDB_F_EXCLUDES},
};

static bool is_ordered(enum ovsdb_function function)
{
    return function == OVSDB_F_LT || function == OVSDB_F_LE || function == OVSDB_F_GE ||
           function == OVSDB_F_GT;
}

static struct ovsdb_error *read_arg(const json_t *json, const json_t *arg,
                                    struct ovsdb_symtab *symtab, struct ovsdb_clause *clause,
                                    const char *name)
{
    const struct ovsdb_type *type = &clause->column->type;

    if (is_ordered(clause->function)) {
        bool number = type->key.type == OVSDB_INTEGER || type->key.type == OVSDB_REAL;

        if (!number || ovsdb_type_is_map(type) || type->n_max != 1) {
            AUTO_FREE char *english = ovsdb_type_to_english(type);
            return ovsdb_error_at(json, OVSDB_E_SYNTAX,
                                  "type mismatch: \"%s\" may not be applied to column %s of type "
                                  "%s",
                                  name, clause->column->name, english);
        }
        // An optional number is compared with a number, never with nothing.
        struct ovsdb_type one = *type;
        one.n_min = 1;
        return ovsdb_datum_from_json(arg, &one, symtab, &clause->arg);
    }
    struct ovsdb_type some = *type;
    if (!ovsdb_type_is_scalar(type)) { // with a scalar these mean "==" and "!="
        if (clause->function == OVSDB_F_INCLUDES || clause->function == OVSDB_F_EXCLUDES)
            some.n_min = 0;
        if (clause->function == OVSDB_F_EXCLUDES)
            some.n_max = OVSDB_UNLIMITED;
    }
    return ovsdb_datum_from_json(arg, &some, symtab, &clause->arg);
}

static struct ovsdb_error *read_clause(const struct ovsdb_table_schema *table, const json_t *json,
                                       struct ovsdb_symtab *symtab, struct ovsdb_clause *clause)
{
    if (json_is_boolean(json)) {
        clause->function = json_is_true(json) ? OVSDB_F_TRUE : OVSDB_F_FALSE;
        return NULL;
    }

    const char *column = json_string_value(json_array_get(json, 0));
    const char *function = json_string_value(json_array_get(json, 1));
    if (json_array_size(json) != 3 || !column || !function)
        return ovsdb_error_at(json, OVSDB_E_SYNTAX,
                              "a condition must be [COLUMN, FUNCTION, VALUE] or a boolean");
    clause->column = ovsdb_table_schema_column(table, column);
    if (!clause->column)
        return ovsdb_error_at(json, OVSDB_E_UNKNOWN_COLUMN, "no column %s in table %s", column,
                              table->name);
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
        if (!strcmp(function, functions[i].name)) {
            clause->function = functions[i].function;
            return read_arg(json, json_array_get(json, 2), symtab, clause, function);
        }
    }
    return ovsdb_error_at(json, OVSDB_E_UNKNOWN_FUNCTION, "no function named %s", function);
}

struct ovsdb_error *ovsdb_condition_from_json(const struct ovsdb_table_schema *table,
                                              const json_t *json, struct ovsdb_symtab *symtab,
                                              struct ovsdb_condition *ret_condition)
{
    struct ovsdb_condition condition = {0};
    size_t n = json_array_size(json);

    if (!json_is_array(json))
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "a condition must be an array of clauses");
    condition.clauses = NEW_ARRAY(struct ovsdb_clause, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct ovsdb_error *error =
            read_clause(table, json_array_get(json, i), symtab, &condition.clauses[i]);
        if (error) {
            ovsdb_condition_done(&condition);
            return error;
        }
        condition.n++;
    }
    *ret_condition = condition;
    return NULL;
}

void ovsdb_condition_done(struct ovsdb_condition *condition)
{
    for (unsigned i = 0; i < condition->n; i++)
        ovsdb_datum_unref(condition->clauses[i].arg);
    free(condition->clauses);
    *condition = (struct ovsdb_condition){0};
}

static bool clause_holds(const struct ovsdb_clause *clause, const struct ovsdb_tuple *tuple)
{
    if (!clause->column)
        return clause->function == OVSDB_F_TRUE;

    const struct ovsdb_datum *field = tuple->columns[clause->column->index];
    const struct ovsdb_datum *arg = clause->arg;
    if (is_ordered(clause->function) && !field->n)
        return false;
    switch (clause->function) {
    case OVSDB_F_LT:
        return ovsdb_datum_compare(field, arg) < 0;
    case OVSDB_F_LE:
        return ovsdb_datum_compare(field, arg) <= 0;
    case OVSDB_F_EQ:
        return ovsdb_datum_equal(field, arg);
    case OVSDB_F_NE:
        return !ovsdb_datum_equal(field, arg);
    case OVSDB_F_GE:
        return ovsdb_datum_compare(field, arg) >= 0;
    case OVSDB_F_GT:
        return ovsdb_datum_compare(field, arg) > 0;
    case OVSDB_F_INCLUDES:
        return ovsdb_datum_includes_all(field, arg);
    case OVSDB_F_EXCLUDES:
        return ovsdb_datum_excludes_all(field, arg);
    case OVSDB_F_FALSE:
    case OVSDB_F_TRUE:
        break;
    }
    return false;
}

bool ovsdb_condition_all(const struct ovsdb_condition *condition, const struct ovsdb_tuple *tuple)
{
    for (unsigned i = 0; i < condition->n; i++)
        if (!clause_holds(&condition->clauses[i], tuple))
            return false;
    return true;
}

bool ovsdb_condition_any(const struct ovsdb_condition *condition, const struct ovsdb_tuple *tuple)
{
    for (unsigned i = 0; i < condition->n; i++)
        if (clause_holds(&condition->clauses[i], tuple))
            return true;
    return !condition->n;
}

const struct ovsdb_datum *ovsdb_condition_equal_to(const struct ovsdb_condition *condition,
                                                   const struct ovsdb_column *column)
{
    for (unsigned i = 0; i < condition->n; i++)
        if (condition->clauses[i].function == OVSDB_F_EQ && condition->clauses[i].column == column)
            return condition->clauses[i].arg;
    return NULL;
}
