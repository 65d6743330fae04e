// SPDX-License-Identifier: Apache-2.0
// Mutations. See mutation.h. Arithmetic never overflows: the compiler's checked operations are
// used.

#include "ovsdb/server/mutation.h"

#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"

static const char *const names[] = {
    [OVSDB_M_ADD] = "+=",        [OVSDB_M_SUB] = "-=", [OVSDB_M_MUL] = "*=",
    [OVSDB_M_DIV] = "/=",        [OVSDB_M_MOD] = "%=", [OVSDB_M_INSERT] = "insert",
    [OVSDB_M_DELETE] = "delete",
};

static struct ovsdb_error *type_mismatch(const json_t *json, const struct ovsdb_mutation *mutation)
{
    AUTO_FREE char *english = ovsdb_type_to_english(&mutation->column->type);

    return ovsdb_error_at(json, OVSDB_E_SYNTAX,
                          "type mismatch: \"%s\" may not be applied to column %s of type %s",
                          names[mutation->mutator], mutation->column->name, english);
}

static struct ovsdb_error *read_number(const json_t *json, struct ovsdb_symtab *symtab,
                                       struct ovsdb_mutation *mutation)
{
    const struct ovsdb_type *type = &mutation->column->type;
    struct ovsdb_type scalar = {.n_min = 1, .n_max = 1};

    if (ovsdb_type_is_map(type) ||
        !(type->key.type == OVSDB_INTEGER ||
          (type->key.type == OVSDB_REAL && mutation->mutator != OVSDB_M_MOD)))
        return type_mismatch(json, mutation);
    ovsdb_base_type_init(&scalar.key, type->key.type);
    ovsdb_base_type_init(&scalar.value, OVSDB_VOID);
    return ovsdb_datum_from_json(json_array_get(json, 2), &scalar, symtab, &mutation->arg);
}

static struct ovsdb_error *read_elements(const json_t *json, struct ovsdb_symtab *symtab,
                                         struct ovsdb_mutation *mutation)
{
    const struct ovsdb_type *type = &mutation->column->type;
    const json_t *arg = json_array_get(json, 2);
    struct ovsdb_type loose = *type;

    if (ovsdb_type_is_scalar(type))
        return type_mismatch(json, mutation);
    loose.n_min = 0;
    if (mutation->mutator == OVSDB_M_DELETE)
        loose.n_max = OVSDB_UNLIMITED;
    if (ovsdb_type_is_map(type) && mutation->mutator == OVSDB_M_DELETE) {
        const char *tag = json_string_value(json_array_get(arg, 0));

        if (!tag || strcmp(tag, "map")) // keys whose pairs go, whatever their values
            ovsdb_base_type_init(&loose.value, OVSDB_VOID);
    }
    return ovsdb_datum_from_json(arg, &loose, symtab, &mutation->arg);
}

static struct ovsdb_error *read_mutation(const struct ovsdb_table_schema *table, const json_t *json,
                                         struct ovsdb_symtab *symtab,
                                         struct ovsdb_mutation *mutation)
{
    const char *column = json_string_value(json_array_get(json, 0));
    const char *mutator = json_string_value(json_array_get(json, 1));
    size_t i;

    if (json_array_size(json) != 3 || !column || !mutator)
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "a mutation must be [COLUMN, MUTATOR, VALUE]");
    mutation->column = ovsdb_table_schema_column(table, column);
    if (!mutation->column)
        return ovsdb_error_at(json, OVSDB_E_UNKNOWN_COLUMN, "no column %s in table %s", column,
                              table->name);
    if (!mutation->column->mutable_)
        return ovsdb_error_at(json, OVSDB_E_CONSTRAINT,
                              "cannot mutate immutable column %s in table %s", column, table->name);
    for (i = 0; i < ARRAY_SIZE(names) && strcmp(mutator, names[i]); i++)
        continue;
    if (i == ARRAY_SIZE(names))
        return ovsdb_error_at(json, OVSDB_E_UNKNOWN_MUTATOR, "no mutator named %s", mutator);
    mutation->mutator = i;
    return i == OVSDB_M_INSERT || i == OVSDB_M_DELETE ? read_elements(json, symtab, mutation)
                                                      : read_number(json, symtab, mutation);
}

struct ovsdb_error *ovsdb_mutations_from_json(const struct ovsdb_table_schema *table,
                                              const json_t *json, struct ovsdb_symtab *symtab,
                                              struct ovsdb_mutations *ret_mutations)
{
    struct ovsdb_mutations mutations = {0};
    size_t n = json_array_size(json);

