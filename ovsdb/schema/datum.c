// SPDX-License-Identifier: Apache-2.0
//
// Data: blocks, builder, set algebra. See datum.h; JSON and text are in datum_json.c.
//
// The empty datum of each pair of types and the default scalars are static and immortal: most cells
// of a database hold one of them, so they cost neither memory nor a write to a shared counter.
// Everything else comes out of block_new(), which is the only place that copies strings.

#include "ovsdb/schema/datum.h"

#include <stdlib.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

enum { IMMORTAL = 1u << 31, N_TYPES = OVSDB_UUID + 1 };

#define EMPTY(K, V)                                                                                \
    {                                                                                              \
        .refs = IMMORTAL, .key_type = (K), .value_type = (V)                                       \
    }
#define EMPTIES(K)                                                                                 \
    {                                                                                              \
        EMPTY(K, OVSDB_VOID), EMPTY(K, OVSDB_INTEGER), EMPTY(K, OVSDB_REAL),                       \
            EMPTY(K, OVSDB_BOOLEAN), EMPTY(K, OVSDB_STRING), EMPTY(K, OVSDB_UUID)                  \
    }

static struct ovsdb_datum empties[N_TYPES][N_TYPES] = {
    EMPTIES(OVSDB_VOID),    EMPTIES(OVSDB_INTEGER), EMPTIES(OVSDB_REAL),
    EMPTIES(OVSDB_BOOLEAN), EMPTIES(OVSDB_STRING),  EMPTIES(OVSDB_UUID),
};

static struct ovsdb_datum default_integer = {
    .refs = IMMORTAL, .n = 1, .key_type = OVSDB_INTEGER, .keys = {{.integer = 0}}};
static struct ovsdb_datum default_real = {
    .refs = IMMORTAL, .n = 1, .key_type = OVSDB_REAL, .keys = {{.real = 0}}};
static struct ovsdb_datum default_boolean = {
    .refs = IMMORTAL, .n = 1, .key_type = OVSDB_BOOLEAN, .keys = {{.boolean = false}}};
static struct ovsdb_datum default_string = {
    .refs = IMMORTAL, .n = 1, .key_type = OVSDB_STRING, .keys = {{.string = {"", 0}}}};
static struct ovsdb_datum default_uuid = {
    .refs = IMMORTAL, .n = 1, .key_type = OVSDB_UUID, .keys = {{.uuid = {{0}}}}};

static struct ovsdb_datum *const defaults[N_TYPES] = {
    [OVSDB_INTEGER] = &default_integer, [OVSDB_REAL] = &default_real,
    [OVSDB_BOOLEAN] = &default_boolean, [OVSDB_STRING] = &default_string,
    [OVSDB_UUID] = &default_uuid,
};

struct ovsdb_datum *ovsdb_datum_ref(const struct ovsdb_datum *datum)
{
    struct ovsdb_datum *d = (struct ovsdb_datum *)datum;

    if (d && atomic_load_explicit(&d->refs, memory_order_relaxed) < IMMORTAL)
        atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void ovsdb_datum_unref(const struct ovsdb_datum *datum)
{
    struct ovsdb_datum *d = (struct ovsdb_datum *)datum;

    if (d && atomic_load_explicit(&d->refs, memory_order_relaxed) < IMMORTAL &&
        atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1)
        free(d);
}

struct ovsdb_datum *ovsdb_datum_empty(const struct ovsdb_type *type)
{
    return &empties[type->key.type][type->value.type];
}

static void copy_atoms(union ovsdb_atom *dst, const union ovsdb_atom *src, uint32_t n,
                       enum ovsdb_atomic_type type, char **heap)
{
    memcpy(dst, src, n * sizeof *dst);
    if (type != OVSDB_STRING)
        return;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(*heap, src[i].string.s, src[i].string.len);
        (*heap)[src[i].string.len] = '\0';
        dst[i].string.s = *heap;
        *heap += src[i].string.len + 1;
    }
}

