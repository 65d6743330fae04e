// SPDX-License-Identifier: Apache-2.0
//
// References: strong ones hold rows and must lead somewhere, weak ones vanish, what nobody refers
// to is collected. Directed cases, then random transactions against a naive judge that looks at the
// whole database after each.

#include "lib/base/random.h"
#include "ovsdb/server/transaction.h"
#include "tests/unit/ovsdb/fixture.h"

static const char schema[] =
    "{'name':'db','version':'1.0.0','tables':{"
    "'root':{'isRoot':true,'maxRows':3,'columns':{"
    "  'name':{'type':'string'},"
    "  'kids':{'type':{'key':{'type':'uuid','refTable':'kid'},'min':0,'max':'unlimited'}}}},"
    "'kid':{'columns':{"
    "  'name':{'type':'string'},"
    "  'next':{'type':{'key':{'type':'uuid','refTable':'kid'},'min':0}},"
    "  'friends':{'type':{'key':{'type':'uuid','refTable':'kid','refType':'weak'},"
    "             'min':0,'max':'unlimited'}},"
    "  'notes':{'type':{'key':{'type':'uuid','refTable':'kid','refType':'weak'},"
    "           'value':{'type':'uuid','refTable':'kid'},'min':0,'max':'unlimited'}}}},"
    "'fan':{'isRoot':true,'columns':{"
    "  'idol':{'type':{'key':{'type':'uuid','refTable':'kid','refType':'weak'}}}}}}}";

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

#define KID(NAME, MORE)                                                                            \
    "{'op':'insert','table':'kid','uuid-name':'" NAME "','row':{'name':'" NAME "'" MORE "}}"
#define ROOT(KIDS) "{'op':'insert','table':'root','row':{'kids':['set',[" KIDS "]]}}"
#define N(NAME) "['named-uuid','" NAME "']"
#define KIDS "{'op':'select','table':'kid','where':[],'columns':['name']}"

static void test_collection(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, KID("a", ""), "[{'uuid':'U'}]");
    expect(db, KIDS, "[{'rows':[]}]");
    expect(db,
           KID("a", ",'next':" N("b")) "," KID("b", ",'next':" N("c")) "," KID("c",
                                                                               "") "," ROOT(N("a")),
           "[{'uuid':'U'},{'uuid':'U'},{'uuid':'U'},{'uuid':'U'}]");
    expect(db, KIDS, "[{'rows':[{'name':'a'},{'name':'b'},{'name':'c'}]}]");
    expect(db,
           "{'op':'update','table':'kid','where':[['name','==','a']],'row':{'next':['set',[]]}}",
           "[{'count':1}]");
    expect(db, KIDS, "[{'rows':[{'name':'a'}]}]");
    expect(db, "{'op':'delete','table':'root','where':[]}", "[{'count':1}]");
    expect(db, KIDS, "[{'rows':[]}]");
}

static void test_strong_references_hold(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, KID("a", "") "," ROOT(N("a")), "[{'uuid':'U'},{'uuid':'U'}]");
    expect_error(db, "{'op':'delete','table':'kid','where':[]}", "referential integrity violation");
    expect_error(db, ROOT("['uuid','550e8400-e29b-41d4-a716-446655440000']"),
                 "referential integrity violation");
    expect_error(db, ROOT(N("nobody")), "referential integrity violation");
    expect(db, KIDS, "[{'rows':[{'name':'a'}]}]");
    expect(db,
           "{'op':'update','table':'root','where':[],'row':{'kids':['set',[]]}},"
           "{'op':'delete','table':'kid','where':[]}",
           "[{'count':1},{'count':1}]");
}

static void test_own_reference_doesnt_hold(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, KID("a", ",'next':" N("a")), "[{'uuid':'U'}]");
    expect(db, KIDS, "[{'rows':[]}]");
}

