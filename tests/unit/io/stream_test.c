// SPDX-License-Identifier: Apache-2.0
// Streams: names, both ends over Unix, TCP and TLS, big transfers under back-pressure, every way to
// end.
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/io/stream.h"
#include "lib/io/stream_private.h"
#include "tests/unit/test.h"

static char dir[] = "/tmp/stream_test.XXXXXX";
static char *key_file, *cert_file;

// A self-signed certificate, which is its own authority.
static void make_identity(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *f = fopen(key_file, "we");
    assert_true(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
    f = fopen(cert_file, "we");
    assert_true(PEM_write_X509(f, cert));
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int set_up(void **state)
{
    assert_non_null(mkdtemp(dir));
    key_file = xasprintf("%s/key.pem", dir);
    cert_file = xasprintf("%s/cert.pem", dir);
    make_identity();
    return 0;
}

static int tear_down(void **state)
{
    unlink(key_file);
    unlink(cert_file);
    free(key_file);
    free(cert_file);
    return rmdir(dir);
}

static void test_names(void **state)
{
    static const struct {
        const char *target;
        bool good, passive;
        const char *ip;
        unsigned port;
    } cases[] = {
        {"tcp:127.0.0.1:1234", true, false, "127.0.0.1", 1234},
        {"tcp:127.0.0.1", true, false, "127.0.0.1", 6640},
        {"tcp:127.0.0.1:", true, false, "127.0.0.1", 6640},
        {"tcp:localhost:9", true, false, "127.0.0.1", 9},
        {"tcp:[::1]:1234", true, false, "::1", 1234},
        {"ssl:[2001:db8::1]", true, false, "2001:db8::1", 6640},
        {"ptcp:", true, true, "0.0.0.0", 6640},
        {"ptcp:1234", true, true, "0.0.0.0", 1234},
        {"ptcp:0:127.0.0.1", true, true, "127.0.0.1", 0},
        {"pssl:1234:[::]", true, true, "::", 1234},
        {"ptcp::127.0.0.1", true, true, "127.0.0.1", 6640},
        {"unix:x.sock", true, false, "", 0},
        {"punix:/a/b", true, true, "", 0},
        {"tcp:", false, false, "", 0},
        {"tcp:127.0.0.1:0", false, false, "", 0},
        {"tcp:127.0.0.1:65536", false, false, "", 0},
        {"tcp:127.0.0.1:1x", false, false, "", 0},
        {"tcp:[::1", false, false, "", 0},
        {"tcp:[::1]x", false, false, "", 0},
        {"tcp:example.org:1", false, false, "", 0},
        {"ptcp:1:2:3", false, false, "", 0},
        {"unix:", false, false, "", 0},
        {"udp:127.0.0.1:1", false, false, "", 0},
        {"", false, false, "", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERR(err);
        struct stream_target t = {.kind = 99};
        int error = stream_target_parse(cases[i].target, 6640, &t, &err);
        if (!cases[i].good) {
            assert_int_equal(error, -EINVAL);
            assert_int_equal(t.kind, 99);
            assert_non_null(strstr(err_text(&err), cases[i].target));
            continue;
        }
        char ip[64];
        assert_int_equal(error, 0);
        assert_int_equal(t.passive, cases[i].passive);
        assert_int_equal(stream_is_passive(cases[i].target), cases[i].passive);
        assert_int_equal(stream_is_active(cases[i].target), !cases[i].passive);
        stream_address_text(&t.addr, ip, sizeof(ip));
        assert_string_equal(ip, cases[i].ip);
        assert_int_equal(stream_address_port(&t.addr), cases[i].port);
        stream_target_done(&t);
    }
    assert_false(stream_is_active("br0"));
}

// One end of a connection and what happened to it.
struct end {
    struct stream *s;
    struct str got;
    unsigned connected, drained, closed;
    int close_code;
    bool keep; // don't consume
};

static void on_connected(struct stream *s, void *arg)
{
    ((struct end *)arg)->connected++;
}

static void on_readable(struct stream *s, void *arg)
{
    struct end *e = arg;
    size_t n;
    const void *data;
    while (!e->keep && (data = stream_peek_some(s, &n))) {
        str_putn(&e->got, data, n);
        stream_consume(s, n);
    }
}

static void on_drained(struct stream *s, void *arg)
{
    ((struct end *)arg)->drained++;
}

static void on_closed(struct stream *s, const struct err *err, void *arg)
{
    struct end *e = arg;
    e->closed++;
    e->close_code = err->code;
}

static const struct stream_cb callbacks = {on_connected, on_readable, on_drained, on_closed};

static void on_accept(struct listener *l, struct stream *s, void *arg)
{
    struct end *e = arg;
    e->s = s;
    stream_set_owner(s, &callbacks, e);
}

struct pair {
    struct loop *loop;
    struct listener *listener;
    struct end client, server;
};

static bool both_up(void *arg)
{
    struct pair *p = arg;
    return p->client.connected && p->server.s && stream_is_connected(p->server.s);
}

static bool client_closed(void *arg)
{
    return ((struct pair *)arg)->client.closed != 0;
}

static bool server_closed(void *arg)
{
    return ((struct pair *)arg)->server.closed != 0;
}

static void until(struct pair *p, bool (*done)(void *arg))
{
    assert_int_equal(loop_until(p->loop, done, p, 10 * NSEC_PER_SEC), 0);
}

static void pair_up(struct pair *p, const char *passive, const char *active_prefix)
{
    AUTO_ERR(err);
    *p = (struct pair){.loop = loop_new()};
    int error = stream_listen(p->loop, passive, 0, on_accept, &p->server, &p->listener, &err);
    if (error)
        fail_msg("%s", err_text(&err));
    AUTO_FREE char *active = listener_port(p->listener)
                                 ? xasprintf("%s:%u", active_prefix, listener_port(p->listener))
                                 : xstrdup(active_prefix);
    error = stream_connect(p->loop, active, 0, &callbacks, &p->client, &p->client.s, &err);
    if (error)
        fail_msg("%s", err_text(&err));
    assert_int_equal(p->client.connected, 0); // nothing is called from inside
    assert_int_equal(stream_write(p->client.s, "early", 5), 0);
    until(p, both_up);
}

static void pair_down(struct pair *p)
{
    stream_free(p->client.s);
    stream_free(p->server.s);
    listener_free(p->listener);
    str_done(&p->client.got);
    str_done(&p->server.got);
    loop_free(p->loop);
}

static bool early_came(void *arg)
{
    struct pair *p = arg;
    return p->server.got.size >= 5;
}

#define BIG (3 * 1024 * 1024)

static bool big_came(void *arg)
{
    struct pair *p = arg;
    return p->client.got.size == BIG && p->server.drained;
}

// Words both ways, then more than socket and buffers hold.
static void exchange(struct pair *p)
{
    until(p, early_came);
    assert_string_equal(str_text(&p->server.got), "early");
    AUTO_FREE char *big = xmalloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i % 23);
    assert_int_equal(stream_write(p->server.s, big, BIG), 0);
    assert_int_equal(stream_backlog(p->server.s), BIG);
    until(p, big_came);
    assert_memory_equal(p->client.got.text, big, BIG);
    assert_int_equal(stream_backlog(p->server.s), 0);
    assert_int_equal(p->server.drained, 1);
    assert_int_equal(stream_received(p->client.s), BIG);
    assert_int_equal(stream_sent(p->client.s), 5);
    // The peer's orderly end.
    stream_free(STEAL_PTR(p->server.s));
    until(p, client_closed);
    assert_int_equal(p->client.close_code, 0);
    assert_int_equal(stream_write(p->client.s, "x", 1), -EPIPE);
    assert_int_equal(p->client.closed, 1);
    assert_false(stream_is_connected(p->client.s));
}

static void test_tcp(void **state)
{
    struct pair p;
    pair_up(&p, "ptcp:0:127.0.0.1", "tcp:127.0.0.1");
    assert_string_equal(stream_local_ip(p.client.s), "127.0.0.1");
    assert_string_equal(stream_peer_ip(p.server.s), "127.0.0.1");
    assert_int_equal(stream_peer_port(p.client.s), listener_port(p.listener));
    exchange(&p);
    pair_down(&p);
}

static void test_tcp6(void **state)
{
    struct pair p;
    if (access("/proc/net/if_inet6", R_OK))
        skip();
    pair_up(&p, "ptcp:0:[::1]", "tcp:[::1]");
    assert_true(str_starts(stream_name(p.server.s), "tcp:[::1]:"));
    exchange(&p);
    pair_down(&p);
}

static void test_unix(void **state)
{
    struct pair p;
    AUTO_FREE char *passive = xasprintf("punix:%s/s", dir), *active = xasprintf("unix:%s/s", dir);
    struct stat st;
    pair_up(&p, passive, active);
    assert_int_equal(stat(active + 5, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    exchange(&p);
    pair_down(&p);
    assert_int_equal(stat(active + 5, &st), -1); // unlinked
}

// A path that doesn't fit struct sockaddr_un.
static void test_unix_long(void **state)
{
    struct pair p;
    AUTO_FREE char *deep = xasprintf("%s/%0150d", dir, 0);
    AUTO_FREE char *passive = xasprintf("punix:%s/s", deep), *active = xasprintf("unix:%s/s", deep);
    assert_int_equal(mkdir(deep, 0700), 0);
    pair_up(&p, passive, active);
    exchange(&p);
    pair_down(&p);
    assert_int_equal(rmdir(deep), 0);
}

static void test_unix_owner(void **state)
{
    AUTO_ERR(err);
    AUTO_FREE char *name = xasprintf("punix:%s/s", dir);
    struct loop *loop = loop_new();
    struct listener *l, *second;
    struct end e = {0};
    assert_int_equal(stream_listen(loop, name, 0, on_accept, &e, &l, &err), 0);
    assert_int_equal(stream_listen(loop, name, 0, on_accept, &e, &second, &err), -EADDRINUSE);
    // What a dead process left is replaced: a bound socket that doesn't listen any more.
    AUTO_FREE char *stale = xasprintf("%s/stale", dir), *stale_name = xasprintf("punix:%s", stale);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(stream_unix_bind(fd, stale), 0);
    close(fd);
    assert_int_equal(stream_listen(loop, stale_name, 0, on_accept, &e, &second, &err), 0);
    listener_free(second);
    // Another kind of file is not.
    fd = open(stale, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    assert_int_equal(stream_listen(loop, stale_name, 0, on_accept, &e, &second, &err), -EADDRINUSE);
    unlink(stale);
    listener_free(l);
    listener_free(NULL);
    loop_free(loop);
}

static void test_tls(void **state)
{
    AUTO_ERR(err);
    struct pair p;
    struct stream *s;
    struct loop *loop = loop_new();
    assert_false(stream_has_tls());
    assert_int_equal(stream_connect(loop, "ssl:127.0.0.1:1", 0, NULL, NULL, &s, &err), -ENOKEY);
    loop_free(loop);
    struct stream_tls bad = {
        .private_key = cert_file, .certificate = cert_file, .ca_cert = cert_file};
    assert_int_equal(stream_set_tls(&bad, &err), -EINVAL);
    bad.certificate = "/nonexistent";
    assert_int_equal(stream_set_tls(&bad, &err), -ENOENT);
    bad.certificate = NULL;
    assert_int_equal(stream_set_tls(&bad, &err), -EINVAL);
    assert_false(stream_has_tls());
    struct stream_tls good = {
        .private_key = key_file, .certificate = cert_file, .ca_cert = cert_file};
    assert_int_equal(stream_set_tls(&good, &err), 0);
    pair_up(&p, "pssl:0:127.0.0.1", "ssl:127.0.0.1");
    exchange(&p);
    pair_down(&p);
    good.protocols = "TLSv1.3";
    assert_int_equal(stream_set_tls(&good, &err), 0);
    good.protocols = "SSLv2";
    assert_int_equal(stream_set_tls(&good, &err), -EINVAL);
    // A peer that doesn't speak TLS ends the server's side with an error, not a hang.
    p = (struct pair){.loop = loop_new()};
    assert_int_equal(
        stream_listen(p.loop, "pssl:0:127.0.0.1", 0, on_accept, &p.server, &p.listener, &err), 0);
    AUTO_FREE char *plain = xasprintf("tcp:127.0.0.1:%u", listener_port(p.listener));
    assert_int_equal(stream_connect(p.loop, plain, 0, &callbacks, &p.client, &p.client.s, &err), 0);
    stream_write(p.client.s, "{\"method\":\"echo\"}", 17);
    until(&p, server_closed);
    assert_int_equal(p.server.close_code, -EPROTO);
    pair_down(&p);
    assert_int_equal(stream_set_tls(&(struct stream_tls){0}, &err), 0);
    assert_false(stream_has_tls());
}

static void test_refused(void **state)
{
    AUTO_ERR(err);
    struct pair p = {.loop = loop_new()};
    AUTO_FREE char *nobody = xasprintf("unix:%s/nobody", dir);
    assert_int_equal(stream_connect(p.loop, nobody, 0, &callbacks, &p.client, &p.client.s, &err),
                     0);
    assert_int_equal(p.client.closed, 0);
    until(&p, client_closed);
    assert_int_equal(p.client.close_code, -ENOENT);
    stream_free(p.client.s);
    // A port that was just given up.
    struct end e = {0};
    assert_int_equal(stream_listen(p.loop, "ptcp:0:127.0.0.1", 0, on_accept, &e, &p.listener, &err),
                     0);
    AUTO_FREE char *gone = xasprintf("tcp:127.0.0.1:%u", listener_port(p.listener));
    listener_free(p.listener);
    p.client = (struct end){0};
    assert_int_equal(stream_connect(p.loop, gone, 0, &callbacks, &p.client, &p.client.s, &err), 0);
    until(&p, client_closed);
    assert_int_equal(p.client.close_code, -ECONNREFUSED);
    stream_free(p.client.s);
    // Freed before it is told.
    assert_int_equal(stream_connect(p.loop, nobody, 0, &callbacks, &p.client, &p.client.s, &err),
                     0);
    stream_free(p.client.s);
    stream_free(NULL);
    struct stream *s = NULL;
    assert_int_equal(stream_connect(p.loop, "punix:x", 0, NULL, NULL, &s, &err), -EINVAL);
    assert_int_equal(stream_listen(p.loop, "tcp:1.2.3.4:5", 0, on_accept, &e, &p.listener, &err),
                     -EINVAL);
    assert_null(s);
    loop_free(p.loop);
}

static bool server_has_mark(void *arg)
{
    struct pair *p = arg;
    return stream_available(p->server.s) >= 4096;
}

static void nothing(void *arg)
{
}

// Reading stops at the high-water mark and goes on when the owner consumes.
static void test_high_water(void **state)
{
    struct pair p;
    AUTO_FREE char *passive = xasprintf("punix:%s/s", dir), *active = xasprintf("unix:%s/s", dir);
    pair_up(&p, passive, active);
    until(&p, early_came);
    p.server.keep = true;
    stream_set_high_water(p.server.s, 4096);
    AUTO_FREE char *big = xcalloc(1, BIG);
    stream_write(p.client.s, big, BIG);
    until(&p, server_has_mark);
    for (int i = 0; i < 50; i++) { // passes in which it could read more
        loop_post(p.loop, nothing, NULL);
        loop_once(p.loop, true);
    }
    assert_in_range(stream_available(p.server.s), 4096, 4096 + 16 * 1024);
    assert_true(stream_backlog(p.client.s) > 0);
    assert_null(stream_peek(p.server.s, 4097 + 16 * 1024));
    assert_non_null(stream_peek(p.server.s, 4096));
    stream_pause(p.server.s, true);
    stream_set_high_water(p.server.s, 64 * 1024);
    p.server.keep = false;
    for (int i = 0; i < 20; i++) {
        loop_post(p.loop, nothing, NULL);
        loop_once(p.loop, true);
    }
    assert_int_equal(p.server.got.size, 5);
    stream_pause(p.server.s, false); // also hands over what was there
    while (p.server.got.size < BIG + 5)
        loop_once(p.loop, true);
    pair_down(&p);
}

// What is queued arrives although the stream was given up, and a stuck one ends with the loop.
static void test_finish(void **state)
{
    struct pair p;
    pair_up(&p, "ptcp:0:127.0.0.1", "tcp:127.0.0.1");
    AUTO_FREE char *big = xcalloc(1, BIG);
    clock_stop(); // it doesn't come to giving up
    stream_write(p.server.s, big, BIG);
    stream_finish(STEAL_PTR(p.server.s));
    until(&p, client_closed);
    assert_int_equal(p.client.got.size, BIG);
    assert_int_equal(p.client.close_code, 0);
    pair_down(&p);
    clock_start();

    pair_up(&p, "ptcp:0:127.0.0.1", "tcp:127.0.0.1");
    stream_pause(p.client.s, true);
    for (int i = 0; i < 5; i++)
        stream_write(p.server.s, big, BIG);
    stream_finish(STEAL_PTR(p.server.s));
    clock_warp(6 * NSEC_PER_SEC); // it gives up
    loop_once(p.loop, true);
    stream_pause(p.client.s, false);
    until(&p, client_closed);
    assert_true(p.client.got.size < 5 * BIG);
    pair_down(&p);

    pair_up(&p, "ptcp:0:127.0.0.1", "tcp:127.0.0.1");
    stream_pause(p.client.s, true);
    for (int i = 0; i < 5; i++)
        stream_write(p.server.s, big, BIG);
    stream_finish(STEAL_PTR(p.server.s));
    pair_down(&p);
}

static void free_in_callback(struct stream *s, void *arg)
{
    stream_free(STEAL_PTR(*(struct stream **)arg));
}

static bool is_null(void *arg)
{
    return !*(struct stream **)arg;
}

static void test_free_in_callback(void **state)
{
    static const struct stream_cb ends = {.readable = free_in_callback};
    struct pair p;
    pair_up(&p, "ptcp:0:127.0.0.1", "tcp:127.0.0.1");
    stream_set_owner(p.client.s, &ends, &p.client.s);
    stream_write(p.server.s, "x", 1);
    assert_int_equal(loop_until(p.loop, is_null, &p.client.s, 10 * NSEC_PER_SEC), 0);
    pair_down(&p);
}

static void test_backoff(void **state)
{
    struct backoff b;
    backoff_init(&b, 1, 5);
    assert_int_equal(backoff_next(&b), 1);
    assert_int_equal(backoff_next(&b), 2);
    assert_int_equal(backoff_next(&b), 4);
    assert_int_equal(backoff_next(&b), 5);
    assert_int_equal(backoff_next(&b), 5);
    backoff_reset(&b);
    assert_int_equal(backoff_next(&b), 1);
}

int main(void)
{
    clock_tests_enable();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_tcp6),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_unix_long),
        cmocka_unit_test(test_unix_owner),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_high_water),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_free_in_callback),
        cmocka_unit_test(test_backoff),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
