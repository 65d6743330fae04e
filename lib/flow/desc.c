// SPDX-License-Identifier: Apache-2.0
// The identity of megaflows. A UFID is a fixed prefix, by which a dump tells our flows from another
// program's, and a hash that any process of any version computes alike: over the bytes of the
// canonical key and mask, with the port's name in place of its number, which differs between tiers
// and restarts. Members of struct flow_key that are host-order integers are hashed as they are, so
// UFIDs are equal between machines of one byte order only; they never leave the machine. Thread:
// any.
#include "lib/flow/desc.h"

#include <errno.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/str.h"

#define UFID_SEED                                                                                  \
    UINT64_C(0x536c756963650001) // part of the format: changing it needs a new UFID_FORMAT

struct ufid flow_desc_ufid(const struct flow_key *key, const struct flow_key *mask,
                           const char *in_port_name, uint8_t instance)
{
    struct {
        struct flow_key key, mask;
        char port[64];
    } input;
    uint8_t hash[16];
    struct ufid ufid;

    const uint64_t *k = (const uint64_t *)key, *m = (const uint64_t *)mask;
    uint64_t *masked = (uint64_t *)&input.key;
    for (size_t i = 0; i < FLOW_KEY_U64S; i++)
        masked[i] = k[i] & m[i];
    input.mask = *mask;
    input.key.in_port = 0;
    memset(input.port, 0, sizeof(input.port));
    if (mask->in_port && in_port_name)
        str_copy(input.port, sizeof(input.port), in_port_name);
    hash_bytes128(&input, sizeof(input), UFID_SEED, hash);

    ufid.b[0] = UFID_MAGIC >> 8;
    ufid.b[1] = UFID_MAGIC & 0xff;
    ufid.b[2] = UFID_FORMAT;
    ufid.b[3] = instance;
    memcpy(ufid.b + 4, hash, 12);
    return ufid;
}

bool ufid_is_ours(const struct ufid *ufid, uint8_t instance)
{
    return ufid->b[0] == UFID_MAGIC >> 8 && ufid->b[1] == (UFID_MAGIC & 0xff) &&
           ufid->b[2] == UFID_FORMAT && ufid->b[3] == instance;
}

bool ufid_equal(const struct ufid *a, const struct ufid *b)
{
    return !memcmp(a, b, sizeof(*a));
}

static bool dash_before(unsigned byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void ufid_format(const struct ufid *ufid, char out[UFID_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < 16; i++) {
        if (dash_before(i))
            *out++ = '-';
        *out++ = digits[ufid->b[i] >> 4];
        *out++ = digits[ufid->b[i] & 15];
    }
    *out = '\0';
}

int ufid_parse(const char *text, struct ufid *ret_ufid)
{
    struct ufid ufid;
    if (strlen(text) != UFID_TEXT_LEN)
        return -EINVAL;
    for (unsigned i = 0; i < 16; i++) {
        if (dash_before(i) && *text++ != '-')
            return -EINVAL;
        char byte[3] = {text[0], text[1], '\0'};
        if (!str_from_hex(byte, &ufid.b[i], 1))
            return -EINVAL;
        text += 2;
    }
    *ret_ufid = ufid;
    return 0;
}

void flow_desc_done(struct flow_desc *desc)
{
    act_list_done(&desc->actions);
}

void flow_desc_clone(struct flow_desc *dst, const struct flow_desc *src)
{
    dst->ufid = src->ufid;
    dst->key = src->key;
    dst->mask = src->mask;
    act_list_clone(&dst->actions, &src->actions);
}
