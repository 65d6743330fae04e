// SPDX-License-Identifier: Apache-2.0
// Growable text, and the few conversions that the C library does badly.
//
// Thread: any; one struct str belongs to one thread at a time. Nothing here blocks.
#pragma once

#include <stdarg.h>
#include <stdint.h>

#include "lib/base/compiler.h"

struct str {
    char *text;  // NUL-terminated once anything was put; else NULL. Read it with str_text().
    size_t size; // without the NUL
    size_t capacity;
};

#define STR_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

void str_done(struct str *s);  // frees; leaves STR_INIT
void str_clear(struct str *s); // empties, keeps the memory
// Hands the text over (never NULL, for free()); 's' is STR_INIT after.
char *str_steal(struct str *s);
static inline const char *str_text(const struct str *s)
{
    return s->text ? s->text : "";
}

void str_put(struct str *s, const char *text);
void str_putn(struct str *s, const char *text, size_t n);
void str_putc(struct str *s, char c);
void str_printf(struct str *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void str_vprintf(struct str *s, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
void str_put_hex(struct str *s, const void *data, size_t n); // lower-case digits, no separators
void str_trim(struct str *s, size_t size);                   // cuts to 'size' characters
// Takes 'suffix' off the end; false: it doesn't end so.
bool str_chomp(struct str *s, const char *suffix);
// Puts 'separator' unless the text is empty or ends with '(' or with the separator itself.
void str_separate(struct str *s, const char *separator);

// The whole of 'text' as an unsigned number: decimal, 0x hexadecimal or 0 octal for base 0, no
// sign, no blanks, at most 'max'. False: *ret untouched.
bool str_to_u64(const char *text, int base, uint64_t max, uint64_t *ret);
bool str_to_u32(const char *text, int base, uint32_t *ret);
bool str_to_i64(const char *text, int base, int64_t *ret);
// Exactly 2*n hexadecimal digits into 'n' bytes. False: 'dst' may be half written.
bool str_from_hex(const char *text, void *dst, size_t n);

bool str_starts(const char *text, const char *prefix);
// Copies into a fixed array, always NUL-terminated; false: it was cut.
bool str_copy(char *dst, size_t dst_size, const char *src);
