// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * The table: a tuple space. Rules of one priority and mask form a tuple; tuples stand in a list in
 * order of priority, and one hash table finds a rule by tuple and masked key. A lookup walks the
 * tuples, and stops at the first whose priority is worse than what it found.
 *
 * Writers hold nicsim_eswitch.lock. Readers follow RCU: a rule is whole before it is linked, is
 * unlinked from both tables before it is freed, and its tuple is freed no earlier than itself. A
 * reader that misses a rule linked during its walk acts as if it had come a moment earlier; that is
 * all that a concurrent change can do to it.
 */
#include "drivers/nicsim/core/internal.h"

static const char *const knob_names[NICSIM_KNOB_COUNT] = {
	[NICSIM_CAPACITY] = "capacity",
	[NICSIM_CACHE_AGE_MS] = "cache_age_ms",
	[NICSIM_INSERT_DELAY_US] = "insert_delay_us",
	[NICSIM_HANG_INSERTS] = "hang_inserts",
	[NICSIM_FAIL_INSERTS] = "fail_inserts",
	[NICSIM_FAIL_ERRNO] = "fail_errno",
	[NICSIM_FAIL_STATS] = "fail_stats",
};

static const u64 knob_max[NICSIM_KNOB_COUNT] = {
	[NICSIM_CAPACITY] = 1 << 24,	     [NICSIM_CACHE_AGE_MS] = 3600 * 1000,
	[NICSIM_INSERT_DELAY_US] = 60000000, [NICSIM_HANG_INSERTS] = 1,
	[NICSIM_FAIL_INSERTS] = 1 << 30,     [NICSIM_FAIL_ERRNO] = 4095,
	[NICSIM_FAIL_STATS] = 1 << 30,
};

static int refuse_table(struct nicsim_refusal *why, int error, const char *sentence)
{
	why->error = error;
	why->culprit = NICSIM_CULPRIT_TABLE;
	why->action = 0;
	why->sentence = sentence;
	return error;
}

/* Life and settings. */

struct nicsim_eswitch *nicsim_eswitch_new(void)
{
	struct nicsim_eswitch *sw = kzalloc(sizeof(*sw), GFP_KERNEL);

	if (!sw)
		return NULL;
	sw->by_key = kvcalloc(NICSIM_BUCKETS, sizeof(*sw->by_key), GFP_KERNEL);
	if (!sw->by_key)
		goto err_by_key;
	sw->by_id = kvcalloc(NICSIM_BUCKETS, sizeof(*sw->by_id), GFP_KERNEL);
	if (!sw->by_id)
		goto err_by_id;
	mutex_init(&sw->lock);
	INIT_LIST_HEAD(&sw->tuples);
	sw->knobs[NICSIM_CAPACITY] = 65536;
	sw->knobs[NICSIM_CACHE_AGE_MS] = 1000;
	sw->knobs[NICSIM_FAIL_ERRNO] = EIO;
	return sw;

err_by_id:
	kvfree(sw->by_key);
err_by_key:
	kfree(sw);
	return NULL;
}

void nicsim_eswitch_free(struct nicsim_eswitch *sw)
{
	if (!sw)
		return;
	nicsim_eswitch_flush(sw);
	/* A reader that is still in its read section may look at the tables' heads. */
	synchronize_rcu();
	mutex_destroy(&sw->lock);
	kvfree(sw->by_id);
	kvfree(sw->by_key);
	kfree(sw);
}

const char *nicsim_knob_name(enum nicsim_knob knob)
{
	return knob_names[knob];
}

__u64 nicsim_knob_get(const struct nicsim_eswitch *sw, enum nicsim_knob knob)
{
	return READ_ONCE(sw->knobs[knob]);
}

int nicsim_knob_set(struct nicsim_eswitch *sw, enum nicsim_knob knob, __u64 value)
{
	if (value > knob_max[knob] || (knob == NICSIM_FAIL_ERRNO && !value))
		return -ERANGE;
	mutex_lock(&sw->lock);
	WRITE_ONCE(sw->knobs[knob], value);
	mutex_unlock(&sw->lock);
	return 0;
}

/* For knobs that count down. */
static bool fault_due(struct nicsim_eswitch *sw, enum nicsim_knob knob)
{
	u64 left = READ_ONCE(sw->knobs[knob]);

	lockdep_assert_held(&sw->lock);
	if (!left)
		return false;
	WRITE_ONCE(sw->knobs[knob], left - 1);
	return true;
}

