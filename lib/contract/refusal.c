// SPDX-License-Identifier: Apache-2.0
// Refusals: filling them and naming their parts. What a culprit's id means is resolved through the
// field table and the action names, so that every tier speaks of a field in the same words. Thread:
// any.
#include "lib/contract/refusal.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/flow/action.h"

const char *refusal_stage_name(enum refusal_stage stage)
{
    static const char *const names[REFUSAL_STAGE_COUNT] = {
        [REFUSAL_NONE] = "none",       [REFUSAL_POLICY] = "policy", [REFUSAL_CHECK] = "check",
        [REFUSAL_KERNEL] = "kernel",   [REFUSAL_DRIVER] = "driver", [REFUSAL_CAPACITY] = "capacity",
        [REFUSAL_TIMEOUT] = "timeout",
    };
    return (unsigned)stage < REFUSAL_STAGE_COUNT ? names[stage] : "unknown";
}

static const char *field_name(uint32_t id)
{
    return id < FIELD_COUNT ? field_by_id((enum field_id)id)->name : "unknown";
}

const char *refusal_culprit_text(const struct refusal *r, char *out, unsigned size)
{
    switch (r->culprit) {
    case CULPRIT_FIELD:
        snprintf(out, size, "field %s", field_name(r->id));
        break;
    case CULPRIT_ACTION:
        snprintf(out, size, "action %s", act_type_name((enum act_type)r->id));
        break;
    case CULPRIT_SET_FIELD:
        snprintf(out, size, "action set %s", field_name(r->id));
        break;
    case CULPRIT_PORT:
        snprintf(out, size, "port %u", r->id);
        break;
    case CULPRIT_TABLE:
        snprintf(out, size, "table");
        break;
    default:
        if (size)
            out[0] = '\0';
        break;
    }
    return out;
}

int refuse(struct refusal *r, enum refusal_stage stage, enum refusal_culprit culprit, uint32_t id,
           int error, const char *format, ...)
{
    va_list args;

    r->stage = stage;
    r->culprit = culprit;
    r->id = id;
    r->error = error;
    va_start(args, format);
    vsnprintf(r->sentence, sizeof(r->sentence), format, args);
    va_end(args);
    return error;
}
