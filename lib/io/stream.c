// SPDX-License-Identifier: Apache-2.0
// A buffered, non-blocking byte stream: connecting, reading, writing, ending.
//
// Names are decoded in stream_name.c, TLS comes from stream_tls.c, accepted sockets from
// listener.c. A libevent bufferevent does the work once the socket is connected; until then a loop
// watch waits for the connection and 'early' collects output. Runs in the loop's thread.
// Invariants: callbacks come from the loop and never from inside a call of the owner, and none
// comes after closed(); a trampoline doesn't touch the stream after a callback, which may have
// freed it.
#include "lib/io/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/io/loop_private.h"
#include "lib/io/stream_private.h"

#define HIGH_WATER (256 * 1024)
#define FINISH_TIMEOUT (5 * NSEC_PER_SEC)

enum state { CONNECTING, HANDSHAKE, OPEN, CLOSED };

struct stream {
    struct loop *loop;
    struct stream_cb cb;
    void *arg;
    char *name;
    enum stream_kind kind;
    enum state state;
    bool active; // connected() is due

    int fd; // ours while there is no bufferevent; else -1
    struct loop_watch *watch;
    struct bufferevent *bev;
    struct evbuffer *early; // output before the bufferevent exists
    struct err end;         // why it is closed

    size_t high_water, low_mark;
    bool paused, full, above_mark;
    uint64_t sent, received;

    char local_ip[INET6_ADDRSTRLEN], peer_ip[INET6_ADDRSTRLEN];
    uint16_t peer_port;

    bool finishing; // nobody owns it any more
    struct loop_orphan orphan;
    struct loop_timer *finish_timer;
};

static const struct stream_cb no_callbacks;

static struct evbuffer *input(const struct stream *s)
{
    return s->bev ? bufferevent_get_input(s->bev) : NULL;
}

static struct evbuffer *output(const struct stream *s)
{
    return s->bev ? bufferevent_get_output(s->bev) : s->early;
}

static void learn_addresses(struct stream *s, int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    if (!getsockname(fd, (struct sockaddr *)&addr, &len))
        stream_address_text(&addr, s->local_ip, sizeof(s->local_ip));
    addr = (struct sockaddr_storage){0};
    len = sizeof(addr);
    if (!getpeername(fd, (struct sockaddr *)&addr, &len)) {
        stream_address_text(&addr, s->peer_ip, sizeof(s->peer_ip));
        s->peer_port = stream_address_port(&addr);
    }
}

// ---- Ends

static void tell_closed(void *arg)
{
    struct stream *s = arg;
    if (s->finishing)
        stream_free(s);
    else if (s->cb.closed)
        s->cb.closed(s, &s->end, s->arg);
}

// Ends the stream; closed() comes from the loop's next pass.
static void close_later(struct stream *s, int code, const char *reason)
{
    if (s->state == CLOSED)
        return;
    s->state = CLOSED;
    if (code)
        err_set(&s->end, code, "%s: %s", s->name, reason);
    loop_watch_free(STEAL_PTR(s->watch));
    if (s->bev)
        bufferevent_disable(s->bev, EV_READ | EV_WRITE);
    loop_post(s->loop, tell_closed, s);
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    loop_unpost(s->loop, tell_closed, s);
    if (s->finishing)
        loop_disown(s->loop, &s->orphan);
    loop_timer_free(s->finish_timer);
    loop_watch_free(s->watch);
    if (s->bev) {
        SSL *ssl = bufferevent_openssl_get_ssl(s->bev);
        if (ssl && s->state == OPEN)
            SSL_shutdown(ssl); // says goodbye, doesn't wait for the answer
        ERR_clear_error();
        bufferevent_free(s->bev);
    }
    if (s->early)
        evbuffer_free(s->early);
    if (s->fd >= 0)
        close(s->fd);
    err_done(&s->end);
    free(s->name);
    free(s);
}

static void end_orphan(struct loop_orphan *o)
{
    stream_free(HOLDER_OF(o, struct stream, orphan));
}

static void finish_late(void *arg)
{
    stream_free(arg);
}