static size_t strings_size(const union ovsdb_atom *atoms, uint32_t n, enum ovsdb_atomic_type type)
{
    size_t size = 0;

    if (type == OVSDB_STRING)
        for (uint32_t i = 0; i < n; i++)
            size += (size_t)atoms[i].string.len + 1;
    return size;
}

static struct ovsdb_datum *block_new(const union ovsdb_atom *keys, const union ovsdb_atom *values,
                                     uint32_t n, enum ovsdb_atomic_type key_type,
                                     enum ovsdb_atomic_type value_type)
{
    if (!n)
        return &empties[key_type][value_type];

    bool is_map = value_type != OVSDB_VOID;
    if (n == 1 && !is_map && !ovsdb_atom_compare(keys, defaults[key_type]->keys, key_type))
        return defaults[key_type];

    size_t atoms = (size_t)n * (is_map ? 2 : 1);
    struct ovsdb_datum *datum =
        xmalloc(sizeof *datum + atoms * sizeof *keys + strings_size(keys, n, key_type) +
                (is_map ? strings_size(values, n, value_type) : 0));
    char *heap = (char *)(datum->keys + atoms);

    atomic_init(&datum->refs, 1);
    datum->n = n;
    datum->key_type = key_type;
    datum->value_type = value_type;
    copy_atoms(datum->keys, keys, n, key_type, &heap);
    if (is_map)
        copy_atoms(datum->keys + n, values, n, value_type, &heap);
    return datum;
}

struct ovsdb_datum *ovsdb_datum_default(const struct ovsdb_type *type)
{
    if (!type->n_min)
        return ovsdb_datum_empty(type);
    if (!ovsdb_type_is_map(type))
        return defaults[type->key.type];

    union ovsdb_atom key = ovsdb_atom_default(type->key.type);
    union ovsdb_atom value = ovsdb_atom_default(type->value.type);
    return block_new(&key, &value, 1, type->key.type, type->value.type);
}

bool ovsdb_datum_is_default(const struct ovsdb_datum *datum, const struct ovsdb_type *type)
{
    if (datum->n != type->n_min)
        return false;
    if (!datum->n)
        return true;

    union ovsdb_atom key = ovsdb_atom_default(type->key.type);
    union ovsdb_atom value = ovsdb_atom_default(type->value.type);
    return ovsdb_atom_equal(datum->keys, &key, type->key.type) &&
           (!ovsdb_datum_is_map(datum) ||
            ovsdb_atom_equal(ovsdb_datum_values(datum), &value, type->value.type));
}

struct ovsdb_datum *ovsdb_datum_from_atom(union ovsdb_atom atom, enum ovsdb_atomic_type type)
{
    return block_new(&atom, NULL, 1, type, OVSDB_VOID);
}

struct ovsdb_datum *ovsdb_datum_from_string(const char *s)
{
    return ovsdb_datum_from_atom(ovsdb_atom_string(s), OVSDB_STRING);
}

struct ovsdb_datum *ovsdb_datum_from_integer(int64_t integer)
{
    return ovsdb_datum_from_atom((union ovsdb_atom){.integer = integer}, OVSDB_INTEGER);
}

struct ovsdb_datum *ovsdb_datum_from_bool(bool boolean)
{
    return ovsdb_datum_from_atom((union ovsdb_atom){.boolean = boolean}, OVSDB_BOOLEAN);
}

struct ovsdb_datum *ovsdb_datum_from_uuid(const struct ovsdb_uuid *uuid)
{
    return ovsdb_datum_from_atom((union ovsdb_atom){.uuid = *uuid}, OVSDB_UUID);
}

void ovsdb_datum_builder_init(struct ovsdb_datum_builder *builder, enum ovsdb_atomic_type key_type,
                              enum ovsdb_atomic_type value_type, size_t n_expected)
{
    *builder = (struct ovsdb_datum_builder){.key_type = key_type, .value_type = value_type};
    if (n_expected) {
        builder->allocated = (uint32_t)n_expected;
        builder->keys = NEW_ARRAY(union ovsdb_atom, n_expected);
        if (value_type != OVSDB_VOID)
            builder->values = NEW_ARRAY(union ovsdb_atom, n_expected);
    }
}

