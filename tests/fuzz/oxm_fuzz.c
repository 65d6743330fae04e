// SPDX-License-Identifier: Apache-2.0
// OXM and NXM of any bytes: what decodes must encode to something that decodes to the same.
#include <assert.h>
#include <string.h>

#include "lib/flow/match10.h"
#include "lib/flow/oxm.h"

static void round_trip(const struct match *m, uint8_t version, bool nxm)
{
    const struct field_ctx ctx = {.of_version = version};
    struct match back;
    struct buf b = BUF_INIT;
    oxm_put_match(&b, m, &ctx, nxm, 0, 0);
    assert(oxm_get_match(b.data, b.size, &ctx, true, &back, NULL, NULL, NULL) == OXM_OK);
    if (!m->mask.key.packet_type) { // Ethernet isn't said
        assert(!memcmp(&back.mask, &m->mask, sizeof(back.mask)));
        assert(!memcmp(&back.value, &m->value, sizeof(back.value)));
    }
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct field_ctx ctx = {.of_version = 4};
    struct match m;
    be64_t cookie, cookie_mask;

    if (oxm_get_match(data, size, &ctx, true, &m, &cookie, &cookie_mask, NULL) == OXM_OK) {
        ofp_port_t port = m.value.pipe.in_port;
        if (ofp_port_from_u16(ofp_port_to_u16(port)) == port) // NXM has 16 bits for it
            round_trip(&m, 1, true);
        round_trip(&m, 6, false);
    }
    oxm_get_match(data, size, &ctx, false, &m, NULL, NULL, NULL);

    struct reader in = reader_of(data, size);
    const struct field *f;
    struct field_value value, mask;
    while (in.left && oxm_get_field(&in, &ctx, &f, &value, &mask, NULL) == OXM_OK)
        assert(f);
    in = reader_of(data, size);
    while (in.left && oxm_get_header(&in, &ctx, &f, NULL) == OXM_OK)
        assert(f);
    if (size >= MATCH10_LEN) {
        uint8_t out[MATCH10_LEN];
        match10_get(data, &m);
        assert(match10_put(&m, out));
    }
    return 0;
}
