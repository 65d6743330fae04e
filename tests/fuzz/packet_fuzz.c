// SPDX-License-Identifier: Apache-2.0
// Frames of any bytes: parsed, edited in every field, tagged, labelled, segmented. The first bytes
// choose what the sender said of the frame (GSO, pending checksum). Looked for: reads and writes
// beyond the frame, and offsets that lie.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow/packet.h"

static void release(void *aux, struct packet *p)
{
    packet_free(p);
}

static void edit_all(struct packet *p, const uint8_t *bytes)
{
    struct field_value value, mask;
    memcpy(value.b, bytes, sizeof(value.b));
    memset(mask.b, 0xff, sizeof(mask.b));
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        packet_set_field(p, field_by_id((enum field_id)i), &value, &mask);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 24 || size > 3000)
        return 0;
    struct packet *p = packet_from(data + 24, (uint32_t)(size - 24));
    struct flow_key key;

    p->vnet.gso_type = data[16] & 0x87;
    p->vnet.gso_size = (uint16_t)(data[17] << 8 | data[18] | 64); // not millions of segments
    p->vnet.needs_csum = data[19] & 1;
    p->vnet.csum_start = (uint16_t)(data[20] << 8 | data[21]);
    p->vnet.csum_offset = (uint16_t)(data[22] << 8 | data[23]);
    packet_extract(p, &key);
    assert(p->l3_ofs == UINT16_MAX || p->l3_ofs <= p->len);
    assert(p->l4_ofs == UINT16_MAX || p->l4_ofs <= p->len);

    uint32_t frames;
    uint64_t bytes;
    packet_wire_count(p, &frames, &bytes);
    assert(frames >= 1 && bytes >= p->len);
    packet_segment(p, release, NULL);
    edit_all(p, data);
    packet_push_vlan(p, htons(0x8100), htons(0x1005));
    packet_push_mpls(p, htons(0x8847), htonl(0x00012140));
    edit_all(p, data);
    packet_pop_mpls(p, htons(0x0800));
    packet_pop_vlan(p);
    edit_all(p, data);
    packet_finish_checksum(p);
    packet_free(p);
    return 0;
}