void ovsdb_datum_builder_add(struct ovsdb_datum_builder *builder, union ovsdb_atom key,
                             const union ovsdb_atom *value)
{
    if (builder->n == builder->allocated) {
        builder->allocated = builder->allocated * 2 + 4;
        builder->keys = xreallocarray(builder->keys, builder->allocated, sizeof *builder->keys);
        if (builder->value_type != OVSDB_VOID)
            builder->values =
                xreallocarray(builder->values, builder->allocated, sizeof *builder->values);
    }
    builder->keys[builder->n] = key;
    if (builder->value_type != OVSDB_VOID)
        builder->values[builder->n] = *value;
    builder->n++;
}

static int compare_positions(const void *a_, const void *b_, void *builder_)
{
    const struct ovsdb_datum_builder *builder = builder_;
    uint32_t a = *(const uint32_t *)a_, b = *(const uint32_t *)b_;
    int order = ovsdb_atom_compare(&builder->keys[a], &builder->keys[b], builder->key_type);

    return order ? order : (a > b) - (a < b); // stable: the first of equals stays first
}

static bool builder_is_sorted(const struct ovsdb_datum_builder *builder)
{
    for (uint32_t i = 1; i < builder->n; i++)
        if (ovsdb_atom_compare(&builder->keys[i - 1], &builder->keys[i], builder->key_type) >= 0)
            return false;
    return true;
}

static void builder_sort(struct ovsdb_datum_builder *builder)
{
    uint32_t n = builder->n;
    AUTO_FREE uint32_t *order = NEW_ARRAY(uint32_t, n);
    union ovsdb_atom *keys = NEW_ARRAY(union ovsdb_atom, n);
    union ovsdb_atom *values = builder->values ? NEW_ARRAY(union ovsdb_atom, n) : NULL;

    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, n, sizeof *order, compare_positions, builder);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = builder->keys[order[i]];
        if (values)
            values[i] = builder->values[order[i]];
    }
    free(builder->keys);
    free(builder->values);
    builder->keys = keys;
    builder->values = values;
    builder->allocated = n;
}

static bool builder_unique(struct ovsdb_datum_builder *builder)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < builder->n; i++) {
        if (kept &&
            ovsdb_atom_equal(&builder->keys[kept - 1], &builder->keys[i], builder->key_type))
            continue;
        builder->keys[kept] = builder->keys[i];
        if (builder->values)
            builder->values[kept] = builder->values[i];
        kept++;
    }
    bool unique = kept == builder->n;
    builder->n = kept;
    return unique;
}

struct ovsdb_datum *ovsdb_datum_builder_finish(struct ovsdb_datum_builder *builder,
                                               bool *ret_duplicate)
{
    bool unique = true;

    if (!builder_is_sorted(builder)) {
        builder_sort(builder);
        unique = builder_unique(builder);
    }
    if (ret_duplicate)
        *ret_duplicate = !unique;

    struct ovsdb_datum *datum = block_new(builder->keys, builder->values, builder->n,
                                          builder->key_type, builder->value_type);
    ovsdb_datum_builder_done(builder);
    return datum;
}

void ovsdb_datum_builder_done(struct ovsdb_datum_builder *builder)
{
    free(builder->keys);
    free(builder->values);
    builder->keys = builder->values = NULL;
    builder->n = builder->allocated = 0;
}

