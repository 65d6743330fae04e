// SPDX-License-Identifier: Apache-2.0
// The error object of RFC 7047 section 3.1 (<error>): a tag that programs compare, a sentence for
// people, and the piece of JSON at fault where there is one.
//
// A function that returns `struct ovsdb_error *` returns NULL on success; otherwise the caller owns
// the object. Its outputs (ret_x) are then untouched. Any thread.
#pragma once

#include <jansson.h>

struct ovsdb_error {
    const char *tag; // static text, one of the OVSDB_E_* below
    char *details;   // owned sentence
    char *syntax;    // owned JSON text, or NULL
};

// Tags that RFC 7047 names, and those that clients of this protocol know beside them.
#define OVSDB_E_SYNTAX "syntax error"
#define OVSDB_E_UNKNOWN_COLUMN "unknown column"
#define OVSDB_E_UNKNOWN_TABLE "unknown table"
#define OVSDB_E_UNKNOWN_DATABASE "unknown database"
#define OVSDB_E_UNKNOWN_FUNCTION "unknown function"
#define OVSDB_E_UNKNOWN_MUTATOR "unknown mutator"
#define OVSDB_E_UNKNOWN_MONITOR "unknown monitor"
#define OVSDB_E_DUPLICATE "ovsdb error" // a set or map holds the same key twice
#define OVSDB_E_CONSTRAINT "constraint violation"
#define OVSDB_E_INTEGRITY "referential integrity violation"
#define OVSDB_E_DOMAIN "domain error"
#define OVSDB_E_RANGE "range error"
#define OVSDB_E_DUPLICATE_NAME "duplicate uuid-name"
#define OVSDB_E_DUPLICATE_UUID "duplicate uuid"
#define OVSDB_E_TIMED_OUT "timed out"
#define OVSDB_E_ABORTED "aborted"
#define OVSDB_E_NOT_OWNER "not owner"
#define OVSDB_E_NOT_ALLOWED "not allowed"
#define OVSDB_E_NOT_SUPPORTED "not supported"
#define OVSDB_E_RESOURCES "resources exhausted"
#define OVSDB_E_IO "I/O error"
#define OVSDB_E_CANCELED "canceled"
#define OVSDB_E_UNKNOWN_METHOD "unknown method"

// A new error with a formatted sentence.
struct ovsdb_error *ovsdb_error(const char *tag, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result, returns_nonnull));

// The same, quoting `json` (may be NULL, not consumed) as the syntax at fault.
struct ovsdb_error *ovsdb_error_at(const json_t *json, const char *tag, const char *format, ...)
    __attribute__((format(printf, 3, 4), warn_unused_result, returns_nonnull));

// Puts "PREFIX: " in front of the sentence of `error`, which may be NULL. Returns `error`.
struct ovsdb_error *ovsdb_error_prefix(struct ovsdb_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void ovsdb_error_free(struct ovsdb_error *error);

// A new <error> object: "error", "details", and "syntax" where known.
json_t *ovsdb_error_to_json(const struct ovsdb_error *error);

// "TAG: DETAILS (at SYNTAX)" in new memory, for a log or a terminal.
char *ovsdb_error_to_string(const struct ovsdb_error *error);
