// SPDX-License-Identifier: Apache-2.0
// Look-ups of fields by wire header and by name: two small open-addressing tables of row numbers,
// filled from the field table before main() runs and constant from then on. Thread: any.
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/base/hash.h"
#include "lib/flow/field_table.h"

#define SLOTS 1024 // power of two, several times the number of headers and of names
#define HAS_MASK 0x100u

// The header as an index key: without the has-mask bit and, since a mask doubles it, without the
// length.
static uint16_t by_header[SLOTS];
static uint16_t by_name[SLOTS]; // row + 1; 0: free

static uint64_t header_hash(uint32_t header, uint32_t experimenter)
{
    return hash_u64((uint64_t)experimenter << 32 | (header & ~(HAS_MASK | 0xff)), 0);
}

static bool number_is(const struct field_header *h, uint32_t header, uint32_t experimenter)
{
    return h->name && h->experimenter == experimenter && !((h->header ^ header) >> 9);
}

static bool header_is(const struct field_header *h, uint32_t header, uint32_t experimenter)
{
    unsigned fixed = experimenter ? 4 : 0, payload = (h->header & 0xff) - fixed;
    return number_is(h, header, experimenter) &&
           (header & 0xff) == fixed + (header & HAS_MASK ? 2 * payload : payload);
}

static bool field_has_name(const struct field *f, const char *name, size_t len)
{
    const char *names[] = {f->name, f->alias, f->nxm.name, f->oxm.name, f->onf.name};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i] && strlen(names[i]) == len && !memcmp(names[i], name, len))
            return true;
    }
    return false;
}

static void insert(uint16_t *table, uint64_t hash, unsigned row)
{
    while (table[hash % SLOTS])
        hash++;
    table[hash % SLOTS] = (uint16_t)(row + 1);
}

// The pipeline's rows come first, so that "in_port" is found as the OpenFlow port.
__attribute__((constructor)) static void build(void)
{
    for (unsigned n = 0; n < FIELD_COUNT; n++) {
        unsigned i = (n + FIELD_PIPELINE_FIRST) % FIELD_COUNT;
        const struct field *f = &field_table[i];
        const struct field_header *headers[] = {&f->nxm, &f->oxm, &f->onf};

        insert(by_name, hash_text(f->name, 0), i);
        if (f->alias)
            insert(by_name, hash_text(f->alias, 0), i);
        for (size_t h = 0; h < ARRAY_SIZE(headers); h++) {
            if (!headers[h]->name)
                continue;
            insert(by_name, hash_text(headers[h]->name, 0), i);
            insert(by_header, header_hash(headers[h]->header, headers[h]->experimenter), i);
        }
    }
}

const struct field *field_by_name(const char *name, size_t len)
{
    for (uint64_t h = hash_bytes(name, len, 0); by_name[h % SLOTS]; h++) {
        const struct field *f = &field_table[by_name[h % SLOTS] - 1];
        if (field_has_name(f, name, len))
            return f;
    }
    return NULL;
}

const struct field *field_by_oxm_number(uint32_t header, uint32_t experimenter)
{
    for (uint64_t h = header_hash(header, experimenter); by_header[h % SLOTS]; h++) {
        const struct field *f = &field_table[by_header[h % SLOTS] - 1];
        if (number_is(&f->nxm, header, experimenter) || number_is(&f->oxm, header, experimenter) ||
            number_is(&f->onf, header, experimenter))
            return f;
    }
    return NULL;
}

const struct field *field_by_oxm(uint32_t header, uint32_t experimenter)
{
    const struct field *f = field_by_oxm_number(header, experimenter);
    if (f && (header_is(&f->nxm, header, experimenter) ||
              header_is(&f->oxm, header, experimenter) || header_is(&f->onf, header, experimenter)))
        return f;
    return NULL;
}

const struct field_header *field_wire_header(const struct field *f, uint8_t of_version, bool nxm)
{
    if (nxm && f->nxm.name)
        return &f->nxm;
    if (f->oxm.name && f->oxm.since <= of_version)
        return &f->oxm;
    if (f->onf.name && f->onf.since <= of_version)
        return &f->onf;
    if (f->nxm.name)
        return &f->nxm;
    return f->oxm.name ? &f->oxm : NULL;
}
