// SPDX-License-Identifier: Apache-2.0
// nicsim's frame parser on arbitrary bytes. Beyond what the sanitizers see, two truths about it: a
// tag in the frame and the same tag beside the frame give the same key, and bytes behind the first
// NICSIM_PARSE_MAX never matter.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "drivers/nicsim/core/eswitch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tag_beside(const uint8_t *data, size_t size, const struct nicsim_key *key)
{
    uint16_t tpid, tci;
    struct nicsim_key beside;

    if (size < 18 || size > NICSIM_PARSE_MAX)
        return;
    memcpy(&tpid, data + 12, 2);
    memcpy(&tci, data + 14, 2);
    if (tpid != htons(0x8100) && tpid != htons(0x88a8))
        return;
    uint8_t *bare = malloc(size - 4);
    memcpy(bare, data, 12);
    memcpy(bare + 12, data + 16, size - 16);
    if (nicsim_parse(3, tpid, tci, bare, size - 4, &beside) || memcmp(key, &beside, sizeof beside))
        abort();
    free(bare);
}

static void check_long_tail(const uint8_t *data, size_t size, const struct nicsim_key *key)
{
    struct nicsim_key cut;

    if (size <= NICSIM_PARSE_MAX)
        return;
    if (nicsim_parse(3, 0, 0, data, NICSIM_PARSE_MAX, &cut) || memcmp(key, &cut, sizeof cut))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nicsim_key key;

    memset(&key, 0xee, sizeof key);
    if (nicsim_parse(3, 0, 0, data, size, &key)) {
        if (size >= 14)
            abort();
        return 0;
    }
    check_tag_beside(data, size, &key);
    check_long_tail(data, size, &key);
    return 0;
}
