// SPDX-License-Identifier: Apache-2.0
// Values as text: the parts that both dialects share. Private to this folder; others use
// lib/flow/text.h.
#pragma once

#include "lib/base/str.h"
#include "lib/flow/field.h"
#include "lib/flow/text.h"

void ipv4_format(be32_t addr, struct str *out);
// "a.b.c.d", with "/n" for a prefix or "/m.m.m.m" for another mask that isn't all ones.
void ipv4_format_masked(be32_t addr, be32_t mask, struct str *out);
void ipv6_format_masked(const struct in6_addr *addr, const struct in6_addr *mask, struct str *out);
// "a", "a/24", "a/mask". -EINVAL.
int ipv4_parse_masked(const char *text, be32_t *ret_addr, be32_t *ret_mask);
int ipv6_parse_masked(const char *text, struct in6_addr *ret_addr, struct in6_addr *ret_mask);
int eth_parse_masked(const char *text, struct eth_addr *ret_addr, struct eth_addr *ret_mask);
void eth_format_masked(const struct eth_addr *addr, const struct eth_addr *mask, struct str *out);
bool is_all_zeros(const void *data, size_t n);
bool is_all_ones(const void *data, size_t n);

// "LOCAL", "5".
void ofp_port_format(ofp_port_t, struct str *out);
int ofp_port_parse(const char *text, ofp_port_t *ret_port); // -EINVAL

// A big-endian number as "0x1234", "0" for zero.
void hex_format(const uint8_t *bytes, size_t n, struct str *out);
// A number of at most n bytes, in any base that str_to_u64() takes; wider than 8 bytes in
// hexadecimal. -EINVAL, -ERANGE.
int number_parse(const char *text, size_t len, uint8_t *ret_bytes, size_t n);
