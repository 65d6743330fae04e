// SPDX-License-Identifier: Apache-2.0
//
// The replica against a real server in the same process and loop: the picture and its changes,
// transactions and their outcomes, the lock, and a server that goes and comes back.

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "ovsdb/client/txn.h"
#include "ovsdb/server/remote.h"
#include "ovsdb/server/session.h"
#include "tests/unit/ovsdb/fixture.h"

struct bed {
    struct loop *loop;
    struct ovsdb_server *server;
    struct ovsdb_db *db;
    char *target, *passive, *path;
    struct ovsdb_schema *schema;
    struct replica *r;
    const struct replica_table *bridges, *ports, *interfaces, *root;
    const struct ovsdb_column *bridge_name, *bridge_ports, *port_name, *port_interfaces, *other,
        *if_name, *statistics, *root_bridges, *next_cfg;
    unsigned calls;
    // Of the last call of changed().
    unsigned inserted, modified, deleted;
    bool name_changed;
    // Of the last transaction.
    bool done;
    enum replica_txn_status status;
    char *error;
    struct ovsdb_uuid asked, real;
    bool known;
};

static void server_start(struct bed *bed)
{
    struct ovsdb_schema *schema;
    AUTO_ERR(err);

    bed->server = ovsdb_server_new(bed->loop);
    assert_null(
        ovsdb_schema_from_string(ovsdb_vswitch_schema_text, ovsdb_vswitch_schema_len, &schema));
    bed->db = ovsdb_db_new(schema);
    assert_int_equal(ovsdb_server_add_db(bed->server, bed->db, &err), 0);
    if (ovsdb_remotes_add(bed->server, bed->passive, &err) < 0)
        fail_msg("%s", err_text(&err));
    expect(bed->db, "{'op':'insert','table':'Open_vSwitch','row':{}}", "[{'uuid':'U'}]");
}

static void on_changed(struct replica *r, void *bed_)
{
    struct bed *bed = bed_;

    bed->calls++;
    bed->inserted = bed->modified = bed->deleted = 0;
    bed->name_changed = false;
    REPLICA_FOR_EACH_CHANGED(row, bed->bridges)
    {
        bed->inserted += replica_change(row) == REPLICA_INSERTED;
        bed->modified += replica_change(row) == REPLICA_MODIFIED;
        bed->deleted += replica_change(row) == REPLICA_DELETED;
        bed->name_changed |= replica_column_changed(row, bed->bridge_name);
        assert_non_null(replica_string(row, bed->bridge_name, NULL)); // readable when deleted
    }
}

static void replica_open(struct bed *bed)
{
    static const struct replica_cb cb = {.changed = on_changed};
    AUTO_ERR(err);

    assert_int_equal(replica_new(bed->loop, bed->target, bed->schema, &cb, bed, &bed->r, &err), 0);
    bed->bridges = replica_table(bed->r, "Bridge");
    bed->ports = replica_table(bed->r, "Port");
    bed->interfaces = replica_table(bed->r, "Interface");
    bed->root = replica_table(bed->r, "Open_vSwitch");
    bed->bridge_name = replica_column(bed->bridges, "name");
    bed->bridge_ports = replica_column(bed->bridges, "ports");
    bed->other = replica_column(bed->bridges, "other_config");
    bed->port_name = replica_column(bed->ports, "name");
    bed->port_interfaces = replica_column(bed->ports, "interfaces");
    bed->if_name = replica_column(bed->interfaces, "name");
    bed->statistics = replica_column(bed->interfaces, "statistics");
    bed->root_bridges = replica_column(bed->root, "bridges");
    bed->next_cfg = replica_column(bed->root, "next_cfg");
    assert_null(replica_table(bed->r, "nope"));
    assert_null(replica_column(bed->root, "nope"));
}

static bool is_current(void *bed_)
{
    struct bed *bed = bed_;

    return replica_is_current(bed->r) && bed->calls;
}

static bool is_offline(void *bed_)
{
    struct bed *bed = bed_;

    return !replica_is_current(bed->r);
}

static bool is_done(void *bed_)
{
    struct bed *bed = bed_;

    return bed->done;
}

#define UNTIL(BED, CONDITION)                                                                      \
    assert_int_equal(loop_until((BED)->loop, CONDITION, BED, 20 * NSEC_PER_SEC), 0)

