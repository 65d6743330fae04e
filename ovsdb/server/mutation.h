// SPDX-License-Identifier: Apache-2.0
// <mutation> of RFC 7047 section 5.1: += -= *= /= %= on numbers and sets of them, insert and delete
// on sets and maps. Pure; any thread.
#pragma once

#include "ovsdb/server/row.h"

enum ovsdb_mutator {
    OVSDB_M_ADD,
    OVSDB_M_SUB,
    OVSDB_M_MUL,
    OVSDB_M_DIV,
    OVSDB_M_MOD,
    OVSDB_M_INSERT,
    OVSDB_M_DELETE,
};

struct ovsdb_mutation {
    const struct ovsdb_column *column;
    enum ovsdb_mutator mutator;
    struct ovsdb_datum *arg;
};

struct ovsdb_mutations {
    struct ovsdb_mutation *all;
    unsigned n;
};

struct ovsdb_error *ovsdb_mutations_from_json(const struct ovsdb_table_schema *table,
                                              const json_t *json, struct ovsdb_symtab *symtab,
                                              struct ovsdb_mutations *ret_mutations)
    __attribute__((warn_unused_result));
void ovsdb_mutations_done(struct ovsdb_mutations *mutations);

// The column's value after the mutation, checked against its type. Errors: "domain error", "range
// error", "constraint violation".
struct ovsdb_error *ovsdb_mutation_apply(const struct ovsdb_mutation *mutation,
                                         const struct ovsdb_datum *old,
                                         struct ovsdb_datum **ret_new)
    __attribute__((warn_unused_result));
