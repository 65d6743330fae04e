// SPDX-License-Identifier: Apache-2.0
// Atoms. See atom.h. Pure functions; the switch statements have no default, so that the compiler
// finds a type that was forgotten.
#include "ovsdb/schema/atom.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "ovsdb/schema/symbol.h"

static const char *const type_names[] = {
    [OVSDB_VOID] = "void",       [OVSDB_INTEGER] = "integer", [OVSDB_REAL] = "real",
    [OVSDB_BOOLEAN] = "boolean", [OVSDB_STRING] = "string",   [OVSDB_UUID] = "uuid",
};

const char *ovsdb_atomic_type_name(enum ovsdb_atomic_type type)
{
    return type_names[type];
}

bool ovsdb_atomic_type_parse(const char *name, enum ovsdb_atomic_type *ret_type)
{
    for (int type = OVSDB_INTEGER; type <= OVSDB_UUID; type++) {
        if (!strcmp(name, type_names[type])) {
            *ret_type = type;
            return true;
        }
    }
    return false;
}

union ovsdb_atom ovsdb_atom_default(enum ovsdb_atomic_type type)
{
    if (type == OVSDB_STRING)
        return ovsdb_atom_string("");
    return (union ovsdb_atom){.uuid = {{0}}};
}

int ovsdb_atom_compare(const union ovsdb_atom *a, const union ovsdb_atom *b,
                       enum ovsdb_atomic_type type)
{
    switch (type) {
    case OVSDB_VOID:
        return 0;
    case OVSDB_INTEGER:
        return (a->integer > b->integer) - (a->integer < b->integer);
    case OVSDB_REAL:
        return (a->real > b->real) - (a->real < b->real);
    case OVSDB_BOOLEAN:
        return a->boolean - b->boolean;
    case OVSDB_STRING:
        return strcmp(a->string.s, b->string.s);
    case OVSDB_UUID:
        return memcmp(&a->uuid, &b->uuid, sizeof a->uuid);
    }
    return 0;
}

static struct ovsdb_error *uuid_from_json(const json_t *json, struct ovsdb_symtab *symtab,
                                          struct ovsdb_uuid *ret_uuid)
{
    const char *kind = json_string_value(json_array_get(json, 0));
    const char *text = json_string_value(json_array_get(json, 1));

    if (json_array_size(json) != 2 || !kind || !text ||
        (strcmp(kind, "uuid") && strcmp(kind, "named-uuid")))
        return ovsdb_error_at(json, OVSDB_E_SYNTAX,
                              "expected [\"uuid\", UUID] or [\"named-uuid\", NAME]");
    if (!strcmp(kind, "uuid")) {
        if (!ovsdb_uuid_parse(text, ret_uuid))
            return ovsdb_error_at(json, OVSDB_E_SYNTAX, "\"%s\" is not a valid UUID", text);
        return NULL;
    }
    if (!symtab)
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "a named UUID may not be used here");
    *ret_uuid = ovsdb_symtab_get(symtab, text)->uuid;
    return NULL;
}

// Numbers such as 1e3 and 2.0 are integers to every peer of this protocol, reals to the parser.
static bool integer_from_json(const json_t *json, int64_t *ret_integer)
{
    if (json_is_integer(json)) {
        *ret_integer = json_integer_value(json);
        return true;
    }
    double real = json_real_value(json);
    if (!json_is_real(json) || real != floor(real) || fabs(real) > 9007199254740992.0)
        return false;
    *ret_integer = (int64_t)real;
    return true;
}

struct ovsdb_error *ovsdb_atom_from_json(const json_t *json, enum ovsdb_atomic_type type,
                                         struct ovsdb_symtab *symtab, union ovsdb_atom *ret_atom)
{
    switch (type) {
    case OVSDB_VOID:
        break;
    case OVSDB_INTEGER:
        if (!integer_from_json(json, &ret_atom->integer))
            break;
        return NULL;
    case OVSDB_REAL:
        if (!json_is_number(json))
            break;
        ret_atom->real = json_number_value(json);
        return NULL;
    case OVSDB_BOOLEAN:
        if (!json_is_boolean(json))
            break;
        ret_atom->boolean = json_is_true(json);
        return NULL;
    case OVSDB_STRING:
        if (!json_is_string(json))
            break;
        if (json_string_length(json) > UINT32_MAX - 1 ||
            memchr(json_string_value(json), '\0', json_string_length(json)))
            return ovsdb_error_at(NULL, OVSDB_E_SYNTAX, "a string may not contain a NUL");
        ret_atom->string.s = json_string_value(json);
        ret_atom->string.len = (uint32_t)json_string_length(json);
        return NULL;
    case OVSDB_UUID:
        return uuid_from_json(json, symtab, &ret_atom->uuid);
    }
    return ovsdb_error_at(json, OVSDB_E_SYNTAX, "expected %s", ovsdb_atomic_type_name(type));
}

json_t *ovsdb_atom_to_json(const union ovsdb_atom *atom, enum ovsdb_atomic_type type)
{
    char text[OVSDB_UUID_LEN + 1];

    switch (type) {
    case OVSDB_VOID:
        break;
    case OVSDB_INTEGER:
        return json_integer(atom->integer);
    case OVSDB_REAL:
        return json_real(atom->real);
    case OVSDB_BOOLEAN:
        return json_boolean(atom->boolean);
    case OVSDB_STRING:
        return json_stringn_nocheck(atom->string.s, atom->string.len);
    case OVSDB_UUID:
        ovsdb_uuid_format(&atom->uuid, text);
        return json_pack("[ss]", "uuid", text);
    }
    return json_null();
}

char *ovsdb_atom_to_string(const union ovsdb_atom *atom, enum ovsdb_atomic_type type)
{
    switch (type) {
    case OVSDB_VOID:
        break;
    case OVSDB_INTEGER:
        return xasprintf("%" PRId64, atom->integer);
    case OVSDB_REAL:
        return xasprintf("%.*g", 15, atom->real);
    case OVSDB_BOOLEAN:
        return xstrdup(atom->boolean ? "true" : "false");
    case OVSDB_STRING:
        return xstrdup(atom->string.s);
    case OVSDB_UUID:
        return xstrdup(OVSDB_UUID_STR(&atom->uuid));
    }
    return xstrdup("");
}
