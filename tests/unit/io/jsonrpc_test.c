// SPDX-License-Identifier: Apache-2.0
// JSON-RPC connections and sessions, and the control socket, both ends in one loop.
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/thread.h"
#include "lib/io/control.h"
#include "lib/io/jsonrpc.h"
#include "tests/unit/test.h"

static char dir[] = "/tmp/jsonrpc_test.XXXXXX";

static int set_up(void **state)
{
    log_set_syslog_method("null", NULL);
    log_set("console:off", NULL);
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    return rmdir(dir);
}

// A connection whose peer is a bare socket of the test.
struct side {
    struct loop *loop;
    struct jsonrpc *rpc;
    int peer;
    struct str got; // what came: type, method or id, payload
    unsigned closed;
    int close_code;
    char *sentence;
    bool free_on_message, pause_on_message;
};

static void describe(struct str *s, const struct jsonrpc_msg *m)
{
    static const char *const types[] = {"request", "notify", "reply", "error"};
    json_t *body = m->params ? m->params : m->result ? m->result : m->error;
    char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    char *id = m->id ? json_dumps(m->id, JSON_ENCODE_ANY) : NULL;
    str_printf(s, "%s %s %s %s\n", types[m->type], m->method ? m->method : "-", id ? id : "-",
               text);
    free(text);
    free(id);
}

static void on_message(struct jsonrpc *rpc, struct jsonrpc_msg *m, void *arg)
{
    struct side *side = arg;
    describe(&side->got, m);
    if (side->pause_on_message)
        jsonrpc_pause(rpc, true);
    if (side->free_on_message)
        jsonrpc_free(STEAL_PTR(side->rpc));
}

static void on_closed(struct jsonrpc *rpc, const struct err *err, void *arg)
{
    struct side *side = arg;
    side->closed++;
    side->close_code = err->code;
    free(side->sentence);
    side->sentence = xstrdup(err_text(err));
}

static const struct jsonrpc_cb callbacks = {.message = on_message, .closed = on_closed};

static void open_side(struct side *side, const struct json_frame_limits *limits)
{
    int fds[2];
    struct stream *s;
    *side = (struct side){.loop = loop_new()};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(stream_from_fd(side->loop, fds[0], "pair", NULL, NULL, &s, NULL), 0);
    side->rpc = jsonrpc_new(side->loop, s, &callbacks, side, limits);
    side->peer = fds[1];
}

static void close_side(struct side *side)
{
    jsonrpc_free(side->rpc);
    loop_free(side->loop);
    str_done(&side->got);
    free(side->sentence);
    if (side->peer >= 0)
        close(side->peer);
}

static void say(struct side *side, const char *text)
{
    assert_int_equal(write(side->peer, text, strlen(text)), strlen(text));
}

static void turn(struct side *side)
{
    for (int i = 0; i < 10; i++)
        loop_once(side->loop, false);
}

