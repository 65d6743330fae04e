// SPDX-License-Identifier: Apache-2.0
//
// Types of columns: reading, writing, checking a value. See type.h.
//
// Unconstrained means the widest range of the atomic type, so that a check needs no "is there a
// constraint" flags; writing leaves out what is widest. Pure functions.

#include "ovsdb/schema/type.h"

#include <float.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "ovsdb/schema/datum.h"
#include "ovsdb/schema/parser.h"

void ovsdb_base_type_init(struct ovsdb_base_type *base, enum ovsdb_atomic_type type)
{
    *base = (struct ovsdb_base_type){.type = type};
    switch (type) {
    case OVSDB_INTEGER:
        base->integer.min = INT64_MIN;
        base->integer.max = INT64_MAX;
        break;
    case OVSDB_REAL:
        base->real.min = -DBL_MAX;
        base->real.max = DBL_MAX;
        break;
    case OVSDB_STRING:
        base->string.max_len = UINT_MAX;
        break;
    case OVSDB_VOID:
    case OVSDB_BOOLEAN:
    case OVSDB_UUID:
        break;
    }
}

void ovsdb_base_type_done(struct ovsdb_base_type *base)
{
    ovsdb_datum_unref(base->enum_);
    base->enum_ = NULL;
    if (base->type == OVSDB_UUID) {
        free(base->uuid.ref_table_name);
        base->uuid.ref_table_name = NULL;
    }
}

static void read_integer_range(struct ovsdb_parser *parser, struct ovsdb_base_type *base)
{
    const json_t *min =
        ovsdb_parser_member(parser, "minInteger", OVSDB_P_INTEGER | OVSDB_P_OPTIONAL);
    const json_t *max =
        ovsdb_parser_member(parser, "maxInteger", OVSDB_P_INTEGER | OVSDB_P_OPTIONAL);

    if (min)
        base->integer.min = json_integer_value(min);
    if (max)
        base->integer.max = json_integer_value(max);
    if (base->integer.min > base->integer.max)
        ovsdb_parser_fail(
            parser, ovsdb_error_at(parser->json, OVSDB_E_SYNTAX, "minInteger exceeds maxInteger"));
}

static void read_real_range(struct ovsdb_parser *parser, struct ovsdb_base_type *base)
{
    const json_t *min = ovsdb_parser_member(parser, "minReal", OVSDB_P_NUMBER | OVSDB_P_OPTIONAL);
    const json_t *max = ovsdb_parser_member(parser, "maxReal", OVSDB_P_NUMBER | OVSDB_P_OPTIONAL);

    if (min)
        base->real.min = json_number_value(min);
    if (max)
        base->real.max = json_number_value(max);
    if (base->real.min > base->real.max)
        ovsdb_parser_fail(parser,
                          ovsdb_error_at(parser->json, OVSDB_E_SYNTAX, "minReal exceeds maxReal"));
}

static void read_length(struct ovsdb_parser *parser, const char *name, unsigned *length)
{
    const json_t *json = ovsdb_parser_member(parser, name, OVSDB_P_INTEGER | OVSDB_P_OPTIONAL);

    if (!json)
        return;
    if (json_integer_value(json) < 0 || json_integer_value(json) > UINT_MAX)
        ovsdb_parser_fail(parser, ovsdb_error_at(parser->json, OVSDB_E_SYNTAX,
                                                 "%s is not between 0 and %u", name, UINT_MAX));
    else
        *length = (unsigned)json_integer_value(json);
}

static void read_reference(struct ovsdb_parser *parser, struct ovsdb_base_type *base)
{
    const json_t *table = ovsdb_parser_member(parser, "refTable", OVSDB_P_ID | OVSDB_P_OPTIONAL);
    if (!table)
        return;

    const json_t *type = ovsdb_parser_member(parser, "refType", OVSDB_P_ID | OVSDB_P_OPTIONAL);
    base->uuid.ref_table_name = xstrdup(json_string_value(table));
    if (!type || !strcmp(json_string_value(type), "strong"))
        base->uuid.ref_type = OVSDB_REF_STRONG;
    else if (!strcmp(json_string_value(type), "weak"))
        base->uuid.ref_type = OVSDB_REF_WEAK;
    else
        ovsdb_parser_fail(
            parser, ovsdb_error_at(type, OVSDB_E_SYNTAX, "refType must be \"strong\" or \"weak\""));
}

