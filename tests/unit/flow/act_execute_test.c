// SPDX-License-Identifier: Apache-2.0
// Running lists of actions: who owns what (LeakSanitizer watches), what copies share, and where a
// list ends.
#include "tests/unit/flow/packet_test.h"

#include "lib/base/str.h"

// Tells what happened, in order: "1:60 u:60 …".
struct log {
    struct str text;
    bool go_on; // what other() answers
};

static void on_output(void *aux, dp_port_t port, struct packet *p)
{
    struct log *log = aux;
    struct flow_key k;
    packet_extract(p, &k);
    str_printf(&log->text, "%u:tci=%04x,ttl=%u,cut=%u ", port, ntohs(k.vlan[0].tci), k.ip_ttl,
               p->cut_len);
    packet_free(p);
}

static void on_userspace(void *aux, const struct act *a, const struct flow_key *k, struct packet *p)
{
    struct log *log = aux;
    str_printf(&log->text, "u%u:ttl=%u ", a->userspace.cookie, k->ip_ttl);
    packet_free(p);
}

static bool on_other(void *aux, const struct act *a, struct packet *p)
{
    struct log *log = aux;
    str_printf(&log->text, "%s ", act_type_name(a->type));
    return log->go_on;
}

static void expect(struct act_list *list, bool go_on, const char *want)
{
    struct log log = {STR_INIT, go_on};
    const struct act_sink sink = {on_output, on_userspace, on_other, &log};
    struct flow_key k;
    memset(&k, 0, sizeof(k));
    k.eth_type = htons(0x0800);
    k.ip_ttl = 2;
    act_execute(list, packet_compose(&k, 46), &sink);
    assert_string_equal(str_text(&log.text), want);
    str_done(&log.text);
    act_list_done(list);
}

static void output(struct act_list *l, dp_port_t port)
{
    act_list_add(l, ACT_OUTPUT)->port = port;
}

static void outputs_and_edits_in_order(void **state)
{
    struct act_list l = {0};
    output(&l, 1);
    struct act *push = act_list_add(&l, ACT_PUSH_VLAN);
    push->push_vlan.tpid = htons(0x8100);
    push->push_vlan.tci = htons(0x1005);
    output(&l, 2);
    act_list_add(&l, ACT_DEC_TTL);
    act_list_add(&l, ACT_POP_VLAN);
    output(&l, 3);
    expect(&l, true, "1:tci=0000,ttl=2,cut=0 2:tci=1005,ttl=2,cut=0 3:tci=0000,ttl=1,cut=0 ");
}

static void lists_end(void **state)
{
    struct act_list l = {0};
    expect(&l, true, "");
    output(&l, 1);
    act_list_add(&l, ACT_DROP);
    output(&l, 2);
    expect(&l, true, "1:tci=0000,ttl=2,cut=0 ");
    act_list_add(&l, ACT_DEC_TTL);
    act_list_add(&l, ACT_DEC_TTL);
    output(&l, 1);
    expect(&l, true, "");
    act_list_add(&l, ACT_RECIRC);
    output(&l, 1);
    expect(&l, false, "recirc ");
    act_list_add(&l, ACT_METER);
    output(&l, 1);
    expect(&l, true, "meter 1:tci=0000,ttl=2,cut=0 ");
}

static void truncation_is_for_one_output(void **state)
{
    struct act_list l = {0};
    act_list_add(&l, ACT_TRUNC)->trunc_len = 20;
    output(&l, 1);
    output(&l, 2);
    expect(&l, true, "1:tci=0000,ttl=2,cut=20 2:tci=0000,ttl=2,cut=0 ");
}

static void nested_lists_see_a_copy(void **state)
{
    for (unsigned last = 0; last < 2; last++) {
        struct act_list l = {0};
        struct act *clone = act_list_add(&l, ACT_CLONE);
        clone->nested = act_list_new();
        act_list_add(clone->nested, ACT_DEC_TTL);
        output(clone->nested, 1);
        act_list_add(clone->nested, ACT_USERSPACE)->userspace.cookie = 7;
        if (!last)
            output(&l, 2);
        expect(&l, true,
               last ? "1:tci=0000,ttl=1,cut=0 u7:ttl=1 "
                    : "1:tci=0000,ttl=1,cut=0 u7:ttl=1 2:tci=0000,ttl=2,cut=0 ");
    }
}

static void branches(void **state)
{
    for (unsigned len = 79; len < 82; len++) { // the frame has 80 bytes
        struct act_list l = {0};
        struct act *check = act_list_add(&l, ACT_CHECK_LEN);
        check->check_len.len = (uint16_t)len;
        check->check_len.greater = act_list_new();
        check->check_len.less_equal = act_list_new();
        output(check->check_len.greater, 1);
        output(check->check_len.less_equal, 2);
        expect(&l, true, len < 80 ? "1:tci=0000,ttl=2,cut=0 " : "2:tci=0000,ttl=2,cut=0 ");
    }
    struct act_list l = {0};
    struct act *sample = act_list_add(&l, ACT_SAMPLE);
    sample->sample.probability = UINT32_MAX;
    sample->sample.actions = act_list_new();
    output(sample->sample.actions, 1);
    sample = act_list_add(&l, ACT_SAMPLE);
    sample->sample.actions = act_list_new();
    output(sample->sample.actions, 2); // never
    output(&l, 3);
    expect(&l, true, "1:tci=0000,ttl=2,cut=0 3:tci=0000,ttl=2,cut=0 ");
}

static void on_output_md(void *aux, dp_port_t port, struct packet *p)
{
    *(struct flow_key *)aux = p->md;
    packet_free(p);
}

static void metadata_travels(void **state)
{
    struct act_list l = {0};
    struct flow_key md;
    const struct act_sink sink = {.output = on_output_md, .aux = &md};
    struct act *set = act_list_add(&l, ACT_SET);
    set->set.field = FIELD_PKT_MARK;
    set->set.value = field_value_from_u64(field_by_id(FIELD_PKT_MARK), 5);
    memset(set->set.mask.b, 0xff, 4);
    act_list_add(&l, ACT_TUNNEL_SET)->tunnel.id = 9;
    output(&l, 1);
    act_execute(&l, packet_from("", 0), &sink);
    assert_int_equal(md.skb_mark, 5);
    assert_int_equal(md.tun.id, 9);
    act_list_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_and_edits_in_order),
        cmocka_unit_test(lists_end),
        cmocka_unit_test(truncation_is_for_one_output),
        cmocka_unit_test(nested_lists_see_a_copy),
        cmocka_unit_test(branches),
        cmocka_unit_test(metadata_travels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
