// SPDX-License-Identifier: Apache-2.0
//
// The operations of RFC 7047 section 5.2, one test each, on a database without references; what
// each refuses; and that a failed transaction leaves nothing behind.

#include "tests/unit/ovsdb/fixture.h"

static const char schema[] =
    "{'name':'db','version':'1.0.0','tables':{"
    "'n':{'columns':{'number':{'type':'integer'},'name':{'type':'string'}},"
    "     'indexes':[['number']]},"
    "'t':{'columns':{"
    "  'b':{'type':'boolean'},'i':{'type':'integer'},'r':{'type':'real'},"
    "  's':{'type':'string'},'fixed':{'type':'string','mutable':false},"
    "  'small':{'type':{'key':{'type':'integer','minInteger':0,'maxInteger':9}}},"
    "  'opt':{'type':{'key':'integer','min':0}},"
    "  'set':{'type':{'key':'integer','min':0,'max':4}},"
    "  'map':{'type':{'key':'string','value':'string','min':0,'max':'unlimited'}}}}}}";

static int setup(void **state)
{
    *state = ovsdb_db_new(schema_of(schema));
    return 0;
}

static int teardown(void **state)
{
    ovsdb_db_free(*state);
    return 0;
}

#define INSERT_N(NUMBER, NAME)                                                                     \
    "{'op':'insert','table':'n','row':{'number':" #NUMBER ",'name':'" NAME "'}}"
#define SELECT_N(WHERE) "{'op':'select','table':'n','where':[" WHERE "],'columns':['name']}"

static void test_insert_select(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, "", "[]");
    expect(db, INSERT_N(1, "one") "," INSERT_N(2, "two") "," INSERT_N(3, "three"),
           "[{'uuid':'U'},{'uuid':'U'},{'uuid':'U'}]");
    expect(db, SELECT_N("['number','==',2]"), "[{'rows':[{'name':'two'}]}]");
    expect(db, SELECT_N("['number','<',3],['number','>=',2]"), "[{'rows':[{'name':'two'}]}]");
    expect(db, SELECT_N("['number','!=',2]"), "[{'rows':[{'name':'one'},{'name':'three'}]}]");
    expect(db, SELECT_N("['name','includes','one']"), "[{'rows':[{'name':'one'}]}]");
    expect(db, SELECT_N("['name','excludes','one'],['number','<=',2]"),
           "[{'rows':[{'name':'two'}]}]");
    expect(db, SELECT_N("false"), "[{'rows':[]}]");
    expect(db, "{'op':'select','table':'n','where':[['number','==',1]]}",
           "[{'rows':[{'_uuid':'U','_version':'U','name':'one','number':1}]}]");
    // Rows that are equal in the columns asked for come once.
    expect(db, INSERT_N(4, "two") "," SELECT_N("['name','==','two']"),
           "[{'uuid':'U'},{'rows':[{'name':'two'}]}]");
}

static void test_insert_uuid(void **state)
{
    struct ovsdb_db *db = *state;

#define INSERT_U                                                                                   \
    "{'op':'insert','table':'t','row':{},'uuid':'550e8400-e29b-41d4-a716-446655440000'}"
    expect(db, INSERT_U, "[{'uuid':'U'}]");
    expect_error(db, INSERT_U, "duplicate uuid");
    expect_error(db, "{'op':'delete','table':'t','where':[]}," INSERT_U, "duplicate uuid");
    expect(db, "{'op':'delete','table':'t','where':[]}", "[{'count':1}]");
    expect(db, INSERT_U, "[{'uuid':'U'}]");
    expect_error(db,
                 "{'op':'insert','table':'t','row':{},'uuid-name':'a'},"
                 "{'op':'insert','table':'t','row':{},'uuid-name':'a'}",
                 "duplicate uuid-name");
}

