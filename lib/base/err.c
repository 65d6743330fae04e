// SPDX-License-Identifier: Apache-2.0
// The error object: a negative errno with a sentence.
//
// Used by every room; uses only lib/base/mem.h. Stateless, so any thread may call it. Invariant: a
// set error has code < 0 and a sentence; a clear one is all zero.
#include "lib/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"

static void err_put(struct err *err, int code, char *sentence)
{
    assert(code < 0);
    free(err->sentence);
    err->code = code < 0 ? code : -EINVAL;
    err->sentence = sentence;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    err_put(err, code, xvasprintf(fmt, args));
    va_end(args);
    return code;
}

int err_set_errno(struct err *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    char reason[128];
    va_list args;
    va_start(args, fmt);
    AUTO_FREE char *what = xvasprintf(fmt, args);
    va_end(args);
    err_put(err, code, xasprintf("%s: %s", what, strerror_r(-code, reason, sizeof(reason))));
    return code;
}

void err_prefix(struct err *err, const char *fmt, ...)
{
    if (!err_is_set(err))
        return;
    va_list args;
    va_start(args, fmt);
    AUTO_FREE char *prefix = xvasprintf(fmt, args);
    va_end(args);
    err_put(err, err->code, xasprintf("%s: %s", prefix, err->sentence ? err->sentence : ""));
}

void err_done(struct err *err)
{
    if (err) {
        free(err->sentence);
        *err = (struct err)ERR_INIT;
    }
}

struct err err_steal(struct err *err)
{
    struct err out = ERR_INIT;
    if (err) {
        out = *err;
        *err = (struct err)ERR_INIT;
    }
    return out;
}

int err_move(struct err *to, struct err *from)
{
    struct err moved = err_steal(from);
    int code = moved.code;
    if (to == from) { // nothing to move
        *to = moved;
        return code;
    }
    if (to) {
        err_done(to);
        *to = moved;
    } else {
        err_done(&moved);
    }
    return code;
}

struct err err_clone(const struct err *err)
{
    struct err copy = ERR_INIT;
    if (err_is_set(err)) {
        copy.code = err->code;
        copy.sentence = err->sentence ? xstrdup(err->sentence) : NULL;
    }
    return copy;
}

const char *err_text(const struct err *err)
{
    if (!err_is_set(err))
        return "no error";
    return err->sentence ? err->sentence : strerrordesc_np(-err->code);
}
