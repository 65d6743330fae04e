// SPDX-License-Identifier: Apache-2.0
// One row's part in a <table-updates> (RFC 7047 section 4.1.6) or <table-updates2>
// (ovsdb-server(7), 4.1.14). For monitor.c.
#pragma once

#include "ovsdb/server/monitor.h"

enum ovsdb_monitor_kind {
    OVSDB_MONITOR_INITIAL = 1 << 0,
    OVSDB_MONITOR_INSERT = 1 << 1,
    OVSDB_MONITOR_DELETE = 1 << 2,
    OVSDB_MONITOR_MODIFY = 1 << 3,
    OVSDB_MONITOR_ALL = 15,
};

struct ovsdb_monitor_table {
    const struct ovsdb_table_schema *schema; // NULL: the table isn't monitored
    unsigned kinds;                          // of any column
    uint8_t *column_kinds;                   // by column index; 0: not monitored
    bool *column_asked;                      // by column index
    bool unconditional;                      // some request has no condition
    struct ovsdb_condition condition;        // else: some clause must hold
};

bool ovsdb_monitor_matches(const struct ovsdb_monitor_table *table,
                           const struct ovsdb_tuple *tuple);
// Adds the row to 'updates' if the monitor wants to hear of it.
void ovsdb_monitor_put_initial(json_t *updates, const struct ovsdb_monitor_table *table,
                               const struct ovsdb_row *row, enum ovsdb_monitor_version version);
void ovsdb_monitor_put_step(json_t *updates, const struct ovsdb_monitor_table *table,
                            const struct ovsdb_change_row *row, enum ovsdb_monitor_version version);
