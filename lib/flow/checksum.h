// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071), its incremental update (RFC 1624), and SCTP's CRC32c (RFC 9260,
// appendix A).
//
// A sum is a 32-bit accumulator of big-endian 16-bit words in memory order; it is folded when it is
// stored. Thread: any; nothing blocks or allocates.
#pragma once

#include "lib/base/compiler.h"
#include "lib/flow/types.h"

// The sum of n bytes that begin at an even offset of what is summed. A last odd byte counts as the
// first of a word.
uint32_t checksum_add(uint32_t sum, const void *data, size_t n);
// The sum as 16 bits, not complemented; in the memory order of the words.
uint16_t checksum_fold(uint32_t sum);

static inline uint32_t checksum_add16(uint32_t sum, be16_t word)
{
    sum += word;
    return sum + (sum < word); // end-around carry
}
static inline uint32_t checksum_add32(uint32_t sum, be32_t word)
{
    sum += word;
    return sum + (sum < word);
}

// The pseudo-headers of TCP, UDP and (IPv6) ICMPv6; `len` bytes of layer 4.
uint32_t checksum_pseudo4(be32_t src, be32_t dst, uint8_t proto, uint16_t len);
uint32_t checksum_pseudo6(const void *src, const void *dst, uint8_t proto, uint32_t len);

// Replaces the n bytes (n even, at an even offset of what is summed) at `at` by `value` where
// `mask` has bits (NULL: all) and returns what that adds to the sum: the new words plus the
// complements of the old.
uint32_t checksum_replace(uint8_t *at, const void *value, const void *mask, size_t n);
// Brings a stored, complemented checksum up to date by that.
void checksum_update(uint8_t *field, uint32_t delta);
// Likewise a stored sum that is not complemented: a pending checksum, of the pseudo-header alone.
void checksum_update_pending(uint8_t *field, uint32_t delta);

uint32_t crc32c(const void *data, size_t n); // as SCTP stores it, little-endian