struct ovsdb_error *ovsdb_datum_check(const struct ovsdb_datum *datum,
                                      const struct ovsdb_type *type)
{
    const union ovsdb_atom *values = ovsdb_datum_values(datum);

    if (datum->n < type->n_min || datum->n > type->n_max) {
        AUTO_FREE char *english = ovsdb_type_to_english(type);
        return ovsdb_error(OVSDB_E_CONSTRAINT, "%u values where a %s is expected", datum->n,
                           english);
    }
    for (uint32_t i = 0; i < datum->n; i++) {
        struct ovsdb_error *error = ovsdb_base_type_check(&type->key, &datum->keys[i]);
        if (!error && values)
            error = ovsdb_base_type_check(&type->value, &values[i]);
        if (error)
            return error;
    }
    return NULL;
}

int ovsdb_datum_compare(const struct ovsdb_datum *a, const struct ovsdb_datum *b)
{
    if (a == b)
        return 0;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (uint32_t i = 0; i < a->n; i++) {
        int order = ovsdb_atom_compare(&a->keys[i], &b->keys[i], a->key_type);
        if (order)
            return order;
    }
    if (ovsdb_datum_is_map(a)) {
        for (uint32_t i = 0; i < a->n; i++) {
            int order = ovsdb_atom_compare(&ovsdb_datum_values(a)[i], &ovsdb_datum_values(b)[i],
                                           a->value_type);
            if (order)
                return order;
        }
    }
    return 0;
}

bool ovsdb_datum_equal(const struct ovsdb_datum *a, const struct ovsdb_datum *b)
{
    return !ovsdb_datum_compare(a, b);
}

static uint64_t hash_atom(const union ovsdb_atom *atom, enum ovsdb_atomic_type type, uint64_t seed)
{
    switch (type) {
    case OVSDB_VOID:
        break;
    case OVSDB_INTEGER:
        return hash_u64((uint64_t)atom->integer, seed);
    case OVSDB_REAL: {
        double real = atom->real + 0.0; // -0.0 equals 0.0
        return hash_bytes(&real, sizeof real, seed);
    }
    case OVSDB_BOOLEAN:
        return hash_u64(atom->boolean, seed);
    case OVSDB_STRING:
        return hash_bytes(atom->string.s, atom->string.len, seed);
    case OVSDB_UUID:
        return hash_bytes(&atom->uuid, sizeof atom->uuid, seed);
    }
    return seed;
}

uint64_t ovsdb_datum_hash(const struct ovsdb_datum *datum, uint64_t seed)
{
    const union ovsdb_atom *values = ovsdb_datum_values(datum);
    uint64_t hash = seed ^ datum->n;

    for (uint32_t i = 0; i < datum->n; i++) {
        hash = hash_atom(&datum->keys[i], datum->key_type, hash);
        if (values)
            hash = hash_atom(&values[i], datum->value_type, hash);
    }
    return hash;
}

