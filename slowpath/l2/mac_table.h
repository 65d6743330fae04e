// SPDX-License-Identifier: Apache-2.0
// A bridge's MAC learning table: (VLAN, address) -> OpenFlow port, with ageing.
//
// Any thread may look up (RCU, no lock) and learn (a lock per bucket). Ageing, flushing, settings
// and dumps are the main thread's. The observer hears of every change that a lookup could notice,
// after it is visible.
#pragma once

#include "lib/base/str.h"
#include "lib/flow/types.h"

#define MAC_AGEING_DEFAULT 300 // seconds
#define MAC_LIMIT_DEFAULT 8192 // entries

struct mac_table;

// Called by the thread that made the change, possibly with a bucket's lock held: don't call back.
typedef void mac_changed_fn(void *aux, uint16_t vlan, const struct eth_addr *);

struct mac_table *mac_table_new(mac_changed_fn *changed, void *aux);
void mac_table_free(struct mac_table *); // after a grace period without users; announces nothing

// 15 to 3600 seconds and at least 10 entries are used, whatever is asked, as users of the field
// expect.
void mac_table_set_ageing(struct mac_table *, unsigned seconds);
void mac_table_set_limit(struct mac_table *, uint32_t entries);

// True if known. Any thread, within an RCU read section.
bool mac_table_lookup(const struct mac_table *, uint16_t vlan, const struct eth_addr *,
                      ofp_port_t *ret_port);

// The address was seen as a source on `port` at `now`: learns it, moves it, or makes it young. A
// static entry stays where it is. Multicast and zero addresses are ignored. Returns whether a
// lookup now differs. Any thread.
bool mac_table_learn(struct mac_table *, uint16_t vlan, const struct eth_addr *, ofp_port_t port,
                     int64_t now);

// A static entry: neither ages nor moves. -EEXIST: a static one is there already; -ENOSPC.
int mac_table_add_static(struct mac_table *, uint16_t vlan, const struct eth_addr *,
                         ofp_port_t port);
bool mac_table_del(struct mac_table *, uint16_t vlan, const struct eth_addr *);

// Forgets dynamic entries. fdb/flush.
void mac_table_flush(struct mac_table *);
// Forgets entries, static ones included, whose port `gone` says is no more.
void mac_table_flush_ports(struct mac_table *, bool (*gone)(const void *aux, ofp_port_t),
                           const void *aux);

// Ages. Call about once a second.
void mac_table_run(struct mac_table *, int64_t now);

struct mac_stats {
    uint32_t entries, limit;
    unsigned ageing;                           // seconds
    uint64_t learned, moved, expired, evicted; // since start
};
void mac_table_stats(const struct mac_table *, struct mac_stats *ret_stats);

// The text of fdb/show: one line per entry, oldest first, static ones last.
void mac_table_format(const struct mac_table *, int64_t now, struct str *out);
