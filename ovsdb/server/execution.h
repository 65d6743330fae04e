// SPDX-License-Identifier: Apache-2.0
// Carries out the operations of one "transact" request (RFC 7047 sections 4.1.3 and 5.2).
// Thread: the committing thread.
#pragma once

#include "ovsdb/server/database.h"

struct ovsdb_execution {
    struct ovsdb_db *db;
    const json_t *params; // [<db-name>, <operation>*]
    bool read_only;       // the session may not change anything
    // Whether the session owns this lock, for "assert".
    bool (*owns_lock)(const char *name, void *aux);
    void *aux;
    int64_t waited_ms; // since the request came
};

// Carries the request out. Returns the array of results for the reply. NULL: a "wait" doesn't hold
// yet; nothing has happened, and it is to be tried again after the next change, or at the latest
// *ret_timeout_ms after the request came (INT64_MAX: never).
json_t *ovsdb_execute(const struct ovsdb_execution *execution, int64_t *ret_timeout_ms);