static void read_enum(struct ovsdb_parser *parser, struct ovsdb_base_type *base)
{
    const json_t *json = ovsdb_parser_member(parser, "enum", OVSDB_P_ANY | OVSDB_P_OPTIONAL);
    if (!json)
        return;

    struct ovsdb_type type = {.n_min = 1, .n_max = OVSDB_UNLIMITED};
    ovsdb_base_type_init(&type.key, base->type);
    ovsdb_base_type_init(&type.value, OVSDB_VOID);
    ovsdb_parser_fail(parser, ovsdb_datum_from_json(json, &type, NULL, &base->enum_));
}

struct ovsdb_error *ovsdb_base_type_from_json(const json_t *json, struct ovsdb_base_type *ret_base)
{
    struct ovsdb_base_type base;
    struct ovsdb_parser parser;
    enum ovsdb_atomic_type type;

    if (json_is_string(json)) {
        if (!ovsdb_atomic_type_parse(json_string_value(json), &type))
            return ovsdb_error_at(json, OVSDB_E_SYNTAX, "\"%s\" is not an atomic type",
                                  json_string_value(json));
        ovsdb_base_type_init(ret_base, type);
        return NULL;
    }

    ovsdb_parser_init(&parser, json, "ovsdb type");
    const json_t *name = ovsdb_parser_member(&parser, "type", OVSDB_P_STRING);
    if (!name)
        return ovsdb_parser_finish(&parser);
    if (!ovsdb_atomic_type_parse(json_string_value(name), &type))
        return ovsdb_error_at(name, OVSDB_E_SYNTAX, "\"%s\" is not an atomic type",
                              json_string_value(name));

    ovsdb_base_type_init(&base, type);
    read_enum(&parser, &base);
    switch (type) {
    case OVSDB_INTEGER:
        read_integer_range(&parser, &base);
        break;
    case OVSDB_REAL:
        read_real_range(&parser, &base);
        break;
    case OVSDB_STRING:
        read_length(&parser, "minLength", &base.string.min_len);
        read_length(&parser, "maxLength", &base.string.max_len);
        if (base.string.min_len > base.string.max_len)
            ovsdb_parser_fail(&parser,
                              ovsdb_error_at(json, OVSDB_E_SYNTAX, "minLength exceeds maxLength"));
        break;
    case OVSDB_UUID:
        read_reference(&parser, &base);
        break;
    case OVSDB_VOID:
    case OVSDB_BOOLEAN:
        break;
    }

    struct ovsdb_error *error = ovsdb_parser_finish(&parser);
    if (error)
        ovsdb_base_type_done(&base);
    else
        *ret_base = base;
    return error;
}

json_t *ovsdb_base_type_to_json(const struct ovsdb_base_type *base)
{
    json_t *json = json_object();

    if (base->enum_)
        json_object_set_new(json, "enum", ovsdb_datum_to_json(base->enum_));
    switch (base->type) {
    case OVSDB_INTEGER:
        if (base->integer.min != INT64_MIN)
            json_object_set_new(json, "minInteger", json_integer(base->integer.min));
        if (base->integer.max != INT64_MAX)
            json_object_set_new(json, "maxInteger", json_integer(base->integer.max));
        break;
    case OVSDB_REAL:
        if (base->real.min != -DBL_MAX)
            json_object_set_new(json, "minReal", json_real(base->real.min));
        if (base->real.max != DBL_MAX)
            json_object_set_new(json, "maxReal", json_real(base->real.max));
        break;
    case OVSDB_STRING:
        if (base->string.min_len)
            json_object_set_new(json, "minLength", json_integer(base->string.min_len));
        if (base->string.max_len != UINT_MAX)
            json_object_set_new(json, "maxLength", json_integer(base->string.max_len));
        break;
    case OVSDB_UUID:
        if (base->uuid.ref_table_name) {
            json_object_set_new(json, "refTable", json_string(base->uuid.ref_table_name));
            if (base->uuid.ref_type == OVSDB_REF_WEAK)
                json_object_set_new(json, "refType", json_string("weak"));
        }
        break;
    case OVSDB_VOID:
    case OVSDB_BOOLEAN:
        break;
    }

    json_t *name = json_string(ovsdb_atomic_type_name(base->type));
    if (!json_object_size(json)) {
        json_decref(json);
        return name;
    }
    json_object_set_new(json, "type", name);
    return json;
}