// Everything is sent: says so to the peer and waits for its end. Closing at once could discard what
// is on its way, because the kernel resets a connection that is closed with input unread.
static void say_goodbye(struct stream *s)
{
    SSL *ssl = bufferevent_openssl_get_ssl(s->bev);
    if (ssl)
        SSL_shutdown(ssl);
    ERR_clear_error();
    shutdown(bufferevent_getfd(s->bev), SHUT_WR);
}

// Gives the kernel what it takes at once: the loop may end before it comes round to it.
static void write_now(struct stream *s)
{
    if (s->state != OPEN || bufferevent_openssl_get_ssl(s->bev))
        return;
    evbuffer_unfreeze(output(s), 1);
    while (stream_backlog(s) && evbuffer_write(output(s), bufferevent_getfd(s->bev)) > 0)
        ;
    evbuffer_freeze(output(s), 1);
}

void stream_finish(struct stream *s)
{
    if (!s)
        return;
    write_now(s);
    if (s->state == CLOSED || (s->state != OPEN && !stream_backlog(s))) {
        stream_free(s);
        return;
    }
    s->cb = no_callbacks;
    s->finishing = true;
    s->orphan.end = end_orphan;
    loop_adopt(s->loop, &s->orphan);
    s->finish_timer = loop_timer_new(s->loop, finish_late, s);
    loop_timer_after(s->finish_timer, FINISH_TIMEOUT);
    stream_set_low_mark(s, 0);
    s->above_mark = true;
    if (s->bev)
        bufferevent_enable(s->bev, EV_READ);
    if (s->state == OPEN && !stream_backlog(s))
        say_goodbye(s);
}

// ---- The bufferevent's callbacks

// Reads from the socket unless the owner paused it or the buffer is full. libevent has a high-water
// mark of its own, but calls back without end while an owner leaves the input at it.
static void set_reading(struct stream *s)
{
    s->full = stream_available(s) >= s->high_water;
    if (!s->bev || s->state == CLOSED || s->finishing)
        return;
    if (s->paused || s->full)
        bufferevent_disable(s->bev, EV_READ);
    else
        bufferevent_enable(s->bev, EV_READ);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct stream *s = arg;
    if (s->finishing)
        evbuffer_drain(input(s), stream_available(s));
    set_reading(s);
    if (s->cb.readable && s->state == OPEN)
        s->cb.readable(s, s->arg);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct stream *s = arg;
    if (!s->above_mark || stream_backlog(s) > s->low_mark)
        return;
    s->above_mark = false;
    if (s->finishing)
        say_goodbye(s);
    else if (s->cb.drained)
        s->cb.drained(s, s->arg);
}

static void become_open(struct stream *s)
{
    s->state = OPEN;
    if (s->active && s->cb.connected) {
        s->active = false;
        s->cb.connected(s, s->arg);
    }
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct stream *s = arg;
    if (what & BEV_EVENT_CONNECTED) { // the TLS handshake is done
        if (s->state == HANDSHAKE)
            become_open(s);
        return;
    }
    int socket_error = EVUTIL_SOCKET_ERROR();
    if (what & BEV_EVENT_EOF) {
        if (s->state == HANDSHAKE)
            close_later(s, -EPROTO, "the peer closed during the TLS handshake");
        else
            close_later(s, 0, NULL);
        return;
    }
    unsigned long tls_error = bufferevent_get_openssl_error(bev);
    ERR_clear_error();
    if (tls_error) {
        const char *reason = ERR_reason_error_string(tls_error);
        close_later(s, -EPROTO, reason ? reason : "TLS error");
    } else {
        int code = socket_error ? -socket_error : -ECONNRESET;
        close_later(s, code, strerrordesc_np(-code));
    }
}

static void count_sent(struct evbuffer *b, const struct evbuffer_cb_info *info, void *arg)
{
    struct stream *s = arg;
    s->sent += info->n_deleted;
}

static void count_received(struct evbuffer *b, const struct evbuffer_cb_info *info, void *arg)
{
    struct stream *s = arg;
    s->received += info->n_added;
}

