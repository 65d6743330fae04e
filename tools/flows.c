// SPDX-License-Identifier: Apache-2.0
// sluice flows: the megaflows, where each lives and what it carried. Main thread.
#include <stdio.h>
#include <string.h>

#include "tools/sluice.h"

static void add_row(struct table *t, const json_t *flow)
{
    char packets[32], bytes[32], age[32], used[32] = "never";

    snprintf(packets, sizeof packets, "%lld", number_of(flow, "packets"));
    snprintf(bytes, sizeof bytes, "%lld", number_of(flow, "bytes"));
    snprintf(age, sizeof age, "%.1fs", real_of(flow, "age"));
    if (json_is_number(json_object_get(flow, "used")))
        snprintf(used, sizeof used, "%.1fs", real_of(flow, "used"));
    table_row(t, (const char *const[]){text_of(flow, "tier", "?"), packets, bytes, age, used, text_of(flow, "match", ""),
                                       text_of(flow, "actions", ""), text_of(flow, "reason", "")});
}

int cmd_flows(const struct options *o, int argc, char *argv[])
{
    json_t *json = ask(o, "sluice/flows", argc - 1, (const char *const *)argv + 1);
    const json_t *flow;
    size_t i;

    if (!json)
        return 1;
    if (o->json) {
        int status = print_json(json);

        json_decref(json);
        return status;
    }
    struct table *t = table_new(
        (const char *const[]){"TIER", "PACKETS", "BYTES", "AGE", "USED", "MATCH", "ACTIONS", "WHY NOT HIGHER", NULL});
    json_array_foreach(json_object_get(json, "flows"), i, flow)
    {
        add_row(t, flow);
    }
    table_print(t);
    json_decref(json);
    return 0;
}
