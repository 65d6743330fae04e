// SPDX-License-Identifier: Apache-2.0
// Growable text and number conversion.
//
// Used wherever text for a person or a tool is put together. No state of its own, so any thread.
// Invariant: once text is not NULL it ends with a NUL at text[size] and size < capacity.
#include "lib/base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"

static void str_room(struct str *s, size_t n)
{
    if (!s->text || s->capacity - s->size <= n) {
        s->capacity = MAX_OF(s->size + n + 1, s->capacity * 2 + 32);
        s->text = xrealloc(s->text, s->capacity);
        s->text[s->size] = '\0';
    }
}

void str_done(struct str *s)
{
    if (s) {
        free(s->text);
        *s = (struct str)STR_INIT;
    }
}

void str_clear(struct str *s)
{
    str_trim(s, 0);
}

char *str_steal(struct str *s)
{
    str_room(s, 0);
    char *text = s->text;
    *s = (struct str)STR_INIT;
    return text;
}

void str_put(struct str *s, const char *text)
{
    str_putn(s, text, strlen(text));
}

void str_putn(struct str *s, const char *text, size_t n)
{
    str_room(s, n);
    if (n)
        memcpy(s->text + s->size, text, n);
    s->size += n;
    s->text[s->size] = '\0';
}

void str_putc(struct str *s, char c)
{
    str_putn(s, &c, 1);
}

void str_printf(struct str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    str_vprintf(s, fmt, args);
    va_end(args);
}

void str_vprintf(struct str *s, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    str_room(s, 64);
    size_t room = s->capacity - s->size;
    int n = vsnprintf(s->text + s->size, room, fmt, args);
    if (n >= 0 && (size_t)n >= room) {
        str_room(s, (size_t)n);
        n = vsnprintf(s->text + s->size, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (n > 0)
        s->size += (size_t)n;
    s->text[s->size] = '\0';
}

void str_put_hex(struct str *s, const void *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    str_room(s, 2 * n);
    for (size_t i = 0; i < n; i++) {
        str_putc(s, digits[bytes[i] >> 4]);
        str_putc(s, digits[bytes[i] & 15]);
    }
}

void str_trim(struct str *s, size_t size)
{
    if (size < s->size) {
        s->size = size;
        s->text[size] = '\0';
    }
}

bool str_chomp(struct str *s, const char *suffix)
{
    size_t n = strlen(suffix);
    if (n > s->size || memcmp(s->text + s->size - n, suffix, n))
        return false;
    str_trim(s, s->size - n);
    return true;
}

void str_separate(struct str *s, const char *separator)
{
    size_t n = strlen(separator);
    if (!s->size || s->text[s->size - 1] == '(')
        return;
    if (n <= s->size && !memcmp(s->text + s->size - n, separator, n))
        return;
    str_put(s, separator);
}

bool str_to_u64(const char *text, int base, uint64_t max, uint64_t *ret)
{
    // strtoull() skips blanks and takes a sign; neither is a number here.
    bool starts =
        (*text >= '0' && *text <= '9') || (base == 16 && strchr("abcdefABCDEF", *text) && *text);
    if (!starts)
        return false;
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, base);
    if (errno || *end || v > max)
        return false;
    *ret = v;
    return true;
}

bool str_to_u32(const char *text, int base, uint32_t *ret)
{
    uint64_t v;
    if (!str_to_u64(text, base, UINT32_MAX, &v))
        return false;
    *ret = (uint32_t)v;
    return true;
}

bool str_to_i64(const char *text, int base, int64_t *ret)
{
    bool negative = *text == '-';
    uint64_t v;
    if (!str_to_u64(text + negative, base, (uint64_t)INT64_MAX + negative, &v))
        return false;
    *ret = negative ? (int64_t)-v : (int64_t)v;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool str_from_hex(const char *text, void *dst, size_t n)
{
    uint8_t *bytes = dst;
    if (strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool str_starts(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

bool str_copy(char *dst, size_t dst_size, const char *src)
{
    size_t n = strlen(src);
    size_t copied = MIN_OF(n, dst_size - 1);
    memcpy(dst, src, copied);
    dst[copied] = '\0';
    return copied == n;
}