static int setup(void **state)
{
    struct bed *bed = NEW(struct bed);
    static unsigned number;

    bed->loop = loop_new();
    bed->path = xasprintf("/tmp/ovsdb_client_test.%d.%u", (int)getpid(), number++);
    bed->target = xasprintf("unix:%s", bed->path);
    bed->passive = xasprintf("punix:%s", bed->path);
    assert_null(ovsdb_schema_from_string(ovsdb_vswitch_schema_text, ovsdb_vswitch_schema_len,
                                         &bed->schema));
    server_start(bed);
    replica_open(bed);
    *state = bed;
    return 0;
}

static int teardown(void **state)
{
    struct bed *bed = *state;

    replica_free(bed->r);
    ovsdb_server_free(bed->server);
    for (int i = 0; i < 3; i++)
        loop_once(bed->loop, false);
    loop_free(bed->loop);
    ovsdb_schema_unref(bed->schema);
    free(bed->target);
    free(bed->passive);
    free(bed->path);
    free(bed->error);
    free(bed);
    return 0;
}

static void on_done(const struct replica_txn_result *result, void *bed_)
{
    struct bed *bed = bed_;

    bed->done = true;
    bed->status = result->status;
    free(bed->error);
    bed->error = xstrdup(result->error);
    bed->known = replica_txn_real_uuid(result->txn, &bed->asked, &bed->real);
}

static void submit(struct bed *bed, struct replica_txn *txn, enum replica_txn_status expected)
{
    bed->done = false;
    replica_txn_submit(txn, on_done, bed);
    assert_false(bed->done); // never from inside
    UNTIL(bed, is_done);
    if (bed->status != expected)
        fail_msg("status %d, not %d: %s", bed->status, expected, bed->error);
}

static void start(struct bed *bed)
{
    replica_start(bed->r);
    UNTIL(bed, is_current);
}

// A bridge with one port with one interface, in one transaction.
static struct ovsdb_uuid add_bridge(struct bed *bed, const char *name)
{
    struct replica_txn *txn = replica_txn_new(bed->r);
    struct ovsdb_uuid bridge = replica_txn_insert(txn, bed->bridges);
    struct ovsdb_uuid port = replica_txn_insert(txn, bed->ports);
    struct ovsdb_uuid iface = replica_txn_insert(txn, bed->interfaces);

    replica_txn_set(txn, bed->bridges, &bridge, bed->bridge_name, ovsdb_datum_from_string(name));
    replica_txn_set(txn, bed->bridges, &bridge, bed->bridge_ports, ovsdb_datum_from_uuid(&port));
    replica_txn_set(txn, bed->ports, &port, bed->port_name, ovsdb_datum_from_string(name));
    replica_txn_set(txn, bed->ports, &port, bed->port_interfaces, ovsdb_datum_from_uuid(&iface));
    replica_txn_set(txn, bed->interfaces, &iface, bed->if_name, ovsdb_datum_from_string(name));
    replica_txn_add_uuid(txn, bed->root, &replica_first(bed->root)->uuid, bed->root_bridges,
                         &bridge);
    replica_txn_comment(txn, "adding %s", name);
    bed->asked = bridge;
    submit(bed, txn, REPLICA_TXN_SUCCESS);
    assert_true(bed->known);
    return bed->real;
}

static void test_picture(void **state)
{
    struct bed *bed = *state;

    assert_false(replica_is_ready(bed->r));
    start(bed);
    assert_true(replica_is_ready(bed->r));
    assert_int_equal(replica_n_rows(bed->root), 1);
    assert_int_equal(replica_n_rows(bed->bridges), 0);

    struct ovsdb_uuid uuid = add_bridge(bed, "br0");
    assert_int_equal(bed->inserted, 1);
    assert_true(bed->name_changed);
    const struct replica_row *bridge = replica_find_string(bed->bridges, bed->bridge_name, "br0");
    assert_non_null(bridge);
    assert_true(ovsdb_uuid_equal(&bridge->uuid, &uuid));
    assert_ptr_equal(replica_ref(bed->r, replica_first(bed->root), bed->root_bridges, 0), bridge);
    assert_null(replica_ref(bed->r, replica_first(bed->root), bed->root_bridges, 1));
    const struct replica_row *port = replica_ref(bed->r, bridge, bed->bridge_ports, 0);
    assert_string_equal(replica_string(port, bed->port_name, ""), "br0");
    assert_int_equal(replica_change(bridge), REPLICA_SAME);
}

