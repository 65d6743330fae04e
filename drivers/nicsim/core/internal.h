/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What the core's files share and nobody else sees. */
#pragma once

#include "drivers/nicsim/core/platform.h"

#define NICSIM_KEY_WORDS (sizeof(struct nicsim_key) / sizeof(u64))
#define NICSIM_BUCKETS 16384 /* of each of the two hash tables; a power of two */

/* Rules of one priority and mask. Freed by RCU when its last rule goes. */
struct nicsim_tuple {
	nicsim_rcu_head rcu;
	struct list_head node; /* nicsim_eswitch.tuples */
	struct nicsim_key mask;
	u32 priority;
	u32 seed; /* keeps equal masked keys of different tuples apart in the hash table */
	struct list_head rules; /* nicsim_eswitch.lock; oldest first */
};

struct nicsim_action_list {
	nicsim_rcu_head rcu;
	u32 n;
	struct nicsim_action v[];
};

struct nicsim_counts {
	u64 frames, bytes, last_used_ns;
};

/* Immutable once in the table but for `actions` and the counters. */
struct nicsim_rule {
	nicsim_rcu_head rcu;
	struct hlist_node match_node; /* nicsim_eswitch.by_key */
	struct hlist_node id_node;    /* nicsim_eswitch.by_id */
	struct list_head in_tuple;    /* nicsim_tuple.rules */
	struct nicsim_tuple *tuple;   /* outlives the rule by RCU */
	struct nicsim_rule_id id;
	struct nicsim_key key;			  /* masked */
	u64 seq;				  /* order of insertion */
	struct nicsim_action_list __rcu *actions; /* written under nicsim_eswitch.lock */

	spinlock_t count_lock; /* all below; taken in softirq */
	struct nicsim_counts live;
	struct nicsim_counts cached; /* `live` as it was when `tick` began */
	struct nicsim_counts taken;  /* what nicsim_rule_take() has handed out */
	u64 tick;
};

struct nicsim_eswitch {
	struct mutex lock;	   /* writers of all that RCU readers follow */
	struct list_head tuples;   /* RCU; ordered by priority */
	struct hlist_head *by_key; /* RCU; rules by hash of masked key and tuple; newest first */
	struct hlist_head *by_id;  /* RCU; rules by hash of id */
	DECLARE_BITMAP(ports, NICSIM_MAX_PORTS); /* atomic bits */
	u32 n_rules;				 /* written under lock, READ_ONCE elsewhere */
	u32 n_tuples_ever;			 /* lock */
	u64 next_seq;				 /* lock */
	u64 knobs[NICSIM_KNOB_COUNT]; /* READ_ONCE and WRITE_ONCE; those that count down, under lock
				       */
};

int nicsim_actions_check(const struct nicsim_eswitch *sw, const struct nicsim_key *key,
			 const struct nicsim_key *mask, const struct nicsim_actions *actions,
			 struct nicsim_refusal *why);

/* count.c: counters of one rule. */
void nicsim_counts_init(const struct nicsim_eswitch *sw, struct nicsim_rule *rule);
void nicsim_counts_read(const struct nicsim_eswitch *sw, struct nicsim_rule *rule,
			struct nicsim_stats *ret_cached, struct nicsim_stats *ret_live);
void nicsim_counts_take(const struct nicsim_eswitch *sw, struct nicsim_rule *rule,
			struct nicsim_stats *ret_delta);
void nicsim_counts_reset(struct nicsim_rule *rule);
