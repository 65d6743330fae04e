// SPDX-License-Identifier: Apache-2.0
// The control socket that ovs-appctl(8) talks to.
//
// A Unix socket DIR/PROGRAM.PID.ctl; requests are JSON-RPC 1.0 {"method": COMMAND, "params":
// [STRING…], "id": N}, answers a result string or an error string. Every daemon registers its
// commands by name; list-commands is built in, and control_add_standard() adds version, vlog/*,
// coverage/* and, for tests, time/*.
// Thread: the loop's thread.
#pragma once

#include "lib/io/loop.h"

struct control;
struct control_call; // one request that waits for its answer

// Handles one command. argv[0] is the command's name; argc counts it too and is within the
// registered bounds + 1. Must answer exactly once with control_reply() or control_reply_error(),
// now or later (in the loop's thread); until then, or until the client is gone, 'call' is valid,
// and answering after the client is gone is allowed and goes nowhere. argv is valid during the
// call only.
typedef void control_fn(struct control_call *call, int argc, const char *const argv[], void *aux);

// 'path' is bound as it is; a stale socket file is replaced. Errors as stream_listen().
int control_open(struct loop *loop, const char *path, struct control **ret_control,
                 struct err *err);
// Closes the socket and unlinks it; unanswered calls stay valid until answered. NULL is accepted.
void control_close(struct control *c);
const char *control_path(const struct control *c);

// 'usage' is shown by list-commands behind the name ("[BRIDGE]"). 'min' and 'max' count arguments
// without the name. name and usage are copied. A name that exists is replaced.
void control_register(struct control *c, const char *name, const char *usage, unsigned min,
                      unsigned max, control_fn *fn, void *aux);
// version (answers 'version', copied), vlog/list, vlog/list-pattern, vlog/set, vlog/close,
// vlog/reopen, vlog/enable-rate-limit, vlog/disable-rate-limit, coverage/show,
// coverage/read-counter; time/stop and time/warp if clock_tests_enabled(). Starts the timer for
// counter_tick().
void control_add_standard(struct control *c, const char *version);

// Ends the call. 'text' (NULL: empty) is shown by the client; a newline is added if it lacks one.
void control_reply(struct control_call *call, const char *text);
void control_reply_error(struct control_call *call, const char *text);
// The same with a struct err's sentence, which is not consumed.
void control_reply_err(struct control_call *call, const struct err *err);

// The client's side, for our own commands. Resolves 'target' as ovs-appctl does: a path that begins
// with '/', or a program's name whose pid file lies in dirs_run(). The caller frees *ret_path.
// -ENOENT (no pid file), -ESRCH (stale pid file), with a sentence.
int control_find(const char *target, char **ret_path, struct err *err);
// Runs one command and waits for its answer (blocks; not inside a loop's callback). *ret_text is
// the answer, for free(). Errors: as control_find(), those of connect(2), -ETIMEDOUT ('timeout' in
// ns, 0: none), and -EREMOTEIO with the daemon's own sentence.
int control_call(const char *target, const char *command, int argc, const char *const argv[],
                 int64_t timeout, char **ret_text, struct err *err);
