// SPDX-License-Identifier: Apache-2.0
// The named UUIDs of one transaction. See symbol.h. A uthash by name, whose table owns the nodes.
#include "ovsdb/schema/symbol.h"

#include <stdlib.h>

#include "lib/base/mem.h"

struct ovsdb_symbol *ovsdb_symtab_get(struct ovsdb_symtab *symtab, const char *name)
{
    struct ovsdb_symbol *symbol;

    HASH_FIND_STR(symtab->symbols, name, symbol);
    if (symbol)
        return symbol;

    size_t len = strlen(name);
    symbol = xcalloc(1, sizeof *symbol + len + 1);
    memcpy(symbol->name, name, len);
    symbol->uuid = ovsdb_uuid_random();
    HASH_ADD_KEYPTR(hh, symtab->symbols, symbol->name, len, symbol);
    return symbol;
}

void ovsdb_symtab_clear(struct ovsdb_symtab *symtab)
{
    struct ovsdb_symbol *symbol, *next;

    HASH_ITER (hh, symtab->symbols, symbol, next) {
        HASH_DEL(symtab->symbols, symbol);
        free(symbol);
    }
}
