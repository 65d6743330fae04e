// SPDX-License-Identifier: Apache-2.0
//
// A database's schema. See schema.h.
//
// References between tables are resolved once all tables are read. A schema without any root table
// is from the time before garbage collection: all its tables are roots (RFC 7047 section 3.2).

#include "ovsdb/schema/schema.h"

#include <ctype.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "ovsdb/schema/parser.h"

static bool is_version(const char *s)
{
    for (int part = 0; part < 3; part++) {
        if (part && *s++ != '.')
            return false;
        if (!isdigit((unsigned char)*s))
            return false;
        while (isdigit((unsigned char)*s))
            s++;
    }
    return !*s;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct ovsdb_error *read_tables(struct ovsdb_schema *schema, const json_t *json)
{
    AUTO_FREE const char **names = NEW_ARRAY(const char *, json_object_size(json) + 1);
    unsigned n = 0;
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)json, name, value)
        names[n++] = name;
    qsort(names, n, sizeof *names, compare_names);

    schema->tables = NEW_ARRAY(struct ovsdb_table_schema *, n + 1);
    for (unsigned i = 0; i < n; i++) {
        struct ovsdb_table_schema *table;

        if (ovsdb_name_is_reserved(names[i]))
            return ovsdb_error_at(json, OVSDB_E_SYNTAX,
                                  "table names that begin with \"_\" are reserved: %s", names[i]);
        if (!ovsdb_is_id(names[i]))
            return ovsdb_error_at(json, OVSDB_E_SYNTAX, "\"%s\" is not a valid table name",
                                  names[i]);
        struct ovsdb_error *error =
            ovsdb_table_schema_from_json(json_object_get(json, names[i]), names[i], &table);
        if (error)
            return error;
        table->index = i;
        schema->tables[schema->n_tables++] = table;
        HASH_ADD_KEYPTR(hh, schema->by_name, table->name, strlen(table->name), table);
    }
    return NULL;
}

static struct ovsdb_error *resolve(const struct ovsdb_schema *schema,
                                   const struct ovsdb_column *column, struct ovsdb_base_type *base)
{
    if (base->type != OVSDB_UUID || !base->uuid.ref_table_name)
        return NULL;
    base->uuid.ref_table = ovsdb_schema_table(schema, base->uuid.ref_table_name);
    if (base->uuid.ref_table)
        return NULL;
    return ovsdb_error(OVSDB_E_SYNTAX, "column %s refers to table %s, which the schema lacks",
                       column->name, base->uuid.ref_table_name);
}

static struct ovsdb_error *resolve_references(struct ovsdb_schema *schema)
{
    bool any_root = false;

    for (unsigned i = 0; i < schema->n_tables; i++) {
        struct ovsdb_table_schema *table = schema->tables[i];

        any_root |= table->is_root;
        for (unsigned j = 0; j < table->n_columns; j++) {
            struct ovsdb_column *column = table->columns[j];
            struct ovsdb_error *error = resolve(schema, column, &column->type.key);
            if (!error)
                error = resolve(schema, column, &column->type.value);
            if (error)
                return ovsdb_error_prefix(error, "table %s", table->name);
        }
    }
    if (!any_root)
        for (unsigned i = 0; i < schema->n_tables; i++)
            schema->tables[i]->is_root = true;
    return NULL;
}

struct ovsdb_error *ovsdb_schema_from_json(const json_t *json, struct ovsdb_schema **ret_schema)
{
    struct ovsdb_parser parser;

    ovsdb_parser_init(&parser, json, "database schema");
    const json_t *name = ovsdb_parser_member(&parser, "name", OVSDB_P_ID);
    const json_t *version =
        ovsdb_parser_member(&parser, "version", OVSDB_P_STRING | OVSDB_P_OPTIONAL);
    const json_t *cksum = ovsdb_parser_member(&parser, "cksum", OVSDB_P_STRING | OVSDB_P_OPTIONAL);
    const json_t *tables = ovsdb_parser_member(&parser, "tables", OVSDB_P_OBJECT);
    struct ovsdb_error *error = ovsdb_parser_finish(&parser);
    if (error)
        return error;
    if (version && !is_version(json_string_value(version)))
        return ovsdb_error_at(json, OVSDB_E_SYNTAX,
                              "schema version \"%s\" is not of the form X.Y.Z",
                              json_string_value(version));

    struct ovsdb_schema *schema = NEW(struct ovsdb_schema);
    schema->refs = 1;
    schema->name = xstrdup(json_string_value(name));
    schema->version = xstrdup(version ? json_string_value(version) : "");
    schema->cksum = xstrdup(cksum ? json_string_value(cksum) : "");
    error = read_tables(schema, tables);
    if (!error)
        error = resolve_references(schema);
    if (error)
        ovsdb_schema_unref(schema);
    else
        *ret_schema = schema;
    return error;
}

struct ovsdb_error *ovsdb_schema_from_string(const char *text, size_t len,
                                             struct ovsdb_schema **ret_schema)
{
    json_error_t where;
    json_t *json = json_loadb(text, len, 0, &where);

    if (!json)
        return ovsdb_error(OVSDB_E_SYNTAX, "the schema is not JSON: %s in line %d", where.text,
                           where.line);
    struct ovsdb_error *error = ovsdb_schema_from_json(json, ret_schema);
    json_decref(json);
    return error;
}

json_t *ovsdb_schema_to_json(const struct ovsdb_schema *schema)
{
    json_t *json = json_object(), *tables = json_object();

    json_object_set_new(json, "name", json_string(schema->name));
    if (*schema->version)
        json_object_set_new(json, "version", json_string(schema->version));
    if (*schema->cksum)
        json_object_set_new(json, "cksum", json_string(schema->cksum));

    for (unsigned i = 0; i < schema->n_tables; i++)
        json_object_set_new(tables, schema->tables[i]->name,
                            ovsdb_table_schema_to_json(schema->tables[i]));
    json_object_set_new(json, "tables", tables);
    return json;
}

struct ovsdb_schema *ovsdb_schema_ref(const struct ovsdb_schema *schema)
{
    struct ovsdb_schema *s = (struct ovsdb_schema *)schema;

    if (s)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void ovsdb_schema_unref(const struct ovsdb_schema *schema)
{
    struct ovsdb_schema *s = (struct ovsdb_schema *)schema;

    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    HASH_CLEAR(hh, s->by_name);
    for (unsigned i = 0; i < s->n_tables; i++)
        ovsdb_table_schema_free(s->tables[i]);
    free(s->tables);
    free(s->name);
    free(s->version);
    free(s->cksum);
    free(s);
}

const struct ovsdb_table_schema *ovsdb_schema_table(const struct ovsdb_schema *schema,
                                                    const char *name)
{
    struct ovsdb_table_schema *table;

    HASH_FIND_STR(schema->by_name, name, table);
    return table;
}