static size_t utf8_length(const char *s)
{
    size_t length = 0;

    for (; *s; s++)
        length += ((unsigned char)*s & 0xc0) != 0x80;
    return length;
}

static struct ovsdb_error *check_enum(const struct ovsdb_base_type *base,
                                      const union ovsdb_atom *atom)
{
    if (ovsdb_datum_find(base->enum_, atom) >= 0)
        return NULL;

    AUTO_FREE char *value = ovsdb_atom_to_string(atom, base->type);
    AUTO_FREE char *allowed = ovsdb_datum_to_string(base->enum_);
    return ovsdb_error(OVSDB_E_CONSTRAINT, "%s is not one of the allowed values (%s)", value,
                       allowed);
}

static struct ovsdb_error *check_integer(const struct ovsdb_base_type *base, int64_t value)
{
    int64_t min = base->integer.min, max = base->integer.max;

    if (value >= min && value <= max)
        return NULL;
    if (min == INT64_MIN)
        return ovsdb_error(OVSDB_E_CONSTRAINT, "%" PRId64 " is more than the maximum of %" PRId64,
                           value, max);
    if (max == INT64_MAX)
        return ovsdb_error(OVSDB_E_CONSTRAINT, "%" PRId64 " is less than the minimum of %" PRId64,
                           value, min);
    return ovsdb_error(OVSDB_E_CONSTRAINT,
                       "%" PRId64 " is not in the valid range %" PRId64 " to %" PRId64, value, min,
                       max);
}

static struct ovsdb_error *check_real(const struct ovsdb_base_type *base, double value)
{
    double min = base->real.min, max = base->real.max;

    if (value >= min && value <= max)
        return NULL;
    if (min == -DBL_MAX)
        return ovsdb_error(OVSDB_E_CONSTRAINT, "%.15g is more than the maximum of %.15g", value,
                           max);
    if (max == DBL_MAX)
        return ovsdb_error(OVSDB_E_CONSTRAINT, "%.15g is less than the minimum of %.15g", value,
                           min);
    return ovsdb_error(OVSDB_E_CONSTRAINT, "%.15g is not in the valid range %.15g to %.15g", value,
                       min, max);
}

static struct ovsdb_error *check_string(const struct ovsdb_base_type *base, const char *s)
{
    unsigned min = base->string.min_len, max = base->string.max_len;

    if (!min && max == UINT_MAX)
        return NULL;
    size_t length = utf8_length(s);
    if (length < min)
        return ovsdb_error(OVSDB_E_CONSTRAINT, "\"%s\" has %zu characters, the minimum is %u", s,
                           length, min);
    if (length > max)
        return ovsdb_error(OVSDB_E_CONSTRAINT, "\"%s\" has %zu characters, the maximum is %u", s,
                           length, max);
    return NULL;
}

struct ovsdb_error *ovsdb_base_type_check(const struct ovsdb_base_type *base,
                                          const union ovsdb_atom *atom)
{
    if (base->enum_)
        return check_enum(base, atom);
    switch (base->type) {
    case OVSDB_INTEGER:
        return check_integer(base, atom->integer);
    case OVSDB_REAL:
        return check_real(base, atom->real);
    case OVSDB_STRING:
        return check_string(base, atom->string.s);
    case OVSDB_VOID:
    case OVSDB_BOOLEAN:
    case OVSDB_UUID:
        break;
    }
    return NULL;
}

