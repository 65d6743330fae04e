// SPDX-License-Identifier: Apache-2.0
// Finds where one JSON object ends and the next begins in a stream of bytes (RFC 7047 section 4.1:
// messages follow each other without a delimiter).
//
// Each byte is looked at once, however the stream is cut. It checks just enough to find the end:
// quotes, escapes and the nesting of brackets; whether the text is JSON is for the parser. A pure
// library: no input or output. Thread: any, one at a time.
#pragma once

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct json_frame_limits {
    size_t max_size;    // bytes of one object, default 64 MiB
    unsigned max_depth; // nesting, default 200
};

struct json_frame {
    struct json_frame_limits limits;
    struct buf text; // the object so far
    unsigned depth;
    bool in_string, escaped;
    bool broken;
};

// 'limits' may be NULL, and zero members mean the defaults.
void json_frame_init(struct json_frame *f, const struct json_frame_limits *limits);
void json_frame_done(struct json_frame *f);

// Takes bytes up to the end of the present object. *ret_used is how many were taken. Returns 1 when
// an object is complete (its bytes are f->text, until the next call, which starts a new one), 0
// when more input is needed (all was taken), or -EPROTO (something else than an object, too deep),
// -EMSGSIZE (too long), after which every call fails.
int json_frame_feed(struct json_frame *f, const void *data, size_t size, size_t *ret_used,
                    struct err *err);
// True between objects: a connection that ends here ends cleanly.
bool json_frame_idle(const struct json_frame *f);