// The socket is connected: gives it to a bufferevent. TLS goes through a handshake first.
static int start(struct stream *s, bool tls_server, struct err *err)
{
    int one = 1;
    struct event_base *base = loop_base(s->loop);
    learn_addresses(s, s->fd);
    if (s->kind != STREAM_UNIX)
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (s->kind == STREAM_TLS) {
        SSL *ssl;
        int error = stream_tls_session(&ssl, err);
        if (error)
            return error;
        s->bev = bufferevent_openssl_socket_new(
            base, s->fd, ssl, tls_server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
        if (s->bev)
            bufferevent_openssl_set_allow_dirty_shutdown(s->bev, 1);
        else
            SSL_free(ssl);
        s->state = HANDSHAKE;
    } else {
        s->bev =
            bufferevent_socket_new(base, s->fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
        s->state = OPEN;
    }
    if (!s->bev)
        return err_set(err, -ENOMEM, "%s: no memory", s->name);
    s->fd = -1;
    evbuffer_add_cb(bufferevent_get_output(s->bev), count_sent, s);
    evbuffer_add_cb(bufferevent_get_input(s->bev), count_received, s);
    bufferevent_setcb(s->bev, on_read, on_write, on_event, s);
    bufferevent_setwatermark(s->bev, EV_WRITE, s->low_mark, 0);
    bufferevent_enable(s->bev, EV_WRITE | (s->paused ? 0 : EV_READ));
    evbuffer_add_buffer(bufferevent_get_output(s->bev), s->early);
    return 0;
}

// ---- Making streams

static struct stream *stream_new(struct loop *loop, const char *name, enum stream_kind kind, int fd)
{
    struct stream *s = NEW(struct stream);
    s->loop = loop;
    s->name = xstrdup(name);
    s->kind = kind;
    s->fd = fd;
    s->high_water = HIGH_WATER;
    s->early = evbuffer_new();
    return s;
}

static void on_connect(int fd, unsigned events, void *arg)
{
    struct stream *s = arg;
    int error = 0;
    socklen_t len = sizeof(error);
    loop_watch_free(STEAL_PTR(s->watch));
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    AUTO_ERR(why);
    if (error)
        close_later(s, -error, strerrordesc_np(error));
    else if (start(s, false, &why) < 0)
        close_later(s, why.code, err_text(&why));
    else if (s->state == OPEN)
        become_open(s);
}

static int begin_connect(struct stream *s, const struct stream_target *t)
{
    int family = t->kind == STREAM_UNIX ? AF_UNIX : t->addr.ss_family;
    s->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return -errno;
    int error = 0;
    if (t->kind == STREAM_UNIX)
        error = stream_unix_connect(s->fd, t->path);
    else if (connect(s->fd, (const struct sockaddr *)&t->addr, t->addr_len) < 0)
        error = -errno;
    if (error && error != -EINPROGRESS)
        return error;
    // A connected socket is writable, so both cases go on in on_connect().
    s->watch = loop_watch_new(s->loop, s->fd, LOOP_WRITE, on_connect, s);
    return 0;
}

int stream_connect(struct loop *loop, const char *target, uint16_t default_port,
                   const struct stream_cb *cb, void *arg, struct stream **ret_stream,
                   struct err *err)
{
    struct stream_target t;
    int error = stream_target_parse(target, default_port, &t, err);
    if (error)
        return error;
    if (t.passive) {
        stream_target_done(&t);
        return err_set(err, -EINVAL, "%s: a passive name can't be connected to", target);
    }
    if (t.kind == STREAM_TLS && !stream_has_tls()) {
        stream_target_done(&t);
        return err_set(err, -ENOKEY, "%s: TLS needs --private-key, --certificate and --ca-cert",
                       target);
    }
    struct stream *s = stream_new(loop, target, t.kind, -1);
    s->active = true;
    stream_set_owner(s, cb, arg);
    error = begin_connect(s, &t);
    if (error)
        close_later(s, error, strerrordesc_np(-error));
    stream_target_done(&t);
    *ret_stream = s;
    return 0;
}

int stream_accepted(struct loop *loop, int fd, bool tls, const char *name,
                    struct stream **ret_stream, struct err *err)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    enum stream_kind kind = tls ? STREAM_TLS : STREAM_TCP;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) || addr.ss_family == AF_UNIX)
        kind = STREAM_UNIX;
    struct stream *s = stream_new(loop, name, kind, fd);
    int error = start(s, true, err);
    if (error) {
        stream_free(s);
        return error;
    }
    *ret_stream = s;
    return 0;
}