static void test_update(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, INSERT_N(1, "one") "," INSERT_N(2, "two"), "[{'uuid':'U'},{'uuid':'U'}]");
    expect(db,
           "{'op':'update','table':'n','where':[['number','==',2]],'row':{'name':'deux'}},"
           "{'op':'select','table':'n','where':[],'columns':['name','number']}",
           "[{'count':1},{'rows':[{'name':'deux','number':2},{'name':'one','number':1}]}]");
    expect(db, "{'op':'update','table':'n','where':[false],'row':{'name':'x'}}", "[{'count':0}]");
    expect_error(db, "{'op':'update','table':'t','where':[],'row':{'fixed':'x'}}",
                 "constraint violation");
    expect_error(db,
                 "{'op':'update','table':'t','where':[],'row':"
                 "{'_uuid':['uuid','550e8400-e29b-41d4-a716-446655440000']}}",
                 "constraint violation");
    expect(db, "{'op':'insert','table':'t','row':{'fixed':'x'}}", "[{'uuid':'U'}]");
}

static void test_version_changes_with_the_row(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, INSERT_N(1, "one"), "[{'uuid':'U'}]");
    char *a = run_at(db, "{'op':'select','table':'n','where':[],'columns':['_version']}", 0);
    expect(db, "{'op':'update','table':'n','where':[],'row':{'name':'one'}}", "[{'count':1}]");
    char *b = run_at(db, "{'op':'select','table':'n','where':[],'columns':['_version']}", 0);
    assert_string_equal(a, b);
    expect(db, "{'op':'update','table':'n','where':[],'row':{'name':'two'}}", "[{'count':1}]");
    char *c = run_at(db, "{'op':'select','table':'n','where':[],'columns':['_version']}", 0);
    assert_string_not_equal(b, c);
    free(a);
    free(b);
    free(c);
}

#define MUTATE(MUTATIONS) "{'op':'mutate','table':'t','where':[],'mutations':[" MUTATIONS "]}"
#define SHOW(COLUMN) "{'op':'select','table':'t','where':[],'columns':['" COLUMN "']}"

static void test_mutate(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, "{'op':'insert','table':'t','row':{'i':7,'r':1.5,'set':['set',[1,2]]}}",
           "[{'uuid':'U'}]");
    expect(
        db,
        MUTATE("['i','+=',3],['i','*=',5],['i','-=',1],['i','/=',2],['i','%=',10]") "," SHOW("i"),
        "[{'count':1},{'rows':[{'i':4}]}]");
    expect(db, MUTATE("['r','*=',2],['r','-=',0.5]") "," SHOW("r"),
           "[{'count':1},{'rows':[{'r':2.5}]}]");
    expect(db, MUTATE("['set','+=',1]") "," SHOW("set"),
           "[{'count':1},{'rows':[{'set':['set',[2,3]]}]}]");
    expect(db, MUTATE("['set','insert',['set',[3,9]]],['set','delete',2]") "," SHOW("set"),
           "[{'count':1},{'rows':[{'set':['set',[3,9]]}]}]");
    expect(db, MUTATE("['opt','insert',4]") "," SHOW("opt"), "[{'count':1},{'rows':[{'opt':4}]}]");
    expect(db, MUTATE("['map','insert',['map',[['a','1'],['b','2'],['c','3']]]]"), "[{'count':1}]");
    expect(db,
           MUTATE("['map','insert',['map',[['a','x']]]],['map','delete',['map',[['b','x']]]],"
                  "['map','delete',['set',['c','d']]]") "," SHOW("map"),
           "[{'count':1},{'rows':[{'map':['map',[['a','1'],['b','2']]]}]}]");

    expect_error(db, MUTATE("['i','/=',0]"), "domain error");
    expect_error(db, MUTATE("['i','%=',0]"), "domain error");
    expect_error(db, MUTATE("['r','/=',0]"), "domain error");
    expect_error(db, MUTATE("['i','+=',9223372036854775807]"), "range error");
    expect_error(db, MUTATE("['r','*=',1e308],['r','*=',1e308]"), "range error");
    expect_error(db, MUTATE("['small','-=',1]"), "constraint violation");
    expect_error(db, MUTATE("['set','*=',0]"), "constraint violation");
    expect_error(db, MUTATE("['set','insert',['set',[5,6,7,8]]]"), "constraint violation");
    expect_error(db, MUTATE("['opt','insert',5]"), "constraint violation");
    expect_error(db, MUTATE("['fixed','insert','x']"), "constraint violation");
    expect_error(db, MUTATE("['i','insert',1]"), "syntax error");
    expect_error(db, MUTATE("['s','+=',1]"), "syntax error");
    expect_error(db, MUTATE("['r','%=',1]"), "syntax error");
    expect_error(db, MUTATE("['i','^',1]"), "unknown mutator");
    expect_error(db, MUTATE("['nope','+=',1]"), "unknown column");
    expect(db, SHOW("i"), "[{'rows':[{'i':4}]}]");
}

