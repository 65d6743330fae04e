// SPDX-License-Identifier: Apache-2.0
// <atom> of RFC 7047 section 5.1: one value of one of the five atomic types. An atom doesn't know
// its type, the datum or the schema around it does. Strings are borrowed: whoever holds the atom
// says whose memory they are (in a datum: the datum's own block).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "ovsdb/schema/error.h"
#include "ovsdb/schema/uuid.h"

enum ovsdb_atomic_type {
    OVSDB_VOID, // no value: what a set has in place of a map's value type
    OVSDB_INTEGER,
    OVSDB_REAL,
    OVSDB_BOOLEAN,
    OVSDB_STRING,
    OVSDB_UUID,
};

union ovsdb_atom {
    int64_t integer;
    double real; // finite
    bool boolean;
    struct {
        const char *s; // UTF-8, NUL-terminated, no NUL inside
        uint32_t len;  // bytes, without the final NUL
    } string;
    struct ovsdb_uuid uuid;
};

struct ovsdb_symtab;

// "integer", "real", "boolean", "string", "uuid" (or "void").
const char *ovsdb_atomic_type_name(enum ovsdb_atomic_type type);

// False, with *ret_type untouched, if `name` is none of the five names.
bool ovsdb_atomic_type_parse(const char *name, enum ovsdb_atomic_type *ret_type);

// The default of RFC 7047 section 5.2.1: 0, 0.0, false, "", all-zero UUID.
union ovsdb_atom ovsdb_atom_default(enum ovsdb_atomic_type type);

// Less than, equal to or greater than 0: a total order among atoms of one type.
int ovsdb_atom_compare(const union ovsdb_atom *a, const union ovsdb_atom *b,
                       enum ovsdb_atomic_type type);

static inline bool ovsdb_atom_equal(const union ovsdb_atom *a, const union ovsdb_atom *b,
                                    enum ovsdb_atomic_type type)
{
    return !ovsdb_atom_compare(a, b, type);
}

// Reads an atom; a string then points into `json`. A "named-uuid" resolves through `symtab`, which
// makes up an identifier for a name it sees first; without a table it is refused. Constraints are
// not checked here.
struct ovsdb_error *ovsdb_atom_from_json(const json_t *json, enum ovsdb_atomic_type type,
                                         struct ovsdb_symtab *symtab, union ovsdb_atom *ret_atom)
    __attribute__((warn_unused_result));

// A new JSON value.
json_t *ovsdb_atom_to_json(const union ovsdb_atom *atom, enum ovsdb_atomic_type type);

// The atom as ovs-vsctl prints it, strings bare, in new memory.
char *ovsdb_atom_to_string(const union ovsdb_atom *atom, enum ovsdb_atomic_type type);

// An atom for a C string, borrowed.
static inline union ovsdb_atom ovsdb_atom_string(const char *s)
{
    return (union ovsdb_atom){.string = {s, (uint32_t)strlen(s)}};
}
