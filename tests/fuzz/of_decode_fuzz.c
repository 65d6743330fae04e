// SPDX-License-Identifier: Apache-2.0
// OpenFlow messages of any bytes. A flow mod that is taken, encoded and taken again is the same
// one; so is what was encoded of it, byte for byte. Actions likewise.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "slowpath/openflow/actions.h"
#include "slowpath/openflow/flow_mod.h"
#include "slowpath/openflow/port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool decode(const uint8_t *p, struct flow_mod *fm)
{
    struct of_msg m;
    bool none;
    return !of_msg_parse(p, &m) && !of_flow_mod_get(&m, true, fm, &none);
}

static void same_again(const struct flow_mod *fm, uint8_t version, bool nxm)
{
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct flow_mod back;
    of_flow_mod_put(&first, version, nxm, true, fm);
    // What grew over the longest message can't be said. Fields that 1.0 can't match make the match
    // wider, which some actions then don't bear.
    if (first.size <= OFP_MAX_LEN && decode(first.data, &back)) {
        assert(back.command == fm->command && back.priority == fm->priority);
        of_flow_mod_put(&second, version, nxm, true, &back);
        assert(second.size == first.size && !memcmp(second.data, first.data, first.size));
        flow_mod_done(&back);
    }
    buf_done(&first);
    buf_done(&second);
}

static void flow_mod(const uint8_t *message)
{
    struct flow_mod fm;
    if (!decode(message, &fm))
        return;
    same_again(&fm, message[0], message[1] == OFPT_VENDOR);
    same_again(&fm, OF13, false);
    flow_mod_done(&fm);
}

static void actions(const uint8_t *p, size_t n, uint8_t version, bool instructions)
{
    struct ofpact_list list, back;
    struct buf b = BUF_INIT, again = BUF_INIT;
    ofpact_list_init(&list);
    ofpact_list_init(&back);
    enum of_error e =
        instructions ? of_instructions_get(p, n, &list) : of_actions_get(p, n, version, &list);
    ofpact_list_check(&list, NULL, 0, true, NULL);
    if (!e && instructions) {
        of_rule_actions_put(&b, OF13, &list, NULL);
        assert(b.size > OFP_MAX_LEN || !of_instructions_get(b.data, b.size, &back));
        of_rule_actions_put(&again, OF13, &back, NULL);
    } else if (!e) {
        of_actions_put(&b, version, &list);
        assert(b.size > OFP_MAX_LEN || !of_actions_get(b.data, b.size, version, &back));
        of_actions_put(&again, version, &back);
    }
    if (!e && b.size && b.size <= OFP_MAX_LEN)
        assert(b.size == again.size && !memcmp(b.data, again.data, b.size));
    ofpact_list_done(&list);
    ofpact_list_done(&back);
    buf_done(&b);
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < sizeof(struct ofp_header) || size > OFP_MAX_LEN)
        return 0;
    uint8_t *message = malloc(size); // of exactly this size, so that reading on is seen
    struct ofp_header *h = (struct ofp_header *)message;
    memcpy(message, data, size);
    h->version = h->version & 1 ? OF10 : OF13;
    h->length = htons((uint16_t)size);
    struct of_msg m;
    if (!of_msg_parse(message, &m)) {
        struct of_port_mod mod;
        if (m.kind == OF_MSG_PLAIN && m.number == OFPT_FLOW_MOD)
            flow_mod(message);
        else if (m.kind == OF_MSG_NXT && m.number == NXT_FLOW_MOD)
            flow_mod(message);
        else if (m.body_len >= sizeof(struct ofp13_port_mod))
            of_port_mod_get(&m, &mod);
        if (m.kind == OF_MSG_PLAIN && m.number == OFPT_PACKET_OUT)
            actions(m.body, m.body_len, m.version, false);
        if (m.kind == OF_MSG_PLAIN && m.number == OFPT_HELLO)
            actions(m.body, m.body_len, m.version, true);
    }
    free(message);
    return 0;
}