int stream_from_fd(struct loop *loop, int fd, const char *name, const struct stream_cb *cb,
                   void *arg, struct stream **ret_stream, struct err *err)
{
    struct stream *s;
    evutil_make_socket_nonblocking(fd);
    int error = stream_accepted(loop, fd, false, name, &s, err);
    if (error)
        return error;
    stream_set_owner(s, cb, arg);
    *ret_stream = s;
    return 0;
}

// ---- What owners ask for

void stream_set_owner(struct stream *s, const struct stream_cb *cb, void *arg)
{
    s->cb = cb ? *cb : no_callbacks;
    s->arg = arg;
}

const char *stream_name(const struct stream *s)
{
    return s->name;
}

bool stream_is_connected(const struct stream *s)
{
    return s->state == OPEN;
}

const char *stream_local_ip(const struct stream *s)
{
    return s->local_ip;
}

const char *stream_peer_ip(const struct stream *s)
{
    return s->peer_ip;
}

uint16_t stream_peer_port(const struct stream *s)
{
    return s->peer_port;
}

size_t stream_available(const struct stream *s)
{
    return s->bev ? evbuffer_get_length(input(s)) : 0;
}

const void *stream_peek(struct stream *s, size_t n)
{
    if (!n || stream_available(s) < n)
        return NULL;
    return evbuffer_pullup(input(s), (ev_ssize_t)n);
}

const void *stream_peek_some(struct stream *s, size_t *ret_size)
{
    size_t n = s->bev ? evbuffer_get_contiguous_space(input(s)) : 0;
    *ret_size = n;
    return n ? evbuffer_pullup(input(s), (ev_ssize_t)n) : NULL;
}

void stream_consume(struct stream *s, size_t n)
{
    if (!s->bev || !n)
        return;
    evbuffer_drain(input(s), n);
    if (s->full)
        set_reading(s);
}

void stream_set_high_water(struct stream *s, size_t bytes)
{
    s->high_water = bytes;
    set_reading(s);
}

void stream_pause(struct stream *s, bool paused)
{
    if (s->paused == paused)
        return;
    s->paused = paused;
    set_reading(s);
    if (!paused && s->state == OPEN && stream_available(s))
        bufferevent_trigger(s->bev, EV_READ, BEV_OPT_DEFER_CALLBACKS);
}

int stream_write(struct stream *s, const void *data, size_t n)
{
    if (s->state == CLOSED)
        return -EPIPE;
    if (evbuffer_add(output(s), data, n) < 0)
        return -ENOMEM;
    if (stream_backlog(s) > s->low_mark)
        s->above_mark = true;
    return 0;
}

size_t stream_backlog(const struct stream *s)
{
    return output(s) ? evbuffer_get_length(output(s)) : 0;
}

void stream_set_low_mark(struct stream *s, size_t bytes)
{
    s->low_mark = bytes;
    if (s->bev)
        bufferevent_setwatermark(s->bev, EV_WRITE, bytes, 0);
}

uint64_t stream_sent(const struct stream *s)
{
    return s->sent;
}

uint64_t stream_received(const struct stream *s)
{
    return s->received;
}

// ---- Back-off

void backoff_init(struct backoff *b, int64_t min_ns, int64_t max_ns)
{
    *b = (struct backoff){.min = min_ns, .max = max_ns, .next = min_ns};
}

int64_t backoff_next(struct backoff *b)
{
    int64_t delay = b->next;
    b->next = MIN_OF(b->max, delay * 2);
    return delay;
}

void backoff_reset(struct backoff *b)
{
    b->next = b->min;
}
