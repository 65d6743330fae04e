// SPDX-License-Identifier: Apache-2.0
// Our own commands of the control socket. Each answers one JSON object, which `sluice` prints for people or hands on
// (--json); docs/man/sluice.8.in describes the members. Main thread.
#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/flow/text.h"
#include "slowpath/config/commands.h"

static void reply_json(struct control_call *call, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    control_reply(call, text);
    free(text);
    json_decref(json);
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

static double seconds_since(int64_t then)
{
    return (double)(clock_now() - then) / NSEC_PER_SEC;
}

// --- One megaflow ---

// `names` may be NULL: ports are then told by number.
static json_t *refusal_json(const struct refusal *r, const char *tier, const struct port_names *names)
{
    const char *name = names && r->culprit == CULPRIT_PORT ? port_name(names, r->id) : NULL;
    char culprit[64];

    if (r->stage == REFUSAL_NONE)
        return json_null();
    refusal_culprit_text(r, culprit, sizeof culprit);
    if (name)
        snprintf(culprit, sizeof culprit, "port %s", name);
    return json_pack("{s:s, s:o, s:s, s:s, s:s, s:i}", "stage", refusal_stage_name(r->stage), "tier", text_or_null(tier),
                     "culprit", culprit, "sentence", r->sentence, "error",
                     r->error ? strerrorname_np(-r->error) : "", "errno", r->error);
}

static json_t *flow_json(struct sw *sw, struct stack *stack, const struct backer_flow *f)
{
    struct port_names names = {sw, stack};
    AUTO(str_done) struct str match = STR_INIT;
    AUTO(str_done) struct str actions = STR_INIT;
    char ufid[UFID_TEXT_LEN + 1];

    ufid_format(&f->desc->ufid, ufid);
    flow_key_format(&f->desc->key, &f->desc->mask, port_name, &names, &match);
    act_list_format_for(&f->desc->actions, f->desc->key.eth_type, port_name, &names, &actions);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f}", "ufid", ufid, "datapath", stack->type, "match",
        str_text(&match), "actions", str_text(&actions), "tier", flow_tier(f), "state", place_state_name(f->where.state),
        "packets", (json_int_t)f->sums.packets, "bytes", (json_int_t)f->sums.bytes, "hardware_packets",
        (json_int_t)f->sums.hw_packets, "hardware_bytes", (json_int_t)f->sums.hw_bytes, "age", seconds_since(f->created));
    json_object_set_new(json, "used", f->used ? json_real(seconds_since(f->used)) : json_null());
    json_object_set_new(json, "reason", text_or_null(f->where.why.stage ? f->where.why.sentence : f->error));
    json_object_set_new(json, "refusal", refusal_json(&f->where.why, f->where.refused_by, &names));
    if (f->where.why.stage) {
        json_object_set_new(json, "since", json_real(seconds_since(f->where.since)));
        json_object_set_new(json, "attempts", json_integer(f->where.attempts));
        json_object_set_new(json, "remedy", text_or_null(f->where.remedy));
    }
    if (f->software_refused)
        json_object_set_new(json, "software_refusal", refusal_json(&f->software_refusal, stack->type, &names));
    return json;
}

// --- sluice/flows, sluice/explain ---

struct flows_job {
    struct sw *sw;
    json_t *flows;
    struct ufid only;
    bool one, totals;
};

static void add_flow(void *aux, struct stack *stack, const struct backer_flow *f)
{
    struct flows_job *job = aux;

    if (!job->one || ufid_equal(&job->only, &f->desc->ufid))
        json_array_append_new(job->flows, flow_json(job->sw, stack, f));
}

static void add_reason(void *aux, const struct refusal_count *c)
{
    json_t *json = refusal_json(&c->why, c->tier, NULL);

    json_object_set_new(json, "now", json_integer((json_int_t)c->now));
    json_object_set_new(json, "total", json_integer((json_int_t)c->total));
    json_object_set_new(json, "first", json_real(seconds_since(c->first)));
    json_object_set_new(json, "last", json_real(seconds_since(c->last)));
    json_array_append_new(aux, json);
}