static void test_weak_references_vanish(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db,
           KID("a", ",'friends':['set',[" N("b") "," N("c") "]]") "," KID("b", "") "," KID(
               "c", "") "," ROOT(N("a") "," N("b") "," N("c")),
           "[{'uuid':'U'},{'uuid':'U'},{'uuid':'U'},{'uuid':'U'}]");
    // A transaction that doesn't touch row a.
    expect(db,
           "{'op':'mutate','table':'root','where':[],'mutations':[['kids','delete',['set',[]]]]},"
           "{'op':'select','table':'kid','where':[['name','==','a']],'columns':['friends']}",
           "[{'count':1},{'rows':[{'friends':['set',['U','U']]}]}]");
    char *b = run_at(db,
                     "{'op':'select','table':'kid','where':[['name','==','b']],"
                     "'columns':['_uuid']}",
                     0);
    b[strlen(b) - 4] = '\0'; // [{"rows":[{"_uuid": … }]}]
    char *drop = xasprintf("{'op':'mutate','table':'root','where':[],'mutations':"
                           "[['kids','delete',%s]]}",
                           b + 19);
    expect(db, drop, "[{'count':1}]");
    expect(db, "{'op':'select','table':'kid','where':[['name','==','a']],'columns':['friends']}",
           "[{'rows':[{'friends':'U'}]}]");
    free(drop);
    free(b);
    // A new weak reference to nothing is dropped at once.
    expect(db,
           "{'op':'update','table':'kid','where':[['name','==','c']],'row':{'friends':"
           "['uuid','550e8400-e29b-41d4-a716-446655440000']}}",
           "[{'count':1}]");
    expect(db, "{'op':'select','table':'kid','where':[['name','==','c']],'columns':['friends']}",
           "[{'rows':[{'friends':['set',[]]}]}]");
}

static void test_weak_reference_that_must_be_there(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db,
           KID("a", "") "," ROOT(N("a")) ",{'op':'insert','table':'fan','row':{'idol':" N("a") "}}",
           "[{'uuid':'U'},{'uuid':'U'},{'uuid':'U'}]");
    expect_error(db, "{'op':'delete','table':'root','where':[]}", "constraint violation");
    expect(db, "{'op':'delete','table':'root','where':[]},{'op':'delete','table':'fan','where':[]}",
           "[{'count':1},{'count':1}]");
}

static void test_weak_key_takes_its_strong_value(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db,
           KID("a", ",'notes':['map',[[" N("b") "," N("c") "]]]") "," KID("b", "") "," KID(
               "c", "") "," ROOT(N("a") "," N("b")),
           "[{'uuid':'U'},{'uuid':'U'},{'uuid':'U'},{'uuid':'U'}]");
    expect(db, KIDS, "[{'rows':[{'name':'a'},{'name':'b'},{'name':'c'}]}]");
    char *a = run_at(db,
                     "{'op':'select','table':'kid','where':[['name','==','a']],"
                     "'columns':['_uuid']}",
                     0);
    a[strlen(a) - 4] = '\0';
    char *keep = xasprintf("{'op':'update','table':'root','where':[],'row':{'kids':%s}}", a + 19);
    expect(db, keep, "[{'count':1}]");
    // b went, so did a's note about it, and with the note c.
    expect(db, KIDS, "[{'rows':[{'name':'a'}]}]");
    free(keep);
    free(a);
}

static void test_max_rows(void **state)
{
    struct ovsdb_db *db = *state;

    expect(db, ROOT("") "," ROOT("") "," ROOT(""), "[{'uuid':'U'},{'uuid':'U'},{'uuid':'U'}]");
    expect_error(db, ROOT(""), "constraint violation");
    expect(db, "{'op':'delete','table':'root','where':[]}," ROOT(""), "[{'count':3},{'uuid':'U'}]");
}

// The naive judge: counts every reference of the whole database anew.
static unsigned count_refs(const struct ovsdb_db *db, const struct ovsdb_row *target, bool strong)
{
    const struct ovsdb_table *kids = ovsdb_db_table(db, "kid");
    unsigned n = 0;

    for (unsigned t = 0; t < db->schema->n_tables; t++) {
        struct ovsdb_row *row, *next;

        HASH_ITER (hh, db->tables[t].rows, row, next) {
            const struct ovsdb_table_schema *table = db->tables[t].schema;

            for (unsigned c = OVSDB_N_STD_COLUMNS; c < table->n_columns; c++) {
                const struct ovsdb_column *column = table->columns[c];
                const struct ovsdb_datum *datum = ovsdb_row_get(row, column);
                const struct ovsdb_base_type *bases[] = {&column->type.key, &column->type.value};

                for (unsigned k = 0; k < 2; k++) {
                    const union ovsdb_atom *atoms = k ? ovsdb_datum_values(datum) : datum->keys;

                    if (bases[k]->type != OVSDB_UUID)
                        continue;
                    for (unsigned i = 0; i < datum->n; i++) {
                        struct ovsdb_row *to = ovsdb_table_find(kids, &atoms[i].uuid);

                        assert_non_null(to); // neither kind may dangle
                        if (to == target && (bases[k]->uuid.ref_type == OVSDB_REF_STRONG) == strong)
                            n += !strong || row != target;
                    }
                }
            }
        }
    }
    return n;
}

