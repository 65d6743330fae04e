// SPDX-License-Identifier: Apache-2.0
// Private to slowpath/openflow: one connection, and what message handlers may do with it.
#pragma once

#include "lib/io/stream.h"
#include "slowpath/openflow/connmgr.h"
#include "slowpath/openflow/msg.h"

struct of_conn;
struct of_controller;

// An answer that is produced in slices while the loop goes on serving others.
struct of_job {
    struct of_job *next, *prev;
    struct of_conn *conn;
    bool waiting; // not to be stepped; whoever set it calls of_job_wake()
    // Appends at most about 64 kB to conn->out. True: finished.
    bool (*step)(struct of_job *);
    void (*free)(struct of_job *);
};

enum of_async { ASYNC_PACKET_IN, ASYNC_PORT_STATUS, ASYNC_FLOW_REMOVED, N_ASYNC };

struct token_bucket {
    uint32_t rate, burst; // a second; at once. Rate 0: unlimited
    int64_t filled;       // clock_now() up to which it has been filled
    uint64_t tokens;      // in billionths
};

struct of_conn {
    struct of_conn *next, *prev; // in connmgr.conns
    struct connmgr *mgr;
    struct of_controller *controller; // NULL: a service connection
    struct stream *stream;
    uint8_t version; // 0: no hello seen yet
    bool closing;    // no more work on it; freed from the loop
    bool refused;    // no common version: waiting for the peer to leave
    bool eof;        // the peer has closed; what it sent is worked off
    bool continuing; // conn_continue() is posted
    bool throttled;  // not reading: the peer doesn't
    bool blocked;    // requests wait for the jobs to end
    bool barrier;    // of those waiting, a barrier request is the first; its xid:
    be32_t barrier_xid;
    struct buf held; // requests that wait
    struct buf out;  // where handlers write replies; sent and emptied after each message
    struct of_job *jobs;
    unsigned n_jobs;

    uint32_t role;            // OFPCR_EQUAL, _MASTER, _SLAVE
    bool nxm;                 // flow-removed as NXM (1.0)
    bool table_in_command;    // NXT_FLOW_MOD_TABLE_ID
    uint8_t packet_in_format; // NXPIF_*
    uint16_t controller_id;
    uint16_t miss_send_len;
    bool wants_async;           // service connections: has asked for asynchronous messages
    uint32_t async[N_ASYNC][2]; // reasons wanted; [1] as slave
    struct token_bucket packet_in_bucket;

    int64_t last_received; // clock_now()
    int64_t probe;         // ns of silence before an echo request; 0: never
    bool probing;          // an echo request is unanswered
    struct loop_timer *probe_timer;
    char *why; // it was closed
};

// conn.c
struct of_conn *conn_new(struct connmgr *,
                         struct of_controller *); // c->stream is set by the caller
extern const struct stream_cb conn_stream_cb;     // with the connection as argument
void conn_connected(struct of_conn *);            // says hello
void conn_free(struct of_conn *);
void conn_close(struct of_conn *,
                const char *why); // soon; may be called anywhere; `why` may be NULL
void conn_send(struct of_conn *, const void *, size_t);
bool conn_wants(const struct of_conn *, enum of_async, uint8_t reason);
void conn_set_probe(struct of_conn *, int64_t ns);
void conn_start_job(struct of_conn *, struct of_job *); // owns the job, and may free it at once
void of_job_wake(struct of_job *);
void token_bucket_init(struct token_bucket *, uint32_t rate, uint32_t burst);
bool token_bucket_take(struct token_bucket *);
void conn_async_defaults(struct of_conn *); // async.c, after the version is known

// hello.c: what the first message means.
void hello_put(struct buf *, uint32_t versions);
// Handles the peer's hello. OF_OK: c->version is set.
enum of_error hello_get(struct of_conn *c, const struct ofp_header *, char *ret_text, size_t size);

// dispatch.c
void conn_dispatch(struct of_conn *, const struct ofp_header *);

// A handler writes its reply to c->out. An error that it returns is sent instead of nothing else.
typedef enum of_error of_handler(struct of_conn *, const struct of_msg *);
of_handler handle_barrier, handle_echo_request;                                // conn.c
of_handler handle_features, handle_get_config, handle_set_config, handle_desc; // features.c
of_handler handle_port_mod, handle_port_stats, handle_port_desc;               // stats_port.c
of_handler handle_queue_stats, handle_queue_config;                            // stats_port.c
of_handler handle_table_stats, handle_table_features, handle_table_mod;        // stats_table.c
of_handler handle_flow_mod;                                                    // flow_change.c
of_handler handle_flow_stats, handle_aggregate;                                // stats_flow.c
of_handler handle_packet_out;                                                  // packet_out.c
of_handler handle_role, handle_nx_role;                                        // role.c
of_handler handle_get_async, handle_set_async;                                 // async.c
of_handler handle_flow_format, handle_table_id, handle_packet_in_format;       // async.c
of_handler handle_controller_id, handle_flow_age;                              // async.c
of_handler handle_tlv_table;                                                   // features.c
of_handler handle_group_mod, handle_group_desc, handle_group_stats;            // groups.c
of_handler handle_group_features, handle_meter_mod, handle_meter_stats, handle_meter_features;

// connmgr.c
struct connmgr {
    struct loop *loop;
    struct pipeline *pipeline;
    const struct of_bridge_ops *ops;
    void *aux;
    uint32_t versions; // allowed and offered
    struct of_conn *conns;
    struct of_controller *controllers;
    struct listener **listeners;
    size_t n_listeners;
    bool have_generation;
    uint64_t generation; // of the last master or slave request
    int64_t alone_since;
    void (*status_fn)(void *aux);
    void *status_aux;
    struct packet_in_queue *packet_ins; // packet_in.c
    bool miss_wanted;                   // somebody wants packets that match nothing
};
void connmgr_status_changed(struct connmgr *);
void connmgr_wants_changed(struct connmgr *);              // what some connection wants to be told
void connmgr_conn_gone(struct of_conn *, const char *why); // before conn_free()

// packet_in.c
struct packet_in_queue *packet_in_queue_new(struct connmgr *);
void packet_in_queue_free(struct packet_in_queue *);
