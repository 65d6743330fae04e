// SPDX-License-Identifier: Apache-2.0
// sluice offload stats | explain | promote | demote. Main thread.
#include <stdio.h>
#include <string.h>

#include "tools/sluice.h"

static int finish(const struct options *o, json_t *json, void (*print)(const json_t *))
{
    int status = 0;

    if (!json)
        return 1;
    if (o->json)
        status = print_json(json);
    else
        print(json);
    json_decref(json);
    return status;
}

// --- stats ---

static void print_tier(const json_t *tier)
{
    const json_t *last = json_object_get(tier, "last_counters");

    printf("%s%s\n", text_of(tier, "tier", "?"), bool_of(tier, "hardware") ? " (hardware)" : "");
    printf("    megaflows    %lld", number_of(tier, "flows"));
    if (number_of(tier, "capacity"))
        printf(" of %lld", number_of(tier, "capacity"));
    printf("\n    carried      %lld packets, %lld bytes (%s)\n", number_of(tier, "packets"), number_of(tier, "bytes"),
           bool_of(tier, "wire_units") ? "as on the wire" : "a GSO packet counts as one");
    printf("    operations   %lld installed, %lld modified, %lld removed, %lld refused, %lld lost, %lld failed\n",
           number_of(tier, "installed"), number_of(tier, "modified"), number_of(tier, "removed"), number_of(tier, "refused"),
           number_of(tier, "lost"), number_of(tier, "failed"));
    printf("    last counts  %lld exact, %lld from a cache of at most %lld ms, %lld short by at most %lld packets\n",
           number_of(last, "exact"), number_of(last, "cached"), number_of(last, "cached_ms"), number_of(last, "bounded"),
           number_of(last, "short_by"));
    if (bool_of(tier, "hardware"))
        printf("    health       %s, %lld waiting of %lld, %lld urgent, %lld turned away, hung %lld times\n",
               text_of(tier, "health", "?"), number_of(tier, "queued"), number_of(tier, "queue_max"),
               number_of(tier, "urgent"), number_of(tier, "turned_away"), number_of(tier, "hangs"));
}

static void print_stats(const json_t *json)
{
    const json_t *tier;
    size_t i;

    printf("hardware offload is %s\n", bool_of(json, "offload") ? "on" : "off (other_config:hw-offload=false)");
    json_array_foreach(json_object_get(json, "tiers"), i, tier)
    {
        print_tier(tier);
    }
}

int cmd_offload_stats(const struct options *o, int argc, char *argv[])
{
    return finish(o, ask(o, "sluice/offload-stats", 0, NULL), print_stats);
}

// --- explain ---

static const char *stage_text(const char *stage)
{
    static const struct {
        const char *stage, *text;
    } texts[] = {
        {"policy", "kept in software by policy"},         {"check", "our own check refused it; nothing was sent to the NIC"},
        {"kernel", "the kernel refused it"},              {"driver", "the NIC's driver refused it"},
        {"capacity", "no room in the NIC"},               {"timeout", "the NIC did not answer"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!strcmp(stage, texts[i].stage))
            return texts[i].text;
    }
    return stage;
}

static void print_refusal(const json_t *r)
{
    printf("    stage    %s (%s%s)\n", stage_text(text_of(r, "stage", "")), text_of(r, "stage", ""),
           text_of(r, "tier", NULL) ? "" : ", placement");
    if (*text_of(r, "culprit", ""))
        printf("    at fault %s\n", text_of(r, "culprit", ""));
    printf("    reason   %s%s%s%s\n", text_of(r, "sentence", ""), *text_of(r, "error", "") ? " (" : "", text_of(r, "error", ""),
           *text_of(r, "error", "") ? ")" : "");
}

static void print_flow(const json_t *flow)
{
    const json_t *refusal = json_object_get(flow, "refusal");

    printf("%s\n    match    %s\n    actions  %s\n", text_of(flow, "ufid", "?"), text_of(flow, "match", ""),
           text_of(flow, "actions", ""));
    printf("    lives in %s (%s)\n", text_of(flow, "tier", "?"), text_of(flow, "state", "?"));
    if (json_is_object(refusal)) {
        print_refusal(refusal);
        printf("    since    %.1f s ago, offered %lld times\n", real_of(flow, "since"), number_of(flow, "attempts"));
        if (text_of(flow, "remedy", NULL))
            printf("    remedy   %s\n", text_of(flow, "remedy", ""));
    }
    if (json_is_object(json_object_get(flow, "software_refusal"))) {
        printf("    the software datapath cannot hold it either; handlers execute each packet:\n");
        print_refusal(json_object_get(flow, "software_refusal"));
    }
}

static void print_explain(const json_t *json)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(json, "flows"), i, item)
    {
        print_flow(item);
    }
    if (!json_array_size(json_object_get(json, "reasons")))
        return;
    printf("\nreasons, over all megaflows\n");
    json_array_foreach(json_object_get(json, "reasons"), i, item)
    {
        printf("  %lld megaflows now, %lld times in all\n", number_of(item, "now"), number_of(item, "total"));
        print_refusal(item);
    }
}

int cmd_offload_explain(const struct options *o, int argc, char *argv[])
{
    return finish(o, ask(o, "sluice/explain", argc - 1, (const char *const *)argv + 1), print_explain);
}

// --- promote, demote ---

static void print_asked(const json_t *json)
{
    printf("%lld megaflows asked to move; they follow in the background\n", number_of(json, "asked"));
}

int cmd_offload_place(const struct options *o, int argc, char *argv[])
{
    const char *command = strcmp(argv[0], "promote") ? "sluice/demote" : "sluice/promote";

    return finish(o, ask(o, command, argc - 1, (const char *const *)argv + 1), print_asked);
}
