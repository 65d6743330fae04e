// SPDX-License-Identifier: Apache-2.0
// The control commands of the server, named as ovsdb-server(1) names them. Thread: the loop's
// thread.
#pragma once

#include "lib/io/control.h"
#include "ovsdb/server/server.h"

void ovsdb_commands_register(struct control *control, struct ovsdb_server *server);