static void test_conditions(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db,
           "{'op':'insert','table':'t','row':{'s':'a','opt':1,'map':['map',[['k','v']]]}},"
           "{'op':'insert','table':'t','row':{'s':'b','set':['set',[1,2,3]]}}",
           "[{'uuid':'U'},{'uuid':'U'}]");
#define WHERE(CLAUSES) "{'op':'select','table':'t','where':[" CLAUSES "],'columns':['s']}"
    expect(db, WHERE("['opt','<',2]"), "[{'rows':[{'s':'a'}]}]");
    expect(db, WHERE("['opt','>=',2]"), "[{'rows':[]}]");
    expect(db, WHERE("['opt','==',['set',[]]]"), "[{'rows':[{'s':'b'}]}]");
    expect(db, WHERE("['set','includes',['set',[1,3]]]"), "[{'rows':[{'s':'b'}]}]");
    expect(db, WHERE("['set','excludes',['set',[3,4]]]"), "[{'rows':[{'s':'a'}]}]");
    expect(db, WHERE("['map','includes',['map',[['k','v']]]]"), "[{'rows':[{'s':'a'}]}]");
    expect(db, WHERE("['map','includes',['map',[['k','w']]]]"), "[{'rows':[]}]");
    expect_error(db, WHERE("['s','<','x']"), "syntax error");
    expect_error(db, WHERE("['set','<',1]"), "syntax error");
    expect_error(db, WHERE("['s','~','x']"), "unknown function");
    expect_error(db, WHERE("['nope','==','x']"), "unknown column");
    expect_error(db, WHERE("['s']"), "syntax error");
    expect_error(db, WHERE("['opt','<',['set',[]]]"), "syntax error");
}

static void test_delete(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, INSERT_N(1, "one") "," INSERT_N(2, "two"), "[{'uuid':'U'},{'uuid':'U'}]");
    expect(db,
           "{'op':'delete','table':'n','where':[['number','==',1]]}," INSERT_N(
               1, "again") "," SELECT_N("['number','==',1]"),
           "[{'count':1},{'uuid':'U'},{'rows':[{'name':'again'}]}]");
    expect(db, "{'op':'delete','table':'n','where':[]}", "[{'count':2}]");
    // Came and went.
    expect(db, INSERT_N(5, "x") ",{'op':'delete','table':'n','where':[]}",
           "[{'uuid':'U'},{'count':1}]");
    expect(db, SELECT_N(""), "[{'rows':[]}]");
}

#define WAIT(TIMEOUT, UNTIL, ROWS)                                                                 \
    "{'op':'wait','table':'n','where':[],'columns':['name'],'until':'" UNTIL "','rows':[" ROWS     \
    "]" TIMEOUT "}"

