// SPDX-License-Identifier: Apache-2.0
// <database-schema> of RFC 7047 section 3.2. Immutable once read, counted by references, so that a
// replica and a server may share one among threads.
#pragma once

#include <stdatomic.h>

#include "ovsdb/schema/table.h"

struct ovsdb_schema {
    _Atomic unsigned refs;
    char *name;
    char *version;
    char *cksum;
    unsigned n_tables;
    struct ovsdb_table_schema **tables; // by name ascending
    struct ovsdb_table_schema *by_name; // uthash of the same
};

struct ovsdb_error *ovsdb_schema_from_json(const json_t *json, struct ovsdb_schema **ret_schema)
    __attribute__((warn_unused_result));
struct ovsdb_error *ovsdb_schema_from_string(const char *text, size_t len,
                                             struct ovsdb_schema **ret_schema)
    __attribute__((warn_unused_result));
json_t *ovsdb_schema_to_json(const struct ovsdb_schema *schema);

struct ovsdb_schema *ovsdb_schema_ref(const struct ovsdb_schema *schema);
void ovsdb_schema_unref(const struct ovsdb_schema *schema);

// NULL if there is none.
const struct ovsdb_table_schema *ovsdb_schema_table(const struct ovsdb_schema *schema,
                                                    const char *name);

// Whether an <id> is one that schemas may not use for their databases ("_Server" is the server's).
static inline bool ovsdb_name_is_reserved(const char *name)
{
    return name[0] == '_';
}

// The text of vswitch.ovsschema (Open_vSwitch 8.3.1) and of the server's own _Server schema.
extern const char ovsdb_vswitch_schema_text[];
extern const size_t ovsdb_vswitch_schema_len;
extern const char ovsdb_server_schema_text[];
extern const size_t ovsdb_server_schema_len;
