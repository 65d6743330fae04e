// SPDX-License-Identifier: Apache-2.0
// A small database for tests, and requests written with ' for ".
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "ovsdb/server/execution.h"
#include "ovsdb/server/file.h"

static inline char *quoted(const char *text)
{
    char *copy = xstrdup(text);

    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    return copy;
}

static inline json_t *json_of(const char *text)
{
    char *q = quoted(text);
    json_t *json = json_loads(q, JSON_DECODE_ANY, NULL);

    if (!json)
        fail_msg("not JSON: %s", q);
    free(q);
    return json;
}

static inline struct ovsdb_schema *schema_of(const char *text)
{
    json_t *json = json_of(text);
    struct ovsdb_schema *schema;
    struct ovsdb_error *error = ovsdb_schema_from_json(json, &schema);

    if (error)
        fail_msg("%s", error->details);
    json_decref(json);
    return schema;
}

// Runs "OP, OP" (each an object) on the database; the results as text, NULL if it waits.
static inline char *run_at(struct ovsdb_db *db, const char *ops, int64_t waited_ms)
{
    char *text = xasprintf("['%s'%s%s]", db->schema->name, *ops ? "," : "", ops);
    json_t *params = json_of(text);
    struct ovsdb_execution execution = {.db = db, .params = params, .waited_ms = waited_ms};
    int64_t timeout_ms;
    json_t *results = ovsdb_execute(&execution, &timeout_ms);
    char *out = results ? json_dumps(results, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    free(text);
    json_decref(params);
    json_decref(results);
    return out;
}

// The results must be this, a UUID in them standing for any ("U").
static inline void expect(struct ovsdb_db *db, const char *ops, const char *expected)
{
    char *got = run_at(db, ops, 0), *want = quoted(expected);

    assert_non_null(got);
    for (char *p = got; (p = strstr(p, "[\"uuid\",\"")); p++)
        if (strlen(p) > 47) { // ["uuid","36 characters"] becomes "U"
            memcpy(p, "\"U\"", 3);
            memmove(p + 3, p + 47, strlen(p + 47) + 1);
        }
    if (strcmp(got, want))
        fail_msg("\n%s\ngave %s\nnot  %s", ops, got, want);
    free(got);
    free(want);
}

// The results must contain an error of this tag.
static inline void expect_error(struct ovsdb_db *db, const char *ops, const char *tag)
{
    char *got = run_at(db, ops, 0), *want = xasprintf("\"error\":\"%s\"", tag);

    assert_non_null(got);
    if (!strstr(got, want))
        fail_msg("\n%s\ngave %s\nwithout %s", ops, got, want);
    free(got);
    free(want);
}