    if (!json_is_array(json))
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "expected an array of mutations");
    mutations.all = NEW_ARRAY(struct ovsdb_mutation, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct ovsdb_error *error =
            read_mutation(table, json_array_get(json, i), symtab, &mutations.all[i]);
        if (error) {
            ovsdb_mutations_done(&mutations);
            return error;
        }
        mutations.n++;
    }
    *ret_mutations = mutations;
    return NULL;
}

void ovsdb_mutations_done(struct ovsdb_mutations *mutations)
{
    for (unsigned i = 0; i < mutations->n; i++)
        ovsdb_datum_unref(mutations->all[i].arg);
    free(mutations->all);
    *mutations = (struct ovsdb_mutations){0};
}

static const char *mutate_integer(enum ovsdb_mutator mutator, int64_t *x, int64_t y)
{
    bool overflow = false;

    switch (mutator) {
    case OVSDB_M_ADD:
        overflow = __builtin_add_overflow(*x, y, x);
        break;
    case OVSDB_M_SUB:
        overflow = __builtin_sub_overflow(*x, y, x);
        break;
    case OVSDB_M_MUL:
        overflow = __builtin_mul_overflow(*x, y, x);
        break;
    case OVSDB_M_DIV:
        if (!y)
            return OVSDB_E_DOMAIN;
        if (*x == INT64_MIN && y == -1)
            return OVSDB_E_RANGE;
        *x /= y;
        break;
    case OVSDB_M_MOD:
        if (!y)
            return OVSDB_E_DOMAIN;
        *x = y == -1 ? 0 : *x % y;
        break;
    case OVSDB_M_INSERT:
    case OVSDB_M_DELETE:
        break;
    }
    return overflow ? OVSDB_E_RANGE : NULL;
}

static const char *mutate_real(enum ovsdb_mutator mutator, double *x, double y)
{
    switch (mutator) {
    case OVSDB_M_ADD:
        *x += y;
        break;
    case OVSDB_M_SUB:
        *x -= y;
        break;
    case OVSDB_M_MUL:
        *x *= y;
        break;
    case OVSDB_M_DIV:
        if (y == 0)
            return OVSDB_E_DOMAIN;
        *x /= y;
        break;
    case OVSDB_M_MOD:
    case OVSDB_M_INSERT:
    case OVSDB_M_DELETE:
        break;
    }
    return isfinite(*x) ? NULL : OVSDB_E_RANGE;
}

static struct ovsdb_error *calculate(const struct ovsdb_mutation *mutation,
                                     const struct ovsdb_datum *old, struct ovsdb_datum **ret_new)
{
    const struct ovsdb_type *type = &mutation->column->type;
    const union ovsdb_atom *arg = ovsdb_datum_atom(mutation->arg);
    struct ovsdb_datum_builder builder;
    bool duplicate;

    ovsdb_datum_builder_init(&builder, type->key.type, OVSDB_VOID, old->n);
    for (uint32_t i = 0; i < old->n; i++) {
        union ovsdb_atom atom = old->keys[i];
        const char *tag = type->key.type == OVSDB_INTEGER
                              ? mutate_integer(mutation->mutator, &atom.integer, arg->integer)
                              : mutate_real(mutation->mutator, &atom.real, arg->real);

        if (tag) {
            ovsdb_datum_builder_done(&builder);
            return ovsdb_error(tag, "%s in \"%s\" on column %s",
                               !strcmp(tag, OVSDB_E_DOMAIN) ? "division by zero"
                                                            : "result out of range",
                               names[mutation->mutator], mutation->column->name);
        }
        ovsdb_datum_builder_add(&builder, atom, NULL);
    }
    struct ovsdb_datum *new = ovsdb_datum_builder_finish(&builder, &duplicate);
    if (duplicate) {
        ovsdb_datum_unref(new);
        return ovsdb_error(OVSDB_E_CONSTRAINT, "\"%s\" makes two elements of column %s equal",
                           names[mutation->mutator], mutation->column->name);
    }
    *ret_new = new;
    return NULL;
}

struct ovsdb_error *ovsdb_mutation_apply(const struct ovsdb_mutation *mutation,
                                         const struct ovsdb_datum *old,
                                         struct ovsdb_datum **ret_new)
{
    struct ovsdb_datum *new = NULL;
    struct ovsdb_error *error = NULL;

    if (mutation->mutator == OVSDB_M_INSERT)
        new = ovsdb_datum_union(old, mutation->arg);
    else if (mutation->mutator == OVSDB_M_DELETE)
        new = ovsdb_datum_subtract(old, mutation->arg);
    else
        error = calculate(mutation, old, &new);
    if (error)
        return error;

    if (new != old)
        error = ovsdb_datum_check(new, &mutation->column->type);
    if (error) {
        ovsdb_datum_unref(new);
        return ovsdb_error_prefix(error, "column %s", mutation->column->name);
    }
    *ret_new = new;
    return NULL;
}