static void flows_done(void *aux, struct control_call *call)
{
    struct flows_job *job = aux;
    json_t *json = json_pack("{s:o}", "flows", job->flows);

    if (job->one && !json_array_size(job->flows)) {
        control_reply_error(call, "there is no such megaflow");
        json_decref(json);
        free(job);
        return;
    }
    if (job->totals) {
        json_t *reasons = json_array();

        for (size_t i = 0; i < ARRAY_SIZE(job->sw->stacks); i++) {
            if (job->sw->stacks[i])
                explain_all(backer_offload(job->sw->stacks[i]->backer), add_reason, reasons);
        }
        json_object_set_new(json, "reasons", reasons);
    }
    reply_json(call, json);
    free(job);
}

static bool parse_ufid_arg(struct control_call *call, const char *text, struct ufid *ret)
{
    if (ufid_parse(str_starts(text, "ufid:") ? text + 5 : text, ret) == 0)
        return true;
    AUTO_FREE char *message = xasprintf("%s is not a megaflow's identity (ufid)", text);
    control_reply_error(call, message);
    return false;
}

static void start_flows(struct control_call *call, int argc, const char *const argv[], struct sw *sw, bool totals)
{
    struct flows_job *job = NEW(struct flows_job);

    job->sw = sw;
    job->one = argc > 1;
    job->totals = totals && !job->one;
    if (job->one && !parse_ufid_arg(call, argv[1], &job->only)) {
        free(job);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i])
            backer_refresh(sw->stacks[i]->backer, 0, 200);
    }
    job->flows = json_array();
    dump_start(sw, call, &(struct dump_job){add_flow, flows_done, job});
}

static void flows_command(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    start_flows(call, argc, argv, aux, false);
}

static void explain_command(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    start_flows(call, argc, argv, aux, true);
}

// --- sluice/promote, sluice/demote ---

static void place_command(struct control_call *call, const char *arg, struct sw *sw, enum place_request request)
{
    struct ufid ufid;
    bool all = !strcmp(arg, "--all");
    unsigned n = 0;

    if (!all && !parse_ufid_arg(call, arg, &ufid))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i])
            n += backer_flow_place(sw->stacks[i]->backer, all ? NULL : &ufid, request);
    }
    if (!all && !n)
        control_reply_error(call, "there is no such megaflow");
    else
        reply_json(call, json_pack("{s:i}", "asked", (int)n));
}

static void promote_command(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    place_command(call, argv[1], aux, PLACE_PROMOTE);
}

static void demote_command(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    place_command(call, argv[1], aux, PLACE_DEMOTE);
}

// --- sluice/offload-stats ---

static void add_tier(void *aux, const struct tier_report *t)
{
    json_t *json = json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:b, s:I}", "tier", t->name, "hardware", t->hardware,
                             "capacity", (json_int_t)t->capacity, "used", (json_int_t)t->used, "flows",
                             (json_int_t)t->copies, "packets", (json_int_t)t->packets, "bytes", (json_int_t)t->bytes,
                             "wire_units", t->wire, "age_ms", (json_int_t)t->age_ms);

    if (t->hardware) {
        json_object_set_new(json, "health", json_string(hw_health_name(t->health)));
        json_object_set_new(json, "queued", json_integer((json_int_t)t->queued));
        json_object_set_new(json, "queue_max", json_integer((json_int_t)t->queue_max));
        json_object_set_new(json, "urgent", json_integer((json_int_t)t->urgent));
        json_object_set_new(json, "turned_away", json_integer((json_int_t)t->turned_away));
        json_object_set_new(json, "hangs", json_integer((json_int_t)t->hangs));
    }
    json_object_set_new(json, "installed", json_integer((json_int_t)t->installed));
    json_object_set_new(json, "modified", json_integer((json_int_t)t->modified));
    json_object_set_new(json, "removed", json_integer((json_int_t)t->removed));
    json_object_set_new(json, "refused", json_integer((json_int_t)t->refused));
    json_object_set_new(json, "lost", json_integer((json_int_t)t->lost));
    json_object_set_new(json, "failed", json_integer((json_int_t)t->failed));
    json_object_set_new(json, "last_counters",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "exact", (json_int_t)t->finals.exact, "cached",
                                  (json_int_t)t->finals.cached, "cached_ms", (json_int_t)t->finals.cached_ms, "bounded",
                                  (json_int_t)t->finals.bounded, "short_by", (json_int_t)t->finals.short_by));
    json_array_append_new(aux, json);
}

