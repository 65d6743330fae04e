// SPDX-License-Identifier: Apache-2.0
// Typed access to a replica's values. See replica.h. Pure reading.

#include <stdlib.h>

#include "lib/base/str.h"
#include "ovsdb/client/replica_impl.h"

const struct ovsdb_datum *replica_get(const struct replica_row *row, const struct ovsdb_column *c)
{
    return row->columns[c->index];
}

static const union ovsdb_atom *scalar(const struct replica_row *row, const struct ovsdb_column *c,
                                      enum ovsdb_atomic_type type)
{
    const struct ovsdb_datum *datum = replica_get(row, c);

    assert(datum->key_type == type);
    return datum->n ? &datum->keys[0] : NULL;
}

int64_t replica_int(const struct replica_row *row, const struct ovsdb_column *c, int64_t fallback)
{
    const union ovsdb_atom *atom = scalar(row, c, OVSDB_INTEGER);

    return atom ? atom->integer : fallback;
}

double replica_real(const struct replica_row *row, const struct ovsdb_column *c, double fallback)
{
    const union ovsdb_atom *atom = scalar(row, c, OVSDB_REAL);

    return atom ? atom->real : fallback;
}

bool replica_bool(const struct replica_row *row, const struct ovsdb_column *c, bool fallback)
{
    const union ovsdb_atom *atom = scalar(row, c, OVSDB_BOOLEAN);

    return atom ? atom->boolean : fallback;
}

const char *replica_string(const struct replica_row *row, const struct ovsdb_column *c,
                           const char *fallback)
{
    const union ovsdb_atom *atom = scalar(row, c, OVSDB_STRING);

    return atom ? atom->string.s : fallback;
}

const struct ovsdb_uuid *replica_uuid(const struct replica_row *row, const struct ovsdb_column *c)
{
    const union ovsdb_atom *atom = scalar(row, c, OVSDB_UUID);

    return atom ? &atom->uuid : NULL;
}

const struct replica_row *replica_ref(const struct replica *r, const struct replica_row *row,
                                      const struct ovsdb_column *c, unsigned i)
{
    const struct ovsdb_datum *datum = replica_get(row, c);
    bool value = c->type.value.type == OVSDB_UUID && c->type.value.uuid.ref_table;
    const struct ovsdb_base_type *base = value ? &c->type.value : &c->type.key;

    assert(base->type == OVSDB_UUID && base->uuid.ref_table);
    if (i >= datum->n)
        return NULL;
    const union ovsdb_atom *atoms = value ? ovsdb_datum_values(datum) : datum->keys;
    return replica_find(&r->tables[base->uuid.ref_table->index], &atoms[i].uuid);
}

unsigned replica_count(const struct replica_row *row, const struct ovsdb_column *c)
{
    return replica_get(row, c)->n;
}

const struct replica_row *replica_find_string(const struct replica_table *t,
                                              const struct ovsdb_column *column, const char *value)
{
    REPLICA_FOR_EACH(row, t)
    if (!strcmp(replica_string(row, column, ""), value))
        return row;
    return NULL;
}

const char *replica_map(const struct replica_row *row, const struct ovsdb_column *c,
                        const char *key, const char *fallback)
{
    const struct ovsdb_datum *datum = replica_get(row, c);
    union ovsdb_atom atom = ovsdb_atom_string(key);

    assert(datum->key_type == OVSDB_STRING && datum->value_type == OVSDB_STRING);
    int64_t at = ovsdb_datum_find(datum, &atom);
    return at < 0 ? fallback : ovsdb_datum_values(datum)[at].string.s;
}

int64_t replica_map_int(const struct replica_row *row, const struct ovsdb_column *c,
                        const char *key, int64_t min, int64_t max, int64_t fallback)
{
    const char *text = replica_map(row, c, key, NULL);
    int64_t value;

    return text && str_to_i64(text, 0, &value) && value >= min && value <= max ? value : fallback;
}

bool replica_map_bool(const struct replica_row *row, const struct ovsdb_column *c, const char *key,
                      bool fallback)
{
    const char *text = replica_map(row, c, key, "");

    return !strcmp(text, "true") ? true : !strcmp(text, "false") ? false : fallback;
}
