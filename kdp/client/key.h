// SPDX-License-Identifier: Apache-2.0
// The table of headers that keys, masks and masked sets share. Inside kdp/client only; pure.
#pragma once

#include "kdp/client/internal.h"

struct kdp_part {
    uint16_t key_offset, abi_offset;
    uint8_t size; // 0: end of the list
};

struct kdp_header {
    uint16_t attr; // OVS_KEY_ATTR_*
    uint16_t size; // of the ABI's struct
    enum field_prereq prereq; // what a packet must be to have it
    struct kdp_part parts[7];
};
extern const struct kdp_header kdp_headers[];
extern const size_t kdp_n_headers;

bool kdp_header_applies(const struct kdp_header *, const struct flow_key *);
void kdp_header_fill(const struct kdp_header *, const struct flow_key *from, void *to); // h->size bytes; frag not
void kdp_header_read(const struct kdp_header *, const void *from, struct flow_key *to);
