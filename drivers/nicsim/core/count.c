// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * A rule's counters, and the cache through which they are seen.
 *
 * Real NICs let the driver read all counters every second or so and answer from that copy. Here
 * time is cut into ticks as long as the cache age, and a reading shows the counters as they were
 * when the current tick began. No timer does this: whoever first touches a rule in a new tick, a
 * frame or a reader, moves the live figures to the copy before anything else. With age 0 readings
 * are live.
 *
 * Each rule has a lock of its own, held for a few instructions, so frames and bytes always agree.
 */
#include "drivers/nicsim/core/internal.h"

__u64 nicsim_clock_ns(void)
{
	return nicsim_platform_ns();
}

static u64 current_tick(const struct nicsim_eswitch *sw, u64 now)
{
	u64 age_ms = READ_ONCE(sw->knobs[NICSIM_CACHE_AGE_MS]);

	return age_ms ? div64_u64(now, age_ms * 1000000) : now;
}

/* Under count_lock. A change of the age gives another tick too: the copy is then renewed early. */
static void roll(const struct nicsim_eswitch *sw, struct nicsim_rule *rule, u64 now)
{
	u64 tick = current_tick(sw, now);

	if (tick != rule->tick) {
		rule->cached = rule->live;
		rule->tick = tick;
	}
}

static void to_stats(const struct nicsim_eswitch *sw, const struct nicsim_counts *counts,
		     struct nicsim_stats *ret_stats)
{
	ret_stats->frames = counts->frames;
	ret_stats->bytes = counts->bytes;
	ret_stats->last_used_ns = counts->last_used_ns;
	ret_stats->age_ms = READ_ONCE(sw->knobs[NICSIM_CACHE_AGE_MS]);
}

/* Under count_lock. */
static void refresh(const struct nicsim_eswitch *sw, struct nicsim_rule *rule)
{
	roll(sw, rule, nicsim_platform_ns());
	if (!READ_ONCE(sw->knobs[NICSIM_CACHE_AGE_MS]))
		rule->cached = rule->live;
}

void nicsim_counts_init(const struct nicsim_eswitch *sw, struct nicsim_rule *rule)
{
	spin_lock_init(&rule->count_lock);
	rule->tick = current_tick(sw, nicsim_platform_ns());
}

void nicsim_rule_hit(const struct nicsim_eswitch *sw, struct nicsim_rule *rule, __u64 frames,
		     __u64 bytes)
{
	u64 now = nicsim_platform_ns();

	spin_lock_bh(&rule->count_lock);
	roll(sw, rule, now);
	rule->live.frames += frames;
	rule->live.bytes += bytes;
	rule->live.last_used_ns = now;
	spin_unlock_bh(&rule->count_lock);
}

void nicsim_counts_read(const struct nicsim_eswitch *sw, struct nicsim_rule *rule,
			struct nicsim_stats *ret_cached, struct nicsim_stats *ret_live)
{
	spin_lock_bh(&rule->count_lock);
	refresh(sw, rule);
	to_stats(sw, &rule->cached, ret_cached);
	if (ret_live) {
		to_stats(sw, &rule->live, ret_live);
		ret_live->age_ms = 0;
	}
	spin_unlock_bh(&rule->count_lock);
}

void nicsim_counts_take(const struct nicsim_eswitch *sw, struct nicsim_rule *rule,
			struct nicsim_stats *ret_delta)
{
	spin_lock_bh(&rule->count_lock);
	refresh(sw, rule);
	to_stats(sw, &rule->cached, ret_delta);
	ret_delta->frames -= rule->taken.frames;
	ret_delta->bytes -= rule->taken.bytes;
	rule->taken = rule->cached;
	spin_unlock_bh(&rule->count_lock);
}

void nicsim_counts_reset(struct nicsim_rule *rule)
{
	static const struct nicsim_counts none;

	spin_lock_bh(&rule->count_lock);
	rule->live = none;
	rule->cached = none;
	rule->taken = none;
	spin_unlock_bh(&rule->count_lock);
}
