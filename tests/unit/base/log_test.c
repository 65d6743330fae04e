// SPDX-License-Identifier: Apache-2.0
// The log: the form of a line, levels, rate limits, rotation, and lines from several threads.

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/thread.h"
#include "tests/unit/test.h"

LOG_MODULE(logtest);

static char dir[] = "/tmp/log_test.XXXXXX";
static char *file;

static char *contents(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct str s = STR_INIT;
    char part[4096];
    ssize_t n;
    while ((n = read(fd, part, sizeof(part))) > 0)
        str_putn(&s, part, (size_t)n);
    return str_steal(&s);
}

static bool matches(const char *text, const char *pattern)
{
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB), 0);
    bool found = !regexec(&re, text, 0, NULL, 0);
    regfree(&re);
    return found;
}

static int set_up(void **state)
{
    AUTO_ERR(err);
    assert_non_null(mkdtemp(dir));
    file = xasprintf("%s/x.log", dir);
    log_set_syslog_method("null", NULL);
    assert_int_equal(log_set("ANY:console:off", &err), 0);
    assert_int_equal(log_open_file(file, &err), 0);
    return 0;
}

static int tear_down(void **state)
{
    AUTO_FREE char *remove = xasprintf("%s/x.log.1", dir);
    log_close();
    unlink(file);
    unlink(remove);
    rmdir(dir);
    free(file);
    return 0;
}

static void test_line(void **state)
{
    errno = EBADF;
    log_warn("two\nlines of %d", 2);
    assert_int_equal(errno, EBADF);
    AUTO_FREE char *text = contents(file);
    static const char head[] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z"
                               "\\|[0-9]{5}\\|logtest\\|WARN\\|";
    AUTO_FREE char *one = xasprintf("%stwo$", head), *two = xasprintf("%slines of 2$", head);
    assert_true(matches(text, one));
    assert_true(matches(text, two));
}

static void test_wall_time(void **state)
{
    clock_stop();
    time_t seconds = clock_wall() / NSEC_PER_SEC + 3600;
    struct tm tm;
    char expected[32];
    gmtime_r(&seconds, &tm);
    strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);
    clock_warp(3600 * NSEC_PER_SEC);
    log_info("an hour later");
    clock_start();
    AUTO_FREE char *text = contents(file);
    AUTO_FREE char *pattern = xasprintf("^%s.*an hour later$", expected);
    assert_true(matches(text, pattern));
}

static void test_levels(void **state)
{
    AUTO_ERR(err);
    assert_false(log_wants(&log_module_, LOG_LEVEL_DBG));
    assert_int_equal(log_set("LogTest,FILE dbg", &err), 0);
    assert_true(log_wants(&log_module_, LOG_LEVEL_DBG));
    AUTO_FREE char *list = log_list();
    assert_true(matches(list, "^logtest +OFF +INFO +DBG$"));
    assert_true(matches(list, "^vlog +OFF +INFO +INFO$"));
    assert_int_equal(log_set("ANY:file:err", &err), 0);
    assert_int_equal(log_set("syslog:err", &err), 0);
    assert_false(log_wants(&log_module_, LOG_LEVEL_WARN));
    log_warn("not to be seen");
    assert_int_equal(log_set("logtest", &err), 0);
    assert_true(log_wants(&log_module_, LOG_LEVEL_DBG));
    assert_int_equal(log_set("info", &err), 0);
    assert_int_equal(log_set("console:off", &err), 0);
    AUTO_FREE char *text = contents(file);
    assert_null(strstr(text, "not to be seen"));
}

static void test_bad_specs(void **state)
{
    static const struct {
        const char *spec, *sentence;
    } cases[] = {
        {"foo:bar", "no destination, level, or module \"foo\""},
        {"dbg:info", "cannot specify multiple levels"},
        {"file:console", "cannot specify multiple destinations"},
        {"vlog:logtest", "cannot specify multiple modules"},
        {"FACILITY:nope", "invalid facility: nope"},
    };
    AUTO_FREE char *before = log_list();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERR(err);
        assert_int_equal(log_set(cases[i].spec, &err), -EINVAL);
        assert_string_equal(err_text(&err), cases[i].sentence);
    }
    assert_int_equal(log_set("PATTERN:file:%m", NULL), -EOPNOTSUPP);
    AUTO_FREE char *after = log_list();
    assert_string_equal(before, after);
    assert_int_equal(log_set("FACILITY:local3", NULL), 0);
    assert_int_equal(log_set("FACILITY:daemon", NULL), 0);
}

