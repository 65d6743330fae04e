// SPDX-License-Identifier: Apache-2.0
// Passive streams: bind, listen, accept.
//
// Accepted sockets become streams in stream.c. Runs in the loop's thread. Invariant: a Unix socket
// file is unlinked at the end only while it is still the one that was bound here.
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/io/stream_private.h"

#define BACKLOG 64
#define ACCEPTS_PER_PASS 32
#define OUT_OF_DESCRIPTORS_PAUSE (100 * NSEC_PER_MSEC)

struct listener {
    struct loop *loop;
    char *name;
    enum stream_kind kind;
    int fd;
    uint16_t port;
    listener_fn *accept;
    void *arg;
    struct loop_watch *watch;
    struct loop_timer *pause; // out of descriptors
    bool accepting;           // accept() runs: freeing waits for its return
    bool dead;
    unsigned n_accepted;

    char *path; // STREAM_UNIX
    dev_t dev;
    ino_t ino;
};

static void resume(void *arg)
{
    struct listener *l = arg;
    loop_watch_set(l->watch, LOOP_READ);
}

static char *accepted_name(struct listener *l, int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    char ip[INET6_ADDRSTRLEN] = "";
    l->n_accepted++;
    if (l->kind == STREAM_UNIX || getpeername(fd, (struct sockaddr *)&addr, &len))
        return xasprintf("unix#%u", l->n_accepted);
    stream_address_text(&addr, ip, sizeof(ip));
    bool v6 = addr.ss_family == AF_INET6;
    return xasprintf("%s:%s%s%s:%u", l->kind == STREAM_TLS ? "ssl" : "tcp", v6 ? "[" : "", ip,
                     v6 ? "]" : "", stream_address_port(&addr));
}

static void on_acceptable(int listen_fd, unsigned events, void *arg)
{
    struct listener *l = arg;
    l->accepting = true;
    for (int i = 0; i < ACCEPTS_PER_PASS && !l->dead; i++) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                loop_watch_set(l->watch, 0);
                loop_timer_after(l->pause, OUT_OF_DESCRIPTORS_PAUSE);
            }
            break; // nobody there any more, or a connection that died early
        }
        AUTO_FREE char *name = accepted_name(l, fd);
        struct stream *s;
        if (!stream_accepted(l->loop, fd, l->kind == STREAM_TLS, name, &s, NULL))
            l->accept(l, s, l->arg);
    }
    l->accepting = false;
    if (l->dead)
        listener_free(l);
}

// Binds a Unix socket, replacing a file on which nobody listens.
static int bind_unix(int fd, const char *path)
{
    fchmod(fd, 0750); // the mode that bind() gives the file
    int error = stream_unix_bind(fd, path);
    if (error != -EADDRINUSE)
        return error;
    struct stat st;
    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return error;
    AUTO_CLOSE int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return -errno;
    if (stream_unix_connect(probe, path) != -ECONNREFUSED)
        return error;
    if (unlink(path) < 0)
        return -errno;
    return stream_unix_bind(fd, path);
}

static int open_socket(struct listener *l, const struct stream_target *t)
{
    int one = 1;
    int family = t->kind == STREAM_UNIX ? AF_UNIX : t->addr.ss_family;
    l->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return -errno;
    if (t->kind == STREAM_UNIX) {
        int error = bind_unix(l->fd, t->path);
        if (error)
            return error;
        struct stat st;
        l->path = xstrdup(t->path);
        if (!lstat(t->path, &st)) {
            l->dev = st.st_dev;
            l->ino = st.st_ino;
        }
    } else {
        setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(l->fd, (const struct sockaddr *)&t->addr, t->addr_len) < 0)
            return -errno;
        struct sockaddr_storage bound = {0};
        socklen_t len = sizeof(bound);
        if (!getsockname(l->fd, (struct sockaddr *)&bound, &len))
            l->port = stream_address_port(&bound);
    }
    return listen(l->fd, BACKLOG) < 0 ? -errno : 0;
}

int stream_listen(struct loop *loop, const char *target, uint16_t default_port, listener_fn *accept,
                  void *arg, struct listener **ret_listener, struct err *err)
{
    struct stream_target t;
    int error = stream_target_parse(target, default_port, &t, err);
    if (error)
        return error;
    if (!t.passive) {
        stream_target_done(&t);
        return err_set(err, -EINVAL, "%s: an active name can't be listened on", target);
    }
    if (t.kind == STREAM_TLS && !stream_has_tls()) {
        stream_target_done(&t);
        return err_set(err, -ENOKEY, "%s: TLS needs --private-key, --certificate and --ca-cert",
                       target);
    }
    struct listener *l = NEW(struct listener);
    l->loop = loop;
    l->name = xstrdup(target);
    l->kind = t.kind;
    l->accept = accept;
    l->arg = arg;
    error = open_socket(l, &t);
    stream_target_done(&t);
    if (error) {
        listener_free(l);
        return err_set_errno(err, error, "%s", target);
    }
    l->watch = loop_watch_new(loop, l->fd, LOOP_READ, on_acceptable, l);
    l->pause = loop_timer_new(loop, resume, l);
    *ret_listener = l;
    return 0;
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    if (l->accepting) {
        l->dead = true;
        return;
    }
    loop_watch_free(l->watch);
    loop_timer_free(l->pause);
    struct stat st;
    if (l->path && !lstat(l->path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
        unlink(l->path);
    if (l->fd >= 0)
        close(l->fd);
    free(l->path);
    free(l->name);
    free(l);
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

const char *listener_name(const struct listener *l)
{
    return l->name;
}
