// SPDX-License-Identifier: Apache-2.0
// <type> and <base-type> of RFC 7047 section 3.2: what a column may hold. Immutable once read, so
// any thread may use one.
#pragma once

#include <limits.h>

#include "ovsdb/schema/atom.h"

struct ovsdb_datum;
struct ovsdb_table_schema;

enum { OVSDB_UNLIMITED = UINT_MAX };

enum ovsdb_ref_type {
    OVSDB_REF_STRONG, // keeps the row it names alive; the row must exist
    OVSDB_REF_WEAK,   // vanishes with the row it names
};

struct ovsdb_base_type {
    enum ovsdb_atomic_type type;
    struct ovsdb_datum *enum_; // the only values allowed, a set; or NULL
    union {
        struct {
            int64_t min, max;
        } integer;
        struct {
            double min, max;
        } real;
        struct {
            unsigned min_len, max_len; // characters, not bytes
        } string;
        struct {
            char *ref_table_name; // or NULL
            enum ovsdb_ref_type ref_type;
            const struct ovsdb_table_schema *ref_table; // set when the whole schema is read
        } uuid;
    };
};

struct ovsdb_type {
    struct ovsdb_base_type key;
    struct ovsdb_base_type value; // OVSDB_VOID in a set
    unsigned n_min;               // 0 or 1
    unsigned n_max;               // 1 and more, or OVSDB_UNLIMITED
};

// One key, without a value: the column holds exactly one atom.
static inline bool ovsdb_type_is_scalar(const struct ovsdb_type *type)
{
    return type->value.type == OVSDB_VOID && type->n_min == 1 && type->n_max == 1;
}

// No value or one, without a map's value.
static inline bool ovsdb_type_is_optional_scalar(const struct ovsdb_type *type)
{
    return type->value.type == OVSDB_VOID && type->n_min == 0 && type->n_max == 1;
}

// More than one element fits: a difference is then sent by element, not as the new value.
static inline bool ovsdb_type_is_composite(const struct ovsdb_type *type)
{
    return type->n_max > 1;
}

static inline bool ovsdb_type_is_map(const struct ovsdb_type *type)
{
    return type->value.type != OVSDB_VOID;
}

// The unconstrained base type.
void ovsdb_base_type_init(struct ovsdb_base_type *base, enum ovsdb_atomic_type type);
void ovsdb_base_type_done(struct ovsdb_base_type *base);

struct ovsdb_error *ovsdb_base_type_from_json(const json_t *json, struct ovsdb_base_type *ret_base)
    __attribute__((warn_unused_result));
json_t *ovsdb_base_type_to_json(const struct ovsdb_base_type *base);

// "constraint violation" unless `atom` obeys the enum, range and length of `base`. References are
// judged at commit, not here.
struct ovsdb_error *ovsdb_base_type_check(const struct ovsdb_base_type *base,
                                          const union ovsdb_atom *atom)
    __attribute__((warn_unused_result));

// Reads a <type>. On success the caller owns what *ret_type holds: ovsdb_type_done().
struct ovsdb_error *ovsdb_type_from_json(const json_t *json, struct ovsdb_type *ret_type)
    __attribute__((warn_unused_result));
json_t *ovsdb_type_to_json(const struct ovsdb_type *type);
void ovsdb_type_done(struct ovsdb_type *type);

// "set of up to 3 integers", "map of string-string pairs", in new memory: for error sentences.
char *ovsdb_type_to_english(const struct ovsdb_type *type);