static void test_modify_and_delete(void **state)
{
    struct bed *bed = *state;

    start(bed);
    struct ovsdb_uuid uuid = add_bridge(bed, "br0");
    struct replica_txn *txn = replica_txn_new(bed->r);
    replica_txn_map_put(txn, bed->bridges, &uuid, bed->other, "hwaddr", "uuid");
    replica_txn_map_put(txn, bed->bridges, &uuid, bed->other, "forward-bpdu", "true");
    replica_txn_map_put(txn, bed->bridges, &uuid, bed->other, "mac-aging-time", "77");
    replica_txn_increment(txn, bed->root, &replica_first(bed->root)->uuid, bed->next_cfg, 5);
    submit(bed, txn, REPLICA_TXN_SUCCESS);
    assert_int_equal(bed->modified, 1);
    assert_false(bed->name_changed);

    const struct replica_row *bridge = replica_find(bed->bridges, &uuid);
    assert_string_equal(replica_map(bridge, bed->other, "hwaddr", ""), "uuid");
    assert_true(replica_map_bool(bridge, bed->other, "forward-bpdu", false));
    assert_int_equal(replica_map_int(bridge, bed->other, "mac-aging-time", 15, 3600, 300), 77);
    assert_int_equal(replica_map_int(bridge, bed->other, "mac-aging-time", 100, 3600, 300), 300);
    assert_int_equal(replica_map_int(bridge, bed->other, "hwaddr", 0, 9, 3), 3);
    assert_string_equal(replica_map(bridge, bed->other, "none", "nothing"), "nothing");
    assert_int_equal(replica_int(replica_first(bed->root), bed->next_cfg, 0), 5);

    txn = replica_txn_new(bed->r);
    replica_txn_map_put(txn, bed->bridges, &uuid, bed->other, "hwaddr", NULL);
    submit(bed, txn, REPLICA_TXN_SUCCESS);
    assert_null(replica_map(bridge, bed->other, "hwaddr", NULL));

    txn = replica_txn_new(bed->r);
    replica_txn_remove(txn, bed->root, &replica_first(bed->root)->uuid, bed->root_bridges,
                       ovsdb_datum_from_uuid(&uuid));
    replica_txn_delete(txn, bed->bridges, &uuid);
    submit(bed, txn, REPLICA_TXN_SUCCESS);
    assert_int_equal(bed->deleted, 1);
    assert_int_equal(replica_n_rows(bed->bridges), 0);
    assert_int_equal(replica_n_rows(bed->interfaces), 0); // collected by the server
}

static void test_outcomes(void **state)
{
    struct bed *bed = *state;

    submit(bed, replica_txn_new(bed->r), REPLICA_TXN_UNCHANGED);
    struct replica_txn *txn = replica_txn_new(bed->r);
    replica_txn_insert(txn, bed->ports);
    submit(bed, txn, REPLICA_TXN_LOST); // not connected yet

    start(bed);
    struct ovsdb_uuid uuid = add_bridge(bed, "br0");
    // What is set already is not sent.
    txn = replica_txn_new(bed->r);
    replica_txn_set(txn, bed->bridges, &uuid, bed->bridge_name, ovsdb_datum_from_string("br0"));
    replica_txn_map_put(txn, bed->bridges, &uuid, bed->other, "none", NULL);
    submit(bed, txn, REPLICA_TXN_UNCHANGED);

    txn = replica_txn_new(bed->r);
    replica_txn_set(txn, bed->bridges, &uuid, bed->bridge_name, ovsdb_datum_from_string("br1"));
    submit(bed, txn, REPLICA_TXN_ERROR);
    assert_non_null(strstr(bed->error, "constraint violation: "));

    // Verified against a picture that is out of date: the server's row changes behind our back.
    txn = replica_txn_new(bed->r);
    replica_txn_verify(txn, replica_first(bed->root), bed->next_cfg);
    replica_txn_increment(txn, bed->root, &replica_first(bed->root)->uuid, bed->next_cfg, 1);
    expect(bed->db, "{'op':'update','table':'Open_vSwitch','where':[],'row':{'next_cfg':9}}",
           "[{'count':1}]");
    submit(bed, txn, REPLICA_TXN_TRY_AGAIN);
    assert_int_equal(replica_int(replica_first(bed->root), bed->next_cfg, 0), 9);
}

static bool got_lock(void *bed_)
{
    struct bed *bed = bed_;

    return replica_has_lock(bed->r);
}

