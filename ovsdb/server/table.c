// SPDX-License-Identifier: Apache-2.0
//
// Tables. See table.h.
//
// Rows hang in a uthash by UUID. Each unique index is a chained hash of nodes that lie inside the
// rows, so entering a row costs no allocation; the full columns are compared where two hashes
// agree.

#include "ovsdb/server/table.h"

#include <stdlib.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

void ovsdb_table_init(struct ovsdb_table *table, const struct ovsdb_table_schema *schema,
                      struct ovsdb_db *db)
{
    *table = (struct ovsdb_table){
        .schema = schema,
        .db = db,
        .indexes = NEW_ARRAY(struct ovsdb_index_hash, schema->n_indexes + 1),
    };
}

void ovsdb_table_done(struct ovsdb_table *table)
{
    struct ovsdb_row *row, *next;

    HASH_ITER (hh, table->rows, row, next) {
        HASH_DEL(table->rows, row);
        ovsdb_row_free(row);
    }
    for (unsigned i = 0; i < table->schema->n_indexes; i++)
        free(table->indexes[i].buckets);
    free(table->indexes);
}

struct ovsdb_row *ovsdb_table_find(const struct ovsdb_table *table, const struct ovsdb_uuid *uuid)
{
    struct ovsdb_row *row;

    HASH_FIND(hh, table->rows, uuid, sizeof *uuid, row);
    return row;
}

struct ovsdb_row *ovsdb_row_new(struct ovsdb_table *table, const struct ovsdb_uuid *uuid)
{
    unsigned n_indexes = table->schema->n_indexes;
    struct ovsdb_row *row = xcalloc(1, sizeof *row + n_indexes * sizeof row->index_nodes[0]);

    row->table = table;
    row->uuid = *uuid;
    row->tuple = ovsdb_tuple_new(table->schema, uuid);
    for (unsigned i = 0; i < n_indexes; i++)
        row->index_nodes[i].row = row;
    return row;
}

void ovsdb_row_free(struct ovsdb_row *row)
{
    struct ovsdb_weak_ref *ref, *next;

    if (!row)
        return;
    HASH_ITER (hh, row->weak_refs, ref, next) {
        HASH_DEL(row->weak_refs, ref);
        free(ref);
    }
    ovsdb_tuple_unref(row->tuple);
    free(row);
}

void ovsdb_table_link(struct ovsdb_row *row)
{
    HASH_ADD(hh, row->table->rows, uuid, sizeof row->uuid, row);
}

void ovsdb_table_unlink(struct ovsdb_row *row)
{
    HASH_DEL(row->table->rows, row);
}

uint64_t ovsdb_index_hash_tuple(const struct ovsdb_index *index, const struct ovsdb_tuple *tuple)
{
    uint64_t hash = 0;

    for (unsigned i = 0; i < index->n_columns; i++)
        hash = ovsdb_datum_hash(tuple->columns[index->columns[i]->index], hash);
    return hash;
}

bool ovsdb_index_equal(const struct ovsdb_index *index, const struct ovsdb_tuple *a,
                       const struct ovsdb_tuple *b)
{
    for (unsigned i = 0; i < index->n_columns; i++) {
        unsigned column = index->columns[i]->index;
        if (!ovsdb_datum_equal(a->columns[column], b->columns[column]))
            return false;
    }
    return true;
}

struct ovsdb_index_node *ovsdb_index_first(const struct ovsdb_table *table, unsigned index,
                                           uint64_t hash)
{
    const struct ovsdb_index_hash *map = &table->indexes[index];

    return map->n_buckets ? map->buckets[hash & (map->n_buckets - 1)] : NULL;
}

static void index_grow(struct ovsdb_index_hash *map)
{
    unsigned n = map->n_buckets ? map->n_buckets * 2 : 8;
    struct ovsdb_index_node **buckets = NEW_ARRAY(struct ovsdb_index_node *, n);

    for (unsigned i = 0; i < map->n_buckets; i++) {
        for (struct ovsdb_index_node *node = map->buckets[i], *next; node; node = next) {
            struct ovsdb_index_node **head = &buckets[node->hash & (n - 1)];

            next = node->next;
            node->next = *head;
            *head = node;
        }
    }
    free(map->buckets);
    map->buckets = buckets;
    map->n_buckets = n;
}

void ovsdb_index_put(struct ovsdb_row *row, unsigned index)
{
    struct ovsdb_table *table = row->table;
    struct ovsdb_index_hash *map = &table->indexes[index];
    struct ovsdb_index_node *node = &row->index_nodes[index];

    if (map->n >= map->n_buckets)
        index_grow(map);
    node->hash = ovsdb_index_hash_tuple(&table->schema->indexes[index], row->tuple);
    struct ovsdb_index_node **head = &map->buckets[node->hash & (map->n_buckets - 1)];
    node->next = *head;
    *head = node;
    node->linked = true;
    map->n++;
}

void ovsdb_index_remove(struct ovsdb_row *row, unsigned index)
{
    struct ovsdb_index_hash *map = &row->table->indexes[index];
    struct ovsdb_index_node *node = &row->index_nodes[index];

    if (!node->linked)
        return;
    struct ovsdb_index_node **at = &map->buckets[node->hash & (map->n_buckets - 1)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    node->linked = false;
    map->n--;
}

json_t *ovsdb_tuple_to_json(const struct ovsdb_tuple *tuple,
                            const struct ovsdb_column *const *columns, unsigned n_columns)
{
    json_t *json = json_object();

    for (unsigned i = 0; i < n_columns; i++)
        json_object_set_new_nocheck(json, columns[i]->name,
                                    ovsdb_datum_to_json(tuple->columns[columns[i]->index]));
    return json;
}
