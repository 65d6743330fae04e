// SPDX-License-Identifier: Apache-2.0
//
// Client transactions: collecting and their answers. See txn.h; txn_json.c makes the request.
//
// Sets are collected per row, so that any number of them become one operation; everything else is
// an operation of its own, in order behind them. Submitted transactions wait in the replica's list
// for the answer with their id.

#include "ovsdb/client/txn_impl.h"

#include <stdlib.h>

#include <utlist.h>

#include "lib/base/mem.h"

struct replica_txn *replica_txn_new(struct replica *r)
{
    struct replica_txn *txn = NEW(struct replica_txn);

    txn->replica = r;
    txn->waits = json_array();
    txn->others = json_array();
    return txn;
}

static void row_free(struct txn_row *row)
{
    for (unsigned i = 0; i < row->table->schema->n_columns; i++)
        ovsdb_datum_unref(row->set[i]);
    json_decref(row->mutations);
    free(row);
}

void replica_txn_free(struct replica_txn *txn)
{
    struct txn_row *row, *next;

    if (!txn)
        return;
    HASH_ITER (hh, txn->rows, row, next) {
        HASH_DEL(txn->rows, row);
        row_free(row);
    }
    json_decref(txn->waits);
    json_decref(txn->others);
    free(txn->comment);
    free(txn->error);
    free(txn);
}

struct txn_row *replica_txn_find_row(const struct replica_txn *txn, const struct ovsdb_uuid *uuid)
{
    struct txn_row *row;

    HASH_FIND(hh, txn->rows, uuid, sizeof *uuid, row);
    return row;
}

static struct txn_row *get_row(struct replica_txn *txn, const struct replica_table *t,
                               const struct ovsdb_uuid *uuid)
{
    struct txn_row *row = replica_txn_find_row(txn, uuid);

    if (!row) {
        row = xcalloc(1, sizeof *row + t->schema->n_columns * sizeof row->set[0]);
        row->table = t;
        row->uuid = *uuid;
        row->mutations = json_array();
        HASH_ADD(hh, txn->rows, uuid, sizeof row->uuid, row);
    }
    return row;
}

struct ovsdb_uuid replica_txn_insert(struct replica_txn *txn, const struct replica_table *t)
{
    struct ovsdb_uuid uuid = ovsdb_uuid_random();

    get_row(txn, t, &uuid)->inserted = true;
    return uuid;
}

void replica_txn_delete(struct replica_txn *txn, const struct replica_table *t,
                        const struct ovsdb_uuid *uuid)
{
    get_row(txn, t, uuid)->deleted = true;
}

// Whether the replica shows what the server holds, as far as one can know: no answer is due.
static bool can_compare(const struct replica_txn *txn)
{
    return replica_is_current(txn->replica) && !txn->replica->pending;
}

void replica_txn_set(struct replica_txn *txn, const struct replica_table *t,
                     const struct ovsdb_uuid *uuid, const struct ovsdb_column *c,
                     struct ovsdb_datum *value)
{
    const struct replica_row *shown = replica_find(t, uuid);
    struct txn_row *row = replica_txn_find_row(txn, uuid);

    if (!t->server_columns[c->index] ||
        (!row && shown && can_compare(txn) && ovsdb_datum_equal(replica_get(shown, c), value))) {
        ovsdb_datum_unref(value);
        return;
    }
    row = get_row(txn, t, uuid);
    ovsdb_datum_unref(row->set[c->index]);
    row->set[c->index] = value;
}

static void mutate(struct replica_txn *txn, const struct replica_table *t,
                   const struct ovsdb_uuid *uuid, const struct ovsdb_column *c, const char *mutator,
                   struct ovsdb_datum *value)
{
    if (t->server_columns[c->index]) {
        struct txn_row *row = get_row(txn, t, uuid);

        // The argument is encoded at once, so a row that it names must have been inserted already.
        json_array_append_new(row->mutations, json_pack("[sso]", c->name, mutator,
                                                        replica_txn_datum_json(txn, value)));
    }
    ovsdb_datum_unref(value);
}

