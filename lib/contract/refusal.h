// SPDX-License-Identifier: Apache-2.0
// Why a tier does not hold a megaflow. A refusal is a value: it is counted by stage and culprit, kept on the megaflow
// and shown by `sluice offload explain`. No stage may refuse without filling one.
#pragma once

#include <stdint.h>

enum refusal_stage {
    REFUSAL_NONE, // not refused
    REFUSAL_POLICY, // placement: policy off, quota, pinned, chain not whole
    REFUSAL_CHECK, // our own check: can_hold() said no; nothing was sent
    REFUSAL_KERNEL, // the kernel refused before a driver was asked
    REFUSAL_DRIVER, // the driver or NIC refused; the sentence is the driver's own where it gave one
    REFUSAL_CAPACITY, // a table is full
    REFUSAL_TIMEOUT, // the NIC did not answer
    REFUSAL_STAGE_COUNT,
};

enum refusal_culprit {
    CULPRIT_NONE,
    CULPRIT_FIELD, // id is an enum field_id
    CULPRIT_ACTION, // id is an enum act_type
    CULPRIT_SET_FIELD, // id is the enum field_id that a set would write
    CULPRIT_PORT, // id is a dp_port_t
    CULPRIT_TABLE, // the tier's table as a whole
};

struct refusal {
    enum refusal_stage stage;
    enum refusal_culprit culprit;
    uint32_t id; // meaning is the culprit's
    int error; // negative errno
    char sentence[200]; // complete, for a person, without a final full stop
};

const char *refusal_stage_name(enum refusal_stage);
// "field nw_tos", "action meter", "port 3"; empty for CULPRIT_NONE. Returns `out`.
const char *refusal_culprit_text(const struct refusal *, char *out, unsigned size);
// Fills every member; returns `error`, for `return refuse(…)`.
int refuse(struct refusal *, enum refusal_stage, enum refusal_culprit, uint32_t id, int error, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
