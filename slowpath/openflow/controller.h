// SPDX-License-Identifier: Apache-2.0
// Private to slowpath/openflow: one configured controller and its attempts to connect.
#pragma once

#include "slowpath/openflow/conn.h"

struct of_controller {
    struct of_controller *next, *prev;
    struct connmgr *mgr;
    char *target;
    struct of_controller_config config; // config.target is `target`
    struct listener *listener;          // of a passive target
    struct of_conn *conn;               // NULL: between attempts
    struct loop_timer *timer;
    struct backoff backoff;
    int64_t changed, attempt;
    bool was_connected;
    char *last_error;
    bool keep; // used while the set is replaced
};

struct of_controller *controller_new(struct connmgr *, const struct of_controller_config *);
void controller_free(struct of_controller *); // closes its connection
void controller_set_config(struct of_controller *, const struct of_controller_config *);
void controller_start(struct of_controller *);
// Its connection has ended; it will be freed by the caller.
void controller_conn_gone(struct of_controller *, const char *why);
bool controller_is_connected(const struct of_controller *);
void controller_status(const struct of_controller *, struct of_controller_status *ret);
// Applies what the configuration says of a connection.
void controller_apply(const struct of_controller *, struct of_conn *);
