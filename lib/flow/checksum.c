// SPDX-License-Identifier: Apache-2.0
// Internet checksums and CRC32c. Sums are taken in memory order: the ones' complement sum of
// byte-swapped words is the byte-swapped sum (RFC 1071, section 2 B), so nothing here depends on
// the host's byte order. Thread: any, no state.
#include "lib/flow/checksum.h"

#include <arpa/inet.h>
#include <string.h>

uint32_t checksum_add(uint32_t sum, const void *data, size_t n)
{
    const uint8_t *at = data;
    uint64_t wide = sum;
    uint32_t word;

    for (; n >= 4; at += 4, n -= 4) {
        memcpy(&word, at, 4);
        wide += word;
    }
    if (n) {
        word = 0;
        memcpy(&word, at, n);
        wide += word;
    }
    wide = (wide & UINT32_MAX) + (wide >> 32);
    wide = (wide & UINT32_MAX) + (wide >> 32);
    return (uint32_t)wide;
}

uint16_t checksum_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

uint32_t checksum_pseudo4(be32_t src, be32_t dst, uint8_t proto, uint16_t len)
{
    uint32_t sum = checksum_add32(src, dst);
    sum = checksum_add16(sum, htons(proto));
    return checksum_add16(sum, htons(len));
}

uint32_t checksum_pseudo6(const void *src, const void *dst, uint8_t proto, uint32_t len)
{
    uint32_t sum = checksum_add(0, src, 16);
    sum = checksum_add(sum, dst, 16);
    sum = checksum_add32(sum, htonl(len));
    return checksum_add16(sum, htons(proto));
}

uint32_t checksum_replace(uint8_t *at, const void *value, const void *mask, size_t n)
{
    const uint8_t *v = value, *m = mask;
    uint32_t delta = 0;
    uint16_t word;

    for (size_t i = 0; i < n; i += 2) {
        memcpy(&word, at + i, 2);
        delta = checksum_add16(delta, (be16_t)~word);
        for (size_t k = i; k < i + 2; k++)
            at[k] = m ? (uint8_t)((at[k] & ~m[k]) | (v[k] & m[k])) : v[k];
        memcpy(&word, at + i, 2);
        delta = checksum_add16(delta, word);
    }
    return delta;
}

void checksum_update(uint8_t *field, uint32_t delta)
{
    uint16_t stored;
    memcpy(&stored, field, 2);
    stored = (uint16_t)~checksum_fold(checksum_add16(delta, (be16_t)~stored));
    memcpy(field, &stored, 2);
}

void checksum_update_pending(uint8_t *field, uint32_t delta)
{
    uint16_t stored;
    memcpy(&stored, field, 2);
    stored = checksum_fold(checksum_add16(delta, stored));
    memcpy(field, &stored, 2);
}

// Polynomial 0x1edc6f41, reflected; bit by bit, which serves a rare edit.
uint32_t crc32c(const void *data, size_t n)
{
    const uint8_t *at = data;
    uint32_t crc = UINT32_MAX;

    while (n--) {
        crc ^= *at++;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return ~crc;
}
