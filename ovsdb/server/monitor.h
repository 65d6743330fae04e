// SPDX-License-Identifier: Apache-2.0
// Monitors: what one client wants to be told of one database (RFC 7047 section 4.1.5; monitor_cond
// and monitor_cond_since of ovsdb-server(7)).
//
// A monitor remembers the last change it has told of; an update covers everything since, changes to
// one row merged, so a client that reads slowly gets fewer and larger updates, never an endless
// queue. Thread: the committing thread. Nothing blocks.
#pragma once

#include "ovsdb/server/condition.h"
#include "ovsdb/server/database.h"

enum ovsdb_monitor_version {
    OVSDB_MONITOR_V1 = 1, // monitor, "update"
    OVSDB_MONITOR_V2,     // monitor_cond, "update2"
    OVSDB_MONITOR_V3,     // monitor_cond_since, "update3"
};

struct ovsdb_monitor_table;

struct ovsdb_monitor {
    struct ovsdb_monitor *next, *prev; // for the owner's list
    struct ovsdb_db *db;
    enum ovsdb_monitor_version version;
    json_t *id;                         // the client's name for it
    struct ovsdb_monitor_table *tables; // by schema index
    struct ovsdb_change *position;      // a reference to the last change told of
};

// Reads the <monitor-requests> or <monitor-cond-requests> of a request. 'id' is borrowed.
struct ovsdb_error *ovsdb_monitor_new(struct ovsdb_db *db, enum ovsdb_monitor_version version,
                                      json_t *id, const json_t *requests,
                                      struct ovsdb_monitor **ret_monitor)
    __attribute__((warn_unused_result));
void ovsdb_monitor_free(struct ovsdb_monitor *monitor); // NULL is accepted

// The initial contents as <table-updates> (or 2). The monitor stands at the newest change after it.
json_t *ovsdb_monitor_initial(struct ovsdb_monitor *monitor);
// If the change of this id is remembered, the monitor is placed there and true is returned: the
// next update tells what came after it.
bool ovsdb_monitor_resume(struct ovsdb_monitor *monitor, const struct ovsdb_uuid *last_id);
// What happened since, as <table-updates>; NULL if nothing that concerns the monitor.
json_t *ovsdb_monitor_update(struct ovsdb_monitor *monitor);
static inline bool ovsdb_monitor_is_current(const struct ovsdb_monitor *monitor)
{
    return monitor->position == monitor->db->newest;
}
// The params of the notification that carries 'updates', which is consumed; and its method.
json_t *ovsdb_monitor_params(const struct ovsdb_monitor *monitor, json_t *updates);
const char *ovsdb_monitor_method(const struct ovsdb_monitor *monitor);

// Replaces the conditions of the tables that 'requests' (<monitor-cond-update-requests>) names. The
// monitor must be current. *ret_updates: rows that enter and leave, NULL if there are none.
struct ovsdb_error *ovsdb_monitor_change_conditions(struct ovsdb_monitor *monitor,
                                                    const json_t *requests, json_t **ret_updates)
    __attribute__((warn_unused_result));
