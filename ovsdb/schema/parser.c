// SPDX-License-Identifier: Apache-2.0
// Strict reading of JSON objects. See parser.h. Members found are counted while they are asked for:
// only when the count differs from the object's size is the list of names walked for a stranger.
#include "ovsdb/schema/parser.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ovsdb_parser_init(struct ovsdb_parser *parser, const json_t *json, const char *format, ...)
{
    va_list args;

    memset(parser, 0, sizeof *parser);
    parser->json = json;
    va_start(args, format);
    vsnprintf(parser->what, sizeof parser->what, format, args);
    va_end(args);

    if (!json_is_object(json))
        parser->error =
            ovsdb_error_at(json, OVSDB_E_SYNTAX, "%s: expected an object", parser->what);
}

bool ovsdb_is_id(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    while (*++name)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

static bool kind_matches(const json_t *json, unsigned kinds)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return kinds & OVSDB_P_OBJECT;
    case JSON_ARRAY:
        return kinds & OVSDB_P_ARRAY;
    case JSON_STRING:
        return kinds & OVSDB_P_STRING ||
               (kinds & OVSDB_P_ID && ovsdb_is_id(json_string_value(json)));
    case JSON_INTEGER:
        return kinds & (OVSDB_P_INTEGER | OVSDB_P_NUMBER);
    case JSON_REAL:
        return kinds & OVSDB_P_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return kinds & OVSDB_P_BOOL;
    case JSON_NULL:
        return kinds & OVSDB_P_NULL;
    }
    return false;
}

json_t *ovsdb_parser_member(struct ovsdb_parser *parser, const char *name, unsigned kinds)
{
    if (parser->error)
        return NULL;

    assert(parser->n_asked < OVSDB_PARSER_MEMBERS);
    parser->asked[parser->n_asked++] = name;

    json_t *member = json_object_get(parser->json, name);
    if (!member) {
        if (!(kinds & OVSDB_P_OPTIONAL))
            parser->error =
                ovsdb_error_at(parser->json, OVSDB_E_SYNTAX,
                               "%s: required member \"%s\" is missing", parser->what, name);
        return NULL;
    }
    parser->n_found++;
    if (!kind_matches(member, kinds)) {
        parser->error =
            ovsdb_error_at(parser->json, OVSDB_E_SYNTAX, "%s: member \"%s\" is of the wrong type",
                           parser->what, name);
        return NULL;
    }
    return member;
}

void ovsdb_parser_fail(struct ovsdb_parser *parser, struct ovsdb_error *error)
{
    if (parser->error)
        ovsdb_error_free(error);
    else
        parser->error = error;
}

struct ovsdb_error *ovsdb_parser_finish(struct ovsdb_parser *parser)
{
    struct ovsdb_error *error = parser->error;

    parser->error = NULL;
    if (error || parser->n_found == json_object_size(parser->json))
        return error;

    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)parser->json, name, value) {
        unsigned i;

        for (i = 0; i < parser->n_asked && strcmp(name, parser->asked[i]); i++)
            continue;
        if (i == parser->n_asked)
            return ovsdb_error_at(parser->json, OVSDB_E_SYNTAX,
                                  "%s: member \"%s\" is not known here", parser->what, name);
    }
    return NULL;
}
