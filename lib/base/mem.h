// SPDX-License-Identifier: Apache-2.0
// Allocation that never returns NULL, and ownership of locals.
//
// The x-functions abort the process when memory is exhausted (the one place where it may): a
// switch that can't allocate can't do anything useful, and nothing outside can reach it except
// through sizes, which every parser bounds first. Memory is released with free().
//
// Thread: any. May block as malloc does. Not for the hot paths.
#pragma once

#include <stdarg.h>
#include <stdlib.h>

#include "lib/base/compiler.h"

void *xmalloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2), returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((alloc_size(2), returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size)
    __attribute__((alloc_size(2, 3), returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t max) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *p, size_t size) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((malloc, returns_nonnull));
char *xvasprintf(const char *fmt, va_list args) PRINTF_LIKE(1, 0)
    __attribute__((malloc, returns_nonnull));
// 'size' bytes aligned to 'align' (a power of two, at least sizeof(void *)), zeroed.
void *xaligned(size_t align, size_t size) __attribute__((malloc, returns_nonnull));

// One zeroed object of a type: `struct port *p = NEW(struct port);`
#define NEW(type) ((type *)xcalloc(1, sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)xcalloc((n), sizeof(type)))

// Grows 'array' (elements counted by 'capacity') so that it holds at least 'want' elements.
#define GROW_ARRAY(array, capacity, want)                                                          \
    do {                                                                                           \
        if ((size_t)(want) > (size_t)(capacity)) {                                                 \
            size_t grow_to_ = MAX_OF((size_t)(want), (size_t)(capacity)*2 + 4);                    \
            (array) = xreallocarray((array), grow_to_, sizeof(*(array)));                          \
            (capacity) = grow_to_;                                                                 \
        }                                                                                          \
    } while (0)

// A local that is freed, or a descriptor that is closed, at the end of its scope:
// `AUTO_FREE char *name = NULL;`   `AUTO_CLOSE int fd = -1;`   `AUTO(buf_done) struct buf b = ...`
#define AUTO(fn) __attribute__((cleanup(fn)))
#define AUTO_FREE AUTO(auto_free_)
#define AUTO_CLOSE AUTO(auto_close_)
// AUTO_DEFINE(port_unref, struct port *) makes auto_port_unref() for AUTO(auto_port_unref).
#define AUTO_DEFINE(fn, type)                                                                      \
    static inline UNUSED void auto_##fn(type *p)                                                   \
    {                                                                                              \
        fn(*p);                                                                                    \
    }

// The value of a variable, which is NULL (or -1) afterwards: `return STEAL_PTR(p);`
#define STEAL_PTR(p)                                                                               \
    ({                                                                                             \
        __typeof__(&(p)) steal_at_ = &(p);                                                         \
        __typeof__(p) steal_value_ = *steal_at_;                                                   \
        *steal_at_ = NULL;                                                                         \
        steal_value_;                                                                              \
    })
#define STEAL_FD(fd)                                                                               \
    ({                                                                                             \
        int *steal_fd_at_ = &(fd);                                                                 \
        int steal_fd_ = *steal_fd_at_;                                                             \
        *steal_fd_at_ = -1;                                                                        \
        steal_fd_;                                                                                 \
    })

void auto_close_(int *fd); // closes unless negative; keeps errno
static inline void auto_free_(void *p)
{
    free(*(void **)p);
}
