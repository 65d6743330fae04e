// SPDX-License-Identifier: Apache-2.0
// sluice show: bridges, their ports, the datapaths below, and what a person should know of them. Main thread.
#include <stdio.h>

#include "tools/sluice.h"

static void print_datapath(const json_t *dp)
{
    printf("    datapath %s, hardware %s%s, %lld megaflows of %lld at most, %lld misses, %lld lost\n", text_of(dp, "type", "?"),
           text_of(dp, "hardware", "?"), bool_of(dp, "simulated") ? " (SIMULATED: no packet leaves through a NIC)" : "",
           number_of(dp, "flows"), number_of(dp, "flow_limit"), number_of(dp, "misses"), number_of(dp, "lost"));
    if (bool_of(dp, "ends_with_daemon"))
        printf("        its ports and flows end with the daemon\n");
}

static void print_port(const json_t *port)
{
    const char *error = text_of(port, "error", NULL);

    printf("        %s (%s): OpenFlow port %lld", text_of(port, "name", "?"), text_of(port, "kind", "?"),
           number_of(port, "ofport"));
    if (json_is_integer(json_object_get(port, "datapath_port")))
        printf(", datapath port %lld", number_of(port, "datapath_port"));
    if (text_of(port, "link", NULL))
        printf(", link %s", text_of(port, "link", ""));
    printf("\n");
    if (error)
        printf("            error: %s\n", error);
}

static void print_bridge(const json_t *bridge)
{
    const char *error = text_of(bridge, "error", NULL), *note = text_of(bridge, "note", NULL);
    const json_t *port;
    size_t i;

    printf("    bridge %s: datapath %s, id %s%s\n", text_of(bridge, "name", "?"), text_of(bridge, "datapath", "none"),
           text_of(bridge, "datapath_id", "?"), bool_of(bridge, "secure") ? ", fail mode secure" : "");
    if (note)
        printf("        note: %s\n", note);
    if (error)
        printf("        error: %s\n", error);
    json_array_foreach(json_object_get(bridge, "ports"), i, port)
    {
        print_port(port);
    }
}

int cmd_show(const struct options *o, int argc, char *argv[])
{
    json_t *json = ask(o, "sluice/show", 0, NULL);
    const json_t *item;
    size_t i;

    if (!json)
        return 1;
    if (o->json) {
        int status = print_json(json);

        json_decref(json);
        return status;
    }
    printf("sluice %s, hardware offload %s\n", text_of(json, "version", "?"), bool_of(json, "hw_offload") ? "on" : "off");
    if (!bool_of(json, "database_connected"))
        printf("    no connection to the database: %s\n", text_of(json, "database_problem", "connecting"));
    json_array_foreach(json_object_get(json, "datapaths"), i, item)
    {
        print_datapath(item);
    }
    json_array_foreach(json_object_get(json, "bridges"), i, item)
    {
        print_bridge(item);
    }
    json_decref(json);
    return 0;
}
