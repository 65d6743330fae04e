// SPDX-License-Identifier: Apache-2.0
// Row identifiers. See uuid.h.
//
// Random bytes come from the kernel a pool at a time, a pool per thread, because an insert needs
// two identifiers and a system call for each would show. A pool drawn before fork() would be handed
// out on both sides, so the child's is discarded.
#include "ovsdb/schema/uuid.h"

#include <pthread.h>

#include "lib/base/random.h"

static __thread struct {
    struct ovsdb_uuid uuids[64];
    unsigned left;
    unsigned generation;
} pool;

static unsigned fork_generation = 1;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void fork_child(void)
{
    fork_generation++;
}

static void fork_watch(void)
{
    pthread_atfork(NULL, NULL, fork_child);
}

static void pool_fill(void)
{
    pthread_once(&fork_once, fork_watch);
    random_secure(pool.uuids, sizeof pool.uuids);
    pool.left = sizeof pool.uuids / sizeof *pool.uuids;
    pool.generation = fork_generation;
}

struct ovsdb_uuid ovsdb_uuid_random(void)
{
    if (!pool.left || pool.generation != fork_generation)
        pool_fill();

    struct ovsdb_uuid uuid = pool.uuids[--pool.left];
    uuid.bytes[6] = (uuid.bytes[6] & 0x0f) | 0x40; // version 4
    uuid.bytes[8] = (uuid.bytes[8] & 0x3f) | 0x80; // variant 1
    return uuid;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool ovsdb_uuid_parse(const char *text, struct ovsdb_uuid *ret_uuid)
{
    struct ovsdb_uuid uuid;

    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
            return false;

        int high = hex_value(text[0]);
        int low = high < 0 ? -1 : hex_value(text[1]);
        if (low < 0)
            return false;
        uuid.bytes[i] = high << 4 | low;
        text += 2;
    }
    if (*text)
        return false;
    *ret_uuid = uuid;
    return true;
}

char *ovsdb_uuid_format(const struct ovsdb_uuid *uuid, char text[OVSDB_UUID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    char *p = text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[uuid->bytes[i] >> 4];
        *p++ = digits[uuid->bytes[i] & 15];
    }
    *p = '\0';
    return text;
}
