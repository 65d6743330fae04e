// SPDX-License-Identifier: Apache-2.0
//
// A database in a record file. See file.h.
//
// Loading replays all records in one transaction, in which rows that came and went leave no trace,
// and judges integrity once at its end: a file of a million records costs one pass over the rows
// that are left. A new record is decoded by ovsdb_file_apply(), the only place that knows its JSON.

#include "ovsdb/server/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "ovsdb/schema/parser.h"
#include "ovsdb/server/transaction.h"

enum { COMPACT_MIN = 10 * 1024 * 1024, COMPACT_GROWTH = 4, MAX_LINKS = 16 };

struct ovsdb_storage {
    struct ovsdb_log *log;
    uint64_t snapshot; // size of the file after it was last compacted or loaded
};

void ovsdb_file_report_done(struct ovsdb_file_report *report)
{
    free(report->damage);
    free(report->rescue);
    *report = (struct ovsdb_file_report){0};
}

static struct ovsdb_error *apply_column(struct ovsdb_txn *txn, struct ovsdb_row *row,
                                        const char *name, const json_t *json, bool diff)
{
    const struct ovsdb_column *column = ovsdb_table_schema_column(row->table->schema, name);
    struct ovsdb_datum *datum;
    struct ovsdb_error *error;

    if (!column || column->index < OVSDB_N_STD_COLUMNS)
        return ovsdb_error(OVSDB_E_UNKNOWN_COLUMN, "the schema lacks column %s", name);
    if (!diff) {
        error = ovsdb_datum_from_json(json, &column->type, NULL, &datum);
    } else {
        struct ovsdb_datum *change;

        error = ovsdb_datum_from_json_loose(json, &column->type, NULL, &change);
        if (error)
            return error;
        error = ovsdb_datum_apply_diff(ovsdb_row_get(row, column), change, &column->type, &datum);
        ovsdb_datum_unref(change);
    }
    if (!error)
        ovsdb_txn_set(txn, row, column, datum);
    return error;
}

static struct ovsdb_error *apply_row(struct ovsdb_txn *txn, struct ovsdb_table *table,
                                     const char *name, const json_t *json, bool diff)
{
    struct ovsdb_uuid uuid;

    if (!ovsdb_uuid_parse(name, &uuid))
        return ovsdb_error(OVSDB_E_SYNTAX, "\"%s\" is not a valid UUID", name);
    struct ovsdb_row *row = ovsdb_table_find(table, &uuid);
    if (json_is_null(json)) {
        if (!row)
            return ovsdb_error(OVSDB_E_SYNTAX, "row %s is deleted but was never there", name);
        ovsdb_txn_delete(txn, row);
        return NULL;
    }
    if (!json_is_object(json))
        return ovsdb_error_at(json, OVSDB_E_SYNTAX, "row %s: expected an object or null", name);

    bool modify = row;
    if (!row)
        row = ovsdb_txn_insert(txn, table, &uuid);
    const char *column;
    json_t *value;
    json_object_foreach ((json_t *)json, column, value) {
        struct ovsdb_error *error = apply_column(txn, row, column, value, diff && modify);
        if (error)
            return ovsdb_error_prefix(error, "row %s column %s", name, column);
    }
    return NULL;
}

struct ovsdb_error *ovsdb_file_apply(struct ovsdb_txn *txn, const json_t *record)
{
    const char *name, *row;
    json_t *rows, *columns;

    if (!json_is_object(record))
        return ovsdb_error_at(record, OVSDB_E_SYNTAX, "expected an object");
    bool diff = json_is_true(json_object_get(record, "_is_diff"));
    json_object_foreach ((json_t *)record, name, rows) {
        if (!strcmp(name, "_date") || !strcmp(name, "_comment") || !strcmp(name, "_is_diff"))
            continue;
        struct ovsdb_table *table = ovsdb_db_table(txn->db, name);
        if (!table)
            return ovsdb_error(OVSDB_E_UNKNOWN_TABLE, "the schema lacks table %s", name);
        if (!json_is_object(rows))
            return ovsdb_error_at(rows, OVSDB_E_SYNTAX, "table %s: expected an object", name);
        json_object_foreach (rows, row, columns) {
            struct ovsdb_error *error = apply_row(txn, table, row, columns, diff);
            if (error)
                return ovsdb_error_prefix(error, "table %s", name);
        }
    }
    return NULL;
}