static void judge(struct ovsdb_db *db)
{
    struct ovsdb_row *row, *next;

    HASH_ITER (hh, ovsdb_db_table(db, "kid")->rows, row, next) {
        struct ovsdb_weak_ref *ref, *next_ref;
        unsigned weak = 0;

        assert_null(row->txn_row);
        assert_true(row->n_refs > 0);
        assert_int_equal(row->n_refs, count_refs(db, row, true));
        HASH_ITER (hh, row->weak_refs, ref, next_ref)
            weak += ref->count;
        assert_int_equal(weak, count_refs(db, row, false));
    }
}

static struct ovsdb_datum *some_kids(struct ovsdb_db *db, struct ovsdb_uuid *fresh,
                                     unsigned n_fresh, const struct ovsdb_column *column)
{
    const struct ovsdb_table *kids = ovsdb_db_table(db, "kid");
    unsigned n = ovsdb_table_count(kids),
             max = column->type.n_max == 1 ? random_below(2) : random_below(4);
    struct ovsdb_datum_builder builder;

    ovsdb_datum_builder_init(&builder, OVSDB_UUID, column->type.value.type, 0);
    for (unsigned i = 0; i < max; i++) {
        union ovsdb_atom atoms[2];

        for (unsigned k = 0; k < 2; k++) {
            unsigned pick = random_below(n + n_fresh + 1);
            struct ovsdb_row *row = kids->rows;

            if (pick < n_fresh) {
                atoms[k].uuid = fresh[pick];
                continue;
            }
            for (pick -= n_fresh; row && pick; pick--)
                row = row->hh.next;
            atoms[k].uuid = row ? row->uuid : ovsdb_uuid_random();
        }
        ovsdb_datum_builder_add(&builder, atoms[0], &atoms[1]);
    }
    return ovsdb_datum_builder_finish(&builder, NULL);
}

static void random_change(struct ovsdb_db *db, struct ovsdb_txn *txn, struct ovsdb_uuid *fresh,
                          unsigned n_fresh)
{
    struct ovsdb_table *table = ovsdb_db_table(db, random_below(3) ? "kid" : "root");
    unsigned n = ovsdb_table_count(table);
    struct ovsdb_row *row = table->rows;

    if (!n || !random_below(4)) {
        if (!strcmp(table->schema->name, "kid"))
            row = ovsdb_txn_insert(
                txn, table, ovsdb_txn_uuid_is_free(txn, table, &fresh[0]) ? &fresh[0] : NULL);
        else
            row = ovsdb_txn_insert(txn, table, NULL);
    } else {
        for (unsigned i = random_below(n); i; i--)
            row = row->hh.next;
    }
    if (!random_below(6)) {
        ovsdb_txn_delete(txn, row);
        return;
    }
    unsigned c = OVSDB_N_STD_COLUMNS + random_below(table->schema->n_columns - OVSDB_N_STD_COLUMNS);
    const struct ovsdb_column *column = table->schema->columns[c];
    if (column->type.key.type == OVSDB_UUID)
        ovsdb_txn_set(txn, row, column, some_kids(db, fresh, n_fresh, column));
}

static void test_random(void **state)
{
    struct ovsdb_db *db = *state;
    unsigned good = 0, bad = 0;

    random_seed(1);
    for (int round = 0; round < 3000; round++) {
        struct ovsdb_txn *txn = ovsdb_txn_new(db);
        struct ovsdb_uuid fresh[3];

        for (unsigned i = 0; i < 3; i++)
            fresh[i] = ovsdb_uuid_random();
        for (unsigned i = random_below(6) + 1; i; i--) {
            unsigned n_fresh = random_below(3) + 1;

            random_change(db, txn, fresh, n_fresh);
        }
        if (!random_below(8)) {
            ovsdb_txn_abort(txn);
        } else {
            struct ovsdb_error *error = ovsdb_txn_commit(txn, false);

            error ? bad++ : good++;
            ovsdb_error_free(error);
        }
        judge(db);
    }
    assert_true(good > 300);
    assert_true(bad > 300);
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_collection),
        TEST(test_strong_references_hold),
        TEST(test_own_reference_doesnt_hold),
        TEST(test_weak_references_vanish),
        TEST(test_weak_reference_that_must_be_there),
        TEST(test_weak_key_takes_its_strong_value),
        TEST(test_max_rows),
        TEST(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