void replica_txn_add(struct replica_txn *txn, const struct replica_table *t,
                     const struct ovsdb_uuid *row, const struct ovsdb_column *c,
                     struct ovsdb_datum *value)
{
    mutate(txn, t, row, c, "insert", value);
}

void replica_txn_remove(struct replica_txn *txn, const struct replica_table *t,
                        const struct ovsdb_uuid *row, const struct ovsdb_column *c,
                        struct ovsdb_datum *value)
{
    mutate(txn, t, row, c, "delete", value);
}

void replica_txn_map_put(struct replica_txn *txn, const struct replica_table *t,
                         const struct ovsdb_uuid *uuid, const struct ovsdb_column *c,
                         const char *key, const char *value)
{
    const struct replica_row *shown = replica_find(t, uuid);
    const char *now = shown ? replica_map(shown, c, key, NULL) : NULL;

    if (shown && can_compare(txn) && !replica_txn_find_row(txn, uuid) &&
        (value ? now && !strcmp(now, value) : !now))
        return;
    replica_txn_remove(txn, t, uuid, c, ovsdb_datum_from_string(key));
    if (value)
        replica_txn_add(txn, t, uuid, c, replica_string_map((const char *[]){key, value, NULL}));
}

void replica_txn_increment(struct replica_txn *txn, const struct replica_table *t,
                           const struct ovsdb_uuid *row, const struct ovsdb_column *c,
                           int64_t delta)
{
    mutate(txn, t, row, c, "+=", ovsdb_datum_from_integer(delta));
}

void replica_txn_verify(struct replica_txn *txn, const struct replica_row *row,
                        const struct ovsdb_column *c)
{
    if (!row->table->server_columns[c->index])
        return;
    json_array_append_new(txn->waits, json_pack("{ss ss si so s[s] ss s[{so}]}", "op", "wait",
                                                "table", row->table->schema->name, "timeout", 0,
                                                "where", replica_txn_where(txn, &row->uuid),
                                                "columns", c->name, "until", "==", "rows", c->name,
                                                ovsdb_datum_to_json(replica_get(row, c))));
}

void replica_txn_comment(struct replica_txn *txn, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    char *comment = xvasprintf(fmt, args);
    va_end(args);
    free(txn->comment);
    txn->comment = comment;
}

void replica_txn_raw(struct replica_txn *txn, json_t *op)
{
    json_array_append_new(txn->others, op);
}

void replica_txn_durable(struct replica_txn *txn)
{
    txn->durable = true;
}

bool replica_txn_is_empty(const struct replica_txn *txn)
{
    return !txn->rows && !json_array_size(txn->waits) && !json_array_size(txn->others);
}

static void complete(struct replica_txn *txn, enum replica_txn_status status, const char *error,
                     const json_t *results)
{
    struct replica_txn_result result = {
        .status = status, .error = error, .results = results, .txn = txn};

    if (txn->fn)
        txn->fn(&result, txn->arg);
    replica_txn_free(txn);
}

// Completes from the loop, without having been sent.
static void complete_later(struct replica_txn *txn, enum replica_txn_status status,
                           const char *error)
{
    txn->status = status;
    txn->error = xstrdup(error);
    DL_APPEND(txn->replica->unsent, txn);
    replica_post(txn->replica);
}

void replica_txn_tell_unsent(struct replica *r)
{
    struct replica_txn *list = STEAL_PTR(r->unsent), *txn, *next;

    DL_FOREACH_SAFE(list, txn, next)
    {
        DL_DELETE(list, txn);
        complete(txn, txn->status, txn->error, NULL);
    }
}

void replica_txn_submit(struct replica_txn *txn, replica_txn_fn *fn, void *arg)
{
    struct replica *r = txn->replica;

    txn->fn = fn;
    txn->arg = arg;
    if (replica_txn_is_empty(txn)) {
        complete_later(txn, REPLICA_TXN_UNCHANGED, "");
    } else if (!r->rpc || r->state != REPLICA_CURRENT) {
        complete_later(txn, REPLICA_TXN_LOST, "there is no connection to the database");
    } else if (r->lock && !r->has_lock) {
        complete_later(txn, REPLICA_TXN_NOT_LOCKED, "the database's lock is not held");
    } else {
        jsonrpc_request(r->rpc, "transact", replica_txn_params(txn), &txn->id);
        DL_APPEND(r->pending, txn);
    }
}