static void test_limit(void **state)
{
    static struct log_limit limit = LOG_LIMIT(60, 3);
    clock_stop();
    for (int i = 0; i < 10; i++)
        log_info_rl(&limit, "flood %d", i);
    clock_warp(NSEC_PER_SEC); // one token
    log_info_rl(&limit, "flood after");
    log_info_rl(&limit, "flood dropped");
    clock_start();
    AUTO_FREE char *text = contents(file);
    assert_non_null(strstr(text, "flood 2"));
    assert_null(strstr(text, "flood 3"));
    assert_non_null(strstr(text, "dropped 7 messages like the next one in the last 1 seconds"));
    assert_non_null(strstr(text, "flood after"));
    assert_null(strstr(text, "flood dropped"));

    assert_int_equal(log_set_limits("nope", false, NULL), -ENOENT);
    assert_int_equal(log_set_limits("logtest", false, NULL), 0);
    log_info_rl(&limit, "flood let through");
    assert_int_equal(log_set_limits(NULL, true, NULL), 0);
    AUTO_FREE char *more = contents(file);
    assert_non_null(strstr(more, "flood let through"));
}

static void test_rotation(void **state)
{
    AUTO_ERR(err);
    AUTO_FREE char *old = xasprintf("%s.1", file);
    log_info("before");
    assert_int_equal(rename(file, old), 0);
    log_info("still in the old one");
    assert_int_equal(log_reopen(&err), 0);
    log_info("in the new one");
    AUTO_FREE char *first = contents(old), *second = contents(file);
    assert_non_null(strstr(first, "still in the old one"));
    assert_null(strstr(first, "in the new one"));
    assert_non_null(strstr(second, "in the new one"));
    log_close();
    log_info("nowhere");
    assert_int_equal(log_reopen(&err), 0);
    AUTO_FREE char *third = contents(file);
    assert_null(strstr(third, "nowhere"));
    assert_int_equal(log_open_file("/nonexistent/x.log", &err), -ENOENT);
    assert_non_null(strstr(err_text(&err), "/nonexistent/x.log"));
}

static void test_syslog_socket(void **state)
{
    AUTO_ERR(err);
    AUTO_FREE char *path = xasprintf("%s/dev-log", dir);
    AUTO_FREE char *method = xasprintf("unix:%s", path);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    assert_true(str_copy(un.sun_path, sizeof(un.sun_path), path));
    assert_int_equal(log_set_syslog_method(method, NULL), -ENOENT);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(log_set_syslog_method(method, &err), 0);
    log_set_program("ovs-test");
    log_warn("to syslog");
    char line[512];
    ssize_t n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    line[n] = '\0';
    // daemon (3) * 8 + warning (4)
    assert_true(matches(line, "^<28>.* ovs-test: ovs\\|[0-9]{5}\\|logtest\\|WARN\\|to syslog$"));
    assert_int_equal(log_set_syslog_method("udp:1.2.3.4:x", NULL), -EINVAL);
    assert_int_equal(log_set_syslog_method("carrier-pigeon", NULL), -EINVAL);
    assert_int_equal(log_set_syslog_method("null", &err), 0);
    unlink(path);
}

#define THREADS 4
#define LINES 200

static void *write_lines(void *arg)
{
    static struct log_limit shared = LOG_LIMIT(6000, 100000);
    for (int i = 0; i < LINES; i++) {
        log_info("line %d of a thread", i);
        log_info_rl(&shared, "limited");
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct thread *threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        AUTO_FREE char *name = xasprintf("worker%d", i);
        assert_int_equal(thread_start(&threads[i], name, write_lines, NULL, NULL), 0);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(log_set(i % 2 ? "logtest:file:dbg" : "logtest:file:info", NULL), 0);
        assert_int_equal(log_reopen(NULL), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_null(thread_join(threads[i]));
    AUTO_FREE char *text = contents(file);
    unsigned whole = 0;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
        whole += matches(line, "\\|00[0-9]{3}\\|logtest\\(worker[0-3]\\)\\|INFO\\|line [0-9]+ of a "
                               "thread$");
    assert_int_equal(whole, THREADS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),          cmocka_unit_test(test_wall_time),
        cmocka_unit_test(test_levels),        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_limit),         cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_syslog_socket), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