static void read_bounds(struct ovsdb_parser *parser, struct ovsdb_type *type)
{
    const json_t *min = ovsdb_parser_member(parser, "min", OVSDB_P_INTEGER | OVSDB_P_OPTIONAL);
    const json_t *max =
        ovsdb_parser_member(parser, "max", OVSDB_P_INTEGER | OVSDB_P_STRING | OVSDB_P_OPTIONAL);

    if (min) {
        if (json_integer_value(min) < 0 || json_integer_value(min) > 1)
            ovsdb_parser_fail(parser,
                              ovsdb_error_at(parser->json, OVSDB_E_SYNTAX, "min must be 0 or 1"));
        type->n_min = json_integer_value(min) != 0;
    }
    if (json_is_string(max) && !strcmp(json_string_value(max), "unlimited")) {
        type->n_max = OVSDB_UNLIMITED;
    } else if (max) {
        json_int_t n = json_integer_value(max); // 0 for any other string

        if (n < 1 || n >= OVSDB_UNLIMITED)
            ovsdb_parser_fail(parser, ovsdb_error_at(parser->json, OVSDB_E_SYNTAX,
                                                     "max must be a positive integer or "
                                                     "\"unlimited\""));
        else
            type->n_max = (unsigned)n;
    }
}

struct ovsdb_error *ovsdb_type_from_json(const json_t *json, struct ovsdb_type *ret_type)
{
    struct ovsdb_type type = {.n_min = 1, .n_max = 1};
    struct ovsdb_parser parser;
    struct ovsdb_error *error;

    ovsdb_base_type_init(&type.value, OVSDB_VOID);
    if (json_is_string(json)) {
        error = ovsdb_base_type_from_json(json, &type.key);
        if (!error)
            *ret_type = type;
        return error;
    }

    ovsdb_base_type_init(&type.key, OVSDB_VOID);
    ovsdb_parser_init(&parser, json, "ovsdb type");
    const json_t *key = ovsdb_parser_member(&parser, "key", OVSDB_P_STRING | OVSDB_P_OBJECT);
    const json_t *value =
        ovsdb_parser_member(&parser, "value", OVSDB_P_STRING | OVSDB_P_OBJECT | OVSDB_P_OPTIONAL);
    read_bounds(&parser, &type);
    if (key && !ovsdb_parser_failed(&parser))
        ovsdb_parser_fail(&parser, ovsdb_base_type_from_json(key, &type.key));
    if (value && !ovsdb_parser_failed(&parser))
        ovsdb_parser_fail(&parser, ovsdb_base_type_from_json(value, &type.value));

    error = ovsdb_parser_finish(&parser);
    if (error)
        ovsdb_type_done(&type);
    else
        *ret_type = type;
    return error;
}

json_t *ovsdb_type_to_json(const struct ovsdb_type *type)
{
    json_t *key = ovsdb_base_type_to_json(&type->key);

    if (ovsdb_type_is_scalar(type) && json_is_string(key))
        return key;

    json_t *json = json_object();
    json_object_set_new(json, "key", key);
    if (ovsdb_type_is_map(type))
        json_object_set_new(json, "value", ovsdb_base_type_to_json(&type->value));
    if (type->n_min != 1)
        json_object_set_new(json, "min", json_integer(type->n_min));
    if (type->n_max == OVSDB_UNLIMITED)
        json_object_set_new(json, "max", json_string("unlimited"));
    else if (type->n_max != 1)
        json_object_set_new(json, "max", json_integer(type->n_max));
    return json;
}

void ovsdb_type_done(struct ovsdb_type *type)
{
    ovsdb_base_type_done(&type->key);
    ovsdb_base_type_done(&type->value);
}

char *ovsdb_type_to_english(const struct ovsdb_type *type)
{
    const char *key = ovsdb_atomic_type_name(type->key.type);
    const char *value = ovsdb_atomic_type_name(type->value.type);

    if (ovsdb_type_is_scalar(type))
        return xstrdup(key);

    struct str s = STR_INIT;
    str_put(&s, ovsdb_type_is_map(type) ? "map of " : "set of ");
    if (type->n_max != OVSDB_UNLIMITED)
        str_printf(&s, type->n_min == type->n_max ? "%u " : "up to %u ", type->n_max);
    else if (type->n_min)
        str_printf(&s, "%u or more ", type->n_min);
    if (ovsdb_type_is_map(type))
        str_printf(&s, "%s-%s pairs", key, value);
    else
        str_printf(&s, "%ss", key);
    return str_steal(&s);
}
