/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * All that differs between nicsim's core in the kernel and in a process. The core is written
 * against the kernel's names; for a process this header maps the few it uses to libc, pthreads and
 * liburcu (memb flavour, whose RCU and list macros have the same meaning). Included by core's .c
 * files only.
 */
#pragma once

#include "drivers/nicsim/core/eswitch.h"

#ifdef __KERNEL__

#include <linux/bitmap.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/in.h>
#include <linux/ipv6.h>
#include <linux/jhash.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static inline u32 nicsim_hash(const void *data, size_t len, u32 seed)
{
	return jhash2(data, len / sizeof(u32), seed);
}

/* The clock is the machine's; it cannot be set. */
static inline u64 nicsim_platform_ns(void)
{
	return ktime_get_ns();
}

/* Frees a struct with a member `nicsim_rcu_head rcu` when all present readers are done. */
typedef struct rcu_head nicsim_rcu_head;
#define nicsim_free_rcu(ptr) kfree_rcu(ptr, rcu)

#else /* a process */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/hlist.h>
#include <urcu/list.h>
#include <xxhash.h>

#include "lib/base/clock.h"
#include "lib/base/rcu.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define __rcu
#define fallthrough __attribute__((fallthrough))
#define container_of(ptr, type, member) caa_container_of(ptr, type, member)
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value) __atomic_store_n(&(x), value, __ATOMIC_RELAXED)
#define rcu_read_lock() rcu_enter()
#define rcu_read_unlock() rcu_leave()
#define synchronize_rcu() rcu_wait()
#undef rcu_dereference
#define rcu_dereference(p) rcu_get(p)
#define rcu_dereference_protected(p, condition) (p)
#undef rcu_assign_pointer
#define rcu_assign_pointer(p, value) rcu_set(p, value)
#define RCU_INIT_POINTER(p, value) ((p) = (value))
#define lockdep_assert_held(lock) ((void)(lock))
#define BUILD_BUG_ON(condition) _Static_assert(!(condition), #condition)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define div64_u64(a, b) ((a) / (b))

#define GFP_KERNEL 0
static inline void *kzalloc(size_t size, int flags)
{
	(void)flags;
	return calloc(1, size);
}
#define kvcalloc(n, size, flags) calloc(n, size)
#define kfree(p) free(p)
#define kvfree(p) free(p)
#define struct_size(p, member, n) (sizeof(*(p)) + (n) * sizeof((p)->member[0]))

struct mutex {
	pthread_mutex_t m;
};
#define mutex_init(l) pthread_mutex_init(&(l)->m, NULL)
#define mutex_destroy(l) pthread_mutex_destroy(&(l)->m)
#define mutex_lock(l) pthread_mutex_lock(&(l)->m)
#define mutex_unlock(l) pthread_mutex_unlock(&(l)->m)

typedef pthread_spinlock_t spinlock_t;
#define spin_lock_init(l) pthread_spin_init(l, PTHREAD_PROCESS_PRIVATE)
#define spin_lock_bh(l) pthread_spin_lock(l)
#define spin_unlock_bh(l) pthread_spin_unlock(l)

#define DECLARE_BITMAP(name, bits) unsigned long name[((bits) + 63) / 64]
static inline bool test_bit(unsigned long bit, const unsigned long *map)
{
	return __atomic_load_n(&map[bit / 64], __ATOMIC_RELAXED) >> (bit % 64) & 1;
}
static inline void set_bit(unsigned long bit, unsigned long *map)
{
	__atomic_fetch_or(&map[bit / 64], 1ul << (bit % 64), __ATOMIC_RELAXED);
}
static inline void clear_bit(unsigned long bit, unsigned long *map)
{
	__atomic_fetch_and(&map[bit / 64], ~(1ul << (bit % 64)), __ATOMIC_RELAXED);
}

/* Lists are liburcu's, walked and linked with atomics that ThreadSanitizer knows. */
#define list_head cds_list_head
#define INIT_LIST_HEAD(l) CDS_INIT_LIST_HEAD(l)
#define list_add_tail(entry, head) cds_list_add_tail(entry, head)
#define list_del(entry) cds_list_del(entry)
#define list_empty(head) cds_list_empty(head)
#define list_for_each_entry(pos, head, member) cds_list_for_each_entry(pos, head, member)
#define list_for_each_entry_safe(pos, next, head, member)                                          \
	cds_list_for_each_entry_safe(pos, next, head, member)
#define list_for_each_entry_rcu(pos, head, member)                                                 \
	for (pos = container_of(rcu_get((head)->next), __typeof__(*pos), member);                  \
	     &pos->member != (head);                                                               \
	     pos = container_of(rcu_get(pos->member.next), __typeof__(*pos), member))
static inline void list_add_tail_rcu(struct list_head *entry, struct list_head *head)
{
	entry->next = head;
	entry->prev = head->prev;
	rcu_set(head->prev->next, entry);
	head->prev = entry;
}
static inline void list_del_rcu(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	rcu_set(entry->prev->next, entry->next);
}
#define hlist_head cds_hlist_head
#define hlist_node cds_hlist_node
#define hlist_for_each_entry_rcu(pos, head, member, ...)                                           \
	for (pos = cds_hlist_entry_safe(rcu_get((head)->next), __typeof__(*pos), member); pos;     \
	     pos = cds_hlist_entry_safe(rcu_get(pos->member.next), __typeof__(*pos), member))
static inline void hlist_add_head_rcu(struct hlist_node *entry, struct hlist_head *head)
{
	entry->next = head->next;
	entry->prev = (struct hlist_node *)head;
	if (head->next)
		head->next->prev = entry;
	rcu_set(head->next, entry);
}
static inline void hlist_del_rcu(struct hlist_node *entry)
{
	if (entry->next)
		entry->next->prev = entry->prev;
	rcu_set(entry->prev->next, entry->next);
}

static inline u32 nicsim_hash(const void *data, size_t len, u32 seed)
{
	return (u32)XXH64(data, len, seed);
}

static inline u64 nicsim_platform_ns(void)
{
	return (u64)clock_now();
}

typedef struct rcu_later nicsim_rcu_head;
#define nicsim_free_rcu(ptr) rcu_later(&(ptr)->rcu, free, ptr)

#endif