// Whether every reader of the field understands this column's difference. Some check it as if it
// were a value, and some take it for the value itself where the old one was a default other than
// nothing.
static bool diff_is_safe(const struct ovsdb_change_row *row, const struct ovsdb_column *column)
{
    const struct ovsdb_type *type = &column->type;
    const struct ovsdb_datum *old = row->old->columns[column->index];

    if (!ovsdb_type_is_composite(type) || !column->persistent || !ovsdb_change_row_has(row, column))
        return true;
    if (type->n_min && ovsdb_datum_is_default(old, type))
        return false;
    if (type->n_max == OVSDB_UNLIMITED)
        return true;
    OVSDB_DATUM_AUTO diff = ovsdb_datum_diff(old, row->new->columns[column->index], type);
    return diff->n <= type->n_max;
}

static bool diffs_are_safe(const struct ovsdb_change *change)
{
    for (unsigned i = 0; i < change->n_rows; i++) {
        const struct ovsdb_change_row *row = &change->rows[i];

        for (unsigned j = 0; row->old && row->new &&j < row->table->n_columns; j++)
            if (!diff_is_safe(row, row->table->columns[j]))
                return false;
    }
    return true;
}

static json_t *row_to_record(const struct ovsdb_change_row *row, bool as_diff)
{
    json_t *json;

    if (!row->new)
        return json_null();
    json = json_object();
    for (unsigned i = OVSDB_N_STD_COLUMNS; i < row->table->n_columns; i++) {
        const struct ovsdb_column *column = row->table->columns[i];

        if (!column->persistent || !ovsdb_change_row_has(row, column))
            continue;
        struct ovsdb_datum *datum =
            row->old && as_diff
                ? ovsdb_datum_diff(row->old->columns[i], row->new->columns[i], &column->type)
                : ovsdb_datum_ref(row->new->columns[i]);
        json_object_set_new_nocheck(json, column->name, ovsdb_datum_to_json(datum));
        ovsdb_datum_unref(datum);
    }
    if (row->old && !json_object_size(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *new_record(const char *comment, bool diff)
{
    json_t *record = json_object();

    json_object_set_new(record, "_date", json_integer(clock_wall() / NSEC_PER_MSEC));
    if (diff)
        json_object_set_new(record, "_is_diff", json_true());
    if (comment && *comment)
        json_object_set_new(record, "_comment", json_string(comment));
    return record;
}

static void record_row(json_t *record, const struct ovsdb_table_schema *table,
                       const struct ovsdb_uuid *uuid, json_t *json)
{
    json_t *rows = json_object_get(record, table->name);

    if (!rows) {
        rows = json_object();
        json_object_set_new_nocheck(record, table->name, rows);
    }
    json_object_set_new_nocheck(rows, OVSDB_UUID_STR(uuid), json);
}

json_t *ovsdb_file_record(const struct ovsdb_change *change, const char *comment)
{
    bool diff = diffs_are_safe(change), any = false;
    json_t *record = new_record(comment, diff);

    for (unsigned i = 0; i < change->n_rows; i++) {
        const struct ovsdb_change_row *row = &change->rows[i];
        json_t *json = row_to_record(row, diff);

        if (!json)
            continue;
        record_row(record, row->table, &row->uuid, json);
        any = true;
    }
    if (any)
        return record;
    json_decref(record);
    return NULL;
}

// The text of a record as the file holds it: one line.
static char *record_text(const json_t *record, size_t *ret_size)
{
    AUTO_FREE char *text = json_dumps(record, JSON_COMPACT);
    char *line = xasprintf("%s\n", text ? text : "");

    *ret_size = strlen(line);
    return line;
}

int ovsdb_storage_append(struct ovsdb_storage *storage, const struct ovsdb_change *change,
                         const char *comment, bool durable, struct err *err)
{
    json_t *record = ovsdb_file_record(change, comment);
    size_t size;

    if (!record)
        return 0;
    AUTO_FREE char *text = record_text(record, &size);
    json_decref(record);
    int r = ovsdb_log_append(storage->log, text, size, err);
    if (!r && durable)
        r = ovsdb_log_sync(storage->log, err);
    return r;
}

static json_t *snapshot_record(const struct ovsdb_db *db)
{
    json_t *record = new_record("compacted", false);

    for (unsigned i = 0; i < db->schema->n_tables; i++) {
        struct ovsdb_row *row, *next;

        HASH_ITER (hh, db->tables[i].rows, row, next) {
            struct ovsdb_change_row change = {
                .table = row->table->schema, .uuid = row->uuid, .new = row->tuple};

            record_row(record, change.table, &row->uuid, row_to_record(&change, false));
        }
    }
    return record;
}

int ovsdb_storage_compact(struct ovsdb_db *db, struct err *err)
{
    struct ovsdb_storage *storage = db->storage;
    json_t *schema = ovsdb_schema_to_json(db->schema), *record = snapshot_record(db);
    size_t sizes[2];
    AUTO_FREE char *schema_text = record_text(schema, &sizes[0]);
    AUTO_FREE char *text = record_text(record, &sizes[1]);
    const char *const texts[] = {schema_text, text};

    json_decref(schema);
    json_decref(record);
    int r = ovsdb_log_replace(storage->log, texts, sizes, 2, err);
    storage->snapshot = ovsdb_log_offset(storage->log);
    return r;
}

bool ovsdb_storage_wants_compaction(const struct ovsdb_storage *storage)
{
    uint64_t size = ovsdb_log_offset(storage->log);

    return size >= COMPACT_MIN && size / COMPACT_GROWTH >= storage->snapshot;
}

void ovsdb_storage_close(struct ovsdb_storage *storage)
{
    if (!storage)
        return;
    ovsdb_log_close(storage->log);
    free(storage);
}

const char *ovsdb_storage_path(const struct ovsdb_storage *storage)
{
    return ovsdb_log_path(storage->log);
}

// The file that symbolic links lead to, which need not exist: Debian's conf.db is a link from the start.
static char *follow_links(const char *path)
{
    char *at = xstrdup(path);
    char target[PATH_MAX];
    ssize_t n;

    for (int links = 0; links < MAX_LINKS && (n = readlink(at, target, sizeof target - 1)) > 0; links++) {
        const char *slash = strrchr(at, '/');

        target[n] = '\0';
        char *next = *target == '/' || !slash
                         ? xstrdup(target)
                         : xasprintf("%.*s/%s", (int)(slash - at), at, target);
        free(at);
        at = next;
    }
    return at;
}

int ovsdb_file_create(const char *name, const char *schema_text, size_t schema_len, struct err *err)
{
    AUTO_FREE char *path = follow_links(name);
    struct ovsdb_schema *schema;
    struct ovsdb_log *log;
    size_t size;
    struct ovsdb_error *error = ovsdb_schema_from_string(schema_text, schema_len, &schema);

    if (error) {
        AUTO_FREE char *sentence = ovsdb_error_to_string(error);
        ovsdb_error_free(error);
        return err_set(err, -EINVAL, "%s", sentence);
    }
    json_t *json = ovsdb_schema_to_json(schema);
    AUTO_FREE char *text = record_text(json, &size);
    json_decref(json);
    ovsdb_schema_unref(schema);

    int r = ovsdb_log_open(path, OVSDB_LOG_CREATE, &log, err);
    if (r < 0)
        return r;
    r = ovsdb_log_append(log, text, size, err);
    if (!r)
        r = ovsdb_log_sync(log, err);
    ovsdb_log_close(log);
    if (r < 0)
        unlink(path);
    return r;
}

static int data_error(struct ovsdb_error *error, const struct ovsdb_log *log, uint64_t start,
                      struct err *err)
{
    AUTO_FREE char *sentence = ovsdb_error_to_string(error);

    ovsdb_error_free(error);
    return err_set(err, -EBADMSG, "%s: record at byte %" PRIu64 ": %s", ovsdb_log_path(log), start,
                   sentence);
}

// Next record as JSON. As ovsdb_log_read(); a record that is whole but no JSON is -EPROTO.
static int read_json(struct ovsdb_log *log, json_t **ret_json, struct err *err)
{
    uint64_t start = ovsdb_log_offset(log);
    json_error_t where;
    const char *text;
    size_t size;
    int r = ovsdb_log_read(log, &text, &size, err);

    if (r <= 0)
        return r;
    *ret_json = json_loadb(text, size, 0, &where);
    if (!*ret_json)
        return err_set(err, -EPROTO, "%s: record at byte %" PRIu64 " is not JSON: %s",
                       ovsdb_log_path(log), start, where.text);
    return 1;
}

static int read_schema(struct ovsdb_log *log, struct ovsdb_schema **ret_schema, struct err *err)
{
    json_t *json;
    int r = read_json(log, &json, err);

    if (!r)
        return err_set(err, -EBADMSG, "%s: the file is empty", ovsdb_log_path(log));
    if (r < 0)
        return r;
    struct ovsdb_error *error = ovsdb_schema_from_json(json, ret_schema);
    json_decref(json);
    return error ? data_error(error, log, 0, err) : 0;
}

static int read_records(struct ovsdb_log *log, struct ovsdb_txn *txn,
                        struct ovsdb_file_report *report, struct err *err)
{
    for (;;) {
        uint64_t start = ovsdb_log_offset(log);
        json_t *json;
        AUTO_ERR(fault);
        int r = read_json(log, &json, &fault);

        if (r == -EBADMSG) {
            report->damage = xstrdup(err_text(&fault));
            return 0;
        }
        if (r < 0)
            return err_move(err, &fault);
        if (!r)
            return 0;
        struct ovsdb_error *error = ovsdb_file_apply(txn, json);
        json_decref(json);
        if (error)
            return data_error(error, log, start, err);
        report->n_records++;
    }
}

// Copies what is behind the last whole record to FILE.cut-at-OFFSET.
static int rescue_tail(struct ovsdb_log *log, struct ovsdb_file_report *report, struct err *err)
{
    uint64_t at = ovsdb_log_offset(log);
    const char *path = ovsdb_log_path(log);
    AUTO_FREE char *name = xasprintf("%s.cut-at-%" PRIu64, path, at);
    AUTO_CLOSE int in = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE int out = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = -1;

    if (in < 0 || out < 0)
        return err_set_errno(err, -errno, "%s: cannot save the broken tail of %s", name, path);
    do {
        char chunk[64 * 1024];

        n = pread(in, chunk, sizeof chunk, (off_t)at);
        if (n > 0 && write(out, chunk, (size_t)n) != n)
            n = -1;
        at += n > 0 ? (uint64_t)n : 0;
    } while (n > 0);
    if (n < 0 || fsync(out) < 0)
        return err_set_errno(err, -EIO, "%s: cannot save the broken tail of %s", name, path);
    report->rescue = STEAL_PTR(name);
    return 0;
}

static int load(struct ovsdb_db *db, struct ovsdb_log *log, struct ovsdb_file_report *report,
                struct err *err)
{
    struct ovsdb_txn *txn = ovsdb_txn_new(db);
    int r = read_records(log, txn, report, err);

    if (!r && report->damage && ovsdb_log_more_behind(log))
        r = rescue_tail(log, report, err);
    if (r < 0) {
        ovsdb_txn_abort(txn);
        return r;
    }
    struct ovsdb_error *error = ovsdb_txn_replay(txn);
    return error ? data_error(error, log, ovsdb_log_offset(log), err) : 0;
}

int ovsdb_file_open(const char *path, struct ovsdb_db **ret_db, struct ovsdb_file_report *report,
                    struct err *err)
{
    struct ovsdb_schema *schema;
    struct ovsdb_log *log;

    *report = (struct ovsdb_file_report){0};
    int r = ovsdb_log_open(path, OVSDB_LOG_WRITE, &log, err);
    if (r < 0)
        return r;
    r = read_schema(log, &schema, err);
    if (r < 0) {
        ovsdb_log_close(log);
        return r;
    }

    struct ovsdb_db *db = ovsdb_db_new(schema);
    db->storage = NEW(struct ovsdb_storage);
    db->storage->log = log;
    r = load(db, log, report, err);
    db->storage->snapshot = ovsdb_log_offset(log);
    if (r < 0)
        ovsdb_db_free(db);
    else
        *ret_db = db;
    return r;
}