int64_t ovsdb_datum_find(const struct ovsdb_datum *datum, const union ovsdb_atom *key)
{
    uint32_t low = 0, high = datum->n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = ovsdb_atom_compare(key, &datum->keys[middle], datum->key_type);
        if (!order)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static bool contains(const struct ovsdb_datum *a, const struct ovsdb_datum *b, uint32_t i)
{
    int64_t at = ovsdb_datum_find(a, &b->keys[i]);

    return at >= 0 &&
           (!ovsdb_datum_is_map(a) || !ovsdb_datum_is_map(b) ||
            ovsdb_atom_equal(&ovsdb_datum_values(a)[at], &ovsdb_datum_values(b)[i], a->value_type));
}

bool ovsdb_datum_includes_all(const struct ovsdb_datum *a, const struct ovsdb_datum *b)
{
    if (a == b)
        return true;
    for (uint32_t i = 0; i < b->n; i++)
        if (!contains(a, b, i))
            return false;
    return true;
}

bool ovsdb_datum_excludes_all(const struct ovsdb_datum *a, const struct ovsdb_datum *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (contains(a, b, i))
            return false;
    return true;
}

// What becomes of an element that both sides have; elements of one side only are kept, but for the
// second side's in a subtraction.
enum merge {
    MERGE_UNION,          // the first side's stays
    MERGE_SUBTRACT_KEYS,  // goes
    MERGE_SUBTRACT_PAIRS, // goes if the values are equal too
    MERGE_DIFF,           // goes if the values are equal, else the second side's stays
};

static struct ovsdb_datum *merge(const struct ovsdb_datum *a, const struct ovsdb_datum *b,
                                 enum merge how)
{
    const union ovsdb_atom *av = ovsdb_datum_values(a), *bv = ovsdb_datum_values(b);
    bool subtract = how == MERGE_SUBTRACT_KEYS || how == MERGE_SUBTRACT_PAIRS;
    struct ovsdb_datum_builder builder;
    uint32_t i = 0, j = 0;

    ovsdb_datum_builder_init(&builder, a->key_type, a->value_type,
                             (size_t)a->n + (subtract ? 0 : b->n));
    while (i < a->n || j < b->n) {
        int order = i == a->n   ? 1
                    : j == b->n ? -1
                                : ovsdb_atom_compare(&a->keys[i], &b->keys[j], a->key_type);
        if (order < 0) {
            ovsdb_datum_builder_add(&builder, a->keys[i], av ? &av[i] : NULL);
        } else if (order > 0) {
            if (!subtract)
                ovsdb_datum_builder_add(&builder, b->keys[j], bv ? &bv[j] : NULL);
        } else {
            bool same = !av || !bv || ovsdb_atom_equal(&av[i], &bv[j], a->value_type);

            if (how == MERGE_UNION || (how == MERGE_SUBTRACT_PAIRS && !same))
                ovsdb_datum_builder_add(&builder, a->keys[i], av ? &av[i] : NULL);
            else if (how == MERGE_DIFF && !same)
                ovsdb_datum_builder_add(&builder, b->keys[j], bv ? &bv[j] : NULL);
        }
        i += order <= 0;
        j += order >= 0;
    }
    return ovsdb_datum_builder_finish(&builder, NULL);
}

static bool has_all_keys(const struct ovsdb_datum *a, const struct ovsdb_datum *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (ovsdb_datum_find(a, &b->keys[i]) < 0)
            return false;
    return true;
}

struct ovsdb_datum *ovsdb_datum_union(const struct ovsdb_datum *a, const struct ovsdb_datum *b)
{
    if (has_all_keys(a, b))
        return ovsdb_datum_ref(a);
    return merge(a, b, MERGE_UNION);
}

struct ovsdb_datum *ovsdb_datum_subtract(const struct ovsdb_datum *a, const struct ovsdb_datum *b)
{
    if (ovsdb_datum_excludes_all(a, b))
        return ovsdb_datum_ref(a);
    return merge(a, b, ovsdb_datum_is_map(b) ? MERGE_SUBTRACT_PAIRS : MERGE_SUBTRACT_KEYS);
}

struct ovsdb_datum *ovsdb_datum_diff(const struct ovsdb_datum *old, const struct ovsdb_datum *new,
                                     const struct ovsdb_type *type)
{
    if (!ovsdb_type_is_composite(type))
        return ovsdb_datum_ref(new);
    return merge(old, new, MERGE_DIFF);
}

struct ovsdb_error *ovsdb_datum_apply_diff(const struct ovsdb_datum *old,
                                           const struct ovsdb_datum *diff,
                                           const struct ovsdb_type *type,
                                           struct ovsdb_datum **ret_new)
{
    struct ovsdb_datum *new =
        ovsdb_type_is_composite(type) ? merge(old, diff, MERGE_DIFF) : ovsdb_datum_ref(diff);

    if (new->n < type->n_min || new->n > type->n_max) {
        AUTO_FREE char *english = ovsdb_type_to_english(type);
        struct ovsdb_error *error =
            ovsdb_error(OVSDB_E_CONSTRAINT, "after the change, %u values where a %s is expected",
                        new->n, english);
        ovsdb_datum_unref(new);
        return error;
    }
    *ret_new = new;
    return NULL;
}
