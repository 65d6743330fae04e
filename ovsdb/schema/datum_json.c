// SPDX-License-Identifier: Apache-2.0
//
// Data to and from JSON, and to text for people. See datum.h.
//
// A set may come as ["set", [...]] or, with one element, as the bare atom; a map always comes as
// ["map", [[key, value], ...]]. While a datum is read its strings are still the JSON document's:
// the builder copies them once, when it knows how much there is.

#include "ovsdb/schema/datum.h"

#include <ctype.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

// The array inside ["set", [...]] or ["map", [...]]; NULL if `json` is not so.
static const json_t *unwrap(const json_t *json, const char *tag)
{
    const char *name = json_string_value(json_array_get(json, 0));
    const json_t *elements = json_array_get(json, 1);

    return json_array_size(json) == 2 && name && !strcmp(name, tag) && json_is_array(elements)
               ? elements
               : NULL;
}

static struct ovsdb_error *read_atom(const json_t *json, const struct ovsdb_base_type *base,
                                     struct ovsdb_symtab *symtab, union ovsdb_atom *ret_atom)
{
    struct ovsdb_error *error = ovsdb_atom_from_json(json, base->type, symtab, ret_atom);

    return error ? error : ovsdb_base_type_check(base, ret_atom);
}

static struct ovsdb_error *add_element(struct ovsdb_datum_builder *builder, const json_t *json,
                                       const struct ovsdb_type *type, struct ovsdb_symtab *symtab)
{
    const json_t *key_json = json, *value_json = NULL;
    union ovsdb_atom key, value;

    if (ovsdb_type_is_map(type)) {
        if (!json_is_array(json) || json_array_size(json) != 2)
            return ovsdb_error_at(json, OVSDB_E_SYNTAX, "expected a [key, value] pair");
        key_json = json_array_get(json, 0);
        value_json = json_array_get(json, 1);
    }

    struct ovsdb_error *error = read_atom(key_json, &type->key, symtab, &key);
    if (!error && value_json)
        error = read_atom(value_json, &type->value, symtab, &value);
    if (!error)
        ovsdb_datum_builder_add(builder, key, value_json ? &value : NULL);
    return error;
}

static struct ovsdb_error *from_json(const json_t *json, const struct ovsdb_type *type,
                                     unsigned n_min, unsigned n_max, struct ovsdb_symtab *symtab,
                                     struct ovsdb_datum **ret_datum)
{
    const char *tag = ovsdb_type_is_map(type) ? "map" : "set";
    const json_t *elements = unwrap(json, tag);
    struct ovsdb_datum_builder builder;
    struct ovsdb_error *error = NULL;
    bool duplicate;

    if (!elements && ovsdb_type_is_map(type))
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "expected [\"map\", [[key, value], ...]]");

    size_t n = elements ? json_array_size(elements) : 1;
    if (n < n_min || n > n_max) {
        AUTO_FREE char *english = ovsdb_type_to_english(type);
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "%zu values where a %s is expected", n,
                              english);
    }

    ovsdb_datum_builder_init(&builder, type->key.type, type->value.type, n);
    for (size_t i = 0; i < n && !error; i++)
        error = add_element(&builder, elements ? json_array_get(elements, i) : json, type, symtab);
    if (error) {
        ovsdb_datum_builder_done(&builder);
        return error;
    }

    struct ovsdb_datum *datum = ovsdb_datum_builder_finish(&builder, &duplicate);
    if (duplicate) {
        ovsdb_datum_unref(datum);
        return ovsdb_error_at(json, OVSDB_E_DUPLICATE, "the %s contains the same key twice", tag);
    }
    *ret_datum = datum;
    return NULL;
}

struct ovsdb_error *ovsdb_datum_from_json(const json_t *json, const struct ovsdb_type *type,
                                          struct ovsdb_symtab *symtab,
                                          struct ovsdb_datum **ret_datum)
{
    return from_json(json, type, type->n_min, type->n_max, symtab, ret_datum);
}

struct ovsdb_error *ovsdb_datum_from_json_loose(const json_t *json, const struct ovsdb_type *type,
                                                struct ovsdb_symtab *symtab,
                                                struct ovsdb_datum **ret_datum)
{
    unsigned n_max = ovsdb_type_is_composite(type) ? OVSDB_UNLIMITED : type->n_max;

    return from_json(json, type, 0, n_max, symtab, ret_datum);
}

json_t *ovsdb_datum_to_json_by(const struct ovsdb_datum *datum, ovsdb_atom_json_fn *atom_to_json,
                               void *aux)
{
    const union ovsdb_atom *values = ovsdb_datum_values(datum);

    if (!values && datum->n == 1)
        return atom_to_json(&datum->keys[0], datum->key_type, aux);

    json_t *elements = json_array();
    for (uint32_t i = 0; i < datum->n; i++) {
        json_t *element = atom_to_json(&datum->keys[i], datum->key_type, aux);

        if (values) {
            json_t *pair = json_array();

            json_array_append_new(pair, element);
            json_array_append_new(pair, atom_to_json(&values[i], datum->value_type, aux));
            element = pair;
        }
        json_array_append_new(elements, element);
    }

    json_t *json = json_array();
    json_array_append_new(json, json_string(values ? "map" : "set"));
    json_array_append_new(json, elements);
    return json;
}

static json_t *plain_atom(const union ovsdb_atom *atom, enum ovsdb_atomic_type type, void *aux)
{
    return ovsdb_atom_to_json(atom, type);
}

json_t *ovsdb_datum_to_json(const struct ovsdb_datum *datum)
{
    return ovsdb_datum_to_json_by(datum, plain_atom, NULL);
}

static bool is_bare_word(const char *s)
{
    if (!*s || !strcmp(s, "true") || !strcmp(s, "false"))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("_-.", *s))
            return false;
    return true;
}

static void put_atom(struct str *s, const union ovsdb_atom *atom, enum ovsdb_atomic_type type)
{
    if (type == OVSDB_STRING && !is_bare_word(atom->string.s)) {
        json_t *json = ovsdb_atom_to_json(atom, type);
        char *text = json_dumps(json, JSON_ENCODE_ANY);

        str_put(s, text ? text : "?");
        free(text);
        json_decref(json);
        return;
    }
    AUTO_FREE char *text = ovsdb_atom_to_string(atom, type);
    str_put(s, text);
}

char *ovsdb_datum_to_string(const struct ovsdb_datum *datum)
{
    const union ovsdb_atom *values = ovsdb_datum_values(datum);
    bool bare = datum->n == 1 && !values;
    struct str s = STR_INIT;

    if (!bare)
        str_putc(&s, values ? '{' : '[');
    for (uint32_t i = 0; i < datum->n; i++) {
        if (i)
            str_put(&s, ", ");
        put_atom(&s, &datum->keys[i], datum->key_type);
        if (values) {
            str_putc(&s, '=');
            put_atom(&s, &values[i], datum->value_type);
        }
    }
    if (!bare)
        str_putc(&s, values ? '}' : ']');
    return str_steal(&s);
}
