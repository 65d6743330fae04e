// SPDX-License-Identifier: Apache-2.0
// A datum: the value of one column in one row. A set of atoms, or a map from atoms to atoms; a
// scalar is a set of one.
//
// A datum is one block of memory that never changes once made, counted by references: rows, their
// older versions, monitors and replicas share it, and two versions of a row that hold the same
// pointer hold the same value. Keys are sorted and unique; strings lie in the block behind the
// atoms. The counter is atomic, so a datum may be read, referenced and dropped by any thread.
#pragma once

#include <stdatomic.h>

#include "ovsdb/schema/type.h"

struct ovsdb_datum {
    _Atomic uint32_t refs;
    uint32_t n;              // elements
    uint8_t key_type;        // enum ovsdb_atomic_type
    uint8_t value_type;      // the same; OVSDB_VOID in a set
    union ovsdb_atom keys[]; // n, ascending; in a map the n values follow: ovsdb_datum_values()
};

static inline bool ovsdb_datum_is_map(const struct ovsdb_datum *datum)
{
    return datum->value_type != OVSDB_VOID;
}

// The n values beside the keys; NULL in a set.
static inline const union ovsdb_atom *ovsdb_datum_values(const struct ovsdb_datum *datum)
{
    return ovsdb_datum_is_map(datum) ? datum->keys + datum->n : NULL;
}

// One more reference, or one less; the last one frees. NULL passes through and is ignored.
struct ovsdb_datum *ovsdb_datum_ref(const struct ovsdb_datum *datum);
void ovsdb_datum_unref(const struct ovsdb_datum *datum);

// Shared constants, given as a new reference: no elements, or the one default element.
struct ovsdb_datum *ovsdb_datum_empty(const struct ovsdb_type *type);
struct ovsdb_datum *ovsdb_datum_default(const struct ovsdb_type *type);
bool ovsdb_datum_is_default(const struct ovsdb_datum *datum, const struct ovsdb_type *type);

// A set of one.
struct ovsdb_datum *ovsdb_datum_from_atom(union ovsdb_atom atom, enum ovsdb_atomic_type type);
struct ovsdb_datum *ovsdb_datum_from_string(const char *s);
struct ovsdb_datum *ovsdb_datum_from_integer(int64_t integer);
struct ovsdb_datum *ovsdb_datum_from_bool(bool boolean);
struct ovsdb_datum *ovsdb_datum_from_uuid(const struct ovsdb_uuid *uuid);

// Collects atoms and makes a datum of them. The atoms' strings are borrowed until _finish(), which
// copies them; a builder on the stack needs no other care than _finish() or _done().
struct ovsdb_datum_builder {
    enum ovsdb_atomic_type key_type, value_type;
    union ovsdb_atom *keys, *values;
    uint32_t n, allocated;
};

void ovsdb_datum_builder_init(struct ovsdb_datum_builder *builder, enum ovsdb_atomic_type key_type,
                              enum ovsdb_atomic_type value_type, size_t n_expected);
void ovsdb_datum_builder_add(struct ovsdb_datum_builder *builder, union ovsdb_atom key,
                             const union ovsdb_atom *value);

// Sorts, drops equal elements and returns the datum. With `ret_duplicate`, a repeated key is told
// there instead of being dropped silently. Empties the builder.
struct ovsdb_datum *ovsdb_datum_builder_finish(struct ovsdb_datum_builder *builder,
                                               bool *ret_duplicate);
void ovsdb_datum_builder_done(struct ovsdb_datum_builder *builder);

// Reads a <value> of the type, with every constraint checked but references. `symtab` resolves
// named UUIDs and may be NULL.
struct ovsdb_error *ovsdb_datum_from_json(const json_t *json, const struct ovsdb_type *type,
                                          struct ovsdb_symtab *symtab,
                                          struct ovsdb_datum **ret_datum)
    __attribute__((warn_unused_result));

// The same for a value that stands for a change rather than a state: a difference. It
// may have fewer or more elements than the column may.
struct ovsdb_error *ovsdb_datum_from_json_loose(const json_t *json, const struct ovsdb_type *type,
                                                struct ovsdb_symtab *symtab,
                                                struct ovsdb_datum **ret_datum)
    __attribute__((warn_unused_result));

// A new JSON <value>: a single element of a set stands bare, as every client expects.
json_t *ovsdb_datum_to_json(const struct ovsdb_datum *datum);

// The same with atoms written by 'atom_to_json', for a caller who names UUIDs otherwise.
typedef json_t *ovsdb_atom_json_fn(const union ovsdb_atom *atom, enum ovsdb_atomic_type type,
                                   void *aux);
json_t *ovsdb_datum_to_json_by(const struct ovsdb_datum *datum, ovsdb_atom_json_fn *atom_to_json,
                               void *aux);

// The datum in ovs-vsctl's notation, in new memory: for people.
char *ovsdb_datum_to_string(const struct ovsdb_datum *datum);

// "constraint violation" unless the datum has a lawful number of elements, all lawful.
struct ovsdb_error *ovsdb_datum_check(const struct ovsdb_datum *datum,
                                      const struct ovsdb_type *type)
    __attribute__((warn_unused_result));

// A total order among data of one type, and equality.
int ovsdb_datum_compare(const struct ovsdb_datum *a, const struct ovsdb_datum *b);
bool ovsdb_datum_equal(const struct ovsdb_datum *a, const struct ovsdb_datum *b);

// 64-bit hash of the value; equal data hash alike. Stable within one process only.
uint64_t ovsdb_datum_hash(const struct ovsdb_datum *datum, uint64_t seed);

// Index of `key`, or -1.
int64_t ovsdb_datum_find(const struct ovsdb_datum *datum, const union ovsdb_atom *key);

// Every element of `b` is in `a` (in a map: key and value alike); or none is.
bool ovsdb_datum_includes_all(const struct ovsdb_datum *a, const struct ovsdb_datum *b);
bool ovsdb_datum_excludes_all(const struct ovsdb_datum *a, const struct ovsdb_datum *b);

// New data: `a` with the elements of `b` whose keys it lacks (the insert mutator); `a` without the
// elements of `b` (the delete mutator; where `b` is a set and `a` a map, its keys alone decide).
// Returns a reference to `a` itself where nothing changes.
struct ovsdb_datum *ovsdb_datum_union(const struct ovsdb_datum *a, const struct ovsdb_datum *b);
struct ovsdb_datum *ovsdb_datum_subtract(const struct ovsdb_datum *a, const struct ovsdb_datum *b);

// The difference that update2 notifications and log records carry, and its use: for a type that
// holds at most one element the new value itself; else the elements that one side lacks, and for a
// map key on both sides with another value, the new value. apply(old, diff(old, new)) is new.
struct ovsdb_datum *ovsdb_datum_diff(const struct ovsdb_datum *old, const struct ovsdb_datum *new,
                                     const struct ovsdb_type *type);
struct ovsdb_error *
ovsdb_datum_apply_diff(const struct ovsdb_datum *old, const struct ovsdb_datum *diff,
                       const struct ovsdb_type *type, struct ovsdb_datum **ret_new)
    __attribute__((warn_unused_result));

// The only element of a scalar (or an optional one that is there).
static inline const union ovsdb_atom *ovsdb_datum_atom(const struct ovsdb_datum *datum)
{
    return &datum->keys[0];
}

static inline void ovsdb_datum_unrefp(struct ovsdb_datum **datum)
{
    ovsdb_datum_unref(*datum);
}
#define OVSDB_DATUM_AUTO __attribute__((cleanup(ovsdb_datum_unrefp))) struct ovsdb_datum *
