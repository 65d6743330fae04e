// SPDX-License-Identifier: Apache-2.0
// Where clients come from: listeners and active connections, asked for on the command line, by a
// control command, or by rows of a database ("db:DB,TABLE,COLUMN", ovsdb-server(1)).
// Thread: the loop's thread.
#pragma once

#include "ovsdb/server/server.h"

// Adds what the user asks for and opens it. -EINVAL for a form that can't work, or what opening it
// said (it is then not added). -EEXIST: it is there.
int ovsdb_remotes_add(struct ovsdb_server *server, const char *spec, struct err *err);
// -ENOENT if it isn't there.
int ovsdb_remotes_remove(struct ovsdb_server *server, const char *spec, struct err *err);
void ovsdb_remotes_close(struct ovsdb_server *server);
// Drops active connections, which come back by themselves.
void ovsdb_remotes_reconnect(struct ovsdb_server *server);

// Opens and closes remotes to match what databases say now.
void ovsdb_remotes_update(struct ovsdb_server *server);
// Whether a change may concern remotes that a database names.
bool ovsdb_remotes_concern(const struct ovsdb_server *server, const struct ovsdb_change *change);

bool ovsdb_remote_read_only(const struct ovsdb_remote *remote);
int64_t ovsdb_remote_probe(const struct ovsdb_remote *remote); // ns, 0: never
// A client of this remote came or went.
void ovsdb_remote_joined(struct ovsdb_remote *remote);
void ovsdb_remote_left(struct ovsdb_remote *remote);

// "db:DB,TABLE,COLUMN" taken apart and found in the server's databases.
struct ovsdb_db_spec {
    struct ovsdb_table *table;
    const struct ovsdb_column *column;
};
int ovsdb_db_spec_parse(const struct ovsdb_server *server, const char *spec,
                        struct ovsdb_db_spec *ret_spec, struct err *err);
