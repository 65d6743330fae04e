// SPDX-License-Identifier: Apache-2.0
// Database files. The first byte chooses: the rest is a file, read record by record; or it is lines
// of JSON, each a transaction record for a database of the Open_vSwitch schema. Truths: reading
// ends, the offset never passes the file's end, and once broken the log stays broken.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "ovsdb/server/file.h"
#include "ovsdb/server/transaction.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("ovsdb_log_fuzz", MFD_CLOEXEC);
    char path[64];
    struct ovsdb_log *log;
    const char *text;
    size_t length;
    int r;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
        ovsdb_log_open(path, OVSDB_LOG_READ, &log, NULL))
        abort();
    while ((r = ovsdb_log_read(log, &text, &length, NULL)) == 1)
        json_decref(json_loadb(text, length, 0, NULL));
    if (ovsdb_log_offset(log) > size || (r == 0) != (ovsdb_log_offset(log) == size))
        abort();
    if (r < 0 && ovsdb_log_read(log, &text, &length, NULL) != r)
        abort();
    ovsdb_log_more_behind(log);
    ovsdb_log_close(log);
    close(fd);
}

static struct ovsdb_error *apply(struct ovsdb_txn *txn, const char *at, const char *end)
{
    struct ovsdb_error *error = NULL;

    while (at < end && !error) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        json_t *record = json_loadb(at, length, 0, NULL);

        if (record)
            error = ovsdb_file_apply(txn, record);
        json_decref(record);
        at += length + 1;
    }
    return error;
}

static void read_records(const char *at, const char *end)
{
    static struct ovsdb_schema *schema; // read once

    if (!schema &&
        ovsdb_schema_from_string(ovsdb_vswitch_schema_text, ovsdb_vswitch_schema_len, &schema))
        abort();
    struct ovsdb_db *db = ovsdb_db_new(ovsdb_schema_ref(schema));
    struct ovsdb_txn *txn = ovsdb_txn_new(db);
    struct ovsdb_error *error = apply(txn, at, end);

    if (error)
        ovsdb_txn_abort(txn);
    else
        error = ovsdb_txn_replay(txn);
    for (unsigned i = 0; error && i < db->schema->n_tables; i++)
        if (db->tables[i].rows)
            abort();
    ovsdb_error_free(error);
    ovsdb_db_free(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] & 1)
        read_file(data + 1, size - 1);
    else
        read_records((const char *)data + 1, (const char *)data + size);
    return 0;
}
