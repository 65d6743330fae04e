// SPDX-License-Identifier: Apache-2.0
// Reads the members of a JSON object strictly: what is required must be there and of the right
// kind, what was never asked for must not be there. The first error is kept until the end, so that
// a reader asks for its members in a row and looks once. One thread, no ownership: members stay
// `json`'s.
//
//     struct ovsdb_parser parser;
//     ovsdb_parser_init(&parser, json, "schema for table %s", name);
//     const json_t *columns = ovsdb_parser_member(&parser, "columns", OVSDB_P_OBJECT);
//     const json_t *is_root = ovsdb_parser_member(&parser, "isRoot", OVSDB_P_BOOL |
//     OVSDB_P_OPTIONAL); error = ovsdb_parser_finish(&parser);
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "ovsdb/schema/error.h"

enum ovsdb_parser_kind {
    OVSDB_P_OBJECT = 1 << 0,
    OVSDB_P_ARRAY = 1 << 1,
    OVSDB_P_STRING = 1 << 2,
    OVSDB_P_INTEGER = 1 << 3,
    OVSDB_P_NUMBER = 1 << 4,
    OVSDB_P_BOOL = 1 << 5,
    OVSDB_P_NULL = 1 << 6,
    OVSDB_P_ID = 1 << 7, // a string that is an RFC 7047 <id>
    OVSDB_P_ANY = (1 << 7) - 1,
    OVSDB_P_OPTIONAL = 1 << 8,
};

enum { OVSDB_PARSER_MEMBERS = 16 };

struct ovsdb_parser {
    const json_t *json;
    char what[64];
    const char *asked[OVSDB_PARSER_MEMBERS];
    unsigned n_asked;
    unsigned n_found;
    struct ovsdb_error *error;
};

// Starts on `json`; the format names the thing read in error sentences.
void ovsdb_parser_init(struct ovsdb_parser *parser, const json_t *json, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The member `name` (static text), which may be of any of the `kinds`; NULL if it is missing or
// wrong. Not more than OVSDB_PARSER_MEMBERS different ones.
json_t *ovsdb_parser_member(struct ovsdb_parser *parser, const char *name, unsigned kinds);

// Notes an error of the caller's own; the first one wins, later ones are freed. NULL is nothing.
void ovsdb_parser_fail(struct ovsdb_parser *parser, struct ovsdb_error *error);

// Whether an error is noted already.
static inline bool ovsdb_parser_failed(const struct ovsdb_parser *parser)
{
    return parser->error;
}

// The first error, or one about a member nobody asked for, or NULL.
struct ovsdb_error *ovsdb_parser_finish(struct ovsdb_parser *parser)
    __attribute__((warn_unused_result));

// Whether `name` is an <id>: a letter or underscore, then letters, digits and underscores.
bool ovsdb_is_id(const char *name);
