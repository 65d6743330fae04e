// SPDX-License-Identifier: Apache-2.0
// What the tests of slowpath/openflow share.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

// Bytes of a hexadecimal text, blanks allowed; the caller ends with buf_done().
static inline struct buf bytes_of(const char *hex)
{
    struct buf b;
    buf_init(&b, 0, strlen(hex) / 2 + 1);
    while (*hex) {
        uint8_t byte;
        char two[3] = {hex[0], hex[1], 0};
        if (*hex == ' ') {
            hex++;
            continue;
        }
        assert_true(str_from_hex(two, &byte, 1));
        buf_put_u8(&b, byte);
        hex += 2;
    }
    return b;
}

static inline void assert_bytes(const struct buf *b, const char *hex)
{
    struct buf want = bytes_of(hex);
    struct str got = STR_INIT;
    str_put_hex(&got, b->data, b->size);
    if (b->size != want.size || memcmp(b->data, want.data, want.size))
        print_error("got  %s\nwant %s\n", str_text(&got), hex);
    assert_int_equal(b->size, want.size);
    assert_memory_equal(b->data, want.data, want.size);
    str_done(&got);
    buf_done(&want);
}