int nicsim_port_add(struct nicsim_eswitch *sw, __u32 port)
{
	if (port >= NICSIM_MAX_PORTS)
		return -ERANGE;
	set_bit(port, sw->ports);
	return 0;
}

void nicsim_port_del(struct nicsim_eswitch *sw, __u32 port)
{
	if (port < NICSIM_MAX_PORTS)
		clear_bit(port, sw->ports);
}

bool nicsim_port_exists(const struct nicsim_eswitch *sw, __u32 port)
{
	return port < NICSIM_MAX_PORTS && test_bit(port, sw->ports);
}

__u32 nicsim_eswitch_used(const struct nicsim_eswitch *sw)
{
	return READ_ONCE(sw->n_rules);
}

/* Keys as words. */

static void key_and(const struct nicsim_key *key, const struct nicsim_key *mask,
		    struct nicsim_key *ret_key)
{
	const u64 *k = (const u64 *)key, *m = (const u64 *)mask;
	u64 *out = (u64 *)ret_key;
	size_t i;

	for (i = 0; i < NICSIM_KEY_WORDS; i++)
		out[i] = k[i] & m[i];
}

static bool key_equal(const struct nicsim_key *a, const struct nicsim_key *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static struct hlist_head *key_bucket(const struct nicsim_eswitch *sw,
				     const struct nicsim_key *masked, u32 seed)
{
	return &sw->by_key[nicsim_hash(masked, sizeof(*masked), seed) % NICSIM_BUCKETS];
}

static struct hlist_head *id_bucket(const struct nicsim_eswitch *sw,
				    const struct nicsim_rule_id *id)
{
	return &sw->by_id[nicsim_hash(id, sizeof(*id), 0) % NICSIM_BUCKETS];
}

/* Readers. */

struct nicsim_rule *nicsim_lookup(const struct nicsim_eswitch *sw, const struct nicsim_key *key)
{
	struct nicsim_rule *best = NULL, *rule;
	struct nicsim_tuple *tuple;
	struct nicsim_key masked;

	list_for_each_entry_rcu(tuple, &sw->tuples, node) {
		if (best && tuple->priority > best->tuple->priority)
			break;
		key_and(key, &tuple->mask, &masked);
		hlist_for_each_entry_rcu(rule, key_bucket(sw, &masked, tuple->seed), match_node) {
			if (rule->tuple != tuple || !key_equal(&rule->key, &masked))
				continue;
			if (!best || rule->seq > best->seq)
				best = rule;
			break; /* the newest of its kind comes first */
		}
	}
	return best;
}

struct nicsim_actions nicsim_rule_actions(const struct nicsim_rule *rule)
{
	const struct nicsim_action_list *list = rcu_dereference(rule->actions);
	struct nicsim_actions actions = {.n = list->n, .v = list->v};

	return actions;
}

/* Inside an RCU read section, or under sw->lock. */
static struct nicsim_rule *find_rule(const struct nicsim_eswitch *sw,
				     const struct nicsim_rule_id *id)
{
	struct nicsim_rule *rule;

	hlist_for_each_entry_rcu(rule, id_bucket(sw, id), id_node, lockdep_is_held(&sw->lock)) {
		if (rule->id.hi == id->hi && rule->id.lo == id->lo)
			return rule;
	}
	return NULL;
}

static int read_stats(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id,
		      struct nicsim_stats *ret_stats, bool take)
{
	struct nicsim_rule *rule;
	int err = 0;

	if (READ_ONCE(sw->knobs[NICSIM_FAIL_STATS])) {
		bool due;

		mutex_lock(&sw->lock);
		due = fault_due(sw, NICSIM_FAIL_STATS);
		mutex_unlock(&sw->lock);
		if (due)
			return -EIO;
	}
	rcu_read_lock();
	rule = find_rule(sw, id);
	if (!rule)
		err = -ENOENT;
	else if (take)
		nicsim_counts_take(sw, rule, ret_stats);
	else
		nicsim_counts_read(sw, rule, ret_stats, NULL);
	rcu_read_unlock();
	return err;
}

int nicsim_rule_stats(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id,
		      struct nicsim_stats *ret_stats)
{
	return read_stats(sw, id, ret_stats, false);
}

int nicsim_rule_take(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id,
		     struct nicsim_stats *ret_delta)
{
	return read_stats(sw, id, ret_delta, true);
}

/* Writers. */

static struct nicsim_tuple *tuple_get(struct nicsim_eswitch *sw, u32 priority,
				      const struct nicsim_key *mask)
{
	struct nicsim_tuple *tuple, *fresh;
	struct list_head *before = &sw->tuples;

	lockdep_assert_held(&sw->lock);
	list_for_each_entry(tuple, &sw->tuples, node) {
		if (tuple->priority == priority && key_equal(&tuple->mask, mask))
			return tuple;
		if (tuple->priority > priority) {
			before = &tuple->node;
			break;
		}
	}
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
	if (!fresh)
		return NULL;
	fresh->priority = priority;
	fresh->mask = *mask;
	fresh->seed = ++sw->n_tuples_ever;
	INIT_LIST_HEAD(&fresh->rules);
	list_add_tail_rcu(&fresh->node, before);
	return fresh;
}

static struct nicsim_action_list *copy_actions(const struct nicsim_actions *actions)
{
	struct nicsim_action_list *list;

	list = kzalloc(struct_size(list, v, actions->n), GFP_KERNEL);
	if (!list)
		return NULL;
	list->n = actions->n;
	memcpy(list->v, actions->v, actions->n * sizeof(list->v[0]));
	return list;
}

/* Links a whole rule. Under sw->lock. */
static int link_rule(struct nicsim_eswitch *sw, struct nicsim_rule *rule,
		     const struct nicsim_rule_spec *spec, struct nicsim_refusal *why)
{
	lockdep_assert_held(&sw->lock);
	if (fault_due(sw, NICSIM_FAIL_INSERTS))
		return refuse_table(why, -(int)READ_ONCE(sw->knobs[NICSIM_FAIL_ERRNO]),
				    "nicsim: insert failed on demand (fail_inserts)");
	if (find_rule(sw, &spec->id))
		return refuse_table(why, -EEXIST, "nicsim: a rule with this id exists");
	if (sw->n_rules >= READ_ONCE(sw->knobs[NICSIM_CAPACITY]))
		return refuse_table(why, -ENOSPC, "nicsim: the table is full");
	rule->tuple = tuple_get(sw, spec->priority, &spec->mask);
	if (!rule->tuple)
		return refuse_table(why, -ENOMEM, "nicsim: out of memory");
	rule->seq = ++sw->next_seq;
	WRITE_ONCE(sw->n_rules, sw->n_rules + 1);
	list_add_tail(&rule->in_tuple, &rule->tuple->rules);
	hlist_add_head_rcu(&rule->id_node, id_bucket(sw, &rule->id));
	hlist_add_head_rcu(&rule->match_node, key_bucket(sw, &rule->key, rule->tuple->seed));
	return 0;
}

int nicsim_rule_insert(struct nicsim_eswitch *sw, const struct nicsim_rule_spec *spec,
		       struct nicsim_refusal *why)
{
	struct nicsim_action_list *list;
	struct nicsim_rule *rule;
	int err;

	BUILD_BUG_ON(sizeof(struct nicsim_key) != 64);
	err = nicsim_rule_check(sw, spec, why);
	if (err)
		return err;
	list = copy_actions(&spec->actions);
	if (!list)
		return refuse_table(why, -ENOMEM, "nicsim: out of memory");
	rule = kzalloc(sizeof(*rule), GFP_KERNEL);
	if (!rule) {
		err = refuse_table(why, -ENOMEM, "nicsim: out of memory");
		goto err_rule;
	}
	rule->id = spec->id;
	key_and(&spec->key, &spec->mask, &rule->key);
	RCU_INIT_POINTER(rule->actions, list);
	nicsim_counts_init(sw, rule);

	mutex_lock(&sw->lock);
	err = link_rule(sw, rule, spec, why);
	mutex_unlock(&sw->lock);
	if (err)
		goto err_link;
	return 0;

err_link:
	kfree(rule);
err_rule:
	kfree(list);
	return err;
}

int nicsim_rule_modify(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id,
		       const struct nicsim_actions *actions, struct nicsim_refusal *why)
{
	struct nicsim_action_list *list, *old;
	struct nicsim_rule *rule;
	int err;

	mutex_lock(&sw->lock);
	rule = find_rule(sw, id);
	if (!rule) {
		err = refuse_table(why, -ENOENT, "nicsim: no rule with this id");
		goto out;
	}
	err = nicsim_actions_check(sw, &rule->key, &rule->tuple->mask, actions, why);
	if (err)
		goto out;
	if (fault_due(sw, NICSIM_FAIL_INSERTS)) {
		err = refuse_table(why, -(int)READ_ONCE(sw->knobs[NICSIM_FAIL_ERRNO]),
				   "nicsim: insert failed on demand (fail_inserts)");
		goto out;
	}
	list = copy_actions(actions);
	if (!list) {
		err = refuse_table(why, -ENOMEM, "nicsim: out of memory");
		goto out;
	}
	old = rcu_dereference_protected(rule->actions, lockdep_is_held(&sw->lock));
	rcu_assign_pointer(rule->actions, list);
	nicsim_free_rcu(old);
out:
	mutex_unlock(&sw->lock);
	return err;
}

/* Under sw->lock. No reader finds the rule any more; those that have it may go on for a grace
 * period. */
static void unlink_rule(struct nicsim_eswitch *sw, struct nicsim_rule *rule)
{
	struct nicsim_tuple *tuple = rule->tuple;

	lockdep_assert_held(&sw->lock);
	hlist_del_rcu(&rule->match_node);
	hlist_del_rcu(&rule->id_node);
	list_del(&rule->in_tuple);
	WRITE_ONCE(sw->n_rules, sw->n_rules - 1);
	if (list_empty(&tuple->rules)) {
		list_del_rcu(&tuple->node);
		nicsim_free_rcu(tuple);
	}
}

/* After unlink_rule(): frees the rule when readers are done with it. */
static void free_rule(struct nicsim_rule *rule)
{
	struct nicsim_action_list *list = rcu_dereference_protected(rule->actions, true);

	nicsim_free_rcu(list);
	nicsim_free_rcu(rule);
}

struct nicsim_rule *nicsim_rule_unlink(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id)
{
	struct nicsim_rule *rule;

	mutex_lock(&sw->lock);
	rule = find_rule(sw, id);
	if (rule)
		unlink_rule(sw, rule);
	mutex_unlock(&sw->lock);
	return rule;
}

void nicsim_rule_finish(const struct nicsim_eswitch *sw, struct nicsim_rule *rule,
			struct nicsim_stats *ret_last)
{
	nicsim_counts_read(sw, rule, ret_last, NULL);
	free_rule(rule);
}

int nicsim_rule_remove(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id,
		       struct nicsim_stats *last)
{
	struct nicsim_rule *rule;

	mutex_lock(&sw->lock);
	rule = find_rule(sw, id);
	if (rule) {
		if (last)
			nicsim_counts_read(sw, rule, last, NULL);
		unlink_rule(sw, rule);
		free_rule(rule);
	}
	mutex_unlock(&sw->lock);
	return rule ? 0 : -ENOENT;
}

void nicsim_eswitch_flush(struct nicsim_eswitch *sw)
{
	struct nicsim_tuple *tuple, *next_tuple;
	struct nicsim_rule *rule, *next_rule;

	mutex_lock(&sw->lock);
	list_for_each_entry_safe(tuple, next_tuple, &sw->tuples, node) {
		/* The last rule takes the tuple along; inside RCU both stay readable. */
		rcu_read_lock();
		list_for_each_entry_safe(rule, next_rule, &tuple->rules, in_tuple) {
			unlink_rule(sw, rule);
			free_rule(rule);
		}
		rcu_read_unlock();
	}
	mutex_unlock(&sw->lock);
}

void nicsim_eswitch_reset_counters(struct nicsim_eswitch *sw)
{
	struct nicsim_tuple *tuple;
	struct nicsim_rule *rule;

	mutex_lock(&sw->lock);
	list_for_each_entry(tuple, &sw->tuples, node) {
		list_for_each_entry(rule, &tuple->rules, in_tuple)
			nicsim_counts_reset(rule);
	}
	mutex_unlock(&sw->lock);
}

static void show_rule(struct nicsim_eswitch *sw, struct nicsim_rule *rule,
		      void (*fn)(void *aux, const struct nicsim_rule_info *info), void *aux)
{
	struct nicsim_action_list *list =
		rcu_dereference_protected(rule->actions, lockdep_is_held(&sw->lock));
	struct nicsim_rule_info info = {
		.spec =
			{
				.id = rule->id,
				.priority = rule->tuple->priority,
				.key = rule->key,
				.mask = rule->tuple->mask,
				.actions = {.n = list->n, .v = list->v},
			},
	};

	nicsim_counts_read(sw, rule, &info.cached, &info.live);
	fn(aux, &info);
}

void nicsim_eswitch_for_each(struct nicsim_eswitch *sw,
			     void (*fn)(void *aux, const struct nicsim_rule_info *info), void *aux)
{
	struct nicsim_tuple *tuple;
	struct nicsim_rule *rule;

	mutex_lock(&sw->lock);
	list_for_each_entry(tuple, &sw->tuples, node) {
		list_for_each_entry(rule, &tuple->rules, in_tuple)
			show_rule(sw, rule, fn, aux);
	}
	mutex_unlock(&sw->lock);
}
