// SPDX-License-Identifier: Apache-2.0
// Schemas from arbitrary JSON. Truth: a schema that is read is written as one that reads the same.
#include <stdlib.h>

#include "ovsdb/schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ovsdb_schema *schema, *again;
    struct ovsdb_error *error = ovsdb_schema_from_string((const char *)data, size, &schema);

    if (error) {
        ovsdb_error_free(error);
        return 0;
    }
    json_t *written = ovsdb_schema_to_json(schema);
    if (ovsdb_schema_from_json(written, &again))
        abort();
    json_t *twice = ovsdb_schema_to_json(again);
    if (!json_equal(written, twice))
        abort();
    json_decref(written);
    json_decref(twice);
    ovsdb_schema_unref(schema);
    ovsdb_schema_unref(again);
    return 0;
}
