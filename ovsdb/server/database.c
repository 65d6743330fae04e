// SPDX-License-Identifier: Apache-2.0
//
// A database in memory. See database.h. The chain of changes is trimmed to OVSDB_HISTORY_MAX as it
// grows; monitors that are further behind hold their part of it themselves.

#include "ovsdb/server/database.h"

#include <stdlib.h>

#include <utlist.h>

#include "lib/base/mem.h"
#include "ovsdb/server/file.h"

struct ovsdb_db *ovsdb_db_new(struct ovsdb_schema *schema)
{
    struct ovsdb_db *db = NEW(struct ovsdb_db);

    db->schema = schema;
    db->tables = NEW_ARRAY(struct ovsdb_table, schema->n_tables + 1);
    for (unsigned i = 0; i < schema->n_tables; i++)
        ovsdb_table_init(&db->tables[i], schema->tables[i], db);
    db->reserved = ovsdb_name_is_reserved(schema->name);
    db->oldest = db->newest = ovsdb_change_new(0);
    return db;
}

void ovsdb_db_free(struct ovsdb_db *db)
{
    if (!db)
        return;
    ovsdb_change_unref(db->oldest);
    for (unsigned i = 0; i < db->schema->n_tables; i++)
        ovsdb_table_done(&db->tables[i]);
    free(db->tables);
    ovsdb_storage_close(db->storage);
    ovsdb_schema_unref(db->schema);
    free(db);
}

struct ovsdb_table *ovsdb_db_table(const struct ovsdb_db *db, const char *name)
{
    const struct ovsdb_table_schema *schema = ovsdb_schema_table(db->schema, name);

    return schema ? &db->tables[schema->index] : NULL;
}

void ovsdb_db_observe(struct ovsdb_db *db, struct ovsdb_observer *observer)
{
    DL_APPEND(db->observers, observer);
}

void ovsdb_db_unobserve(struct ovsdb_db *db, struct ovsdb_observer *observer)
{
    DL_DELETE(db->observers, observer);
}

void ovsdb_db_publish(struct ovsdb_db *db, struct ovsdb_change *change)
{
    struct ovsdb_observer *observer, *next;

    db->newest->next = change;
    db->newest = change;
    if (++db->n_history > OVSDB_HISTORY_MAX) {
        struct ovsdb_change *oldest = db->oldest;

        db->oldest = ovsdb_change_ref(oldest->next);
        ovsdb_change_unref(oldest);
        db->n_history--;
    }
    DL_FOREACH_SAFE(db->observers, observer, next)
    observer->changed(observer, change);
}
