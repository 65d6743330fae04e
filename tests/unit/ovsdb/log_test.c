// SPDX-License-Identifier: Apache-2.0
//
// The record file: what is written is read again, as differences and as whole values; a file cut at
// every byte of its last record opens with the records before it, and goes on from there;
// compaction.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tests/unit/ovsdb/fixture.h"

static const char schema[] =
    "{\"name\":\"db\",\"version\":\"1.0.0\",\"tables\":{\"t\":{\"columns\":{"
    "\"s\":{\"type\":\"string\"},\"e\":{\"type\":\"string\",\"ephemeral\":true},"
    "\"set\":{\"type\":{\"key\":\"integer\",\"min\":0,\"max\":\"unlimited\"}},"
    "\"map\":{\"type\":{\"key\":\"string\",\"value\":\"string\",\"min\":0,\"max\":\"unlimited\"}}}}"
    "}}";

struct files {
    char dir[64];
    char *path, *lock;
};

static int setup(void **state)
{
    struct files *f = NEW(struct files);

    str_copy(f->dir, sizeof f->dir, "/tmp/ovsdb_log_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->path = xasprintf("%s/db", f->dir);
    f->lock = xasprintf("%s/.db.~lock~", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct files *f = *state;

    unlink(f->path);
    unlink(f->lock);
    assert_int_equal(rmdir(f->dir), 0);
    free(f->path);
    free(f->lock);
    free(f);
    return 0;
}

static struct ovsdb_db *open_db(const struct files *f, struct ovsdb_file_report *report)
{
    struct ovsdb_db *db;
    AUTO_ERR(err);

    if (ovsdb_file_open(f->path, &db, report, &err) < 0)
        fail_msg("%s", err_text(&err));
    return db;
}

static void create(const struct files *f)
{
    AUTO_ERR(err);

    assert_int_equal(ovsdb_file_create(f->path, schema, strlen(schema), &err), 0);
}

static char *dump(struct ovsdb_db *db)
{
    return run_at(db, "{'op':'select','table':'t','where':[],'columns':['s','e','set','map']}", 0);
}

static void fill(struct ovsdb_db *db)
{
    expect(db,
           "{'op':'insert','table':'t','row':{'s':'a','e':'x','set':['set',[1,2,3]],"
           "'map':['map',[['k','v'],['l','w']]]}},{'op':'comment','comment':'first'}",
           "[{'uuid':'U'},{}]");
    expect(db,
           "{'op':'mutate','table':'t','where':[],'mutations':[['set','delete',2],"
           "['set','insert',9],['map','delete','k'],['map','insert',['map',[['m','n']]]]]}",
           "[{'count':1}]");
    expect(db, "{'op':'update','table':'t','where':[],'row':{'map':['map',[['l','changed']]]}}",
           "[{'count':1}]");
    expect(db, "{'op':'insert','table':'t','row':{'s':'gone'}}", "[{'uuid':'U'}]");
    expect(db,
           "{'op':'delete','table':'t','where':[['s','==','gone']]},"
           "{'op':'commit','durable':true}",
           "[{'count':1},{}]");
    // Ephemeral changes leave no record.
    expect(db, "{'op':'update','table':'t','where':[],'row':{'e':'y'}}", "[{'count':1}]");
}

#define FINAL(E)                                                                                   \
    "[{\"rows\":[{\"e\":\"" E "\",\"map\":[\"map\",[[\"l\",\"changed\"]]],\"s\":\"a\","            \
    "\"set\":[\"set\",[1,3,9]]}]}]"

static void test_written_is_read(void **state)
{
    struct files *f = *state;
    struct ovsdb_file_report report;

    create(f);
    struct ovsdb_db *db = open_db(f, &report);
    fill(db);
    char *text = dump(db);
    assert_string_equal(text, FINAL("y"));
    free(text);
    ovsdb_db_free(db);

    db = open_db(f, &report);
    assert_int_equal(report.n_records, 5);
    assert_null(report.damage);
    text = dump(db);
    assert_string_equal(text, FINAL(""));
    free(text);
    ovsdb_db_free(db);
}

static void test_compaction(void **state)
{
    struct files *f = *state;
    struct ovsdb_file_report report;
    struct stat before, after;
    AUTO_ERR(err);

    create(f);
    struct ovsdb_db *db = open_db(f, &report);
    fill(db);
    stat(f->path, &before);
    assert_int_equal(ovsdb_storage_compact(db, &err), 0);
    stat(f->path, &after);
    assert_true(after.st_size < before.st_size);
    assert_int_equal(after.st_mode, before.st_mode);
    expect(db, "{'op':'insert','table':'t','row':{'s':'later'}}", "[{'uuid':'U'}]");
    ovsdb_db_free(db);

    db = open_db(f, &report);
    assert_int_equal(report.n_records, 2);
    char *text = dump(db);
    assert_non_null(strstr(text, "later"));
    assert_non_null(strstr(text, "changed"));
    free(text);
    ovsdb_db_free(db);
}

static void test_cut_at_every_byte(void **state)
{
    struct files *f = *state;
    struct ovsdb_file_report report;
    struct stat whole;
    AUTO_ERR(err);

    create(f);
    struct ovsdb_db *db = open_db(f, &report);
    expect(db, "{'op':'insert','table':'t','row':{'s':'kept'}}", "[{'uuid':'U'}]");
    stat(f->path, &whole);
    off_t start = whole.st_size;
    expect(db, "{'op':'insert','table':'t','row':{'s':'last'}}", "[{'uuid':'U'}]");
    stat(f->path, &whole);
    ovsdb_db_free(db);

    int fd = open(f->path, O_RDWR);
    char *bytes = xmalloc((size_t)whole.st_size);
    assert_int_equal(pread(fd, bytes, (size_t)whole.st_size, 0), whole.st_size);
    for (off_t cut = start; cut < whole.st_size; cut++) {
        assert_int_equal(ftruncate(fd, cut), 0);
        db = open_db(f, &report);
        assert_int_equal(report.n_records, 1);
        assert_int_equal(report.damage != NULL, cut > start);
        if (report.damage) {
            char *offset = xasprintf("byte %ld", (long)start);
            assert_non_null(strstr(report.damage, offset));
            free(offset);
        }
        assert_null(report.rescue);
        ovsdb_file_report_done(&report);

        // It goes on from the last whole record.
        expect(db, "{'op':'insert','table':'t','row':{'s':'new'}}", "[{'uuid':'U'}]");
        ovsdb_db_free(db);
        db = open_db(f, &report);
        assert_int_equal(report.n_records, 2);
        assert_null(report.damage);
        ovsdb_db_free(db);

        assert_int_equal(pwrite(fd, bytes, (size_t)whole.st_size, 0), whole.st_size);
    }
    free(bytes);
    close(fd);
}

// A full disk: the commit didn't happen, and the next one that fits does.
static void test_cannot_write(void **state)
{
    struct files *f = *state;
    struct ovsdb_file_report report;
    struct rlimit old, limit;
    struct stat st;

    create(f);
    struct ovsdb_db *db = open_db(f, &report);
    expect(db, "{'op':'insert','table':'t','row':{'s':'kept'}}", "[{'uuid':'U'}]");
    stat(f->path, &st);

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){(rlim_t)st.st_size + 30, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    expect_error(db, "{'op':'insert','table':'t','row':{'s':'lost'}}", "I/O error");
    expect_error(db, "{'op':'delete','table':'t','where':[]}", "I/O error");
    setrlimit(RLIMIT_FSIZE, &old);
    expect(db, "{'op':'select','table':'t','where':[],'columns':['s']}",
           "[{'rows':[{'s':'kept'}]}]");
    expect(db, "{'op':'insert','table':'t','row':{'s':'later'}}", "[{'uuid':'U'}]");
    ovsdb_db_free(db);

    db = open_db(f, &report);
    assert_null(report.damage);
    expect(db, "{'op':'select','table':'t','where':[],'columns':['s']}",
           "[{'rows':[{'s':'kept'},{'s':'later'}]}]");
    ovsdb_db_free(db);
}

static void test_damage_in_the_middle(void **state)
{
    struct files *f = *state;
    struct ovsdb_file_report report;
    struct stat st;

    create(f);
    struct ovsdb_db *db = open_db(f, &report);
    stat(f->path, &st);
    fill(db);
    ovsdb_db_free(db);

    int fd = open(f->path, O_RDWR);
    assert_int_equal(pwrite(fd, "#", 1, st.st_size + 100), 1);
    close(fd);
    db = open_db(f, &report);
    assert_int_equal(report.n_records, 0);
    assert_non_null(report.damage);
    assert_non_null(report.rescue); // what is cut off is kept beside the file
    struct stat rescued;
    assert_int_equal(stat(report.rescue, &rescued), 0);
    unlink(report.rescue);
    ovsdb_file_report_done(&report);
    ovsdb_db_free(db);
}

static void write_file(const struct files *f, const char *text)
{
    FILE *out = fopen(f->path, "w");

    fputs(text, out);
    fclose(out);
}

static void assert_no_database(const struct files *f, const char *sentence)
{
    struct ovsdb_file_report report;
    struct ovsdb_db *db;
    AUTO_ERR(err);

    assert_true(ovsdb_file_open(f->path, &db, &report, &err) < 0);
    if (!strstr(err_text(&err), sentence))
        fail_msg("\"%s\" doesn't say \"%s\"", err_text(&err), sentence);
    ovsdb_file_report_done(&report);
}

static void append(const struct files *f, const char *record)
{
    struct ovsdb_log *log;
    const char *text;
    size_t size;
    AUTO_ERR(err);

    assert_int_equal(ovsdb_log_open(f->path, OVSDB_LOG_WRITE, &log, &err), 0);
    while (ovsdb_log_read(log, &text, &size, &err) == 1)
        continue;
    char *q = quoted(record);
    assert_int_equal(ovsdb_log_append(log, q, strlen(q), &err), 0);
    free(q);
    ovsdb_log_close(log);
}

static void test_not_a_database(void **state)
{
    struct files *f = *state;

    assert_no_database(f, "cannot open");
    write_file(f, "");
    assert_no_database(f, "the file is empty");
    write_file(f, "hello");
    assert_no_database(f, "is cut off");
    write_file(f, "OVSDB JSON 5 x\nabcde");
    assert_no_database(f, "has no valid header");
    write_file(f, "OVSDB CLUSTER 5 da39a3ee5e6b4b0d3255bfef95601890afd80709\nabcde");
    assert_no_database(f, "clustered");
    unlink(f->path);

    create(f);
    append(f, "{'nope':{}}\n");
    assert_no_database(f, "the schema lacks table nope");
    unlink(f->path);
    create(f);
    append(f, "{'t':{'550e8400-e29b-41d4-a716-446655440000':null}}\n");
    assert_no_database(f, "is deleted but was never there");
    unlink(f->path);
    create(f);
    append(f, "{'t':{'550e8400-e29b-41d4-a716-446655440000':{'s':1}}}\n");
    assert_no_database(f, "column s: expected string");
    unlink(f->path);
    create(f);
    append(f, "[]\n");
    assert_no_database(f, "expected");
}

// Records as older writers made them: whole values.
static void test_whole_values(void **state)
{
    struct files *f = *state;
    struct ovsdb_file_report report;

    create(f);
    append(f, "{'_date':1,'t':{'550e8400-e29b-41d4-a716-446655440000':{'set':['set',[1,2]]}}}\n");
    append(f, "{'t':{'550e8400-e29b-41d4-a716-446655440000':{'set':['set',[2,3]]}}}\n");
    struct ovsdb_db *db = open_db(f, &report);
    char *text = dump(db);
    assert_non_null(strstr(text, "[\"set\",[2,3]]"));
    free(text);
    ovsdb_db_free(db);
}

static void test_locked(void **state)
{
    struct files *f = *state;
    struct ovsdb_file_report report;

    create(f);
    struct ovsdb_db *db = open_db(f, &report);
    pid_t pid = fork(); // locks are per process
    if (!pid) {
        struct ovsdb_log *log;

        _exit(ovsdb_log_open(f->path, OVSDB_LOG_WRITE, &log, NULL) == -EAGAIN ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    ovsdb_db_free(db);
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_written_is_read),
        TEST(test_compaction),
        TEST(test_cut_at_every_byte),
        TEST(test_damage_in_the_middle),
        TEST(test_not_a_database),
        TEST(test_whole_values),
        TEST(test_locked),
        TEST(test_cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
