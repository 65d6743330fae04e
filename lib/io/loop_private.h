// SPDX-License-Identifier: Apache-2.0
// For the rooms' own objects that nobody owns any more but that still work (a stream that sends its
// last bytes): they end with the loop at the latest. Not for others.
#pragma once

#include "lib/io/loop.h"

struct loop_orphan {
    void (*end)(struct loop_orphan *o); // frees the object and takes it off with loop_disown()
    struct loop_orphan *next, *prev;
};
void loop_adopt(struct loop *loop, struct loop_orphan *o);
void loop_disown(struct loop *loop, struct loop_orphan *o);
