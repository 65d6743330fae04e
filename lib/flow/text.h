// SPDX-License-Identifier: Apache-2.0
// Text forms. Two dialects exist in the field and both are kept to the letter, because people's scripts parse them:
//   - OpenFlow's, of ovs-ofctl: "priority=10,ip,nw_src=10.0.0.0/8"
//   - the datapath's, of dpctl/dump-flows: "in_port(2),eth(src=…),eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0,…)"
#pragma once

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/flow/action.h"

void match_format(const struct match *, struct str *out); // OpenFlow form, without priority
int match_parse(const char *text, struct match *ret_match, struct err *); // likewise; -EINVAL and a sentence

// Datapath form. A mask of NULL means exact.
void flow_key_format(const struct flow_key *key, const struct flow_key *mask, dp_port_name_fn *, const void *aux, struct str *out);
int flow_key_parse(const char *text, struct flow_key *ret_key, struct flow_key *ret_mask, struct err *);

void field_value_format(const struct field *, const struct field_value *value, const struct field_value *mask, struct str *out);
int field_value_parse(const struct field *, const char *text, struct field_value *ret_value, struct field_value *ret_mask, struct err *);

void eth_addr_format(const struct eth_addr *, struct str *out);
int eth_addr_parse(const char *, struct eth_addr *ret_addr); // -EINVAL
