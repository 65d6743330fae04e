// SPDX-License-Identifier: Apache-2.0
//
// A client transaction as the operations of RFC 7047 section 5.2. See txn_impl.h.
//
// A provisional UUID becomes ["named-uuid", "rowHEX"], wherever a UUID is meant; strings that look
// like one stay strings, because substitution goes by the datum's type.

#include "ovsdb/client/txn_impl.h"

#include <stdio.h>

// "row" and the 32 digits of the UUID: an <id>.
static json_t *uuid_name(const struct ovsdb_uuid *uuid)
{
    char text[OVSDB_UUID_LEN + 1], name[OVSDB_UUID_LEN + 4], *to = name;

    ovsdb_uuid_format(uuid, text);
    memcpy(to, "row", 3);
    to += 3;
    for (const char *from = text; *from; from++)
        if (*from != '-')
            *to++ = *from;
    return json_stringn(name, (size_t)(to - name));
}

static json_t *atom_json(const union ovsdb_atom *atom, enum ovsdb_atomic_type type, void *txn)
{
    if (type == OVSDB_UUID) {
        const struct txn_row *row = replica_txn_find_row(txn, &atom->uuid);

        if (row && row->inserted)
            return json_pack("[so]", "named-uuid", uuid_name(&atom->uuid));
    }
    return ovsdb_atom_to_json(atom, type);
}

json_t *replica_txn_datum_json(const struct replica_txn *txn, const struct ovsdb_datum *datum)
{
    return ovsdb_datum_to_json_by(datum, atom_json, (void *)txn);
}

json_t *replica_txn_where(const struct replica_txn *txn, const struct ovsdb_uuid *uuid)
{
    union ovsdb_atom atom = {.uuid = *uuid};

    return json_pack("[[sso]]", "_uuid", "==", atom_json(&atom, OVSDB_UUID, (void *)txn));
}

static json_t *columns_json(const struct replica_txn *txn, const struct txn_row *row)
{
    json_t *json = json_object();

    for (unsigned i = 0; i < row->table->schema->n_columns; i++)
        if (row->set[i])
            json_object_set_new(json, row->table->schema->columns[i]->name,
                                replica_txn_datum_json(txn, row->set[i]));
    return json;
}

static void put_row(const struct replica_txn *txn, struct txn_row *row, json_t *params)
{
    const char *table = row->table->schema->name;

    if (row->deleted) {
        if (!row->inserted)
            json_array_append_new(params, json_pack("{ss ss so}", "op", "delete", "table", table,
                                                    "where", replica_txn_where(txn, &row->uuid)));
        return;
    }
    json_t *columns = columns_json(txn, row);
    if (row->inserted) {
        row->result = json_array_size(params) - 1; // the first param is the database's name
        json_array_append_new(params,
                              json_pack("{ss ss so so}", "op", "insert", "table", table,
                                        "uuid-name", uuid_name(&row->uuid), "row", columns));
    } else if (json_object_size(columns)) {
        json_array_append_new(params,
                              json_pack("{ss ss so so}", "op", "update", "table", table, "where",
                                        replica_txn_where(txn, &row->uuid), "row", columns));
    } else {
        json_decref(columns);
    }
    if (json_array_size(row->mutations))
        json_array_append_new(params, json_pack("{ss ss so sO}", "op", "mutate", "table", table,
                                                "where", replica_txn_where(txn, &row->uuid),
                                                "mutations", row->mutations));
}

json_t *replica_txn_params(struct replica_txn *txn)
{
    json_t *params = json_pack("[s]", txn->replica->schema->name);
    struct txn_row *row, *next;

    if (txn->replica->lock)
        json_array_append_new(params,
                              json_pack("{ss ss}", "op", "assert", "lock", txn->replica->lock));
    json_array_extend(params, txn->waits);
    HASH_ITER (hh, txn->rows, row, next)
        put_row(txn, row, params);
    json_array_extend(params, txn->others);
    if (txn->comment)
        json_array_append_new(params,
                              json_pack("{ss ss}", "op", "comment", "comment", txn->comment));
    if (txn->durable)
        json_array_append_new(params, json_pack("{ss sb}", "op", "commit", "durable", 1));
    return params;
}

void replica_txn_take_uuids(struct replica_txn *txn, const json_t *results)
{
    struct txn_row *row, *next;

    HASH_ITER (hh, txn->rows, row, next) {
        const json_t *result = json_array_get(results, row->result);
        const char *text = json_string_value(json_array_get(json_object_get(result, "uuid"), 1));

        if (row->inserted && text)
            row->known = ovsdb_uuid_parse(text, &row->real);
    }
}
