// SPDX-License-Identifier: Apache-2.0
// Output of `sluice`: aligned tables by libsmartcols, JSON as the daemon gave it. Main thread.
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/err.h"
#include "lib/base/mem.h"
#include "lib/io/control.h"
#include "tools/sluice.h"

#define ANSWER_TIMEOUT (30 * INT64_C(1000000000))

json_t *ask(const struct options *o, const char *command, int argc, const char *const argv[])
{
    AUTO_FREE char *text = NULL;
    AUTO_ERR(err);
    json_error_t bad;

    if (control_call(o->target, command, argc, argv, ANSWER_TIMEOUT, &text, &err)) {
        fprintf(stderr, "sluice: %s\n", err_text(&err));
        return NULL;
    }
    json_t *json = json_loads(text, 0, &bad);
    if (!json)
        fprintf(stderr, "sluice: the daemon's answer to %s is not JSON: %s\n", command, bad.text);
    return json;
}

int print_json(json_t *json)
{
    int r = json_dumpf(json, stdout, JSON_INDENT(2));

    putchar('\n');
    return r ? 1 : 0;
}

struct table {
    struct libscols_table *scols;
    size_t n;
};

struct table *table_new(const char *const *headers)
{
    struct table *t = NEW(struct table);

    t->scols = scols_new_table();
    for (; t->scols && headers[t->n]; t->n++)
        scols_table_new_column(t->scols, headers[t->n], 0, 0);
    return t;
}

void table_row(struct table *t, const char *const *cells)
{
    struct libscols_line *line = scols_table_new_line(t->scols, NULL);

    for (size_t i = 0; line && i < t->n; i++)
        scols_line_set_data(line, i, cells[i] ? cells[i] : "");
}

void table_print(struct table *t)
{
    scols_table_enable_nolinesep(t->scols, 0);
    scols_print_table(t->scols);
    scols_unref_table(t->scols);
    free(t);
}

const char *text_of(const json_t *json, const char *member, const char *fallback)
{
    const char *text = json_string_value(json_object_get(json, member));

    return text ? text : fallback;
}

long long number_of(const json_t *json, const char *member)
{
    return json_integer_value(json_object_get(json, member));
}

double real_of(const json_t *json, const char *member)
{
    return json_number_value(json_object_get(json, member));
}

bool bool_of(const json_t *json, const char *member)
{
    return json_is_true(json_object_get(json, member));
}