static void test_lock(void **state)
{
    struct bed *bed = *state;
    struct bed other = *bed;

    replica_set_lock(bed->r, "ovs_vswitchd");
    start(bed);
    UNTIL(bed, got_lock);

    other.calls = 0;
    replica_open(&other);
    replica_set_lock(other.r, "ovs_vswitchd");
    replica_start(other.r);
    UNTIL(&other, is_current);
    while (!replica_lock_contended(other.r))
        loop_once(bed->loop, true);
    struct replica_txn *txn = replica_txn_new(other.r);
    replica_txn_increment(txn, other.root, &replica_first(other.root)->uuid, other.next_cfg, 1);
    submit(&other, txn, REPLICA_TXN_NOT_LOCKED);

    txn = replica_txn_new(bed->r);
    replica_txn_increment(txn, bed->root, &replica_first(bed->root)->uuid, bed->next_cfg, 1);
    submit(bed, txn, REPLICA_TXN_SUCCESS);

    replica_free(bed->r); // the lock passes on
    bed->r = NULL;
    UNTIL(&other, got_lock);
    replica_free(other.r);
    free(other.error);
}

static void test_selection_and_quiet(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(replica_select(bed->r, "Bridge", "name"), 0);
    assert_int_equal(replica_select(bed->r, "Open_vSwitch", NULL), 0);
    assert_true(replica_select(bed->r, "Bridge", "nope") < 0);
    assert_int_equal(replica_quiet(bed->r, "Open_vSwitch", "next_cfg"), 0);
    start(bed);
    struct ovsdb_uuid uuid = add_bridge(bed, "br0");
    const struct replica_row *bridge = replica_find(bed->bridges, &uuid);
    assert_string_equal(replica_string(bridge, bed->bridge_name, ""), "br0");
    assert_int_equal(replica_count(bridge, bed->bridge_ports), 0);
    assert_int_equal(replica_n_rows(bed->ports), 0);

    unsigned calls = bed->calls;
    struct replica_txn *txn = replica_txn_new(bed->r);
    replica_txn_increment(txn, bed->root, &replica_first(bed->root)->uuid, bed->next_cfg, 4);
    submit(bed, txn, REPLICA_TXN_SUCCESS);
    assert_int_equal(replica_int(replica_first(bed->root), bed->next_cfg, 0), 4);
    assert_int_equal(bed->calls, calls);
}

static void test_server_comes_back(void **state)
{
    struct bed *bed = *state;

    start(bed);
    add_bridge(bed, "br0");
    struct replica_txn *txn = replica_txn_new(bed->r);
    replica_txn_increment(txn, bed->root, &replica_first(bed->root)->uuid, bed->next_cfg, 1);
    bed->done = false;
    replica_txn_submit(txn, on_done, bed);
    ovsdb_server_free(bed->server);
    UNTIL(bed, is_offline);
    UNTIL(bed, is_done);
    assert_int_equal(bed->status, REPLICA_TXN_LOST);
    assert_true(replica_is_ready(bed->r)); // the last picture stays
    assert_non_null(replica_find_string(bed->bridges, bed->bridge_name, "br0"));
    assert_true(strlen(replica_problem(bed->r)) > 0);

    // Another server, with nothing but a new root row.
    server_start(bed);
    replica_reconnect(bed->r);
    UNTIL(bed, is_current);
    assert_int_equal(replica_n_rows(bed->bridges), 0);
    assert_int_equal(replica_n_rows(bed->root), 1);
    assert_string_equal(replica_problem(bed->r), "");
}

static bool saw_modification(void *bed_)
{
    struct bed *bed = bed_;

    return replica_is_current(bed->r) && bed->modified == 1;
}

// A short break is bridged by the server's history: what happened meanwhile arrives as changes.
static void test_short_break(void **state)
{
    struct bed *bed = *state;

    start(bed);
    add_bridge(bed, "br0");
    while (bed->server->sessions)
        ovsdb_session_free(bed->server->sessions);
    UNTIL(bed, is_offline);
    expect(bed->db, "{'op':'update','table':'Bridge','where':[],'row':{'fail_mode':'secure'}}",
           "[{'count':1}]");
    replica_reconnect(bed->r);
    UNTIL(bed, saw_modification);
    assert_int_equal(bed->inserted, 0);
    const struct replica_row *bridge = replica_first(bed->bridges);
    assert_string_equal(replica_string(bridge, replica_column(bed->bridges, "fail_mode"), ""),
                        "secure");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); // as daemons do
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_picture),     TEST(test_modify_and_delete),   TEST(test_outcomes),
        TEST(test_lock),        TEST(test_selection_and_quiet), TEST(test_server_comes_back),
        TEST(test_short_break),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
