// SPDX-License-Identifier: Apache-2.0
// Row identifiers: 128 bits, RFC 4122 text form. The bytes stand in text order, so that a bytewise
// comparison sorts as the text does. Any thread; nothing blocks.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { OVSDB_UUID_LEN = 36 }; // length of the text form, without the final NUL

struct ovsdb_uuid {
    uint8_t bytes[16];
};

// A fresh random (version 4) identifier.
struct ovsdb_uuid ovsdb_uuid_random(void);

// Reads exactly the 36-character form. False, with *ret_uuid untouched, on anything else.
bool ovsdb_uuid_parse(const char *text, struct ovsdb_uuid *ret_uuid);

// Writes the text form and a NUL into `text`. Returns `text`.
char *ovsdb_uuid_format(const struct ovsdb_uuid *uuid, char text[OVSDB_UUID_LEN + 1]);

// The text form in a buffer of the enclosing full expression: for arguments of a printf.
#define OVSDB_UUID_STR(UUID) ovsdb_uuid_format(UUID, (char[OVSDB_UUID_LEN + 1]){0})

static inline bool ovsdb_uuid_equal(const struct ovsdb_uuid *a, const struct ovsdb_uuid *b)
{
    return !memcmp(a, b, sizeof *a);
}

static inline bool ovsdb_uuid_is_zero(const struct ovsdb_uuid *uuid)
{
    static const struct ovsdb_uuid zero;

    return ovsdb_uuid_equal(uuid, &zero);
}