// What the peer hears, within a second; "" when nothing comes.
static const char *heard(struct side *side)
{
    static char text[4096];
    turn(side);
    ssize_t n = recv(side->peer, text, sizeof(text) - 1, MSG_DONTWAIT);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static void test_messages(void **state)
{
    struct side side;
    open_side(&side, NULL);
    say(&side, "{\"method\":\"update\",\"params\":[1],\"id\":null} {\"method\":\"do\",\"par");
    turn(&side);
    assert_string_equal(str_text(&side.got), "notify update - [1]\n");
    str_clear(&side.got);
    say(&side, "ams\":[],\"id\":3}{\"result\":{},\"error\":null,\"id\":0}"
               "{\"result\":null,\"error\":\"e\",\"id\":1}");
    turn(&side);
    assert_string_equal(str_text(&side.got), "request do 3 []\nreply - 0 {}\nerror - 1 \"e\"\n");

    json_int_t id = -1;
    assert_int_equal(jsonrpc_request(side.rpc, "get", json_pack("[s]", "x"), &id), 0);
    assert_int_equal(id, 0);
    assert_true(jsonrpc_backlog(side.rpc) > 0);
    assert_string_equal(heard(&side), "{\"method\":\"get\",\"params\":[\"x\"],\"id\":0}");
    assert_int_equal(jsonrpc_backlog(side.rpc), 0);
    jsonrpc_notify(side.rpc, "n", json_array());
    assert_string_equal(heard(&side), "{\"method\":\"n\",\"params\":[],\"id\":null}");
    jsonrpc_reply(side.rpc, json_integer(3), json_true());
    assert_string_equal(heard(&side), "{\"result\":true,\"error\":null,\"id\":3}");
    jsonrpc_reply_error(side.rpc, json_integer(3), json_string("no"));
    assert_string_equal(heard(&side), "{\"result\":null,\"error\":\"no\",\"id\":3}");
    say(&side, "{\"method\":\"echo\",\"params\":[\"hi\"],\"id\":\"p\"}");
    assert_string_equal(heard(&side), "{\"result\":[\"hi\"],\"error\":null,\"id\":\"p\"}");

    close(side.peer);
    side.peer = -1;
    turn(&side);
    assert_int_equal(side.closed, 1);
    assert_int_equal(side.close_code, 0);
    assert_int_equal(jsonrpc_notify(side.rpc, "n", json_array()), -EPIPE);
    close_side(&side);
}

static void test_broken(void **state)
{
    static const struct {
        const char *text, *sentence;
        int code;
    } cases[] = {
        {"hello", "expected a JSON object", -EPROTO},
        {"{\"a\":}", "broken JSON", -EPROTO},
        {"{\"a\":1}", "unknown member \"a\"", -EPROTO},
        {"{\"a\":[[[[[[", "nested too deep", -EPROTO},
        {"{\"a\":\"0123456789012345678901234567890123456789", "too long", -EMSGSIZE},
        {"{\"\xff\":1}", "broken JSON", -EPROTO},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct side side;
        open_side(&side, &(struct json_frame_limits){.max_size = 40, .max_depth = 5});
        say(&side, cases[i].text);
        turn(&side);
        assert_int_equal(side.closed, 1);
        assert_int_equal(side.close_code, cases[i].code);
        if (!strstr(side.sentence, cases[i].sentence))
            fail_msg("%s", side.sentence);
        assert_non_null(strstr(side.sentence, "pair: "));
        say(&side, "{\"method\":\"m\",\"params\":[]}"); // heard by nobody
        turn(&side);
        assert_int_equal(side.got.size, 0);
        close_side(&side);
    }
}

static void test_cut_off(void **state)
{
    struct side side;
    open_side(&side, NULL);
    say(&side, "{\"method\":\"a\",\"params\":[]}{\"method\":");
    close(side.peer);
    side.peer = -1;
    turn(&side);
    assert_string_equal(str_text(&side.got), "notify a - []\n");
    assert_int_equal(side.close_code, -EPROTO);
    assert_non_null(strstr(side.sentence, "middle of a message"));
    close_side(&side);
}

static void test_owner_frees(void **state)
{
    struct side side;
    open_side(&side, NULL);
    side.free_on_message = true;
    say(&side, "{\"method\":\"a\",\"params\":[]}{\"method\":\"b\",\"params\":[]}");
    turn(&side);
    assert_string_equal(str_text(&side.got), "notify a - []\n");
    assert_null(side.rpc);
    close_side(&side);
}

static void test_pause(void **state)
{
    struct side side;
    open_side(&side, NULL);
    side.pause_on_message = true;
    say(&side, "{\"method\":\"a\",\"params\":[]}{\"method\":\"b\",\"params\":[]}");
    turn(&side);
    assert_string_equal(str_text(&side.got), "notify a - []\n");
    jsonrpc_pause(side.rpc, false);
    turn(&side);
    assert_string_equal(str_text(&side.got), "notify a - []\nnotify b - []\n");
    close_side(&side);
}

static void on_raw(struct jsonrpc *rpc, const char *text, size_t size, void *arg)
{
    struct side *side = arg;
    str_putn(&side->got, text, size);
    str_putc(&side->got, '\n');
}

static void test_raw(void **state)
{
    static const struct jsonrpc_cb raw = {.raw = on_raw, .closed = on_closed};
    struct side side;
    int fds[2];
    struct stream *s;
    side = (struct side){.loop = loop_new()};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(stream_from_fd(side.loop, fds[0], "pair", NULL, NULL, &s, NULL), 0);
    side.rpc = jsonrpc_new(side.loop, s, &raw, &side, NULL);
    side.peer = fds[1];
    say(&side, "{\"x\":1}{}");
    turn(&side);
    assert_string_equal(str_text(&side.got), "{\"x\":1}\n{}\n");
    close_side(&side);
}

static void test_probe(void **state)
{
    struct side side;
    open_side(&side, NULL);
    clock_stop();
    jsonrpc_set_probe(side.rpc, 5 * NSEC_PER_SEC);
    clock_warp(5 * NSEC_PER_SEC);
    assert_string_equal(heard(&side), "{\"method\":\"echo\",\"params\":[],\"id\":\"echo\"}");
    say(&side, "{\"result\":[],\"error\":null,\"id\":\"echo\"}");
    turn(&side);
    assert_int_equal(side.got.size, 0); // the answer isn't the owner's
    clock_warp(5 * NSEC_PER_SEC);
    assert_string_equal(heard(&side), "");
    clock_warp(5 * NSEC_PER_SEC);
    assert_string_equal(heard(&side), "{\"method\":\"echo\",\"params\":[],\"id\":\"echo\"}");
    clock_warp(5 * NSEC_PER_SEC);
    turn(&side);
    assert_int_equal(side.closed, 1);
    assert_int_equal(side.close_code, -ETIMEDOUT);
    clock_start();
    close_side(&side);
}

// ---- Sessions

struct watched {
    struct loop *loop;
    struct jsonrpc_session *ss;
    struct jsonrpc *server; // the newest connection's other end
    unsigned connected, disconnected;
    int why;
    struct str got;
};

static void session_connected(struct jsonrpc_session *ss, struct jsonrpc *rpc, void *arg)
{
    struct watched *w = arg;
    w->connected++;
    assert_ptr_equal(jsonrpc_session_rpc(ss), rpc);
    jsonrpc_notify(rpc, "hello", json_array());
}

static void session_message(struct jsonrpc_session *ss, struct jsonrpc_msg *m, void *arg)
{
    describe(&((struct watched *)arg)->got, m);
}

static void session_disconnected(struct jsonrpc_session *ss, const struct err *err, void *arg)
{
    struct watched *w = arg;
    w->disconnected++;
    w->why = err->code;
    assert_null(jsonrpc_session_rpc(ss));
}

static const struct jsonrpc_session_cb session_callbacks = {session_connected, session_message,
                                                            session_disconnected};

static void server_message(struct jsonrpc *rpc, struct jsonrpc_msg *m, void *arg)
{
    jsonrpc_notify(rpc, "welcome", json_array());
}

static void server_accept(struct listener *l, struct stream *s, void *arg)
{
    static const struct jsonrpc_cb server = {.message = server_message};
    struct watched *w = arg;
    jsonrpc_free(w->server);
    w->server = jsonrpc_new(w->loop, s, &server, w, NULL);
}

static void turns(struct loop *loop)
{
    for (int i = 0; i < 30; i++)
        loop_once(loop, false);
}

static void test_session(void **state)
{
    AUTO_FREE char *passive = xasprintf("punix:%s/s", dir), *active = xasprintf("unix:%s/s", dir);
    struct watched w = {.loop = loop_new()};
    struct listener *l;
    clock_stop();
    assert_int_equal(
        jsonrpc_session_open(w.loop, "punix:x", 0, &session_callbacks, &w, NULL, &w.ss, NULL),
        -EINVAL);
    assert_int_equal(
        jsonrpc_session_open(w.loop, active, 0, &session_callbacks, &w, NULL, &w.ss, NULL), 0);
    assert_int_equal(w.disconnected, 0);
    turns(w.loop);
    assert_int_equal(w.disconnected, 1); // nobody there yet
    assert_int_equal(w.why, -ENOENT);
    clock_warp(NSEC_PER_SEC);
    turns(w.loop);
    assert_int_equal(w.disconnected, 2);
    clock_warp(NSEC_PER_SEC); // the second wait is 2 s
    turns(w.loop);
    assert_int_equal(w.disconnected, 2);
    assert_int_equal(stream_listen(w.loop, passive, 0, server_accept, &w, &l, NULL), 0);
    clock_warp(NSEC_PER_SEC);
    turns(w.loop);
    assert_int_equal(w.connected, 1);
    assert_string_equal(str_text(&w.got), "notify welcome - []\n");

    jsonrpc_free(STEAL_PTR(w.server)); // the server restarts
    turns(w.loop);
    assert_int_equal(w.disconnected, 3);
    assert_int_equal(w.why, 0);
    clock_warp(NSEC_PER_SEC); // the back-off began afresh
    turns(w.loop);
    assert_int_equal(w.connected, 2);

    jsonrpc_session_reconnect(w.ss);
    turns(w.loop);
    assert_int_equal(w.connected, 3);
    assert_int_equal(w.disconnected, 3);
    clock_start();
    jsonrpc_session_free(w.ss);
    jsonrpc_session_free(NULL);
    jsonrpc_free(w.server);
    listener_free(l);
    loop_free(w.loop);
    str_done(&w.got);
}

// ---- The control socket

struct daemon_side {
    struct loop *loop;
    struct control *control;
    struct control_call *held;
};

static void cmd_join(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    AUTO(str_done) struct str s = STR_INIT;
    for (int i = 0; i < argc; i++)
        str_printf(&s, "<%s>", argv[i]);
    control_reply(call, str_text(&s));
}

static void cmd_hold(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct daemon_side *d = aux;
    d->held = call;
}

static void cmd_release(struct control_call *call, int argc, const char *const argv[], void *aux)
{
    struct daemon_side *d = aux;
    if (d->held)
        control_reply(STEAL_PTR(d->held), "released");
    control_reply_error(call, "but this one fails");
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

struct holder {
    const char *path;
    char *text;
    atomic_bool done;
};

static void *hold(void *arg)
{
    struct holder *h = arg;
    assert_int_equal(control_call(h->path, "hold", 0, NULL, 0, &h->text, NULL), 0);
    atomic_store(&h->done, true);
    return NULL;
}

static int call(const char *path, const char *command, int argc, const char *const argv[],
                char **ret_text, struct err *err)
{
    free(*ret_text);
    *ret_text = NULL;
    return control_call(path, command, argc, argv, 10 * NSEC_PER_SEC, ret_text, err);
}

static void test_control(void **state)
{
    AUTO_ERR(err);
    AUTO_FREE char *path = xasprintf("%s/x.ctl", dir), *text = NULL;
    struct daemon_side d = {.loop = loop_new()};
    struct thread *runner, *holder;
    assert_int_equal(control_open(d.loop, path, &d.control, &err), 0);
    control_add_standard(d.control, "ovs-vswitchd (Open vSwitch) 3.1.0\nSluice 1");
    control_register(d.control, "join", "[ARG]...", 0, 2, cmd_join, NULL);
    control_register(d.control, "join", "ARG...", 1, 2, cmd_join, NULL); // replaces
    control_register(d.control, "hold", "", 0, 0, cmd_hold, &d);
    control_register(d.control, "release", "", 0, 0, cmd_release, &d);
    assert_int_equal(thread_start(&runner, "daemon", run_loop, d.loop, NULL), 0);

    const char *args[] = {"a", "b c", "d"};
    assert_int_equal(call(path, "join", 2, args, &text, &err), 0);
    assert_string_equal(text, "<join><a><b c>\n");
    assert_int_equal(call(path, "join", 0, args, &text, &err), -EREMOTEIO);
    assert_string_equal(err_text(&err), "\"join\" command requires at least 1 arguments");
    assert_int_equal(call(path, "join", 3, args, &text, &err), -EREMOTEIO);
    assert_string_equal(err_text(&err), "\"join\" command takes at most 2 arguments");
    assert_int_equal(call(path, "nope", 0, NULL, &text, &err), -EREMOTEIO);
    assert_int_equal(call(path, "version", 0, NULL, &text, &err), 0);
    assert_string_equal(text, "ovs-vswitchd (Open vSwitch) 3.1.0\nSluice 1\n");
    assert_int_equal(call(path, "list-commands", 0, NULL, &text, &err), 0);
    assert_non_null(strstr(text, "\n  join                    ARG...\n"));
    assert_non_null(strstr(text, "\n  time/stop"));
    assert_int_equal(call(path, "vlog/set", 1, &args[0], &text, &err), -EREMOTEIO);
    assert_int_equal(call(path, "coverage/show", 0, NULL, &text, &err), 0);

    // A held answer doesn't hold up others, and comes when it is given.
    struct holder h = {.path = path};
    assert_int_equal(thread_start(&holder, "holder", hold, &h, NULL), 0);
    const char *step[] = {"3000", "1000"};
    assert_int_equal(call(path, "time/stop", 0, NULL, &text, &err), 0);
    int64_t before = clock_now();
    assert_int_equal(call(path, "time/warp", 2, step, &text, &err), 0);
    assert_string_equal(text, "warped\n");
    assert_int_equal(clock_now() - before, 3 * NSEC_PER_SEC);
    assert_int_equal(call(path, "time/warp", 1, &args[0], &text, &err), -EREMOTEIO);
    clock_start();
    while (!atomic_load(&h.done)) {
        assert_int_equal(call(path, "release", 0, NULL, &text, &err), -EREMOTEIO);
        assert_string_equal(err_text(&err), "but this one fails");
    }
    thread_join(holder);
    assert_string_equal(h.text, "released\n");
    free(h.text);

    // A client that goes away before its answer.
    assert_int_equal(control_call(path, "hold", 0, NULL, NSEC_PER_MSEC, &text, &err), -ETIMEDOUT);
    assert_int_equal(call(path, "release", 0, NULL, &text, &err), -EREMOTEIO);
    assert_int_equal(control_call(path, "hold", 0, NULL, NSEC_PER_MSEC, &text, &err), -ETIMEDOUT);
    loop_stop(d.loop);
    thread_join(runner);
    control_close(d.control);
    if (d.held)
        control_reply(d.held, "too late");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(call(path, "version", 0, NULL, &text, &err), -ENOENT);
    assert_int_equal(control_call("no-such-daemon", "version", 0, NULL, 0, &text, &err), -ENOENT);
    loop_free(d.loop);
}

int main(void)
{
    clock_tests_enable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_broken),
        cmocka_unit_test(test_cut_off),  cmocka_unit_test(test_owner_frees),
        cmocka_unit_test(test_pause),    cmocka_unit_test(test_raw),
        cmocka_unit_test(test_probe),    cmocka_unit_test(test_session),
        cmocka_unit_test(test_control),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
