// SPDX-License-Identifier: Apache-2.0
// The named UUIDs of one transaction (RFC 7047 section 5.1, <named-uuid>): a name stands for the
// row that an insert with that uuid-name makes, before or after the name is used. One thread.
#pragma once

#include <stdbool.h>

#include <uthash.h>

#include "ovsdb/schema/uuid.h"

struct ovsdb_symbol {
    UT_hash_handle hh;
    struct ovsdb_uuid uuid;
    bool created; // an insert has claimed the name
    char name[];
};

struct ovsdb_symtab {
    struct ovsdb_symbol *symbols; // uthash by name
};

// The symbol called `name`, made with a fresh UUID if it is new. Owned by the table.
struct ovsdb_symbol *ovsdb_symtab_get(struct ovsdb_symtab *symtab, const char *name);

// Forgets every symbol.
void ovsdb_symtab_clear(struct ovsdb_symtab *symtab);