// The first error among the results; 'try again' and 'not owner' count only if there is no other.
static enum replica_txn_status judge(const json_t *results, const json_t **ret_error)
{
    enum replica_txn_status status = REPLICA_TXN_SUCCESS;

    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        const char *tag = json_string_value(json_object_get(result, "error"));

        if (!tag)
            continue;
        *ret_error = result;
        if (!strcmp(tag, OVSDB_E_TIMED_OUT))
            status = REPLICA_TXN_TRY_AGAIN;
        else if (!strcmp(tag, OVSDB_E_NOT_OWNER))
            status = REPLICA_TXN_NOT_LOCKED;
        else
            return REPLICA_TXN_ERROR;
    }
    return status;
}

// "TAG: DETAILS", or the JSON itself where it isn't an error object.
static char *error_text(const json_t *error)
{
    const char *tag = json_string_value(json_object_get(error, "error"));
    const char *details = json_string_value(json_object_get(error, "details"));

    if (!error)
        return xstrdup("");
    if (json_is_string(error))
        return xstrdup(json_string_value(error));
    if (tag)
        return details ? xasprintf("%s: %s", tag, details) : xstrdup(tag);
    char *text = json_dumps(error, JSON_COMPACT | JSON_ENCODE_ANY);
    return text ? text : xstrdup("error");
}

bool replica_txn_answer(struct replica *r, const struct jsonrpc_msg *m)
{
    json_int_t id = json_is_integer(m->id) ? json_integer_value(m->id) : -1;
    enum replica_txn_status status = REPLICA_TXN_ERROR;
    const json_t *error = m->error;
    struct replica_txn *txn;

    DL_FOREACH (r->pending, txn)
        if (txn->id == id)
            break;
    if (!txn)
        return false;
    DL_DELETE(r->pending, txn);
    if (m->type == JSONRPC_REPLY)
        status = judge(m->result, &error);
    if (status == REPLICA_TXN_SUCCESS)
        replica_txn_take_uuids(txn, m->result);
    AUTO_FREE char *text = error_text(error);
    replica_deliver(r); // the changes of this transaction are told first
    complete(txn, status, text, m->result);
    return true;
}

void replica_txn_lose_all(struct replica *r, const char *why)
{
    struct replica_txn *list = STEAL_PTR(r->pending), *txn, *next;

    replica_txn_tell_unsent(r);
    DL_FOREACH_SAFE(list, txn, next)
    {
        DL_DELETE(list, txn);
        complete(txn, REPLICA_TXN_LOST, why, NULL);
    }
}

bool replica_txn_real_uuid(const struct replica_txn *txn, const struct ovsdb_uuid *provisional,
                           struct ovsdb_uuid *ret_uuid)
{
    const struct txn_row *row = replica_txn_find_row(txn, provisional);

    if (!row || !row->known)
        return false;
    *ret_uuid = row->real;
    return true;
}

struct ovsdb_datum *replica_string_map(const char *const *pairs)
{
    struct ovsdb_datum_builder builder;

    ovsdb_datum_builder_init(&builder, OVSDB_STRING, OVSDB_STRING, 0);
    for (; *pairs; pairs += 2) {
        union ovsdb_atom value = ovsdb_atom_string(pairs[1]);

        ovsdb_datum_builder_add(&builder, ovsdb_atom_string(pairs[0]), &value);
    }
    return ovsdb_datum_builder_finish(&builder, NULL);
}

struct ovsdb_datum *replica_string_set(const char *const *strings)
{
    struct ovsdb_datum_builder builder;

    ovsdb_datum_builder_init(&builder, OVSDB_STRING, OVSDB_VOID, 0);
    for (; *strings; strings++)
        ovsdb_datum_builder_add(&builder, ovsdb_atom_string(*strings), NULL);
    return ovsdb_datum_builder_finish(&builder, NULL);
}