static void stats_command(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;
    json_t *tiers = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i]) {
            backer_refresh(sw->stacks[i]->backer, 0, 200);
            offload_report(backer_offload(sw->stacks[i]->backer), add_tier, tiers);
        }
    }
    reply_json(call, json_pack("{s:b, s:o}", "offload", sw->hw_offload, "tiers", tiers));
}

// --- sluice/show ---

static json_t *iface_json(const struct iface *i)
{
    json_t *json = json_pack("{s:s, s:s}", "name", i->name, "kind",
                             i->kind == CONF_IFACE_PATCH      ? "patch"
                             : i->kind == CONF_IFACE_INTERNAL ? "internal"
                                                              : "system");

    json_object_set_new(json, "ofport", i->error ? json_integer(-1) : i->local ? json_integer(65534) : json_integer(i->ofp_port));
    json_object_set_new(json, "datapath_port", i->dp_port == DP_PORT_NONE ? json_null() : json_integer(i->dp_port));
    json_object_set_new(json, "link", i->link.ifindex ? json_string(iface_link_up(i) ? "up" : "down") : json_null());
    json_object_set_new(json, "error", text_or_null(i->error));
    return json;
}

static json_t *bridge_json(const struct bridge *b)
{
    json_t *ports = json_array();
    char id[17];

    for (const struct iface *i = b->ifaces; i; i = i->hh.next)
        json_array_append_new(ports, iface_json(i));
    snprintf(id, sizeof id, "%016llx", (unsigned long long)b->datapath_id);
    return json_pack("{s:s, s:o, s:o, s:s, s:b, s:o, s:o}", "name", b->name, "datapath",
                     text_or_null(b->stack ? b->stack->type : NULL), "note", text_or_null(b->note), "datapath_id", id,
                     "secure", b->secure, "error", text_or_null(b->error), "ports", ports);
}

static json_t *stack_json(struct stack *s)
{
    struct backer_stats stats;

    backer_stats(s->backer, &stats);
    return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:b}", "type", s->type, "hardware", s->hardware, "simulated",
                     !strcmp(s->hardware, "simulated"), "flows", (json_int_t)stats.flows, "flow_limit",
                     (json_int_t)stats.flow_limit, "misses", (json_int_t)stats.misses, "lost", (json_int_t)stats.lost,
                     "ends_with_daemon", !strcmp(s->type, "netdev"));
}

static void show_command(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct sw *sw = aux;
    json_t *bridges = json_array(), *datapaths = json_array();

    for (const struct bridge *b = sw->bridges; b; b = b->hh.next)
        json_array_append_new(bridges, bridge_json(b));
    for (size_t i = 0; i < ARRAY_SIZE(sw->stacks); i++) {
        if (sw->stacks[i])
            json_array_append_new(datapaths, stack_json(sw->stacks[i]));
    }
    reply_json(call, json_pack("{s:s, s:b, s:b, s:o, s:o, s:o}", "version", SLUICE_VERSION, "database_connected",
                               replica_is_current(sw->db.replica), "hw_offload", sw->hw_offload, "database_problem",
                               text_or_null(replica_problem(sw->db.replica)), "datapaths", datapaths, "bridges", bridges));
}

void commands_register_sluice(struct sw *sw)
{
    struct control *c = sw->control;

    control_register(c, "sluice/show", "", 0, 0, show_command, sw);
    control_register(c, "sluice/flows", "[UFID]", 0, 1, flows_command, sw);
    control_register(c, "sluice/explain", "[UFID]", 0, 1, explain_command, sw);
    control_register(c, "sluice/offload-stats", "", 0, 0, stats_command, sw);
    control_register(c, "sluice/promote", "UFID | --all", 1, 1, promote_command, sw);
    control_register(c, "sluice/demote", "UFID | --all", 1, 1, demote_command, sw);
}
