// SPDX-License-Identifier: Apache-2.0
// Finding the ends of JSON objects in a stream of bytes.
//
// A state of four values (depth, in a string, after a backslash, broken) is enough: brackets and
// braces count only outside strings. Used by jsonrpc.c; pure. Invariant: 'text' holds the bytes of
// the present object from its '{' on, and is complete exactly when depth has come back to 0.
#include "lib/io/json_frame.h"

#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"

#define DEFAULT_MAX_SIZE (64 * 1024 * 1024)
#define DEFAULT_MAX_DEPTH 200

void json_frame_init(struct json_frame *f, const struct json_frame_limits *limits)
{
    *f = (struct json_frame){.text = BUF_INIT};
    if (limits)
        f->limits = *limits;
    if (!f->limits.max_size)
        f->limits.max_size = DEFAULT_MAX_SIZE;
    if (!f->limits.max_depth)
        f->limits.max_depth = DEFAULT_MAX_DEPTH;
}

void json_frame_done(struct json_frame *f)
{
    if (f)
        buf_done(&f->text);
}

bool json_frame_idle(const struct json_frame *f)
{
    return !f->depth && !f->broken;
}

static int broken(struct json_frame *f, struct err *err, int code, const char *sentence)
{
    f->broken = true;
    return err_set(err, code, "%s", sentence);
}

// Length of the run inside a string that needs no attention.
static size_t plain_run(const char *at, const char *end)
{
    const char *p = at;
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return (size_t)(p - at);
}

// One byte outside a string. 1: the object ends with it.
static int structure(struct json_frame *f, char c, struct err *err)
{
    switch (c) {
    case '"':
        f->in_string = true;
        return 0;
    case '{':
    case '[':
        if (++f->depth > f->limits.max_depth)
            return broken(f, err, -EPROTO, "JSON is nested too deep");
        return 0;
    case '}':
    case ']':
        return --f->depth == 0;
    default:
        return 0;
    }
}

// Looks at bytes of an object up to its end. *ret_used counts them, the last one included.
static int scan(struct json_frame *f, const char *at, size_t size, size_t *ret_used,
                struct err *err)
{
    const char *p = at, *end = at + size;
    int result = 0;
    while (p < end && !result) {
        if (f->escaped) {
            f->escaped = false;
            p++;
        } else if (f->in_string) {
            p += plain_run(p, end);
            if (p == end)
                break;
            if (*p == '\\')
                f->escaped = true;
            else
                f->in_string = false;
            p++;
        } else {
            result = structure(f, *p++, err);
        }
    }
    *ret_used = (size_t)(p - at);
    return result;
}

int json_frame_feed(struct json_frame *f, const void *data, size_t size, size_t *ret_used,
                    struct err *err)
{
    const char *text = data;
    size_t skipped = 0, used = 0;
    if (f->broken)
        return err_set(err, -EPROTO, "JSON was broken before");
    if (!f->depth) {
        buf_clear(&f->text);
        while (skipped < size && strchr(" \t\r\n", text[skipped]) && text[skipped])
            skipped++;
        if (skipped == size) {
            *ret_used = size;
            return 0;
        }
        if (text[skipped] != '{')
            return broken(f, err, -EPROTO, "expected a JSON object");
    }
    int result = scan(f, text + skipped, size - skipped, &used, err);
    if (result < 0)
        return result;
    if (used > f->limits.max_size || f->text.size > f->limits.max_size - used)
        return broken(f, err, -EMSGSIZE, "JSON object is too long");
    buf_put(&f->text, text + skipped, used);
    *ret_used = skipped + used;
    return result;
}