static void test_wait(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, WAIT("", "==", ""), "[{}]");
    expect_error(db, WAIT(",'timeout':0", "!=", ""), "timed out");
    assert_null(run_at(db, WAIT("", "!=", ""), 1000000));
    assert_null(run_at(db, WAIT(",'timeout':50", "==", "{'name':'one'}"), 49));
    char *late = run_at(db, WAIT(",'timeout':50", "==", "{'name':'one'}"), 50);
    assert_non_null(strstr(late, "timed out"));
    free(late);
    // A wait that doesn't hold undoes what came before it.
    assert_null(run_at(db, INSERT_N(1, "one") "," WAIT("", "==", ""), 0));
    expect(db, SELECT_N(""), "[{'rows':[]}]");
    expect(db, INSERT_N(1, "one") "," WAIT("", "==", "{'name':'one'}"), "[{'uuid':'U'},{}]");
    expect(db, INSERT_N(2, "two") "," WAIT("", "==", "{'name':'two'},{'name':'one'}"),
           "[{'uuid':'U'},{}]");
    expect_error(db, WAIT(",'timeout':-1", "==", ""), "syntax error");
    expect_error(db, WAIT("", "<", ""), "syntax error");
}

static void test_failure_undoes_all(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, INSERT_N(1, "one"), "[{'uuid':'U'}]");
    expect(db,
           "{'op':'update','table':'n','where':[],'row':{'name':'x'}}," INSERT_N(
               2, "two") ","
                         "{'op':'delete','table':'n','where':[['number','==',1]]},{'op':'abort'},"
                         "{'op':'comment','comment':'c'}",
           "[{'count':1},{'uuid':'U'},{'count':1},"
           "{'details':'aborted by request','error':'aborted'},null]");
    expect(db, SELECT_N(""), "[{'rows':[{'name':'one'}]}]");
}

static void test_other_operations(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, "{'op':'comment','comment':'c'},{'op':'commit','durable':false}", "[{},{}]");
    expect_error(db, "{'op':'assert','lock':'l'}", "not owner");
    expect_error(db, "{'op':'dance'}", "syntax error");
    expect_error(db, "5", "syntax error");
    expect_error(db, "{}", "syntax error");
    expect_error(db, "{'op':'comment'}", "syntax error");
    expect_error(db, "{'op':'comment','comment':'c','more':1}", "syntax error");
    expect_error(db, "{'op':'select','table':'nope','where':[]}", "syntax error");
    expect_error(db, "{'op':'select','table':'n'}", "syntax error");
    expect_error(db, "{'op':'insert','table':'n','row':{'nope':1}}", "unknown column");
    expect_error(db, "{'op':'insert','table':'n','row':{'number':'x'}}", "syntax error");
    expect_error(db, "{'op':'insert','table':'t','row':{'small':10}}", "constraint violation");
}

static void test_unique_index(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, INSERT_N(1, "one") "," INSERT_N(2, "two"), "[{'uuid':'U'},{'uuid':'U'}]");
    expect_error(db, INSERT_N(1, "uno"), "constraint violation");
    expect_error(db, INSERT_N(3, "a") "," INSERT_N(3, "b"), "constraint violation");
    expect_error(db, "{'op':'update','table':'n','where':[['number','==',1]],'row':{'number':2}}",
                 "constraint violation");
    // Only the outcome counts: two rows may trade their keys.
    expect(db,
           "{'op':'update','table':'n','where':[['name','==','one']],'row':{'number':2}},"
           "{'op':'update','table':'n','where':[['name','==','two']],'row':{'number':1}}",
           "[{'count':1},{'count':1}]");
    expect(db, SELECT_N("['number','==',1]"), "[{'rows':[{'name':'two'}]}]");
    expect(db, "{'op':'delete','table':'n','where':[['number','==',1]]}," INSERT_N(1, "new"),
           "[{'count':1},{'uuid':'U'}]");
    expect(db, SELECT_N("['number','==',1]"), "[{'rows':[{'name':'new'}]}]");
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_insert_select),
        TEST(test_insert_uuid),
        TEST(test_update),
        TEST(test_version_changes_with_the_row),
        TEST(test_mutate),
        TEST(test_conditions),
        TEST(test_delete),
        TEST(test_wait),
        TEST(test_failure_undoes_all),
        TEST(test_other_operations),
        TEST(test_unique_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
