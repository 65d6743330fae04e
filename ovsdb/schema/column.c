// SPDX-License-Identifier: Apache-2.0
//
// A column's schema. See column.h.
//
// A column with weak references is always mutable, whatever its schema says: the server itself
// changes it when the row it names goes (ovsdb-server(7), section 3.2).

#include "ovsdb/schema/column.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "ovsdb/schema/parser.h"

static bool refers(const struct ovsdb_base_type *base, enum ovsdb_ref_type type)
{
    return base->type == OVSDB_UUID && base->uuid.ref_table_name && base->uuid.ref_type == type;
}

struct ovsdb_error *ovsdb_column_from_json(const json_t *json, const char *name,
                                           struct ovsdb_column **ret_column)
{
    struct ovsdb_parser parser;
    struct ovsdb_type type;

    ovsdb_parser_init(&parser, json, "schema for column %s", name);
    const json_t *mutable_ =
        ovsdb_parser_member(&parser, "mutable", OVSDB_P_BOOL | OVSDB_P_OPTIONAL);
    const json_t *ephemeral =
        ovsdb_parser_member(&parser, "ephemeral", OVSDB_P_BOOL | OVSDB_P_OPTIONAL);
    const json_t *type_json = ovsdb_parser_member(&parser, "type", OVSDB_P_STRING | OVSDB_P_OBJECT);
    struct ovsdb_error *error = ovsdb_parser_finish(&parser);
    if (!error)
        error = ovsdb_type_from_json(type_json, &type);
    if (error)
        return error;

    struct ovsdb_column *column = NEW(struct ovsdb_column);
    column->name = xstrdup(name);
    column->type = type;
    column->persistent = !json_is_true(ephemeral);
    column->has_strong_refs =
        refers(&type.key, OVSDB_REF_STRONG) || refers(&type.value, OVSDB_REF_STRONG);
    column->has_weak_refs =
        refers(&type.key, OVSDB_REF_WEAK) || refers(&type.value, OVSDB_REF_WEAK);
    column->mutable_ = !json_is_false(mutable_) || column->has_weak_refs;
    *ret_column = column;
    return NULL;
}

json_t *ovsdb_column_to_json(const struct ovsdb_column *column)
{
    json_t *json = json_object();

    json_object_set_new(json, "type", ovsdb_type_to_json(&column->type));
    if (!column->mutable_)
        json_object_set_new(json, "mutable", json_false());
    if (!column->persistent)
        json_object_set_new(json, "ephemeral", json_true());
    return json;
}

void ovsdb_column_free(struct ovsdb_column *column)
{
    if (!column)
        return;
    ovsdb_type_done(&column->type);
    free(column->name);
    free(column);
}
