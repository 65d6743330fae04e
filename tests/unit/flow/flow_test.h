// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share: cmocka, seeded random values of fields.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/random.h"
#include "lib/flow/field.h"

// A valid random value of the field.
static inline struct field_value random_value(const struct field *f)
{
    struct field_value v = {{0}}, all;
    random_fill(v.b, f->n_bytes);
    field_value_ones(f, &all);
    for (unsigned i = 0; i < f->n_bytes; i++)
        v.b[i] &= all.b[i];
    if (f->id == FIELD_CT_STATE || f->id == FIELD_ARP_OP) // wider on the wire than what it can be
        memset(v.b, 0, f->n_bytes - 1u);
    return v;
}

static inline void assert_value_equal(const struct field_value *a, const struct field_value *b)
{
    assert_memory_equal(a->b, b->b, sizeof(a->b));
}
