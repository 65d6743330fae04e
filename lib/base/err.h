// SPDX-License-Identifier: Apache-2.0
// An error that a person may read: a negative errno and one sentence.
//
// A function that can fail for reasons worth a sentence takes 'struct err *err' as its last
// argument and returns the same negative errno that it puts there. Callers that don't care pass
// NULL; every function here accepts NULL. The holder of a struct err owns the sentence and ends
// with err_done() (or declares it with AUTO_ERR).
//
// Thread: any, one struct err belongs to one thread at a time. Nothing here blocks or fails.
#pragma once

#include "lib/base/compiler.h"

struct err {
    int code;       // negative errno; 0: no error
    char *sentence; // owned, no newline, no full stop at the end; NULL: no error
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        0, NULL                                                                                    \
    }
// Declares a local that is released when it goes out of scope.
#define AUTO_ERR(name) __attribute__((cleanup(err_done))) struct err name = ERR_INIT

// Replaces what 'err' holds and returns 'code', so that a caller can write
// `return err_set(err, -EINVAL, "port %u is taken", port);`. 'code' must be a negative errno.
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

// As err_set(), and appends ": " and the text of 'code' (strerror).
int err_set_errno(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

// Puts "<prefix>: " before the sentence; nothing happens while no error is set.
void err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

// Frees the sentence and leaves 'err' as ERR_INIT.
void err_done(struct err *err);

// Moves the error out: 'err' is ERR_INIT afterwards, the caller owns what is returned.
struct err err_steal(struct err *err);

// Moves *from into *to, whose old content is freed. Returns the code. With to == NULL, *from is
// just released.
int err_move(struct err *to, struct err *from);

// A copy that the caller owns.
struct err err_clone(const struct err *err);

static inline bool err_is_set(const struct err *err)
{
    return err && err->code;
}

// The sentence, or the text of the code, or "no error". Valid until 'err' changes.
const char *err_text(const struct err *err);
