// SPDX-License-Identifier: Apache-2.0
// OpenFlow actions and instructions as the pipeline runs them: one flat list per rule, in the order
// of execution. (OpenFlow 1.1+ instructions are flattened by the codec: apply, clear, write,
// metadata, goto.) What reached a datapath is lib/flow/action.h.
//
// A list also remembers how each action was spelled, so that a codec can give it back in the same
// words, in any version. Values are checked by the codec that made the list, with
// ofpact_list_check(); translation trusts what passed it.
//
// Lists are plain memory of their owner. One that a rule holds is immutable.
#pragma once

#include "lib/base/err.h"
#include "lib/flow/field.h"

enum ofpact_type {
    OFPACT_OUTPUT, // to a port, or a reserved one: IN_PORT, TABLE (packet-out only), NORMAL, FLOOD,
                   // ALL, CONTROLLER, LOCAL
    OFPACT_CONTROLLER, // NXAST_CONTROLLER
    OFPACT_SET_FIELD,
    OFPACT_SET_L4_SRC, // mod_tp_src of OpenFlow 1.0: whichever of TCP, UDP, SCTP the packet is
    OFPACT_SET_L4_DST,
    OFPACT_SET_VLAN_VID, // mod_vlan_vid of 1.0 and 1.1
    OFPACT_SET_VLAN_PCP,
    OFPACT_PUSH_VLAN,
    OFPACT_POP_VLAN,
    OFPACT_MOVE,
    OFPACT_RESUBMIT,
    OFPACT_CLONE,
    // Instructions of OpenFlow 1.1+.
    OFPACT_WRITE_METADATA,
    OFPACT_WRITE_ACTIONS,
    OFPACT_CLEAR_ACTIONS,
    OFPACT_GOTO_TABLE,
    OFPACT_COUNT,
};

// How a SET_FIELD (or POP_VLAN) came in. All mean the same; only their encoding and text differ.
enum ofpact_form {
    OFPACT_FORM_SET_FIELD, // OFPAT_SET_FIELD, NXAST_REG_LOAD2: "set_field:VALUE[/MASK]->FIELD"
    OFPACT_FORM_LEGACY,    // an OpenFlow 1.0/1.1 action of its own: "mod_nw_src:…", "strip_vlan"
    OFPACT_FORM_LOAD,      // NXAST_REG_LOAD: "load:VALUE->FIELD[OFS..END]"
};

// Part of a field: bits ofs .. ofs + n_bits - 1, counted from the least significant.
struct subfield {
    enum field_id field;
    uint16_t ofs, n_bits;
};

struct ofpact_list;

struct ofpact {
    enum ofpact_type type;
    enum ofpact_form form;
    union {
        struct {
            ofp_port_t port;
            uint16_t max_len; // bytes to the controller, if it is the port; UINT16_MAX: all
        } output;
        struct {
            uint16_t max_len, controller_id;
            uint8_t reason; // OFPR_*
        } controller;
        struct {
            enum field_id field;
            struct field_value value, mask; // bits of value outside mask are zero
        } set_field;
        be16_t l4_port; // OFPACT_SET_L4_*
        struct {
            uint16_t vid; // host order
            bool push;    // give an untagged packet a tag (OpenFlow 1.0); else it is left alone
        } vlan_vid;
        struct {
            uint8_t pcp; // 0 to 7
            bool push;
        } vlan_pcp;
        be16_t push_vlan_tpid;
        struct {
            struct subfield src, dst; // equal n_bits
        } move;
        struct {
            ofp_port_t port; // looked up with this input port; OFPP_IN_PORT: the current one
            uint8_t table;   // 0xff: the current one
            bool with_table; // NXAST_RESUBMIT_TABLE rather than NXAST_RESUBMIT
        } resubmit;
        struct {
            be64_t value, mask;
        } metadata;
        struct ofpact_list *nested; // CLONE, WRITE_ACTIONS; owned
        uint8_t table;              // GOTO_TABLE
    };
};

struct ofpact_list {
    uint32_t n, allocated;
    struct ofpact *v;
};

void ofpact_list_init(struct ofpact_list *);
void ofpact_list_done(struct ofpact_list *); // frees nested lists too; leaves an empty list
struct ofpact *ofpact_list_add(struct ofpact_list *,
                               enum ofpact_type); // zeroed; valid until the next add
struct ofpact_list *ofpact_list_add_nested(struct ofpact_list *,
                                           enum ofpact_type); // CLONE or WRITE_ACTIONS; its list
struct ofpact *
ofpact_list_add_set_field(struct ofpact_list *, enum field_id, const struct field_value *value,
                          const struct field_value *mask); // a mask of NULL: all bits
void ofpact_list_clone(struct ofpact_list *dst,
                       const struct ofpact_list *src); // dst is uninitialised before
bool ofpact_list_equal(const struct ofpact_list *, const struct ofpact_list *);

// Does a packet leave by `port` here, nested lists included? The out_port filter of flow mods and
// statistics. Reserved ports count as themselves.
bool ofpact_list_outputs_to(const struct ofpact_list *, ofp_port_t port);

// What a codec answers to a list that cannot be. Names follow OpenFlow's OFPBAC_* and OFPBIC_*.
enum ofpact_error {
    OFPACT_OK,
    OFPACT_BAD_OUT_PORT,     // OFPBAC_BAD_OUT_PORT
    OFPACT_BAD_ARGUMENT,     // OFPBAC_BAD_ARGUMENT
    OFPACT_BAD_SET_ARGUMENT, // OFPBAC_BAD_SET_ARGUMENT
    OFPACT_BAD_SET_TYPE,     // OFPBAC_BAD_SET_TYPE: field can't be written
    OFPACT_BAD_TABLE,    // OFPBIC_BAD_TABLE_ID: goto_table that does not go forward, or beyond the
                         // tables
    OFPACT_INCONSISTENT, // OFPBAC_MATCH_INCONSISTENT: the match does not guarantee a field's
                         // prerequisite
    OFPACT_UNSUPPORTED_ORDER, // OFPBAC_UNSUPPORTED_ORDER; e.g. an action after goto_table
    OFPACT_BAD_IN_SET,        // OFPBAC_BAD_TYPE: not allowed in an action set or clone
};
// `match` may be NULL (packet-out). `strict`: a prerequisite that the match does not guarantee is
// an error (OpenFlow 1.1+); else such an action merely does nothing on packets that lack it
// (OpenFlow 1.0). `table` is the rule's.
enum ofpact_error ofpact_list_check(const struct ofpact_list *, const struct match *match,
                                    uint8_t table, bool strict, struct err *);

const char *ofpact_type_name(enum ofpact_type); // for traces: "output", "set_field", …
