// SPDX-License-Identifier: Apache-2.0
// Names of streams: "tcp:HOST:PORT" and its relatives, decoded and encoded.
//
// Used by stream.c and listener.c. Pure but for the two functions that hand a path to the kernel.
// The forms are those of ovsdb(7) "Connection Methods". Any thread.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/dirs.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/io/stream_private.h"

static const struct method {
    const char *prefix;
    enum stream_kind kind;
    bool passive;
} methods[] = {
    {"unix:", STREAM_UNIX, false}, {"punix:", STREAM_UNIX, true}, {"tcp:", STREAM_TCP, false},
    {"ptcp:", STREAM_TCP, true},   {"ssl:", STREAM_TLS, false},   {"pssl:", STREAM_TLS, true},
};

static const struct method *find_method(const char *target)
{
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (str_starts(target, methods[i].prefix))
            return &methods[i];
    }
    return NULL;
}

bool stream_is_active(const char *target)
{
    const struct method *m = find_method(target);
    return m && !m->passive;
}

bool stream_is_passive(const char *target)
{
    const struct method *m = find_method(target);
    return m && m->passive;
}

// Takes a host off the front of *at: "[…]" or up to the next colon. False: a bracket is missing.
static bool take_host(char **at, char **ret_host)
{
    char *host = *at;
    if (*host == '[') {
        char *end = strchr(++host, ']');
        if (!end)
            return false;
        *end = '\0';
        *at = end + 1;
    } else {
        *at = host + strcspn(host, ":");
        if (**at == ':') {
            **at = '\0';
            *ret_host = host;
            (*at)++;
            return true;
        }
    }
    *ret_host = host;
    if (**at == ':')
        (*at)++;
    else if (**at)
        return false; // something else behind the bracket
    return true;
}

static int resolve(const char *host, uint16_t port, struct stream_target *ret)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    if (!strcmp(host, "localhost"))
        host = "127.0.0.1";
    if (getaddrinfo(host, service, &hints, &found) || !found)
        return -EINVAL;
    memcpy(&ret->addr, found->ai_addr, found->ai_addrlen);
    ret->addr_len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

// HOST[:PORT], or for passive ones [PORT][:HOST].
static int parse_inet(const struct method *m, const char *rest, uint16_t default_port,
                      struct stream_target *ret)
{
    AUTO_FREE char *copy = xstrdup(rest);
    char *at = copy, *host, *port_text;
    if (m->passive) {
        port_text = at;
        at += strcspn(at, ":");
        if (*at)
            *at++ = '\0';
        if (!*at)
            host = at = (char *)"0.0.0.0";
        else if (!take_host(&at, &host) || *at)
            return -EINVAL;
    } else {
        if (!take_host(&at, &host))
            return -EINVAL;
        port_text = at;
    }
    uint64_t port = default_port;
    if (*port_text && !str_to_u64(port_text, 10, UINT16_MAX, &port))
        return -EINVAL;
    if (!*host || (!m->passive && !port))
        return -EINVAL;
    return resolve(host, (uint16_t)port, ret);
}

int stream_target_parse(const char *target, uint16_t default_port, struct stream_target *ret,
                        struct err *err)
{
    const struct method *m = find_method(target);
    if (!m)
        return err_set(err, -EINVAL,
                       "%s: not a connection method (unix:, tcp:, ssl:, punix:, "
                       "ptcp: or pssl:)",
                       target);
    const char *rest = target + strlen(m->prefix);
    struct stream_target t = {.kind = m->kind, .passive = m->passive};
    if (m->kind == STREAM_UNIX) {
        if (!*rest)
            return err_set(err, -EINVAL, "%s: a file name is missing", target);
        t.path = dirs_path(dirs_run(), rest);
    } else if (parse_inet(m, rest, default_port, &t) < 0) {
        return err_set(err, -EINVAL, "%s: not %s", target,
                       m->passive ? "[PORT][:ADDRESS]" : "ADDRESS[:PORT] (an IP address)");
    }
    *ret = t;
    return 0;
}

void stream_target_done(struct stream_target *t)
{
    if (t) {
        free(t->path);
        t->path = NULL;
    }
}

void stream_address_text(const struct sockaddr_storage *addr, char *text, size_t size)
{
    const void *ip = NULL;
    if (addr->ss_family == AF_INET)
        ip = &((const struct sockaddr_in *)addr)->sin_addr;
    else if (addr->ss_family == AF_INET6)
        ip = &((const struct sockaddr_in6 *)addr)->sin6_addr;
    if (!ip || !inet_ntop(addr->ss_family, ip, text, (socklen_t)size))
        *text = '\0';
}

uint16_t stream_address_port(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)addr)->sin_port);
    if (addr->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
    return 0;
}

// sun_path holds 107 characters; a longer path is named through its opened directory.
static int unix_address(const char *path, struct sockaddr_un *un, int *ret_dir)
{
    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (str_copy(un->sun_path, sizeof(un->sun_path), path))
        return 0;
    AUTO_FREE char *for_dir = xstrdup(path), *for_base = xstrdup(path);
    AUTO_CLOSE int dir = open(dirname(for_dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    int n = snprintf(un->sun_path, sizeof(un->sun_path), "/proc/self/fd/%d/%s", dir,
                     basename(for_base));
    if (n < 0 || (size_t)n >= sizeof(un->sun_path))
        return -ENAMETOOLONG;
    *ret_dir = STEAL_FD(dir);
    return 0;
}

int stream_unix_bind(int fd, const char *path)
{
    AUTO_CLOSE int dir = -1;
    struct sockaddr_un un;
    int error = unix_address(path, &un, &dir);
    if (error)
        return error;
    return bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;
}

int stream_unix_connect(int fd, const char *path)
{
    AUTO_CLOSE int dir = -1;
    struct sockaddr_un un;
    int error = unix_address(path, &un, &dir);
    if (error)
        return error;
    return connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;
}
