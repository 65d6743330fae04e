// SPDX-License-Identifier: Apache-2.0
// A database kept in a record file (ovsdb(5), standalone format): loading it, appending what each
// transaction did, compacting.
//
// Record 0 is the schema; every further record is a transaction: {"_date": ms, "_comment": text,
// "_is_diff": true, TABLE: {ROW: null or {COLUMN: value}}}. With _is_diff, a column of a row that
// exists holds the difference from its old value (ovsdb_datum_diff()). We write differences, and
// read both forms. Ephemeral columns are left out.
//
// Thread: the committing thread. Everything here blocks on the file.
#pragma once

#include "lib/base/err.h"
#include "ovsdb/server/change.h"
#include "ovsdb/server/log.h"

struct ovsdb_db;
struct ovsdb_storage;
struct ovsdb_txn;

struct ovsdb_file_report {
    unsigned n_records; // transactions read
    char *damage;       // NULL, or a sentence about the tail that is not whole and gets cut off
    char *rescue;       // NULL, or the file into which what is cut off was copied
};
void ovsdb_file_report_done(struct ovsdb_file_report *report);

// Creates 'path', or what it is a symbolic link to, with this schema text as its only record.
// -EEXIST if there is such a file.
int ovsdb_file_create(const char *path, const char *schema_text, size_t schema_len,
                      struct err *err);
// Locks and loads the file; commits are written to it from then on. A tail that isn't whole is left
// out, told in the report (to be released also after an error) and cut off; if whole records seem
// to follow it, the tail is first copied beside the file. Errors: as ovsdb_log_open(); -EBADMSG
// where the file is no database or contradicts itself, naming the record.
int ovsdb_file_open(const char *path, struct ovsdb_db **ret_db, struct ovsdb_file_report *report,
                    struct err *err);

// Appends what the change did. Durable: on the disk when it returns.
int ovsdb_storage_append(struct ovsdb_storage *storage, const struct ovsdb_change *change,
                         const char *comment, bool durable, struct err *err);
// Replaces the file by one that holds just the present state.
int ovsdb_storage_compact(struct ovsdb_db *db, struct err *err);
// The file has grown so much since it was compacted that doing it again is worth it.
bool ovsdb_storage_wants_compaction(const struct ovsdb_storage *storage);
void ovsdb_storage_close(struct ovsdb_storage *storage); // NULL is accepted
const char *ovsdb_storage_path(const struct ovsdb_storage *storage);

// The parts that know JSON alone. A record applied to an open transaction; a change as a record
// (NULL: nothing persistent).
struct ovsdb_error *ovsdb_file_apply(struct ovsdb_txn *txn, const json_t *record)
    __attribute__((warn_unused_result));
json_t *ovsdb_file_record(const struct ovsdb_change *change, const char *comment);
