// SPDX-License-Identifier: Apache-2.0
// What a server may tell a replica: lines of JSON, each a <table-updates>, applied in one of its
// three versions or as a dump. Truth: afterwards everything can be read.
#include <stdlib.h>
#include <string.h>

#include "ovsdb/client/replica_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct replica *r)
{
    for (unsigned i = 0; i < r->schema->n_tables; i++) {
        const struct replica_table *t = &r->tables[i];

        REPLICA_FOR_EACH(row, t)
        for (unsigned j = 0; j < t->schema->n_columns; j++)
            json_decref(ovsdb_datum_to_json(replica_get(row, t->schema->columns[j])));
        REPLICA_FOR_EACH_CHANGED(row, t)
        if (replica_change(row) == REPLICA_SAME)
            abort();
    }
}

static void apply_line(struct replica *r, const char *line, size_t size)
{
    json_t *updates = json_loadb(line + 1, size - 1, 0, NULL);
    int how = line[0] & 3;

    if (!updates)
        return;
    ovsdb_error_free(how ? replica_apply(r, updates, how)
                         : replica_replace(r, updates, line[0] & 4 ? 1 : 2));
    json_decref(updates);
    read_all(r);
    if (line[0] & 8)
        replica_deliver(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    static struct loop *loop;
    static struct ovsdb_schema *schema; // read once
    struct replica *r;

    if (!loop)
        loop = loop_new();
    if ((!schema &&
         ovsdb_schema_from_string(ovsdb_vswitch_schema_text, ovsdb_vswitch_schema_len, &schema)) ||
        replica_new(loop, "unix:/nowhere", schema, NULL, NULL, &r, NULL))
        abort();
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);

        if (length)
            apply_line(r, at, length);
        at += length + 1;
    }
    replica_free(r);
    return 0;
}
