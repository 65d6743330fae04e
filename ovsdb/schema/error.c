// SPDX-License-Identifier: Apache-2.0
// The error object. See error.h.
//
// The tag is static text, so that comparing and copying it costs nothing; the rest is owned. Quoted
// JSON is cut at SYNTAX_MAX, so that a refused megabyte is not sent back whole. Any thread.
#include "ovsdb/schema/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { SYNTAX_MAX = 4096 };

static struct ovsdb_error *error_new(const char *tag, const char *format, va_list args)
{
    struct ovsdb_error *error = xcalloc(1, sizeof *error);

    error->tag = tag;
    error->details = xvasprintf(format, args);
    return error;
}

struct ovsdb_error *ovsdb_error(const char *tag, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct ovsdb_error *error = error_new(tag, format, args);
    va_end(args);
    return error;
}

struct ovsdb_error *ovsdb_error_at(const json_t *json, const char *tag, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct ovsdb_error *error = error_new(tag, format, args);
    va_end(args);

    if (json) {
        error->syntax = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        if (error->syntax && strlen(error->syntax) > SYNTAX_MAX) {
            size_t end = SYNTAX_MAX;

            while (end && ((unsigned char)error->syntax[end] & 0xc0) == 0x80)
                end--; // never cut a UTF-8 sequence in two
            memcpy(error->syntax + end, "...", 4);
        }
    }
    return error;
}

struct ovsdb_error *ovsdb_error_prefix(struct ovsdb_error *error, const char *format, ...)
{
    va_list args;

    if (!error)
        return NULL;
    va_start(args, format);
    char *prefix = xvasprintf(format, args);
    va_end(args);

    char *details = xasprintf("%s: %s", prefix, error->details);
    free(prefix);
    free(error->details);
    error->details = details;
    return error;
}

void ovsdb_error_free(struct ovsdb_error *error)
{
    if (!error)
        return;
    free(error->details);
    free(error->syntax);
    free(error);
}

json_t *ovsdb_error_to_json(const struct ovsdb_error *error)
{
    json_t *json = json_object();

    json_object_set_new(json, "details", json_string(error->details));
    json_object_set_new(json, "error", json_string(error->tag));
    if (error->syntax)
        json_object_set_new(json, "syntax", json_string(error->syntax));
    return json;
}

char *ovsdb_error_to_string(const struct ovsdb_error *error)
{
    if (error->syntax)
        return xasprintf("%s: %s (at %s)", error->tag, error->details, error->syntax);
    return xasprintf("%s: %s", error->tag, error->details);
}
