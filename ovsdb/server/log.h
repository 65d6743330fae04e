// SPDX-License-Identifier: Apache-2.0
// The record file of ovsdb(5): a sequence of records, each a line "OVSDB JSON LENGTH SHA1" and
// LENGTH bytes of JSON with their SHA-1. Append-only; the JSON is for the caller (file.h).
//
// Reading goes record by record through one buffer and holds one record at a time. It ends at the
// end of the file or at the first record that isn't whole, whose offset and fault are told; the
// first append after that cuts the file there.
//
// Thread: one at a time. Everything here blocks on the file.
#pragma once

#include "lib/base/err.h"

struct ovsdb_log;

enum ovsdb_log_mode {
    OVSDB_LOG_READ,   // no lock, no changes
    OVSDB_LOG_WRITE,  // must exist; locked
    OVSDB_LOG_CREATE, // must not exist; locked
};

// -ENOENT, -EEXIST, -EAGAIN (another process holds the lock; its number in the sentence), others of
// open(2). The lock is on ".NAME.~lock~" beside the file (a symbolic link's target), as the field's
// tools take it.
int ovsdb_log_open(const char *path, enum ovsdb_log_mode mode, struct ovsdb_log **ret_log,
                   struct err *err);
void ovsdb_log_close(struct ovsdb_log *log); // releases the lock; NULL is accepted

// Next record: its text (no NUL behind it), valid until the next call. Returns 1, or 0 at the end
// of the file, or -EBADMSG with a sentence about a record that isn't whole (where the log ends
// then, now and in later calls), or an errno of read(2).
int ovsdb_log_read(struct ovsdb_log *log, const char **ret_text, size_t *ret_size, struct err *err);

// Where the last whole record that was read or written ends.
uint64_t ovsdb_log_offset(const struct ovsdb_log *log);
const char *ovsdb_log_path(const struct ovsdb_log *log);
// Whether records seem to follow behind a broken one, so that cutting there loses more than a tail.
bool ovsdb_log_more_behind(const struct ovsdb_log *log);

// Appends a record. On an error the file is cut back to where it was.
int ovsdb_log_append(struct ovsdb_log *log, const char *text, size_t size, struct err *err);
// Everything appended is on the disk when this returns.
int ovsdb_log_sync(struct ovsdb_log *log, struct err *err);

// Replaces all records by these texts, atomically: a new file, synced and renamed over the old one.
int ovsdb_log_replace(struct ovsdb_log *log, const char *const *texts, const size_t *sizes,
                      unsigned n, struct err *err);
