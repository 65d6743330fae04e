// SPDX-License-Identifier: Apache-2.0
// Headers as the datapath's dialect writes them, "ipv4(src=…,dst=…)": keys print and read them, and
// so do set() actions. Private to this folder.
#pragma once

#include "lib/base/str.h"
#include "lib/flow/key.h"

enum key_form {
    FORM_DEC,      // a decimal number, its mask in hexadecimal; network order if wider than a byte
    FORM_HEX,      // hexadecimal, "0" for zero
    FORM_HEX_HOST, // likewise, in host order
    FORM_HEX_0X,   // hexadecimal, "0x0" for zero
    FORM_LABEL,    // FORM_HEX of 20 bits
    FORM_WIDE,     // FORM_HEX of 16 bytes
    FORM_ETH,
    FORM_IPV4,
    FORM_IPV6,
    FORM_FRAG,
    FORM_TUNNEL_FLAGS, // flags(…), not name=
    FORM_GBP,          // vxlan(gbp(id=…,flags=…))
};

// One part of a header. Parts of a header with one part without a name stand alone:
// "skb_mark(0x5)".
struct key_part {
    const char *name; // NULL: alone
    uint16_t offset;  // in struct flow_key
    uint8_t size;
    enum key_form form;
};

struct key_header {
    const char *name;
    const struct key_part *parts;
    unsigned n_parts;
};

extern const struct key_header key_headers[];
extern const unsigned n_key_headers;

const struct key_header *key_header_find(const char *name, size_t len); // NULL: none such
bool key_header_is_masked(const struct key_header *, const struct flow_key *mask);
// "name(part=value/mask,…)" with the parts that are masked. Flags are written out "a|b" when
// `all_flags`.
void key_header_format(const struct key_header *, const struct flow_key *key,
                       const struct flow_key *mask, bool all_flags, struct str *out);
// One value of a part; the text is NUL-terminated. -EINVAL.
int key_part_parse(const struct key_part *, const char *text, struct flow_key *key,
                   struct flow_key *mask);

// What the table can't say: tags are parts of a word, labels of an array.
void key_vlan_format(be16_t tci, be16_t mask, struct str *out); // "vid=5,pcp=0"
void key_mpls_format(const be32_t *lse, const be32_t *mask,
                     struct str *out); // "label=5,tc=0,ttl=64,bos=1", of each
